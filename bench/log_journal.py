"""Appending to the journal: how many lines a second, each of them durable."""

import os
from functools import partial
from pathlib import Path

import harness
from harness import Row
from looop.state.logs import Journal


def _append(path: Path, line: bytes, count: int) -> None:
    for _ in range(count):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(fd, line)
        os.fsync(fd)
        os.close(fd)


def measure(smoke: bool) -> Row:
    """Lines a second; reference: bare appends of the same line, synced."""
    count = 20 if smoke else 200
    line = Journal.line(1_800_000_000.0, harness.words(120, 3))
    with harness.profile() as data:
        journal = harness.open_profile(data).store.journal

        def ours() -> None:
            for _ in range(count):
                journal.add(line)

        here, reference = harness.interleaved(
            1 if smoke else 7,
            partial(harness.wall_ms, ours),
            partial(harness.wall_ms, partial(_append, data / "bare", line.encode() + b"\n", count)),
        )
    ours_s, bare_s = (harness.median(taken) / 1000 for taken in (here, reference))
    return Row(
        figure="journal appends",
        target="",
        here=f"{count / ours_s:,.0f} a second",
        reference=f"{count / bare_s:,.0f} a second",
        ratio=ours_s / bare_s,
        method="bare open, write, fsync, close",
        met=None,
    )


if __name__ == "__main__":
    harness.main(measure)
