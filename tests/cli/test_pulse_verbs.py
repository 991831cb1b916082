"""The loop detached and in the foreground: what its end does to workers, and what does not."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.session import Crew, at_terminal, block
from tests.support.leftovers import gone
from tests.support.program import running, wait_for


def pulse_is_up(crew: Crew) -> bool:
    return crew.row("pulse")["alive"]


def beats(crew: Crew) -> int:
    return crew.ok("status", "--json").json["pulse"]["beats"]


# -- detached --------------------------------------------------------------------------------


def test_up_has_succeeded_when_the_loop_holds_the_profile_and_down_ends_it(crew: Crew) -> None:
    said = crew.ok("up", "--json").json

    assert set(said) == {"pid", "session"}
    row = crew.row("pulse")
    assert (row["state"], row["health"], row["alive"]) == ("running", "up", True)
    assert crew.ok("status", "--json").json["pulse"]["pid"] == said["pid"]
    assert crew("tick").err.startswith(f"looop: a pulse (pid {said['pid']}) holds ")

    down = crew.ok("down", "--json").json

    assert down == {"pulse": True, "workers": [], "survivors": []}
    assert gone(said["pid"])
    assert (crew.row("pulse")["state"], crew.row("pulse")["health"]) == ("down", "down")


def test_a_second_up_finds_that_the_loop_runs_and_harms_nothing(crew: Crew) -> None:
    pid = crew.ok("up", "--json").json["pid"]

    again = crew.ok("up")

    assert again.out.startswith(f"the loop runs already (pid {pid});")
    assert crew.ok("up", "--json").json["pid"] == pid
    assert crew.ok("status", "--json").json["pulse"]["pid"] == pid
    crew.ok("down")


def test_what_up_and_down_say_to_a_person(crew: Crew) -> None:
    up = crew.ok("up").out
    assert up.startswith("the loop runs (pid ")
    assert up.endswith("`looop watch pulse` shows it, `looop down` ends it\n")
    assert crew.ok("down").out == "the loop has stopped\n"
    assert crew.ok("down").out == "no loop was running\n"


def test_up_of_what_cannot_come_up_says_why(crew: Crew) -> None:
    (crew.data / "config.toml").write_text('interval = "soon"\n')

    done = crew("up")

    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "interval = 'soon' is not accepted" in done.err
    assert not pulse_is_up(crew)


def test_the_loop_can_be_looked_at_like_any_session(crew: Crew) -> None:
    crew.ok("up")
    crew.ok("expect", "pulse", "started; rules decides")

    assert "started; rules decides" in crew.ok("log", "pulse").out
    assert "started; rules decides" in crew.ok("shot", "pulse").out
    assert crew("wait", "pulse", "--timeout", "100ms").code == 124
    with crew.follow("watch", "pulse") as watch, crew.follow("log", "pulse", "-f") as log:
        assert watch.stdout is not None
        assert "started" in watch.stdout.readline()
        crew.ok("down")
        assert "stopped by SIGTERM" in watch.communicate(timeout=20)[0]
        assert "stopped by SIGTERM" in log.communicate(timeout=20)[0]
    assert (watch.returncode, log.returncode) == (0, 0)


@pytest.mark.parametrize("verb", ["watch", "attach"])
def test_a_terminal_may_watch_the_loop_and_not_be_at_it(crew: Crew, verb: str) -> None:
    crew.ok("up")
    crew.ok("expect", "pulse", "started; rules decides")
    with at_terminal(crew.env, verb, "pulse") as me:
        if verb == "watch":
            me.until(b"rules decides")
            me.type(b"\x03")
        code = me.end()

    assert code == (0 if verb == "watch" else 1)
    assert (b"`pulse` is the loop itself, which takes no input" in me.seen) == (verb == "attach")
    assert pulse_is_up(crew)
    crew.ok("down")


# -- down and workers ------------------------------------------------------------------------


def test_down_ends_the_loop_first_and_then_every_worker(crew: Crew) -> None:
    crew.ok("up")
    crew.program("exec sleep 1000", "program")
    crew.worker("sleep 1000", "worker")

    done = crew.ok("down")

    assert done.out == "ended program, worker\nthe loop has stopped\n"
    rows = {row["id"]: row for row in crew.ok("ls", "--all", "--json").json}
    assert [rows[name]["state"] for name in ("program", "worker")] == ["killed", "killed"]
    assert rows["worker"]["killed_by"] == "down"


def test_down_can_leave_workers_alone(crew: Crew) -> None:
    crew.ok("up")
    crew.program("exec sleep 1000")

    assert crew.ok("down", "--keep-workers", "--json").json["workers"] == []

    assert crew.row("one")["alive"]
    assert not pulse_is_up(crew)
    assert crew.ok("down", "--json").json == {"pulse": False, "workers": ["one"], "survivors": []}


def test_down_can_let_workers_come_to_their_end(crew: Crew) -> None:
    fifo = Path(crew.env["HOME"]) / "go"
    os.mkfifo(fifo)
    crew.ok("up")
    crew.worker(f"echo ready; read -r x < {fifo}; echo finished", "quick")
    crew.worker("sleep 1000", "slow")
    crew.ok("expect", "quick", "ready")
    with crew.follow("down", "--drain", "2s", "--json") as down:
        wait_for(lambda: not pulse_is_up(crew))
        fifo.write_text("go\n")
        out, err = down.communicate(timeout=20)

    assert (down.returncode, err) == (0, "")
    assert '"slow"' in out
    assert '"quick"' not in out
    assert crew.row("quick")["outcome"] == "done"
    assert crew.row("slow")["killed_by"] == "down"


@pytest.mark.parametrize("words", [("--drain", "soon"), ("--drain",), ("--all",), ("now",)])
def test_wrong_words_end_nothing(crew: Crew, words: tuple[str, ...]) -> None:
    crew.program("exec sleep 1000")

    done = crew("down", *words)

    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert crew.row("one")["alive"]


def test_a_loop_that_is_killed_leaves_its_workers_to_the_next_one(crew: Crew) -> None:
    first = crew.ok("up", "--json").json["pid"]
    crew.worker("echo ready; read -r x; echo bye")
    crew.ok("expect", "w", "ready")
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert crew("wait", "pulse", "--timeout", "10s").code == 137
    assert crew.row("w")["alive"]
    assert "worker_ended" not in crew.ok("events", "-n", "100", "--json").out

    second = crew.ok("up", "--json").json["pid"]
    crew.ok("send", "w", "go")

    assert second != first
    wait_for(lambda: '"event":"worker_ended"' in crew.ok("events", "-n", "99", "--json").out)
    assert crew.row("w")["outcome"] == "done"
    assert "w has ended: done · bye" in crew.ok("log", "pulse").out
    crew.ok("down")


def test_the_end_of_a_worker_wakes_the_loop_which_runs_its_check(crew: Crew) -> None:
    crew.ok("up")
    crew.worker("touch proof", "w", "--verify", "test -e proof")

    wait_for(lambda: crew.row("w")["verify"] == "pass")

    crew.ok("expect", "pulse", "w: its check passes")
    crew.ok("down")


# -- in the foreground -----------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_loop_in_the_foreground_takes_its_workers_with_it(crew: Crew, number: int) -> None:
    with running(crew.env) as pulse:
        pulse.until("pulse_started")
        crew.program("exec sleep 1000", "program")
        crew.worker("sleep 1000")
        code, _ = pulse.end(number)

    assert code == 0
    assert [crew.row(name)["state"] for name in ("program", "w")] == ["killed", "killed"]
    assert crew.row("w")["killed_by"] == "the end of the loop"
    assert any('"worker_killed"' in line for line in pulse.lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_loop_in_the_foreground_can_leave_its_workers_alone(crew: Crew, number: int) -> None:
    with at_terminal(crew.env, "--keep-workers") as loop:
        loop.until(b"rules decides")
        crew.program("exec sleep 1000")
        os.kill(loop.process.pid, number)
        assert loop.end() == 0

    assert crew.row("one")["alive"]


def test_ctrl_c_at_its_terminal_ends_the_loop_and_its_workers(crew: Crew) -> None:
    with at_terminal(crew.env) as loop:
        loop.until(b"rules decides")
        assert crew.row("pulse")["state"] == "in the foreground"
        crew.program("exec sleep 1000")
        loop.type(b"\x03")
        assert loop.end() == 0

    assert b"one was ended by the end of the loop" in loop.seen
    assert crew.row("one")["state"] == "killed"


def test_a_terminal_that_is_closed_ends_the_loop_and_its_workers(crew: Crew) -> None:
    with at_terminal(crew.env) as loop:
        loop.until(b"rules decides")
        crew.program("exec sleep 1000")
        # There is nowhere to say anything any more, and that may be told.
        assert loop.hang_up() in (0, 1)

    assert crew.row("one")["state"] == "killed"


def test_down_ends_a_loop_in_the_foreground_too(crew: Crew) -> None:
    with running(crew.env) as pulse:
        pulse.until("pulse_started")
        assert crew.ok("down").out == "the loop has stopped\n"
        assert pulse.process.wait(20) == 0


def test_up_is_content_with_a_loop_in_the_foreground(crew: Crew) -> None:
    with running(crew.env) as pulse:
        pulse.until("pulse_started")

        assert crew.ok("up").out.startswith("the loop runs already (pid ")

    assert not pulse_is_up(crew)


def test_a_reflex_starts_a_worker_that_outlives_nothing(crew: Crew) -> None:
    (crew.data / "reflexes.toml").write_text(
        '[[reflex]]\nname = "go"\nwhen = "!(\'w\' in sessions)"\n[reflex.do]\n'
        f"action = \"start_worker\"\nid = \"w\"\nprompt = '''{block('echo hi; sleep 1000')}'''\n"
    )
    with running(crew.env) as pulse:
        pulse.until("worker_started", worker="w")
        crew.ok("expect", "w", "hi")
        code, _ = pulse.end()

    assert code == 0
    assert crew.row("w")["killed_by"] == "the end of the loop"


# -- at boot ---------------------------------------------------------------------------------


@pytest.fixture
def bare(crew: Crew, tmp_path: Path) -> Crew:
    """A system on which no service manager answers."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "git"):
        (tools / name).symlink_to(f"/bin/{name}" if name != "git" else "/usr/bin/git")
    return Crew({**crew.env, "PATH": str(tools)}, crew.data)


