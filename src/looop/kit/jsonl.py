"""Logs of one JSON object a line: read from the end or from the start, skipping torn lines."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from looop.kit import files
from looop.kit.shapes import is_object

__all__ = ["backwards", "objects", "tail"]

_CHUNK = 1 << 18


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value: Any = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return value if is_object(value) else None


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole object of the log, the rotated generation first; torn lines are skipped."""
    for part in (path.with_name(path.name + ".1"), path):
        data = files.read_bytes(part)
        for line in (data or b"").split(b"\n"):
            if line and (row := _parse(line)) is not None:
                yield row


def _lines_backwards(path: Path) -> Iterator[bytes]:
    end = found.st_size if (found := files.stat_or_none(path)) else 0
    rest = b""
    while end > 0:
        start = max(0, end - _CHUNK)
        data = files.read_range(path, start, end) + rest
        lines = data.split(b"\n")
        rest = lines[0] if start else b""
        yield from reversed(lines[1:] if start else lines)
        end = start


def backwards(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole object, newest first, then those of the rotated generation."""
    for part in (path, path.with_name(path.name + ".1")):
        for line in _lines_backwards(part):
            if line and (row := _parse(line)) is not None:
                yield row


def tail(path: Path, count: int) -> list[dict[str, Any]]:
    """The last `count` whole objects, oldest first, read from the end of the file."""
    return list(itertools.islice(backwards(path), count))[::-1]
