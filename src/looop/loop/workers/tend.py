"""Tending the crew: at each beat, records are brought into line with what the sessions are."""

import asyncio
from typing import Any

import msgspec

from looop.errors import LooopError, NotFound
from looop.kit import canon, files, text
from looop.kit.shapes import is_object
from looop.loop import crew
from looop.loop.parts import Parts
from looop.loop.workers import leases, meter, observe, retention, spending, stop, verify
from looop.model.records import Activity, Ended, Worker
from looop.sessions.records import Session

__all__ = ["SESSIONS", "tend"]

SESSIONS = "snap:sys-sessions"
# A start takes a second; a record that is this old and has no session never got one.
_STARTING_S = 60.0


async def tend(parts: Parts, items: dict[str, str]) -> dict[str, str]:
    """
    Look after every worker once: meter, budgets, ends, checks, leases, retention.

    `items` is the world that was last decided upon; it comes back without the sessions that
    were removed here, because a removal of ours is no news. A fleet that cannot be looked at
    stops all of it: nothing is ended, judged or released on a guess.
    """
    try:
        sessions, problems = parts.fleet.list()
    except LooopError as error:
        parts.tell("warning", about="fleet", text=str(error))
        return items
    records, trouble = parts.store.workers.look()
    for problem in (*problems, *trouble):
        parts.tell("warning", about="fleet", text=problem)
    by_id = {session.id: session for session in sessions if session.id != crew.PULSE}
    _observe(parts, by_id, records)
    tended: dict[str, Worker] = {}
    for worker, record in records.items():
        try:
            found = await _look_after(parts, record, by_id.get(worker), _decided(items))
        except LooopError as error:
            parts.tell("warning", about="worker", text=f"{worker}: {error}")
            continue
        if found is not None:
            tended[worker] = found
    await _judge(parts, tended)
    leases.reap(parts)
    gone = retention.prune(parts, by_id, parts.config.session_ttl)
    return _without(items, gone)


# -- seeing ------------------------------------------------------------------------------------


def _observe(parts: Parts, sessions: dict[str, Session], records: dict[str, Worker]) -> None:
    before = parts.store.workers.activity()
    now = parts.clock.wall()
    seen: dict[str, Activity] = {
        worker: observe.observe(parts.fleet, session, records.get(worker), before.get(worker), now)
        for worker, session in sessions.items()
        if session.alive
    }
    if seen != before:
        parts.store.workers.keep_activity(seen)


def _decided(items: dict[str, str]) -> dict[str, Any]:
    """The signal of sessions that the last decision was based on."""
    try:
        value: Any = msgspec.json.decode(items.get(SESSIONS, "{}"))
    except msgspec.DecodeError:
        return {}
    return value if is_object(value) else {}


def _without(items: dict[str, str], gone: list[str]) -> dict[str, str]:
    if not gone or SESSIONS not in items:
        return items
    left = {worker: said for worker, said in _decided(items).items() if worker not in gone}
    return items | {SESSIONS: canon.canonical(left)}


# -- one worker --------------------------------------------------------------------------------


async def _look_after(
    parts: Parts, record: Worker, session: Session | None, decided: dict[str, Any]
) -> Worker | None:
    """The record as it is now; None when there is nothing more to be done for it."""
    if session is not None and session.generation not in ("", record.generation):
        return _as_it_runs(parts, record, session)
    record = _metered(parts, record, alive=session is not None and session.alive)
    if session is None:
        return _vanished(parts, record)
    if session.alive:
        await _within_budget(parts, record)
        return record
    if record.ended is None and session.state != "unreadable":
        record = _has_ended(parts, record, session)
    if record.ended and not record.told and _is_known(record, decided):
        return _change(parts, record, told=True)
    return record


def _is_known(record: Worker, decided: dict[str, Any]) -> bool:
    """Whether the last decision knew that this worker had ended, and what its check said."""
    said = decided.get(record.id)
    if not is_object(said) or said.get("generation") != record.generation[:8]:
        return False
    return said.get("health") == "dead" and said.get("verify") != "to come"


def _change(parts: Parts, record: Worker, **fields: Any) -> Worker:
    return parts.store.workers.change(
        record.id, record.generation, lambda old: msgspec.structs.replace(old, **fields)
    )


