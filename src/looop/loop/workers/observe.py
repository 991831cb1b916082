"""What a living worker does, seen without disturbing it: its CPU, its output, its screen."""

import hashlib
from collections.abc import Sequence

import msgspec

from looop.errors import LooopError
from looop.kit import text
from looop.loop.workers.agents import Limit, agent_of
from looop.model.records import Activity, Worker
from looop.sessions.port import Fleet
from looop.sessions.records import Session
from looop.state.store import Store

__all__ = ["dialog", "observe"]

# A program that only waits burns a little of a core on its timers and its cursor. Who burns no
# more than this share of one stands still.
_IDLE_SHARE = 0.03
_LINE = 200


def dialog(store: Store, fleet: Fleet, worker: str) -> str:
    """What a dialog on a worker's screen waits for; "" for none, and where nobody can look."""
    try:
        record = store.workers.get(worker)
        rows = fleet.screen_lines(worker)
    except LooopError:
        return ""
    said = agent_of(record.runner if record else "").asks_permission(rows)
    return text.one_line(said, _LINE)


def observe(
    fleet: Fleet, session: Session, worker: Worker | None, before: Activity | None, now: float
) -> Activity:
    """
    What is seen of a living session now, dated against what was seen `before`.

    A look that fails leaves that part as it was: nobody is called stuck because we were blind.
    """
    if before is None or before.generation != session.generation:
        before = Activity(generation=session.generation, moved_at=now, still_since=now)
    seen = msgspec.structs.replace(before, bytes=session.bytes)
    try:
        cpu_s = fleet.live(session.id).cpu_s
    except LooopError:
        return msgspec.structs.replace(seen, moved_at=now)
    spent_s, passed_s = cpu_s - before.cpu_s, now - before.seen_at
    works = before.seen_at > 0 and spent_s > _IDLE_SHARE * max(1.0, passed_s)
    moved = works or session.bytes != before.bytes
    seen = msgspec.structs.replace(
        seen, cpu_s=cpu_s, seen_at=now, moved_at=now if moved else before.moved_at
    )
    # A screen can only change by output.
    if before.screen and session.bytes == before.bytes:
        return seen
    try:
        lines = fleet.screen_lines(session.id)
    except LooopError:
        return seen
    return _with_screen(seen, lines, worker, now)


def _with_screen(
    seen: Activity, lines: Sequence[str], worker: Worker | None, now: float
) -> Activity:
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest()[:16]
    agent = agent_of(worker.runner if worker else "")
    limit = agent.limited(lines, now)
    shown = [line for line in lines if line.strip()]
    return msgspec.structs.replace(
        seen,
        screen=digest,
        still_since=seen.still_since if digest == seen.screen else now,
        limit=limit.text if limit else "",
        limit_until=_until(limit, seen),
        dialog=text.one_line(agent.asks_permission(lines), _LINE),
        last_line=text.one_line(shown[-1], _LINE) if shown else "",
    )


def _until(limit: Limit | None, seen: Activity) -> float:
    """
    When a limit ends. The same words keep what they meant when they came: at nine, "resets at
    eight" is not tomorrow's eight.
    """
    if limit is None:
        return 0.0
    return seen.limit_until if limit.text == seen.limit and seen.limit_until else limit.until
