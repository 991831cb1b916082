"""How a brief reaches a CLI: as its first message, or, when it is too long, as a file to read."""

import shlex
from pathlib import Path

from looop.kit import files
from looop.loop.workers.agents.base import Brief

__all__ = ["ARGUMENT_BYTES", "first_message", "prelude", "word"]

# Linux takes no single argument of 128 KiB or more.
ARGUMENT_BYTES = 120 * 1024

# Text that begins with a slash, an @ or an exclamation mark is a command to most of these CLIs.
_LEAD = "Your brief:\n\n"


def _too_long(brief: Brief) -> bool:
    found = files.stat_or_none(Path(brief.prompt_file))
    return found is not None and found.st_size > ARGUMENT_BYTES


def _by_file(brief: Brief) -> str:
    return (
        f"Your brief is the file {brief.prompt_file} - read all of it first, then do what it says."
    )


def prelude(brief: Brief) -> str:
    """
    Shell text that must come before the command that holds `word`.

    It ends the shell when the brief is not there: an agent must not run without one.
    """
    path = shlex.quote(brief.prompt_file)
    return f"test -r {path} || exit 66; " if _too_long(brief) else f"brief=$(cat {path}) || exit; "


def word(brief: Brief) -> str:
    """The one shell word that is the agent's first message. Raises `Unreadable`."""
    if _too_long(brief):
        return shlex.quote(_by_file(brief))
    return "$'Your brief:\\n\\n'\"$brief\""


def first_message(brief: Brief) -> str:
    """
    The message that `word` stands for, as the agent gets it.

    Raises `Unreadable`, also when the brief is gone.
    """
    if _too_long(brief):
        return _by_file(brief)
    return _LEAD + (files.read_text(Path(brief.prompt_file)) or "").rstrip("\n")
