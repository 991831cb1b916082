"""A session's output as raw bytes: segments with absolute offsets, capped."""

import errno
import os

__all__ = ["KEPT_SEGMENTS", "SEGMENT_BYTES", "RawLog", "read", "segments", "size"]

SEGMENT_BYTES = 64 << 20
KEPT_SEGMENTS = 16
_PREFIX = "output."
_SUFFIX = ".log"


def _name(start: int) -> str:
    return f"{_PREFIX}{start:016d}{_SUFFIX}"


def segments(directory: str) -> list[tuple[int, str]]:
    """(absolute start, path) of each segment that is kept, in order; [] where none is."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    found: list[tuple[int, str]] = []
    for name in names:
        digits = name[len(_PREFIX) : -len(_SUFFIX)]
        if digits.isdecimal() and name == _name(int(digits)):
            found.append((int(digits), os.path.join(directory, name)))
    return sorted(found)


def size(directory: str) -> int:
    """The absolute offset after the last byte that was ever written."""
    while found := segments(directory):
        start, path = found[-1]
        try:
            return start + os.lstat(path).st_size
        except FileNotFoundError:
            # It was given up between the two looks; there is a later one.
            continue
    return 0


def read(directory: str, offset: int, limit: int) -> tuple[int, bytes]:
    """
    Up to `limit` bytes from absolute `offset`, and the offset where they really begin.

    They begin later than asked where old segments are gone. b"" at the end.
    """
    for start, path in segments(directory):
        found = _read_segment(start, path, offset, limit)
        if found is not None:
            return found
    return offset, b""


def _read_segment(start: int, path: str, offset: int, limit: int) -> tuple[int, bytes] | None:
    """What one segment has from `offset`; None if it has nothing there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        begin = max(offset, start)
        data = os.pread(fd, limit, begin - start)
        return (begin, data) if data else None
    finally:
        os.close(fd)


class RawLog:
    """The writing side; one owner. `end` is the absolute offset after the last byte."""

    def __init__(self, directory: str, segment_bytes: int, kept: int) -> None:
        self._directory = directory
        self._segment_bytes = max(1, segment_bytes)
        self._kept = max(1, kept)
        self._starts = [start for start, _ in segments(directory)] or [0]
        self._fd = self._open(self._starts[-1])
        self.end = self._starts[-1] + os.fstat(self._fd).st_size

    def _path(self, start: int) -> str:
        return os.path.join(self._directory, _name(start))

    def _open(self, start: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._path(start), flags, 0o600)

    def add(self, data: bytes) -> None:
        """
        Append all of `data`; old output may be given up for it, and `start` then moves.

        Raises `OSError`; `end` then tells how much was written all the same.
        """
        if self.end - self._starts[-1] >= self._segment_bytes:
            self._turn()
        rest = memoryview(data)
        while rest:
            written = os.write(self._fd, rest)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.end += written
            rest = rest[written:]

    def _turn(self) -> None:
        fresh = self._open(self.end)
        os.close(self._fd)
        self._fd = fresh
        self._starts.append(self.end)
        gone = self._starts[: -self._kept]
        del self._starts[: len(gone)]
        for start in gone:
            try:
                os.unlink(self._path(start))
            except FileNotFoundError:
                continue

    @property
    def start(self) -> int:
        """The absolute offset of the first byte that is kept."""
        return self._starts[0]

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        """As the function `read`, without looking at the directory; raises `OSError`."""
        for index, start in enumerate(self._starts):
            end = self._starts[index + 1] if index + 1 < len(self._starts) else self.end
            if offset < end:
                begin = max(offset, start)
                found = _read_segment(start, self._path(start), begin, min(limit, end - begin))
                if found is not None:
                    return found
        return offset, b""

    def sync(self) -> None:
        """Ask the disk to keep it."""
        try:
            os.fsync(self._fd)
        except OSError:
            # What is written is written; that is all that can be had.
            return

    def close(self) -> None:
        """Let go of it; what it has can still be read."""
        os.close(self._fd)
