"""What a terminal shows, drawn as text: right for real programs, harmless for hostile ones."""

import importlib.metadata
import itertools
import re
import unicodedata

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looop.errors import Failed
from looop.sessions import emulator
from looop.sessions.emulator import Emulator, clamp
from looop.sessions.screen import (
    Screen,
    Style,
    ansi,
    as_json,
    plain,
    safe,
    text_hash,
)
from tests.support.streams import STREAMS, calm, hostile, pieces, recorded

SIZES = st.tuples(st.integers(1, 90), st.integers(1, 30))


def shown(output: bytes | str, columns: int = 80, rows: int = 24) -> Screen:
    terminal = Emulator(columns, rows)
    terminal.feed(output.encode() if isinstance(output, str) else output)
    return terminal.screen()


def controls(text: str) -> set[str]:
    """The characters that act on a terminal, line feeds left out."""
    return {
        char
        for char in text
        if char != "\n"
        and (
            unicodedata.category(char) in ("Cc", "Zl", "Zp")
            or char in "\u202a\u202b\u202c\u202d\u202e"
        )
    }


# -- the grid ------------------------------------------------------------------------------------


def test_text_lands_where_the_program_puts_it() -> None:
    screen = shown("one\r\n\x1b[4;3Hfour\x1b[1;1H\x1b[2K\x1b[2;2Htwo")
    assert plain(screen) == "\n two\n\n  four"
    assert (screen.cursor.row, screen.cursor.column) == (1, 4)


def test_every_line_fills_all_the_columns() -> None:
    screen = shown("日本\x1b[3;9Hx", 11, 4)
    assert [sum(run.columns for run in line) for line in screen.lines] == [11] * 4


@pytest.mark.parametrize("name", ["vim", "less", "shell"])
def test_a_real_program_is_drawn_as_another_terminal_draws_it(name: str) -> None:
    screen = shown(recorded(name))
    assert plain(screen) + "\n" == (STREAMS / f"{name}.txt").read_text("utf-8")


def test_wide_characters_take_two_columns() -> None:
    screen = shown("日本x")
    assert plain(screen) == "日本x"
    assert screen.cursor.column == 5
    assert [(run.text.rstrip(), run.wide) for run in screen.lines[0]] == [
        ("日本", True),
        ("x", False),
    ]


def test_half_of_a_wide_character_is_no_character() -> None:
    assert plain(shown("日本\x1b[1;2Hx")) == " x本"
    assert plain(shown("ab日", 3, 2)) == "ab\n日"


def test_the_alternate_screen_is_entered_and_left() -> None:
    inside = shown("shell\x1b[?1049h\x1b[Hprogram")
    assert inside.alternate
    assert plain(inside) == "program"
    after = shown("shell\x1b[?1049h\x1b[Hprogram\x1b[?1049l $")
    assert not after.alternate
    assert plain(after) == "shell $"


def test_the_alternate_screen_that_was_left_is_not_shown() -> None:
    screen = shown("ab\x1b[?1049h\x1b[2;2Hx\x1b[31m\x1b7\x1b[?1049l")
    assert (screen.alternate, plain(screen)) == (False, "ab")


def test_what_is_behind_the_alternate_screen_takes_the_new_size_with_it() -> None:
    terminal = Emulator(10, 5)
    terminal.feed(
        b"one\r\ntwo\r\nthree\r\nfour\r\n$ vi\x1b[?1049h\x1b[H\x1b[31malt\r\nmore\x1b[?25l"
    )
    terminal.resize(8, 3)
    inside = terminal.screen()
    assert plain(inside) == "alt\nmore"
    assert (inside.cursor.row, inside.cursor.column, inside.cursor.visible) == (1, 4, False)
    for other in (terminal, Emulator.restore(terminal.save())):
        other.feed(b"!\x1b[?1049l\x1b[?25h")
        assert plain(other.screen()) == "three\nfour\n$ vi"
        assert other.screen().cursor.column == 4


