"""One owner of a profile at a time, and an honest word about who it is."""

import os
from pathlib import Path

import pytest

from looop.errors import AlreadyRuns, Unreadable
from looop.loop import lock
from looop.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "data" / "config.toml")


def second_owner(paths: Paths) -> str:
    """What someone who comes second is told."""
    with pytest.raises(AlreadyRuns) as refused, lock.owned(paths):
        pass
    return str(refused.value)


def test_a_profile_has_one_owner(paths: Paths) -> None:
    with lock.owned(paths):
        assert lock.held(paths)
        assert second_owner(paths) == (
            f"a pulse holds {paths.data} already; `looop status` shows it"
        )
        assert lock.held(paths)
    assert not lock.held(paths)
    with lock.owned(paths):
        pass


def test_it_is_let_go_when_its_owner_fails(paths: Paths) -> None:
    with pytest.raises(ZeroDivisionError), lock.owned(paths):
        raise ZeroDivisionError

    assert not lock.held(paths)


def test_looking_never_looks_like_an_owner(paths: Paths) -> None:
    with lock.owned(paths):
        pass
    with lock._probe(paths.pulse_lock):
        assert not lock.held(paths)


def test_looking_makes_no_file(paths: Paths) -> None:
    assert not lock.held(paths)
    assert lock.note(paths) is None
    assert not paths.data.exists()


def test_the_file_is_never_removed_so_that_there_is_one_inode(paths: Paths) -> None:
    with lock.owned(paths):
        inode = paths.pulse_lock.stat().st_ino
    with lock.owned(paths):
        assert paths.pulse_lock.stat().st_ino == inode
        assert paths.pulse_lock.stat().st_mode & 0o777 == 0o600


def test_no_descriptor_is_left_or_inherited(paths: Paths) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with lock.owned(paths):
        ours = [fd for fd in map(int, os.listdir("/proc/self/fd")) if _leads_to(fd, paths)]
        assert len(ours) == 1
        assert not os.get_inheritable(ours[0])
    assert len(os.listdir("/proc/self/fd")) == before


def _leads_to(fd: int, paths: Paths) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == str(paths.pulse_lock)
    except OSError:
        return False


def test_a_lock_that_cannot_be_looked_at_is_not_a_free_one(paths: Paths) -> None:
    paths.pulse_lock.mkdir(parents=True)

    with pytest.raises(Unreadable, match="cannot look at"):
        lock.held(paths)
    with pytest.raises(Unreadable, match="cannot open"), lock.owned(paths):
        pass


def test_a_directory_that_cannot_be_made_is_said_so(paths: Paths) -> None:
    paths.data.write_text("a file\n")

    with pytest.raises(Unreadable), lock.owned(paths):
        pass


def test_a_note_that_makes_no_sense_is_no_note(paths: Paths) -> None:
    paths.state.mkdir(parents=True)
    paths.pulse_note.write_text("{")

    assert lock.note(paths) is None
    with lock.owned(paths):
        assert second_owner(paths).startswith("a pulse holds ")
