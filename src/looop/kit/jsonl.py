"""Logs of one JSON object a line: read from the end or from the start, skipping torn lines."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from looop.kit import files
from looop.kit.shapes import is_object

__all__ = ["backwards", "objects", "tail"]

# Most readers want the last line only, so a read from the end begins small and grows.
_FIRST_CHUNK = 1 << 12
_CHUNK = 1 << 18
_TRIES = 8


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if is_object(value) else None


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole object of the log, the rotated generation first; torn lines are skipped."""
    older = path.with_name(path.name + ".1")
    parts: list[bytes] = []
    for _ in range(_TRIES):
        before = _stamp(older)
        parts = [files.read_bytes(part) or b"" for part in (older, path)]
        # A rotation between the two reads would hide a whole generation.
        if _stamp(older) == before:
            break
    for line in itertools.chain.from_iterable(part.split(b"\n") for part in parts):
        if line and (row := _parse(line)) is not None:
            yield row


def _stamp(path: Path) -> tuple[int, int] | None:
    found = files.stat_or_none(path)
    return (found.st_ino, found.st_mtime_ns) if found else None


def _lines_backwards(path: Path) -> Iterator[bytes]:
    end = found.st_size if (found := files.stat_or_none(path)) else 0
    rest = b""
    chunk = _FIRST_CHUNK
    while end > 0:
        start = max(0, end - chunk)
        data = files.read_range(path, start, end) + rest
        lines = data.split(b"\n")
        rest = lines[0] if start else b""
        yield from reversed(lines[1:] if start else lines)
        end = start
        chunk = min(_CHUNK, chunk * 8)


def backwards(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole object, newest first, then those of the rotated generation."""
    for part in (path, path.with_name(path.name + ".1")):
        for line in _lines_backwards(part):
            if line and (row := _parse(line)) is not None:
                yield row


def tail(path: Path, count: int) -> list[dict[str, Any]]:
    """The last `count` whole objects, oldest first, read from the end of the file."""
    return list(itertools.islice(backwards(path), count))[::-1]
