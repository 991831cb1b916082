"""A human joined to a session: leaves by the keys, and gets the terminal back as it was."""

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from looop.sessions.attach import Chord, Outcome, reset
from looop.sessions.emulator import Emulator
from looop.sessions.local import LocalFleet
from looop.sessions.records import Ending
from tests.sessions.conftest import Start
from tests.sessions.window import window

# ---------------------------------------------------------------------------------- the keys


def leave() -> Chord:
    return Chord(b"\x1c", 92, 2)


PRESSES = [
    b"\x1c",
    b"\x1b[92;5u",
    b"\x1b[92;5:1u",
    b"\x1b[92:124:92;5u",
    b"\x1b[92;69u",
    b"\x1b[92;133:1;28u",
    b"\x1b[27;5;92~",
    b"\x1b[27;69;92~",
]


@pytest.mark.parametrize("press", PRESSES)
def test_the_detach_key_twice_leaves_in_every_encoding(press: bytes) -> None:
    chord = leave()

    assert chord.feed(b"ls\r" + press + press + b"not this", 0.0) == b"ls\r"
    assert chord.found


@pytest.mark.parametrize("press", PRESSES)
def test_the_detach_key_is_found_split_at_any_byte(press: bytes) -> None:
    for at in range(1, 2 * len(press)):
        chord = leave()
        both = press + press
        assert chord.feed(both[:at], 0.0) == b""
        assert chord.feed(both[at:], 0.005) == b""
        assert chord.found


def test_encodings_may_be_mixed() -> None:
    chord = leave()

    assert chord.feed(b"\x1c\x1b[92;5u", 0.0) == b""
    assert chord.found


@pytest.mark.parametrize("press", PRESSES)
def test_a_lone_press_is_forwarded_after_another_key(press: bytes) -> None:
    chord = leave()

    assert chord.feed(press, 0.0) == b""
    assert chord.feed(b"x", 0.1) == press + b"x"
    assert chord.feed(press, 0.2) == b""
    assert chord.feed(b"\x1b[A", 0.3) == press + b"\x1b[A"
    assert not chord.found


@pytest.mark.parametrize("press", PRESSES)
def test_a_lone_press_is_forwarded_after_half_a_second(press: bytes) -> None:
    chord = leave()
    chord.feed(press, 10.0)

    assert chord.deadline == 10.5
    assert chord.expire(10.4) == b""
    assert chord.expire(10.5) == press
    assert chord.deadline is None
    assert chord.feed(press, 10.6) == b""
    assert not chord.found


def test_what_comes_with_a_press_does_not_part_two_of_them() -> None:
    chord = leave()
    release, held, ctrl_up, ctrl_down = (
        b"\x1b[92;5:3u",
        b"\x1b[92;5:2u",
        b"\x1b[57442;1:3u",
        b"\x1b[57442;5u",
    )

    assert chord.feed(b"\x1b[92;5u" + held + release + ctrl_up + ctrl_down, 0.0) == b""
    assert not chord.found
    assert chord.feed(b"\x1b[92;5u", 0.3) == b""
    assert chord.found


def test_what_comes_with_a_lone_press_is_forwarded_with_it() -> None:
    chord = leave()

    assert chord.feed(b"\x1b[92;5u\x1b[92;5:3u", 0.0) == b""
    assert chord.feed(b"\x1b[97u", 0.1) == b"\x1b[92;5u\x1b[92;5:3u\x1b[97u"


def test_a_key_that_is_held_down_does_not_leave() -> None:
    chord = leave()

    assert chord.feed(b"\x1b[92;5u" + b"\x1b[92;5:2u" * 20, 0.0) == b""
    assert not chord.found


@pytest.mark.parametrize(
    "other",
    [
        b"\x1b[92u",
        b"\x1b[92;1u",
        b"\x1b[92;6u",
        b"\x1b[92;7u",
        b"\x1b[91;5u",
        b"\x1b[27;6;92~",
        b"\x1b[27;5;93~",
        b"\x03",
        b"\\",
        b"\x1b[57442;5u",
        b"\x1b[" + b"9" * 40 + b";5u",
    ],
)
def test_another_key_is_forwarded_at_once(other: bytes) -> None:
    chord = leave()

    assert chord.feed(other, 0.0) + chord.feed(other, 0.0) == other * 2
    assert not chord.found


