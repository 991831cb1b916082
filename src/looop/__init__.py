"""A small, autonomous control loop for agent work: sense, diff, decide, admit, act, log."""

__version__ = "0.1.0"
