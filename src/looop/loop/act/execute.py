"""The executor: one small function for each action, and the one place that has effects."""

from typing import assert_never

from msgspec import Struct, UnsetType

from looop.kit import text
from looop.loop.act import script_check, shell, worker
from looop.loop.decide import decision as decisions
from looop.loop.parts import Parts
from looop.model.actions import (
    Action,
    ArchiveGoal,
    AskHuman,
    DropSchedule,
    KillWorker,
    Noop,
    RestartSession,
    RunShell,
    SendKey,
    SendNotification,
    StartWorker,
    SteerSession,
    WriteGoal,
    WritePlaybook,
    WriteSchedule,
    WriteSensor,
)
from looop.model.records import Ask, Outcome, Shell
from looop.state.store import Store

__all__ = ["Effect", "execute"]

_SUMMARY = 160


class Effect(Struct, frozen=True, kw_only=True):
    """
    What a move did: its outcome, a shell command's result, the id of an ask it raised, and the
    signal that the sessions it touched have now.
    """

    outcome: Outcome
    shell: Shell | None = None
    ask: str = ""
    sessions: dict[str, dict[str, str]] = {}


def _did(summary: str, ask: str = "") -> Effect:
    return Effect(outcome=Outcome(ok=True, summary=text.one_line(summary, 300)), ask=ask)


async def execute(action: Action, parts: Parts, *, run_id: str, goal: str, by: str) -> Effect:
    """
    Carry out one move of `by` (`loop` or a human). Raises `LooopError` or `OSError` when it
    could not be done.

    Safe to call only once for a decision: nothing here asks whether it happened before.
    """
    store, clock = parts.store, parts.clock
    match action:
        case Noop(reason=reason):
            return _did(f"noop · {reason}" if reason else "noop")
        case RunShell():
            ran = await shell.run(
                action,
                paths=store.paths,
                config=parts.config,
                env=parts.env,
                run_id=run_id,
                clock=clock,
            )
            return Effect(outcome=ran.outcome, shell=ran.shell)
        case WriteGoal(id=goal_id, body=body):
            store.documents.write_goal(goal_id, body)
            return _did(f"goal · {goal_id} written")
        case ArchiveGoal(id=goal_id):
            name = store.documents.archive_goal(goal_id)
            return _did(f"archive · {goal_id} as {name}")
        case WriteSensor(name=name, script=script):
            script_check.parse(script)
            store.documents.write_sensor(name, script)
            return _did(f"sensor · {name} written")
        case WritePlaybook(body=body):
            store.documents.write_playbook(body, clock.wall(), parts.config.playbook_keep)
            return _did("playbook · written, the previous one is kept")
        case AskHuman():
            return _ask(action, store, run_id, clock.wall())
        case SendNotification():
            return _notify(action, store, clock.wall())
        case WriteSchedule():
            return _schedule(action, store, clock.wall())
        case DropSchedule(name=name):
            store.schedules.drop(name)
            return _did(f"drop-schedule · {name}")
        case StartWorker() | SteerSession() | SendKey() | RestartSession() | KillWorker():
            summary, sessions = await worker.perform(action, parts, run_id=run_id, goal=goal, by=by)
            outcome = Outcome(ok=True, summary=text.one_line(summary, 300))
            return Effect(outcome=outcome, sessions=sessions)
        case _:
            assert_never(action)


def _ask(action: AskHuman, store: Store, run_id: str, now: float) -> Effect:
    ask = store.asks.add(
        Ask(
            id="",
            asker="loop",
            kind="question",
            prompt=action.prompt,
            created=now,
            severity=action.severity,
            options=action.options,
            ref="" if isinstance(action.ref, UnsetType) else action.ref,
            key=f"question:{action.prompt}",
            run=run_id,
        )
    )
    store.events.add(
        now, "asked", ask=ask.id, kind=ask.kind, severity=ask.severity, prompt=ask.prompt
    )
    return _did(f"ask · {ask.id}: {text.one_line(ask.prompt, _SUMMARY)}", ask.id)


def _notify(action: SendNotification, store: Store, now: float) -> Effect:
    ident = "" if isinstance(action.id, UnsetType) else action.id
    store.events.add(now, "notified", id=ident, message=action.message, severity=action.severity)
    return _did(f"notify · {text.one_line(action.message, _SUMMARY)}")


def _schedule(action: WriteSchedule, store: Store, now: float) -> Effect:
    store.schedules.put(action.name, decisions.as_schedule(action, now))
    return _did(f"schedule · {action.name}")
