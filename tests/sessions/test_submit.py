"""Text is typed so that it arrives whole, and an Enter is repeated only while it is seen waiting."""

import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from looop.errors import Refused, Unreadable, Usage
from looop.sessions import submit
from looop.sessions.composer import Mark, held, mark
from looop.sessions.emulator import Emulator
from looop.sessions.local import LocalFleet
from looop.sessions.screen import Screen
from looop.sessions.submit import LINE_BYTES, Modes, clean, plan, settle_s
from tests.sessions.conftest import Start

RAW = Modes()
PASTE = Modes(paste=True)
LINES = Modes(canonical=True)


# ---------------------------------------------------------------------------------- the text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("fix the bug", "fix the bug"),
        ("one\ntwo\n", "one\ntwo"),
        ("one\r\ntwo\rthree\n\n", "one\ntwo\nthree"),
        ("a\tb", "a\tb"),
        ("a\x1b[201~b\x07", "a[201~b"),
        ("a\x9b201~b\x85c", "a201~bc"),
        ("rm\x08\x08ls\x7f\x00\x03", "rmls"),
        ("grüße 漢字 🎉", "grüße 漢字 🎉"),
        ("lone \ud800 half", "lone  half"),
        ("\n", ""),
    ],
)
def test_what_is_no_text_is_left_out(text: str, kept: str) -> None:
    assert clean(text) == kept


@given(st.text())
def test_nothing_in_a_text_can_end_the_paste(text: str) -> None:
    body = clean(text)

    assert all(c in "\n\t" or unicodedata.category(c) != "Cc" for c in body)
    if body:
        data = plan(body, PASTE).data
        assert data.count(b"\x1b") in (0, 2)


def test_a_paste_is_bracketed_and_its_newlines_stay() -> None:
    assert plan("one\ntwo", PASTE).data == b"\x1b[200~one\ntwo\x1b[201~"
    assert plan("one", PASTE).how == "paste"


@pytest.mark.parametrize("text", ["/exit", "/model sonnet"])
def test_a_slash_command_is_typed(text: str) -> None:
    assert (plan(text, PASTE).how, plan(text, PASTE).data) == ("keys", text.encode())


@pytest.mark.parametrize("text", ["/" + "a" * 60, "/one\n/two", " /exit", "see /etc"])
def test_what_is_no_slash_command_is_pasted(text: str) -> None:
    assert plan(text, PASTE).how == "paste"


def test_without_paste_one_line_is_typed_and_several_are_refused() -> None:
    assert plan("one line", RAW).data == b"one line"
    with pytest.raises(Refused, match="takes no paste"):
        plan("one\ntwo", RAW)


def test_a_terminal_that_collects_lines_takes_each_line() -> None:
    assert plan("one\ntwo", LINES).data == b"one\rtwo"
    assert plan("one", Modes(canonical=True, paste=True)).data == b"one"


