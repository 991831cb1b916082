"""The contract: every verb that a human, a client or a worker can use; typed and silent."""
