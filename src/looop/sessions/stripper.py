"""Raw terminal output made plain: no escape sequence and no control character, line by line."""

import codecs
import re
from collections.abc import Iterable

from looop.kit import text as words

__all__ = ["LINE_CHARS", "Stripper"]

# A line that never ends is cut after so many characters.
LINE_CHARS = 1 << 16
_HELD_CHARS = 256

# An 8-bit control is ESC and the letter 64 places before it.
_C1 = re.compile("[\x80-\x9f]")
# Controls that say nothing, not even inside a sequence; a form feed moves down as a vertical tab does.
_IGNORED = bytes([*range(0x07), *range(0x0E, 0x18), 0x19, *range(0x1C, 0x20), 0x7F])
_FORM_FEED = bytes.maketrans(b"\x0c", b"\x0b")
# In order, each over the whole text: an escape ends whatever was before it, so that none of them
# can lie inside another. Strings (titles, clipboards, images) end with BEL, or where another
# sequence begins. Colours come early because there are most of them. What is taken out leaves a
# NUL, lest the beginning of a sequence that it cut short meets what follows.
_STRING = re.compile("\x1b(?:\\][^\x07\x18\x1a\x1b]*+\x07?|[PX^_][^\x18\x1a\x1b]*+)")
_COLOUR = re.compile("\x1b\\[[0-9;:]*+m")
_OTHER_ROW = re.compile("\x1b(?:\\[[ -?]*+[ABEFHdef]|[DEMc])")
_FIRST_COLUMN = re.compile("\x1b\\[[01]?G")
_OTHER_COLUMN = re.compile("\x1b\\[[ -?]*+[CGa`]")
_SEQUENCE = re.compile("\x1b(?:\\[[ -?]*+[@-~]?|[ -/]*+[0-~]?)")
_STRAY = "\0\x07\x18\x1a"
# What is unfinished at the end of a piece, when it is its last escape.
_OPEN_SEQUENCE = re.compile("\x1b(?:\\[[ -?]*|[ -/]*)\\Z")
_OPEN_STRING = re.compile("\x1b(?:(\\])[^\x07\x18\x1a]*|[PX^_][^\x18\x1a]*)\\Z")
_END_OF_TITLE = re.compile("[\x07\x18\x1a\x1b]")
_END_OF_STRING = re.compile("[\x18\x1a\x1b]")
# A move to another row parts lines as a line feed does, and leaves no blank ones.
_MOVED = "\x0b"


def _overwritten(line: str) -> str:
    """What backspaces leave of a line: each steps back, and what follows replaces."""
    first, *others = line.split("\b")
    out = list(first)
    at = len(out)
    for part in others:
        at = max(0, at - 1)
        out[at : at + len(part)] = part
        at += len(part)
    return "".join(out)


def _readable(line: str) -> str:
    if "\b" in line:
        line = _overwritten(line)
    return line if line.isascii() else words.plain(line)


class Stripper:
    """
    Raw output in any chunking, whole lines out.

    Escape sequences and control characters are removed; tabs stay. What reorders or hides text
    is shown as `\\uNNNN`, bytes that are no UTF-8 as U+FFFD. Of a line that is overwritten after
    a carriage return, the last version counts, as it does for a person who watches a progress
    bar. Where a program moves to another row a new line begins, and a move along a row leaves
    one blank, so that the words of a full-screen program do not run together.

    It holds at most one line of `LINE_CHARS` and a few hundred characters of a sequence.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._ends: re.Pattern[str] | None = None
        self._line = ""

    @property
    def rest(self) -> str:
        """The unfinished last line, as it stands."""
        return _readable(self._line.rstrip("\r"))

    @property
    def inside(self) -> bool:
        """Whether the end of what was fed lies inside an escape sequence."""
        return bool(self._held) or self._ends is not None

    @property
    def torn(self) -> int:
        """How many bytes at the end of what was fed are part of a character that is not whole."""
        return len(self._decoder.getstate()[0])

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes, without their ends."""
        useful = data.translate(_FORM_FEED, _IGNORED)
        return self._lines(self._stripped(self._decoder.decode(useful)))

    def finish(self) -> list[str]:
        """The last line, if there is one without an end; nothing can be fed afterwards."""
        found = self._lines(self._stripped(self._decoder.decode(b"", final=True)))
        rest, self._line = self.rest, ""
        return [*found, rest] if rest else found

    def _stripped(self, text: str) -> str:
        if not text.isascii():
            text = _C1.sub(lambda match: "\x1b" + chr(ord(match[0]) - 64), text)
        text = self._outside(self._held + text)
        self._held = ""
        last = text.rfind("\x1b")
        if last >= 0:
            text = self._hold(text, last)
            text = _STRING.sub("\0", text)
            text = _COLOUR.sub("\0", text)
            text = _OTHER_ROW.sub(_MOVED, text)
            text = _FIRST_COLUMN.sub("\r", text)
            text = _OTHER_COLUMN.sub("\0 ", text)
            text = _SEQUENCE.sub("", text)
        for stray in _STRAY:
            text = text.replace(stray, "")
        return text

    def _outside(self, text: str) -> str:
        """What follows the string that an earlier piece began; "" while it goes on."""
        if self._ends is None:
            return text
        end = self._ends.search(text)
        if end is None:
            return ""
        self._ends = None
        return text[end.end() if end[0] == "\x07" else end.start() :]

    def _hold(self, text: str, last: int) -> str:
        """`text` without what is unfinished at its end, of which `last` is the latest escape."""
        string = _OPEN_STRING.match(text, last)
        if string:
            self._ends = _END_OF_TITLE if string[1] else _END_OF_STRING
            return text[:last]
        if not _OPEN_SEQUENCE.match(text, last):
            return text
        held = text[last:]
        if len(held) > _HELD_CHARS:
            # Only its kind and its end will matter.
            held = "\x1b[?" if held[1] == "[" else "\x1b "
        self._held = held
        return text[:last]

    def _lines(self, text: str) -> list[str]:
        text = (self._line + text).replace("\r\n", "\n")
        *whole, rest = text.split("\n")
        found: list[str] = []
        for line in whole:
            found.append(_readable(self._last(line, found)))
        now = self._last(rest, found)
        self._line = now + "\r" if rest.endswith("\r") else now
        return found

    @staticmethod
    def _last(line: str, found: list[str]) -> str:
        """What is seen of the last row of a line; the rows before it go to `found`."""
        if _MOVED in line:
            *rows, line = line.split(_MOVED)
            for row in rows:
                shown = _last_version(row, found)
                if shown and not shown.isspace():
                    found.append(_readable(shown))
        return _last_version(line, found)


def _last_version(row: str, found: list[str]) -> str:
    """What is seen of a row; what is too long for one line goes to `found`."""
    if "\r" not in row and len(row) <= LINE_CHARS:
        return row
    last = ""
    for version in filter(None, row.split("\r")):
        last = version
        if len(version) > LINE_CHARS:
            *whole, last = _pieces(version)
            found += map(_readable, whole)
    return last


def _pieces(version: str) -> Iterable[str]:
    return (version[at : at + LINE_CHARS] for at in range(0, len(version), LINE_CHARS))
