"""What a program told its terminal is found however its output is cut, and answered once."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from looop.sessions.host.modes import CARRY_BYTES, Scanner, hush

QUERIES = {
    b"\x1b[c": b"\x1b[?62;22c",
    b"\x1b[0c": b"\x1b[?62;22c",
    b"\x1b[>c": b"\x1b[>1;10;0c",
    b"\x1b[>0c": b"\x1b[>1;10;0c",
    b"\x1b[5n": b"\x1b[0n",
    b"\x1b[6n": b"\x1b[1;1R",
    b"\x1b[?6n": b"\x1b[?1;1R",
    b"\x1b[?u": b"\x1b[?0u",
    b"\x1b[>q": b"\x1bP>|looop\x1b\\",
    b"\x1b[>0q": b"\x1bP>|looop\x1b\\",
    b"\x1b[14t": b"\x1b[4;384;640t",
    b"\x1b[18t": b"\x1b[8;24;80t",
    b"\x1b]10;?\x07": b"\x1b]10;rgb:d0d0/d0d0/d0d0\x1b\\",
    b"\x1b]11;?\x1b\\": b"\x1b]11;rgb:1c1c/1c1c/1c1c\x1b\\",
    b"\x1b]12;?\x07": b"\x1b]12;rgb:d0d0/d0d0/d0d0\x1b\\",
    b"\x1b[?2026$p": b"\x1b[?2026;0$y",
    b"\x1b[?25$p": b"\x1b[?25;1$y",
    b"\x1b[?2004$p": b"\x1b[?2004;2$y",
    b"\x1b[4$p": b"\x1b[4;0$y",
}
# Like the above, and not questions.
STATEMENTS = [
    b"\x1b[1;31m",
    b"\x1b[6;1H",
    b"\x1b[2J",
    b"\x1b[22;0t",
    b"\x1b[>4;2m",
    b"\x1b[<u",
    b"\x1b[>1u",
    b"\x1b]52;c;aGVsbG8=\x07",
    b"\x1b]8;;http://x/\x1b\\",
    b"\x1b(B",
    b"\x1b7",
    b"\x1b[5;6n",
]
MODES = [
    b"\x1b[?2004h",
    b"\x1b[?2004l",
    b"\x1b[?1049h",
    b"\x1b[?1049l",
    b"\x1b[?1;25l",
    b"\x1b[?1h",
    b"\x1b[!p",
    b"\x1bc",
    b"\x1b]0;a title\x07",
    b"\x1b]2;\xe2\x9c\xb3 another\x1b\\",
]
PIECES = st.sampled_from([*QUERIES, *STATEMENTS, *MODES, b"text ", "❤️ 漢字".encode(), b"\x1b"])


def scan(*chunks: bytes) -> tuple[list[bytes], dict[str, object]]:
    scanner = Scanner(80, 24)
    answers = [answer for chunk in chunks for answer in scanner.feed(chunk)]
    assert scanner.unfinished <= CARRY_BYTES
    return answers, scanner.modes.as_dict()


@pytest.mark.parametrize("query", QUERIES, ids=repr)
def test_a_question_is_answered_once_wherever_it_is_cut(query: bytes) -> None:
    for text in (query, b"before" + query + b"after", query * 2):
        expected = [QUERIES[query]] * text.count(query)
        assert scan(text)[0] == expected
        for at in range(len(text) + 1):
            assert scan(text[:at], text[at:])[0] == expected
        assert scan(*[text[i : i + 1] for i in range(len(text))])[0] == expected


@pytest.mark.parametrize("statement", STATEMENTS, ids=repr)
def test_what_is_no_question_is_not_answered(statement: bytes) -> None:
    assert scan(statement) == scan(b"")


def test_answers_come_in_the_order_of_the_questions() -> None:
    assert scan(b"".join(QUERIES))[0] == list(QUERIES.values())


def test_modes_are_followed() -> None:
    on = scan(b"\x1b[?2004h\x1b[?1049h\x1b[?1h\x1b[?25l\x1b]0;here\x07")[1]
    assert on == {
        "paste": True,
        "alternate": True,
        "cursor_keys": True,
        "cursor": False,
        "title": "here",
    }
    off = scan(b"\x1b[?2004;1049;1h\x1b[?25l", b"\x1b[?2004;1049;1l\x1b[?25h")[1]
    assert off == scan(b"")[1]


def test_a_mode_that_is_asked_for_is_told_as_it_is() -> None:
    assert scan(b"\x1b[?2004h\x1b[?2004$p\x1b[?25l\x1b[?25$p")[0] == [
        b"\x1b[?2004;1$y",
        b"\x1b[?25;2$y",
    ]


def test_a_reset_resets() -> None:
    setup = b"\x1b[?2004h\x1b[?1049h\x1b[?1h\x1b[?25l"
    assert scan(setup + b"\x1bc")[1] == scan(b"")[1]
    soft = scan(setup + b"\x1b[!p")[1]
    assert soft["paste"]
    assert soft["alternate"]
    assert soft["cursor"]
    assert not soft["cursor_keys"]


def test_a_size_is_told_as_it_is_now() -> None:
    scanner = Scanner(80, 24)
    scanner.columns, scanner.rows = 100, 50
    assert scanner.feed(b"\x1b[18t") == [b"\x1b[8;50;100t"]


def test_a_title_that_is_no_text_is_told_all_the_same() -> None:
    assert scan(b"\x1b]0;\xff\xfe\x07")[1]["title"] == "\ufffd\ufffd"


def test_a_sequence_that_never_ends_is_not_kept() -> None:
    for start in (b"\x1b]0;", b"\x1b[?", b"\x1b[1", b"\x1b]52;c;"):
        scanner = Scanner(80, 24)
        for _ in range(50):
            scanner.feed(start[:1] + start[1:] + b"1" * 100)
            scanner.feed(b"1" * 1000)
            assert scanner.unfinished <= CARRY_BYTES


@given(st.lists(PIECES | st.binary(max_size=8), max_size=12), st.data())
@example([b"\x1b]0;", b"a" * 512, b"\x1b\\"], None)
def test_no_cut_changes_what_is_found(pieces: list[bytes], data: st.DataObject | None) -> None:
    text = b"".join(pieces)
    whole = scan(text)
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
        ends = [0, *cuts, len(text)]
        assert scan(*[text[a:b] for a, b in pairwise(ends)]) == whole
    assert scan(*[text[i : i + 1] for i in range(len(text))]) == whole


@given(st.lists(PIECES, max_size=12))
def test_old_output_asks_nothing_and_is_as_long(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    hushed = hush(text, last=True)
    assert len(hushed) == len(text)
    assert scan(hushed) == ([], scan(text)[1])
    assert hush(hushed, last=True) == hushed


@given(st.lists(PIECES, min_size=1, max_size=12), st.integers(CARRY_BYTES, 2 * CARRY_BYTES))
def test_old_output_asks_nothing_wherever_it_is_cut(pieces: list[bytes], size: int) -> None:
    text = b"".join(pieces) * 300
    out = b""
    while len(out) < len(text):
        last = len(out) + size >= len(text)
        piece = hush(text[len(out) :][:size], last=last)
        assert piece, "it gets on"
        out += piece
    assert len(out) == len(text)
    assert scan(out)[0] == []


def test_old_output_is_cut_before_a_question_and_not_inside() -> None:
    assert hush(b"abc\x1b[", last=False) == b"abc"
    assert hush(b"abc\x1b[", last=True) == b"abc\x1b["
    assert hush(b"abc\x1b[6n", last=False) == b"abc" + bytes(4)
    assert hush(b"\x1b[", last=False) == b"\x1b[", "it has to get on"
