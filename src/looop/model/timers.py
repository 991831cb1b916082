"""When a schedule is due: pure rules over a record and a moment."""

import datetime
from typing import Any

from looop.model.records import Schedule

__all__ = ["MIN_PERIOD_S", "SKIP_GRACE_S", "next_due", "problem", "signal"]

# A shorter period would wake the loop at every look; durable timers are for longer waits.
MIN_PERIOD_S = 60.0
# A moment of a `skip` schedule that is noticed later than this was missed.
SKIP_GRACE_S = 300.0


def problem(schedule: Schedule) -> str:
    """Why a record cannot be meant, or an empty string."""
    kinds = [schedule.at is not None, schedule.every_s is not None, schedule.cron is not None]
    if sum(kinds) != 1:
        return "exactly one of at (or in_s), every_s and cron is needed"
    if schedule.every_s is not None and schedule.every_s < MIN_PERIOD_S:
        return f"every_s must be at least {MIN_PERIOD_S:g}"
    if schedule.cron is not None:
        return _cron_problem(schedule.cron)
    return ""


def _cron_problem(expression: str) -> str:
    from cronsim import CronSim, CronSimError

    try:
        if len(expression.split()) != 5:
            return f"cron {expression!r} must have five fields"
        next(CronSim(expression, datetime.datetime(2026, 1, 1)))  # noqa: DTZ001 - any moment
    except (CronSimError, StopIteration, ValueError) as error:
        return f"cron {expression!r} never comes: {error}"
    return ""


class _Local(datetime.tzinfo):
    """Local time with its changes of offset, which a fixed offset of this moment would miss."""

    def utcoffset(self, dt: datetime.datetime | None) -> datetime.timedelta:
        naive = (dt or _EPOCH).replace(tzinfo=None)
        # To the second: older offsets are not whole minutes, and floats are not exact.
        return naive - (_EPOCH + datetime.timedelta(seconds=naive.timestamp()))

    def dst(self, dt: datetime.datetime | None) -> datetime.timedelta | None:
        return None

    def fromutc(self, dt: datetime.datetime) -> datetime.datetime:
        at = dt.replace(tzinfo=datetime.UTC).timestamp()
        return datetime.datetime.fromtimestamp(at).replace(tzinfo=self)  # noqa: DTZ006 - the zone is put on after it


_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - the offset is what is looked for
_LOCAL = _Local()
# No change of the clocks is larger.
_SHIFT_S = 3 * 3600.0
_AROUND = (-_SHIFT_S, 0.0, _SHIFT_S)


def _cron_moment(expression: str, at: float, *, back: bool) -> float | None:
    """
    The last moment at or before `at`, or the first after it.

    A moment that the clocks jump over comes right after the jump; one that comes twice counts
    once, unless the expression has a wildcard for its minute or hour.
    """
    from cronsim import CronSim

    start = datetime.datetime.fromtimestamp(at, _LOCAL)
    if back:
        # The search is exclusive of its start, and a moment that is exactly now has come. Near a
        # change of the clocks, wall time runs ahead of itself.
        around = {datetime.datetime.fromtimestamp(at + s, _LOCAL).utcoffset() for s in _AROUND}
        ahead = 60.0 if len(around) == 1 else _SHIFT_S
        start = datetime.datetime.fromtimestamp(at + ahead, _LOCAL)
    for moment in CronSim(expression, start, reverse=back):
        found = moment.timestamp()
        if found <= at if back else found > at:
            return found
    return None


def last_due(schedule: Schedule, now: float) -> float | None:
    """The latest moment at or before `now` that this schedule was due; None if none yet."""
    if schedule.at is not None:
        return schedule.at if now >= schedule.at else None
    if schedule.every_s is not None:
        period = int((now - schedule.anchor) // schedule.every_s)
        return schedule.anchor + period * schedule.every_s if period >= 1 else None
    if schedule.cron is not None:
        last = _cron_moment(schedule.cron, now, back=True)
        return last if last is not None and last > schedule.anchor else None
    return None


def next_due(schedule: Schedule, now: float) -> float | None:
    """The next moment (wall seconds) at which the signal changes; None if never again."""
    if problem(schedule):
        return None
    if schedule.at is not None:
        return schedule.at if now < schedule.at else None
    if schedule.every_s is not None:
        period = max(0, int((now - schedule.anchor) // schedule.every_s))
        return schedule.anchor + (period + 1) * schedule.every_s
    return _cron_moment(schedule.cron or "", now, back=False)


def signal(schedule: Schedule, now: float, previous: Any) -> Any:
    """
    What `sys-schedules` says of it: `pending`, `due`, `{"period": n}`, `{"fired": t}`, `invalid`.

    It changes once for each moment that comes. With `catch_up = "skip"` a moment that is
    noticed too late leaves `previous` (the value that was last decided upon) in place.
    """
    if problem(schedule):
        return "invalid"
    last = last_due(schedule, now)
    if schedule.at is not None:
        value: Any = "pending" if last is None else "due"
    elif schedule.every_s is not None:
        value = {"period": max(0, int((now - schedule.anchor) // schedule.every_s))}
    else:
        value = {"fired": int(last)} if last is not None else "pending"
    late = last is not None and now - last > SKIP_GRACE_S
    if schedule.catch_up == "skip" and late and previous is not None:
        return previous
    return value
