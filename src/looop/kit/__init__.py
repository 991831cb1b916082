"""Helpers without a word of the domain: each could be a library of its own."""
