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
    except (CronSimError, StopIteration) as error:
        return f"cron {expression!r} never comes: {error}"
    return ""


def _cron_moment(expression: str, at: float, *, back: bool) -> float | None:
    from cronsim import CronSim

    here = datetime.datetime.fromtimestamp(at).astimezone()
    # The search is exclusive of its start; a moment that is exactly now has come.
    start = here + datetime.timedelta(minutes=1) if back else here
    try:
        for moment in CronSim(expression, start, reverse=back):
            if not back or moment <= here:
                return moment.timestamp()
    except StopIteration:
        pass
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
        period = int((now - schedule.anchor) // schedule.every_s)
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
