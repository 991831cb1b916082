"""
Typing text into a program so that it arrives whole, and seeing that the program took it.

A paste and the Enter after it must not reach an agent in one piece, or the Enter becomes a line
of the text; a terminal that collects lines cuts them without a word; and an escape inside the
text would end the paste. So the text is cleaned, sent as the terminal's modes ask for, followed
by a pause and an Enter of its own, and the screen is watched: Enter is sent again only while the
text is seen waiting where it was typed.
"""

import contextlib
import fcntl
import os
import sys
import unicodedata
from collections.abc import Generator
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from looop.errors import NotFound, Refused, Unreadable, Usage
from looop.kit.clock import Clock
from looop.sessions.composer import Mark, held, mark
from looop.sessions.port import Sent
from looop.sessions.records import Ending
from looop.sessions.screen import Screen

__all__ = [
    "LINE_BYTES",
    "Desk",
    "Modes",
    "Plan",
    "clean",
    "input_lock",
    "plan",
    "send",
]

# What a terminal keeps of one line while it collects lines; it drops the rest without a word.
LINE_BYTES = 4095 if sys.platform == "linux" else 1023
# An agent waits about 100 ms for more of a paste; Enter before that is part of it.
SETTLE_S = 0.15
SETTLE_PER_BYTE_S = 0.025 / 512
SETTLE_CAP_S = 2.0
# How long to look for the effect of each Enter before the next one.
LOOKS_S = (0.5, 1.0, 2.0, 1.0)
# A frame that is being drawn is let finish before it is judged.
FRAME_S, FRAME_CAP_S = 0.03, 0.25
_COMMAND = 60
_CR = b"\r"


class Modes(Struct, frozen=True, kw_only=True):
    """What a program set its terminal to: bracketed paste on, lines collected, and so on."""

    paste: bool = False
    canonical: bool = False
    cursor_keys: bool = False


class Desk(Protocol):
    """
    What typing needs of one session.

    `type` gives the log's end before the bytes. `more` blocks until there is output past
    `offset`, `quiet` until there was none for `settle_s`; both return at the session's end, and
    at the latest after `timeout_s`. `screen` is None where screens cannot be drawn. `modes` and
    `type` raise `Refused` when the session has ended, all of them `Failed` when its supervisor
    does not answer.
    """

    def modes(self) -> Modes: ...
    def type(self, data: bytes) -> int: ...
    def more(self, offset: int, timeout_s: float) -> Ending: ...
    def quiet(self, settle_s: float, timeout_s: float) -> Ending: ...
    def screen(self) -> Screen | None: ...


class Plan(Struct, frozen=True):
    """How a text is to be typed: `how`, and the bytes up to, but without, the last Enter."""

    how: Literal["lines", "paste", "keys"]
    data: bytes


