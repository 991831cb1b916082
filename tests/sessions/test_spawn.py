"""A session starts or says why not, and there is never more than one of a name."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from looop.errors import Conflict, Failed, Unreadable
from looop.sessions import seen, spawn
from tests.sessions.conftest import Start, supervisors
from tests.sessions.host.support import ask, end, events, meta, output, said, status
from tests.support.program import wait_for


def test_a_session_runs_its_command(start: Start) -> None:
    directory = start("sh", "-c", "echo hello; exec sleep 600", labels={"goal": "x"})

    said(directory, b"hello\r\n")
    found = meta(directory)
    assert (found.id, found.generation, found.protocol) == ("one", "g1", 1)
    assert found.argv == ("sh", "-c", "echo hello; exec sleep 600")
    assert found.labels == {"goal": "x"}
    assert found.boot
    assert found.started
    assert status(directory).state == "running"
    assert status(directory).pid == ask(directory, "status")["pid"]


def test_nothing_is_left_for_the_starter_to_collect(start: Start) -> None:
    start("sleep", "600")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize(
    ("argv", "cwd", "why"),
    [
        (("nonesuch",), "", "cannot run nonesuch: No such file or directory"),
        (("/",), "", "cannot run /: Permission denied"),
        (("true",), "nowhere", "cannot enter .*nowhere: No such file or directory"),
        ((), "", "cannot run nothing: list index out of range"),
        (("tr\0ue",), "", "embedded null"),
        (("bad\nname\x1b[2J",), "", r"cannot run bad name\\x1b\[2J: No such file"),
    ],
)
def test_a_command_that_cannot_run_is_an_error_with_a_reason(
    start: Start, tmp_path: Path, argv: tuple[str, ...], cwd: str, why: str
) -> None:
    with pytest.raises(Failed, match=f"session one cannot start: .*{why}") as failed:
        start(*argv, cwd=tmp_path / cwd)
    assert "\n" not in str(failed.value)

    directory = tmp_path / "sessions" / "one"
    found = seen.look(directory)
    assert (found.state, found.alive) == ("failed", False)
    assert found.reason
    assert not (directory / "start.json").exists()
    assert not (directory / "control.sock").exists()
    wait_for(lambda: not supervisors(tmp_path))
    start("true", generation="g2")
    assert end(directory).state == "exited"


def test_an_environment_that_cannot_be_is_an_error(start: Start) -> None:
    with pytest.raises(Failed, match="illegal environment variable name"):
        start("true", env={"A=B": "c"})


def test_a_session_that_is_alive_is_in_the_way(start: Start) -> None:
    directory = start("sleep", "600")
    pid = meta(directory).pid

    with pytest.raises(Conflict, match="session one is alive"):
        start("true", generation="g2")

    assert meta(directory).pid == pid
    assert ask(directory, "status")["running"]
    assert not (directory / "start.json").exists()


def test_of_many_that_start_one_at_once_exactly_one_wins(start: Start, tmp_path: Path) -> None:
    outcomes: list[str] = []
    gate = threading.Barrier(12)

    def begin(number: int) -> None:
        gate.wait()
        try:
            start("sleep", "600", generation=f"g{number}")
        except Conflict:
            outcomes.append("lost")
        else:
            outcomes.append(f"g{number}")

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    directory = tmp_path / "sessions" / "one"
    won = [outcome for outcome in outcomes if outcome != "lost"]
    assert len(outcomes) == 12
    assert [meta(directory).generation] == won
    assert len([row for row in events(directory) if row["event"] == "spawned"]) == 1


def test_an_ended_session_goes_on_as_another_generation(start: Start) -> None:
    directory = start("echo", "one")
    end(directory)
    start("echo", "two", generation="g2")
    assert end(directory).generation == "g2"

    assert output(directory) == b"one\r\ntwo\r\n"
    assert meta(directory).log_start == len(b"one\r\n")
    assert [row["offset"] for row in events(directory) if row["event"] == "spawned"] == [0, 5]


def test_whoever_waited_for_the_end_may_start_it_again_at_once(start: Start) -> None:
    found = ""
    for number in range(8):
        directory = start("true", generation=f"g{number}")
        end(directory)
        found = meta(directory).generation
    assert found == "g7"


def test_those_who_only_look_are_never_in_the_way(start: Start, tmp_path: Path) -> None:
    directory = start("true")
    end(directory)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.look(directory)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for number in range(5):
            start("true", generation=f"g{number}")
            end(directory)
    finally:
        stop.set()
        for looker in lookers:
            looker.join()


def test_a_look_that_is_under_way_is_waited_for(tmp_path: Path) -> None:
    os.close(spawn.reserve(tmp_path / "one"))
    fd = os.open(tmp_path / "one" / "lock", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    done: list[int] = []
    waiter = threading.Thread(target=lambda: done.append(spawn.reserve(tmp_path / "one")))
    waiter.start()
    time.sleep(0)
    os.close(fd)
    waiter.join()
    with pytest.raises(Conflict):
        spawn.reserve(tmp_path / "one")
    assert seen.alive(tmp_path / "one")
    os.close(done[0])
    assert not seen.alive(tmp_path / "one")


def test_a_place_that_was_removed_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "one"
    os.close(spawn.reserve(directory))
    own = spawn._own

    def late(fd: int, name: str) -> None:
        own(fd, name)
        monkeypatch.undo()
        (directory / "lock").unlink()
        directory.rmdir()

    monkeypatch.setattr(spawn, "_own", late)
    fd = spawn.reserve(directory)
    assert os.path.samestat(os.fstat(fd), (directory / "lock").stat())
    os.close(fd)


def test_a_place_that_cannot_be_had_is_not_a_conflict(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("a file\n")
    with pytest.raises(Unreadable, match="cannot open"):
        start("true")
    (tmp_path / "sessions").unlink()
    (tmp_path / "sessions" / "one" / "lock").mkdir(parents=True)
    with pytest.raises(Unreadable, match="cannot open"):
        start("true")


def test_a_brief_that_cannot_be_written_is_an_error(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sessions" / "one" / "start.json").mkdir(parents=True)
    with pytest.raises(Failed, match=r"cannot write .*start\.json"):
        start("true")
    assert not seen.alive(tmp_path / "sessions" / "one")


def test_a_python_that_cannot_run_is_an_error(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nonesuch/python")
    with pytest.raises(Failed, match="cannot start /nonesuch/python: No such file"):
        start("true")


def test_a_supervisor_that_dies_at_once_is_an_error(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawn, "HOST", Path("/dev/null"))
    with pytest.raises(Failed, match="its supervisor died"):
        start("true")


def test_no_descriptor_stays_with_the_starter(start: Start) -> None:
    start("true", name="zero")
    before = len(os.listdir("/proc/self/fd"))
    start("sleep", "600")
    with pytest.raises(Failed):
        start("nonesuch", name="two")
    with pytest.raises(Conflict):
        start("true")
    assert len(os.listdir("/proc/self/fd")) == before