def test_the_beginning_of_a_sequence_is_held_for_ten_milliseconds() -> None:
    chord = leave()

    assert chord.feed(b"a\x1b", 5.0) == b"a"
    assert chord.deadline == 5.01
    assert chord.expire(5.005) == b""
    assert chord.expire(5.01) == b"\x1b"
    assert chord.feed(b"\x1b[9", 6.0) == b""
    assert chord.feed(b"7;5u", 6.001) == b"\x1b[97;5u"


def test_a_press_goes_before_an_escape_that_follows_it() -> None:
    chord = leave()

    assert chord.feed(b"\x1c\x1b", 0.0) == b""
    assert chord.expire(0.01) == b"\x1c\x1b"
    assert not chord.found


def test_what_is_pasted_never_leaves() -> None:
    chord = leave()
    pasted = b"\x1b[200~one\x1c\x1c two\x1b[201~"

    assert chord.feed(pasted, 0.0) == pasted
    assert not chord.found
    assert chord.feed(b"\x1c\x1c", 0.0) == b""
    assert chord.found


def test_control_c_alone_leaves_what_is_only_watched() -> None:
    for press in (b"\x03", b"\x1b[99;5u", b"\x1b[27;5;99~"):
        chord = Chord(b"\x03", 99, 1)
        chord.feed(b"abc\x1c" + press, 0.0)
        assert chord.found


@given(st.lists(st.sampled_from([b"a", b"\x1b", b"[", b"9", b"2", b";", b"5", b"u", b"\x1c~"])))
def test_whatever_is_typed_is_forwarded_whole_and_in_order(pieces: list[bytes]) -> None:
    chord = leave()
    typed = b"".join(pieces)
    out = b"".join(chord.feed(piece, 0.0) for piece in pieces) + chord.expire(9.0)

    assert chord.found or out == typed


# ---------------------------------------------------------------------------------- the end


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome(reason="ended", ending=Ending(ended=True, code=3)), 3),
        (Outcome(reason="ended", ending=Ending(ended=True, code=0)), 0),
        (Outcome(reason="ended", ending=Ending(ended=True, signal=9)), 137),
        (Outcome(reason="ended", ending=Ending(ended=True)), 0),
        (Outcome(reason="detached"), 0),
        (Outcome(reason="parted"), 0),
        (Outcome(reason="lost"), 137),
        (Outcome(reason="signal", signal=15), 143),
    ],
)
def test_a_stay_has_the_code_of_how_it_ended(outcome: Outcome, code: int) -> None:
    assert outcome.code == code


@pytest.mark.parametrize("alternate", [False, True])
def test_everything_that_a_program_may_have_switched_on_is_switched_off(alternate: bool) -> None:
    told = reset(alternate=alternate)

    for mode in (1, 1000, 1002, 1003, 1004, 1006, 2004, 2026):
        assert b"\x1b[?%dl" % mode in told
    for off in (b"\x1b[<99u", b"\x1b[=0u", b"\x1b[>4m", b"\x1b[0m", b"\x1b[?25h", b"\x1b[r"):
        assert off in told
    assert (b"\x1b[?1049l" in told) == alternate
    screen = Emulator(80, 24)
    screen.feed(b"\x1b[?25l\x1b[31m\x1b[5;9r\x1b]0;half a title" + told + b"after")
    assert "after" in screen.lines()[-1]
    assert screen.screen().cursor.visible


# -------------------------------------------------------------------------------- the terminal

AGENT = str(Path(__file__).with_name("agent.py"))


@pytest.fixture
def fleet(tmp_path: Path) -> LocalFleet:
    return LocalFleet(tmp_path / "sessions", version="1")


