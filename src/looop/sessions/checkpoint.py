"""A screen kept beside its log, so that the next look at it need not start from the beginning."""

import contextlib
import hashlib
import os
import stat
from pathlib import Path

import msgspec
from msgspec import Struct

from looop.errors import LooopError
from looop.kit import files
from looop.sessions.emulator import ENGINE, Saved
from looop.sessions.host import rawlog

__all__ = ["NAME", "Checkpoint", "load", "mark", "save"]

NAME = "screen.checkpoint.json"
_FORMAT = 1
_CAP_BYTES = 8 << 20
_MARK_BYTES = 256


class Checkpoint(Struct, frozen=True, kw_only=True):
    """
    The terminal of `generation`, whose output begins at `log_start`, when it had seen the log up
    to the absolute `offset` and the first `turns` changes of the terminal. `mark` tells the
    bytes before `offset` from those of another log.
    """

    generation: str
    log_start: int
    offset: int
    turns: int
    mark: str
    saved: Saved
    engine: str = ENGINE
    format: int = _FORMAT


def mark(directory: Path, log_start: int, offset: int) -> str:
    """
    A digest of the last bytes before `offset`; "" where they are not all kept.

    Raises `OSError`.
    """
    start = max(log_start, offset - _MARK_BYTES)
    begin, data = rawlog.read(str(directory), start, offset - start)
    # A segment may end in between; the bytes after it are the ones that count.
    while data and begin == start and begin + len(data) < offset:
        start = begin + len(data)
        begin, data = rawlog.read(str(directory), start, offset - start)
    if not data or begin != start:
        return ""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def load(directory: Path) -> Checkpoint | None:
    """
    The checkpoint of a session, None if there is none that this version of looop understands.

    It is still to be compared with the log. Never raises: without it, a screen costs more.
    """
    try:
        data = files.read_bytes(directory / NAME, _CAP_BYTES + 1)
        found = msgspec.json.decode(data, type=Checkpoint) if data else None
    except (LooopError, msgspec.MsgspecError, RecursionError):
        return None
    if found is None or (found.engine, found.format) != (ENGINE, _FORMAT):
        return None
    return found


def _writable(directory: Path) -> bool:
    # To root everything is writable; a directory that says it is not is left alone all the same.
    mode = directory.stat().st_mode
    return bool(mode & stat.S_IWUSR) and os.access(directory, os.W_OK)


def save(directory: Path, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint if that is possible; a screen was drawn all the same if it is not."""
    data = msgspec.json.encode(checkpoint)
    if len(data) > _CAP_BYTES:
        return
    with contextlib.suppress(OSError, LooopError):
        if _writable(directory):
            files.write_atomic(directory / NAME, data, durable=False)
