"""Gates: when a beat may go on, why not, and until when."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.config import Config
from looop.loop import gates
from looop.loop.gates import Gate, Moment, Spending
from looop.model.records import UNMETERED_LIMIT, Failure, Flap, Memory, Unmetered

NOW = 1_000_000.0
few = settings(max_examples=100, deadline=None, derandomize=True)


def moment(
    now: float = NOW, *, forced: bool = False, world: str = "w", policy: str = "p"
) -> Moment:
    return Moment(hash=world, policy=policy, now=now, forced=forced)


def memory(**fields: Any) -> Memory:
    known: dict[str, Any] = {"hash": "w", **fields}
    return Memory(**known)


def spending(today: float = 0.0, signature: str = "s") -> Spending:
    return Spending(today_usd=today, day_ends=NOW + 500, signature=signature)


def verdict(gate: Gate) -> tuple[bool, str, float | None]:
    return gate.closed, gate.reason, gate.until


# -- unchanged ---------------------------------------------------------------------------------

TTL = Config(noop_ttl=600.0)


@pytest.mark.parametrize(
    ("remembered", "at", "closed", "why", "until"),
    [
        pytest.param(Memory(), moment(), False, "first look", None, id="first look"),
        pytest.param(memory(hash="v"), moment(), False, "world changed", None, id="changed"),
        pytest.param(memory(), moment(), True, "nothing that matters", None, id="same"),
        pytest.param(memory(), moment(forced=True), False, "forced", None, id="forced"),
        pytest.param(
            memory(wake_at=NOW + 9), moment(), True, "nothing", NOW + 9, id="a deadline to come"
        ),
        pytest.param(
            memory(wake_at=NOW), moment(), False, "asked to look", None, id="deadline now"
        ),
        pytest.param(memory(wake_at=NOW - 9), moment(), False, "asked to look", None, id="past"),
        pytest.param(
            memory(wake_at=NOW + 9e6), moment(), False, "asked to look", None, id="absurd deadline"
        ),
        pytest.param(
            memory(noop_at=NOW - 599), moment(), True, "nothing", NOW + 1, id="a young noop"
        ),
        pytest.param(
            memory(noop_at=NOW - 600),
            moment(),
            False,
            "10m ago is reconsidered",
            None,
            id="old noop",
        ),
        pytest.param(
            memory(noop_at=NOW + 9e6), moment(), False, "not believed", None, id="noop to come"
        ),
        pytest.param(
            memory(noop_at=NOW + 0.5),
            moment(),
            True,
            "nothing",
            NOW + 600.5,
            id="a small step back",
        ),
        pytest.param(
            memory(noop_at=NOW - 1, wake_at=NOW + 9),
            moment(),
            True,
            "",
            NOW + 9,
            id="the sooner one",
        ),
        pytest.param(
            memory(noop_at=NOW - 595, wake_at=NOW + 9), moment(), True, "", NOW + 5, id="the noop"
        ),
    ],
)
def test_an_unchanged_world_rests(
    remembered: Memory, at: Moment, closed: bool, why: str, until: float | None
) -> None:
    gate = gates.unchanged(remembered, at, TTL)

    assert (gate.name, gate.closed, gate.until) == ("unchanged", closed, until)
    assert why in gate.reason


def test_a_noop_is_never_reconsidered_when_that_is_off() -> None:
    off = Config(noop_ttl=0.0)

    for noop_at in (NOW - 9e6, NOW + 9e6):
        gate = gates.unchanged(memory(noop_at=noop_at), moment(), off)
        assert (gate.closed, gate.until) == (True, None)


# -- backoff -----------------------------------------------------------------------------------


def test_the_wait_doubles_from_one_minute_to_five() -> None:
    assert [gates.backoff_s(n) for n in range(7)] == [0, 60, 120, 240, 300, 300, 300]
    assert gates.backoff_s(-3) == 0
    assert gates.backoff_s(10**9) == 300


@few
@given(st.integers(-5, 10**6))
def test_one_more_failure_never_shortens_the_wait(fails: int) -> None:
    assert 0 <= gates.backoff_s(fails) <= gates.backoff_s(fails + 1) <= gates.BACKOFF_CAP_S


def failing(fails: int = 1, ago: float = 0.0, policy: str = "p", error: str = "") -> Memory:
    failure = Failure(at=NOW - ago, run="r", code="c", error=error) if error else None
    return memory(fails=fails, failed_at=NOW - ago, failed_policy=policy, failure=failure)


@pytest.mark.parametrize(
    ("remembered", "closed", "why", "until"),
    [
        pytest.param(memory(), False, "no failure", None, id="no failure"),
        pytest.param(failing(), True, "failed once: no reason", NOW + 60, id="just failed"),
        pytest.param(failing(error="boom"), True, "failed once: boom", NOW + 60, id="its reason"),
        pytest.param(failing(3, 100), True, "3 times in a row", NOW + 140, id="third time"),
        pytest.param(failing(9, 299), True, "9 times", NOW + 1, id="at the cap"),
        pytest.param(failing(9, 300), False, "the wait is over", None, id="over"),
        pytest.param(failing(1, 60), False, "the wait is over", None, id="over at once"),
        pytest.param(failing(1, -0.5), True, "once", NOW + 60.5, id="a small step back"),
        pytest.param(failing(1, -5000), False, "the wait is over", None, id="failed in the future"),
        pytest.param(failing(4, policy="q"), False, "a human changed", None, id="policy edit"),
        pytest.param(failing(4, policy=""), True, "4 times", NOW + 300, id="policy unknown"),
    ],
)
def test_a_failure_is_waited_out(
    remembered: Memory, closed: bool, why: str, until: float | None
) -> None:
    gate = gates.backoff(remembered, moment())

    assert (gate.name, gate.closed, gate.until) == ("backoff", closed, until)
    assert why in gate.reason


def test_a_policy_edit_ends_the_wait_and_not_the_count() -> None:
    remembered = failing(4, policy="old")

    assert not gates.backoff(remembered, moment(policy="new")).closed
    assert gates.backoff(remembered, moment(policy="old")).closed
    assert remembered.fails == 4


def test_force_and_a_moving_world_do_not_cut_the_wait() -> None:
    assert gates.backoff(failing(), moment(forced=True, world="another")).closed


# -- decide cap --------------------------------------------------------------------------------

CAP = Config(max_decides_per_hour=3)


@pytest.mark.parametrize(
    ("ages", "closed", "why", "until"),
    [
        pytest.param([], False, "0 of 3", None, id="none"),
        pytest.param([10, 20], False, "2 of 3", None, id="below"),
        pytest.param([10, 20, 30], True, "3 launches", NOW + 3570, id="reached"),
        pytest.param([30, 10, 20], True, "3 launches", NOW + 3570, id="in any order"),
        pytest.param([10, 20, 3600], False, "2 of 3", None, id="an hour ago does not count"),
        pytest.param([1, 2, 3, 4, 5], True, "3 launches", NOW + 3597, id="the cap was lowered"),
        pytest.param([-5000, -6000, -7000], False, "0 of 3", None, id="the future does not count"),
        pytest.param([10, 20, -0.5], True, "3 launches", NOW + 3580, id="a small step back"),
    ],
)
def test_launches_are_capped_by_the_hour(
    ages: list[float], closed: bool, why: str, until: float | None
) -> None:
    gate = gates.decide_cap(memory(decides=tuple(NOW - a for a in ages)), moment(), CAP)

    assert (gate.name, gate.closed, gate.until) == ("decide-cap", closed, until)
    assert why in gate.reason


def test_no_cap_means_no_cap() -> None:
    many = memory(decides=(NOW,) * 1000)

    gate = gates.decide_cap(many, moment(), Config(max_decides_per_hour=0))

    assert verdict(gate) == (False, "1000 (no cap) launches in the hour", None)


@few
@given(st.lists(st.floats(-5000, 5000), max_size=12), st.integers(1, 5))
def test_when_the_cap_opens_a_launch_is_really_free(ages: list[float], cap: int) -> None:
    config = Config(max_decides_per_hour=cap)
    remembered = memory(decides=tuple(NOW - age for age in ages))
    gate = gates.decide_cap(remembered, moment(), config)

    if gate.until is not None:
        before, after = (gates.recent_decides(remembered, gate.until + d) for d in (-0.01, 0.01))
        # Stamps a little in the future begin to count meanwhile, so only the past is compared.
        before, after = (tuple(at for at in r if at <= NOW + 1) for r in (before, after))
        assert len(before) >= cap > len(after)


# -- money -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "limit", "closed", "until"),
    [
        (5.0, 0.0, False, None),
        (0.99, 1.0, False, None),
        (1.0, 1.0, True, NOW + 500),
        (7.5, 1.0, True, NOW + 500),
    ],
)
def test_a_spent_budget_closes_until_the_day_ends(
    today: float, limit: float, closed: bool, until: float | None
) -> None:
    gate = gates.daily_budget(spending(today), Config(max_daily_usd=limit))

    assert (gate.name, gate.closed, gate.until) == ("daily-budget", closed, until)
    assert (f"${today:.2f} of ${limit:.2f}" in gate.reason) is bool(limit)


@pytest.mark.parametrize(
    ("counted", "limit", "closed", "why"),
    [
        pytest.param(None, 1.0, False, "measured", id="never"),
        pytest.param(Unmetered(signature="s", count=2), 1.0, False, "2 of 3", id="below"),
        pytest.param(Unmetered(signature="s", count=3), 1.0, True, "3 runs in a row", id="reached"),
        pytest.param(Unmetered(signature="s", count=9), 1.0, True, "9 runs in a row", id="beyond"),
        pytest.param(Unmetered(signature="s", count=9), 0.0, False, "no budget", id="no budget"),
        pytest.param(
            Unmetered(signature="t", count=9), 1.0, False, "measured", id="another runner"
        ),
    ],
)
def test_spend_that_nobody_can_measure_closes_a_set_budget(
    counted: Unmetered | None, limit: float, closed: bool, why: str
) -> None:
    gate = gates.unmetered(memory(unmetered=counted), spending(), Config(max_daily_usd=limit))

    assert (gate.name, gate.closed, gate.until) == ("unmetered", closed, None)
    assert why in gate.reason


def test_a_closed_unmetered_gate_says_how_to_open_it() -> None:
    counted = Unmetered(signature="s", count=UNMETERED_LIMIT)

    gate = gates.unmetered(memory(unmetered=counted), spending(), Config(max_daily_usd=1.0))

    assert all(word in gate.reason for word in ("cost", "model", "max_daily_usd"))


def test_status_has_every_gate_in_the_order_of_the_beat() -> None:
    found = gates.status(memory(), moment(), spending(), Config())

    assert [gate.name for gate in found] == [
        "unchanged",
        "backoff",
        "decide-cap",
        "daily-budget",
        "unmetered",
    ]


stamps = st.one_of(
    st.just(0.0),
    st.floats(-1e12, 1e12),
    st.floats(NOW - 8000, NOW + 8000),
)
memories = st.builds(
    Memory,
    hash=st.sampled_from(["", "w", "v"]),
    fails=st.integers(-2, 40),
    failed_at=stamps,
    failed_policy=st.sampled_from(["", "p", "q"]),
    noop_at=stamps,
    wake_at=stamps,
    decides=st.lists(stamps, max_size=6).map(tuple),
    unmetered=st.none() | st.builds(Unmetered, signature=st.just("s"), count=st.integers(0, 5)),
    moved=st.booleans(),
)
configs = st.builds(
    Config,
    noop_ttl=st.sampled_from([0.0, 1.0, 600.0, 1e9]),
    max_decides_per_hour=st.integers(0, 4),
    max_daily_usd=st.sampled_from([0.0, 1.0]),
    interval=st.sampled_from([1.0, 60.0, 1e6]),
    busy_interval=st.sampled_from([1.0, 5.0]),
    max_next_interval=st.sampled_from([0.0, 1.0, 300.0, 1e9]),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(memories, configs, st.booleans(), st.floats(0, 3))
def test_no_gate_ever_raises_and_none_is_closed_until_the_past(
    remembered: Memory, config: Config, forced: bool, today: float
) -> None:
    for gate in gates.status(remembered, moment(forced=forced), spending(today), config):
        assert gate.reason
        assert gate.closed or gate.until is None
        assert gate.until is None or (gate.until > NOW and math.isfinite(gate.until))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(memories, configs)
def test_a_gate_that_told_its_time_is_open_then(remembered: Memory, config: Config) -> None:
    def unchanged(at: float) -> Gate:
        return gates.unchanged(remembered, moment(at), config)

    def backoff(at: float) -> Gate:
        return gates.backoff(remembered, moment(at))

    for judge in (unchanged, backoff):
        until = judge(NOW).until
        if until is not None:
            assert not judge(until + 0.001).closed


# -- flapping ----------------------------------------------------------------------------------


def walk(values: str, limit: int = 5, start: dict[str, Flap] | None = None) -> list[list[str]]:
    """What is flagged at each look of a sensor that shows these values, one a look."""
    flaps = start or {}
    flagged: list[list[str]] = []
    for value in values:
        flaps, found = gates.flap(flaps, {"snap:sensor-x": value, "playbook": value}, limit)
        flagged.append(found)
    return flagged


def streak(values: str, limit: int = 5) -> int:
    flaps: dict[str, Flap] = {}
    for value in values:
        flaps, _ = gates.flap(flaps, {"snap:sensor-x": value}, limit)
    return flaps["sensor-x"].streak


def test_the_fifth_change_in_a_row_is_flagged_and_only_that_one() -> None:
    flagged = walk("abababab")

    assert [bool(found) for found in flagged] == [False] * 5 + [True, False, False]
    assert flagged[5] == ["sensor-x"]


def test_a_reading_seen_for_the_first_time_has_no_streak() -> None:
    assert streak("a") == 0
    assert walk("a" * 20) == [[]] * 20


def test_change_change_still_is_caught_as_well() -> None:
    assert any(walk("abbcddeffghhijjkll"))


def test_a_still_look_takes_one_away() -> None:
    assert streak("abc") == 2
    assert streak("abcc") == 1
    assert streak("abcccccc") == 0


def test_the_streak_has_a_ceiling_so_that_calm_is_forgiven_in_time() -> None:
    assert streak("ab" * 200) == 10
    assert streak("ab" * 200 + "b" * 6) < 5


def test_a_reading_that_calms_down_and_starts_again_is_flagged_again() -> None:
    assert sum(map(bool, walk("abababa" + "a" * 4 + "bababa"))) == 2


def test_zero_turns_it_off() -> None:
    assert walk("ab" * 20, limit=0) == [[]] * 40
    assert streak("ab" * 20, limit=0) == 0


def test_policy_texts_do_not_flap_and_readings_that_are_gone_are_forgotten() -> None:
    flaps, _ = gates.flap({"old": Flap(last="x", streak=4)}, {"playbook": "1", "snap:a": "1"}, 5)

    assert list(flaps) == ["a"]


def test_a_damaged_entry_costs_only_itself() -> None:
    odd = {"x": Flap(last="", streak=-7), "y": Flap(last="", streak=10**9)}

    flaps, flagged = gates.flap(odd, {"snap:x": "1", "snap:y": "1", "snap:z": "1"}, 5)

    assert flagged == []
    assert {name: flap.streak for name, flap in flaps.items()} == {"x": -6, "y": 10, "z": 0}


@few
@given(st.text(alphabet="ab", max_size=40), st.integers(0, 6))
def test_a_streak_stays_between_nothing_and_its_ceiling(values: str, limit: int) -> None:
    assert 0 <= streak("a" + values, limit) <= 2 * limit


# -- when to look again ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "cap", "sleeps"),
    [
        (30, 300, 30),
        (0, 300, 5),
        (4.9, 300, 5),
        (9999, 300, 300),
        (10**9, 10**9, 3600),
        (9999, 0, 3600),
        (60, 2, 5),
        (1, 2, 5),
    ],
)
def test_what_a_decision_may_sleep_is_clamped(asked: float, cap: float, sleeps: float) -> None:
    assert gates.clamp_interval(asked, Config(max_next_interval=cap)) == sleeps


@few
@given(st.integers(0, 10**12), st.floats(0, 1e9))
def test_a_clamped_interval_is_between_five_seconds_and_an_hour(asked: int, cap: float) -> None:
    assert 5 <= gates.clamp_interval(asked, Config(max_next_interval=cap)) <= 3600


@pytest.mark.parametrize(
    ("remembered", "at", "why"),
    [
        pytest.param(memory(), NOW + 60, "resync", id="idle"),
        pytest.param(memory(moved=True), NOW + 20, "after a move", id="busy"),
        pytest.param(memory(wake_at=NOW + 7), NOW + 7, "asked to look", id="a deadline shortens"),
        pytest.param(memory(wake_at=NOW + 70), NOW + 60, "resync", id="a late one does not"),
        pytest.param(memory(wake_at=NOW - 7), NOW + 60, "resync", id="a past one does not"),
        pytest.param(memory(wake_at=NOW), NOW + 60, "resync", id="nor one that is now"),
        pytest.param(memory(moved=True, wake_at=NOW + 7), NOW + 7, "asked", id="both"),
    ],
)
def test_the_next_beat_comes_when_it_must(remembered: Memory, at: float, why: str) -> None:
    found = gates.next_beat(remembered, NOW, Config(interval=60.0, busy_interval=20.0))

    assert found[0] == at
    assert why in found[1]


@few
@given(memories, configs)
def test_the_next_beat_is_in_the_future_and_not_beyond_the_interval(
    remembered: Memory, config: Config
) -> None:
    at, why = gates.next_beat(remembered, NOW, config)

    assert why
    assert NOW < at <= NOW + max(config.interval, config.busy_interval)


def test_a_loop_that_backs_off_does_not_spin_on_a_past_deadline() -> None:
    remembered = msgspec.structs.replace(failing(2), wake_at=NOW - 1)

    assert gates.backoff(remembered, moment()).closed
    assert gates.next_beat(remembered, NOW, Config())[0] == NOW + 60
