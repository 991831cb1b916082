"""How lines are laid out in a terminal: columns that fit, words that wrap, a few colours."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from looop.kit import text

__all__ = ["Style", "broken", "field", "fit", "head", "table", "wrap", "wrapped"]

# No column is cut below this while another can still be.
_WORD = 10
_NAME = 16
_NARROWEST = 4
_LAST_COLUMN = 12
_CODES = {"dim": "2", "bold": "1", "good": "32", "warn": "33", "bad": "31", "word": "36"}


class Style(Struct, frozen=True, kw_only=True):
    """How wide lines may be, and whether colour may be used. Only the 16 theme colours are."""

    columns: int = 80
    colour: bool = False

    def paint(self, words: str, how: str) -> str:
        if not self.colour or not words:
            return words
        return f"\x1b[{_CODES[how]}m{words}\x1b[0m"


def head(words: str, cells: int) -> str:
    """As much of the beginning as so many terminal cells hold."""
    used = 0
    for index, char in enumerate(words):
        used += text.width(char)
        if used > cells:
            return words[:index]
    return words


def fit(words: str, cells: int) -> str:
    """`words` in at most so many cells, with an ellipsis where something was cut."""
    return words if text.width(words) <= cells else head(words, cells - 1) + "…"


def broken(line: str, columns: int) -> list[str]:
    """Every character of a line, over as many lines of `columns` cells as it needs."""
    out: list[str] = []
    rest = text.plain(line).expandtabs(4)
    while text.width(rest) > columns:
        piece = head(rest, columns)
        out.append(piece)
        rest = rest[len(piece) :]
    return [*out, rest]


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    style: Style,
    *,
    last: int = _LAST_COLUMN,
) -> list[str]:
    """
    Columns as wide as they need; the last one takes what is left, and is cut to fit.

    Where others leave it less than `last` cells, the widest of them are cut until it has those:
    what is longer than a word, then the names in the first one, then any.
    """
    cells = [[text.one_line(cell) for cell in row] for row in rows]
    widths = [
        max([text.width(head), *(text.width(row[i]) for row in cells)])
        for i, head in enumerate(heads[:-1])
    ]
    last = min(last, max([text.width(heads[-1]), *(text.width(row[-1]) for row in cells)]))
    room = style.columns - 2 * len(widths)
    everything = range(len(widths))
    # The first column names the row: long words of others are cut before it, short ones after.
    for columns, floor in (
        (everything[1:], _WORD),
        (everything[:1], _NAME),
        (everything, _NARROWEST),
    ):
        while columns and room - sum(widths) < last:
            widest = max(columns, key=lambda i: widths[i])
            if widths[widest] <= floor:
                break
            widths[widest] -= 1
    room -= sum(widths)

    def line(row: Sequence[str]) -> str:
        shown = [fit(cell, width) for cell, width in zip(row, widths, strict=False)]
        parts = [cell + " " * (widths[i] - text.width(cell)) for i, cell in enumerate(shown)]
        return "  ".join([*parts, fit(row[-1], room)]).rstrip()

    return [style.paint(line(heads), "dim"), *(line(row) for row in cells)]


def wrapped(words: str, indent: int, style: Style) -> list[str]:
    """Words over several lines, the first not indented (its label stands there)."""
    room = max(20, style.columns - indent)
    out: list[str] = []
    line = ""
    for word in _pieces(text.plain(words).split(), room):
        if line and text.width(line) + 1 + text.width(word) > room:
            out.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    out.append(line)
    return [out[0], *(" " * indent + rest for rest in out[1:])]


def _pieces(words: list[str], room: int) -> Iterator[str]:
    """The words, those that no line can hold in pieces."""
    for word in words:
        rest = word
        while text.width(rest) > room:
            piece = head(rest, room)
            yield piece
            rest = rest[len(piece) :]
        yield rest


def wrap(words: str, columns: int) -> list[str]:
    """Words over lines of at most `columns` cells."""
    return wrapped(words, 0, Style(columns=columns))


def field(label: str, words: str, style: Style, how: str = "") -> list[str]:
    """A label, and words beside it, over several lines where they need them."""
    found = wrapped(words, 11, style)
    first = style.paint(found[0], how) if how else found[0]
    return [style.paint(f"{label:<10}", "dim") + " " + first, *found[1:]]
