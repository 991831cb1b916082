"""A human's terminal joined to a session: raw bytes both ways, and put back as it was after."""

import contextlib
import os
import re
import select
import signal
import termios
import tty
from collections.abc import Callable, Generator
from types import FrameType
from typing import Literal

from msgspec import Struct

from looop.errors import LooopError, Refused
from looop.kit.clock import Clock
from looop.sessions.host.modes import Scanner
from looop.sessions.port import Terminal
from looop.sessions.records import Ending

__all__ = ["Chord", "Outcome", "reset", "run"]

LONE_S = 0.5
PARTIAL_S = 0.01
READ_BYTES = 65536
# A blocking write to a terminal with any room at all takes part of it, and a signal ends it.
WRITE_BYTES = 4096
BACKLOG = 1 << 18
FLUSH_S = 2.0

_TOKEN = re.compile(
    rb"(?P<byte>[\x03\x1c])"
    rb"|(?P<paste>\x1b\[20[01]~)"
    rb"|\x1b\[(?P<code>\d{1,9})(?::\d*)*(?:;(?P<mods>\d{0,9})(?::(?P<event>\d{0,9}))?(?:;[\d:]*)?)?u"
    rb"|\x1b\[27;(?P<xmods>\d{1,9});(?P<xcode>\d{1,9})~"
)
_PARTIAL = re.compile(rb"\x1b(?:\[[\d:;]{0,48})?\Z")
_CTRL = 4
_LOCKS = 64 | 128
# The modifier keys themselves, as kitty reports them when a program asks for every key.
_MODIFIER_KEYS = range(57441, 57455)


class Chord:
    """
    Finds Ctrl with one key, pressed `times` times in a row, in what a human types.

    The key is known by its control byte and by the two encodings that programs can switch a
    terminal to (kitty's, with press, repeat and release, and xterm's), cut anywhere into reads,
    and not inside a bracketed paste. A press is held back until the next key or for 0.5 s, the
    beginning of an escape sequence for 10 ms; `deadline` is when `expire` has something to give.
    """

    def __init__(self, byte: bytes, code: int, times: int) -> None:
        self._byte = byte
        self._code = code
        self._times = times
        self._presses = 0
        self._held = b""
        self._pressed_at = 0.0
        self._partial = b""
        self._partial_at = 0.0
        self._pasting = False
        self.found = False

    @property
    def deadline(self) -> float | None:
        ends = [self._pressed_at + LONE_S] if self._held else []
        if self._partial:
            ends.append(self._partial_at + PARTIAL_S)
        return min(ends, default=None)

    def feed(self, data: bytes, now: float) -> bytes:
        """What is to be forwarded of these bytes; nothing that follows the chord is."""
        data, self._partial = self._partial + data, b""
        out, at = b"", 0
        for match in _TOKEN.finditer(data):
            out += self._other(data[at : match.start()]) + self._token(match, now)
            at = match.end()
            if self.found:
                return out
        partial = _PARTIAL.search(data, at)
        if partial is not None:
            self._partial, self._partial_at = partial[0], now
        return out + self._other(data[at : partial.start() if partial else None])

    def expire(self, now: float) -> bytes:
        """What has been held back long enough."""
        out = b""
        if self._partial and now >= self._partial_at + PARTIAL_S:
            partial, self._partial = self._partial, b""
            out += self._other(partial)
        if self._held and now >= self._pressed_at + LONE_S:
            out += self._release()
        return out

    def _release(self) -> bytes:
        held, self._held, self._presses = self._held, b"", 0
        return held

    def _other(self, data: bytes) -> bytes:
        return self._release() + data if data else b""

    def _token(self, match: re.Match[bytes], now: float) -> bytes:
        if match["paste"]:
            self._pasting = match["paste"].endswith(b"200~")
        if match["paste"] or self._pasting:
            return self._other(match[0])
        if self._is_press(match):
            self._presses += 1
            self._held += match[0]
            self._pressed_at = now
            self.found = self._presses == self._times
            return b""
        if self._held and self._is_companion(match):
            self._held += match[0]
            return b""
        return self._other(match[0])

    def _is_press(self, match: re.Match[bytes]) -> bool:
        if match["byte"]:
            return match["byte"] == self._byte
        code, modifiers = match["code"] or match["xcode"], match["mods"] or match["xmods"]
        ctrl = (int(modifiers or b"1") - 1) & ~_LOCKS == _CTRL
        return int(code) == self._code and ctrl and int(match["event"] or b"1") == 1

    def _is_companion(self, match: re.Match[bytes]) -> bool:
        """A repeat or release of the same key, or a modifier key: no key of its own."""
        if not match["code"]:
            return False
        code, event = int(match["code"]), int(match["event"] or b"1")
        return code in _MODIFIER_KEYS or (code == self._code and event > 1)