def test_the_cursor_can_be_hidden_and_never_leaves_the_screen() -> None:
    screen = shown("\x1b[?25l" + "x" * 10, 10, 2)
    assert not screen.cursor.visible
    assert (screen.cursor.row, screen.cursor.column) == (0, 9)


@pytest.mark.parametrize(
    "output",
    [
        "\x1b]0;build\x07",
        "\x1b]2;build\x1b\\",
        "\x1b]2;b\x07\x1b]0;build\x07x",
        "\x1b]2;build\x07\x1bc",
    ],
)
def test_the_title_is_known(output: str) -> None:
    assert shown(output).title == "build"


def test_a_title_cannot_carry_controls() -> None:
    assert shown("\x1b]2;a\u202eb\x07").title == "a\\u202eb"
    assert shown(b"\x1b]2;a\x01b\x07").title == ""
    assert shown("\x1b]2;" + "a" * 5000 + "\x07").title == ""


def test_a_delete_character_shows_nothing() -> None:
    assert plain(shown("a\x7fb")) == "ab"


def test_a_size_that_cannot_be_drawn_becomes_the_nearest_one() -> None:
    assert clamp(1, 0) == (2, 1)
    assert clamp(10**9, 10**9) == (1000, 1000)
    screen = shown("日本", 1, 1)
    assert (screen.columns, screen.rows) == (2, 1)


@settings(max_examples=60, deadline=None)
@given(data=hostile, sizes=st.lists(SIZES, min_size=1, max_size=4))
def test_no_output_and_no_size_breaks_a_terminal(data: bytes, sizes: list[tuple[int, int]]) -> None:
    terminal = Emulator(*sizes[0])
    for size, part in zip(sizes, pieces(data, [7, 99, 1003]), strict=False):
        terminal.resize(*size)
        terminal.feed(part)
    screen = terminal.screen()
    assert len(screen.lines) == screen.rows
    assert {sum(run.columns for run in line) for line in screen.lines} == {screen.columns}
    assert terminal.lines() == plain(screen, trim=False).split("\n")


def test_states_are_marked_with_the_version_that_is_installed() -> None:
    assert f"pyavt {importlib.metadata.version('pyavt')}" == emulator.ENGINE


def test_what_the_engine_throws_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    # One column is what the engine is known to panic at, and why no terminal here has it.
    monkeypatch.setattr(emulator, "_COLUMNS", (1, 1000))
    terminal = Emulator(5, 1)
    terminal.feed("日本".encode())
    with pytest.raises(Failed, match="the screen cannot be drawn"):
        terminal.resize(1, 3)


# -- any chunking --------------------------------------------------------------------------------


def test_a_character_may_be_cut_anywhere() -> None:
    data = "é日🚀\x1b[31mä\x1b]2;títle\x07".encode()
    whole = shown(data)
    for cut in range(len(data) + 1):
        terminal = Emulator(80, 24)
        terminal.feed(data[:cut])
        terminal.feed(data[cut:])
        assert terminal.screen() == whole


@settings(max_examples=60, deadline=None)
@given(data=hostile, cuts=st.lists(st.integers(0, 5000), max_size=5))
def test_the_screen_is_the_same_however_the_output_is_cut(data: bytes, cuts: list[int]) -> None:
    terminal = Emulator(40, 10)
    for piece in pieces(data, cuts):
        terminal.feed(piece)
    assert terminal.screen() == shown(data, 40, 10)


@settings(max_examples=100, deadline=None)
@example("日".encode() * 30, b"", (20, 5))
@given(before=hostile, after=calm, size=SIZES)
def test_a_saved_terminal_goes_on_where_it_was(
    before: bytes, after: bytes, size: tuple[int, int]
) -> None:
    terminal = Emulator(*size)
    terminal.feed(before)
    saved = msgspec.json.decode(msgspec.json.encode(terminal.save()), type=emulator.Saved)
    restored = Emulator.restore(saved)
    assert restored.screen() == terminal.screen()
    terminal.feed(after)
    restored.feed(after)
    assert restored.screen() == terminal.screen()


