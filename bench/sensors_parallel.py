"""100 sensors of 0.2 s each, 16 at a time: the wall time of one look."""

import asyncio
import math
import subprocess
from functools import partial

import harness
from harness import Row
from looop.loop.sense.look import look
from looop.model.records import Memory

SLEEP_S = 0.2
AT_ONCE = 16


def measure(smoke: bool) -> Row:
    """Wall time of a look that runs all of them; reference: `xargs -P16` over the same files."""
    count = 32 if smoke else 100
    ideal_ms = math.ceil(count / AT_ONCE) * SLEEP_S * 1000
    with harness.profile(config=f"sensor_concurrency = {AT_ONCE}\n") as data:
        harness.write_sensors(data, count, interval="0", command=f"sleep {SLEEP_S}")
        parts = harness.open_profile(data)
        names = "\n".join(str(path) for path in sorted((data / "sensors").iterdir()))

        def ours() -> None:
            seen = asyncio.run(
                look(parts.store, parts.fleet, parts.config, Memory(), parts.env, parts.clock)
            )
            assert len(seen.ran) == count, seen.ran
            assert not seen.failed, seen.failed

        def bare() -> None:
            subprocess.run(
                ["xargs", f"-P{AT_ONCE}", "-n1", "env"],
                input=names.encode(),
                stdout=subprocess.DEVNULL,
                check=True,
            )

        here, reference = harness.interleaved(
            1 if smoke else 5, partial(harness.wall_ms, ours), partial(harness.wall_ms, bare)
        )
    over = harness.median(here) / ideal_ms - 1
    return Row(
        figure=f"{count} sensors of 0.2 s, 16 at a time",
        target="within 15 % of ideal",
        here=f"{harness.median(here):.0f} ms, {over:+.1%} of {ideal_ms:.0f} ms",
        reference=f"{harness.median(reference):.0f} ms",
        ratio=harness.median(here) / harness.median(reference),
        method="xargs -P16 over the same scripts",
        met=over < 0.15,
    )


if __name__ == "__main__":
    harness.main(measure)
