"""A session ends with all that it started, and what is said of its end is so."""

import os
import signal
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from looop.errors import Failed, Refused
from looop.sessions import dial, seen
from tests.sessions.conftest import Start
from tests.sessions.host.support import (
    LIMIT_S,
    ask,
    end,
    events,
    meta,
    output,
    running,
    said,
    status,
)
from tests.support.program import wait_for

# Each says its own pid and stays, deaf to what it is told.
DEAF = "trap '' HUP INT TERM; echo deaf $$.; while :; do sleep 600; done"


def pids(directory: Path, count: int, word: str = "pid") -> list[int]:
    """The process ids that a session's programs have said, as `pid N.`."""
    wait_for(lambda: output(directory).count(b".") >= count, LIMIT_S)
    words = output(directory).decode().replace("\r\n", " ").split()
    return [int(n.rstrip(".")) for w, n in pairwise(words) if w == word]


def test_an_end_by_itself_is_told_with_its_code_or_signal(start: Start) -> None:
    one = end(start("sh", "-c", "exit 7", name="one"))
    two = end(start("sh", "-c", "kill -USR1 $$", name="two"))

    assert (one.state, one.code, one.signal, one.alive) == ("exited", 7, None, False)
    assert (two.state, two.code, two.signal) == ("exited", None, signal.SIGUSR1)
    assert one.ended_at >= one.started_at > 0


def test_whoever_waits_for_the_end_is_told_after_it_is_on_record(start: Start) -> None:
    directory = start("sh", "-c", "read go; exit 3")
    answers: list[dict[str, object]] = []
    seen_then: list[seen.Session] = []

    def wait() -> None:
        answers.append(ask(directory, "end"))
        seen_then.append(seen.look(directory))

    waiters = [threading.Thread(target=wait) for _ in range(5)]
    for waiter in waiters:
        waiter.start()
    ask(directory, "type", hex=b"\n".hex())
    for waiter in waiters:
        waiter.join()

    assert {(answer["state"], answer["code"]) for answer in answers} == {("exited", 3)}
    assert all(not found.alive and found.state == "exited" for found in seen_then)
    assert not (directory / "control.sock").exists()
    assert not (directory / ".spare").exists()


def test_a_kill_is_confirmed_and_ends_a_willing_program_without_force(start: Start) -> None:
    directory = start(
        "sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 1; done"
    )
    said(directory, b"ready")

    answer = ask(directory, "kill", grace_s=15)

    assert answer["killed"]
    assert not answer["escalated"]
    assert answer["survivors"] == []
    assert answer["code"] == 0
    assert status(directory).state == "killed", "its code does not say that it was asked to"
    assert seen.look(directory).state == "killed"
    assert b"bye" in output(directory)


def test_a_tree_that_is_deaf_is_ended_by_force(start: Start) -> None:
    directory = start("sh", "-c", f'sh -c "{DEAF}" & {DEAF}'.replace("$$", "\\$\\$", 1))
    tree = pids(directory, 2, "deaf")
    assert len(tree) == 2

    answer = ask(directory, "kill", grace_s=0.2)

    assert answer["killed"]
    assert answer["escalated"]
    assert answer["survivors"] == []
    assert not any(running(pid) for pid in tree)