def said(crew: Crew, what: str) -> tuple[int, dict[str, Any]]:
    done = crew("service", what, "--json")
    assert done.err == ""
    return done.code, done.json


def test_a_service_that_is_not_installed_is_said_to_be_none(bare: Crew) -> None:
    code, status = said(bare, "status")

    assert (code, status["ok"]) == (1, False)
    assert status["lines"][0].endswith(": not installed")
    assert bare("service", "status").out == status["lines"][0] + "\n"


def test_a_service_without_its_manager_says_what_is_left_to_do(bare: Crew) -> None:
    code, done = said(bare, "install")

    assert (code, done["ok"]) == (1, False)
    assert any(line.startswith("left to do: systemctl --user enable") for line in done["lines"])
    (unit,) = Path(bare.env["HOME"]).rglob("*.service")
    assert "--keep-workers" in unit.read_text()
    assert said(bare, "uninstall")[0] in (0, 1)
    assert not unit.exists()


@pytest.mark.parametrize("words", [(), ("start",), ("install", "now")])
def test_a_service_verb_that_there_is_not_is_a_usage_error(
    crew: Crew, words: tuple[str, ...]
) -> None:
    done = crew("service", *words)

    assert (done.code, done.out) == (2, "")
    assert "see `looop help service`" in done.err