@pytest.fixture
def agent(start: Start, fleet: LocalFleet) -> Callable[..., Path]:
    """Start `agent.py` with options, and wait until it is ready."""

    def begin(*options: str, columns: int = 80, rows: int = 24) -> Path:
        directory = start(sys.executable, AGENT, *options, columns=columns, rows=rows)
        ready = "size" if "kitty" not in options else "ready"
        found = fleet.expect("one", ready, since=None, timeout_s=20, screen=True)
        assert found.outcome == "match"
        return directory.parent

    return begin


def shown(fleet: LocalFleet) -> str:
    body = fleet.shot("one", "plain").body
    assert isinstance(body, str)
    return body


Agent = Callable[..., Path]


@pytest.mark.parametrize("options", [("ask",), ("ask", "alt")])
def test_the_first_frame_is_what_the_session_shows(
    agent: Agent, fleet: LocalFleet, options: tuple[str, ...]
) -> None:
    root = agent(*options)
    fleet.submit("one", "hello")
    fleet.wait_idle("one", settle_s=0.2, timeout_s=20, screen=False)

    with window(root, "one") as human:
        human.until(lambda: human.text == shown(fleet))
        assert human.screen.alternate == ("alt" in options)
        cursor = json.loads(str(fleet.shot("one", "json").body))["cursor"]
        human.until(
            lambda: (
                (human.screen.cursor.row, human.screen.cursor.column)
                == (cursor["row"], cursor["column"])
            )
        )


def test_questions_of_the_program_are_never_asked_again(agent: Agent) -> None:
    root = agent("ask", "alt")

    with window(root, "one") as human:
        human.shows("size")
        for question in (b"\x1b[c", b"\x1b[6n", b"\x1b]11;?"):
            assert question not in human.raw


def test_what_is_typed_goes_to_the_program_and_what_it_says_is_shown(agent: Agent) -> None:
    root = agent()

    with window(root, "one") as human:
        human.shows("size")
        human.type(b"hello")
        human.shows("> hello")
        human.type(b"\r")
        human.shows("took 5 characters")


def test_the_keys_twice_leave_and_the_session_goes_on(agent: Agent, fleet: LocalFleet) -> None:
    root = agent("alt")

    with window(root, "one") as human:
        human.shows("size")
        assert human.settings() != human.before
        human.type(b"\x1c\x1c")
        assert human.left() == ("detached", 0)
        assert human.settings() == human.before
        assert not human.screen.alternate
        assert human.screen.cursor.visible
    assert fleet.get("one").state == "running"


@pytest.mark.parametrize("press", [b"\x1b[92;5u", b"\x1b[27;5;92~"])
def test_the_keys_leave_in_the_encodings_that_a_program_asked_for(
    agent: Agent, press: bytes
) -> None:
    root = agent("kitty")

    with window(root, "one") as human:
        human.shows("ready")
        human.type(press)
        human.type(press)
        assert human.left() == ("detached", 0)
        assert b"\x1b[<99u" in human.raw


def test_a_lone_press_is_forwarded(agent: Agent) -> None:
    root = agent()

    with window(root, "one") as human:
        human.shows("size")
        human.type(b"\x1c")
        human.shows("key 1c")
        human.type(b"\x1cx")
        human.shows("> x")
        assert human.text.count("key 1c") == 2
        assert human.process.poll() is None


def test_the_program_follows_the_size_of_the_window(agent: Agent, fleet: LocalFleet) -> None:
    root = agent("alt", columns=120, rows=40)

    with window(root, "one", columns=70, rows=20) as human:
        human.shows("size 70x20")
        human.resize(90, 30)
        human.shows("size 90x30")
        found = fleet.get("one")
        human.until(lambda: (fleet.get("one").columns, fleet.get("one").rows) == (90, 30))
        assert found.alive


def test_the_code_of_the_command_is_the_code_of_the_stay(start: Start) -> None:
    root = start("sh", "-c", "echo here; read line; exit 7").parent

    with window(root, "one") as human:
        human.shows("here")
        human.type(b"\r")
        assert human.left() == ("ended", 7)
        assert human.settings() == human.before


def test_a_signal_that_ended_the_command_is_told(start: Start) -> None:
    root = start("sh", "-c", "echo here; read line; kill -KILL $$").parent

    with window(root, "one") as human:
        human.shows("here")
        human.type(b"\r")
        assert human.left() == ("ended", 137)


