"""One look at everything: policy texts, due sensors, probes, and what could not be seen."""

from collections.abc import Mapping

import msgspec

from looop.config import Config
from looop.errors import LooopError
from looop.kit import files
from looop.kit.clock import Clock
from looop.loop.sense import discover, peek, probes, readings, sensors
from looop.loop.sense.discover import Sensor
from looop.loop.sense.peek import Look
from looop.model.records import Memory
from looop.model.world import Reading
from looop.sessions.port import Fleet
from looop.state.store import Store

__all__ = ["look"]


def _prune(store: Store, owned: set[str]) -> None:
    for name in files.list_names(store.paths.snapshots):
        stem, _, ending = name.rpartition(".")
        if ending in ("json", "err") and stem not in owned:
            files.remove(store.paths.snapshots / name)


async def look(
    store: Store,
    fleet: Fleet,
    config: Config,
    memory: Memory,
    env: Mapping[str, str],
    clock: Clock,
) -> Look:
    """Look at the whole world once; runs what is due, and publishes every snapshot."""
    began = clock.monotonic()
    playbook, goals, unseen, problems = peek.policy(store)
    found: list[Sensor] = []
    try:
        found, trouble = discover.discover(store.paths)
        problems += trouble
        listed = True
    except LooopError as error:
        unseen.append("dir:sensors")
        problems.append(str(error))
        listed = False
    try:
        stamps = store.stamps()
    except LooopError:
        # Only cadence is lost: everything is due.
        stamps = {}
    now = clock.wall()
    seen: dict[str, Reading] = {}
    due: list[Sensor] = []
    for sensor in found:
        stamp = stamps.get(sensor.name)
        cached = None
        if stamp is not None and not discover.due(sensor, stamp, now):
            cached = peek.cached(store, sensor, stamp)
        if cached is None:
            due.append(sensor)
        else:
            seen[sensor.snapshot] = cached
    taken = await sensors.run_due(due, store.paths, config, env, clock)
    for reading, _ in taken.values():
        seen[reading.name] = reading
    if taken:
        kept = {s.name: stamps[s.name] for s in found if s.name in stamps}
        store.keep_stamps(kept | {name: stamp for name, (_, stamp) in taken.items()})
    context = probes.Context(
        store=store,
        fleet=fleet,
        config=config,
        memory=memory,
        goals=goals,
        now=clock.wall(),
    )
    for name, reading in probes.run_all(context).items():
        seen[name] = reading
        _keep_probe(store, reading)
    if listed:
        _prune(store, set(seen))
    return Look(
        playbook=playbook,
        goals=goals,
        unseen=tuple(unseen),
        readings=dict(sorted(seen.items())),
        problems=tuple(problems),
        ran=tuple(sorted(taken)),
        failed=tuple(sorted(name for name, (reading, _) in taken.items() if not reading.ok)),
        took_s=clock.monotonic() - began,
    )


def _keep_probe(store: Store, reading: Reading) -> None:
    # Ages change at every look; a snapshot whose signal is the same is not written again, so
    # that an idle loop does not write.
    path = store.paths.snapshot(reading.name)
    data = msgspec.json.encode(reading.as_json()) + b"\n"
    try:
        old = files.read_bytes(path)
        if old is not None:
            before = readings.from_snapshot(reading.name, old, at=0, trust="own", ok=True)
            if before is not None and before.signal == reading.signal:
                return
        files.write_atomic(path, data, durable=False)
    except (LooopError, OSError):
        return
