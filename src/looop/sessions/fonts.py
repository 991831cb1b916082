"""Text in cells for pictures: the fonts that are on this machine, and what stands in for a glyph."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from looop.errors import Missing
from looop.sessions.screen import Run

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

__all__ = ["Fonts", "pillow"]

# Where `{}` stands for: regular, bold, italic, both.
_DEJAVU = ("", "-Bold", "-Oblique", "-BoldOblique")
_LIBERATION = ("-Regular", "-Bold", "-Italic", "-BoldItalic")
_NOTO = ("-Regular", "-Bold", "-Regular", "-Bold")
_FAMILIES = (
    ("/usr/share/fonts/truetype/dejavu/DejaVuSansMono{}.ttf", _DEJAVU),
    ("/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono{}.ttf", _DEJAVU),
    ("/usr/share/fonts/dejavu/DejaVuSansMono{}.ttf", _DEJAVU),
    ("/usr/share/fonts/TTF/DejaVuSansMono{}.ttf", _DEJAVU),
    ("/Library/Fonts/DejaVuSansMono{}.ttf", _DEJAVU),
    # A collection holds the four in this order.
    ("/System/Library/Fonts/Menlo.ttc", _DEJAVU),
    ("/usr/share/fonts/truetype/noto/NotoSansMono{}.ttf", _NOTO),
    ("/usr/share/fonts/noto/NotoSansMono{}.ttf", _NOTO),
    ("/usr/share/fonts/truetype/liberation/LiberationMono{}.ttf", _LIBERATION),
    ("/usr/share/fonts/liberation-mono-fonts/LiberationMono{}.ttf", _LIBERATION),
    ("/usr/share/fonts/liberation-mono/LiberationMono{}.ttf", _LIBERATION),
    ("/usr/share/fonts/liberation/LiberationMono{}.ttf", _LIBERATION),
)
# Asked in turn for what a monospace font lacks: symbols, then the scripts of East Asia.
_OTHERS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/noto/NotoSansSymbols2-Regular.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/unifont/unifont.ttf",
    "/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf",
    "/System/Library/Fonts/Apple Symbols.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
)
# What agents draw with and few fonts have.
_STAND_INS = {
    "\u23fa": "\u25cf",  # record: a black circle
    "\u23bf": "\u2514",  # a corner of two lines
    "\u23f5": "\u25b6",  # play: a triangle
    "\u23f8": "\u2016",  # pause: two bars
    "\u23f9": "\u25a0",  # stop: a square
    "\u2705": "\u2713",  # check marks and crosses
    "\u2714": "\u2713",
    "\u274c": "\u2717",
    "\u2728": "\u2726",  # sparkles: a star
}
_NO_CHARACTER = "\uffff"


def pillow() -> tuple[ModuleType, ModuleType]:
    """`PIL.Image` and `PIL.ImageDraw`. Raises `Missing`."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise Missing(
            "a picture needs Pillow, which is not installed: `pipx inject looop pillow` or "
            "`pip install 'looop[png]'`"
        ) from error
    return Image, ImageDraw


def _load(path: str, size: int, index: int = 0) -> "ImageFont.FreeTypeFont | None":
    from PIL import ImageFont

    if not Path(path).is_file():
        return None
    try:
        return ImageFont.truetype(path, size, index, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return None


def _family(size: int) -> "list[ImageFont.FreeTypeFont | None]":
    """
    The first monospace family that is here: regular, bold, italic and both, None for lacking ones.

    Raises `Missing`.
    """
    for pattern, variants in _FAMILIES:
        collection = pattern.endswith(".ttc")
        faces = [
            _load(pattern.format(variant), size, number if collection else 0)
            for number, variant in enumerate(variants)
        ]
        if faces[0] is not None:
            return faces
    raise Missing(
        "a picture needs a monospace font, and none is found: `apt install fonts-dejavu-core`, "
        "or the package of DejaVu Sans Mono or Liberation Mono of this system"
    )


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """The characters with the marks that combine with them, and the index of each."""
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or unicodedata.category(text[index]) not in ("Mn", "Me", "Cf"):
            yield start, text[start:index]
            start = index


class Fonts:
    """Fonts of one size, which draw runs into cells of `width` x `height` pixels."""

    def __init__(self, size: int) -> None:
        self._size = size
        regular, *self._variants = _family(size)
        assert regular is not None
        self._regular = regular
        self._found: dict[tuple[int, str], tuple[str, ImageFont.FreeTypeFont | None]] = {}
        self._ascent, descent = regular.getmetrics()
        self.width = max(1, round(regular.getlength("M")))
        self.height = max(1, self._ascent + descent)

    def write(
        self, draw: "ImageDraw.ImageDraw", corner: tuple[int, int], run: Run, colour: str
    ) -> None:
        """Draw a run whose first cell has its upper left `corner` there."""
        left, top = corner
        each = self.width * (2 if run.wide else 1)
        baseline = top + self._ascent
        for index, cluster in _clusters(run.text):
            if cluster.isspace():
                continue
            start = left + index * each
            first, *marks = unicodedata.normalize("NFC", cluster)
            shown, font = self._glyph(first, bold=run.style.bold, italic=run.style.italic)
            if font is None:
                # No font has it: a box in its place, as everywhere.
                box = (start + 2, top + 3, start + each - 3, baseline)
                draw.rectangle(box, outline=colour)
                continue
            font = self._fitting(font, shown, each)
            for char in (shown, *marks):
                draw.text((start, baseline), char, fill=colour, font=font, anchor="ls")
        thick = max(1, self._size // 14)
        right = left + each * len(run.text) - 1
        for on, y in (
            (run.style.underline, baseline + thick),
            (run.style.strike, baseline - self._ascent // 3),
        ):
            if on:
                draw.rectangle((left, y, right, y + thick - 1), fill=colour)

    def _glyph(
        self, char: str, *, bold: bool, italic: bool
    ) -> "tuple[str, ImageFont.FreeTypeFont | None]":
        """What to draw for a character, and the font that has it; None if none has."""
        variant = bold + 2 * italic
        key = (variant, char)
        if key not in self._found:
            shown, font = char, self._search(variant, char)
            if font is None and char in _STAND_INS:
                shown = _STAND_INS[char]
                font = self._search(variant, shown)
            self._found[key] = shown, font
        return self._found[key]

    def _search(self, variant: int, char: str) -> "ImageFont.FreeTypeFont | None":
        wanted = self._variants[variant - 1] if variant else None
        for font in (wanted, self._regular):
            if font is not None and _has(font, char):
                return font
        for path in _OTHERS:
            font = _load(path, self._size)
            if font is not None and _has(font, char):
                return font
        return None

    def _fitting(
        self, font: "ImageFont.FreeTypeFont", char: str, each: int
    ) -> "ImageFont.FreeTypeFont":
        """The font, in a smaller size if the character would reach into the next cell."""
        length = font.getlength(char)
        if font in (self._regular, *self._variants) or length <= each:
            return font
        return font.font_variant(size=max(1, int(self._size * each / length)))


def _has(font: "ImageFont.FreeTypeFont", char: str) -> bool:
    """Whether a font has a glyph for a character, and not only the one for all it lacks."""
    glyph: Any = font.getmask(char)
    lacking: Any = font.getmask(_NO_CHARACTER)
    return glyph.size != lacking.size or bytes(glyph) != bytes(lacking)
