"""What a terminal shows, as data, and its renderings as text: plain, coloured, JSON, a hash."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

__all__ = [
    "DEFAULT",
    "Cursor",
    "Run",
    "Screen",
    "Style",
    "ansi",
    "as_json",
    "plain",
    "safe",
    "seen",
    "text_hash",
]

# What a cell must not hold when it is shown elsewhere: controls, what reorders text, what ends a
# line. One for one, so that columns stay where they are.
_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
_FLAGS = ("bold", "faint", "italic", "underline", "blink", "inverse", "strike")
_SGR = {
    "bold": "1",
    "faint": "2",
    "italic": "3",
    "underline": "4",
    "blink": "5",
    "inverse": "7",
    "strike": "9",
}


class Style(Struct, frozen=True, kw_only=True):
    """How text looks. A colour is "" for the terminal's own, `idxN` (0-255) or `#rrggbb`."""

    fg: str = ""
    bg: str = ""
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    inverse: bool = False
    blink: bool = False

    @property
    def marks_blanks(self) -> bool:
        """Whether a blank in this style can be told from the bare ground."""
        return bool(self.bg or self.underline or self.strike or self.inverse)


DEFAULT = Style()


class Run(Struct, frozen=True):
    """
    Neighbouring cells of one style and one width: each character fills one cell, or two if `wide`.

    `text` holds no control character.
    """

    text: str
    style: Style = DEFAULT
    wide: bool = False

    @property
    def columns(self) -> int:
        return len(self.text) * (2 if self.wide else 1)


class Cursor(Struct, frozen=True):
    """Where the next character goes; both count from 0."""

    row: int
    column: int
    visible: bool = True


class Screen(Struct, frozen=True, kw_only=True):
    """
    A screen of `columns` x `rows`; every line fills all the columns.

    Marks that combine with the character before them (accents, joiners) fill a cell of their
    own, as the engine counts them. `title` is the window's title, "" for none known.
    """

    columns: int
    rows: int
    lines: tuple[tuple[Run, ...], ...]
    cursor: Cursor
    alternate: bool = False
    title: str = ""


def safe(text: str) -> str:
    """`text` with every character that a cell must not hold replaced, one for one."""
    return text if text.isascii() and text.isprintable() else _HOSTILE.sub("\ufffd", text)


def _texts(screen: Screen) -> list[str]:
    return ["".join(run.text for run in line) for line in screen.lines]


def _without_blank_end(lines: list[str]) -> list[str]:
    trimmed = [line.rstrip() for line in lines]
    while trimmed and not trimmed[-1]:
        trimmed.pop()
    return trimmed


def plain(screen: Screen, *, trim: bool = True) -> str:
    """
    The text of the screen, a line each row.

    With `trim`, without the blanks that end a row and the blank rows that end the screen.
    """
    lines = _texts(screen)
    return "\n".join(_without_blank_end(lines) if trim else lines)


def text_hash(screen: Screen) -> str:
    """16 hex digits that change when the visible text does; colour and cursor do not count."""
    text = "\n".join(_without_blank_end(_texts(screen)))
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _trimmed(line: tuple[Run, ...]) -> tuple[Run, ...]:
    """A line without the blanks at its end that cannot be seen."""
    end = len(line)
    while end and not line[end - 1].style.marks_blanks:
        last = line[end - 1]
        text = last.text.rstrip()
        if text:
            return (*line[: end - 1], Run(text, last.style, last.wide))
        end -= 1
    return line[:end]


def seen(screen: Screen, *, trim: bool) -> list[tuple[Run, ...]]:
    """The lines to draw: all of them, or without the blanks and blank rows that end them."""
    if not trim:
        return list(screen.lines)
    lines = [_trimmed(line) for line in screen.lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _colour(colour: str, base: int) -> str:
    if colour.startswith("#"):
        red, green, blue = bytes.fromhex(colour[1:])
        return f"{base + 8};2;{red};{green};{blue}"
    index = int(colour[3:])
    if index < 8:
        return str(base + index)
    if index < 16:
        return str(base + 60 + index - 8)
    return f"{base + 8};5;{index}"


def _sgr(style: Style) -> str:
    codes = ["0", *(_SGR[flag] for flag in _FLAGS if getattr(style, flag))]
    if style.fg:
        codes.append(_colour(style.fg, 30))
    if style.bg:
        codes.append(_colour(style.bg, 40))
    return f"\x1b[{';'.join(codes)}m"


def _ansi_line(line: tuple[Run, ...]) -> str:
    out: list[str] = []
    now = DEFAULT
    for run in line:
        if run.style != now:
            out.append("\x1b[0m" if run.style == DEFAULT else _sgr(run.style))
            now = run.style
        out.append(run.text)
    if now != DEFAULT:
        out.append("\x1b[0m")
    return "".join(out)


def ansi(screen: Screen, *, trim: bool = True) -> str:
    """
    As `plain`, with colours and attributes: a sequence that sets them, and a reset in each row.

    There is no other escape sequence in it, so that it can be shown in any terminal. A blank
    that has a background, an underline or is inverse counts as text.
    """
    return "\n".join(_ansi_line(line) for line in seen(screen, trim=trim))


def _spans(line: tuple[Run, ...]) -> Iterator[dict[str, Any]]:
    column = 0
    start = 0
    for index, run in enumerate(line):
        column += run.columns
        follower = line[index + 1].style if index + 1 < len(line) else None
        if run.style == follower:
            continue
        if run.style != DEFAULT:
            colours = {
                name: value for name, value in (("fg", run.style.fg), ("bg", run.style.bg)) if value
            }
            flags = {flag: True for flag in _FLAGS if getattr(run.style, flag)}
            yield {"start": start, "end": column, **colours, **flags}
        start = column


def as_json(screen: Screen, *, trim: bool = True) -> dict[str, Any]:
    """
    The screen as a JSON object.

    `lines` holds, for each row from the top, its `text` and the `spans` that do not look like
    the default: `start` and `end` in columns (a wide character takes two), then only what
    differs: `fg` and `bg` as `idxN` or `#rrggbb`, and true for each attribute. `screen_hash` is
    `text_hash`. With `trim`, blank ends are left out as in `ansi`.
    """
    return {
        "columns": screen.columns,
        "rows": screen.rows,
        "cursor": {
            "row": screen.cursor.row,
            "column": screen.cursor.column,
            "visible": screen.cursor.visible,
        },
        "alternate": screen.alternate,
        "title": screen.title,
        "screen_hash": text_hash(screen),
        "lines": [
            {"text": "".join(run.text for run in line), "spans": list(_spans(line))}
            for line in seen(screen, trim=trim)
        ],
    }
