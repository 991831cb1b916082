"""A screen as a picture: a page of HTML that needs nothing else, or a PNG."""

import html as markup
import io
from collections.abc import Iterator
from functools import lru_cache

from looop.sessions.fonts import Fonts, pillow
from looop.sessions.screen import Cursor, Run, Screen, Style, seen

__all__ = ["html", "png"]

# A terminal has a dark ground of its own, on a light page as on a dark one.
_GROUND = "#1c1c1c"
_TEXT = "#d0d0d0"
_PALETTE = (
    *("#3a3a3a", "#e0626a", "#87b96b", "#dcaa4e", "#64a0dc", "#b98ae0", "#56b6b6", "#c6c6c6"),
    *("#767676", "#f28089", "#a8d68c", "#f2cb7a", "#8cbcf2", "#d2aaf5", "#82d6d6", "#ffffff"),
)
_STEPS = (0, 95, 135, 175, 215, 255)
_FONT_PX = 20
_PAD_PX = 16
# A picture of more is drawn smaller; at the smallest, the largest screen is about as much.
_MOST_PX = 40_000_000
_LEAST_FONT_PX = 6

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ margin: 0; padding: 1rem; background: Canvas; }}
pre {{ display: inline-block; margin: 0; padding: 1em; border-radius: .5em;
  background: {ground}; color: {text}; min-width: {columns}ch; direction: ltr;
  font: 14px/1.2 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
.w {{ display: inline-block; width: 2ch; }}
</style>
</head>
<body>
<pre>
{body}
</pre>
</body>
</html>
"""


def _rgb(colour: str) -> str:
    """`#rrggbb` of a colour in either notation."""
    if colour.startswith("#"):
        return colour
    index = int(colour[3:])
    if index < 16:
        return _PALETTE[index]
    if index >= 232:
        return "#" + f"{8 + 10 * (index - 232):02x}" * 3
    index -= 16
    parts = (_STEPS[index // 36], _STEPS[index // 6 % 6], _STEPS[index % 6])
    return "#" + "".join(f"{part:02x}" for part in parts)


def _fainter(colour: str, ground: str) -> str:
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(ground[1:]), strict=True)
    return "#" + "".join(f"{(one * 3 + other * 2) // 5:02x}" for one, other in pairs)


@lru_cache(maxsize=4096)
def _paints(style: Style) -> tuple[str, str]:
    """The colours of text and ground, with inversion and faintness applied."""
    text = _rgb(style.fg) if style.fg else _TEXT
    ground = _rgb(style.bg) if style.bg else _GROUND
    if style.inverse:
        text, ground = ground, text
    if style.faint:
        text = _fainter(text, ground)
    return text, ground


def _under_cursor(style: Style) -> Style:
    """The style of a cell with the cursor on it: a block in the colour of the text."""
    text, ground = _paints(style)
    return Style(fg=ground, bg=text, bold=style.bold, italic=style.italic)


def _with_cursor(line: tuple[Run, ...], column: int) -> Iterator[Run]:
    """The runs of a line with the cell at `column` shown as the cursor."""
    at = 0
    for run in line:
        index = (column - at) // (2 if run.wide else 1)
        if column >= at and index < len(run.text):
            for part, style in (
                (run.text[:index], run.style),
                (run.text[index], _under_cursor(run.style)),
                (run.text[index + 1 :], run.style),
            ):
                if part:
                    yield Run(part, style, run.wide)
        else:
            yield run
        at += run.columns
    if column >= at:
        yield Run(" " * (column - at))
        yield Run(" ", _under_cursor(Style()))


def _rows(screen: Screen, *, trim: bool) -> list[tuple[Run, ...]]:
    """The runs of each row to draw, the cursor among them if it can be seen; at least one row."""
    rows = seen(screen, trim=trim)
    cursor = screen.cursor if screen.cursor.visible else Cursor(0, -1)
    rows += [()] * (cursor.row + 1 - len(rows))
    if cursor.visible and cursor.column >= 0:
        rows[cursor.row] = tuple(_with_cursor(rows[cursor.row], cursor.column))
    return rows


def _css(style: Style) -> str:
    text, ground = _paints(style)
    lines = [
        name for name, on in (("underline", style.underline), ("line-through", style.strike)) if on
    ]
    rules = [
        f"color:{text}" if text != _TEXT else "",
        f"background:{ground}" if ground != _GROUND else "",
        "font-weight:bold" if style.bold else "",
        "font-style:italic" if style.italic else "",
        f"text-decoration:{' '.join(lines)}" if lines else "",
    ]
    return ";".join(rule for rule in rules if rule)


def _span(run: Run) -> str:
    text = markup.escape(run.text)
    if run.wide:
        # Two columns each, whatever the reader's font makes of them.
        text = "".join(f'<span class="w">{markup.escape(char)}</span>' for char in run.text)
    css = _css(run.style)
    return f'<span style="{css}">{text}</span>' if css else text


def html(screen: Screen, *, trim: bool = True) -> str:
    """
    A page that shows the screen; it loads nothing, runs nothing, and everything is escaped.

    `trim` leaves out blank rows at the bottom.
    """
    return _PAGE.format(
        title=markup.escape(screen.title or "Screen"),
        ground=_GROUND,
        text=_TEXT,
        columns=screen.columns,
        body="\n".join("".join(map(_span, row)) for row in _rows(screen, trim=trim)),
    )


def _fonts(columns: int, rows: int) -> Fonts:
    """The fonts in the size that suits the screen."""
    size = _FONT_PX
    while True:
        fonts = Fonts(size)
        if columns * fonts.width * rows * fonts.height <= _MOST_PX or size <= _LEAST_FONT_PX:
            return fonts
        size = max(_LEAST_FONT_PX, size // 2)


def png(screen: Screen, *, trim: bool = True) -> bytes:
    """
    A PNG of the screen; `trim` leaves out blank rows at the bottom.

    Raises `Missing` without Pillow, or without a monospace font.
    """
    image_module, draw_module = pillow()
    rows = _rows(screen, trim=trim)
    fonts = _fonts(screen.columns, len(rows))
    size = (
        screen.columns * fonts.width + 2 * _PAD_PX,
        len(rows) * fonts.height + 2 * _PAD_PX,
    )
    image = image_module.new("RGB", size, _GROUND)
    draw = draw_module.Draw(image)
    # All grounds before any text: a glyph may reach out of its cell.
    for text in (False, True):
        for number, row in enumerate(rows):
            left, top = _PAD_PX, _PAD_PX + number * fonts.height
            for run in row:
                colour, ground = _paints(run.style)
                right = left + run.columns * fonts.width
                if text:
                    fonts.write(draw, (left, top), run, colour)
                elif ground != _GROUND:
                    draw.rectangle((left, top, right - 1, top + fonts.height - 1), fill=ground)
                left = right
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