def test_a_line_that_would_be_cut_is_refused_with_the_limit() -> None:
    fits = "é" * (LINE_BYTES // 2)
    assert plan(f"{fits}\n{fits}", LINES).how == "lines"
    with pytest.raises(Refused, match=f"{LINE_BYTES + 1} bytes.*{LINE_BYTES}"):
        plan("x" * (LINE_BYTES + 1), LINES)
    assert plan("x" * (LINE_BYTES + 1), PASTE).how == "paste"


def test_several_lines_that_are_not_to_be_submitted_are_refused_where_each_would_be() -> None:
    assert plan("one", LINES, enter=False).data == b"one"
    with pytest.raises(Refused, match="would be submitted"):
        plan("one\ntwo", LINES, enter=False)


@pytest.mark.parametrize("modes", [RAW, PASTE, LINES])
def test_an_empty_text_is_a_usage_error(modes: Modes) -> None:
    with pytest.raises(Usage, match="empty"):
        plan(clean("\x1b\n"), modes)


def test_a_longer_text_is_given_more_time_up_to_a_bound() -> None:
    assert settle_s(0) == 0.15
    assert settle_s(5120) == pytest.approx(0.4)
    assert settle_s(1 << 20) == 2.0


# ---------------------------------------------------------------------------------- the screen


def shown(*output: str, columns: int = 60, rows: int = 12) -> list[Screen]:
    """The screen after each piece of output."""
    emulator = Emulator(columns, rows)
    screens: list[Screen] = []
    for piece in output:
        emulator.feed(piece.replace("\n", "\r\n").encode())
        screens.append(emulator.screen())
    return screens


def waiting(body: str, *output: str, columns: int = 60, rows: int = 12) -> tuple[Mark, list[bool]]:
    """The mark of `body` typed between the first two pieces, and whether it is held after each."""
    before, after, *rest = shown(*output, columns=columns, rows=rows)
    found = mark(before, after, body)
    assert found is not None
    assert held(found, after)
    return found, [held(found, screen) for screen in rest]


def test_a_line_at_a_prompt_has_gone_once_there_is_another_prompt() -> None:
    assert waiting("echo hi", "$ ", "echo hi", "\nhi\n$ ")[1] == [False]
    assert waiting("true", "$ ", "true", "\n$ ")[1] == [False]


def test_a_line_that_got_a_newline_is_still_there() -> None:
    assert waiting("say it", "> ", "say it", "\n", "\n  ")[1] == [True, True]


def test_a_prompt_at_the_bottom_of_a_full_screen_is_told_apart() -> None:
    history = "".join(f"$ echo {n}\n{n}\n" for n in range(20))
    assert waiting("echo hi", history + "$ ", "echo hi", "\nhi\n$ ", rows=6)[1] == [False]


def box(inside: str, above: str = "") -> str:
    """A composer as agents draw it, with the cursor behind its text."""
    lines = inside.split("\n")
    drawn = "\n".join(f"│ {'»' if n == 0 else ' '} {line:<50} │" for n, line in enumerate(lines))
    frame = "─" * 54
    screen = f"\x1b[H\x1b[J{above}╭{frame}╮\n{drawn}\n╰{frame}╯\n  ⏵⏵ accept edits on"
    row = above.count("\n") + 1 + len(lines)
    return f"{screen}\x1b[{row};{5 + len(lines[-1])}H"


def test_a_composer_holds_a_text_through_a_swallowed_enter_and_loses_it_when_it_is_sent() -> None:
    found, after = waiting(
        "fix the bug",
        box(""),
        box("fix the bug"),
        box("fix the bug\n"),
        box("", above="» fix the bug\n\n✻ Thinking… (1s)\n"),
    )
    assert found.after is None
    assert after == [True, False]


def test_a_text_that_is_echoed_right_above_an_empty_composer_is_gone() -> None:
    rule = "─" * 60
    _, after = waiting(
        "y",
        f"{rule}\n\n{rule}\x1b[2;1H",
        "y\x1b[2;2H",
        f"\x1b[H\x1b[Jy\n{rule}\n\n{rule}\x1b[3;1H",
    )
    assert after == [False]


def test_a_spinner_above_the_composer_is_no_sign() -> None:
    above = "✻ Thinking… ({}s)\n"
    _, after = waiting(
        "ok",
        box("", above=above.format(1)),
        box("ok", above=above.format(2)),
        box("ok", above=above.format(3)),
        box("ok\n", above=above.format(4)),
        box("", above="» ok\n" + above.format(5)),
    )
    assert after == [True, True, False]


def test_a_note_in_place_of_a_long_text_is_known() -> None:
    body = "\n".join(f"line {n}" for n in range(40))
    note = "[Pasted text #1 +39 lines]"
    found, after = waiting(
        body, box(""), box(note), box(note + "\n"), box("", above=f"» {note}\n✻ Thinking…\n")
    )
    assert "Pastedtext" in found.text
    assert after == [True, False]


def test_a_text_is_known_where_the_cursor_is_elsewhere() -> None:
    away = "\x1b[?25l\x1b[12;1H"
    found, after = waiting(
        "fix the bug",
        box("") + away,
        box("fix the bug") + away,
        box("fix the bug\n") + away,
        box("", above="» fix the bug\n✻ Thinking…\n") + away,
    )
    assert found.after is not None
    assert after == [True, False]


def test_the_end_of_a_text_that_wraps_is_known() -> None:
    body = "word " * 30
    assert waiting(body, "> ", body.strip(), "\nanswer\n> ", columns=20)[1] == [False]


def test_wide_characters_count_as_they_are_shown() -> None:
    found, after = waiting("漢字", "> ", "漢字", "\nok\n> ")
    assert found.text.endswith("漢字")
    assert after == [False]


def test_a_text_that_is_not_shown_leaves_no_mark() -> None:
    before, after = shown("Password: ", "")
    assert mark(before, after, "secret") is None


# ---------------------------------------------------------------------------------- for real

AGENT = str(Path(__file__).with_name("agent.py"))
LIMIT_S = 20.0


@pytest.fixture
def fleet(tmp_path: Path) -> LocalFleet:
    return LocalFleet(tmp_path / "sessions", version="1")


@pytest.fixture
def agent(start: Start, fleet: LocalFleet) -> Callable[..., None]:
    """Start `agent.py` with options as the session `one`, and wait until it is ready."""

    def begin(*options: str) -> None:
        start(sys.executable, AGENT, *options, columns=80, rows=30)
        shows(fleet, "size 80x30")

    return begin


def shows(fleet: LocalFleet, text: str) -> None:
    found = fleet.expect("one", re.escape(text), since=None, timeout_s=LIMIT_S, screen=True)
    assert found.outcome == "match", "\n".join(fleet.screen_lines("one"))


LONG = "line\n" * 300 + "end"
TEXTS = ("hello", "one\ntwo\nthree", "x" * 3000, "漢字 und Umlaute: äöü", LONG)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        *(((), text) for text in TEXTS),
        (("alt", "ask"), LONG),
        (("spin",), "hello"),
        (("clock",), LONG),
        (("slow=0.4",), "hello"),
    ],
)
def test_a_text_arrives_whole_and_is_seen_to(
    agent: Callable[..., None], fleet: LocalFleet, options: tuple[str, ...], text: str
) -> None:
    agent(*options)

    sent = fleet.submit("one", text)

    assert (sent.submitted, sent.attempts) == (True, 1), sent
    shows(fleet, f"took {len(text)} characters in {text.count(chr(10)) + 1} lines")


