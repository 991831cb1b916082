"""A session is seen as what it is, by its files and its lock, whoever else lies about it."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from looop.errors import NotFound, Unreadable
from looop.kit import identity
from looop.sessions import seen, spawn
from tests.sessions.conftest import Start
from tests.sessions.host.support import end, meta, said, status, supervisor_killed


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_session_is_seen_as_it_is(start: Start) -> None:
    directory = start("sh", "-c", "echo hello; exec sleep 600", columns=90, labels={"goal": "x"})
    said(directory, b"hello")

    found = seen.look(directory)

    assert (found.id, found.state, found.alive, found.generation) == ("one", "running", True, "g1")
    assert found.argv[0] == "sh"
    assert (found.columns, found.rows) == (90, 24)
    assert (found.pid, found.supervisor) == (status(directory).pid, meta(directory).pid)
    assert found.started_at <= found.wrote_at
    assert found.ended_at == 0.0
    assert found.bytes == len(b"hello\r\n")
    assert found.labels == {"goal": "x"}


def test_absent_is_not_found_and_what_cannot_be_looked_at_is_not_absent(tmp_path: Path) -> None:
    for look in (seen.look, seen.alive):
        with pytest.raises(NotFound):
            look(tmp_path / "one")
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(NotFound):
            look(tmp_path / "empty")
        (tmp_path / "file").touch()
        with pytest.raises(NotFound):
            look(tmp_path / "file")
        with pytest.raises(Unreadable):
            look(tmp_path / "file" / "one")


def test_a_reboot_or_a_number_that_is_used_again_makes_nothing_alive(start: Start) -> None:
    directory = start("sleep", "600")
    supervisor_killed(directory)
    mine = identity.mine()
    for fields in (
        {"pid": mine.pid},
        {"pid": mine.pid, "started": mine.started, "boot": mine.boot},
        {"boot": "another"},
    ):
        edit(directory / "meta.json", **fields)
        assert not seen.alive(directory)
        assert seen.look(directory).state == "dead"


def test_where_locks_cannot_be_looked_at_the_process_is(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = start("sleep", "600")

    def refuse(_fd: int, _how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert seen.look(directory).state == "running"
    before = (directory / "meta.json").read_text()
    for fields in ({"boot": "another"}, {"started": "1"}, {"pid": 2**22 + 1}):
        edit(directory / "meta.json", **fields)
        assert seen.look(directory).state == "dead"
        (directory / "meta.json").write_text(before)
    (directory / "meta.json").unlink()
    found = seen.look(directory)
    assert (found.state, found.alive) == ("unreadable", True), "not known to be dead"
    with pytest.raises(Unreadable, match="No locks available"):
        seen.alive(directory)


@pytest.mark.parametrize("name", ["meta.json", "status.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 5}', b"\xff\xfe", None])
def test_records_that_cannot_be_read_are_neither_dead_nor_absent(
    start: Start, name: str, content: bytes | None
) -> None:
    directory = start("sleep", "600")
    (directory / name).unlink()
    if content is None:
        (directory / name).mkdir()
    else:
        (directory / name).write_bytes(content)

    found = seen.look(directory)

    assert (found.state, found.alive) == ("unreadable", True)
    assert name in found.reason


def test_a_newer_record_is_read(start: Start) -> None:
    directory = start("true")
    end(directory)
    edit(directory / "meta.json", protocol=99, colour="blue")
    edit(directory / "status.json", mood="good")
    assert seen.look(directory).state == "exited"


def test_a_lock_that_is_none_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "one" / "lock").mkdir(parents=True)
    found = seen.look(tmp_path / "one")
    assert (found.state, found.alive) == ("unreadable", True)


def test_a_start_is_seen_as_one(start: Start, tmp_path: Path) -> None:
    directory = tmp_path / "sessions" / "one"
    fd = spawn.reserve(directory)
    assert seen.look(directory).state == "starting"
    os.close(fd)
    found = seen.look(directory)
    assert (found.state, found.reason) == ("dead", "its start was cut off")

    start("true")
    end(directory)
    fd = spawn.reserve(directory)
    (directory / "start.json").write_text("{}")
    found = seen.look(directory)
    assert (found.state, found.alive, found.ended_at > 0) == ("starting", True, True)
    (directory / "start.json").unlink()
    edit(directory / "meta.json", generation="g2")
    assert seen.look(directory).state == "starting"
    os.close(fd)
    found = seen.look(directory)
    assert (found.state, found.reason) == ("dead", "its supervisor died while it started")
    assert (found.generation, found.code) == ("g2", None)


def test_looking_changes_nothing(start: Start) -> None:
    directory = start("true")
    end(directory)
    before = {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}
    fds = len(os.listdir("/proc/self/fd"))
    seen.look(directory)
    seen.names(directory.parent)
    assert {path.name: path.stat().st_mtime_ns for path in directory.iterdir()} == before
    assert len(os.listdir("/proc/self/fd")) == fds


def test_a_fleet_is_listed_with_what_is_in_the_way(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "sessions"
    assert seen.names(root) == ([], [])
    start("true", name="b")
    start("true", name="a")
    (root / "file").touch()
    (root / "no such name!").mkdir()
    (root / "link").symlink_to(root / "a")
    (root / "notes").mkdir()
    (root / "notes" / "mine.txt").touch()
    (root / "being-made").mkdir()
    (root / ".hidden").mkdir()

    found, problems = seen.names(root)

    assert found == ["a", "b"]
    assert len(problems) == 4
    assert all("is no session" in line and "\n" not in line for line in problems)


def test_a_fleet_that_cannot_be_listed_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("a file\n")
    with pytest.raises(Unreadable, match="cannot list"):
        seen.names(tmp_path / "sessions")