def _metered(parts: Parts, record: Worker, *, alive: bool) -> Worker:
    """What it costs and says, as far as that can be told: nothing else must wait for it."""
    try:
        if not (record.ended and record.told):
            record = meter.meter(parts, record)
        if alive:
            meter.listen(parts, record)
    except LooopError as error:
        parts.tell("warning", about="meter", text=f"{record.id}: {error}")
    return record


def _vanished(parts: Parts, record: Worker) -> Worker | None:
    """A record without a session: it is being started this moment, or a start was cut off."""
    if parts.clock.wall() - record.started <= _STARTING_S:
        return record
    with files.dir_lock(parts.store.paths.workers_lock):
        if parts.store.workers.get(record.id) != record or parts.fleet.find(record.id) is not None:
            return record
        retention.clear(parts, record.id, record)
    parts.tell("worker_removed", worker=record.id, generation=record.generation)
    return None


def _as_it_runs(parts: Parts, record: Worker, session: Session) -> Worker | None:
    """A record of a generation that never ran, as a restart was cut off: it takes that which did."""
    with files.dir_lock(parts.store.paths.workers_lock):
        found = parts.fleet.find(record.id)
        # A program of the same name has no such label, and nothing to do with the record.
        ours = (
            found is not None and found.generation == session.generation and "looop" in found.labels
        )
        if not ours or parts.store.workers.get(record.id) != record:
            return None
        record = msgspec.structs.replace(record, generation=session.generation)
        parts.store.workers.put(record)
    return record


def _has_ended(parts: Parts, record: Worker, session: Session) -> Worker:
    now = parts.clock.wall()
    ended = Ended(state=session.state, at=now, code=session.code, signal=session.signal)
    record = _change(parts, record, ended=ended)
    _close_asks(parts, record)
    summary = record.done.summary if record.done else ""
    parts.tell(
        "worker_ended",
        worker=record.id,
        generation=record.generation,
        state=ended.state,
        code=ended.code,
        outcome=record.done.outcome if record.done else "",
        summary=text.one_line(summary, 300),
    )
    return record


def _close_asks(parts: Parts, record: Worker) -> None:
    """What a worker that has ended was waiting for can reach nobody any more."""
    for ask in parts.store.asks.open():
        if ask.asker == record.id and ask.generation == record.generation:
            how = "its worker has ended"
            parts.store.asks.close(ask, how)
            parts.tell("ask_closed", ask=ask.id, kind=ask.kind, how=how)


async def _within_budget(parts: Parts, record: Worker) -> None:
    """Stop a worker whose own or whose goal's money is spent."""
    config, ledger = parts.config, parts.store.ledger
    why = ""
    if config.max_worker_usd:
        spent = spending.of_worker(ledger, record.id, record.generation, record.started)
        if spent >= config.max_worker_usd:
            why = f"it has cost ${spent:.2f} of max_worker_usd = {config.max_worker_usd:g}"
    if not why and record.goal and config.max_goal_usd:
        spent = spending.of_goal(ledger, record.goal)
        if spent >= config.max_goal_usd:
            why = (
                f"goal {record.goal} has cost ${spent:.2f} of "
                f"max_goal_usd = {config.max_goal_usd:g}"
            )
    if why:
        # One that resists is given time, and the rest goes on meanwhile.
        await asyncio.to_thread(stop.kill, parts, record.id, by="budget", why=why)


# -- checks ------------------------------------------------------------------------------------


async def _judge(parts: Parts, records: dict[str, Worker]) -> None:
    began = parts.clock.monotonic()
    for worker, record in sorted(records.items()):
        if not verify.due(record):
            continue
        if parts.clock.monotonic() - began >= verify.BEAT_BUDGET_S:
            parts.tell("verify_deferred", worker=worker)
            continue
        checked = await verify.judge(parts, record)
        try:
            parts.store.workers.change(
                worker, record.generation, lambda old, c=checked: verify.judged(old, c)
            )
        except NotFound:
            continue
        parts.tell(
            "verified",
            worker=worker,
            ok=checked.ok,
            code=checked.code,
            took_s=checked.took_s,
            output=text.one_line(checked.output[-300:], 300),
        )