class Outcome(Struct, frozen=True, kw_only=True):
    """
    How a human's stay ended.

    `ended`: the session did, with `ending`. `detached`: by the keys. `parted`: from elsewhere.
    `lost`: the supervisor does not answer any more. `signal`: this process was told to end, or
    the human's terminal went away.
    """

    reason: Literal["ended", "detached", "parted", "lost", "signal"]
    ending: Ending | None = None
    signal: int = 0

    @property
    def code(self) -> int:
        """The exit code for it: the command's own, 128 + N for signal N, 137 for a loss, or 0."""
        if self.reason == "signal":
            return 128 + self.signal
        if self.reason == "lost":
            return 137
        if self.ending is None:
            return 0
        if self.ending.signal is not None:
            return 128 + self.ending.signal
        return self.ending.code or 0


def reset(*, alternate: bool) -> bytes:
    """
    What takes back whatever a program may have told the human's terminal.

    `alternate` when the program is on the alternate screen. The keyboard protocol of kitty is
    kept once for each screen, so it is popped on both. The cursor ends below what was drawn.
    """
    off = b"2026 1 6 9 1000 1001 1002 1003 1004 1005 1006 1015 1016 2004 2031 2048".split()
    modes = b"".join(b"\x1b[?%bl" % mode for mode in off)
    keyboard = b"\x1b[<99u\x1b[=0u\x1b[>4m\x1b>"
    common = b"\x18" + modes + keyboard + b"\x1b[4l\x1b[?7h\x1b[r\x1b(B\x0f\x1b[0m\x1b[0 q"
    leave = b"\x1b[?1049l" + keyboard if alternate else b""
    return common + leave + b"\x1b[0m\x1b[?25h\x1b[9999;1H\r\n"


def run(
    terminal: Terminal,
    *,
    stdin_fd: int,
    stdout_fd: int,
    size: Callable[[], tuple[int, int]],
    clock: Clock,
    interactive: bool = True,
) -> Outcome:
    """
    Join a human's terminal to an attached session until either of them ends it.

    Ctrl-\\ pressed twice leaves; what was typed goes to the session, except that with
    `interactive` off nothing does, and Ctrl-C leaves. `size` gives columns and rows, asked for
    when the window changes. The terminal is put back whatever happens, an exception included.
    Both descriptors must be terminals, and this the main thread, because signals are taken.
    """
    chord = Chord(b"\x1c", 92, 2) if interactive else Chord(b"\x03", 99, 1)
    human = _Human(stdin_fd, stdout_fd, clock)
    with _signals() as caught, human.raw():
        return _Stay(terminal, human, chord, size, caught, interactive=interactive).last()