@contextlib.contextmanager
def input_lock(directory: Path) -> Generator[None]:
    """
    The right to type into a session, for one process at a time; waits for it.

    Raises `NotFound` when the session's directory is gone, `Unreadable` when it cannot be had.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(directory / "input.lock", flags, 0o600)
    except FileNotFoundError as error:
        raise NotFound(f"there is no session {directory.name!r}") from error
    except OSError as error:
        raise Unreadable(f"cannot lock the input of {directory.name}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def clean(text: str) -> str:
    """
    `text` without what is no text: controls but newline and tab, and newlines at its end.

    Escape is one of them, so nothing in it can end a bracketed paste.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (c for c in lines if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return "".join(kept).rstrip("\n")


def plan(body: str, modes: Modes, *, enter: bool = True) -> Plan:
    """
    How to type a cleaned text; `enter` when an Enter is to follow it.

    Raises `Usage` for an empty one, `Refused` for one that cannot arrive as it is: a line over
    the limit of a terminal that collects lines, or several lines where each would be submitted.
    """
    if not body:
        raise Usage("there is nothing to type: the text is empty")
    many = "\n" in body
    data = body.encode()
    if modes.canonical:
        longest = max(len(line) for line in data.split(b"\n"))
        if longest > LINE_BYTES:
            raise Refused(
                f"a line of {longest} bytes would be cut: this terminal collects lines of at "
                f"most {LINE_BYTES}; give the text as a file, or in shorter lines"
            )
        if many and not enter:
            raise Refused("every line but the last would be submitted: type one line")
        return Plan("lines", data.replace(b"\n", _CR))
    # A command to an agent or an editor is one only when it is typed.
    command = body.startswith(("/", ":")) and not many and len(body) <= _COMMAND
    if modes.paste and not command:
        return Plan("paste", b"\x1b[200~" + data + b"\x1b[201~")
    if many:
        raise Refused(
            "this program takes no paste, so each line would be submitted by itself: send the "
            "lines one by one, or give the text as a file"
        )
    return Plan("keys", data)


def settle_s(size: int) -> float:
    """How long after the last output a program is taken to have swallowed `size` bytes."""
    return min(SETTLE_S + size * SETTLE_PER_BYTE_S, SETTLE_CAP_S)


def send(desk: Desk, text: str, *, clock: Clock, enter: bool = True) -> Sent:
    """
    Type `text`, and submit it unless `enter` is off. The caller holds `input_lock`.

    Raises as `plan` and `Desk` do.
    """
    body = clean(text)
    modes = desk.modes()
    planned = plan(body, modes, enter=enter)
    before = desk.screen() if enter and planned.how != "lines" else None
    offset = desk.type(planned.data)
    if not enter:
        return Sent(offset=offset)
    if planned.how == "lines":
        return _lines(desk, offset)
    echoed = desk.more(offset, SETTLE_CAP_S).offset > offset
    desk.quiet(settle_s(len(planned.data)), SETTLE_CAP_S)
    after = desk.screen()
    waits: Mark | _Blind | None = None
    if before is not None and after is not None:
        waits = mark(before, after, body)
    elif echoed:
        waits = _Blind()
    return _enter(desk, offset, _Typed(modes, waits), clock)


def _lines(desk: Desk, offset: int) -> Sent:
    """A terminal that collects lines has the text for certain; Enter hands it over."""
    at = desk.type(_CR)
    more = desk.more(at, LOOKS_S[0])
    if more.ended:
        return Sent(offset=offset, submitted=True, attempts=1, why=_SAYS["ended"][1])
    if more.offset > at:
        return Sent(offset=offset, submitted=True, attempts=1, why="output followed")
    why = "the terminal has the line, and nothing has come of it yet"
    return Sent(offset=offset, attempts=1, why=why)


_Verdict = Literal["taken", "given", "ended", "followed", "held", "silent", "unknown"]
_SAYS: dict[_Verdict, tuple[bool | None, str]] = {
    "taken": (True, "the text left the place where it was typed"),
    "given": (True, "the program set its terminal to another mode"),
    "ended": (True, "the session ended"),
    "followed": (True, "output followed; screens cannot be drawn here, so nobody looked"),
    "held": (False, "the text still stands where it was typed"),
    "silent": (False, "no output followed; screens cannot be drawn here, so nobody looked"),
    "unknown": (None, "nothing was seen of the text, so nobody can tell"),
}


class _Blind(Struct, frozen=True):
    """Screens cannot be drawn: nobody can see the text wait. Its program did say something."""


class _Typed(Struct, frozen=True):
    """A text before its Enter: the modes then, and how to know that it waits."""

    modes: Modes
    waits: Mark | _Blind | None


def _enter(desk: Desk, offset: int, typed: _Typed, clock: Clock) -> Sent:
    """Press Enter, and again while the text is seen waiting."""
    attempts = 0
    verdict: _Verdict = "unknown"
    for limit in LOOKS_S:
        try:
            at = desk.type(_CR)
        except Refused:
            if not attempts:
                raise
            verdict = "ended"
            break
        attempts += 1
        verdict = _verdict(desk, at, typed, clock.monotonic() + limit, clock)
        if verdict not in ("held", "silent"):
            break
    submitted, why = _SAYS[verdict]
    return Sent(offset=offset, submitted=submitted, attempts=attempts, why=why)


def _verdict(desk: Desk, at: int, typed: _Typed, end: float, clock: Clock) -> _Verdict:
    """What became of an Enter typed at the offset `at`, looking until `end`."""
    while (left := end - clock.monotonic()) > 0:
        more = desk.more(at, left)
        if more.ended:
            return "ended"
        if more.offset <= at:
            break
        at = more.offset
        try:
            verdict = _judge(desk, typed)
        except Refused:
            return "ended"
        if verdict != "held":
            return verdict
    if isinstance(typed.waits, Mark):
        return "held"
    return "unknown" if typed.waits is None else "silent"


def _judge(desk: Desk, typed: _Typed) -> _Verdict:
    """What the frame that is being drawn says of it. Raises `Refused` when the session ended."""
    desk.quiet(FRAME_S, FRAME_CAP_S)
    modes, screen = desk.modes(), desk.screen()
    if screen is None:
        return "followed"
    if not isinstance(typed.waits, Mark):
        return "unknown"
    if not held(typed.waits, screen):
        return "taken"
    # A shell that runs a silent command shows nothing new, and gives its terminal away.
    return "held" if modes == typed.modes else "given"
