"""Programs that people use, driven as a person would: by text, by keys, by what they show."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from looop.errors import Refused
from looop.sessions.local import LocalFleet
from looop.sessions.submit import LINE_BYTES
from tests.sessions.conftest import Start

AGENT = str(Path(__file__).with_name("agent.py"))
LIMIT_S = 20.0


@pytest.fixture
def fleet(tmp_path: Path) -> LocalFleet:
    return LocalFleet(tmp_path / "sessions", version="1")


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def shows(fleet: LocalFleet, pattern: str) -> None:
    found = fleet.expect("one", pattern, since=None, timeout_s=LIMIT_S, screen=True)
    assert found.outcome == "match", "\n".join(fleet.screen_lines("one"))


def says(fleet: LocalFleet, pattern: str, since: int) -> None:
    found = fleet.expect("one", pattern, since=since, timeout_s=LIMIT_S, screen=False)
    assert found.outcome == "match", "\n".join(fleet.screen_lines("one"))


# ---------------------------------------------------------------------------------- shells


@pytest.fixture
def bash(start: Start, fleet: LocalFleet) -> LocalFleet:
    start(program("bash"), "--norc", "-i", env={"PS1": "ready> "})
    shows(fleet, "ready>$")
    return fleet


def test_a_shell_runs_what_is_submitted(bash: LocalFleet) -> None:
    sent = bash.submit("one", "echo $((6 * 7))")

    assert (sent.submitted, sent.attempts) == (True, 1)
    says(bash, "^42$", sent.offset)


def test_a_shell_takes_several_lines_as_one_paste(bash: LocalFleet) -> None:
    sent = bash.submit("one", "for n in 1 2; do\n  echo got $n\ndone")

    assert (sent.submitted, sent.attempts) == (True, 1)
    says(bash, "^got 2$", sent.offset)


def test_a_command_that_says_nothing_is_submitted_once(bash: LocalFleet) -> None:
    sent = bash.submit("one", "wc -l")

    assert (sent.submitted, sent.attempts) == (True, 1)
    offset = bash.keys("one", ("C-d",))
    says(bash, "^0$", offset)


def test_an_exit_is_seen_as_the_end_of_the_session(bash: LocalFleet) -> None:
    assert bash.submit("one", "exit 3").submitted
    assert bash.wait("one", LIMIT_S).code == 3


def test_keys_edit_a_line_and_recall_another(bash: LocalFleet) -> None:
    bash.submit("one", "echo first")
    shows(bash, "^first$")
    bash.paste("one", "echo third")
    bash.keys("one", ("Home", "C-k"))
    bash.keys("one", ("Up", "M-b", "C-k", *"second", "Enter"))
    shows(bash, "^second$")


def test_an_interrupt_ends_what_runs_and_not_the_shell(bash: LocalFleet) -> None:
    bash.submit("one", "sleep 600")
    bash.keys("one", ("C-c",))
    sent = bash.submit("one", "echo still here")
    says(bash, "^still here$", sent.offset)


def test_lines_are_collected_one_by_one_and_never_cut(start: Start, fleet: LocalFleet) -> None:
    start("sh", "-c", 'echo ready; while read -r line; do echo "got ${#line}"; done')
    shows(fleet, "ready")

    sent = fleet.submit("one", "short\nlonger one")
    assert (sent.submitted, sent.attempts) == (True, 1)
    says(fleet, "^got 10$", sent.offset)

    sent = fleet.submit("one", "x" * (LINE_BYTES - 1))
    says(fleet, f"^got {LINE_BYTES - 1}$", sent.offset)

    with pytest.raises(Refused, match=str(LINE_BYTES)):
        fleet.submit("one", "x" * (LINE_BYTES + 1))
    sent = fleet.submit("one", "after")
    says(fleet, "^got 5$", sent.offset)


# ---------------------------------------------------------------------------------- python


def python_with_paste() -> str:
    """An interpreter whose prompt takes pastes: 3.13 and newer."""
    for name in (sys.executable, "python3.14", "python3.13"):
        found = shutil.which(name)
        query = "import sys; raise SystemExit(sys.version_info < (3, 13))"
        if found and _succeeds(found, "-c", query):
            return found
    pytest.skip("no Python 3.13 is installed")


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_prompt_that_takes_pastes_gets_several_lines_at_once(
    start: Start, fleet: LocalFleet
) -> None:
    start(python_with_paste(), "-q")
    shows(fleet, "^>>>$")
    assert fleet.live("one").paste

    sent = fleet.submit("one", "print(sum([\n    1,\n    41,\n]))")

    assert sent.submitted
    says(fleet, "^42$", sent.offset)
    assert fleet.submit("one", "import os; os._exit(5)").submitted
    assert fleet.wait("one", LIMIT_S).code == 5


def test_a_prompt_that_takes_no_paste_gets_one_line(start: Start, fleet: LocalFleet) -> None:
    start(sys.executable, "-q", env={"PYTHON_BASIC_REPL": "1"})
    shows(fleet, "^>>>$")

    sent = fleet.submit("one", "print(6 * 7)")

    assert (sent.submitted, sent.attempts) == (True, 1)
    says(fleet, "^42$", sent.offset)
    with pytest.raises(Refused, match="takes no paste"):
        fleet.submit("one", "print(1)\nprint(2)")


# ---------------------------------------------------------------------------------- full screens


def test_an_editor_is_driven_by_keys(start: Start, fleet: LocalFleet, tmp_path: Path) -> None:
    start(program("vim"), "-u", "NONE", "-N", "-n", "text.txt")
    shows(fleet, "text.txt")
    assert fleet.live("one").alternate

    fleet.keys("one", ("i", *"world", "Home", *"hello ", "End", "Enter", *"second", "Up", "Esc"))
    shows(fleet, "^hello world$")
    fleet.keys("one", ("0", "x", "Esc", ":", *"wq", "Enter"))

    assert fleet.wait("one", LIMIT_S).code == 0
    assert (tmp_path / "text.txt").read_text() == "ello world\nsecond\n"


def test_a_pager_is_on_a_screen_of_its_own_and_leaves_it(
    start: Start, fleet: LocalFleet, tmp_path: Path
) -> None:
    (tmp_path / "many").write_text("".join(f"line {n}\n" for n in range(1, 500)))
    pager = program("less")
    start("sh", "-c", f"echo before; {pager} many; echo after", env={"LESS": ""})
    shows(fleet, "^line 1$")
    assert fleet.live("one").alternate

    fleet.keys("one", ("PageDown",))
    shows(fleet, "^line 40$")
    fleet.keys("one", ("G",))
    shows(fleet, "^line 499$")
    fleet.keys("one", ("Home",))
    fleet.keys("one", ("g", "Up", "Down"))
    shows(fleet, "^line 2$")
    fleet.keys("one", ("q",))

    assert fleet.wait("one", LIMIT_S).code == 0
    lines = fleet.screen_lines("one")
    assert lines[:2] == ["before", "after"]


def test_a_program_hears_the_keys_that_it_asked_for(start: Start, fleet: LocalFleet) -> None:
    start(sys.executable, AGENT, "kitty")
    shows(fleet, "ready")

    fleet.keys("one", ("S-Tab", "C-Up", "M-x", "F5", "S-Enter"))

    for sent in ("1b5b5a", "1b5b313b3541", "1b78", "1b5b31357e", "1b5b32373b323b31337e"):
        shows(fleet, f"key {sent}$")


def test_a_program_that_asks_about_its_terminal_is_answered_while_nobody_is_there(
    start: Start, fleet: LocalFleet
) -> None:
    start(sys.executable, AGENT, "ask", "alt")

    shows(fleet, "size 80x24")
