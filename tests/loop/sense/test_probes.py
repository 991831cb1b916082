"""System probes: looop's own state, with ages and counts that never wake the loop."""

from typing import Any

import msgspec
import pytest

from looop.kit import clock
from looop.loop import diff
from looop.loop.sense import probes
from looop.model.records import Answer, Ask, Memory, Schedule, Spend, Unmetered
from looop.model.world import Reading
from tests.loop.sense.support import NOW, Profile


def probe(profile: Profile, name: str, **given: Any) -> Reading:
    known: dict[str, Any] = {
        "store": profile.store,
        "fleet": profile.fleet,
        "config": profile.config,
        "memory": profile.memory,
        "goals": {},
        "now": NOW,
        **given,
    }
    return probes.run_all(probes.Context(**known))[f"sys-{name}"]


def ask(profile: Profile, kind: str = "question", **fields: Any) -> Ask:
    known: dict[str, Any] = {"asker": "loop", "prompt": "?", "created": NOW - 60, **fields}
    return profile.store.asks.add(Ask(id="", kind=kind, **known))  # type: ignore[arg-type]


def test_every_probe_speaks_as_our_own_and_never_fails_on_an_empty_profile(
    profile: Profile,
) -> None:
    found = probes.run_all(
        probes.Context(
            store=profile.store,
            fleet=profile.fleet,
            config=profile.config,
            memory=Memory(),
            goals={},
            now=NOW,
        )
    )

    assert sorted(found) == sorted(probes.PROBES)
    assert all(r.ok and r.trust == "own" and r.at == NOW for r in found.values())


# -- goals -------------------------------------------------------------------------------------


def test_goals_tell_their_ages_in_the_detail_only(profile: Profile) -> None:
    goals = {"a": "goal: do a\npriority: high\nevery: 1d\n", "b": "just words\n"}
    reading = probe(profile, "goals", goals=goals, memory=Memory(served={"a": NOW - 90}))

    assert reading.signal == {}
    assert reading.detail == {
        "goals": {
            "a": {"title": "do a", "age_s": 90, "priority": "high", "every": "1d"},
            "b": {"title": "just words", "age_s": None},
        }
    }


def test_time_alone_never_changes_a_signal(profile: Profile) -> None:
    ask(profile)
    profile.store.schedules.put("t", Schedule(at=NOW + 9e6))
    profile.store.schedules.put("p", Schedule(every_s=9e6, anchor=NOW))
    memory = Memory(served={"a": NOW - 5}, unmetered=Unmetered(signature="s", count=1))
    config = msgspec.structs.replace(profile.config, max_daily_usd=1.0)

    def signals(now: float) -> dict[str, str]:
        found = probes.run_all(
            probes.Context(
                store=profile.store,
                fleet=profile.fleet,
                config=config,
                memory=memory,
                goals={"a": "x"},
                now=now,
            )
        )
        return {name: diff.signal_of(reading) for name, reading in found.items()}

    assert signals(NOW) == signals(NOW + 1) == signals(NOW + 3600)


def test_a_served_stamp_from_the_future_is_no_negative_age(profile: Profile) -> None:
    reading = probe(profile, "goals", goals={"a": ""}, memory=Memory(served={"a": NOW + 99}))

    assert reading.detail["goals"]["a"]["age_s"] == 0


def test_a_crowd_of_goals_is_described_up_to_a_bound(profile: Profile) -> None:
    reading = probe(profile, "goals", goals={f"g{n}": "" for n in range(500)})

    assert len(reading.detail["goals"]) == 200


# -- schedules ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "signal", "next_in_s"),
    [
        pytest.param(Schedule(at=NOW + 60), "pending", 60, id="to come"),
        pytest.param(Schedule(at=NOW), "due", None, id="exactly now"),
        pytest.param(Schedule(at=NOW - 9e9), "due", None, id="long ago"),
        pytest.param(Schedule(every_s=600, anchor=NOW), {"period": 0}, 600, id="just set"),
        pytest.param(Schedule(every_s=600, anchor=NOW - 1250), {"period": 2}, 550, id="periods"),
        pytest.param(
            Schedule(every_s=600, anchor=NOW + 50), {"period": 0}, 650, id="anchor to come"
        ),
        pytest.param(Schedule(every_s=30, anchor=NOW), "invalid", None, id="too often"),
        pytest.param(Schedule(), "invalid", None, id="nothing said"),
        pytest.param(Schedule(at=1.0, every_s=600), "invalid", None, id="two things said"),
        pytest.param(Schedule(cron="* * *"), "invalid", None, id="no cron"),
    ],
)
def test_a_timer_has_one_word_that_changes_once_for_each_moment(
    profile: Profile, record: Schedule, signal: Any, next_in_s: int | None
) -> None:
    profile.store.schedules.put("t", record)

    reading = probe(profile, "schedules")

    assert reading.signal == {"t": signal}
    assert reading.detail["t"]["next_in_s"] == next_in_s
    assert ("problem" in reading.detail["t"]) is (signal == "invalid")


