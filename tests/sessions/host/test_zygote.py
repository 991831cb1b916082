"""Sessions that were forked from a zygote are like any other, and do not need it any more."""

import os
import signal
from pathlib import Path

import pytest

from looop.errors import Failed
from looop.sessions import dial, seen, spawn
from tests.sessions.conftest import Start, supervisors
from tests.sessions.host.support import ask, end, meta, output, running, said, status
from tests.support.program import wait_for


@pytest.fixture
def zygote(tmp_path: Path, start: Start) -> Path:
    """Ended with the sessions of the test."""
    directory = tmp_path / "zygote"
    assert spawn.start_zygote(directory, version="1")
    return directory


def process(tmp_path: Path, zygote: Path) -> int:
    """The zygote itself."""
    pids = supervisors(tmp_path)
    (found,) = [pid for pid in pids if os.path.exists(f"/proc/{pid}") and _listens(pid, zygote)]
    return found


def _listens(pid: int, zygote: Path) -> bool:
    try:
        leads = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    except OSError:
        return False
    return str(zygote / "lock") in leads


def test_a_session_comes_from_it_and_is_on_its_own(
    start: Start, zygote: Path, tmp_path: Path
) -> None:
    directory = start("sh", "-c", "echo $$; ls /proc/self/fd; read go; exit 3", zygote=zygote)

    pid = meta(directory).pid
    assert b"--zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert os.getsid(pid) == pid
    mine = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert not any(str(zygote) in path for path in mine), "it holds nothing of the zygote's"
    its = process(tmp_path, zygote)
    theirs = {os.readlink(f"/proc/{its}/fd/{fd}") for fd in os.listdir(f"/proc/{its}/fd")}
    assert not any(str(directory) in path for path in theirs), "nor the zygote of the session's"
    ask(directory, "type", hex=b"\n".hex())
    assert end(directory).code == 3
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"))


def test_its_death_is_nothing_to_them_and_the_next_starts_without(
    start: Start, zygote: Path, tmp_path: Path
) -> None:
    one = start("cat", name="one", zygote=zygote)
    os.kill(process(tmp_path, zygote), signal.SIGKILL)

    two = start("cat", name="two", zygote=zygote)

    assert b"--zygote" not in Path(f"/proc/{meta(two).pid}/cmdline").read_bytes()
    for directory in (one, two):
        ask(directory, "type", hex=b"hello\n".hex())
        said(directory, b"hello")
        assert ask(directory, "kill")["killed"]
    assert spawn.start_zygote(zygote, version="1"), "and another can take its place"


def test_fifty_sessions_start_and_end(start: Start, zygote: Path) -> None:
    found = [start("sh", "-c", "echo $0; read go", str(n), name=f"s{n}", zygote=zygote)
             for n in range(50)]  # fmt: skip
    assert all(seen.look(directory).state == "running" for directory in found)
    for directory in found[:25]:
        assert ask(directory, "kill")["killed"]
    for directory in found[25:]:
        ask(directory, "type", hex=b"\n".hex())
    assert [end(directory).state for directory in found] == ["killed"] * 25 + ["exited"] * 25
    assert all(output(directory).startswith(b"%d\r\n" % n) for n, directory in enumerate(found))


def test_a_reason_comes_through_it(start: Start, zygote: Path) -> None:
    with pytest.raises(Failed, match="cannot run nonesuch: No such file"):
        start("nonesuch", zygote=zygote)
    assert start("true", name="two", zygote=zygote)


def test_one_of_another_version_is_not_used_and_goes(
    start: Start, zygote: Path, tmp_path: Path
) -> None:
    old = process(tmp_path, zygote)

    directory = start("sleep", "600", version="2", zygote=zygote)

    assert b"--zygote" not in Path(f"/proc/{meta(directory).pid}/cmdline").read_bytes()
    wait_for(lambda: not running(old))
    assert spawn.start_zygote(zygote, version="2")


def test_one_that_does_not_answer_is_not_waited_for(
    start: Start, zygote: Path, tmp_path: Path
) -> None:
    os.kill(process(tmp_path, zygote), signal.SIGSTOP)
    directory = start("sleep", "600", zygote=zygote)
    assert status(directory).state == "running"


def test_there_is_one_and_it_goes_when_asked(zygote: Path, tmp_path: Path) -> None:
    assert not spawn.start_zygote(zygote, version="1")
    pid = process(tmp_path, zygote)
    assert spawn.stop_zygote(zygote)
    assert spawn.start_zygote(zygote, version="1"), "its place is free once it has answered"
    assert spawn.stop_zygote(zygote)
    assert not spawn.stop_zygote(zygote)
    assert not (zygote / "zygote.sock").exists()
    wait_for(lambda: not running(pid))


def test_one_that_nobody_asks_anything_goes(start: Start, tmp_path: Path) -> None:
    directory = tmp_path / "zygote"
    assert spawn.start_zygote(directory, version="1", idle_s=0.2)
    wait_for(lambda: not seen.alive(directory))
    assert not (directory / "zygote.sock").exists()


def test_nonsense_does_not_end_it(zygote: Path, start: Start) -> None:
    for data in (b"", b"hello", b"{}", b'{"op":"start"}', b'{"op":"start","directory":"/"}'):
        with dial.connect(zygote, "zygote.sock") as sock:
            sock.settimeout(20)
            assert b'"version"' in sock.recv(1000)
            sock.sendall(data)
    directory = start("sleep", "600", zygote=zygote)
    assert b"--zygote" in Path(f"/proc/{meta(directory).pid}/cmdline").read_bytes()


def test_one_that_cannot_run_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "zygote").mkdir()
    (tmp_path / "zygote" / "zygote.sock").mkdir()
    with pytest.raises(Failed, match="no zygote can start"):
        spawn.start_zygote(tmp_path / "zygote", version="1")
