"""System probes: looop's own state as readings of the same shape as any sensor's."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from looop.config import Config
from looop.errors import LooopError
from looop.kit import text
from looop.kit.shapes import is_object
from looop.loop.sense import readings
from looop.model import goal, timers
from looop.model.records import UNMETERED_LIMIT, Memory
from looop.model.world import Reading
from looop.state.logs import day_start
from looop.state.store import Store

__all__ = ["PROBES", "Context", "Probe", "run_all"]

# How many records of one kind a probe describes; their ids are all in the signal.
_DETAILS = 200


class Context(Struct, frozen=True, kw_only=True):
    """What a probe may look at; `goals` are the texts that this look has read."""

    store: Store
    config: Config
    memory: Memory
    goals: dict[str, str]
    now: float


Probe = Callable[[Context], tuple[Any, Any]]


def _goals(context: Context) -> tuple[Any, Any]:
    # Ages never wake the loop; the set of goals already does, as policy.
    detail: dict[str, Any] = {}
    for goal_id, body in list(context.goals.items())[:_DETAILS]:
        parsed = goal.parse(goal_id, body)
        at = context.memory.served.get(goal_id)
        detail[goal_id] = {
            "title": text.one_line(parsed.title, 120),
            "age_s": None if at is None else max(0, round(context.now - at)),
        }
        if parsed.priority:
            detail[goal_id]["priority"] = parsed.priority
        if parsed.every:
            detail[goal_id]["every"] = parsed.every
    return {}, {"goals": detail}


def _schedules(context: Context) -> tuple[Any, Any]:
    previous = _previous(context, "snap:sys-schedules")
    signal: dict[str, Any] = {}
    detail: dict[str, Any] = {}
    for name in context.store.schedules.names():
        try:
            record = context.store.schedules.get(name)
        except LooopError:
            # A stable word, so that a broken timer stays in the world and its repair wakes.
            signal[name] = "unreadable"
            continue
        if record is None:
            continue
        signal[name] = timers.signal(record, context.now, previous.get(name))
        coming = timers.next_due(record, context.now)
        detail[name] = {
            "note": text.one_line(record.note, 200),
            "next_in_s": None if coming is None else round(coming - context.now),
        }
        if problem := timers.problem(record):
            detail[name]["problem"] = problem
    return signal, detail


def _previous(context: Context, item: str) -> dict[str, Any]:
    try:
        value: Any = msgspec.json.decode(context.memory.items.get(item, "{}"))
    except msgspec.DecodeError:
        return {}
    return value if is_object(value) else {}


def _budget(context: Context) -> tuple[Any, Any]:
    limit = context.config.max_daily_usd
    unmetered = context.memory.unmetered
    count = unmetered.count if unmetered else 0
    if not limit:
        return {"state": "off"}, {"unmetered_runs": count}
    spent = context.store.ledger.spent_since(day_start(context.now))
    closed = spent >= limit or count >= UNMETERED_LIMIT
    detail = {"spent_usd": round(spent, 4), "max_daily_usd": limit, "unmetered_runs": count}
    return {"state": "closed" if closed else "open"}, detail


def _asks(context: Context) -> tuple[Any, Any]:
    asks, problems = context.store.asks.look()
    signal: dict[str, Any] = {
        "pending": [ask.id for ask in asks if ask.state == "pending"],
        "answered": [ask.id for ask in asks if ask.state == "answered"],
    }
    if problems:
        signal["unreadable"] = len(problems)
    detail = {
        ask.id: {"kind": ask.kind, "age_s": max(0, round(context.now - ask.created))}
        for ask in asks[:_DETAILS]
    }
    return signal, detail


PROBES: dict[str, Probe] = {
    "sys-asks": _asks,
    "sys-budget": _budget,
    "sys-goals": _goals,
    "sys-schedules": _schedules,
}


def run_all(context: Context) -> dict[str, Reading]:
    """Every probe's reading; one that cannot look says so, and the others go on."""
    out: dict[str, Reading] = {}
    for name, probe in PROBES.items():
        try:
            signal, detail = probe(context)
        except (LooopError, OSError) as error:
            out[name] = readings.unreadable(name, str(error), trust="own", at=context.now)
            continue
        out[name] = Reading(name=name, signal=signal, detail=detail, trust="own", at=context.now)
    return out
