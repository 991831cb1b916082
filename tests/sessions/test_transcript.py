"""Raw output becomes lines that are safe to show, whatever is in it and however it is cut."""

import os
import tempfile
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looop.errors import NotFound, Unreadable, Usage
from looop.sessions import stripper as strippers
from looop.sessions import transcript
from looop.sessions.local import LocalFleet
from looop.sessions.stripper import LINE_CHARS, Stripper
from looop.sessions.transcript import Reader, grep, last_line, lines, tail
from tests.sessions.conftest import Start
from tests.support.streams import Spawn, hostile, pieces, recorded, session


def stripped(*parts: bytes | str) -> list[str]:
    stripper = Stripper()
    out: list[str] = []
    for part in parts:
        out += stripper.feed(part.encode() if isinstance(part, str) else part)
    return out + stripper.finish()


# -- what is left of output ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("plain\r\ntext\n", ["plain", "text"]),
        ("no end", ["no end"]),
        ("\r\n\r\nx\n", ["", "", "x"]),
        ("tabs\tstay\n", ["tabs\tstay"]),
        ("\x1b[31;1mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m\n", ["red x"]),
        ("\x1b]0;title\x07a\x1b]2;title\x1b\\b\x1b]2;t\u009cc\n", ["abc"]),
        ("\x1b]52;c;cm0=\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", ["alink"]),
        ("a\x1bP$q\x07m\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e\n", ["abcde"]),
        ("\x1b(0a\x1b)Bb\x1b%Gc\x1b#8d\x1b=e\x1b>f\x1b7g\x1b8h\n", ["abcdefgh"]),
        ("\x9b31mred\x9b0m\x9d0;title\x9cx\x90dcs\x9cy\n", ["redxy"]),
        ("a\x00b\x05c\x07d\x0ee\x0ff\x7fg\x1ah\x18i\n", ["abcdefghi"]),
        ("a\x1b[12\x18b\x1b]0;t\x1ac\n", ["abc"]),
        ("a\x1b\x1b[31mb\x1b\x1b7c\n", ["abc"]),
        ("a\x1b[31\u00e9b\n", ["a\u00e9b"]),
        ("a\x1b\x1b]0;t\x07b\x1b[3\x1b[1m1mc\x1b\x1b[1Cd\n", ["ab1mc d"]),
        ("\x1b", []),
        ("text\x1b[3", ["text"]),
    ],
)
def test_sequences_and_controls_are_removed(output: str, expected: list[str]) -> None:
    assert stripped(output) == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("10%\r50%\r100%\r\n", ["100%"]),
        ("10%\r50%", ["50%"]),
        ("10%\r50%\r", ["50%"]),
        ("working\r\x1b[Kdone\n", ["done"]),
        ("working\x1b[2K\x1b[1Gdone\x1b[Gover\n", ["over"]),
        ("text\r\r\n", ["text"]),
        ("|\b/\b-\b\\\b\n", ["\\"]),
        ("abc\b\bx\n", ["axc"]),
        ("pass\b\b\b\b", ["pass"]),
        ("\b\bx\n", ["x"]),
        ("wrong\b \b\b \bs\n", ["wros "]),
    ],
)
def test_of_a_line_that_is_written_over_the_last_version_counts(
    output: str, expected: list[str]
) -> None:
    assert stripped(output) == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("\x1b[H\x1b[2J\x1b[1;1Hone\x1b[2;1Htwo\x1b[9;9f\n", ["one", "two", ""]),
        (
            "one\x1b[Atwo\x1b[2Bthree\x1b[Efour\x1b[5dfive\n",
            ["one", "two", "three", "four", "five"],
        ),
        (
            "one\x1bDtwo\x1bEthree\x1bMfour\x0bfive\x0csix\n",
            ["one", "two", "three", "four", "five", "six"],
        ),
        ("two\x1b[1Cwords\x1b[20Gand\x1b[5`more\x1b[2athen\n", ["two words and more then"]),
    ],
)
def test_moves_part_lines_and_words(output: str, expected: list[str]) -> None:
    assert stripped(output) == expected


