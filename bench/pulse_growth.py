"""Thread, descriptor and memory growth of a pulse over 10^5 beats under a virtual clock."""

import asyncio
import gc
import os
import selectors
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
from harness import Row
from looop.loop.parts import Parts
from looop.loop.pulse import Pulse

BEATS = 100_000
SMOKE_BEATS = 500
# Until then, what is cached is filled.
WARM = 0.2


class _VirtualTime(selectors.DefaultSelector):
    """A clock, and the selector that moves it on instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            # Never less than a step that a float of this size can tell.
            self.now += max(timeout, 0.001)
        return ready


class _Usage:
    """What this process holds now."""

    def __init__(self) -> None:
        gc.collect()
        self.threads = threading.active_count()
        self.fds = len(os.listdir("/proc/self/fd"))
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        self.rss_kib = pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _pulse(parts: Parts, clock: _VirtualTime, beats: int, look: Callable[[], None]) -> float:
    """Run that many beats and look when it is warm and at the end; CPU milliseconds of a beat."""
    pulse = Pulse(parts, lambda: parts.config)
    seen = 0

    def listen(event: str, _fields: dict[str, Any]) -> None:
        nonlocal seen
        if event != "beat_ended":
            return
        seen += 1
        if seen in (int(beats * WARM), beats):
            look()
        if seen == beats:
            pulse.stop("enough")

    parts.listener = listen
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = clock.monotonic
    began = time.process_time()
    try:
        loop.run_until_complete(pulse.run())
    finally:
        loop.close()
    return (time.process_time() - began) / beats * 1000


def measure(smoke: bool) -> Row:
    """What the process holds after a fifth of the beats and after all of them."""
    beats = SMOKE_BEATS if smoke else BEATS
    clock = _VirtualTime()
    looks: list[_Usage] = []
    with harness.profile(goals=3) as data:
        parts = harness.open_profile(data, clock=clock)
        each_ms = _pulse(parts, clock, beats, lambda: looks.append(_Usage()))
    warm, end = looks
    threads, fds = end.threads - warm.threads, end.fds - warm.fds
    return Row(
        figure=f"growth of the pulse over {beats:,} beats",
        target="no thread, no fd",
        here=f"{threads:+d} threads, {fds:+d} fds, {end.rss_kib - warm.rss_kib:+d} KiB",
        reference="",
        ratio=None,
        method=f"virtual clock, {each_ms:.2f} ms CPU a beat",
        met=threads <= 0 and fds <= 0,
    )


if __name__ == "__main__":
    harness.main(measure)
