"""Text: what is untrusted cannot move a cursor, forge a line or hide anything."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looop.kit import text

FORMATS = "".join(map(chr, range(0x2100)))
hostile = st.text(
    alphabet=[c for c in FORMATS if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Zs")]
    + list("\r\n\r\n\x1b[2Jm\ud800\udfff é漢אab"),
    max_size=12,
)


def allowed(char: str) -> bool:
    return char in "\n\t" or not (
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(char)
        in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    )


@settings(max_examples=100)
@given(hostile)
@example("\x1b[31mred\x1b[0m\x07")
@example("\u200f\u061c\u200e")
def test_plain_text_holds_no_control_and_no_bidi_character(raw: str) -> None:
    shown = text.plain(raw)
    assert all(allowed(char) for char in shown)
    assert not set("\u061c\u200e\u200f") & set(shown)
    shown.encode()


def test_no_character_at_all_gets_through() -> None:
    every = "".join(map(chr, range(0x10000)))
    shown = text.plain(every)
    assert [char for char in set(shown) if not allowed(char)] == []
    # Letters, signs and digits of all scripts are still there.
    assert set(every) - set(shown) == {
        char for char in every if not allowed(char) or char in "\r\u061c\u200e\u200f"
    }


@settings(max_examples=100)
@given(hostile)
def test_plain_text_stays_what_it_is(raw: str) -> None:
    assert text.plain(text.plain(raw)) == text.plain(raw)


def test_what_is_taken_out_can_be_seen() -> None:
    assert text.plain("a\x1b[2Jb\x9bc\u202ed\0") == "a\\x1b[2Jb\\x9bc\\u202ed\\x00"
    assert text.plain("\udcff") == "\\udcff"


def test_what_is_harmless_is_left_alone() -> None:
    kept = "Zeile\n\tzwei: é漢字 🙂 עברית العربية — ok"
    assert text.plain(kept) == kept


def test_every_kind_of_line_end_becomes_a_newline() -> None:
    assert text.plain("a\r\nb\rc\n\rd") == "a\nb\nc\n\nd"


@settings(max_examples=100)
@given(raw=hostile, limit=st.integers(0, 30))
def test_one_line_is_one_line_for_every_reader(raw: str, limit: int) -> None:
    line = text.one_line(raw, limit)
    assert len(line.splitlines()) <= 1
    assert "\t" not in line
    assert line == line.strip()
    if limit:
        assert len(line) <= limit


def test_one_line_folds_blanks() -> None:
    assert text.one_line("  a \n\n b\t\tc\r\n") == "a b c"
    assert text.one_line("- forged\n- 2031-01-01 line", 12) == "- forged - …"


@settings(max_examples=100)
@given(raw=st.text(max_size=30), limit=st.integers(1, 40))
def test_a_clipped_text_keeps_its_limit_and_shows_that_it_was_cut(raw: str, limit: int) -> None:
    cut = text.clip(raw, limit)
    assert len(cut) <= limit
    assert cut == raw if len(raw) <= limit else cut.endswith("…") and raw.startswith(cut[:-1])


@settings(max_examples=100)
@given(raw=st.text(alphabet="abc\n", max_size=60), limit=st.integers(0, 70))
@example(raw="abc", limit=1)
def test_a_text_clipped_in_the_middle_keeps_both_ends_and_counts_the_rest(
    raw: str, limit: int
) -> None:
    cut = text.clip_middle(raw, limit)
    if len(raw) <= limit:
        assert cut == raw
        return
    half = limit // 2
    head, _, rest = cut.partition("\n[... ")
    number, _, tail = rest.partition(" characters left out ...]\n")
    assert (head, tail) == (raw[:half], raw[len(raw) - half :])
    assert int(number) == len(raw) - len(head) - len(tail)


@pytest.mark.parametrize(("number", "said"), [(0, "0 asks"), (1, "1 ask"), (2, "2 asks")])
def test_one_thing_is_one_and_all_else_are_many(number: int, said: str) -> None:
    assert text.count(number, "ask") == said


@pytest.mark.parametrize("body", ["a", "a\n", "a\n\n\n"])
def test_a_body_ends_in_one_newline(body: str) -> None:
    assert text.ended(body) == "a\n"


def test_a_tail_is_never_torn_in_a_character() -> None:
    data = "aé漢🙂".encode()
    for limit in range(len(data) + 3):
        shown = text.tail(data, limit)
        assert "\ufffd" not in shown
        assert "aé漢🙂".endswith(shown)
    assert text.tail(data, 0) == ""
    assert text.tail(b"ok \xff\xfe end", 100) == "ok \ufffd\ufffd end"


@pytest.mark.parametrize(
    ("shown", "cells"),
    [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("漢字", 4), ("\uff41", 2), ("a漢b", 4)],
)
def test_width_counts_cells_and_not_characters(shown: str, cells: int) -> None:
    assert text.width(shown) == cells
