"""Timers: one change for each moment that comes, and none besides."""

import datetime
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looop.model import timers
from looop.model.records import Schedule

NOW = 1_783_066_500.0  # a whole minute

Zone = Callable[[str], None]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    def choose(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def utc(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%d %H:%M")


def changes(schedule: Schedule, start: float, end: float, step: float = 60.0) -> list[float]:
    """The moments at which the signal of a schedule changes, looking every `step` seconds."""
    found: list[float] = []
    previous: Any = None
    now = start
    while now <= end:
        signal = timers.signal(schedule, now, None)
        if signal != previous and previous is not None:
            found.append(now)
        previous = signal
        now += step
    return found


# -- once ----------------------------------------------------------------------------------------


def test_a_moment_comes_once_and_stays() -> None:
    once = Schedule(at=NOW)
    assert timers.signal(once, NOW - 0.001, None) == "pending"
    for late in (0.0, 0.001, 3600.0, 1e9):
        assert timers.signal(once, NOW + late, None) == "due"


def test_the_next_moment_is_the_moment_until_it_has_come() -> None:
    once = Schedule(at=NOW)
    assert timers.next_due(once, NOW - 10) == NOW
    assert timers.next_due(once, NOW) is None
    assert timers.last_due(once, NOW - 1) is None
    assert timers.last_due(once, NOW + 1) == NOW


# -- again and again -----------------------------------------------------------------------------


def test_a_period_is_counted_from_its_anchor() -> None:
    every = Schedule(every_s=60.0, anchor=NOW)
    signals = [timers.signal(every, NOW + s, None) for s in (0, 59.9, 60, 61, 119.9, 120, 6000)]
    assert signals == [{"period": n} for n in (0, 0, 1, 1, 1, 2, 100)]


@settings(max_examples=100)
@given(
    anchor=st.integers(0, 10**6),
    every=st.integers(60, 10**4),
    now=st.integers(0, 2 * 10**6),
)
@example(anchor=1000, every=60, now=500)
def test_the_next_moment_is_when_the_signal_changes(anchor: int, every: int, now: int) -> None:
    schedule = Schedule(every_s=float(every), anchor=float(anchor))
    coming = timers.next_due(schedule, float(now))
    assert coming is not None
    assert coming > now
    before = timers.signal(schedule, float(now), None)
    assert timers.signal(schedule, coming - 0.5, None) == before
    assert timers.signal(schedule, coming, None) == {"period": before["period"] + 1}


def test_a_schedule_without_an_anchor_is_due_at_once_and_then_goes_on() -> None:
    every = Schedule(every_s=600.0)
    period = timers.signal(every, NOW, None)["period"]
    assert period > 0
    assert timers.signal(every, NOW + 600, None) == {"period": period + 1}
    last = timers.last_due(every, NOW)
    assert last is not None
    assert NOW - 600 < last <= NOW


def test_an_anchor_that_is_still_to_come_waits() -> None:
    every = Schedule(every_s=60.0, anchor=NOW)
    assert timers.signal(every, NOW - 1e6, None) == {"period": 0}
    assert timers.last_due(every, NOW - 1e6) is None
    assert timers.next_due(every, NOW - 1e6) == NOW + 60


# -- cron ----------------------------------------------------------------------------------------


def test_a_cron_moment_comes_at_its_exact_minute(zone: Zone) -> None:
    zone("UTC")
    moment = at("2026-07-03T09:30:00+00:00")
    cron = Schedule(cron="30 9 * * *", anchor=moment - 86400)
    assert timers.signal(cron, moment - 0.001, None) == "pending"
    assert timers.signal(cron, moment, None) == {"fired": int(moment)}
    assert timers.signal(cron, moment + 86399.9, None) == {"fired": int(moment)}
    assert timers.signal(cron, moment + 86400, None) == {"fired": int(moment) + 86400}
    assert timers.next_due(cron, moment - 1) == moment
    assert timers.next_due(cron, moment) == moment + 86400
    assert timers.last_due(cron, moment) == moment


def test_a_moment_before_the_schedule_was_written_does_not_count(zone: Zone) -> None:
    zone("UTC")
    moment = at("2026-07-03T09:30:00+00:00")
    cron = Schedule(cron="30 9 * * *", anchor=moment + 1)
    assert timers.signal(cron, moment + 3600, None) == "pending"
    assert timers.signal(cron, moment + 86400, None) == {"fired": int(moment) + 86400}
    assert (
        timers.signal(msgspec.structs.replace(cron, anchor=moment), moment + 1, None) == "pending"
    )


def test_weekdays_and_steps_are_understood(zone: Zone) -> None:
    zone("UTC")
    friday = at("2026-07-03T12:00:00+00:00")
    workdays = Schedule(cron="0 9 * * MON-FRI", anchor=1.0)
    assert timers.next_due(workdays, friday) == at("2026-07-06T09:00:00+00:00")
    assert changes(Schedule(cron="*/15 * * * *", anchor=1.0), friday, friday + 3600) == [
        friday + n * 900 for n in (1, 2, 3, 4)
    ]


def test_a_rare_moment_is_found(zone: Zone) -> None:
    zone("UTC")
    leap = Schedule(cron="0 0 29 2 *", anchor=1.0)
    now = at("2026-07-03T12:00:00+00:00")
    assert timers.last_due(leap, now) == at("2024-02-29T00:00:00+00:00")
    assert timers.next_due(leap, now) == at("2028-02-29T00:00:00+00:00")


BERLIN = "Europe/Berlin"
SPRING = (at("2026-03-28T07:00:00+00:00"), at("2026-03-29T12:00:00+00:00"))
AUTUMN = (at("2026-10-24T06:00:00+00:00"), at("2026-10-25T12:00:00+00:00"))


@pytest.mark.parametrize(
    ("cron", "span", "moments"),
    [
        pytest.param("0 9 * * *", SPRING, ["28 08:00", "29 07:00"], id="a daily time, spring"),
        pytest.param("0 9 * * *", AUTUMN, ["24 07:00", "25 08:00"], id="a daily time, autumn"),
        pytest.param("30 2 * * *", SPRING, ["29 01:00"], id="a time that is left out"),
        pytest.param("30 2 * * *", AUTUMN, ["25 00:30"], id="a time that comes twice"),
        pytest.param("0 0 * * *", SPRING, ["28 23:00"], id="midnight, spring"),
        pytest.param("0 0 * * *", AUTUMN, ["24 22:00"], id="midnight, autumn"),
    ],
)
def test_a_change_of_the_clocks_moves_no_moment_and_makes_none(
    zone: Zone, cron: str, span: tuple[float, float], moments: list[str]
) -> None:
    zone(BERLIN)
    schedule = Schedule(cron=cron, anchor=1.0)
    assert [utc(moment) for moment in changes(schedule, *span)] == moments


@pytest.mark.parametrize("span", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_hours_come_every_hour_whatever_the_clocks_say(
    zone: Zone, span: tuple[float, float]
) -> None:
    zone(BERLIN)
    found = changes(Schedule(cron="0 * * * *", anchor=1.0), *span)
    assert found == [span[0] + 3600 * n for n in range(1, int((span[1] - span[0]) // 3600) + 1)]


@pytest.mark.parametrize("cron", ["0 9 * * *", "30 2 * * *", "*/30 * * * *"])
@pytest.mark.parametrize("span", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_the_next_cron_moment_is_the_one_that_fires(
    zone: Zone, cron: str, span: tuple[float, float]
) -> None:
    zone(BERLIN)
    schedule = Schedule(cron=cron, anchor=1.0)
    now = span[0]
    while now < span[1] - 86400:
        coming = timers.next_due(schedule, now)
        assert coming is not None
        assert coming > now
        assert timers.signal(schedule, coming, None) == {"fired": int(coming)}
        assert timers.signal(schedule, coming - 1, None) != {"fired": int(coming)}
        now += 1800


# -- records that cannot be meant ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        (Schedule(), "exactly one of"),
        (Schedule(at=1.0, every_s=60.0), "exactly one of"),
        (Schedule(every_s=60.0, cron="* * * * *"), "exactly one of"),
        (Schedule(every_s=59.9), "at least 60"),
        (Schedule(every_s=0.0), "at least 60"),
        (Schedule(every_s=-60.0), "at least 60"),
        (Schedule(cron=""), "must have five fields"),
        (Schedule(cron="* * * *"), "must have five fields"),
        (Schedule(cron="0 * * * * *"), "must have five fields"),
        (Schedule(cron="@daily"), "must have five fields"),
        (Schedule(cron="61 * * * *"), "never comes"),
        (Schedule(cron="0 0 30 2 *"), "never comes"),
        (Schedule(cron="a b c d e"), "never comes"),
        (Schedule(cron="*/0 * * * *"), "never comes"),
        (Schedule(cron="9" * 5000 + " * * * *"), "never comes"),
        (Schedule(cron="\u00b2 * * * *"), "never comes"),
    ],
    ids=range(16),
)
def test_a_record_that_cannot_be_meant_is_invalid_for_ever(schedule: Schedule, why: str) -> None:
    assert why in timers.problem(schedule)
    for now in (0.0, NOW, NOW + 60, NOW + 1e9):
        assert timers.signal(schedule, now, None) == "invalid"
        assert timers.signal(schedule, now, "due") == "invalid"
        assert timers.next_due(schedule, now) is None


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(at=0.0),
        Schedule(every_s=60.0),
        Schedule(cron="* * * * *"),
        Schedule(cron="0 9 1,15 JAN-MAR MON"),
        Schedule(cron="0 9 L * *"),
        Schedule(cron="0 9 * * FRI#1"),
    ],
    ids=range(6),
)
def test_a_record_that_can_be_meant_has_no_problem(schedule: Schedule) -> None:
    assert timers.problem(schedule) == ""
    assert timers.signal(schedule, NOW, None) != "invalid"


field = st.text(alphabet="0123456789*,-/#LWSUNJA \u0663", min_size=1, max_size=4)


@settings(max_examples=100, deadline=None)
@given(st.lists(field, min_size=4, max_size=6).map(" ".join) | st.text(max_size=12))
def test_no_words_for_a_cron_schedule_break_the_beat(words: str) -> None:
    schedule = Schedule(cron=words, anchor=1.0)
    signal = timers.signal(schedule, NOW, None)
    coming = timers.next_due(schedule, NOW)
    assert (signal == "invalid") == bool(timers.problem(schedule))
    assert coming is None or coming > NOW


# -- catching up ---------------------------------------------------------------------------------


def test_moments_that_were_missed_wake_the_loop_once() -> None:
    every = Schedule(every_s=60.0, anchor=NOW)
    assert timers.signal(every, NOW + 6000, {"period": 3}) == {"period": 100}


@pytest.mark.parametrize("late", [0.0, 1.0, timers.SKIP_GRACE_S])
def test_a_moment_noticed_in_time_counts_even_if_missed_ones_are_skipped(late: float) -> None:
    every = Schedule(every_s=3600.0, anchor=NOW, catch_up="skip")
    assert timers.signal(every, NOW + 3600 + late, {"period": 0}) == {"period": 1}


def test_a_moment_noticed_too_late_is_skipped_and_the_next_one_counts() -> None:
    every = Schedule(every_s=3600.0, anchor=NOW, catch_up="skip")
    late = NOW + 3600 + timers.SKIP_GRACE_S + 1
    assert timers.signal(every, late, {"period": 0}) == {"period": 0}
    assert timers.signal(every, NOW + 7200, {"period": 0}) == {"period": 2}


def test_nothing_is_skipped_before_there_was_anything_to_keep() -> None:
    every = Schedule(every_s=3600.0, anchor=NOW, catch_up="skip")
    assert timers.signal(every, NOW + 5400, None) == {"period": 1}


def test_a_single_moment_that_was_missed_can_be_skipped_too() -> None:
    once = Schedule(at=NOW, catch_up="skip")
    assert timers.signal(once, NOW + 10, "pending") == "due"
    assert timers.signal(once, NOW + 1000, "pending") == "pending"
    assert timers.signal(once, NOW + 1000, "due") == "due"


def test_a_cron_moment_that_was_missed_can_be_skipped_too(zone: Zone) -> None:
    zone("UTC")
    moment = at("2026-07-03T09:30:00+00:00")
    cron = Schedule(cron="30 9 * * *", anchor=1.0, catch_up="skip")
    before = {"fired": int(moment) - 86400}
    assert timers.signal(cron, moment + 60, before) == {"fired": int(moment)}
    assert timers.signal(cron, moment + 3600, before) == before
    assert timers.signal(cron, moment + 86400, before) == {"fired": int(moment) + 86400}
