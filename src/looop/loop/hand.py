"""A move by a human's own hand: the same policy, executor, record and journal as any other."""

import asyncio
from typing import Any

import msgspec

from looop.errors import Failed, LooopError, Refused
from looop.kit import identity, text
from looop.loop import recover, stages
from looop.loop.act import execute
from looop.loop.parts import Parts
from looop.model import actions
from looop.model.actions import Action, Decision
from looop.model.records import BeatRecord, Outcome, Shell
from looop.state.logs import Journal

__all__ = ["perform"]


def perform(
    parts: Parts, action: Action, journal: str = "", goal: str = ""
) -> tuple[Outcome, Shell | None]:
    """
    Admit and carry out one move as origin `human`.

    Raises `Refused` when a floor or a rule says no and `Failed` when it was tried and did not
    work; both leave a record. Not to be called inside an event loop.
    """
    return asyncio.run(_perform(parts, action, journal, goal))


async def _perform(
    parts: Parts, action: Action, journal: str, goal: str
) -> tuple[Outcome, Shell | None]:
    store = parts.store
    store.ensure()
    now = parts.clock.wall()
    run = store.runs.create("hand", now)
    record = BeatRecord(
        run=run,
        phase="decided",
        origin="human",
        owner=identity.mine(),
        began=now,
        decider="human",
        action=actions.as_dict(action),
        digest=actions.digest(action),
        journal=journal,
        goal=goal,
    )
    store.runs.write(record)
    made = Decision(action=action, goal=goal)
    verdict = stages.admit(parts, made, "human", "own", _no_facts())
    if verdict.verdict != "allow":
        record = msgspec.structs.replace(record, phase="done", verdict=verdict, ended=now)
        store.runs.write(record)
        tag = actions.tag_of(action)
        parts.tell("denied", run=run, action=tag, rule=verdict.rule, reason=verdict.reason)
        raise Refused(f"{verdict.rule} refuses this: {verdict.reason}")
    if recover.is_policy_write(action):
        recover.keep_history(parts, "changes by hand")
    record = msgspec.structs.replace(record, phase="acting", verdict=verdict)
    store.runs.write(record)
    try:
        effect = await execute.execute(action, parts, run_id=run, goal=goal, by="human")
    except (LooopError, OSError) as error:
        store.runs.write(msgspec.structs.replace(record, phase="done", error=str(error), ended=now))
        raise
    outcome = effect.outcome
    words = journal or outcome.summary
    line = Journal.line(now, f"human · {words}" if outcome.ok else f"human · failed · {words}")
    record = msgspec.structs.replace(
        record, phase="acted", outcome=outcome, line=line, ended=parts.clock.wall()
    )
    store.runs.write(record)
    recover.conclude(parts, record)
    parts.tell("steered", action=actions.tag_of(action), summary=text.one_line(words, 300), run=run)
    if not outcome.ok and effect.shell is None:
        raise Failed(outcome.summary)
    return outcome, effect.shell


def _no_facts() -> dict[str, Any]:
    """A human's move is not judged by the world; rules see it empty."""
    return {
        "sensors": {},
        "sessions": {},
        "claims": {},
        "asks": {},
        "goals": {},
        "schedules": {},
        "budget": {},
        "changed": [],
        "now": 0,
    }
