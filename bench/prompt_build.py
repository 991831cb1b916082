"""The prompt of a decision: 256 KiB chosen from 1,000 goals."""

import asyncio
from functools import partial

import harness
from harness import Row
from looop.loop import stages
from looop.loop.sense.look import look
from looop.model.records import Memory

BUDGET = 256 * 1024


def measure(smoke: bool) -> Row:
    """Wall time of one prompt; reference: joining and encoding the same text by lines."""
    with harness.profile(goals=1000, config=f"prompt_max_bytes = {BUDGET}\n") as data:
        harness.write_sensors(data, 20)
        parts = harness.open_profile(data)
        memory = Memory()
        seen = asyncio.run(
            look(parts.store, parts.fleet, parts.config, memory, parts.env, parts.clock)
        )
        sight = stages.assemble(parts, seen, memory, forced=False)

        def build() -> str:
            return stages.build_prompt(parts, sight, memory, [], "the world changed").text

        pieces = build().splitlines(keepends=True)
        size = sum(len(piece.encode()) for piece in pieces)
        assert BUDGET * 0.9 < size <= BUDGET, size
        here, bare = harness.interleaved(
            3 if smoke else 50,
            partial(harness.wall_ms, build),
            partial(harness.wall_ms, lambda: "".join(pieces).encode()),
        )
    return Row(
        figure="prompt of 256 KiB from 1,000 goals",
        target="< 50 ms",
        here=f"{harness.spread(here)} ms",
        reference=f"{harness.median(bare):.3g} ms",
        ratio=harness.median(here) / harness.median(bare),
        method="join and encode of its lines",
        met=harness.median(here) < 50,
    )


if __name__ == "__main__":
    harness.main(measure)
