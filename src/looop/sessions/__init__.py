"""Supervised terminals: a library that knows nothing of goals, asks or beats."""
