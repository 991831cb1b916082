"""A screen as a page or a picture: what the terminal shows, and nothing that acts."""

import io
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from looop.errors import Missing
from looop.sessions import fonts
from looop.sessions.emulator import Emulator
from looop.sessions.picture import html, png
from looop.sessions.screen import Screen, plain
from tests.support.streams import hostile, recorded


def shown(output: bytes | str, columns: int = 20, rows: int = 4) -> Screen:
    terminal = Emulator(columns, rows)
    terminal.feed(output.encode() if isinstance(output, str) else output)
    return terminal.screen()


# -- the page --------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and the text of `pre` and `title`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.texts = {"pre": "", "title": ""}
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            if tag in self.texts:
                self.texts[tag] += data

    @property
    def rows(self) -> list[str]:
        # A browser drops the line feed after `<pre>`.
        return self.texts["pre"].removeprefix("\n").removesuffix("\n").split("\n")


def test_the_page_shows_the_text_of_the_screen() -> None:
    screen = shown("\r\n a < b & c\x1b[?25l")
    assert Page(html(screen)).rows == ["", " a < b & c"]


@settings(max_examples=60, deadline=None)
@given(data=hostile, trim=st.booleans())
def test_output_cannot_add_to_the_page(data: bytes, trim: bool) -> None:
    screen = shown(b"\x1b[?25l" + data + b"\x1b[?25l", 40, 10)
    page = Page(html(screen, trim=trim))
    assert set(page.elements) <= {"html", "head", "meta", "title", "style", "body", "pre", "span"}
    assert page.attributes <= {
        *("charset", "class", "content", "http-equiv", "lang", "name", "style"),
    }
    if not screen.cursor.visible:
        text = "\n".join(row.rstrip() for row in page.rows).rstrip("\n")
        assert text == plain(screen)


def test_a_title_is_text() -> None:
    page = Page(html(shown("\x1b]2;</title><script>x</script>\x07")))
    assert page.texts["title"] == "</title><script>x</script>"
    assert "script" not in page.elements


