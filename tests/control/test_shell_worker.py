"""The embedded worker, in a real terminal: what it finds, shows, runs, hears and passes on."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from looop.control.shell_worker import Outcome, run
from looop.errors import NotFound, Refused
from looop.loop.workers import contract
from looop.loop.workers.embedded import block
from tests.support.leftovers import gone

LIMIT_S = 20.0
_DRIVER = """
import fcntl, os, sys, termios
from pathlib import Path
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from looop.control import shell_worker
outcome = shell_worker.run(Path(sys.argv[1]), dict(os.environ))
# Only the foreground may read from the terminal: it is ours again.
mine = os.tcgetpgrp(0) == os.getpgrp()
print(f"<<{outcome.code}|{mine}|{outcome.summary}>>", flush=True)
"""


class Desk:
    """A worker in a terminal of its own: `type` to it, `see` what it shows, take its `outcome`."""

    def __init__(self, prompt: Path, env: dict[str, str]) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (33, 111))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER, str(prompt)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def see(self, pattern: str) -> re.Match[str]:
        """Read until `pattern` has been shown."""
        limit = time.monotonic() + LIMIT_S
        while (found := re.search(pattern, self.shown, re.DOTALL)) is None:
            left = limit - time.monotonic()
            assert left > 0, f"{pattern!r} was never shown: {self.shown!r}"
            if select.select([self._master], [], [], left)[0]:
                try:
                    chunk = os.read(self._master, 65536)
                except OSError:
                    pytest.fail(f"it ended before it showed {pattern!r}: {self.shown!r}")
                self.shown += chunk.decode("utf-8", "replace").replace("\r\n", "\n")
        return found

    @property
    def outcome(self) -> Outcome:
        found = self.see("<<([0-9]+)[|](True|False)[|](.*)>>")
        assert found[2] == "True", "the terminal was not given back"
        self.shown = self.shown[: found.start()]
        assert self.process.wait(LIMIT_S) == 0
        return Outcome(code=int(found[1]), summary=found[3])

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


Work = Callable[..., Desk]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    """Start the worker on a brief, which may be given as the lines of its block."""
    desks: list[Desk] = []

    def begin(*lines: str, brief: str = "", **more: str) -> Desk:
        prompt = tmp_path / "prompt.md"
        text = brief or "\n".join(["Do this.", "", "```sh", *lines, "```"])
        prompt.write_text(
            contract.render(
                worker="one",
                brief=text,
                work_dir=str(tmp_path),
                branch="",
                verify="true",
                looop="/opt/looop",
            )
        )
        plain = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_COLOR": "1"}
        desk = Desk(prompt, plain | {"SIDE": str(tmp_path)} | more)
        desks.append(desk)
        return desk

    yield begin
    for desk in desks:
        desk.close()


# ------------------------------------------------------------------------- which block


def test_the_last_sh_block_of_the_brief_is_meant() -> None:
    prompt = (
        "\n```sh\nfrom the contract\n```\n## Your brief\n\n```sh\none\n```\n\n~~~sh\ntwo\n~~~\n"
    )
    assert block(prompt) == "two\n"
    assert block("```sh\nalone\n```") == "alone\n"


def test_only_the_first_such_heading_begins_the_brief() -> None:
    prompt = "```sh\nno\n```\n## Your brief\n\n```sh\nyes\n```\n## Your brief\nof more words\n"
    assert block(prompt) == "yes\n"


@pytest.mark.parametrize(
    ("brief", "script"),
    [
        ("```sh\r\na\r\nb\r\n```\r\n", "a\nb\n"),
        ("  ```sh\n  a\n    b\n c\n  ```\n", "a\n  b\nc\n"),
        ("````sh\n```\na\n```\n````\n", "```\na\n```\n"),
        ("``` sh title=x\na\n```", "a\n"),
        ("```sh\na\n```\n```text\n~~~sh\nquoted\n~~~\n```\n", "a\n"),
        ("```sh\na\n```\n```\nplain\n```\n```shell\nother\n```\n", "a\n"),
        ("```sh\na\n```\n    ```sh\n    shown, not meant\n", "a\n"),
        ("```sh\na\n\n\n```", "a\n\n\n"),
        ("```sh\ncat <<E\n``` x\nE\n```", "cat <<E\n``` x\nE\n"),
    ],
)
def test_a_fence_is_what_markdown_says(brief: str, script: str) -> None:
    assert block("\n## Your brief\n" + brief) == script


@pytest.mark.parametrize("brief", ["", "words", "```py\na\n```", "```sh\n\n```", "`sh` ```sh x```"])
def test_without_a_block_there_is_nothing_to_do(brief: str) -> None:
    with pytest.raises(NotFound, match="no ```sh block"):
        block(f"```sh\nof the contract\n```\n## Your brief\n\n{brief}\n")


@pytest.mark.parametrize("brief", ["```sh\nrm -rf build", "```sh\na\n```\n~~~~sh\nb\n~~~\n"])
def test_half_a_script_is_not_run(brief: str) -> None:
    with pytest.raises(Refused, match="not closed"):
        block(brief)


_LINE = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=20)


@given(st.lists(_LINE, min_size=1, max_size=6))
def test_a_block_comes_out_as_it_went_in(lines: list[str]) -> None:
    body = "\n".join(["true", *lines])
    fence = "`" * (3 + body.count("`"))
    assert block(f"words\n\n{fence}sh\n{body}\n{fence}\nmore") == body + "\n"


# ------------------------------------------------------------------------- running it


def test_each_command_is_shown_before_its_output_and_the_last_line_is_the_summary(
    work: Work,
) -> None:
    desk = work("echo one", "", "# a comment", "x=$(echo two)", 'echo "$x"', "true")

    assert desk.outcome == Outcome(code=0, summary="two")
    assert desk.shown == '$ echo one\none\n$ x=$(echo two)\n$ echo "$x"\ntwo\n$ true\n'


def test_without_output_it_still_says_that_it_ended(work: Work) -> None:
    assert work("true").outcome == Outcome(code=0, summary="the block ran to its end")


def test_what_is_shown_does_not_get_into_files(work: Work, tmp_path: Path) -> None:
    desk = work('{ echo a; echo b; } > "$SIDE/out" 2>&1', 'echo "$(echo c; echo d)"')

    assert desk.outcome.summary == "d"
    assert (tmp_path / "out").read_text() == "a\nb\n"
    assert desk.shown.startswith("$ echo a\n$ echo b\n")


def test_a_command_is_shown_on_one_line_and_cannot_draw(work: Work) -> None:
    desk = work("cat >/dev/null <<E", "two \x1b[2J lines", "E")

    assert desk.outcome.code == 0
    assert desk.shown == "$ cat > /dev/null <<E two  [2J lines E \n"


def test_commands_are_bold_unless_that_is_not_wanted(work: Work) -> None:
    desk = work("echo x", NO_COLOR="")

    assert desk.outcome == Outcome(code=0, summary="x")
    assert desk.shown == "\x1b[1m$ echo x\x1b[0m\nx\n"


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        (["false", "echo never"], (1, "exit code 1 at `false`")),
        (["echo why; exit 3"], (3, "exit code 3 at `exit 3`; last line: why")),
        (['echo "$NOT_SET"'], (1, 'exit code 1 at `echo "$NOT_SET"`; last line: ')),
        (["kill -TERM $$"], (143, "ended by SIGTERM at `kill -TERM $$`")),
        (["if"], (2, "exit code 2; last line: ")),
        (["true", "no-such-program"], (127, "exit code 127 at `no-such-program`; last line: ")),
    ],
)
def test_a_failure_says_where_and_why(
    work: Work, lines: list[str], outcome: tuple[int, str]
) -> None:
    found = work(*lines).outcome

    assert found.code == outcome[0]
    assert found.summary.startswith(outcome[1])


def test_bash_counts_lines_as_the_block_does(work: Work) -> None:
    assert " line 2: no-such-program" in work("true", "no-such-program").outcome.summary


def test_a_summary_is_a_line_without_control_characters(work: Work) -> None:
    desk = work(r"printf 'half\rdone \033[31mred\033[0m\033]0;title\007\n\n\n'")

    assert desk.outcome.summary == "done red"


def test_reads_wait_for_what_is_typed(work: Work) -> None:
    desk = work('read -r -p "name? " name', 'echo "hello $name"', "cat")
    desk.see("name[?] ")
    desk.type("you\n")
    desk.see("hello you.*[$] cat")
    desk.type("more\n\x04")

    assert desk.outcome == Outcome(code=0, summary="more")


def test_programs_write_to_a_terminal_of_our_width(work: Work) -> None:
    desk = work("test -t 0 && test -t 1 && test -t 2 && stty size <&1")

    assert desk.outcome == Outcome(code=0, summary="33 111")


def test_a_program_does_not_inherit_what_python_ignores(work: Work) -> None:
    desk = work("grep SigIgn /proc/self/status")

    ignored = int(desk.outcome.summary.split()[1], 16)
    # Of the ordinary ones: the C library may keep two more to itself.
    assert ignored & 0x7FFFFFFF == 1 << (signal.SIGTSTP - 1)


def test_much_output_is_kept_to_the_last_line(work: Work) -> None:
    desk = work("seq 200000", "printf 'the end'")

    assert desk.outcome.summary == "the end"
    assert "199999\n200000\n" in desk.shown


# ------------------------------------------------------------------------- the end of it


def test_ctrl_c_ends_the_block_and_not_the_worker(work: Work) -> None:
    desk = work('echo "ready"', "sleep 600")
    desk.see("sleep 600\n")
    desk.type("\x03")

    assert desk.outcome == Outcome(
        code=130, summary="ended by SIGINT at `sleep 600`; last line: ready"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_the_worker_ends_the_group_of_the_block(
    work: Work, number: signal.Signals
) -> None:
    desk = work("bash -c 'echo inner $$; exec sleep 600'; true")
    inner = int(desk.see("\ninner ([0-9]+)\n")[1])
    desk.process.send_signal(number)

    assert desk.outcome.code == 128 + number
    assert gone(inner)


def test_a_block_that_handles_a_signal_says_itself_how_it_ends(work: Work) -> None:
    desk = work("trap 'echo leaving; exit 7' TERM", "echo ready", "sleep 600 & wait")
    desk.see("\nready\n")
    desk.process.terminate()

    assert (desk.outcome.code, "leaving" in desk.shown) == (7, True)


def test_what_the_block_leaves_running_ends_with_it(work: Work) -> None:
    desk = work("sleep 600 & echo left $!")
    outcome = desk.outcome

    assert outcome.code == 0
    assert gone(int(outcome.summary.split()[1]))


def test_a_process_that_left_the_group_does_not_hold_the_end_up(work: Work) -> None:
    away = 'echo away $$; echo up > "$SIDE/up"; exec sleep 600'
    desk = work('mkfifo "$SIDE/up"', f"setsid bash -c '{away}' &", 'cat "$SIDE/up"')
    pid = int(desk.see("\naway ([0-9]+)\n")[1])
    try:
        assert desk.outcome == Outcome(code=0, summary="up")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert gone(pid)


# ------------------------------------------------------------------------- not run at all


def test_a_brief_without_a_block_fails_with_the_reason(work: Work) -> None:
    outcome = work(brief="Only words.").outcome

    assert outcome == Outcome(
        code=1, summary="the brief has no ```sh block, which is all that this worker can do"
    )


def test_a_prompt_that_is_not_there_is_said_to_be_absent(tmp_path: Path) -> None:
    absent = tmp_path / "absent.md"

    assert run(absent, {}) == Outcome(code=1, summary=f"there is no prompt at {absent}")
    assert run(tmp_path, {}).summary == f"cannot read {tmp_path}: not a regular file"


def test_without_bash_that_is_said(work: Work) -> None:
    assert work("true", PATH="/nowhere").outcome == Outcome(code=127, summary="bash is not on PATH")


@pytest.mark.parametrize("line", ["echo \0", "# " + "x" * 200_000], ids=["nul", "long"])
def test_what_bash_cannot_be_given_fails_with_the_reason(work: Work, line: str) -> None:
    outcome = work(line).outcome

    assert outcome.code == 126
    assert outcome.summary.startswith("bash cannot be started: ")
