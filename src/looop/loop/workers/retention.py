"""How long ended sessions are kept, and what goes with them when they go."""

import contextlib
from pathlib import Path

from looop.errors import LooopError
from looop.kit import files, worktree
from looop.loop.parts import Parts
from looop.model.records import Worker
from looop.sessions.records import Session

__all__ = ["clear", "forget", "keeps", "prune", "remove"]


def keeps(record: Worker | None) -> str:
    """Why an ended worker must still be kept, whatever its age; "" if nothing does."""
    if record is None:
        return ""
    if record.ended is None:
        return "its end has not been seen by a beat"
    if record.verify and record.checked is None:
        return "its check has not been run"
    if not record.told:
        return "its end has not reached a decision"
    return ""


def prune(parts: Parts, sessions: dict[str, Session], ttl_s: float) -> list[str]:
    """Remove every ended session older than `ttl_s` that nothing keeps; their names."""
    now = parts.clock.wall()
    gone: list[str] = []
    for session in sessions.values():
        if session.alive or session.state == "unreadable":
            continue
        ended = session.ended_at or session.wrote_at or session.started_at
        if not ttl_s or now - ended < ttl_s:
            continue
        try:
            if not forget(parts, session):
                gone.append(session.id)
        except (LooopError, OSError) as error:
            parts.tell("warning", about="retention", text=f"{session.id}: {error}")
    return gone


def forget(parts: Parts, session: Session) -> str:
    """
    Remove an ended session unless something keeps it; why it is kept, "" once it is gone.

    It is looked at again while nobody starts anything: what goes on by now stays.
    """
    with files.dir_lock(parts.store.paths.workers_lock):
        found = parts.fleet.find(session.id)
        if found is None or found.alive or found.generation != session.generation:
            return "it has been started again"
        record = parts.store.workers.get(session.id)
        if record is not None and found.generation not in ("", record.generation):
            record = None
        why = keeps(record)
        if not why:
            remove(parts, found, record)
        return why


def remove(parts: Parts, session: Session, record: Worker | None) -> None:
    """
    Remove all that an ended session has left, but for its reports and for work of value.

    A worktree goes only when it is clean and holds nothing that is not elsewhere.
    """
    parts.fleet.remove(session.id)
    clear(parts, session.id, record)
    if record is not None:
        parts.tell("worker_removed", worker=session.id, generation=session.generation)


def clear(parts: Parts, worker: str, record: Worker | None) -> None:
    """As `remove`, for what is left of a worker beside its session."""
    paths = parts.store.paths
    parts.store.workers.drop(worker)
    with contextlib.suppress(FileNotFoundError):
        paths.prompt(worker).unlink()
    files.remove_tree(paths.prompt_files(worker))
    if record is None:
        return
    place = Path(record.work_dir) if record.work_dir else paths.work_dir(worker)
    if record.branch:
        with contextlib.suppress(LooopError):
            worktree.remove_if_spent(place, Path(record.repo), record.branch, record.base)
    else:
        # An empty place goes; one with something in it is listed as litter.
        with contextlib.suppress(OSError):
            place.rmdir()
