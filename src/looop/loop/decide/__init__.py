"""Turn one look at the world into one decision: reflexes, the prompt, and the runners."""
