"""What a session says, its quiet and its end are waited for, and nothing is missed."""

import itertools
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from looop.errors import Usage
from looop.sessions.local import LocalFleet
from looop.sessions.port import Chunk, Match
from looop.sessions.waits import WINDOW_CHARS, Hunt, compiled
from tests.sessions.conftest import Start


def hunt(pattern: str, *chunks: bytes, raw: bool = False, start: int = 0) -> Match | None:
    """The first match in output that comes in these chunks."""
    looking = Hunt(compiled(pattern), raw=raw)
    at = start
    for data in chunks:
        found = looking.feed(Chunk(start=at, data=data))
        if found is not None:
            return found
        at += len(data)
    return None


def test_a_match_comes_with_its_text_and_the_offset_after_it() -> None:
    found = hunt(r"port \d+", b"listening on port 8080\r\nready\r\n", start=100)

    assert found == Match(outcome="match", text="port 8080", offset=100 + 22)


def test_what_follows_a_match_is_left_for_the_next_wait() -> None:
    output = b"one two three\n"
    first = hunt("one", output)
    assert first is not None
    second = hunt("two", output[first.offset :], start=first.offset)
    assert second is not None
    assert second.offset == 7


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_match_is_found_however_the_output_is_cut(cuts: list[int]) -> None:
    output = b"\x1b[1mb\xc3\xbc\x1b[31mild \x1b[0msuc\x1b]0;title\x07ceeded\r\nnext"
    edges = sorted({0, *(min(cut, len(output)) for cut in cuts), len(output)})
    chunks = [output[a:b] for a, b in itertools.pairwise(edges)]

    found = hunt("büild succeeded$", *chunks)

    assert found is not None
    assert found.text == "büild succeeded"
    assert output[: found.offset].endswith(b"ceeded")


def test_escape_sequences_cannot_be_matched_unless_raw() -> None:
    assert hunt(r"\[1m", b"\x1b[1mbold") is None
    found = hunt(r"\x1b\[1mbo", b"\x1b[1mbold", raw=True)
    assert found is not None
    assert found.offset == 6


def test_anchors_stand_at_every_line() -> None:
    assert hunt("^ok$", b"not ok\r\nok\r\n") is not None
    assert hunt("^ok$", b"not ok\r\nok then\r\n") is None


def test_a_match_may_span_lines_and_chunks() -> None:
    found = hunt(r"begin\n(.*\n)*end", b"begin\r\n", b"a\r\nb\r\n", b"end\r\n")
    assert found is not None
    assert found.text == "begin\na\nb\nend"


def test_a_line_that_is_not_ended_counts() -> None:
    assert hunt(r"password: $", b"login\r\npassword: ") is not None


def test_memory_is_bounded_and_what_is_close_is_still_joined() -> None:
    looking = Hunt(compiled("needle in hay"))
    at = 0
    for _ in range(200):
        data = b"x" * 1000 + b"\n"
        assert looking.feed(Chunk(start=at, data=data)) is None
        at += len(data)
        assert len(looking._window) <= WINDOW_CHARS
    assert looking.feed(Chunk(start=at, data=b"needle ")) is None
    found = looking.feed(Chunk(start=at + 7, data=b"in hay and more"))
    assert found == Match(outcome="match", text="needle in hay", offset=at + 13)


