"""The moves that concern workers: start, steer, press keys, restart, kill."""

import asyncio
from typing import assert_never

from looop.errors import NotFound, Refused
from looop.kit import text
from looop.loop import crew
from looop.loop.parts import Parts
from looop.loop.workers import observe, start, stop
from looop.model.actions import (
    KillWorker,
    RestartSession,
    SendKey,
    StartWorker,
    SteerSession,
)
from looop.sessions.records import Session

__all__ = ["Touched", "WorkerMove", "perform"]

WorkerMove = StartWorker | SteerSession | SendKey | RestartSession | KillWorker
# The signal of each session that a move touched, as the next look will see it.
Touched = dict[str, dict[str, str]]


async def perform(
    action: WorkerMove, parts: Parts, *, run_id: str, goal: str, by: str
) -> tuple[str, Touched]:
    """
    Carry out one such move; its summary and the sessions it touched. Raises `LooopError`.

    What waits for a terminal runs beside the event loop, which goes on meanwhile.
    """
    match action:
        case StartWorker():
            order = start.Order(
                id=action.id,
                prompt=action.prompt,
                goal=goal,
                runner=action.runner,
                command=action.command,
                verify=action.verify,
                workspace=action.workspace,
                run=run_id,
            )
            session = await asyncio.to_thread(start.start, parts, order)
            extra = " (command override)" if action.command.strip() else ""
            return f"worker · {action.id} started{extra}", _alive(parts, session)
        case SteerSession(id=worker, input=words):
            _no_dialog(parts, _living(parts, worker))
            sent = await asyncio.to_thread(parts.fleet.submit, _living(parts, worker), words)
            how = {
                True: "",
                False: f", but not seen to be taken: {sent.why}",
                None: ", unconfirmed",
            }
            return f"steer · {worker}: {text.one_line(words, 160)}{how[sent.submitted]}", {}
        case SendKey(id=worker, keys=keys):
            await asyncio.to_thread(parts.fleet.keys, _living(parts, worker), keys)
            return f"key · {worker}: {' '.join(keys)}", {}
        case RestartSession(id=worker):
            session = await asyncio.to_thread(start.restart, parts, worker)
            return f"restart · {worker}", _alive(parts, session)
        case KillWorker(id=worker, reason=reason):
            killed = await asyncio.to_thread(
                stop.kill, parts, _living(parts, worker), by=by, why=reason
            )
            left = f"; still there: {list(killed.survivors)}" if killed.survivors else ""
            return f"kill · {worker}{left}", _now(parts, worker)
        case _:
            assert_never(action)


def _living(parts: Parts, worker: str) -> str:
    if worker == crew.PULSE:
        raise Refused("`pulse` is the loop itself; `looop down` ends it")
    session = parts.fleet.find(worker)
    if session is None:
        raise NotFound(f"there is no session {worker!r}; `looop ls` lists them")
    if not session.alive:
        raise Refused(f"{worker} has ended ({crew.ended_words(session)})")
    return worker


def _no_dialog(parts: Parts, worker: str) -> None:
    """Refuse to type where a dialog waits: a word could be a yes to what it asks."""
    if dialog := observe.dialog(parts.store, parts.fleet, worker):
        raise Refused(f"{worker} shows a dialog, which typing could answer: {dialog}")


def _alive(parts: Parts, session: Session) -> Touched:
    record = parts.store.workers.get(session.id)
    return {session.id: crew.signal_of(session, record, "busy")}


def _now(parts: Parts, worker: str) -> Touched:
    session = parts.fleet.get(worker)
    record = parts.store.workers.get(worker)
    return {worker: crew.signal_of(session, record, "dead")}