def test_the_page_loads_and_runs_nothing() -> None:
    page = html(shown("http://example.org \x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\"))
    assert "default-src 'none'" in page
    assert not {"a", "script", "link", "img"} & set(Page(page).elements)


def test_looks_are_inline_styles() -> None:
    screen = shown(
        "\x1b[?25l\x1b[38;2;1;2;3;48;5;21mc\x1b[0;1mb\x1b[0;3mi\x1b[0;4;9mu\x1b[0;7mv\x1b[0;38;5;232mg"
    )
    page = html(screen)
    for css in (
        "color:#010203;background:#0000ff",
        "font-weight:bold",
        "font-style:italic",
        "text-decoration:underline line-through",
        "color:#1c1c1c;background:#d0d0d0",
        "color:#080808",
    ):
        assert f'style="{css}"' in page


def test_wide_characters_keep_two_columns_on_the_page() -> None:
    assert '<span class="w">日</span><span class="w">本</span>' in html(shown("日本\x1b[?25l"))


@pytest.mark.parametrize(
    ("output", "under"),
    [("abc\x1b[1;2H", "b"), ("日本\x1b[1;3H", '<span class="w">本</span>'), ("ab\x1b[3;9H", " ")],
)
def test_the_cursor_is_a_block_over_its_character(output: str, under: str) -> None:
    block = f'<span style="color:#1c1c1c;background:#d0d0d0">{under}</span>'
    assert html(shown(output)).count(block) == 1
    assert block not in html(shown(output + "\x1b[?25l"))


# -- the picture -----------------------------------------------------------------------------------


def drawn(
    output: bytes | str, columns: int = 20, rows: int = 4, *, trim: bool = False
) -> Image.Image:
    return Image.open(io.BytesIO(png(shown(output, columns, rows), trim=trim))).convert("RGB")


def cell(image: Image.Image, column: int, row: int) -> Image.Image:
    """The pixels of one cell."""
    width, height = (image.width - 32) // 20, (image.height - 32) // 4
    left, top = 16 + column * width, 16 + row * height
    return image.crop((left, top, left + width, top + height))


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {pixel for _, pixel in image.getcolors(1 << 24) or [] if isinstance(pixel, tuple)}


GROUND, TEXT = (0x1C, 0x1C, 0x1C), (0xD0, 0xD0, 0xD0)


def test_a_picture_has_a_cell_for_every_column_and_row() -> None:
    small, large = drawn("", 10, 5), drawn("", 20, 10)
    assert large.width - 32 == 2 * (small.width - 32)
    assert large.height - 32 == 2 * (small.height - 32)


def test_text_is_drawn_in_its_colours() -> None:
    image = drawn("\x1b[?25lx\x1b[38;2;255;0;0my\x1b[0m\x1b[48;2;0;255;0m z")
    assert TEXT in colours(cell(image, 0, 0))
    assert (255, 0, 0) in colours(cell(image, 1, 0))
    assert colours(cell(image, 2, 0)) == {(0, 255, 0)}
    assert colours(cell(image, 5, 0)) == {GROUND}


def test_attributes_change_what_is_drawn() -> None:
    plainly = drawn("\x1b[?25lx").tobytes()
    for code in (1, 2, 3, 4, 7, 9):
        assert drawn(f"\x1b[?25l\x1b[{code}mx").tobytes() != plainly


def test_a_line_of_box_drawing_has_no_gaps() -> None:
    image = drawn("\x1b[?25l───\r\n│\r\n│\r\n│").convert("L")
    width, height = (image.width - 32) // 20, (image.height - 32) // 4
    across = image.crop((16, 16, 16 + 3 * width, 16 + height))
    down = image.crop((16, 16 + height, 16 + width, 16 + 4 * height))
    assert any(min(_levels(across, y, across.width)) > 100 for y in range(across.height))
    turned = down.transpose(Image.Transpose.ROTATE_90)
    assert any(min(_levels(turned, y, turned.width)) > 100 for y in range(turned.height))


def _levels(image: Image.Image, row: int, width: int) -> bytes:
    return image.tobytes()[row * width : (row + 1) * width]


def test_a_wide_character_fills_two_cells() -> None:
    image = drawn("\x1b[?25l日x")
    assert colours(cell(image, 0, 0)) != {GROUND}
    assert colours(cell(image, 1, 0)) != {GROUND}
    assert cell(image, 2, 0).tobytes() == cell(drawn("\x1b[?25l  x"), 2, 0).tobytes()


def test_the_cursor_is_drawn() -> None:
    assert colours(cell(drawn("\x1b[2;3H"), 2, 1)) == {TEXT}
    assert colours(cell(drawn("\x1b[2;3H\x1b[?25l"), 2, 1)) == {GROUND}


def test_a_mark_is_drawn_over_its_letter() -> None:
    assert (
        cell(drawn("\x1b[?25le\u0301"), 0, 0).tobytes() == cell(drawn("\x1b[?25lé"), 0, 0).tobytes()
    )
    assert colours(cell(drawn("\x1b[?25lq\u0301"), 1, 0)) == {GROUND}


def test_blank_rows_at_the_bottom_are_left_out_unless_asked() -> None:
    assert drawn("x\x1b[?25l", trim=True).height < drawn("x\x1b[?25l").height
    assert drawn("\x1b[?25l", trim=True).height > 32


def test_the_largest_screen_gives_a_picture_of_bounded_size() -> None:
    image = drawn("x", 1000, 1000)
    assert image.width * image.height < 45_000_000


@pytest.mark.parametrize("name", ["vim", "less", "shell"])
def test_a_real_program_can_be_drawn(name: str) -> None:
    assert len(colours(drawn(recorded(name), 80, 24))) > 10


@settings(max_examples=15, deadline=None)
@given(data=hostile)
def test_no_output_breaks_a_picture(data: bytes) -> None:
    assert png(shown(data, 40, 10)).startswith(b"\x89PNG")


def test_without_pillow_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(Missing, match="pipx inject looop pillow"):
        png(shown("x"))


def test_without_a_font_the_error_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_FAMILIES", (("/nowhere/{}.ttf", ("",) * 4),))
    with pytest.raises(Missing, match="fonts-dejavu-core"):
        png(shown("x"))


def test_a_family_without_its_bold_and_italic_is_drawn_regular(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    family, variants = next(entry for entry in fonts._FAMILIES if _there(*entry))
    monkeypatch.setattr(fonts, "_FAMILIES", ((family, (variants[0], "no", "no", "no")),))
    monkeypatch.setattr(fonts, "_OTHERS", ())
    assert colours(drawn("\x1b[?25l\x1b[1;3mx")) >= {GROUND, TEXT}


def _there(family: str, variants: tuple[str, ...]) -> bool:
    return fonts._load(family.format(variants[0]), 12) is not None
