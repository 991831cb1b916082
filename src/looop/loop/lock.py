"""One owner of a profile at a time: a lock that the kernel lets go of, however its owner ends."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from looop.errors import AlreadyRuns, LooopError, Unreadable
from looop.kit import files
from looop.model.records import PulseNote
from looop.paths import Paths
from looop.state import table

__all__ = ["held", "note", "owned"]


@contextlib.contextmanager
def owned(paths: Paths) -> Generator[None]:
    """
    Own the profile for as long as the block runs.

    The lock is the kernel's, so it goes when the process goes, however it goes; its file is
    never removed. Raises `AlreadyRuns`, or `Unreadable` when the lock cannot be looked at.
    """
    try:
        files.ensure_dir(paths.locks)
        fd = os.open(paths.pulse_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unreadable(f"cannot open {paths.pulse_lock}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRuns(_who(paths)) from error
        except OSError as error:
            raise Unreadable(f"cannot lock {paths.pulse_lock}: {error.strerror}") from error
        yield
    finally:
        os.close(fd)


def _who(paths: Paths) -> str:
    found = note(paths)
    who = f" (pid {found.owner.pid})" if found else ""
    return f"a pulse{who} holds {paths.data} already; `looop status` shows it"


def held(paths: Paths) -> bool:
    """Whether a pulse owns the profile now. Raises `Unreadable` when that cannot be told."""
    if files.stat_or_none(paths.pulse_lock) is None:
        return False
    try:
        with _probe(paths.pulse_lock):
            return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise Unreadable(f"cannot look at {paths.pulse_lock}: {error.strerror}") from error


@contextlib.contextmanager
def _probe(lock: Path) -> Generator[None]:
    fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        # Shared, so that two probes never see each other, only a real owner.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def note(paths: Paths) -> PulseNote | None:
    """What the last pulse said of itself; None if there is nothing that can be read."""
    try:
        return table.load(paths.pulse_note, PulseNote)
    except LooopError:
        return None
