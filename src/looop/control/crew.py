"""The part of the contract that concerns sessions, served from this machine's own data dir."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from looop.config import Config
from looop.control import crew_views
from looop.control.views import SessionView, WorkspaceView
from looop.errors import LooopError, NotFound, Refused, Usage
from looop.kit import clock as clocks
from looop.kit import names, text
from looop.kit.clock import Clock
from looop.loop import crew
from looop.loop.crew import PULSE
from looop.loop.workers import leases
from looop.model import actions
from looop.model.records import Ask, Claim, Done, Spend, Worker
from looop.sessions.port import Fleet
from looop.sessions.records import Killed, Session, Spec
from looop.state.store import Store

if TYPE_CHECKING:
    from looop.loop.parts import Parts

__all__ = ["LocalCrew"]

_LATEST = 20
_OUTCOMES = ("done", "blocked", "failed")


class LocalCrew:
    """Every verb that concerns sessions; `fleet` is there for those that only drive a terminal."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        config: Config | LooopError,
        env: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._store = store
        self.fleet = fleet
        self._settings = config
        # What only shows something goes on with the defaults; what acts raises in `_parts`.
        self._config = config if isinstance(config, Config) else Config()
        self._env = env
        self._clock = clock

    def _parts(self) -> "Parts":
        from looop.loop.parts import Parts

        if isinstance(self._settings, LooopError):
            raise self._settings
        return Parts(self._store, self._settings, self._env, self.fleet, clock=self._clock)

    def _parts_anyway(self) -> "Parts":
        """For what must work when nothing else does: ending things does not wait for settings."""
        from looop.loop.parts import Parts

        return Parts(self._store, self._config, self._env, self.fleet, clock=self._clock)

    # -- looking -----------------------------------------------------------------------------

    def sessions(self, *, ended: bool) -> tuple[list[SessionView], list[str]]:
        """The pulse, then every session by name; with `ended` also those that are over."""
        now = self._clock.wall()
        members, problems = crew.gather(self._store, self.fleet, self._config, now)
        views = [
            crew_views.member(self.fleet, m, now) for m in members if ended or crew_views.matters(m)
        ]
        return [crew_views.pulse(self._store, self.fleet, now), *views], problems

    def one(self, session: str) -> tuple[SessionView, Worker | None]:
        """One session, and the record of what it was asked if it is a worker."""
        now = self._clock.wall()
        if session == PULSE:
            return crew_views.pulse(self._store, self.fleet, now), None
        self.fleet.get(names.checked("session", session))
        members, _ = crew.gather(self._store, self.fleet, self._config, now)
        member = next((m for m in members if m.session.id == session), None)
        if member is None:
            raise NotFound(f"there is no session {session!r}; `looop ls --all` lists them")
        return crew_views.member(self.fleet, member, now), member.record

    def workspaces(self) -> list[WorkspaceView]:
        """Every directory that workers were given and that is still there."""
        members, _ = crew.gather(self._store, self.fleet, self._config, self._clock.wall())
        return crew_views.workspaces(self._store, members)

    def claims(self) -> tuple[list[Claim], list[str]]:
        return self._store.claims.list()

    # -- starting and ending -----------------------------------------------------------------

    def start(
        self,
        worker: str,
        prompt: str,
        *,
        runner: str,
        command: str,
        verify: str,
        goal: str,
        workspace: str,
    ) -> Session:
        """Start a worker as a move of a human's own; on the record like any other."""
        from looop.loop import hand

        action = actions.StartWorker(
            id=names.checked("worker", worker),
            prompt=prompt,
            runner=runner,
            command=command,
            verify=verify,
            workspace=workspace,
        )
        hand.perform(self._parts(), action, f"worker {worker} started", goal)
        self._store.ring()
        return self.fleet.get(worker)

    def supervise(
        self, session: str, argv: tuple[str, ...], *, cwd: str, columns: int, rows: int
    ) -> Session:
        """Run any program in a session, as it is: no contract, no brief, no record."""
        from looop.loop.workers import surroundings

        if isinstance(self._settings, LooopError):
            raise self._settings

        if names.checked("session", session) == PULSE:
            raise Refused("`pulse` is the loop itself; `looop up` starts it")
        self._store.ensure()
        found = self.fleet.find(session)
        if found is not None and not found.alive and self._store.workers.get(session) is None:
            self.fleet.remove(session)
        started = self.fleet.start(
            Spec(
                id=session,
                argv=argv,
                cwd=cwd,
                env=surroundings.handed_on(self._env, self._store.paths),
                columns=columns,
                rows=rows,
                id_variable="LOOOP_SESSION_ID",
                generation_variable="LOOOP_GENERATION",
            )
        )
        self._store.ring()
        return started

    def kill(self, session: str, *, why: str) -> Killed:
        """End a session and its whole tree. A worker that ends itself has said that it is done."""
        from looop.loop import hand

        if session == PULSE:
            raise Refused("`pulse` is the loop itself; `looop down` ends it")
        if session == self._env.get("LOOOP_SESSION_ID"):
            # A program that is no worker has nothing to say.
            if self._store.workers.get(session) is not None:
                self.done(session, self._env.get("LOOOP_GENERATION", ""), "done", why)
            return self.fleet.kill(session)
        action = actions.KillWorker(id=session, reason=why)
        hand.perform(self._parts_anyway(), action, f"{session} killed")
        rows = self._store.events.tail(_LATEST)
        told = [r for r in rows if r["event"] == "worker_killed" and r.get("worker") == session]
        said = told[-1] if told else {}
        survivors = tuple(said.get("survivors", ()))
        return Killed(
            killed=not survivors, escalated=bool(said.get("escalated")), survivors=survivors
        )

    def dialog(self, session: str) -> str:
        """What a dialog on its screen waits for, which typing would answer; "" for none."""
        from looop.loop.workers import observe

        return observe.dialog(self._store, self.fleet, session)

    def restart(self, session: str) -> Session:
        from looop.loop import hand

        action = actions.RestartSession(id=session)
        hand.perform(self._parts(), action, f"{session} restarted")
        return self.fleet.get(session)

    def prune(self) -> tuple[list[str], list[str]]:
        """Remove every ended session that nothing keeps: (removed, kept and why)."""
        from looop.loop.workers import retention

        parts = self._parts_anyway()
        removed: list[str] = []
        kept: list[str] = []
        sessions, _ = self.fleet.list()
        for session in sessions:
            if session.alive or session.id == PULSE:
                continue
            if why := retention.forget(parts, session):
                kept.append(f"{session.id}: {why}")
            else:
                removed.append(session.id)
        return removed, kept

    # -- what workers call -------------------------------------------------------------------

    def _claimant(self, session: str) -> tuple[str, str]:
        """Who claims: a session of the fleet in its generation, or a name used by hand."""
        own = self._env.get("LOOOP_SESSION_ID", "")
        who = session or own
        if not who:
            raise Usage(
                "a claim needs a holder: give --session, or run this inside a worker "
                "(which has LOOOP_SESSION_ID)"
            )
        names.checked("session", who)
        if who == own and self._env.get("LOOOP_GENERATION"):
            return who, self._env["LOOOP_GENERATION"]
        found = self.fleet.find(who)
        return who, found.generation if found is not None else leases.BY_HAND

    def claim(self, name: str, session: str) -> str:
        """Take a lease: `new`, `kept` or `reclaimed`. Raises `Refused` naming its holder."""
        who, generation = self._claimant(session)
        self._store.ensure()
        won = self._store.claims.claim(
            name, who, generation, self._clock.wall(), leases.liveness(self.fleet)
        )
        return won.how

    def unclaim(self, name: str, session: str) -> None:
        who, generation = self._claimant(session)
        self._store.claims.unclaim(name, who, generation, leases.liveness(self.fleet))

    def done(self, session: str, generation: str, outcome: str, summary: str) -> Done:
        """A worker says how it ended; what stands, which is its first word."""
        if outcome not in _OUTCOMES:
            raise Usage(f"the outcome is one of {', '.join(_OUTCOMES)}")
        record = self._store.workers.need(session, generation)
        now = self._clock.wall()
        said = Done(outcome=outcome, summary=summary, at=now)
        if record.done is not None:
            return record.done
        if record.killed is not None:
            raise Refused(f"{session} was killed by {record.killed.by}: its word comes too late")
        record = self._store.workers.change(
            session,
            record.generation,
            lambda old: old if old.done else msgspec.structs.replace(old, done=said),
        )
        self._store.events.add(now, "worker_done", worker=session, outcome=outcome, summary=summary)
        return record.done or said

    def flag(self, session: str, words: str) -> Ask:
        """A worker wants to be looked at: one flag for each generation, which a human may answer."""
        if not words.strip():
            raise Usage("a flag needs words: what should a human look at?")
        record = self._speaker(session, "whose?")
        now = self._clock.wall()
        ask = self._store.asks.add(
            Ask(
                id="",
                asker=record.id,
                kind="notice",
                prompt=text.plain(words),
                created=now,
                key=f"flag:{record.generation}",
                generation=record.generation,
            )
        )
        if ask.created == now:
            self._store.events.add(
                now, "asked", ask=ask.id, kind=ask.kind, severity=ask.severity, prompt=ask.prompt
            )
            self._store.ring()
        return ask

    def unflag(self, session: str) -> bool:
        """Take a worker's flag down; False if there was none."""
        record = self._speaker(session, "whose?")
        flags = [a for a in self._store.asks.open() if a.key == f"flag:{record.generation}"]
        for ask in flags:
            self._store.asks.close(ask, "unflagged")
            self._store.events.add(
                self._clock.wall(), "ask_closed", ask=ask.id, kind=ask.kind, how="unflagged"
            )
        self._store.ring()
        return bool(flags)

    def _speaker(self, session: str, whose: str) -> Worker:
        """The worker that is spoken of: the one named, or the one that this process belongs to."""
        own = self._env.get("LOOOP_SESSION_ID", "")
        who = session or own
        if not who:
            raise Usage(f"{whose} give --session, or run this inside a worker")
        generation = self._env.get("LOOOP_GENERATION", "") if who == own else ""
        return self._store.workers.need(names.checked("session", who), generation)

    def record_cost(self, usd: float, *, session: str, model: str) -> Spend | None:
        """
        A worker tells what it has cost; None when its own transcript tells that already.

        Raises `Usage` for what is no amount.
        """
        from looop.loop.workers.agents import AGENTS

        if not 0 <= usd < float("inf"):
            raise Usage(f"{usd!r} is not an amount of US dollars")
        record = self._speaker(session, "whose cost?")
        if record.runner in AGENTS and not record.override:
            return None
        row = Spend(
            ts=clocks.utc_iso(self._clock.wall()),
            kind="session",
            id=record.id,
            runner=record.runner,
            goal=record.goal,
            model=model,
            cost_usd=usd,
            priced="self",
            generation=record.generation,
        )
        self._store.ledger.add(row)
        return row

    def heard(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """What an agent's hook tells of this worker; the answer that the hook must print."""
        from looop.control import hooks

        return hooks.heard(self._store, self._env, self._clock, payload, self.fleet)
