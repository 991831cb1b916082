"""The verbs that explain: status and state, from what is on disk, without running anything."""

from collections import Counter

import msgspec

from looop.config import Config
from looop.control.views import GateView, PulseView, StateView, StatusView
from looop.errors import LooopError
from looop.kit.clock import Clock
from looop.loop import crew, diff, gates, lock, steering
from looop.loop.gates import Moment
from looop.loop.sense import discover
from looop.loop.sense.peek import Look, peek
from looop.model.records import Memory
from looop.model.world import World
from looop.sessions.port import Fleet
from looop.state import memory as memories
from looop.state.logs import day_start
from looop.state.store import Store

__all__ = ["state", "status"]


def _memory(store: Store, problems: list[str]) -> Memory | None:
    """What the last beat left; None, and a problem, when it cannot be read."""
    try:
        return memories.load(store.paths)
    except LooopError as error:
        problems.append(str(error))
        return None


def _world(
    store: Store, fleet: Fleet, config: Config, memory: Memory, now: float
) -> tuple[World, Look]:
    seen = peek(store, fleet, config, memory, now)
    world = diff.assemble(
        playbook=seen.playbook,
        goals=seen.goals,
        readings=seen.readings,
        unseen=seen.unseen,
        steering=steering.digests(store.paths, config, seen.readings),
        problems=seen.problems,
    )
    return world, seen


def _pulse(store: Store, problems: list[str]) -> PulseView:
    running: bool | None = None
    try:
        running = lock.held(store.paths)
    except LooopError as error:
        problems.append(str(error))
    note = lock.note(store.paths)
    if note is None:
        return PulseView(
            running=running,
            pid=0,
            started=0,
            beats=0,
            last_beat=0,
            last_said="",
            next_beat=0,
            next_why="",
        )
    return PulseView(
        running=running,
        pid=note.owner.pid if running else 0,
        started=note.started if running else 0,
        beats=note.beats if running else 0,
        last_beat=note.beat_at,
        last_said=note.beat_said,
        next_beat=note.next_at if running else 0,
        next_why=note.next_why if running else "",
    )


def _workers(
    store: Store, fleet: Fleet, config: Config, now: float, problems: list[str]
) -> dict[str, int]:
    """How many living workers there are of each health."""
    try:
        members, trouble = crew.gather(store, fleet, config, now)
    except LooopError as error:
        problems.append(str(error))
        return {}
    problems += trouble
    return dict(Counter(m.health.word for m in members if m.session.alive))


def status(store: Store, fleet: Fleet, config: Config, clock: Clock) -> StatusView:
    """What the loop does or does not do now, and why; a thing that cannot be read is a problem."""
    now = clock.wall()
    problems: list[str] = []
    found = _memory(store, problems)
    memory = found or Memory()
    world, seen = _world(store, fleet, config, memory, now)
    problems += world.problems
    moment = Moment(hash=world.hash, policy=world.policy, now=now)
    spent = 0.0
    try:
        spent = store.ledger.spent_since(day_start(now))
    except LooopError as error:
        problems.append(str(error))
    spending = gates.Spending(
        today_usd=spent,
        day_ends=day_start(now, -1),
        signature=steering.runner_signature(config),
    )
    asks, trouble = store.asks.look()
    problems += trouble
    try:
        sensors = len(discover.discover(store.paths)[0])
    except LooopError:
        sensors = 0
    limit = config.flap_streak
    return StatusView(
        data_dir=str(store.paths.data),
        config=str(config.source or "defaults"),
        runner=config.runner,
        autonomy=config.autonomy,
        pulse=_pulse(store, problems),
        # Without the memory nobody can say which gate is closed.
        gates=[
            GateView(name=g.name, closed=g.closed, reason=g.reason, until=g.until)
            for g in gates.status(memory, moment, spending, config)
            if found is not None
        ],
        changed=[change.item for change in diff.changes(memory.items, world.items)],
        fails=memory.fails,
        failure=memory.failure.error if memory.failure else "",
        asks=[ask.id for ask in asks if ask.state == "pending"],
        flapping=[n for n, f in memory.flaps.items() if limit and f.streak >= limit],
        goals=len(seen.goals),
        sensors=sensors,
        workers=_workers(store, fleet, config, now, problems),
        cost_today_usd=round(spent, 6),
        max_daily_usd=config.max_daily_usd,
        problems=problems,
    )


def state(store: Store, fleet: Fleet, config: Config, clock: Clock) -> StateView:
    """The world as it is known now."""
    problems: list[str] = []
    memory = _memory(store, problems) or Memory()
    world, _ = _world(store, fleet, config, memory, clock.wall())
    return StateView(
        hash=world.hash,
        playbook=world.playbook is not None,
        goals=list(world.goals),
        readings={name: msgspec.to_builtins(r.as_json()) for name, r in world.readings.items()},
        changed=[change.item for change in diff.changes(memory.items, world.items)],
        problems=[*problems, *world.problems],
    )
