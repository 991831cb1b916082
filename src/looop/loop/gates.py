"""
Gates: each a pure rule that says whether the beat may go on, why not, and until when.

`unchanged` and `backoff` stand before every decision. `decide-cap`, `daily-budget` and
`unmetered` stand before a launch of the runner only: a reflex costs nothing and passes them.
"""

from collections.abc import Mapping

from msgspec import Struct

from looop.config import Config
from looop.kit import canon, durations
from looop.model.records import UNMETERED_LIMIT, Flap, Memory

__all__ = [
    "BACKOFF_BASE_S",
    "BACKOFF_CAP_S",
    "ESCALATE_AFTER",
    "Gate",
    "Moment",
    "Spending",
    "backoff",
    "backoff_s",
    "clamp_interval",
    "daily_budget",
    "decide_cap",
    "flap",
    "next_beat",
    "recent_decides",
    "status",
    "unchanged",
    "unmetered",
]

BACKOFF_BASE_S = 60.0
BACKOFF_CAP_S = 300.0
ESCALATE_AFTER = 5
HOUR_S = 3600.0
MIN_INTERVAL_S = 5.0
# Clocks step back a little all the time; a stamp further in the future than this is not believed.
_SKEW_S = 1.0


class Gate(Struct, frozen=True, kw_only=True):
    """
    One gate's word: `closed`, why, and when it opens (wall seconds; None if not by time).

    For an open gate `reason` says what opened it.
    """

    name: str
    closed: bool
    reason: str
    until: float | None = None


class Moment(Struct, frozen=True, kw_only=True):
    """The world's hash and policy digest, the wall time, and whether a human forces a decision."""

    hash: str
    policy: str
    now: float
    forced: bool = False


class Spending(Struct, frozen=True, kw_only=True):
    """What today has cost, when the day ends (wall seconds), and who would be launched."""

    today_usd: float
    day_ends: float
    signature: str


def unchanged(memory: Memory, moment: Moment, config: Config) -> Gate:
    """Closed while the world is the one last decided upon, and nothing asks to decide again."""
    name = "unchanged"
    if not memory.hash:
        return Gate(name=name, closed=False, reason="first look at this world")
    if memory.hash != moment.hash:
        return Gate(name=name, closed=False, reason="the world changed")
    if moment.forced:
        return Gate(name=name, closed=False, reason="forced")
    # No decision can ask for more than an hour: a later deadline was set by a clock that was wrong.
    far = moment.now + HOUR_S + _SKEW_S
    if memory.wake_at and not moment.now < memory.wake_at <= far:
        return Gate(name=name, closed=False, reason="the last decision asked to look again")
    age = moment.now - memory.noop_at
    if memory.noop_at and config.noop_ttl and age < -_SKEW_S:
        return Gate(name=name, closed=False, reason="the time of the last noop is not believed")
    if memory.noop_at and config.noop_ttl and age >= config.noop_ttl:
        reason = f"the noop of {durations.short(age)} ago is reconsidered"
        return Gate(name=name, closed=False, reason=reason)
    ends = [memory.wake_at] if memory.wake_at else []
    if memory.noop_at and config.noop_ttl:
        ends.append(memory.noop_at + config.noop_ttl)
    return Gate(
        name=name,
        closed=True,
        reason="nothing that matters changed",
        until=min(ends, default=None),
    )


def backoff_s(fails: int) -> float:
    """How long to wait after `fails` failures in a row: 60 s, doubling, at most 300 s."""
    if fails <= 0:
        return 0.0
    return min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(fails - 1, 16))


def backoff(memory: Memory, moment: Moment) -> Gate:
    """Closed for a while after a failure; a change of policy ends the wait, not the count."""
    name = "backoff"
    if not memory.fails:
        return Gate(name=name, closed=False, reason="no failure")
    if memory.failed_policy and memory.failed_policy != moment.policy:
        return Gate(name=name, closed=False, reason="a human changed something since the failure")
    until = memory.failed_at + backoff_s(memory.fails)
    if moment.now >= until or memory.failed_at > moment.now + _SKEW_S:
        return Gate(name=name, closed=False, reason="the wait is over")
    times = "once" if memory.fails == 1 else f"{memory.fails} times in a row"
    why = memory.failure.error if memory.failure else "no reason recorded"
    return Gate(name=name, closed=True, reason=f"failed {times}: {why}", until=until)


