"""The contract served from this machine's own data dir."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from looop.config import RULES, Config
from looop.control.views import (
    AskView,
    CheckView,
    CostView,
    GoalView,
    HistoryView,
    ScheduleView,
    SensorRun,
    SensorView,
    StateView,
    StatusView,
)
from looop.errors import LooopError, NotFound, Refused, Usage
from looop.kit import canon, durations, files, names
from looop.kit.clock import Clock
from looop.model import actions, goal, timers
from looop.model.records import Answer, Ask
from looop.paths import Paths
from looop.sessions.port import Fleet
from looop.state import memory as memories
from looop.state.logs import day_start
from looop.state.store import Store

if TYPE_CHECKING:
    from looop.control.crew import LocalCrew
    from looop.loop.parts import Parts
    from looop.model.actions import Action

__all__ = ["LocalControl"]

WINDOWS = ("today", "week", "all")
GROUPS = ("goal", "kind", "runner", "model", "day")


class LocalControl:
    """Every verb over one profile; what only some verbs need is imported by those."""

    def __init__(
        self,
        paths: Paths,
        config: Config | LooopError,
        env: Mapping[str, str],
        fleet: Callable[[], Fleet],
        clock: Clock,
    ) -> None:
        self._config = config
        self._env = env
        self._open_fleet = fleet
        self._clock = clock
        # A broken configuration stops what depends on it, and not the looking at the rest.
        self._store = Store(paths, config if isinstance(config, Config) else Config())

    @property
    def config(self) -> Config:
        """The settings; raises what is wrong with them."""
        if isinstance(self._config, LooopError):
            raise self._config
        return self._config

    @cached_property
    def _fleet(self) -> Fleet:
        # Most verbs do without sessions, and without loading what reaches them.
        return self._open_fleet()

    @property
    def crew(self) -> "LocalCrew":
        """The verbs that concern sessions."""
        from looop.control.crew import LocalCrew

        return LocalCrew(self._store, self._fleet, self._config, self._env, self._clock)

    # -- looking -----------------------------------------------------------------------------

    def status(self) -> StatusView:
        from looop.control import overview

        return overview.status(self._store, self._fleet, self.config, self._clock)

    def state(self) -> StateView:
        from looop.control import overview

        return overview.state(self._store, self._fleet, self.config, self._clock)

    def journal(self, count: int) -> list[str]:
        return self._store.journal.tail(count)

    def events(self, count: int, since: int | None) -> list[dict[str, Any]]:
        if since is None:
            return self._store.events.tail(count)
        return self._store.events.since(since)

    def cost(self, window: str, by: str) -> CostView:
        if window not in WINDOWS or by not in GROUPS:
            raise Usage(f"cost takes {'|'.join(WINDOWS)} and --by {'|'.join(GROUPS)}")
        now = self._clock.wall()
        start = {"today": day_start(now), "week": day_start(now, 6), "all": 0.0}[window]
        rows: dict[str, tuple[int, float, int]] = {}
        unpriced = 0
        for _, row in self._store.ledger.since(start):
            key = row.ts[:10] if by == "day" else str(getattr(row, by)) or "(none)"
            count, usd, tokens = rows.get(key, (0, 0.0, 0))
            spent = row.input_tokens + row.cached_tokens + row.cache_write_tokens
            unpriced += row.cost_usd is None
            rows[key] = (
                count + 1,
                usd + (row.cost_usd or 0.0),
                tokens + spent + row.output_tokens,
            )
        return CostView(
            window=window,
            by=by,
            rows=[(key, *value) for key, value in sorted(rows.items())],
            total_usd=round(sum(usd for _, usd, _ in rows.values()), 6),
            runs=sum(count for count, _, _ in rows.values()),
            unpriced=unpriced,
        )

    def asks(self, *, archived: bool) -> tuple[list[AskView], list[str]]:
        found, problems = self._store.asks.look()
        if archived:
            found = self._store.asks.closed()
        now = self._clock.wall()
        return [AskView(ask=ask, age_s=max(0.0, now - ask.created)) for ask in found], problems

    def ask(self, ask_id: str) -> Ask:
        ask = self._store.asks.get(names.checked("ask", ask_id))
        if ask is None:
            raise NotFound(f"there is no ask {ask_id!r}; `looop asks` lists them")
        return ask

    def _served(self) -> dict[str, float]:
        try:
            return memories.load(self._store.paths).served
        except LooopError:
            return {}

    def _goal_view(self, goal_id: str, body: str, served: Mapping[str, float]) -> GoalView:
        parsed = goal.parse(goal_id, body)
        at = served.get(goal_id)
        return GoalView(
            id=goal_id,
            title=parsed.title,
            priority=parsed.priority,
            every=parsed.every,
            served_s=None if at is None else max(0.0, self._clock.wall() - at),
            body=body,
        )

    def goals(self) -> list[GoalView]:
        served = self._served()
        found: list[GoalView] = []
        for goal_id in self._store.documents.goal_ids()[0]:
            body = self._store.documents.goal(goal_id)
            if body is not None:
                found.append(self._goal_view(goal_id, body, served))
        return found

    def goal(self, goal_id: str) -> GoalView:
        body = self._store.documents.goal(names.checked("goal", goal_id))
        if body is None:
            raise NotFound(f"there is no goal {goal_id!r}; `looop goal list` lists them")
        return self._goal_view(goal_id, body, self._served())

    def playbook(self) -> str:
        body = self._store.documents.playbook()
        if body is None:
            raise NotFound("there is no PLAYBOOK.md; `looop init` lays a starter in a new profile")
        return body

    def sensors(self) -> tuple[list[SensorView], list[str]]:
        from looop.loop.sense import discover

        found, problems = discover.discover(self._store.paths)
        stamps = self._store.stamps()
        views: list[SensorView] = []
        for sensor in found:
            stamp = stamps.get(sensor.name)
            interval = sensor.header.interval_s
            views.append(
                SensorView(
                    name=sensor.name,
                    file=sensor.path.name,
                    interval_s=interval,
                    trust=sensor.header.trust,
                    last_at=stamp.at if stamp else 0.0,
                    last_ok=stamp.ok if stamp else None,
                    took_s=stamp.took_s if stamp else 0.0,
                    size=stamp.size if stamp else 0,
                    next_at=stamp.at + interval if stamp and stamp.ok else 0.0,
                    signal=self._signal(sensor.snapshot),
                    problems=[*sensor.header.problems, *([sensor.broken] if sensor.broken else [])],
                )
            )
        return views, problems

    def _signal(self, snapshot: str) -> str:
        """The signal that the last decision was based on: another value would wake the loop."""
        try:
            return memories.load(self._store.paths).items.get(f"snap:{snapshot}", "")
        except LooopError:
            return ""

    def schedules(self) -> list[ScheduleView]:
        now = self._clock.wall()
        views: list[ScheduleView] = []
        for name, record in self._store.schedules.all().items():
            if record.cron is not None:
                what = f"cron {record.cron}"
            elif record.every_s is not None:
                what = f"every {durations.short(record.every_s)}"
            else:
                what = "once"
            views.append(
                ScheduleView(
                    name=name,
                    what=what,
                    state=canon.canonical(timers.signal(record, now, None)).strip('"'),
                    next_at=timers.next_due(record, now),
                    note=record.note,
                    problem=timers.problem(record),
                )
            )
        return views

    def history(self, count: int) -> list[HistoryView]:
        return [
            HistoryView(commit=commit, when=when, message=message, files=changed)
            for commit, when, message, changed in self._store.history.log(count)
        ]

    def history_diff(self, commit: str) -> str:
        return self._store.history.diff(commit)

    def doctor(self) -> list[CheckView]:
        from looop.control import setup

        return setup.doctor(self._store, self._fleet, self._config, self._env)

    def runners(self) -> list[str]:
        """Who could decide here: the one that is set, runners of yours, agent CLIs, rules."""
        from looop.control import setup

        current = [self.config.runner] if self.config.source else []
        found = [*current, *self.config.runners, *setup.detected(self._env), RULES]
        return list(dict.fromkeys(found))

    # -- steering ----------------------------------------------------------------------------

    def init(self, *, runner: str, git: bool | None) -> list[str]:
        from looop.control import setup

        return setup.init(self._store, self.config, self._env, self._clock, runner=runner, git=git)

    def answer(self, ask_id: str, text: str, *, by: str, channel: str) -> Ask:
        now = self._clock.wall()
        given = Answer(text=text, by=by, channel=channel, at=now)
        ask = self._store.asks.answer(names.checked("ask", ask_id), given)
        self._store.events.add(now, "answered", ask=ask.id, kind=ask.kind, by=by, channel=channel)
        self._store.ring()
        return ask

    def _parts(self) -> "Parts":
        from looop.loop.parts import Parts

        return Parts(self._store, self.config, self._env, self._fleet, clock=self._clock)

    def _perform(self, action: "Action", journal: str) -> str:
        from looop.loop import hand

        outcome, _ = hand.perform(self._parts(), action, journal)
        self._store.ring()
        return outcome.summary

    def write_goal(self, goal_id: str, body: str) -> str:
        names.checked("goal", goal_id)
        if not body.strip():
            raise Usage("a goal needs a body")
        return self._perform(actions.WriteGoal(id=goal_id, body=body), f"goal {goal_id} written")

    def archive_goal(self, goal_id: str) -> str:
        names.checked("goal", goal_id)
        return self._perform(actions.ArchiveGoal(id=goal_id), f"goal {goal_id} archived")

    def write_playbook(self, body: str) -> str:
        if not body.strip():
            raise Usage("a PLAYBOOK needs a body")
        return self._perform(actions.WritePlaybook(body=body), "PLAYBOOK written")

    def write_sensor(self, name: str, script: str) -> str:
        names.checked("sensor", name)
        if not script.startswith("#!"):
            raise Usage("a sensor is a script: its first line says how to run it, as in #!/bin/sh")
        return self._perform(
            actions.WriteSensor(name=name, script=script), f"sensor {name} written"
        )

    def run_sensor(self, name: str) -> SensorRun:
        import asyncio
        import secrets

        from looop.kit import proc
        from looop.loop import diff
        from looop.loop.sense import discover, sensors

        names.checked("sensor", name)
        found = {s.name: s for s in discover.discover(self._store.paths)[0]}
        if name not in found:
            known = ", ".join(found) or "none"
            raise NotFound(f"there is no sensor {name!r}; there are: {known}")
        mark = f"byhand-{secrets.token_hex(6)}"
        try:
            reading, done = asyncio.run(
                sensors.run_one(
                    found[name], self._store.paths, self.config, self._env, self._clock, mark
                )
            )
        finally:
            proc.sweep(mark)
        before = self._signal(reading.name)
        return SensorRun(
            name=name,
            ok=reading.ok,
            reading=reading.as_json(),
            signal=reading.signal,
            size=done.out_total,
            took_s=reading.took_s,
            code=done.shell_code,
            stderr=done.err.decode("utf-8", "replace"),
            would_wake=before != diff.signal_of(reading),
            known=bool(before),
        )

    def write_schedule(
        self,
        name: str,
        *,
        in_s: float | None,
        every_s: float | None,
        cron: str | None,
        note: str,
        catch_up: str,
    ) -> str:
        from looop.loop.decide import decision

        fields: dict[str, Any] = {
            "action": "write_schedule",
            "name": names.checked("schedule", name),
            "in_s": None if in_s is None else round(in_s),
            "every_s": None if every_s is None else round(every_s),
            "cron": cron,
            "note": note,
            "catch_up": catch_up,
        }
        try:
            action = decision.from_value(fields).action
        except decision.BadDecision as error:
            raise Usage(str(error)) from error
        return self._perform(action, f"schedule {name} written")

    def drop_schedule(self, name: str) -> str:
        names.checked("schedule", name)
        if files.stat_or_none(self._store.schedules.path(name)) is None:
            raise NotFound(f"there is no schedule {name!r}; `looop schedule list` lists them")
        return self._perform(actions.DropSchedule(name=name), f"schedule {name} dropped")

    def run(self, command: str) -> tuple[int, str]:
        from looop.loop import hand

        if not command.strip():
            raise Usage("run needs a command")
        outcome, shell = hand.perform(self._parts(), actions.RunShell(cmd=command), "")
        self._store.ring()
        if shell is None or (not outcome.ok and shell.code == 0):
            raise Refused(outcome.summary)
        return shell.code, shell.output

    def undo(self, commit: str) -> str:
        from looop.state.logs import Journal

        message = self._store.history.undo(commit)
        now = self._clock.wall()
        words = f"human · undid {commit}: {message}"
        self._store.journal.add(Journal.line(now, words))
        self._store.events.add(now, "steered", action="undo", summary=words, run="")
        self._store.ring()
        return message
