"""A loop that has nothing to do, for a long time: nothing grows and nothing is written."""

import asyncio
import gc
import os
import threading
from pathlib import Path

from looop.loop.beat import beat
from tests.support.leftovers import nothing_left, unsynced
from tests.support.profile import Profile

__all__ = ["nothing_left", "unsynced"]

BEATS = 2000


def _stamps(profile: Profile) -> dict[str, tuple[int, int, int]]:
    found: dict[str, tuple[int, int, int]] = {}
    for path in profile.data.rglob("*"):
        # Every look is an event; that log, and its one old generation, are what grows.
        if path.is_file() and not path.name.startswith(("events.jsonl", ".dirlock")):
            state = path.stat()
            found[str(path)] = (state.st_ino, state.st_mtime_ns, state.st_size)
    return found


def test_two_thousand_unchanged_beats_leave_everything_as_it_was(tmp_path: Path) -> None:
    profile = Profile(tmp_path, noop_ttl=0, log_max_bytes=65536)
    for number in range(5):
        profile.goal(f"g{number}")
        profile.reading(f"s{number}", number, header="trust=own interval=52w")
    profile.control.write_schedule("t", in_s=9e7, every_s=None, cron=None, note="", catch_up="once")
    for _ in range(3):
        profile.beat()

    async def many(count: int) -> set[str]:
        ends: set[str] = set()
        for _ in range(count):
            profile.clock.forward(60)
            ends.add((await beat(profile.parts)).kind)
            profile.told.clear()
        return ends

    def tracked() -> tuple[int, int, int]:
        gc.collect()
        return (len(os.listdir("/proc/self/fd")), threading.active_count(), len(gc.get_objects()))

    assert asyncio.run(many(100)) == {"rested"}
    stamps = _stamps(profile)
    before = tracked()

    assert asyncio.run(many(BEATS)) == {"rested"}

    after = tracked()
    assert _stamps(profile) == stamps
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 100
    assert profile.launches == 1
    assert (profile.data / "events.jsonl").stat().st_size <= 65536 + 1024
