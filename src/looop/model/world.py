"""The world as one beat saw it: policy texts, readings, and the named items they reduce to."""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

__all__ = ["UNREADABLE", "Change", "Reading", "Trust", "World", "worst"]

Trust = Literal["own", "repo", "public"]
_ORDER: tuple[Trust, ...] = ("own", "repo", "public")

UNREADABLE = "!unreadable"


def worst(trusts: Iterable[Trust]) -> Trust:
    """The least trusted of them; `own` for none."""
    return _ORDER[max((_ORDER.index(trust) for trust in trusts), default=0)]


class Reading(Struct, frozen=True, kw_only=True):
    """
    One sensor's last word.

    `name` is the snapshot's name (`sensor-git`, `sys-goals`). `signal` is what wakes the loop,
    `detail` only informs; `split` says that the reading told them apart. `ok` is False for a
    normalised failure. `at` is wall seconds, `took_s` how long it ran; `fresh` says that it
    was taken in this very beat.
    """

    name: str
    signal: Any
    detail: Any = None
    split: bool = True
    ok: bool = True
    trust: Trust = "public"
    at: float = 0.0
    took_s: float = 0.0
    fresh: bool = True

    def as_json(self) -> Any:
        """The value that the snapshot file holds."""
        if not self.split:
            return self.signal
        return {"signal": self.signal} | ({} if self.detail is None else {"detail": self.detail})


class World(Struct, frozen=True, kw_only=True):
    """
    What one pass saw. Everything later in the beat uses this, never a second read.

    `items` maps `playbook`, `goal:<id>`, `snap:<name>` (and `dir:<name>` for a directory that
    could not be listed) to a value that changes when it matters; `hash` digests them, and
    `policy` digests the part that humans steer with. `problems` are one-line warnings.
    """

    playbook: str | None
    goals: dict[str, str]
    readings: dict[str, Reading]
    items: dict[str, str]
    hash: str
    policy: str
    problems: tuple[str, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    """One named difference between two looks; `old` or `new` is None when it was not there."""

    item: str
    old: str | None
    new: str | None