@settings(max_examples=100, deadline=None)
@given(before=hostile, after=calm)
def test_a_frame_puts_another_terminal_where_this_one_is(before: bytes, after: bytes) -> None:
    terminal = Emulator(40, 10)
    terminal.feed(before)
    other = Emulator(40, 10)
    other.feed(b"what was there\x1b[31m\x1b[2;3r\x1b[?25l\x1b[4h" + terminal.frame())
    assert other.screen().lines == terminal.screen().lines
    terminal.feed(after)
    other.feed(after)
    one, two = terminal.screen(), other.screen()
    # Of a title that is cut in two, the other one sees the second half alone.
    assert msgspec.structs.replace(one, title="") == msgspec.structs.replace(two, title="")


def test_a_frame_sets_what_no_cell_shows() -> None:
    terminal = Emulator(80, 24)
    terminal.feed(
        b"\x1b]0;title\x07\x1b[?2004h\x1b[?1000;1006h\x1b[?1004h\x1b[?1004l\x1b[>1u\x1b[>3u\x1b[<u"
        b"\x1b[>4;2m\x1b[5 q\x1b=\x1b[?1h"
    )
    frame = terminal.frame()
    for sequence in (
        b"\x1b]2;title\x07",
        b"\x1b[?2004h",
        b"\x1b[?1000h",
        b"\x1b[?1006h",
        b"\x1b[>1u",
        b"\x1b[>4;2m",
        b"\x1b[5 q",
        b"\x1b=",
        b"\x1b[?1h",
    ):
        assert sequence in frame
    for sequence in (b"\x1b[?1004h", b"\x1b[>3u", b"\x1b[3J"):
        assert sequence not in frame


def test_a_reset_leaves_nothing_set() -> None:
    terminal = Emulator(80, 24)
    terminal.feed(b"\x1b[?2004h\x1b[?1h\x1b[>1u\x1b[>4;2m\x1b[5 q\x1b=\x1bc")
    fresh = Emulator(80, 24)
    assert terminal.frame() == fresh.frame()


def test_a_frame_is_made_of_what_every_terminal_takes() -> None:
    terminal = Emulator(80, 24)
    terminal.feed(b"\x1b[38;2;1;2;3mrgb\x1b[48;5;200midx\x1b[?1049h          x\x1b[3g")
    frame = terminal.frame().decode()
    assert not controls(re.sub("[\x1b\r\x0f]", "", frame))
    assert not re.search("\x1b\\[[0-9]*b", frame)
    assert not re.search("\x1b\\[[0-9;]*:", frame)
    assert "38;2;1;2;3" in frame


# -- renderings ----------------------------------------------------------------------------------


def test_plain_text_ends_without_blanks_unless_asked() -> None:
    screen = shown("a  \r\n\r\n b ", 4, 4)
    assert plain(screen) == "a\n\n b"
    assert plain(screen, trim=False) == "a   \n    \n b  \n    "


@settings(max_examples=80, deadline=None)
@given(data=hostile, trim=st.booleans())
def test_plain_text_acts_on_no_terminal(data: bytes, trim: bool) -> None:
    assert not controls(plain(shown(data, 40, 10), trim=trim))


@settings(max_examples=80, deadline=None)
@given(data=hostile, trim=st.booleans())
def test_coloured_text_holds_colours_and_no_other_sequence(data: bytes, trim: bool) -> None:
    screen = shown(data, 40, 10)
    text = ansi(screen, trim=trim)
    bare = re.sub("\x1b\\[[0-9;]*m", "", text)
    assert not controls(bare)
    for line in text.split("\n"):
        assert re.findall("\x1b\\[[0-9;]*m", line)[-1:] in ([], ["\x1b[0m"])
    if not trim:
        assert bare == plain(screen, trim=False)