def test_an_enter_that_is_swallowed_is_pressed_again(
    agent: Callable[..., None], fleet: LocalFleet
) -> None:
    agent("deaf=2")

    sent = fleet.submit("one", "hello")

    assert (sent.submitted, sent.attempts) == (True, 3)
    assert sent.why == "the text left the place where it was typed"


def test_a_program_that_never_takes_it_is_told_of(
    agent: Callable[..., None], fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent("deaf=99")
    monkeypatch.setattr(submit, "LOOKS_S", (0.2, 0.2))

    sent = fleet.submit("one", "hello")

    assert (sent.submitted, sent.attempts) == (False, 2)
    assert "still stands" in sent.why


def test_a_slash_command_is_obeyed(agent: Callable[..., None], fleet: LocalFleet) -> None:
    agent()

    sent = fleet.submit("one", "/exit")

    assert sent.submitted
    assert fleet.wait("one", LIMIT_S).code == 0


def test_a_program_without_paste_gets_one_line_typed(
    agent: Callable[..., None], fleet: LocalFleet
) -> None:
    agent("plain")

    assert fleet.submit("one", "short line").submitted
    shows(fleet, "took 10 characters in 1 lines")
    with pytest.raises(Refused, match="takes no paste"):
        fleet.submit("one", "one\ntwo")


def test_a_paste_is_typed_and_not_submitted(agent: Callable[..., None], fleet: LocalFleet) -> None:
    agent()

    sent = fleet.paste("one", "not yet")

    assert (sent.submitted, sent.attempts) == (None, 0)
    shows(fleet, "> not yet")
    assert "took" not in "\n".join(fleet.screen_lines("one"))


def test_the_offset_is_from_before_the_text(agent: Callable[..., None], fleet: LocalFleet) -> None:
    agent()
    before = fleet.get("one").bytes

    sent = fleet.submit("one", "hello")

    assert sent.offset == before
    answer = fleet.expect("one", "took 5", since=sent.offset, timeout_s=LIMIT_S, screen=False)
    assert answer.outcome == "match"


def test_where_nothing_is_shown_nobody_claims_to_know(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", "stty raw -echo; echo ready; exec cat > /dev/null")
    shows(fleet, "ready")

    sent = fleet.submit("one", "secret")

    assert (sent.submitted, sent.attempts) == (None, 1)
    assert "nobody can tell" in sent.why


def test_without_an_engine_for_screens_output_is_the_sign(
    agent: Callable[..., None], fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent()
    monkeypatch.setitem(sys.modules, "avt._avt", None)

    sent = fleet.submit("one", "hello")

    assert (sent.submitted, sent.attempts) == (True, 1)
    assert "output followed" in sent.why


def test_without_an_engine_an_echo_and_then_silence_is_the_sign(
    start: Start, fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = "import os\nwhile 1: os.write(1, os.read(0, 99).replace(b'\\r', b''))"
    start("sh", "-c", 'stty raw -echo; echo ready; exec "$0" -c "$1"', sys.executable, echo)
    shows(fleet, "ready")
    monkeypatch.setitem(sys.modules, "avt._avt", None)
    monkeypatch.setattr(submit, "LOOKS_S", (0.2, 0.2))

    sent = fleet.submit("one", "hello")

    assert (sent.submitted, sent.attempts) == (False, 2)
    assert "no output followed" in sent.why


def test_without_an_engine_and_an_echo_nobody_claims_to_know(
    start: Start, fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("sh", "-c", "stty raw -echo; echo ready; exec cat > /dev/null")
    shows(fleet, "ready")
    monkeypatch.setitem(sys.modules, "avt._avt", None)

    sent = fleet.submit("one", "secret")

    assert (sent.submitted, sent.attempts) == (None, 1)


def test_a_line_of_which_nothing_comes_is_not_claimed(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", "stty -echo; echo ready; exec cat > /dev/null")
    shows(fleet, "ready")

    sent = fleet.submit("one", "into the void")

    assert (sent.submitted, sent.attempts) == (None, 1)
    assert "the terminal has the line" in sent.why


def test_a_line_that_ends_the_session_was_submitted(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", "stty -echo; echo ready; read -r line; exit 4")
    shows(fleet, "ready")

    assert fleet.submit("one", "go").submitted
    assert fleet.wait("one", LIMIT_S).code == 4


def test_a_lock_that_cannot_be_had_is_told_and_nothing_is_typed(
    start: Start, fleet: LocalFleet
) -> None:
    directory = start("sh", "-c", "echo ready; exec cat")
    shows(fleet, "ready")
    (directory / "input.lock").mkdir()

    with pytest.raises(Unreadable, match="cannot lock the input"):
        fleet.submit("one", "hello")

    fleet.more("one", fleet.get("one").bytes, 0.1)
    assert fleet.last_line("one") == "ready"


def test_texts_of_many_processes_are_typed_one_after_the_other(
    agent: Callable[..., None], fleet: LocalFleet, tmp_path: Path
) -> None:
    agent()
    root = str(tmp_path / "sessions")
    texts = [letter * 300 for letter in "abc"]

    with ThreadPoolExecutor(len(texts)) as pool:
        done = list(pool.map(_submitted_elsewhere, [root] * len(texts), texts))

    assert done == [True, True, True]
    shows(fleet, "[Pasted text #3 +0 lines]")
    screen = "\n".join(fleet.screen_lines("one"))
    assert screen.count("took 300 characters in 1 lines") == 3


def _submitted_elsewhere(root: str, text: str) -> bool:
    """Submit in a process of its own."""
    program = (
        "import sys; from pathlib import Path; from looop.sessions.local import LocalFleet; "
        "sent = LocalFleet(Path(sys.argv[1]), version='1').submit('one', sys.argv[2]); "
        "sys.exit(0 if sent.submitted else 1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, root, text], capture_output=True, timeout=50, check=False
    )
    return done.returncode == 0
