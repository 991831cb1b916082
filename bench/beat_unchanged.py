"""An unchanged beat over 50 sensors that are not due and 100 goals: CPU, and no process."""

import asyncio
import os
import resource
from functools import partial
from pathlib import Path

import harness
from harness import Row
from looop.loop.beat import beat


def _children() -> tuple[int, float]:
    """What ended children of this process have used; the same while none was started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_minflt, usage.ru_utime + usage.ru_stime


def _read(data: Path) -> None:
    for name in ("goals", "sensors", "snapshots"):
        for entry in os.scandir(data / name):
            if entry.is_file():
                with open(entry.path, "rb") as handle:
                    handle.read()


def measure(smoke: bool) -> Row:
    """CPU of one beat that finds nothing new; reference: reading the same files, bare."""
    with harness.profile(goals=100, events=10_000) as data, asyncio.Runner() as runner:
        harness.write_sensors(data, 50)
        parts = harness.open_profile(data)

        def one() -> None:
            end = runner.run(beat(parts))
            assert end.kind == "rested", end

        runner.run(beat(parts))
        children = _children()
        here, bare = harness.interleaved(
            3 if smoke else 50,
            partial(harness.cpu_ms, one),
            partial(harness.cpu_ms, partial(_read, data)),
        )
        spawned = _children() != children
    return Row(
        figure="unchanged beat, 50 sensors not due, 100 goals",
        target="< 20 ms CPU, no process",
        here=f"{harness.spread(here)} ms, {'A PROCESS' if spawned else 'no process'}",
        reference=f"{harness.median(bare):.3g} ms",
        ratio=harness.median(here) / harness.median(bare),
        method="bare read of the same files",
        met=harness.median(here) < 20 and not spawned,
    )


if __name__ == "__main__":
    harness.main(measure)