def test_somebody_else_can_part_a_human_from_a_session(agent: Agent, fleet: LocalFleet) -> None:
    root = agent()

    with window(root, "one") as human:
        human.shows("size")
        assert fleet.detach("one") == 1
        assert human.left() == ("parted", 0)
        assert human.settings() == human.before


def test_a_supervisor_that_dies_is_told_as_a_loss(agent: Agent, fleet: LocalFleet) -> None:
    root = agent()

    with window(root, "one") as human:
        human.shows("size")
        os.kill(fleet.get("one").supervisor, signal.SIGKILL)
        assert human.left()[1] == 137
        assert human.settings() == human.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(
    agent: Agent, fleet: LocalFleet, number: signal.Signals
) -> None:
    root = agent("alt")

    with window(root, "one") as human:
        human.shows("size")
        human.process.send_signal(number)
        assert human.left() == ("signal", 128 + number)
        assert human.settings() == human.before
        assert not human.screen.alternate
    assert fleet.get("one").alive


def test_a_fault_leaves_the_terminal_as_it_was(agent: Agent) -> None:
    root = agent("alt")

    with window(root, "one", "break") as human:
        said, code = human.left()
        assert (said, code) == ("", 1)
        assert b"this is a fault of ours" in human.raw
        assert human.settings() == human.before


def test_a_window_that_is_closed_ends_the_stay_and_not_the_session(
    agent: Agent, fleet: LocalFleet
) -> None:
    root = agent()

    with window(root, "one") as human:
        human.shows("size")
        human.hang_up()
        assert human.process.wait(20) != 0
    assert fleet.get("one").alive


def test_what_a_program_does_not_read_for_long_is_lost_audibly(
    start: Start, fleet: LocalFleet
) -> None:
    root = start("sh", "-c", "stty raw -echo; echo here; exec sleep 600").parent
    piece = b"x" * 4096

    with window(root, "one") as human:
        human.shows("here")
        # More than the supervisor and this client together keep for a program that is deaf.
        while b"\a" not in human.raw:
            human.type(piece)
            human.read(0)
        human.type(b"\x1c\x1c")
        assert human.left() == ("detached", 0)
    assert fleet.get("one").alive


def test_without_an_engine_a_human_sees_what_comes(
    start: Start, fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("sh", "-c", "echo here; read -r line; echo there; exec sleep 600")
    fleet.expect("one", "here", since=None, timeout_s=20, screen=False)
    monkeypatch.setitem(sys.modules, "avt._avt", None)
    with contextlib.closing(fleet.attach("one", columns=80, rows=24)) as terminal:
        assert terminal.first_frame() == b"\x1b[m\x1b[H\x1b[2J"
        terminal.write(b"\r")
        seen = b""
        while b"there" not in seen:
            assert select.select([terminal.fileno()], [], [], 20)[0]
            seen += terminal.read() or b""


def test_a_human_who_does_not_look_holds_up_nobody(start: Start, fleet: LocalFleet) -> None:
    root = start("sh", "-c", "exec yes it goes on").parent

    with window(root, "one") as human:
        human.shows("it goes on")
        begun = fleet.get("one").bytes
        fleet.more("one", begun + (4 << 20), 20)
        assert fleet.get("one").bytes > begun + (4 << 20)
        human.type(b"\x1c\x1c")
        assert human.left() == ("detached", 0)


def test_who_only_watches_types_nothing_and_leaves_with_control_c(
    agent: Agent, fleet: LocalFleet
) -> None:
    root = agent("alt", columns=80, rows=24)

    with window(root, "one", "watch", columns=100, rows=30) as human:
        human.shows("size 80x24")
        human.type(b"hello\x1c\x1c")
        fleet.submit("one", "from elsewhere")
        human.shows("» from elsewhere")
        assert "hello" not in human.text
        human.type(b"\x03")
        assert human.left() == ("detached", 0)
        assert human.settings() == human.before
    assert (fleet.get("one").columns, fleet.get("one").alive) == (80, True)
