"""Time: shown the way each reader expects it."""

import re
import time
from collections.abc import Iterator

import pytest

from looop.kit import clock


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_769_847_300.123, "2026-01-31T08:15:00.123Z"),
        (1_769_847_300.9999, "2026-01-31T08:15:00.999Z"),
        (-0.25, "1969-12-31T23:59:59.750Z"),
    ],
)
def test_utc_has_milliseconds(at: float, shown: str) -> None:
    assert clock.utc_iso(at) == shown


@pytest.mark.usefixtures("berlin")
def test_local_times_are_of_the_season() -> None:
    winter, summer = 1_769_847_300.0, 1_783_066_530.0
    assert clock.local_minute(winter) == "2026-01-31 09:15"
    assert clock.local_clock(summer) == "10:15:30"
    assert clock.local_stamp(winter) == "20260131-091500"
    assert clock.local_offset(winter) == "2026-01-31 09:15:00 +0100"
    assert clock.local_offset(summer) == "2026-07-03 10:15:30 +0200"


def test_a_stamp_is_safe_in_a_file_name_and_sorts() -> None:
    stamps = [clock.local_stamp(at) for at in (1e9, 1.2e9, 1.7e9)]
    assert all(re.fullmatch(r"\d{8}-\d{6}", stamp) for stamp in stamps)
    assert stamps == sorted(stamps)


def test_the_systems_clocks_are_the_systems() -> None:
    system = clock.SystemClock()
    before = (time.time(), time.monotonic())
    now = (system.wall(), system.monotonic())
    after = (time.time(), time.monotonic())
    assert before <= now
    assert before[1] <= now[1] <= after[1]
    assert abs(now[0] - after[0]) < 60
