"""Appending to the event log: how many a second, with their sequence numbers."""

import os
from functools import partial
from pathlib import Path

import harness
from harness import Row


def _append(path: Path, count: int) -> None:
    for _ in range(count):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(fd, b"x" * 110 + b"\n")
        os.close(fd)


def measure(smoke: bool) -> Row:
    """Events a second on a log of 2 MB; reference: bare appends of such a line."""
    count = 100 if smoke else 1000
    with harness.profile(events=20_000) as data:
        store = harness.open_profile(data).store

        def ours() -> None:
            for number in range(count):
                assert store.events.add(1_800_000_000.0, "sensed", ok=number, failed=[], ran=0)

        here, reference = harness.interleaved(
            1 if smoke else 7,
            partial(harness.wall_ms, ours),
            partial(harness.wall_ms, partial(_append, data / "bare", count)),
        )
    ours_s, bare_s = (harness.median(taken) / 1000 for taken in (here, reference))
    return Row(
        figure="event appends",
        target="",
        here=f"{count / ours_s:,.0f} a second",
        reference=f"{count / bare_s:,.0f} a second",
        ratio=ours_s / bare_s,
        method="bare open, write, close",
        met=None,
    )


if __name__ == "__main__":
    harness.main(measure)
