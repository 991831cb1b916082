"""Held moves: put before a human with everything that a yes means, and spent exactly once."""

import difflib
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, UnsetType

from looop.errors import LooopError
from looop.kit import files, text
from looop.loop.decide import decision as decisions
from looop.loop.decide.decision import BadDecision
from looop.model import actions
from looop.model.actions import Action, Decision, RunShell, WriteGoal, WritePlaybook, WriteSensor
from looop.model.records import Ask, Origin, Verdict
from looop.state.asks import YES
from looop.state.store import Store

__all__ = ["Answered", "hold", "next_answered", "preview"]

_SHOWN_LIMIT = 16384


class Answered(Struct, frozen=True, kw_only=True):
    """
    A held move whose answer has come. `decision` is None where the move must not run; `how` then
    says why: `denied`, or what is wrong with it.
    """

    ask: Ask
    decision: Decision | None
    how: str


def _lines(body: str) -> list[str]:
    # Only a newline ends a line for the programs that will read it.
    return text.ended(body)[:-1].split("\n") if body else []


def _diff(old: str, new: str, name: str) -> str:
    lines = difflib.unified_diff(
        _lines(old), _lines(new), f"{name} (now)", f"{name} (proposed)", lineterm=""
    )
    return "\n".join(lines) or "(no difference)"


def _file_diff(path: Path, new: str, name: str) -> str:
    try:
        old = files.read_text(path) or ""
    except LooopError as error:
        # The human must see the move all the same.
        return f"({error})\n{new}"
    return _diff(old, new, name)


def preview(store: Store, action: Action) -> str:
    """What a human must see to judge a move: the exact command, or the diff of a file."""
    paths = store.paths
    match action:
        case RunShell(cmd=cmd, probe=probe):
            shown = cmd if isinstance(probe, UnsetType) else f"{cmd}\nprobe: {probe}"
        case WritePlaybook(body=body):
            shown = _file_diff(paths.playbook, body, "PLAYBOOK.md")
        case WriteSensor(name=name, script=script):
            path = store.documents.sensor_path(name)
            shown = _file_diff(path, script, f"sensors/{path.name}")
        case WriteGoal(id=goal_id, body=body):
            shown = _file_diff(paths.goal(goal_id), body, f"goals/{goal_id}.md")
        case _:
            shown = "\n".join(f"{k}: {v}" for k, v in actions.as_dict(action).items())
    return text.clip_middle(text.plain(shown), _SHOWN_LIMIT)


def hold(
    store: Store,
    decision: Decision,
    verdict: Verdict,
    *,
    run: str,
    origin: Origin,
    now: float,
    ttl_s: float,
    generation: str = "",
) -> Ask:
    """
    Put a move before a human. The same move that waits already is not put twice.

    The yes is bound to the digest of exactly this action, and to the generation of the worker
    that it concerns.
    """
    action = decision.action
    digest = actions.digest(action)
    return store.asks.add(
        Ask(
            id="",
            asker="loop",
            kind="approval",
            prompt=f"May this move run? {actions.tag_of(action)}",
            created=now,
            severity=verdict.severity,
            options=(),
            key=f"move:{digest}" + (f":{generation}" if generation else ""),
            expires=now + ttl_s if ttl_s else 0.0,
            action=actions.as_dict(action),
            digest=digest,
            rule=verdict.rule,
            reason=verdict.reason,
            shown=preview(store, action),
            journal=decision.journal,
            goal=decision.goal,
            origin=origin,
            run=run,
            generation=generation,
        )
    )


def _judge(ask: Ask, generation_of: Callable[[Action], str]) -> Answered:
    answer = ask.answer
    words = answer.text.split() if answer else []
    if not words or words[0].lower().strip(".,!") not in YES:
        return Answered(ask=ask, decision=None, how="denied")
    try:
        decision = decisions.from_value(
            {**(ask.action or {}), "journal": ask.journal, "goal": ask.goal}
        )
    except BadDecision as error:
        return Answered(ask=ask, decision=None, how=f"unusable: {error}")
    if actions.digest(decision.action) != ask.digest:
        how = "unusable: the move is not the one that was approved"
        return Answered(ask=ask, decision=None, how=how)
    # Held when nothing of that name lived, it was meant for nobody who lives now.
    if generation_of(decision.action) != ask.generation:
        how = "the worker that it was meant for has gone"
        return Answered(ask=ask, decision=None, how=how)
    return Answered(ask=ask, decision=decision, how="approved")


def _no_worker(_action: Action) -> str:
    return ""


def next_answered(
    store: Store, generation_of: Callable[[Action], str] = _no_worker
) -> Answered | None:
    """
    The oldest held move that a human has answered. Raises `Unreadable` or `Corrupt`.

    `generation_of` tells the living generation of the worker that a move concerns, "" for none.
    """
    for ask in store.asks.open():
        if ask.kind == "approval" and ask.state == "answered":
            return _judge(ask, generation_of)
    return None