def test_a_missing_anchor_counts_from_the_beginning_and_so_is_due(profile: Profile) -> None:
    (profile.paths.schedules / "t.json").write_text('{"v": 1, "every_s": 3600}')

    assert probe(profile, "schedules").signal == {"t": {"period": int(NOW // 3600)}}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": "noon"}', '{"at": 1e999}'])
def test_a_broken_timer_stays_in_the_world_under_a_stable_word(profile: Profile, text: str) -> None:
    profile.store.schedules.put("good", Schedule(at=NOW + 1))
    (profile.paths.schedules / "bad.json").write_text(text)

    reading = probe(profile, "schedules")

    assert reading.ok
    assert reading.signal == {"bad": "unreadable", "good": "pending"}


def test_a_missed_moment_of_a_skipping_timer_leaves_the_last_word(profile: Profile) -> None:
    record = Schedule(every_s=3600, anchor=NOW - 3600 - 1800, catch_up="skip")
    profile.store.schedules.put("t", record)
    seen = Memory(items={"snap:sys-schedules": '{"t":{"period":0}}'})
    damaged = Memory(items={"snap:sys-schedules": "!not-canonical"})

    assert probe(profile, "schedules", memory=seen).signal == {"t": {"period": 0}}
    assert probe(profile, "schedules", memory=damaged).signal == {"t": {"period": 1}}


def test_a_note_is_shown_on_one_line(profile: Profile) -> None:
    profile.store.schedules.put("t", Schedule(at=NOW + 1, note="a\n## NOW\x1b[31m" + "x" * 500))

    note = probe(profile, "schedules").detail["t"]["note"]

    assert note.startswith("a ## NOW\\x1b[31mxx")
    assert len(note) == 200


# -- budget ------------------------------------------------------------------------------------


def spend(profile: Profile, usd: float | None, at: float = NOW) -> None:
    profile.store.ledger.add(
        Spend(ts=clock.utc_iso(at), kind="tick", id="r", runner="m", cost_usd=usd)
    )


@pytest.mark.parametrize(
    ("limit", "spent", "count", "state"),
    [
        (0.0, 5.0, 9, "off"),
        (1.0, 0.99, 0, "open"),
        (1.0, 1.0, 0, "closed"),
        (1.0, 0.0, 2, "open"),
        (1.0, 0.0, 3, "closed"),
    ],
)
def test_the_budget_is_one_word_and_its_sums_are_detail(
    profile: Profile, limit: float, spent: float, count: int, state: str
) -> None:
    spend(profile, spent)
    config = msgspec.structs.replace(profile.config, max_daily_usd=limit)
    memory = Memory(unmetered=Unmetered(signature="s", count=count)) if count else Memory()

    reading = probe(profile, "budget", config=config, memory=memory)

    assert reading.signal == {"state": state}
    assert reading.detail["unmetered_runs"] == count
    assert reading.detail.get("spent_usd") == (spent if limit else None)


def test_only_today_counts(profile: Profile) -> None:
    spend(profile, 5.0, NOW - 2 * 86400)
    config = msgspec.structs.replace(profile.config, max_daily_usd=1.0)

    assert probe(profile, "budget", config=config).signal == {"state": "open"}


# -- asks --------------------------------------------------------------------------------------


def test_asks_are_listed_by_state_and_their_ages_are_detail(profile: Profile) -> None:
    waiting = ask(profile)
    heard = ask(profile, prompt="other")
    profile.store.asks.answer(heard.id, Answer(text="yes", by="me", channel="cli", at=NOW))

    reading = probe(profile, "asks")

    assert reading.signal == {"pending": [waiting.id], "answered": [heard.id]}
    assert reading.detail[waiting.id] == {"kind": "question", "age_s": 60}


def test_an_ask_that_cannot_be_read_is_counted_and_hides_no_other(profile: Profile) -> None:
    good = ask(profile)
    (profile.paths.asks / "bad.json").write_text("{")

    reading = probe(profile, "asks")

    assert reading.signal == {"pending": [good.id], "answered": [], "unreadable": 1}


# -- what cannot be looked at ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["asks", "schedules"])
def test_a_store_that_cannot_be_listed_is_an_error_and_not_an_empty_store(
    profile: Profile, name: str
) -> None:
    profile.block(profile.paths.data / name)

    reading = probe(profile, name)

    assert not reading.ok
    assert reading.signal == {"error": "unreadable"}
    assert "cannot list" in reading.detail["message"]


def test_a_ledger_that_cannot_be_read_is_an_error(profile: Profile) -> None:
    profile.paths.cost.mkdir()
    config = msgspec.structs.replace(profile.config, max_daily_usd=1.0)

    assert probe(profile, "budget", config=config).signal == {"error": "unreadable"}


def test_one_blind_probe_does_not_stop_the_others(profile: Profile) -> None:
    profile.block(profile.paths.asks)

    seen = profile.look()

    assert {name for name, r in seen.readings.items() if not r.ok} == {"sys-asks"}


def test_a_published_probe_that_failed_is_replaced_when_it_can_look_again(
    profile: Profile,
) -> None:
    profile.block(profile.paths.asks)
    profile.look()
    path = profile.paths.snapshot("sys-asks")
    assert msgspec.json.decode(path.read_bytes())["signal"] == {"error": "unreadable"}

    profile.unblock(profile.paths.asks)
    profile.look()

    assert msgspec.json.decode(path.read_bytes())["signal"] == {"pending": [], "answered": []}
