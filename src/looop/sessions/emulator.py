"""A terminal without a window: output in, screen out. The one door to the emulator package."""

import codecs
import contextlib
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from looop.errors import Failed, Missing
from looop.kit import text as words
from looop.sessions.screen import DEFAULT, Cursor, Run, Screen, Style, safe
from looop.sessions.sticky import Sticky

if TYPE_CHECKING:
    from avt._avt import Line, Pen, Vt

__all__ = ["ENGINE", "Emulator", "Saved", "clamp"]

# A state that one version dumped means nothing certain to another.
ENGINE = "pyavt 0.1.2"
# One column is the one width at which the engine is known to break.
_COLUMNS = (2, 1000)
_ROWS = (1, 1000)
# How the engine's dump enters the alternate screen, and how it leaves it again if it is not shown.
_ALTERNATE, _PRIMARY = "\x9b?1047h", "\x9b?1047l"
# What a dump takes for granted: no insertion, origin, margins, drawing characters or hidden cursor.
_PLAIN = "\x9b4l\x9b20l\x9b?6l\x9b?7h\x9br\x1b(B\x1b)B\x0f\x9b?25h"
# A program that leaves the alternate screen expects the cursor, and what else is saved with it,
# as they were saved; so they must be in force when it is entered, and are not after that.
_ENTER = "\x1b[?1049h\x1b[m\x1b[?6l\x1b[?7h\x1b[2J"
_CURSOR_KEYS = "\x9b?1h"
_NO_TABS, _TAB = "\x9b5W", "\x1b[W"
# The engine gives away what scrolled out only at the end of a piece of text, and only of the screen
# that is shown then. So pieces are small, and one ends before another screen is shown.
_PIECE = 1 << 16
_TO_ALTERNATE = re.compile("(?=\x1b\\[\\?[0-9;]*4[79][0-9;]*h)")

# The engine writes controls that some terminals do not take; each has an older spelling.
_C1 = re.compile("[\x80-\x9f]")
_REPEAT = re.compile("(.)\x1b\\[([0-9]+)b")
_COLONS = re.compile("\x1b\\[[0-9;]*:[0-9:;]*m")
# All that may be set in a terminal and would bend what is drawn next: colours, character set,
# origin, insertion, wrapping, margins. Then the screen is cleared, and what scrolled off is not.
_CLEAR = "\x1b[m\x1b(B\x0f\x1b[?6l\x1b[4l\x1b[?7h\x1b[r\x1b[?1l\x1b[?25h\x1b[H\x1b[2J"


class Saved(Struct, frozen=True, kw_only=True):
    """The whole state of an `Emulator`; `undecoded` is hex, the bytes of a torn character."""

    columns: int
    rows: int
    dump: str
    sticky: str
    undecoded: str = ""


def clamp(columns: int, rows: int) -> tuple[int, int]:
    """The nearest size that can be drawn."""
    return (
        max(_COLUMNS[0], min(columns, _COLUMNS[1])),
        max(_ROWS[0], min(rows, _ROWS[1])),
    )


@contextlib.contextmanager
def _contained() -> Generator[None]:
    """What the engine throws is a `Failed`, even a panic, which is no `Exception`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        why = words.one_line(str(error) or type(error).__name__, 200)
        raise Failed(f"the screen cannot be drawn: {why}") from error


def _engine(columns: int, rows: int) -> "Vt":
    try:
        from avt._avt import Vt
    except ImportError as error:
        raise Missing(
            "screens cannot be drawn without the package pyavt, which is not installed: "
            "`pipx inject looop pyavt==0.1.2` or `pip install pyavt==0.1.2`"
        ) from error
    with _contained():
        return Vt(columns, rows, 0)


def _is_alternate(dump: str) -> bool:
    """Whether the screen that is shown in a dump is the alternate one."""
    return _ALTERNATE in dump and _PRIMARY not in dump


def _portable(dump: str) -> str:
    """The engine's dump in sequences that every terminal takes."""
    # A reset does not make it forget these keys, and `Sticky` knows them better.
    dump = dump.replace(_CURSOR_KEYS, "").replace(_NO_TABS, "\x1b[3g").replace(_TAB, "\x1bH")
    dump = dump.replace("\x1b[m" + _ALTERNATE, "\x1b8" + _ENTER)
    # An 8-bit control is ESC and the letter 64 places before it.
    plain = _C1.sub(lambda match: "\x1b" + chr(ord(match[0]) - 64), dump)
    return _COLONS.sub(lambda match: match[0].replace(":", ";"), plain)


def _colour(colour: Any) -> str:
    if colour is None:
        return ""
    if len(colour) == 1:
        return f"idx{colour[0]}"
    return f"#{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}"