def test_nothing_that_left_the_group_escapes(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "escape.py"
    script.write_text(
        "import os, signal, time\n"
        "for way in range(4):\n"
        "    if os.fork() == 0:\n"
        "        if way & 1: os.setsid()\n"
        "        if way & 2 and os.fork(): os._exit(0)\n"
        "        if way == 3: os.setpgid(0, 0) if os.getpid() != os.getsid(0) else None\n"
        "        signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "        print('pid %d.' % os.getpid(), flush=True)\n"
        "        time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    directory = start("python3", str(script))
    tree = pids(directory, 4)
    assert len(tree) == 4
    assert all(running(pid) for pid in tree)

    answer = ask(directory, "kill", grace_s=0.2)

    assert answer["escalated"]
    assert answer["survivors"] == []
    assert not any(running(pid) for pid in tree)


def test_what_a_command_leaves_behind_ends_with_it(start: Start) -> None:
    directory = start(
        "sh",
        "-c",
        "setsid sh -c 'echo pid $$.; exec sleep 600' & "
        f'setsid sh -c "{DEAF}" >/dev/null 2>&1 </dev/null & '
        "(sh -c 'echo pid $$.; exec nohup sleep 600' &) ; sleep 0.3; exit 4",
    )
    tree = pids(directory, 2)

    found = end(directory)

    assert (found.state, found.code) == ("exited", 4)
    assert not any(running(pid) for pid in tree)


def test_a_stopped_program_hears_that_it_is_to_end(start: Start) -> None:
    directory = start("sh", "-c", "trap 'exit 0' TERM; echo ready; kill -STOP $$; sleep 600")
    said(directory, b"ready")
    wait_for(lambda: stopped(status(directory).pid))

    answer = ask(directory, "kill", grace_s=15)

    assert answer["killed"]
    assert not answer["escalated"]


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_what_has_ended_cannot_be_killed(start: Start) -> None:
    directory = start("true")
    end(directory)

    with pytest.raises(Refused, match="has ended"):
        ask(directory, "kill")
    assert seen.look(directory).state == "exited"


def test_a_command_that_has_ended_cannot_be_killed_while_its_leftovers_are_ended(
    start: Start,
) -> None:
    directory = start("sh", "-c", f'sh -c "{DEAF}" & echo $! gone.'.replace("$$", "\\$\\$"))
    wait_for(lambda: not running(status(directory).pid))

    with pytest.raises(Refused, match="ended"):
        ask(directory, "kill")

    assert end(directory).state == "exited"


def test_several_kills_at_once_are_all_confirmed(start: Start) -> None:
    directory = start("sh", "-c", DEAF)
    said(directory, b"deaf")
    answers: list[dict[str, object]] = []
    patient = threading.Thread(target=lambda: answers.append(ask(directory, "kill", grace_s=600)))
    patient.start()
    wait_for(lambda: any(row["event"] == "kill" for row in events(directory)))

    answers.append(ask(directory, "kill", grace_s=0))

    patient.join()
    assert all(answer["killed"] and answer["escalated"] for answer in answers)


def test_a_supervisor_that_is_told_to_end_ends_its_session_in_order(start: Start) -> None:
    directory = start(
        "sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 1; done"
    )
    said(directory, b"ready")

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        os.kill(meta(directory).pid, number)
    assert ask(directory, "status")["running"], "those are not for it"
    os.kill(meta(directory).pid, signal.SIGTERM)

    assert end(directory).state == "killed"
    assert b"bye" in output(directory)


def test_a_restart_runs_the_same_again_in_the_same_log(start: Start) -> None:
    directory = start(
        "sh",
        "-c",
        "echo $GEN $PWD $(stty size); exec sleep 600",
        generation_variable="GEN",
        columns=90,
        rows=30,
    )
    said(directory, b"30 90")
    ask(directory, "resize", columns=100, rows=50)
    before = meta(directory)
    waiting: list[dict[str, object]] = []
    waiter = threading.Thread(target=lambda: waiting.append(ask(directory, "end")))
    with_client = dial.attach(directory)
    waiter.start()
    wait_for(lambda: ask(directory, "status")["attached"] == 1)

    assert ask(directory, "restart", grace_s=5, generation="g2")["generation"] == "g2"

    waiter.join()
    assert waiting[0]["state"] == "killed", "that generation has ended"
    after = meta(directory)
    assert (after.generation, after.pid) == ("g2", before.pid)
    assert after.log_start == len(output(directory).partition(b"g2")[0])
    assert b"g2 " in said(directory, b"50 100")
    assert output(directory).startswith(b"g1 ")
    found = seen.look(directory)
    assert (found.state, found.generation, found.columns, found.rows) == ("running", "g2", 100, 50)
    spawned = [row for row in events(directory) if row["event"] == "spawned"]
    assert [(row["generation"], row["columns"]) for row in spawned] == [("g1", 90), ("g2", 100)]
    assert spawned[1]["offset"] == after.log_start
    assert ask(directory, "status")["attached"] == 1, "who was attached still is"
    wait_for(lambda: b"g2" in (with_client.read() or b""))
    with_client.close()


def test_a_restart_ends_what_is_deaf(start: Start) -> None:
    directory = start("sh", "-c", DEAF)
    old = pids(directory, 1, "deaf")

    ask(directory, "restart", grace_s=0.1, generation="g2")

    assert not running(old[0])
    assert len(pids(directory, 2, "deaf")) == 2
    assert seen.look(directory).state == "running"


def test_a_restart_that_cannot_be_is_a_failed_session(start: Start, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    directory = start("sleep", "600", cwd=tmp_path / "there")
    (tmp_path / "there").rmdir()

    with pytest.raises(Failed, match=r"cannot enter .*there: No such file"):
        ask(directory, "restart", grace_s=5, generation="g2")

    found = seen.look(directory)
    assert (found.state, found.generation, found.alive) == ("failed", "g2", False)
    assert "cannot enter" in found.reason


def test_a_kill_overrides_a_restart(start: Start) -> None:
    directory = start("sh", "-c", DEAF)
    said(directory, b"deaf")
    refusals: list[Exception] = []

    def restart() -> None:
        try:
            ask(directory, "restart", grace_s=600, generation="g2")
        except (Failed, Refused) as error:
            refusals.append(error)

    restarting = threading.Thread(target=restart)
    restarting.start()
    wait_for(lambda: any(row["event"] == "restart" for row in events(directory)))
    with pytest.raises(Refused, match="ending already"):
        ask(directory, "restart", generation="g3")

    assert ask(directory, "kill", grace_s=0)["killed"]

    restarting.join()
    assert "killed" in str(refusals[0])
    assert seen.look(directory).generation == "g1"


@pytest.mark.parametrize("generation", ["", 7, None])
def test_a_restart_needs_a_generation(start: Start, generation: object) -> None:
    directory = start("sleep", "600")
    with pytest.raises(Failed, match="generation"):
        ask(directory, "restart", generation=generation)
    assert ask(directory, "status")["running"]
