"""The crew: every session with its record, its health and what is signal of it, put together."""

from typing import Any

from msgspec import Struct

from looop.config import Config
from looop.errors import LooopError
from looop.loop import health
from looop.loop.health import Health
from looop.model.records import Activity, AgentNote, Worker
from looop.sessions.port import Fleet
from looop.sessions.records import Session
from looop.state.store import Store

__all__ = ["PULSE", "Member", "ended_words", "gather", "signal", "signal_of"]

# The session that the detached pulse itself is; never a worker.
PULSE = "pulse"


class Member(Struct, frozen=True, kw_only=True):
    """One session as the loop sees it; `record` is None for a program that is no worker."""

    session: Session
    health: Health
    record: Worker | None = None
    note: AgentNote | None = None
    activity: Activity | None = None
    asks: tuple[str, ...] = ()
    ask_at: float = 0.0


def gather(
    store: Store, fleet: Fleet, config: Config, now: float
) -> tuple[list[Member], list[str]]:
    """
    Every session but the pulse, by name, and one line for each that makes no sense.

    Raises `Unreadable` when the fleet cannot be looked at: never an empty crew for that.
    """
    sessions, problems = fleet.list()
    records, trouble = store.workers.look()
    activity = store.workers.activity()
    waiting = _waiting(store)
    members: list[Member] = []
    for session in sessions:
        if session.id == PULSE:
            continue
        record = records.get(session.id)
        if record is not None and session.generation and record.generation != session.generation:
            record = None
        asks = [
            (at, ask)
            for at, ask, generation in waiting.get(session.id, [])
            if generation in ("", session.generation)
        ]
        note = store.workers.note(session.id)
        members.append(
            Member(
                session=session,
                record=record,
                note=note,
                activity=activity.get(session.id),
                asks=tuple(ask for _, ask in asks),
                ask_at=min((at for at, _ in asks), default=0.0),
                health=health.classify(
                    session,
                    note=note,
                    activity=activity.get(session.id),
                    waiting=bool(asks),
                    now=now,
                    stuck_after=config.stuck_after,
                ),
            )
        )
    return members, [*problems, *trouble]


def _waiting(store: Store) -> dict[str, list[tuple[float, str, str]]]:
    """(raised at, ask, generation) of every ask that a worker waits for, by worker."""
    found: dict[str, list[tuple[float, str, str]]] = {}
    try:
        asks = store.asks.open()
    except LooopError:
        return found
    for ask in asks:
        # The loop's own notices wait for nobody; a worker's is a flag, and it waits.
        if ask.state == "pending" and ask.kind != "approval" and ask.asker != "loop":
            found.setdefault(ask.asker, []).append((ask.created, ask.id, ask.generation))
    return found


def signal(members: list[Member]) -> dict[str, Any]:
    """What of the crew wakes the loop: words that change when it matters, and no ages."""
    return {
        member.session.id: signal_of(member.session, member.record, member.health.word)
        for member in members
    }


def signal_of(session: Session, record: Worker | None, word: health.Word) -> dict[str, str]:
    """The signal of one session."""
    said = {"generation": session.generation[:8], "health": word}
    if record is not None and record.done is not None:
        # Having said so, it was ended; how is no news.
        said["outcome"] = record.done.outcome
    elif session.state not in ("starting", "running"):
        said["state"] = ended_words(session)
    if record is None:
        return said
    if record.killed is not None:
        said["killed_by"] = record.killed.by
    if record.checked is not None:
        said["verify"] = {True: "pass", False: "fail", None: "not run"}[record.checked.ok]
    elif record.verify:
        said["verify"] = "to come"
    return said


def ended_words(session: Session) -> str:
    """`exited 0`, `killed`, `signal 9`, `dead` ..."""
    if session.state == "exited":
        if session.signal is not None:
            return f"signal {session.signal}"
        return "exited" if session.code is None else f"exited {session.code}"
    return session.state