def test_what_is_forgotten_of_a_line_does_not_make_a_beginning() -> None:
    looking = Hunt(compiled("^x"), raw=True)
    data = b"y" + b"x" * (WINDOW_CHARS * 3)
    assert looking.feed(Chunk(start=0, data=data)) is None
    assert looking.feed(Chunk(start=len(data), data=b"x" * 10)) is None
    assert looking.feed(Chunk(start=len(data) + 10, data=b"\nx")) is not None


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{99999999999999999999}", "(?P<n>"])
def test_a_pattern_that_is_none_is_a_usage_error(pattern: str) -> None:
    with pytest.raises(Usage, match="is not a regular expression"):
        compiled(pattern)


# ---------------------------------------------------------------------------------- for real

AGENT = str(Path(__file__).with_name("agent.py"))
LIMIT_S = 20.0


@pytest.fixture
def fleet(tmp_path: Path) -> LocalFleet:
    return LocalFleet(tmp_path / "sessions", version="1")


def expect(
    fleet: LocalFleet,
    pattern: str,
    *,
    since: int | None = None,
    timeout_s: float = LIMIT_S,
    screen: bool = False,
    raw: bool = False,
) -> Match:
    return fleet.expect("one", pattern, since=since, timeout_s=timeout_s, screen=screen, raw=raw)


def test_what_was_said_before_counts_from_the_start_and_not_from_now(
    start: Start, fleet: LocalFleet
) -> None:
    start("sh", "-c", "echo first; read line; echo second; exec sleep 600")
    assert expect(fleet, "first").outcome == "match"

    now = fleet.get("one").bytes
    assert expect(fleet, "first", since=now, timeout_s=0.1).outcome == "timeout"
    offset = fleet.type("one", b"\r")
    assert expect(fleet, "second", since=offset).outcome == "match"


def test_a_match_that_comes_while_waiting_is_seen_at_once(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", "read line; echo the answer is 42; exec sleep 600")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(expect, fleet, r"answer is \d+", timeout_s=0.0)
        fleet.keys("one", ("Enter",))
        assert waiting.result(LIMIT_S).text == "answer is 42"


def test_a_match_in_the_last_words_counts_and_then_the_end_is_told(
    start: Start, fleet: LocalFleet
) -> None:
    start("sh", "-c", "read line; seq 1 20000; printf last-words")
    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(expect, fleet, "last-words$")
        never = pool.submit(expect, fleet, "never said")
        fleet.keys("one", ("Enter",))
        assert late.result(LIMIT_S).outcome == "match"
        assert never.result(LIMIT_S).outcome == "ended"

    assert expect(fleet, "^19999$").outcome == "match"
    assert expect(fleet, "last-words").outcome == "match"
    assert expect(fleet, "never said", timeout_s=0.0).outcome == "ended"


def test_the_screen_of_an_ended_session_counts(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", "echo over and out; exit 4")
    assert fleet.wait("one", LIMIT_S).code == 4

    assert expect(fleet, "over and out", screen=True).outcome == "match"
    assert expect(fleet, "something else", screen=True).outcome == "ended"


def test_the_screen_is_what_is_shown_now_and_not_what_was_said(
    start: Start, fleet: LocalFleet
) -> None:
    start("sh", "-c", r"echo before; read line; printf '\033[2J\033[Hafter'; exec sleep 600")
    assert expect(fleet, "before", screen=True).outcome == "match"
    fleet.keys("one", ("Enter",))

    assert expect(fleet, "^after$", screen=True).outcome == "match"
    assert expect(fleet, "before", screen=True, timeout_s=0.2).outcome == "timeout"
    assert expect(fleet, "before").outcome == "match"


def test_words_drawn_in_pieces_are_matched_on_the_screen(start: Start, fleet: LocalFleet) -> None:
    drawing = r"printf '\033[5;10Hworld\033[5;4Hhello\033[1;1H'; exec sleep 600"
    start("sh", "-c", drawing)

    assert expect(fleet, "hello +world", screen=True).text == "hello world"


def test_a_session_that_dies_while_someone_waits_has_ended(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", "echo here; exec sleep 600")
    expect(fleet, "here")
    with ThreadPoolExecutor(3) as pool:
        said = pool.submit(expect, fleet, "never", timeout_s=0.0)
        end = pool.submit(fleet.wait, "one", 0.0)
        idle = pool.submit(fleet.wait_idle, "one", settle_s=60.0, timeout_s=0.0, screen=False)
        fleet.more("one", 1 << 40, 0.1)
        os.kill(fleet.get("one").supervisor, signal.SIGKILL)
        assert said.result(LIMIT_S).outcome == "ended"
        for ending in (end.result(LIMIT_S), idle.result(LIMIT_S)):
            assert (ending.ended, ending.state, ending.code) == (True, "dead", None)


def test_a_wait_ends_with_the_code_the_signal_or_a_timeout(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", "exit 3", name="code")
    start("sh", "-c", "kill -KILL $$", name="signal")
    start("sleep", "600", name="long")

    assert fleet.wait("code", LIMIT_S).code == 3
    assert fleet.wait("signal", LIMIT_S).signal == signal.SIGKILL
    timeout = fleet.wait("long", 0.05)
    assert (timeout.ended, timeout.timeout) == (False, True)
    assert fleet.wait("code", 0.0).ended


def test_quiet_is_the_absence_of_bytes(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", "echo here; exec sleep 600")

    idle = fleet.wait_idle("one", settle_s=0.2, timeout_s=LIMIT_S, screen=False)

    assert (idle.ended, idle.timeout) == (False, False)
    assert fleet.live("one").quiet_s >= 0.2


def test_what_is_drawn_the_same_again_and_again_is_idle_by_its_screen_alone(
    start: Start, fleet: LocalFleet
) -> None:
    start(sys.executable, AGENT, "clock")
    expect(fleet, "size", screen=True)

    by_bytes = fleet.wait_idle("one", settle_s=0.4, timeout_s=1.0, screen=False)
    by_screen = fleet.wait_idle("one", settle_s=0.4, timeout_s=LIMIT_S, screen=True)

    assert by_bytes.timeout
    assert (by_screen.ended, by_screen.timeout) == (False, False)


def test_a_spinner_is_never_idle(start: Start, fleet: LocalFleet) -> None:
    start(sys.executable, AGENT, "spin")
    expect(fleet, "size", screen=True)

    for screen in (False, True):
        assert fleet.wait_idle("one", settle_s=0.6, timeout_s=1.2, screen=screen).timeout


@pytest.mark.parametrize("screen", [False, True])
def test_what_has_ended_is_not_called_idle(start: Start, fleet: LocalFleet, screen: bool) -> None:
    start("sh", "-c", "exit 5")
    fleet.wait("one", LIMIT_S)

    idle = fleet.wait_idle("one", settle_s=0.1, timeout_s=LIMIT_S, screen=screen)

    assert (idle.ended, idle.state, idle.code) == (True, "exited", 5)


def test_a_pattern_that_is_none_is_refused_before_anything_is_waited_for(
    start: Start, fleet: LocalFleet
) -> None:
    start("sleep", "600")
    for screen in (False, True):
        with pytest.raises(Usage):
            expect(fleet, "(", screen=screen, timeout_s=0.0)
