"""System probes: looop's own state as readings of the same shape as any sensor's."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from looop.config import Config
from looop.errors import LooopError
from looop.kit import text
from looop.kit.shapes import is_object
from looop.loop import crew
from looop.loop.sense import readings
from looop.model import goal, timers
from looop.model.records import UNMETERED_LIMIT, Memory
from looop.model.world import Reading, Trust
from looop.sessions.port import Fleet
from looop.state import claims
from looop.state.logs import day_start
from looop.state.store import Store

__all__ = ["PROBES", "Context", "Probe", "run_all"]

# How many records of one kind a probe describes; their ids are all in the signal.
_DETAILS = 200


class Context(Struct, frozen=True, kw_only=True):
    """What a probe may look at; `goals` are the texts that this look has read."""

    store: Store
    fleet: Fleet
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


def _sessions(context: Context) -> tuple[Any, Any]:
    members, problems = crew.gather(context.store, context.fleet, context.config, context.now)
    detail = {m.session.id: _member(m, context.now) for m in members[:_DETAILS]}
    signal: dict[str, Any] = crew.signal(members)
    if problems:
        # No session can have that name.
        signal["!unreadable"] = len(problems)
    return signal, detail


def _member(member: crew.Member, now: float) -> dict[str, Any]:
    session, record, health = member.session, member.record, member.health
    said: dict[str, Any] = {"age_s": max(0, round(now - session.started_at))}
    if record is not None:
        said |= {"runner": record.runner, "goal": record.goal, "branch": record.branch}
        if record.done is not None:
            said["summary"] = text.one_line(record.done.summary, 500)
        if record.checked is not None and record.checked.output:
            said["verify_output"] = text.clip_middle(record.checked.output, 1000)
        if record.killed is not None:
            said["killed_why"] = record.killed.why
    if health.detail:
        said["health_detail"] = text.one_line(health.detail, 200)
    if health.until:
        said["until_s"] = round(health.until - now)
    if health.still_s is not None and session.alive:
        said["still_s"] = round(health.still_s)
    if member.activity is not None and member.activity.last_line:
        said["last_line"] = member.activity.last_line
    return {key: value for key, value in said.items() if value not in ("", None)}


def _claims(context: Context) -> tuple[Any, Any]:
    found, problems = context.store.claims.list()
    signal: dict[str, Any] = dict(claims.signal(found))
    if problems:
        signal["!unreadable"] = len(problems)
    ages = {c.name: max(0, round(context.now - c.ts)) for c in found[:_DETAILS] if c.ts}
    return signal, {name: {"age_s": age} for name, age in ages.items()}


PROBES: dict[str, Probe] = {
    "sys-asks": _asks,
    "sys-budget": _budget,
    "sys-claims": _claims,
    "sys-goals": _goals,
    "sys-schedules": _schedules,
    "sys-sessions": _sessions,
}
# A worker's words are those of a program that may have read anything in its repository.
_TRUST: dict[str, Trust] = {"sys-sessions": "repo"}


def run_all(context: Context) -> dict[str, Reading]:
    """Every probe's reading; one that cannot look says so, and the others go on."""
    out: dict[str, Reading] = {}
    for name, probe in PROBES.items():
        try:
            signal, detail = probe(context)
        except (LooopError, OSError) as error:
            out[name] = readings.unreadable(name, str(error), trust="own", at=context.now)
            continue
        trust = _TRUST.get(name, "own") if signal else "own"
        out[name] = Reading(name=name, signal=signal, detail=detail, trust=trust, at=context.now)
    return out