def test_bytes_that_are_no_text_are_seen() -> None:
    assert stripped(b"a\xffb\xc3(c\xed\xa0\x80\n") == ["a\ufffdb\ufffd(c\ufffd\ufffd\ufffd"]
    assert stripped(b"torn \xe6\x97") == ["torn \ufffd"]
    assert stripped(b"\x9b31m raw\n") == ["\ufffd31m raw"]


def test_what_reorders_or_hides_text_is_spelled_out() -> None:
    assert stripped("a\u202eb\u2066c\u2028d\n") == ["a\\u202eb\\u2066c\\u2028d"]


@settings(max_examples=200, deadline=None)
@given(hostile)
def test_no_output_leaves_a_control_character(data: bytes) -> None:
    for line in stripped(data):
        for char in line:
            assert char == "\t" or unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
            assert char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@settings(max_examples=200, deadline=None)
@example(b"a\r\nb\r\r\nc\r", [1, 2, 3, 4, 5, 6, 7])
@example(b"a\x1b]0;x\x07b", [2, 3, 5, 6])
@example(b"\x1b\x1b]0;x\x07a\x1b[3\x1b[1m1mb\x1b\x1b[1Cc\x1b[3\x1b[C1md", [*range(30)])
@example(b"a\x1b[" + b"1;" * 300 + b"Hb\x1b" + b" " * 400 + b"0c", [200, 310, 400, 700])
@example("\x9b1;1H日\x9d0;\x9cx".encode(), list(range(20)))
@given(hostile, st.lists(st.integers(0, 6000), max_size=6))
def test_lines_are_the_same_however_the_output_is_cut(data: bytes, cuts: list[int]) -> None:
    assert stripped(*pieces(data, cuts)) == stripped(data)


@settings(max_examples=100, deadline=None)
@given(hostile, st.lists(st.integers(0, 6000), max_size=6))
def test_a_cut_of_long_lines_is_the_same_too(data: bytes, cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strippers, "LINE_CHARS", 5)
        patch.setattr(strippers, "_HELD_CHARS", 3)
        assert stripped(*pieces(data, cuts)) == stripped(data)


def test_the_unfinished_line_can_be_seen() -> None:
    stripper = Stripper()
    assert stripper.feed(b"done\r\nContinue? [y/N]\x1b[3") == ["done"]
    assert stripper.rest == "Continue? [y/N]"
    assert stripper.inside
    assert stripper.feed(b"2m yes \xe6\x97") == []
    assert (stripper.rest, stripper.inside, stripper.torn) == ("Continue? [y/N] yes ", False, 2)
    assert stripper.finish() == ["Continue? [y/N] yes \ufffd"]
    assert stripper.finish() == []


@pytest.mark.parametrize(
    "begin", ["\x1b]0;", "\x1bP", "\x1b[", "\x1b ", "x", "\x1b[1;1H", "a\r", "a\b"]
)
def test_memory_is_bounded_whatever_never_ends(begin: str) -> None:
    stripper = Stripper()
    stripper.feed(begin.encode())
    part = {"\x1b[": b"1;", "\x1b ": b"  ", "a\r": b"b\r", "a\b": b"b\b"}.get(begin, b"yy") * 32768
    for _ in range(3):
        stripper.feed(part)
    tracemalloc.start()
    try:
        for _ in range(9):
            stripper.feed(part)
        assert tracemalloc.get_traced_memory()[0] < 400_000
    finally:
        tracemalloc.stop()


def test_a_line_that_never_ends_is_cut() -> None:
    assert [len(line) for line in stripped("x" * (2 * LINE_CHARS + 5) + "\n")] == [
        LINE_CHARS,
        LINE_CHARS,
        5,
    ]


