"""
Waiting for what a session says, for its quiet and for its end, without polling.

Every wait blocks in the session's supervisor and looks again when that answers. A pattern is
Python's own kind of regular expression, with `^` and `$` at every line; one that backtracks
without end is as slow here as anywhere, and holds up nobody but its own caller.
"""

import codecs
import copy
import re
from typing import Protocol

from looop.errors import Usage
from looop.kit.clock import Clock
from looop.sessions.port import Chunk, Match
from looop.sessions.records import Ending
from looop.sessions.stripper import Stripper

__all__ = ["Hunt", "Source", "compiled", "expect_output", "expect_screen", "idle_screen"]

CHUNK_BYTES = 1 << 16
# How much of what has been searched is searched again with what follows it.
WINDOW_CHARS = 1 << 16
# A frame that is being drawn is let finish before it is looked at.
FRAME_S, FRAME_CAP_S = 0.02, 0.1


class Source(Protocol):
    """
    What waiting needs of one session, living or ended.

    `more` blocks until there is output past `offset`, `quiet` until there was none for
    `settle_s`; both return at the session's end and, unless it is 0, after `timeout_s`.
    """

    def read(self, since: int, limit: int) -> Chunk: ...
    def more(self, offset: int, timeout_s: float) -> Ending: ...
    def quiet(self, settle_s: float, timeout_s: float) -> Ending: ...
    def lines(self) -> list[str]: ...


class _Until:
    """A deadline, or none for a timeout of 0."""

    def __init__(self, timeout_s: float, clock: Clock) -> None:
        self._clock = clock
        self._end = clock.monotonic() + timeout_s if timeout_s else None

    @property
    def over(self) -> bool:
        return self._end is not None and self._clock.monotonic() >= self._end

    def left(self, most: float = 0.0) -> float:
        """Seconds to wait now, `most` at most; 0 for no limit. Never 0 when there is one."""
        if self._end is None:
            return most
        left = max(0.001, self._end - self._clock.monotonic())
        return min(left, most) if most else left


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, `^` and `$` at every line. Raises `Usage` with what is wrong with it."""
    try:
        return re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise Usage(f"{pattern!r} is not a regular expression: {error}") from error


class _Raw:
    """Output as it is, decoded; the counterpart of a `Stripper`."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.rest = ""

    def feed(self, data: bytes) -> list[str]:
        *lines, rest = (self.rest + self._decoder.decode(data)).split("\n")
        # What stands for the beginning of an endless line keeps `^` from matching inside it.
        self.rest = rest if len(rest) <= WINDOW_CHARS else "\ufffd" + rest[-WINDOW_CHARS:]
        return lines


class Hunt:
    """
    Looks for a pattern in output that comes in any chunking, in bounded memory.

    It is matched against the text without escape sequences and controls, or with `raw` against
    all of it. What is further back than the last 64 Ki characters cannot be part of a match.
    """

    def __init__(self, pattern: re.Pattern[str], *, raw: bool = False) -> None:
        self._pattern = pattern
        self._text: Stripper | _Raw = _Raw() if raw else Stripper()
        self._window = ""

    def feed(self, chunk: Chunk) -> Match | None:
        """The first match that ends in this chunk, with the absolute offset where it ends."""
        before, window = copy.deepcopy(self._text), self._window
        found = self._seek(self._text, chunk.data)
        if found is None:
            return None
        # The shortest beginning of the chunk that has this match: nothing after it is used up.
        low, high = 0, len(chunk.data)
        while high - low > 1:
            middle = (low + high) // 2
            self._window = window
            if self._seek(copy.deepcopy(before), chunk.data[:middle]) == found:
                high = middle
            else:
                low = middle
        return Match(outcome="match", text=found, offset=chunk.start + high)

    def _seek(self, text: "Stripper | _Raw", data: bytes) -> str | None:
        lines = text.feed(data)
        whole = self._window + "".join(f"{line}\n" for line in lines)
        match = self._pattern.search(whole + text.rest)
        self._window = self._kept(whole)
        return match[0] if match else None

    @staticmethod
    def _kept(whole: str) -> str:
        if len(whole) <= WINDOW_CHARS:
            return whole
        # Cut at a line, so that `^` matches nowhere but where a line begins.
        cut = whole.find("\n", len(whole) - WINDOW_CHARS) + 1
        return whole[cut or len(whole) - WINDOW_CHARS :]


def expect_output(
    source: Source,
    pattern: str,
    *,
    since: int,
    timeout_s: float,
    clock: Clock,
    raw: bool = False,
) -> Match:
    """
    Wait until the output from the absolute offset `since` holds a match; 0 s for no limit.

    What a session wrote to its end counts. Raises `Usage` for a bad pattern.
    """
    hunt = Hunt(compiled(pattern), raw=raw)
    until = _Until(timeout_s, clock)
    at, ended = since, False
    while True:
        chunk = source.read(at, CHUNK_BYTES)
        at = chunk.end
        if chunk.data:
            found = hunt.feed(chunk)
            if found is not None:
                return found
        elif ended:
            return Match(outcome="ended", offset=at)
        if until.over:
            return Match(outcome="timeout", offset=at)
        if not chunk.data:
            ended = source.more(at, until.left()).ended


def expect_screen(source: Source, pattern: str, *, timeout_s: float, clock: Clock) -> Match:
    """
    Wait until the screen holds a match: its rows, top to bottom, without blanks at their ends.

    The last screen of an ended session counts. Raises `Usage` for a bad pattern.
    """
    wanted = compiled(pattern)
    until = _Until(timeout_s, clock)
    ended, at = False, 0
    while True:
        found = wanted.search("\n".join(source.lines()))
        if found is not None:
            return Match(outcome="match", text=found[0], offset=at)
        if ended:
            return Match(outcome="ended", offset=at)
        if until.over:
            return Match(outcome="timeout", offset=at)
        ended, at = _next_frame(source, at, until)


def _next_frame(source: Source, at: int, until: _Until) -> tuple[bool, int]:
    """Whether the session has ended, and up to where it has written, after another frame."""
    more = source.more(at, until.left())
    if more.ended or more.timeout:
        return more.ended, max(at, more.offset)
    quiet = source.quiet(FRAME_S, FRAME_CAP_S)
    return quiet.ended, max(at, more.offset)


def idle_screen(source: Source, *, settle_s: float, timeout_s: float, clock: Clock) -> Ending:
    """
    Wait until the text on the screen has not changed for `settle_s`, or the session ends.

    A program that draws the same again and again is idle; one with a spinner is not.
    """
    until = _Until(timeout_s, clock)
    first = source.more(0, 0.001)
    if first.ended:
        return first
    at, shown, since = first.offset, source.lines(), clock.monotonic()
    while True:
        left = since + settle_s - clock.monotonic()
        if left <= 0:
            return Ending(ended=False, offset=at)
        if until.over:
            return Ending(ended=False, timeout=True, offset=at)
        more = source.more(at, until.left(left))
        if more.ended:
            return more
        if more.offset <= at:
            continue
        at = more.offset
        if (quiet := source.quiet(FRAME_S, FRAME_CAP_S)).ended:
            return quiet
        now = source.lines()
        if now != shown:
            shown, since = now, clock.monotonic()
