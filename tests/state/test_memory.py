"""The one record that commits a beat."""

import errno
import os
from typing import Any

import pytest

from looop.errors import Corrupt, Unreadable
from looop.model.records import Failure, Memory
from looop.paths import Paths
from looop.state import memory
from looop.state.store import Store

NOW = 1_783_066_530.0

pytestmark = pytest.mark.usefixtures("store")


def test_before_the_first_beat_there_is_nothing_to_remember(paths: Paths, store: Store) -> None:
    assert memory.load(paths) == Memory()
    assert memory.load_or_recover(paths, NOW) == (Memory(), "")
    assert not paths.memory.exists()


def test_what_is_stored_is_remembered(paths: Paths) -> None:
    kept = Memory(hash="h", items={"goal:a": "1"}, fails=2, failed_at=NOW, wake_at=NOW + 5)
    memory.store(paths, kept)
    assert memory.load(paths) == kept
    assert memory.load_or_recover(paths, NOW) == (kept, "")


@pytest.mark.parametrize("data", [b"", b"{", b'{"fails": "many"}', b"[]", b"\xff", b"\0" * 4096])
def test_a_memory_that_makes_no_sense_is_kept_aside_and_failures_are_assumed(
    paths: Paths, data: bytes
) -> None:
    paths.memory.write_bytes(data)
    with pytest.raises(Corrupt):
        memory.load(paths)
    assert paths.memory.read_bytes() == data, "looking changes nothing"

    found, aside = memory.load_or_recover(paths, NOW)

    assert found.fails == memory.ASSUMED_FAILS
    assert found.failed_at == NOW
    assert isinstance(found.failure, Failure)
    assert "memory.json" in found.failure.error
    assert os.path.dirname(aside) == str(paths.state)
    with open(aside, "rb") as evidence:
        assert evidence.read() == data
    assert memory.load(paths) == found, "the wait can elapse"
    assert memory.load_or_recover(paths, NOW + 60) == (found, "")


def test_the_evidence_of_an_earlier_accident_is_not_overwritten(paths: Paths) -> None:
    paths.memory.write_bytes(b"first")
    _, first = memory.load_or_recover(paths, NOW)
    paths.memory.write_bytes(b"second")
    _, second = memory.load_or_recover(paths, NOW)
    bodies: set[bytes] = set()
    for aside in (first, second):
        with open(aside, "rb") as evidence:
            bodies.add(evidence.read())
    assert bodies == {b"first", b"second"}


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_a_memory_that_cannot_be_looked_at_is_not_an_empty_one(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    memory.store(paths, Memory(hash="h"))
    real = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("memory.json"):
            raise OSError(code, os.strerror(code))
        return real(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        for look in (lambda: memory.load(paths), lambda: memory.load_or_recover(paths, NOW)):
            with pytest.raises(Unreadable) as caught:
                look()
            assert not isinstance(caught.value, Corrupt)
    assert memory.load(paths) == Memory(hash="h")
    assert [name for name in os.listdir(paths.state) if "corrupt" in name] == []


def test_a_store_that_fails_forgets_nothing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.store(paths, Memory(hash="old"))

    def refuse(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space"):
            memory.store(paths, Memory(hash="new"))
    assert memory.load(paths) == Memory(hash="old")
