"""The one record that commits a beat, and what to do when it makes no sense."""

from looop.errors import Corrupt
from looop.kit import clock, files
from looop.model.records import Failure, Memory
from looop.paths import Paths
from looop.state import table

__all__ = ["load", "load_or_recover", "store"]

# What is assumed of a lost failure counter: enough to wait as long as a wait ever lasts.
ASSUMED_FAILS = 4


def load(paths: Paths) -> Memory:
    """
    The memory of a profile; an empty one before the first beat.

    Raises `Unreadable` or `Corrupt`: a beat that cannot tell what was done must not do anything.
    """
    return table.load(paths.memory, Memory) or Memory()


def load_or_recover(paths: Paths, now: float) -> tuple[Memory, str]:
    """
    The memory, or a cautious new one when the record is corrupt, and where that was put.

    A corrupt record is kept aside. The new one assumes failures just now, so that nothing is
    spent before the longest backoff has passed; it is stored, so that the wait can elapse.
    Raises `Unreadable` when it cannot be looked at.
    """
    try:
        return load(paths), ""
    except Corrupt as error:
        stem = f"memory.corrupt-{clock.local_stamp(now)}"
        aside = paths.memory.with_name(f"{stem}.json")
        data = files.read_bytes(paths.memory)
        number = 0
        while data is not None and not files.create_exclusive(aside, data):
            number += 1
            aside = paths.memory.with_name(f"{stem}-{number}.json")
        memory = Memory(
            fails=ASSUMED_FAILS,
            failed_at=now,
            failure=Failure(at=now, run="", code="corrupt-memory", error=str(error)),
        )
        store(paths, memory)
        return memory, str(aside)


def store(paths: Paths, memory: Memory) -> None:
    """Commit: after this returns, the beat is remembered."""
    files.write_atomic(paths.memory, table.encode(memory))
