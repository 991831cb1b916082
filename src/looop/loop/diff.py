"""Diff: reduce a look to named items and one hash, and name what changed between two looks."""

from collections.abc import Mapping

from looop.kit import canon
from looop.model.world import UNREADABLE, Change, Reading, World

__all__ = ["assemble", "changes", "content", "fingerprint", "signal_of"]


def content(body: str) -> str:
    """The item value of a policy text: its digest."""
    return canon.digest(body.encode("utf-8", "surrogatepass"))


def signal_of(reading: Reading) -> str:
    """The item value of a reading: its signal as canonical JSON. `detail` is not part of it."""
    try:
        return canon.canonical(reading.signal)
    except (ValueError, RecursionError):
        return "!not-canonical"


def fingerprint(items: Mapping[str, str]) -> str:
    """
    The hash of a world: BLAKE2b-128 over its items in name order, each framed by its lengths.

    The same items give the same hash on every machine and in every version of this program.
    """
    return canon.digest(canon.framed(sorted(items.items())))


def assemble(
    *,
    playbook: str | None,
    goals: Mapping[str, str],
    readings: Mapping[str, Reading],
    unseen: tuple[str, ...] = (),
    steering: Mapping[str, str] | None = None,
    problems: tuple[str, ...] = (),
) -> World:
    """
    The world of one look. What could not be seen is the value `!unreadable`, so that losing
    sight of something, and seeing it again, are both changes.

    `steering` are digests of the other things that a human steers with (settings, rules,
    answers); they are part of `policy`, which ends a wait, and not of `hash`.
    """
    policy: dict[str, str] = {}
    if playbook is not None:
        policy["playbook"] = content(playbook)
    policy |= {f"goal:{goal_id}": content(body) for goal_id, body in goals.items()}
    policy |= dict.fromkeys(unseen, UNREADABLE)
    items = policy | {f"snap:{name}": signal_of(reading) for name, reading in readings.items()}
    return World(
        playbook=playbook,
        goals=dict(sorted(goals.items())),
        readings=dict(readings),
        items=dict(sorted(items.items())),
        hash=fingerprint(items),
        policy=fingerprint(policy | {f"steer:{k}": v for k, v in (steering or {}).items()}),
        problems=problems,
    )


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """
    Every item whose value differs, in name order.

    While a directory cannot be listed, its members are not reported as gone.
    """
    blind = tuple(
        prefix
        for directory, prefix in (("dir:goals", "goal:"), ("dir:sensors", "snap:sensor-"))
        if directory in new
    )
    return [
        Change(item=item, old=old.get(item), new=new.get(item))
        for item in sorted(old.keys() | new.keys())
        if old.get(item) != new.get(item) and not (item not in new and item.startswith(blind))
    ]