@pytest.mark.parametrize("name", ["vim", "less", "shell"])
def test_a_real_program_can_be_read(name: str) -> None:
    found = stripped(recorded(name))
    words = {
        "vim": "def fib(n: int) -> int:",
        "less": "step 5 of 60 done in 9 ms",
        "shell": "日本語",
    }
    assert any(words[name] in line for line in found)
    if name == "shell":
        assert "100% [####################]" in found


# -- the log of a session --------------------------------------------------------------------------


def kept(base: Path, *events: bytes, segment: int = 1 << 40) -> Path:
    return session(base / "s", Spawn(), *events, segment=segment)


def numbered(count: int) -> bytes:
    return b"".join(b"\x1b[32mline %d\x1b[0m\r\n" % n for n in range(count))


def test_lines_come_from_all_segments_between_two_offsets(tmp_path: Path) -> None:
    directory = kept(tmp_path, b"one\ntwo\nthree\nfour", segment=3)
    assert list(lines(directory)) == ["one", "two", "three", "four"]
    assert list(lines(directory, since=4)) == ["two", "three", "four"]
    assert list(lines(directory, since=4, until=10)) == ["two", "th"]
    assert list(lines(directory, since=10**6)) == []


def test_what_is_no_longer_kept_ends_a_line(tmp_path: Path) -> None:
    directory = kept(tmp_path, b"aaaa\x1b]0;titlbbbb\ncccc\n", segment=4)
    for start in (8,):
        (directory / f"output.{start:016d}.log").unlink()
    # A sequence whose end is lost does not swallow what comes after the gap.
    assert list(lines(directory)) == ["aaaa", "bbbb", "cccc"]


def test_no_log_has_no_lines(tmp_path: Path) -> None:
    assert list(lines(tmp_path)) == []
    assert tail(tmp_path, 5) == []
    assert last_line(tmp_path) == ""


def test_a_log_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "output.0000000000000000.log").mkdir()
    with pytest.raises(Unreadable):
        list(lines(tmp_path))
    with pytest.raises(Unreadable):
        tail(tmp_path, 1)
    with pytest.raises(Unreadable):
        last_line(tmp_path)


@pytest.mark.parametrize("count", [0, 1, 3, 700, 5000])
def test_a_tail_is_the_end_of_all_lines(tmp_path: Path, count: int) -> None:
    directory = kept(tmp_path, numbered(4000), segment=10_000)
    assert tail(directory, count) == list(lines(directory))[-count or 10**9 :]


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile, max_size=4), st.integers(0, 30))
def test_a_tail_of_a_short_log_is_exact(parts: list[bytes], count: int) -> None:
    with tempfile.TemporaryDirectory() as base:
        directory = kept(Path(base), *parts, segment=50)
        everything = list(lines(directory))
        assert tail(directory, count) == everything[len(everything) - min(count, len(everything)) :]


def test_a_last_line_without_an_end_is_in_the_tail(tmp_path: Path) -> None:
    assert tail(kept(tmp_path, b"one\r\ntwo\r\nProceed? "), 2) == ["two", "Proceed? "]


def test_a_tail_reads_only_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = kept(tmp_path, numbered(60_000))
    monkeypatch.setattr(transcript, "_CHUNK", 1 << 12)
    reads = _count_reads(monkeypatch)
    assert tail(directory, 3) == ["line 59997", "line 59998", "line 59999"]
    assert last_line(directory) == "line 59999"
    assert sum(reads) < 1 << 17


def _count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    reads: list[int] = []
    read = transcript.rawlog.read

    def counted(directory: str, offset: int, limit: int) -> tuple[int, bytes]:
        reads.append(limit)
        return read(directory, offset, limit)

    monkeypatch.setattr(transcript.rawlog, "read", counted)
    return reads


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"one\r\ntwo\r\n", "two"),
        (b"one\r\n  two  ", "two"),
        (b"one\r\n\r\n   \r\n\x1b[0m\r\n", "one"),
        (b"start\r10%\r20%\r", "20%"),
        (b"start\r\n10%\r     \r", "start"),
        (b"\x1b[2J\x1b[1;1Hone\x1b[5;1Hfive\x1b[9;1H\x1b[K", "five"),
        (b"text\x1b]0;title", "text"),
        (b"   \r\n", ""),
        (b"", ""),
    ],
)
def test_the_last_line_is_the_last_that_is_seen(
    tmp_path: Path, output: bytes, expected: str
) -> None:
    assert last_line(kept(tmp_path, output)) == expected


