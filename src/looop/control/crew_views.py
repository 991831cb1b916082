"""Sessions, the pulse and work directories as people ask for them."""

from pathlib import Path

from looop.control.views import SessionView, WorkspaceView
from looop.errors import LooopError
from looop.kit import text
from looop.loop import crew
from looop.loop.crew import PULSE, Member
from looop.model.records import Worker
from looop.sessions.port import Fleet
from looop.state.store import Store

__all__ = ["matters", "member", "pulse", "workspaces"]


def pulse(store: Store, fleet: Fleet, now: float) -> SessionView:
    """The pulse, as a row among the sessions."""
    from looop.loop import lock

    try:
        running = lock.held(store.paths)
    except LooopError as error:
        return SessionView(
            id=PULSE,
            kind="pulse",
            state="unknown",
            alive=False,
            health="unknown",
            detail=str(error),
        )
    note = lock.note(store.paths)
    session = fleet.find(PULSE)
    state = "down"
    if running:
        state = "running" if session is not None and session.alive else "in the foreground"
    elif session is not None and session.state not in ("running", "killed"):
        state = crew.ended_words(session)
    return SessionView(
        id=PULSE,
        kind="pulse",
        state=state,
        alive=running,
        health="up" if running else "down",
        age_s=now - note.started if running and note else None,
        idle_s=now - note.beat_at if running and note and note.beat_at else None,
        last_line=note.beat_said if note else "",
    )


def member(fleet: Fleet, member: Member, now: float) -> SessionView:
    """One session of the crew."""
    session, record, health = member.session, member.record, member.health
    said = crew.signal_of(session, record, health.word)
    verify = said.get("verify", "")
    state = session.state if session.alive else crew.ended_words(session)
    since = session.wrote_at or session.started_at
    last = member.activity.last_line if member.activity and session.alive else ""
    return SessionView(
        id=session.id,
        kind="program" if record is None else "worker",
        state=said.get("outcome", state) if not session.alive else state,
        alive=session.alive,
        health=health.word,
        basis=health.basis,
        detail=health.detail or session.reason,
        until=health.until,
        generation=session.generation,
        runner=record.runner if record else "",
        goal=record.goal if record else "",
        code=session.code,
        age_s=max(0.0, now - session.started_at) if session.started_at else None,
        idle_s=max(0.0, now - since) if since else None,
        ask_age_s=max(0.0, now - member.ask_at) if member.ask_at else None,
        asks=list(member.asks),
        verify=verify,
        outcome=said.get("outcome", ""),
        summary=record.done.summary if record and record.done else "",
        killed_by=record.killed.by if record and record.killed else "",
        cost_usd=_cost(record),
        work_dir=record.work_dir if record else session.cwd,
        branch=record.branch if record else "",
        size=f"{session.columns}x{session.rows}",
        stalled=session.stalled,
        last_line=last or fleet.last_line(session.id),
    )


def workspaces(store: Store, members: list[Member]) -> list[WorkspaceView]:
    """Every directory that workers were given and that is still there."""
    from looop.kit import files

    by_place = {m.record.work_dir: m for m in members if m.record}
    found: list[WorkspaceView] = []
    for name in files.list_names(store.paths.work):
        path = store.paths.work_dir(name)
        member = by_place.get(str(path))
        record = member.record if member else None
        found.append(
            WorkspaceView(
                path=str(path),
                worker=record.id if record else "",
                alive=member.session.alive if member else False,
                **_in_it(path, record.base if record else ""),
            )
        )
    return found


def _in_it(path: Path, base: str) -> dict[str, str]:
    """What a work directory holds: its branch, and words for its state."""
    from looop.kit import files, worktree

    try:
        if files.stat_or_none(path / ".git") is None:
            count = len(files.list_names(path))
            return {"branch": "", "state": text.count(count, "file") if count else "empty"}
        found = worktree.state(path, base)
    except LooopError as error:
        return {"branch": "", "state": f"cannot be told: {error}"}
    words = found.state
    if found.merged:
        words += ", merged"
    elif found.ahead:
        words += f", {text.count(found.ahead, 'commit')} of its own"
    return {"branch": found.branch, "state": words}


def matters(member: Member) -> bool:
    """Whether a plain `ls` shows it: it lives, or it ended and somebody is still to look."""
    if member.session.alive or member.session.state in ("dead", "failed", "unreadable"):
        return True
    record = member.record
    return record is not None and not record.told


def _cost(record: Worker | None) -> float | None:
    if record is None or not record.metered:
        return None
    known = [row.cost_usd for row in record.metered.values() if row.cost_usd is not None]
    return round(sum(known), 6) if known else None
