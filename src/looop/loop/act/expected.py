"""Own-move suppression: the items of the world as a move of ours must leave them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from looop.kit import canon, text
from looop.kit.shapes import is_array, is_object
from looop.loop import diff
from looop.loop.decide import decision
from looop.model import timers
from looop.model.actions import (
    Action,
    ArchiveGoal,
    DropSchedule,
    WriteGoal,
    WritePlaybook,
    WriteSchedule,
)

__all__ = ["after", "asks_after", "sessions_after"]

_SCHEDULES = "snap:sys-schedules"
_ASKS = "snap:sys-asks"
_SESSIONS = "snap:sys-sessions"


def _signal(items: dict[str, str], item: str) -> dict[str, Any]:
    try:
        value: Any = msgspec.json.decode(items.get(item, "{}"))
    except msgspec.DecodeError:
        return {}
    return value if is_object(value) else {}


def after(action: Action, items: dict[str, str], now: float) -> dict[str, str]:
    """
    `items` with the effect of a pure policy write in them.

    It is computed from the move, not read back: what someone else does to the same file at the
    same time stays a change.
    """
    new = dict(items)
    match action:
        case WritePlaybook(body=body):
            new["playbook"] = diff.content(text.ended(body))
        case WriteGoal(id=goal_id, body=body):
            new[f"goal:{goal_id}"] = diff.content(text.ended(body))
        case ArchiveGoal(id=goal_id):
            new.pop(f"goal:{goal_id}", None)
        case WriteSchedule(name=name):
            record = decision.as_schedule(action, now)
            signal = _signal(items, _SCHEDULES) | {name: timers.signal(record, now, None)}
            new[_SCHEDULES] = canon.canonical(signal)
        case DropSchedule(name=name):
            signal = _signal(items, _SCHEDULES)
            signal.pop(name, None)
            new[_SCHEDULES] = canon.canonical(signal)
        case _:
            pass
    return dict(sorted(new.items()))


def asks_after(
    items: dict[str, str], *, raised: Iterable[str] = (), closed: Iterable[str] = ()
) -> dict[str, str]:
    """`items` after these asks of our own were raised and closed."""
    if _ASKS not in items:
        return items
    signal = _signal(items, _ASKS)
    gone = set(closed)
    for state in ("pending", "answered"):
        ids = signal.get(state)
        signal[state] = [i for i in ids if i not in gone] if is_array(ids) else []
    signal["pending"] += [i for i in raised if i not in signal["pending"]]
    return dict(sorted((items | {_ASKS: canon.canonical(signal)}).items()))


def sessions_after(
    items: dict[str, str], sessions: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """`items` after a move that left these sessions with these signals."""
    if not sessions:
        return items
    signal = _signal(items, _SESSIONS) | {name: dict(said) for name, said in sessions.items()}
    return dict(sorted((items | {_SESSIONS: canon.canonical(signal)}).items()))