def test_the_last_line_is_found_behind_many_blank_ones(tmp_path: Path) -> None:
    assert last_line(kept(tmp_path, b"here\r\n" + b"\r\n" * 100_000)) == "here"


def test_the_last_line_is_looked_for_near_the_end_only(tmp_path: Path) -> None:
    assert last_line(kept(tmp_path, b"here\r\n" + b"\r\n" * (1 << 20))) == ""


def test_grep_gives_the_lines_that_match(tmp_path: Path) -> None:
    directory = kept(tmp_path, numbered(100))
    assert list(grep(directory, r"^line \d?7$")) == [f"line {n}" for n in (*range(7, 100, 10),)]
    assert list(grep(directory, "32m")) == []
    assert list(grep(directory, "line 9$", since=1000)) == []


def test_grep_refuses_what_is_no_regular_expression(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="not a regular expression"):
        grep(tmp_path, "(")


def test_a_large_log_is_read_in_little_memory(tmp_path: Path) -> None:
    directory = kept(tmp_path, numbered(80_000))
    tracemalloc.start()
    try:
        found = sum(1 for _ in lines(directory))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == 80_000
    assert peak < 6 << 20


# -- through the fleet -----------------------------------------------------------------------------


@pytest.fixture
def fleet(tmp_path: Path) -> LocalFleet:
    return LocalFleet(tmp_path / "sessions", version="1")


def test_a_reader_gives_the_lines_of_an_ended_session(fleet: LocalFleet, start: Start) -> None:
    start("sh", "-c", "seq 1 5; printf 'no end\\033[3'")
    fleet.wait("one", 0)
    everything = ["1", "2", "3", "4", "5", "no end"]
    for follow in (False, True):
        assert list(Reader(fleet, "one").lines(follow=follow)) == everything
        assert list(Reader(fleet, "one", since=6).lines(follow=follow)) == everything[2:]
        assert list(Reader(fleet, "one", tail=0).lines(follow=follow)) == ["no end"] * follow
    assert list(Reader(fleet, "one", tail=2).lines()) == ["5", "no end"]
    assert list(Reader(fleet, "one", tail=2).lines(follow=True)) == ["4", "5", "no end"]
    assert list(Reader(fleet, "one", since=6, tail=9).lines()) == everything[2:]


def test_the_next_reader_begins_where_the_last_one_was(fleet: LocalFleet, start: Start) -> None:
    output = "one\r\n\x1b[32mtwo \x1b[0m日\r\n\x1b]0;title\x07three".encode()
    directory = start("sleep", "600")
    for cut in range(len(output) + 1):
        (directory / "output.0000000000000000.log").write_bytes(output[:cut])
        first = Reader(fleet, "one")
        found = list(first.lines())
        (directory / "output.0000000000000000.log").write_bytes(output)
        found += Reader(fleet, "one", since=first.offset).lines()
        joined = "".join(found).replace("\ufffd", "")
        assert joined == "onetwo 日three"


def test_lines_are_followed_to_the_end_of_the_session(
    fleet: LocalFleet, start: Start, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    start("sh", "-c", f"echo one; cat {gate}; printf 'two'")
    followed = Reader(fleet, "one").lines(follow=True)
    assert next(followed) == "one"
    gate.write_text("between\n")
    assert list(followed) == ["between", "two"]


def test_a_session_that_is_not_there_has_no_lines_to_read(fleet: LocalFleet) -> None:
    with pytest.raises(NotFound):
        list(Reader(fleet, "none").lines())