class _Signals:
    """Signals as they came, and a descriptor that is readable when one did."""

    def __init__(self) -> None:
        self.wake, self._write = os.pipe()
        for fd in (self.wake, self._write):
            os.set_blocking(fd, False)
        self.resized = False
        self.ended = 0

    def take(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGWINCH:
            self.resized = True
        else:
            self.ended = number

    @property
    def writer(self) -> int:
        return self._write

    def close(self) -> None:
        os.close(self.wake)
        os.close(self._write)


@contextlib.contextmanager
def _signals() -> Generator[_Signals]:
    caught = _Signals()
    numbers = (signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    before = {number: signal.signal(number, caught.take) for number in numbers}
    waker = signal.set_wakeup_fd(caught.writer, warn_on_full_buffer=False)
    try:
        yield caught
    finally:
        signal.set_wakeup_fd(waker)
        for number, handler in before.items():
            signal.signal(number, handler)
        caught.close()


class _Human:
    """The human's own terminal: its settings, what is still to be shown, what was typed."""

    def __init__(self, stdin_fd: int, stdout_fd: int, clock: Clock) -> None:
        self.stdin = stdin_fd
        self.stdout = stdout_fd
        self.clock = clock
        self.backlog = bytearray()
        self._scanner = Scanner(80, 24)

    @contextlib.contextmanager
    def raw(self) -> Generator[None]:
        """Raw mode for a block. Raises `termios.error` when it is no terminal."""
        before = termios.tcgetattr(self.stdin)
        tty.setraw(self.stdin, termios.TCSANOW)
        try:
            yield
        finally:
            self.show(reset(alternate=self._scanner.modes.alternate))
            self.flush()
            # A terminal that is gone cannot be put back, and nobody is there to see it.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.stdin, termios.TCSANOW, before)
                # Answers and mouse reports that are under way belong to no shell.
                termios.tcflush(self.stdin, termios.TCIFLUSH)

    def show(self, data: bytes) -> None:
        self._scanner.feed(data)
        self.backlog += data

    def pump(self) -> None:
        """Show what the terminal takes now. Raises `OSError` when it is gone."""
        written = os.write(self.stdout, bytes(self.backlog[:WRITE_BYTES]))
        del self.backlog[:written]

    def flush(self) -> None:
        """Show the rest to a terminal that takes it in time."""
        end = self.clock.monotonic() + FLUSH_S
        while self.backlog and (left := end - self.clock.monotonic()) > 0:
            poll = select.poll()
            poll.register(self.stdout, select.POLLOUT)
            if not poll.poll(left * 1000):
                return
            try:
                self.pump()
            except OSError:
                return


class _Stay:
    """The loop between a session and its human."""

    def __init__(
        self,
        terminal: Terminal,
        human: _Human,
        chord: Chord,
        size: Callable[[], tuple[int, int]],
        caught: _Signals,
        *,
        interactive: bool,
    ) -> None:
        self._terminal = terminal
        self._human = human
        self._chord = chord
        self._size = size
        self._caught = caught
        self._interactive = interactive

    def last(self) -> Outcome:
        """Until it is over. Raises nothing but what is a fault of ours."""
        # What the human had on the screen scrolls off; the first frame would wipe it away.
        _, rows = self._size()
        self._human.show(b"\x1b[9999;1H" + b"\n" * rows + self._terminal.first_frame())
        while True:
            try:
                over = self._turn()
            except LooopError:
                return Outcome(reason="lost")
            except OSError:
                return Outcome(reason="signal", signal=signal.SIGHUP)
            if over is not None:
                return over

    def _turn(self) -> Outcome | None:
        ready = self._wait()
        human = self._human
        if self._caught.wake in ready:
            _swallow(self._caught.wake)
        if self._caught.ended:
            return Outcome(reason="signal", signal=self._caught.ended)
        if self._caught.resized and self._interactive:
            self._caught.resized = False
            self._terminal.resize(*self._size())
        if human.backlog and ready.get(human.stdout):
            human.pump()
        # One descriptor may be both ends of the human's terminal.
        if ready.get(human.stdin, 0) & ~select.POLLOUT and not self._hear():
            return Outcome(reason="signal", signal=signal.SIGHUP)
        self._send(self._chord.expire(human.clock.monotonic()))
        if self._chord.found:
            return Outcome(reason="detached")
        return self._follow() if self._terminal.fileno() in ready else None

    def _wait(self) -> dict[int, int]:
        """What can be done on which descriptor, once there is any or a hold runs out."""
        human = self._human
        wanted = {self._caught.wake: select.POLLIN, human.stdin: select.POLLIN}
        if len(human.backlog) < BACKLOG:
            wanted[self._terminal.fileno()] = select.POLLIN
        if human.backlog:
            wanted[human.stdout] = wanted.get(human.stdout, 0) | select.POLLOUT
        poll = select.poll()
        for fd, mask in wanted.items():
            poll.register(fd, mask)
        deadline = self._chord.deadline
        if deadline is None:
            return dict(poll.poll())
        left = max(0.0, deadline - human.clock.monotonic())
        return dict(poll.poll(left * 1000 + 1))

    def _hear(self) -> bool:
        """Take what was typed; False when nothing can be typed any more."""
        data = os.read(self._human.stdin, READ_BYTES)
        self._send(self._chord.feed(data, self._human.clock.monotonic()))
        return bool(data)

    def _send(self, data: bytes) -> None:
        if not data or not self._interactive:
            return
        try:
            self._terminal.write(data)
        except Refused:
            # A program that has not read for very long: what is typed is lost, audibly.
            self._human.show(b"\a")

    def _follow(self) -> Outcome | None:
        """Show what the session said."""
        data = self._terminal.read()
        if data is not None:
            self._human.show(data)
            return None
        match self._terminal.why:
            case "ended":
                return Outcome(reason="ended", ending=self._terminal.ending)
            case "detached":
                return Outcome(reason="parted")
            case _:
                return Outcome(reason="lost")


def _swallow(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, 512):
            pass
