"""
Every error that looop raises on purpose, named for what the caller should do.

    LooopError            1
    +-- Usage             2   the words of the call are wrong; fix them
    |   +-- BadConfig     2   a configuration file says something that cannot be meant
    +-- Refused           1   understood, and not done; the reason says why
    |   +-- Conflict      1   someone else changed it first; look again
    |   +-- NotFound      1   proven absent
    |   +-- AlreadyRuns   1   another pulse holds this profile
    +-- Unreadable        1   could not look, which is not the same as absent
    |   +-- Corrupt       1   looked, and it makes no sense
    +-- Failed            1   tried, and it did not work
    +-- Missing           1   a program or package that this needs is not here

The number is the exit code of the command line.
"""

__all__ = [
    "AlreadyRuns",
    "BadConfig",
    "Conflict",
    "Corrupt",
    "Failed",
    "LooopError",
    "Missing",
    "NotFound",
    "Refused",
    "Unreadable",
    "Usage",
]


class LooopError(Exception):
    """The base of them all; its text is one line that a person can act on."""

    exit_code = 1


class Usage(LooopError):
    """The words of the call are wrong."""

    exit_code = 2


class BadConfig(Usage):
    """A configuration file holds an unknown key, an ill-typed value or a broken rule."""


class Refused(LooopError):
    """Understood, and not done."""


class Conflict(Refused):
    """Someone else changed it first."""


class NotFound(Refused):
    """Proven absent."""


class AlreadyRuns(Refused):
    """Another pulse holds this profile."""


class Unreadable(LooopError):
    """Could not look. Never to be read as "there is nothing there"."""


class Corrupt(Unreadable):
    """Looked, and what is there makes no sense."""


class Failed(LooopError):
    """Tried, and it did not work."""


class Missing(LooopError):
    """A program or package that this needs is not installed."""
