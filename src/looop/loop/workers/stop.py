"""Ending a worker for good: the tree first confirmed dead, and a tombstone for its generation."""

import contextlib

import msgspec

from looop.errors import NotFound, Refused
from looop.loop.parts import Parts
from looop.model.records import Tombstone, Worker
from looop.sessions.records import Killed

__all__ = ["kill"]


def kill(parts: Parts, worker: str, *, by: str, why: str) -> Killed:
    """
    End a worker and everything it started.

    The tombstone is laid first: should this be cut off, nobody takes the worker for one that
    ended by itself. Raises `NotFound`, or `Refused` when it has ended already.
    """
    session = parts.fleet.get(worker)
    if not session.alive:
        raise Refused(f"{worker} has ended already ({session.state})")
    tombstone = Tombstone(by=by, at=parts.clock.wall(), why=why)
    # A session without a record is a program that someone supervises; it can be ended too.
    with contextlib.suppress(NotFound):
        parts.store.workers.change(
            worker, session.generation, lambda record: _buried(record, tombstone)
        )
    try:
        killed = parts.fleet.kill(worker)
    except Refused:
        # It ended by itself in that very moment, and nobody killed it.
        with contextlib.suppress(NotFound):
            parts.store.workers.change(
                worker, session.generation, lambda record: _exhumed(record, tombstone)
            )
        raise
    parts.tell(
        "worker_killed",
        worker=worker,
        by=by,
        why=why,
        escalated=killed.escalated,
        survivors=list(killed.survivors),
    )
    return killed


def _buried(record: Worker, tombstone: Tombstone) -> Worker:
    return record if record.killed else msgspec.structs.replace(record, killed=tombstone)


def _exhumed(record: Worker, tombstone: Tombstone) -> Worker:
    if record.killed != tombstone:
        return record
    return msgspec.structs.replace(record, killed=None)