def _style(pen: "Pen") -> Style:
    if pen.is_default():
        return DEFAULT
    return Style(
        fg=_colour(pen.foreground),
        bg=_colour(pen.background),
        bold=pen.bold,
        faint=pen.faint,
        italic=pen.italic,
        underline=pen.underline,
        strike=pen.strikethrough,
        inverse=pen.inverse,
        blink=pen.blink,
    )


def _runs(line: "Line") -> tuple[Run, ...]:
    """The cells of one row, joined while they look alike."""
    runs: list[Run] = []
    chars: list[str] = []
    pen: Pen | None = None
    width = 0
    for cell in line.cells:
        if not (now := cell.width):
            # The second half of a wide character.
            continue
        its = cell.pen
        if pen is None or now != width or its != pen:
            if pen is not None:
                runs.append(Run(safe("".join(chars)), _style(pen), width == 2))
            chars, pen, width = [], its, now
        chars.append(cell.char)
    if pen is not None:
        runs.append(Run(safe("".join(chars)), _style(pen), width == 2))
    return tuple(runs)


class Emulator:
    """
    A terminal of `columns` x `rows` that is fed raw output in any chunking.

    Every method raises `Failed` when the engine breaks; the emulator is of no use after that.
    Making one raises `Missing` where there is no engine.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = clamp(columns, rows)
        self._vt = _engine(self.columns, self.rows)
        self._sticky = Sticky()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @classmethod
    def restore(cls, saved: Saved) -> "Emulator":
        """One that goes on where the saved one was. Raises `ValueError` for what cannot be."""
        undecoded = bytes.fromhex(saved.undecoded)
        if (saved.columns, saved.rows) != clamp(saved.columns, saved.rows) or len(undecoded) > 3:
            raise ValueError("not a state of an emulator")
        emulator = cls(saved.columns, saved.rows)
        with _contained():
            emulator._vt.feed_str(saved.dump)
        emulator._sticky.feed(saved.sticky)
        emulator._decoder.setstate((undecoded, 0))
        return emulator

    def save(self) -> Saved:
        """Its whole state."""
        with _contained():
            dump = self._dump()
        return Saved(
            columns=self.columns,
            rows=self.rows,
            dump=dump,
            sticky=self._sticky.dump(),
            undecoded=self._decoder.getstate()[0].hex(),
        )

    def _dump(self) -> str:
        # The engine writes a character and its count, and reads that back as blanks if it is a
        # wide one; and not every terminal knows the sequence.
        return _REPEAT.sub(lambda match: match[1] * (int(match[2]) + 1), self._vt.dump())

    def feed(self, data: bytes) -> None:
        """Take output as a program wrote it."""
        # A terminal ignores DEL; this engine would print it.
        text = self._decoder.decode(data).replace("\x7f", "")
        self._sticky.feed(text)
        with _contained():
            for start in range(0, len(text), _PIECE):
                for part in _TO_ALTERNATE.split(text[start : start + _PIECE]):
                    self._vt.feed_str(part)

    def resize(self, columns: int, rows: int) -> None:
        """Take a new size; lines that were wrapped are wrapped anew."""
        self.columns, self.rows = clamp(columns, rows)
        with _contained():
            self._vt.resize(self.columns, self.rows)
            dump = self._dump()
            if _is_alternate(dump):
                # The engine leaves the screen behind this one at its old size until it is shown,
                # and would dump it wrongly: so show it, come back, and draw this one again.
                drawing = dump.partition(_ALTERNATE)[2]
                self._vt.feed_str(f"{_PLAIN}\x9b?1049l")
                self._vt.feed_str(f"{_ENTER}{drawing}")

    def lines(self) -> list[str]:
        """The text of every row, blanks at its end included."""
        with _contained():
            return [safe(line.text) for line in self._vt.view()]

    def screen(self) -> Screen:
        """What it shows now."""
        with _contained():
            cursor, dump = self._vt.cursor, self._vt.dump()
            return Screen(
                columns=self.columns,
                rows=self.rows,
                lines=tuple(_runs(line) for line in self._vt.view()),
                # Past the last column while the next character would wrap.
                cursor=Cursor(cursor.row, min(cursor.col, self.columns - 1), cursor.visible),
                alternate=_is_alternate(dump),
                title=words.one_line(self._sticky.title),
            )

    def frame(self) -> bytes:
        """
        What makes another terminal of this size show the same and go on from here.

        That is: clear, draw, place the cursor, set the modes, and begin what the output has
        left unfinished, so that the next byte of it can follow.
        """
        saved = self.save()
        body = _CLEAR + self._sticky.modes() + _portable(saved.dump)
        return body.encode("utf-8", "replace") + bytes.fromhex(saved.undecoded)
