"""Who a process is: a number that is used again does not make the old process alive."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.kit import identity
from looop.kit.identity import Identity
from tests.support.crowd import started


def of(pid: int) -> Identity:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return Identity(pid=pid, started=stat.rpartition(")")[2].split()[19], boot=identity.boot_id())


def test_the_calling_process_is_alive() -> None:
    me = identity.mine()
    assert me == of(os.getpid())
    assert identity.alive(me)


def test_an_identity_survives_being_kept_on_disk() -> None:
    me = identity.mine()
    kept = msgspec.json.decode(msgspec.json.encode(me), type=Identity)
    assert kept == me
    assert identity.alive(kept)


def test_a_child_is_alive_until_it_has_ended_and_a_zombie_has_ended() -> None:
    with started("nothing") as child:
        assert child.stdin is not None
        who = of(child.pid)
        assert identity.alive(who)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not identity.alive(who), "it is a zombie now"
    assert not identity.alive(who), "it is reaped now"


def test_a_number_that_was_given_to_another_process_is_not_the_old_one() -> None:
    me = identity.mine()
    assert not identity.alive(msgspec.structs.replace(me, started="1"))


def test_no_process_survives_another_boot() -> None:
    me = identity.mine()
    assert me.boot
    assert not identity.alive(msgspec.structs.replace(me, boot="another-boot"))


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**31])
def test_a_number_that_no_process_can_have_is_not_alive(pid: int) -> None:
    assert not identity.alive(Identity(pid=pid, started="1", boot=identity.boot_id()))


def test_a_name_with_brackets_and_blanks_does_not_confuse_it(tmp_path: Path) -> None:
    """The name of a program stands in the very line that is read, unescaped."""
    odd = tmp_path / "a) Z 1 (b"
    odd.symlink_to("/bin/sleep")
    import subprocess

    with subprocess.Popen([str(odd), "600"]) as child:
        try:
            assert identity.alive(of(child.pid))
        finally:
            child.kill()


def test_what_cannot_be_told_counts_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    who = identity.mine()

    def refuse(_self: Path) -> Any:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert identity.alive(who)


@pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError])
def test_a_process_that_ends_while_it_is_looked_at_has_ended(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    who = identity.mine()

    def refuse(_self: Path) -> Any:
        raise error

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert not identity.alive(who)


def absent(_self: Path) -> bool:
    return False


def without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, *_args: Any, **_kwargs: Any) -> Any:
        raise FileNotFoundError

    for name in ("read_bytes", "read_text"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(Path, "exists", absent)


def test_without_a_proc_directory_the_number_alone_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with started("nothing") as child:
        without_proc(monkeypatch)
        me = identity.mine()
        assert me == Identity(pid=os.getpid(), started="", boot="")
        assert identity.alive(me)
        who = Identity(pid=child.pid, started="", boot="")
        assert identity.alive(who)
    assert not identity.alive(who)


def test_a_process_of_another_user_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    without_proc(monkeypatch)
    monkeypatch.setattr(os, "kill", refuse)
    assert identity.alive(Identity(pid=1, started="", boot=""))