@settings(max_examples=80, deadline=None)
@given(data=hostile)
def test_coloured_text_looks_the_same_again(data: bytes) -> None:
    screen = shown(data, 40, 10)
    again = shown(ansi(screen, trim=False).replace("\n", "\r\n"), 40, 10)
    assert again.lines == screen.lines


def test_a_blank_that_can_be_seen_is_kept() -> None:
    assert ansi(shown("a\x1b[41m  \x1b[0m  ", 8, 2)) == "a\x1b[0;41m  \x1b[0m"
    assert ansi(shown("a\x1b[31m  \x1b[0m  ", 8, 2)) == "a"


def test_colours_are_written_as_they_came() -> None:
    codes = ["0;31", "0;97", "0;38;5;200", "0;38;2;1;2;3", "0;42", "0;105", "0;48;5;16"]
    for code in codes:
        assert ansi(shown(f"\x1b[{code}mx")) == f"\x1b[{code}mx\x1b[0m"
    assert ansi(shown("\x1b[1;3;4;5;7;9mx")) == "\x1b[0;1;3;4;5;7;9mx\x1b[0m"
    assert ansi(shown("\x1b[2mx")) == "\x1b[0;2mx\x1b[0m"


def test_as_json_a_row_is_its_text_and_the_spans_that_stand_out() -> None:
    screen = shown("a\x1b[31;1m日本\x1b[0m \x1b[48;2;255;0;16;38;5;9mx\x1b[0m\x1b]2;t\x07", 20, 3)
    assert as_json(screen) == {
        "columns": 20,
        "rows": 3,
        "cursor": {"row": 0, "column": 7, "visible": True},
        "alternate": False,
        "title": "t",
        "screen_hash": text_hash(screen),
        "lines": [
            {
                "text": "a日本 x",
                "spans": [
                    {"start": 1, "end": 5, "fg": "idx1", "bold": True},
                    {"start": 6, "end": 7, "fg": "idx9", "bg": "#ff0010"},
                ],
            }
        ],
    }
    assert len(as_json(screen, trim=False)["lines"]) == 3


def test_one_span_for_one_style_whatever_the_width() -> None:
    screen = shown("\x1b[7ma日b\x1b[0m")
    assert as_json(screen)["lines"][0]["spans"] == [{"start": 0, "end": 4, "inverse": True}]


@settings(max_examples=60, deadline=None)
@given(data=hostile)
def test_spans_lie_within_the_row_and_in_order(data: bytes) -> None:
    screen = shown(data, 40, 10)
    shape = as_json(screen, trim=False)
    msgspec.json.encode(shape)
    for line in shape["lines"]:
        edges = list(itertools.chain.from_iterable((s["start"], s["end"]) for s in line["spans"]))
        assert edges == sorted(edges)
        assert all(0 <= edge <= 40 for edge in edges)
        assert not controls(line["text"])


def test_the_hash_tells_of_text_and_not_of_colour_or_cursor() -> None:
    bare = text_hash(shown("ok"))
    assert text_hash(shown("\x1b[31mok\x1b[0m   \x1b[5;5H")) == bare
    assert text_hash(shown("ok", 100, 50)) == bare
    assert text_hash(shown("ko")) != bare
    assert text_hash(shown("\r\nok")) != bare


@example("a\x1b\u202e\x9b\u2028b")
@given(st.text())
def test_safe_text_is_as_long_as_it_was(text: str) -> None:
    assert len(safe(text)) == len(text)
    assert not controls(safe(text)) - {"\n"}


def test_a_style_knows_whether_it_marks_blanks() -> None:
    assert Style(bg="idx1").marks_blanks
    assert Style(underline=True).marks_blanks
    assert not Style(fg="idx1", bold=True).marks_blanks
