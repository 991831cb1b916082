"""What looop adds to a decision: from the launch of a custom runner to the journal's line."""

import asyncio
import subprocess
import time
from functools import partial
from typing import Any

import harness
from harness import Row
from looop.loop.beat import beat

CONFIG = """\
runner = "echo"
max_decides_per_hour = 0
[runners.echo]
tick = '''echo '{"action": "noop", "reason": "nothing", "journal": "looked"}' '''
"""


def measure(smoke: bool) -> Row:
    """Wall time of a forced beat's decision and move; references: a bare `bash -c echo`, fsyncs."""
    times: dict[str, float] = {}

    def listen(event: str, _fields: dict[str, Any]) -> None:
        times[event] = time.perf_counter()

    with harness.profile(goals=20, config=CONFIG) as data, asyncio.Runner() as runner:
        parts = harness.open_profile(data, listener=listen)

        def ours() -> float:
            end = runner.run(beat(parts, forced=True))
            assert end.kind == "acted", end
            return (times["acted"] - times["decide_started"]) * 1000

        def bare() -> None:
            subprocess.run(["bash", "-c", "echo {}"], stdout=subprocess.PIPE, check=True)

        bare_dir = data / "bare"
        bare_dir.mkdir()
        fsyncs = harness.fsyncs(ours)
        here, spawn, synced = harness.interleaved(
            3 if smoke else 30,
            ours,
            partial(harness.wall_ms, bare),
            partial(harness.wall_ms, partial(harness.published, bare_dir, fsyncs)),
        )
        lines = len(parts.store.journal.tail(1000))
    assert lines == len(here) + 2, lines
    floor = harness.median(spawn) + harness.median(synced)
    return Row(
        figure="a decision: launch of the runner to the journal",
        target="",
        here=f"{harness.spread(here)} ms, {fsyncs} fsyncs",
        reference=f"{harness.median(spawn):.3g} ms, {floor:.3g} ms with fsyncs",
        ratio=harness.median(here) / floor,
        method="a bare bash -c echo, and as many fsyncs by hand",
        met=None,
    )


if __name__ == "__main__":
    harness.main(measure)