def recent_decides(memory: Memory, now: float) -> tuple[float, ...]:
    """Launches of the last hour; stamps from the future are not believed."""
    return tuple(at for at in memory.decides if now - HOUR_S < at <= now + _SKEW_S)


def decide_cap(memory: Memory, moment: Moment, config: Config) -> Gate:
    """Closed while the runner was launched `max_decides_per_hour` times in the last hour."""
    name = "decide-cap"
    cap = config.max_decides_per_hour
    recent = recent_decides(memory, moment.now)
    if not cap or len(recent) < cap:
        limit = f"of {cap}" if cap else "(no cap)"
        return Gate(name=name, closed=False, reason=f"{len(recent)} {limit} launches in the hour")
    until = sorted(recent)[len(recent) - cap] + HOUR_S
    return Gate(name=name, closed=True, reason=f"{cap} launches in the last hour", until=until)


def daily_budget(spending: Spending, config: Config) -> Gate:
    """Closed once today has cost `max_daily_usd`."""
    name = "daily-budget"
    limit = config.max_daily_usd
    if not limit:
        return Gate(name=name, closed=False, reason="no budget is set")
    reason = f"${spending.today_usd:.2f} of ${limit:.2f} spent today"
    closed = spending.today_usd >= limit
    return Gate(
        name=name, closed=closed, reason=reason, until=spending.day_ends if closed else None
    )


def unmetered(memory: Memory, spending: Spending, config: Config) -> Gate:
    """With a budget set: closed after three runs of this runner whose cost nobody could tell."""
    name = "unmetered"
    counted = memory.unmetered
    if not config.max_daily_usd or counted is None or counted.signature != spending.signature:
        return Gate(name=name, closed=False, reason="spend is measured, or no budget is set")
    if counted.count < UNMETERED_LIMIT:
        reason = f"{counted.count} of {UNMETERED_LIMIT} runs without a known cost"
        return Gate(name=name, closed=False, reason=reason)
    return Gate(
        name=name,
        closed=True,
        reason=f"a budget is set and {counted.count} runs in a row told no cost; "
        "declare `cost` for the runner, name its `model`, or unset max_daily_usd",
    )


def status(memory: Memory, moment: Moment, spending: Spending, config: Config) -> list[Gate]:
    """Every gate in the order of the beat."""
    return [
        unchanged(memory, moment, config),
        backoff(memory, moment),
        decide_cap(memory, moment, config),
        daily_budget(spending, config),
        unmetered(memory, spending, config),
    ]


def flap(
    flaps: Mapping[str, Flap], items: Mapping[str, str], limit: int
) -> tuple[dict[str, Flap], list[str]]:
    """
    The new streaks of every reading, and the readings that have just reached `limit`.

    A change adds one and a still look takes one away, so that change, change, still is caught
    as well. A reading seen for the first time starts at nothing.
    """
    new: dict[str, Flap] = {}
    flagged: list[str] = []
    for item, value in items.items():
        if not item.startswith("snap:"):
            continue
        name = item.removeprefix("snap:")
        last = canon.digest(value.encode("utf-8", "surrogatepass"))
        before = flaps.get(name)
        if before is None:
            new[name] = Flap(last=last)
            continue
        moved = before.last != last
        streak = before.streak + 1 if moved else max(0, before.streak - 1)
        # The streak has a ceiling, so that a reading that calms down is forgiven in time.
        streak = min(streak, 2 * limit) if limit else 0
        new[name] = Flap(last=last, streak=streak)
        if limit and moved and streak == limit:
            flagged.append(name)
    return new, flagged


def clamp_interval(asked_s: float, config: Config) -> float:
    """What a decision may really sleep: at least 5 s, at most `max_next_interval`."""
    cap = config.max_next_interval or HOUR_S
    return max(MIN_INTERVAL_S, min(float(asked_s), max(cap, MIN_INTERVAL_S), HOUR_S))


def next_beat(memory: Memory, now: float, config: Config) -> tuple[float, str]:
    """
    When to look again (wall seconds) and why.

    A deadline in the future shortens the sleep; one that has passed does not, or a loop that
    backs off would spin.
    """
    pause = config.busy_interval if memory.moved else config.interval
    resync = now + pause
    if now < memory.wake_at < resync:
        return memory.wake_at, "the last decision asked to look again"
    return resync, "after a move" if memory.moved else "resync"
