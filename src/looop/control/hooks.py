"""What an agent CLI tells of itself: kept as a note, and its questions put before a human."""

import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from looop.errors import LooopError
from looop.kit import text
from looop.kit.clock import Clock
from looop.loop.workers.agents import AgentState, agent_of
from looop.model.records import AgentNote, Answer, Ask, Worker
from looop.sessions.port import Fleet
from looop.state.asks import YES
from looop.state.store import Store

__all__ = ["heard"]

# How often a question that waits in a hook looks for its answer.
_LOOK_S = 0.5
# The screen is drawn for every so many of these looks.
_DRAW_EVERY = 4
# States that somebody may have to do something about.
_NEWS = ("idle", "asking", "limited", "failed")


def heard(
    store: Store,
    env: Mapping[str, str],
    clock: Clock,
    payload: dict[str, Any],
    fleet: Fleet,
    wait: Callable[[float], bool] | None = None,
) -> dict[str, Any] | None:
    """
    Keep what a hook tells of the worker that this process belongs to.

    A permission that the agent asks for becomes an ask; this blocks until a human has answered
    it, and gives back what the agent wants to read. None for everything else, also for a call
    outside a worker. Raises `LooopError`.
    """
    worker = env.get("LOOOP_SESSION_ID", "")
    if not worker:
        return None
    record = store.workers.need(worker, env.get("LOOOP_GENERATION", ""))
    agent = agent_of(record.runner)
    now = clock.wall()
    state = agent.from_hook(payload, now)
    if state is None:
        return None
    if state.permission is not None and state.permission.own:
        return agent.permission_answer(True, "a verb of looop for its own worker")
    _note(store, record, state, now)
    if state.permission is None:
        if state.state in _NEWS:
            store.ring()
        return None
    dialog = _Dialog(store, fleet, record, now)
    answered = _permission(store, record, state, now, dialog, wait or _Pause().wait)
    if answered is None:
        return None
    _note(store, record, AgentState(state="busy", transcript=state.transcript), clock.wall())
    allowed = answered.text.split()[0].lower() in YES
    said = f"{answered.by} answered {answered.text!r} in looop"
    return agent.permission_answer(allowed, said)


def _note(store: Store, record: Worker, state: AgentState, now: float) -> None:
    store.workers.keep_note(
        record.id,
        AgentNote(
            generation=record.generation,
            state=state.state,
            at=now,
            detail=state.detail,
            until=state.until,
            transcript=state.transcript,
        ),
    )


class _Pause:
    """Waits in slices, and ends early when the agent ends its hook."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped.set()

    def wait(self, seconds: float) -> bool:
        """True when the waiting is over."""
        return self._stopped.wait(seconds)


class _Dialog:
    """
    The agent's own dialog, which is on its screen meanwhile: whoever answers first has answered,
    and nobody tells a hook that it was not the first.
    """

    def __init__(self, store: Store, fleet: Fleet, record: Worker, since: float) -> None:
        self._store = store
        self._fleet = fleet
        self._record = record
        self._since = since
        self._looks = 0
        self._seen = False

    def alive(self) -> bool:
        """Whether the worker still is; what cannot be told counts as ended."""
        try:
            found = self._fleet.find(self._record.id)
            record = self._store.workers.get(self._record.id)
        except LooopError:
            return False
        killed = record is not None and record.killed is not None
        return found is not None and found.alive and not killed

    def over(self) -> bool:
        """Whether the agent has gone on without us; what cannot be told is waited for."""
        note = self._store.workers.note(self._record.id)
        if note is not None and note.at > self._since and note.state != "asking":
            return True
        self._looks += 1
        if self._looks % _DRAW_EVERY != 1:
            return False
        try:
            rows = self._fleet.screen_lines(self._record.id)
        except LooopError:
            return False
        shown = bool(agent_of(self._record.runner).asks_permission(rows))
        gone = self._seen and not shown
        self._seen = self._seen or shown
        return gone


def _permission(
    store: Store,
    record: Worker,
    state: AgentState,
    now: float,
    dialog: _Dialog,
    wait: Callable[[float], bool],
) -> Answer | None:
    """Put the question before a human, and wait: the answer, None when somebody was faster."""
    assert state.permission is not None
    words = f"{record.id} asks: may it use {state.permission.tool}? {state.permission.summary}"
    ask = store.asks.add(
        Ask(
            id="",
            asker=record.id,
            kind="question",
            prompt=text.plain(words),
            created=now,
            severity="high",
            options=("yes", "no"),
            key=f"permission:{record.generation}:{words}",
            generation=record.generation,
        )
    )
    store.events.add(
        now, "asked", ask=ask.id, kind=ask.kind, severity=ask.severity, prompt=ask.prompt
    )
    store.ring()
    while True:
        try:
            found = store.asks.get(ask.id)
        except LooopError:
            # One that cannot be read now is waited for.
            found = ask
        if found is None:
            return None
        if found.state != "pending":
            if found.state == "answered":
                store.asks.close(found, "delivered")
            return found.answer
        stopped = wait(_LOOK_S)
        if stopped or dialog.over():
            # Of a worker that has ended, the next beat says so.
            if not stopped or dialog.alive():
                store.asks.close(found, "answered in the terminal")
            return None
