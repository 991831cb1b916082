"""Hash and diff of 1,000 goals and 200 snapshots, without reading them."""

import hashlib
from functools import partial

import harness
from harness import Row
from looop.kit import canon
from looop.loop import diff
from looop.model.world import Reading


def _reading(number: int, count: int) -> Reading:
    rows = {f"row-{n}": {"state": "open", "age": n, "by": "someone"} for n in range(20)}
    signal = {"count": count, "level": "fine", "rows": rows}
    return Reading(name=f"sensor-s{number:03d}", signal=signal, detail={"at": number})


def measure(smoke: bool) -> Row:
    """CPU from a look to a world and its changes; reference: BLAKE2b over the same bytes."""
    goals = {f"goal-{n:04d}": harness.words(1500, n) for n in range(1000)}
    readings = {r.name: r for r in (_reading(n, n) for n in range(200))}
    before = diff.assemble(playbook="old", goals=goals, readings=readings)
    goals["goal-0007"] += "changed\n"
    readings["sensor-s007"] = _reading(7, 8)

    def ours() -> None:
        world = diff.assemble(playbook="new", goals=goals, readings=readings)
        changes = diff.changes(before.items, world.items)
        assert len(changes) == 3, changes

    data = [body.encode() for body in goals.values()]
    data += [canon.canonical(reading.signal).encode() for reading in readings.values()]

    def bare() -> None:
        for body in data:
            hashlib.blake2b(body, digest_size=16).hexdigest()

    here, reference = harness.interleaved(
        3 if smoke else 50, partial(harness.cpu_ms, ours), partial(harness.cpu_ms, bare)
    )
    size = sum(map(len, data)) / 1e6
    return Row(
        figure="hash + diff of 1,000 goals and 200 snapshots",
        target="< 25 ms",
        here=f"{harness.spread(here)} ms",
        reference=f"{harness.median(reference):.3g} ms",
        ratio=harness.median(here) / harness.median(reference),
        method=f"hashlib over the same {size:.1f} MB",
        met=harness.median(here) < 25,
    )


if __name__ == "__main__":
    harness.main(measure)
