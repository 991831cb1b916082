"""Durations: read from what people write, and shown to them."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looop.errors import Usage
from looop.kit import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90.0),
        (1.5, 1.5),
        (0, 0.0),
        ("90", 90.0),
        ("1.5", 1.5),
        (" 90s ", 90.0),
        ("500ms", 0.5),
        ("5m", 300.0),
        ("2H", 7200.0),
        ("1h30m", 5400.0),
        ("3d", 259200.0),
        ("1w", 604800.0),
        ("1.5h", 5400.0),
        ("1d2h3m4s5ms", 93784.005),
        ("0", 0.0),
        ("off", 0.0),
        ("None", 0.0),
    ],
    ids=repr,
)
def test_every_form_is_understood(text: str | float, seconds: float) -> None:
    assert durations.parse(text) == pytest.approx(seconds)


HOSTILE = [
    "", " ", "-1", "-5m", "5 m", "m", "5x", "5mm", "1h 30m", "1,5h", "1e3", "0x10", "inf", "nan",
    "+5", "5m!", "5m\n6", "s5", ".5", "5.", "--", "9" * 400, "9" * 400 + "w", "1_000", "5m\0",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_duration_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(Usage, match="is not a duration: use seconds, or 500ms 90s 5m 2h 3d"):
        durations.parse(text)


@pytest.mark.parametrize("number", [-1, -0.001, math.nan, math.inf, -math.inf, 10**400])
def test_a_number_that_no_wait_can_have_is_refused(number: float) -> None:
    with pytest.raises(Usage, match="is not a duration"):
        durations.parse(number)


@settings(max_examples=100)
@given(st.text(alphabet="0123456789.mshdwoffne -+", max_size=8) | st.text(max_size=8))
@example("\u0661m")
def test_any_text_is_a_wait_that_ends_or_a_usage_error(text: str) -> None:
    try:
        seconds = durations.parse(text)
    except Usage:
        return
    assert 0 <= seconds < math.inf


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (0.001, "1ms"),
        (1, "1s"),
        (45.4, "45s"),
        (59.7, "1m"),
        (60, "1m"),
        (61, "1m1s"),
        (3600, "1h"),
        (3601, "1h1s"),
        (86_400 + 61, "1d1m"),
        (7830, "2h10m"),
        (86400, "1d"),
        (273600, "3d4h"),
        (90061, "1d1h"),
        (400 * 86400, "400d"),
    ],
)
def test_two_units_are_enough_for_people(seconds: float, words: str) -> None:
    assert durations.short(seconds) == words


SIZES = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@settings(max_examples=100)
@given(count=st.integers(1, 59), more=st.integers(0, 23), pair=st.sampled_from(["dh", "hm", "ms"]))
def test_what_fits_two_units_survives_the_round_trip(count: int, more: int, pair: str) -> None:
    seconds = (count % 24 or 1) * SIZES[pair[0]] + more * SIZES[pair[1]]
    assert durations.parse(durations.short(seconds)) == seconds


@settings(max_examples=100)
@given(st.floats(0, 1e9))
def test_what_is_shown_can_be_read_back_and_is_near(seconds: float) -> None:
    shown = durations.short(seconds)
    assert abs(durations.parse(shown) - seconds) <= max(0.51, seconds / 24)


@settings(max_examples=100)
@given(st.integers(1, 999))
def test_milliseconds_survive_the_round_trip(millis: int) -> None:
    assert durations.parse(durations.short(millis / 1000)) == pytest.approx(millis / 1000)
