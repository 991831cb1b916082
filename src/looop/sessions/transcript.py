"""What a session wrote, as lines that are safe to show: all, the last of them, those that match."""

import collections
import contextlib
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Protocol

from looop.errors import Unreadable, Usage
from looop.kit import text as words
from looop.sessions.host import rawlog
from looop.sessions.port import Fleet
from looop.sessions.stripper import LINE_CHARS, Stripper

__all__ = ["Reader", "grep", "last_line", "lines", "tail"]

_CHUNK = 1 << 18
_FIRST_WINDOW = 1 << 14
_LAST_LINE_BYTES = 1 << 20


class Source(Protocol):
    """Raw output by absolute offset: `read` gives where the bytes really begin, and b"" at the end."""

    def read(self, offset: int, limit: int) -> tuple[int, bytes]: ...
    def end(self) -> int: ...


class _Kept(Source):
    """The log in a session's directory. Raises `Unreadable`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        with self._looking():
            return rawlog.read(str(self._directory), offset, limit)

    def end(self) -> int:
        with self._looking():
            return rawlog.size(str(self._directory))

    @contextlib.contextmanager
    def _looking(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Unreadable(f"cannot read the output in {self._directory}: {why}") from error


class _Served(Source):
    """The log of a session as its fleet gives it. Raises what the fleet raises."""

    def __init__(self, fleet: Fleet, session: str) -> None:
        self._fleet = fleet
        self._session = session

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        chunk = self._fleet.read(self._session, offset, limit)
        return chunk.start, chunk.data

    def end(self) -> int:
        return self._fleet.get(self._session).bytes


class _Stream:
    """
    Lines from `at` on, piece by piece.

    `offset` is where a later stream may begin without losing or tearing anything: behind what
    was read, or where a sequence or character begins that is not all there yet.
    """

    def __init__(self, source: Source, at: int) -> None:
        self._source = source
        self._stripper = Stripper()
        self.at = self.offset = at

    def until(self, end: int) -> Iterator[str]:
        """The lines that are completed before `end`; what is no longer kept is passed over."""
        while self.at < end:
            begin, data = self._source.read(self.at, min(_CHUNK, end - self.at))
            if not data or begin >= end:
                return
            if begin != self.at:
                yield from self.finish()
                self._stripper = Stripper()
            lines = self._stripper.feed(data)
            self.at = begin + len(data)
            if not self._stripper.inside:
                self.offset = self.at - self._stripper.torn
            elif (escape := data.rfind(b"\x1b")) >= 0:
                self.offset = begin + escape
            yield from lines

    def finish(self) -> list[str]:
        return self._stripper.finish()

    def all(self, end: int) -> Iterator[str]:
        """As `until`, and the line that is not completed."""
        yield from self.until(end)
        yield from self.finish()


def lines(directory: Path, *, since: int = 0, until: int | None = None) -> Iterator[str]:
    """
    The lines written from the absolute offset `since` up to `until`, or up to now.

    The log is read piece by piece; what is no longer kept of it is passed over. A last line
    without an end counts. Raises `Unreadable`.
    """
    source = _Kept(directory)
    yield from _Stream(source, since).all(source.end() if until is None else until)


def grep(directory: Path, pattern: str, *, since: int = 0) -> Iterator[str]:
    """
    The lines in which the regular expression is found, oldest first.

    Raises `Usage` for what is no regular expression, and `Unreadable`.
    """
    try:
        found = re.compile(pattern).search
    except (re.error, RecursionError, OverflowError) as error:
        shown = words.one_line(pattern, 80)
        raise Usage(f"{shown!r} is not a regular expression: {error}") from error
    return (line for line in lines(directory, since=since) if found(line))


def _windows(
    source: Source, *, since: int = 0, cap_bytes: int | None = None
) -> Iterator[tuple[_Stream, int, bool]]:
    """Streams over ever larger last parts of a log, the log's end, and whether one is the last."""
    end = source.end()
    first = max(since, source.read(since, 1)[0])
    window = _FIRST_WINDOW
    while True:
        start = max(first, end - window)
        last = start == first or (cap_bytes is not None and window >= cap_bytes)
        if start > first:
            start = _line_start(source, start, end)
        yield _Stream(source, start), end, last
        if last:
            return
        window *= 4


def _line_start(source: Source, start: int, end: int) -> int:
    """Where a line begins after `start`, or else a sequence; `start` if neither does."""
    begin, data = source.read(start, min(LINE_CHARS, end - start))
    line = data.find(b"\n") + 1
    return begin + (line or max(0, data.find(b"\x1b")))


def _last_lines(
    source: Source, count: int, since: int = 0, *, rest: bool = True
) -> tuple[_Stream, list[str]]:
    """The last `count` lines after `since`, the unfinished one among them if `rest`, and theirs."""
    for stream, end, last in _windows(source, since=since):
        part = stream.all(end) if rest else stream.until(end)
        found = collections.deque(part, maxlen=max(0, count))
        if last or len(found) >= count:
            return stream, list(found)
    raise AssertionError("the last window is the whole log")


def tail(directory: Path, count: int) -> list[str]:
    """
    The last `count` lines, oldest first; only the end of the log is read.

    Raises `Unreadable`.
    """
    return _last_lines(_Kept(directory), count)[1]


def last_line(directory: Path) -> str:
    """
    The last line that is not blank, without blanks around it; "" if there is none near the end.

    Raises `Unreadable`.
    """
    for stream, end, last in _windows(_Kept(directory), cap_bytes=_LAST_LINE_BYTES):
        shown = ""
        for line in stream.all(end):
            shown = line.strip() or shown
        if shown or last:
            return shown
    return ""


class Reader:
    """
    The lines of one session through its fleet, from the absolute offset `since`, or the last
    `tail` of them. `offset` is where the next reader may begin.
    """

    def __init__(
        self, fleet: Fleet, session: str, *, since: int = 0, tail: int | None = None
    ) -> None:
        self._fleet = fleet
        self._session = session
        self._source = _Served(fleet, session)
        self._since = since
        self._tail = tail
        self.offset = since

    def lines(self, *, follow: bool = False) -> Iterator[str]:
        """
        The lines up to now, the unfinished last one included; or with `follow` up to the end of
        the session, each as soon as it is finished.
        """
        if self._tail is None:
            stream = _Stream(self._source, self._since)
            yield from stream.until(self._source.end())
        else:
            stream, found = _last_lines(self._source, self._tail, self._since, rest=not follow)
            yield from found
        self.offset = stream.offset
        while follow:
            before = stream.at
            ending = self._fleet.more(self._session, stream.at, 0.0)
            yield from stream.until(sys.maxsize)
            self.offset = stream.offset
            follow = not ending.ended or before < stream.at < ending.offset
        yield from stream.finish()
