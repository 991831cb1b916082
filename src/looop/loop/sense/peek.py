"""What is known without running anything: policy texts, published readings, system probes."""

from msgspec import Struct

from looop.config import Config
from looop.errors import LooopError
from looop.kit import files
from looop.loop.sense import discover, probes, readings
from looop.loop.sense.discover import Sensor
from looop.model.records import Memory, SensorStamp
from looop.model.world import Reading
from looop.sessions.port import Fleet
from looop.state.store import Store

__all__ = ["Look", "cached", "peek", "policy"]

_GOAL_LIMIT = 1 << 20


class Look(Struct, frozen=True, kw_only=True):
    """
    What was seen, before it is judged.

    A policy text that could not be read is in `unseen` (`playbook`, `goal:<id>`, `dir:goals`,
    `dir:sensors`), never simply missing. `ran` and `failed` name sensors.
    """

    playbook: str | None
    goals: dict[str, str]
    unseen: tuple[str, ...]
    readings: dict[str, Reading]
    problems: tuple[str, ...]
    ran: tuple[str, ...]
    failed: tuple[str, ...]
    took_s: float


def policy(store: Store) -> tuple[str | None, dict[str, str], list[str], list[str]]:
    """PLAYBOOK, goals, what of them could not be read, and one line for each problem."""
    unseen: list[str] = []
    problems: list[str] = []
    playbook: str | None = None
    goals: dict[str, str] = {}
    try:
        playbook = store.documents.playbook()
    except LooopError as error:
        unseen.append("playbook")
        problems.append(str(error))
    try:
        ids, strange = store.documents.goal_ids()
    except LooopError as error:
        unseen.append("dir:goals")
        problems.append(str(error))
        return playbook, goals, unseen, problems
    problems += [f"goals/{name!r}.md: its name breaks the grammar; ignored" for name in strange]
    for goal_id in ids:
        try:
            body = store.documents.goal(goal_id)
        except LooopError as error:
            unseen.append(f"goal:{goal_id}")
            problems.append(str(error))
            continue
        if body is not None:
            goals[goal_id] = body[:_GOAL_LIMIT]
    return playbook, goals, unseen, problems


def cached(store: Store, sensor: Sensor, stamp: SensorStamp) -> Reading | None:
    """The published reading of a sensor that is not due; None if it must run after all."""
    try:
        data = files.read_bytes(store.paths.snapshot(sensor.snapshot))
    except LooopError:
        return None
    if data is None:
        return None
    return readings.from_snapshot(
        sensor.snapshot, data, at=stamp.at, trust=sensor.header.trust, ok=stamp.ok
    )


def peek(store: Store, fleet: Fleet, config: Config, memory: Memory, now: float) -> Look:
    """The world as the last beat published it, with looop's own state as it is now."""
    playbook, goals, unseen, problems = policy(store)
    seen: dict[str, Reading] = {}
    try:
        found, trouble = discover.discover(store.paths)
        problems += trouble
        stamps = store.stamps()
    except LooopError as error:
        unseen.append("dir:sensors")
        problems.append(str(error))
        found, stamps = [], {}
    for sensor in found:
        stamp = stamps.get(sensor.name)
        reading = cached(store, sensor, stamp) if stamp else None
        if reading is not None:
            seen[sensor.snapshot] = reading
    context = probes.Context(
        store=store, fleet=fleet, config=config, memory=memory, goals=goals, now=now
    )
    seen |= probes.run_all(context)
    return Look(
        playbook=playbook,
        goals=goals,
        unseen=tuple(unseen),
        readings=dict(sorted(seen.items())),
        problems=tuple(problems),
        ran=(),
        failed=(),
        took_s=0.0,
    )
