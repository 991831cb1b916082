"""What each kind of ending leaves for the next beat: pure changes of the one memory record."""

from collections.abc import Mapping

import msgspec

from looop.config import Config
from looop.loop import diff, gates
from looop.loop.act import expected
from looop.loop.stages import Sight
from looop.model.actions import Action, ArchiveGoal, Decision, WriteGoal
from looop.model.records import Failure, Memory, Shell
from looop.model.world import World

__all__ = ["after_approval", "after_failure", "after_reflex", "after_success"]

SHELL_NUDGE_S = 5.0


def _served(memory: Memory, decision: Decision, world: World, now: float) -> dict[str, float]:
    ids = {decision.goal} if decision.goal else set[str]()
    if isinstance(decision.action, WriteGoal | ArchiveGoal):
        ids.add(decision.action.id)
    known = {goal: at for goal, at in memory.served.items() if goal in world.goals}
    return known | dict.fromkeys(ids, now)


def after_success(
    memory: Memory,
    sight: Sight,
    now: float,
    *,
    decision: Decision,
    items: dict[str, str],
    shell: Shell | None,
    nudge: bool,
    config: Config,
    dropped: tuple[str, ...] = (),
) -> Memory:
    """The memory after a decision was carried out: `items` are what it was decided upon."""
    noop = decision.action.__struct_config__.tag == "noop"
    wake = 0.0
    if decision.next_interval_s:
        wake = now + gates.clamp_interval(decision.next_interval_s, config)
    elif nudge:
        wake = now + SHELL_NUDGE_S
    return msgspec.structs.replace(
        memory,
        hash=diff.fingerprint(items),
        items=items,
        decided_at=now,
        fails=0,
        failed_at=0.0,
        failed_policy="",
        failure=None,
        noop_at=now if noop else 0.0,
        wake_at=wake,
        shell=shell,
        notices=(),
        served=_served(memory, decision, sight.world, now),
        dropped=dropped,
        handled={},
        moved=not noop,
    )


def after_reflex(
    memory: Memory,
    sight: Sight,
    now: float,
    *,
    decision: Decision,
    covers: frozenset[str],
    items: dict[str, str],
    shell: Shell | None,
) -> Memory:
    """
    The memory after a reflex: only what the rule looks at, and what it did itself (`items` are
    the world with that in it), counts as dealt with.

    What else changed is still to be decided upon, by the next rule or by the runner.
    """
    seen = {item: value for item, value in sight.world.items.items() if item in covers}
    seen |= {item: value for item, value in items.items() if sight.world.items.get(item) != value}
    return msgspec.structs.replace(
        memory,
        fails=0,
        failed_at=0.0,
        failed_policy="",
        failure=None,
        shell=shell or memory.shell,
        served=_served(memory, decision, sight.world, now),
        handled=memory.handled | seen,
        moved=decision.action.__struct_config__.tag != "noop",
    )


def after_failure(
    memory: Memory, sight: Sight, now: float, *, run: str, code: str, error: str
) -> Memory:
    """The memory after a beat that came to nothing: the world stays undecided."""
    return msgspec.structs.replace(
        memory,
        fails=memory.fails + 1,
        failed_at=now,
        failed_policy=sight.moment.policy,
        failure=Failure(at=now, run=run, code=code, error=error),
        moved=False,
    )


def after_approval(
    memory: Memory,
    now: float,
    *,
    action: Action,
    closed: list[str],
    shell: Shell | None,
    sessions: Mapping[str, Mapping[str, str]],
    nudge: bool,
) -> Memory:
    """
    The memory after an approved move. It decided nothing: the world stays as undecided as it
    was, but for what the move itself did to it.
    """
    items = expected.sessions_after(expected.after(action, memory.items, now), sessions)
    items = expected.asks_after(items, closed=closed)
    return msgspec.structs.replace(
        memory,
        items=items,
        hash=diff.fingerprint(items) if memory.hash else "",
        shell=shell or memory.shell,
        wake_at=now + SHELL_NUDGE_S if nudge else memory.wake_at,
        fails=0,
        failure=None,
        moved=True,
    )
