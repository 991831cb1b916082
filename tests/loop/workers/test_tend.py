"""Tending: each beat brings records into line with what the sessions are, and guesses nothing."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.kit import canon
from looop.loop import crew
from looop.loop.workers import start, stop, tend
from looop.model.records import Ask, Done, Spend, Worker
from tests.loop.workers.support import Profile
from tests.support.crew import block, end, ended, program
from tests.support.leftovers import nothing_left, unsynced

__all__ = ["nothing_left", "unsynced"]


def decided(profile: Profile) -> dict[str, str]:
    """The world as a decision of this moment would keep it."""
    members, _ = crew.gather(profile.store, profile.fleet, profile.config, profile.clock.wall())
    return {tend.SESSIONS: canon.canonical(crew.signal(members))}


def spent(profile: Profile, usd: float, **fields: Any) -> None:
    known: dict[str, Any] = {"ts": "2999-01-01T00:00:00Z", "kind": "session", "id": "w"}
    profile.store.ledger.add(Spend(runner="rules", cost_usd=usd, **known | fields))


def warnings(profile: Profile) -> list[str]:
    return [fields["text"] for fields in profile.heard("warning")]


# -- ends --------------------------------------------------------------------------------------


def test_a_living_worker_is_left_as_it_is(profile: Profile) -> None:
    profile.start(verify="touch ran")
    before = profile.record()

    assert profile.tend({"playbook": "x"}) == {"playbook": "x"}

    assert profile.record() == before
    assert profile.told == []
    assert not (Path(before.work_dir) / "ran").exists()


def test_an_end_is_put_down_once_and_told_once(profile: Profile) -> None:
    profile.start()
    end(profile.fleet, code=3)

    profile.tend()
    first = profile.record()
    told = profile.heard("worker_ended")
    profile.tend()

    assert first.ended is not None
    assert (first.ended.state, first.ended.code, first.ended.at) == (
        "exited", 3, profile.clock.now - 1,
    )  # fmt: skip
    assert [(t["worker"], t["state"], t["code"]) for t in told] == [("w", "exited", 3)]
    assert profile.record() == first
    assert profile.heard("worker_ended") == []


def test_the_end_of_a_worker_that_is_done_says_so(profile: Profile) -> None:
    profile.start(command="", prompt=block("echo $((6*7)); exit 3"))
    ended(profile.fleet)

    profile.tend()

    (told,) = profile.heard("worker_ended")
    assert (told["outcome"], told["code"]) == ("failed", 3)
    assert "last line: 42" in told["summary"]


def test_a_supervisor_that_died_is_an_end_like_any_other(profile: Profile) -> None:
    import os
    import signal

    session = profile.start(verify="true")
    os.kill(session.supervisor, signal.SIGKILL)
    assert ended(profile.fleet).state == "dead"

    profile.tend()

    record = profile.record()
    assert record.ended is not None
    assert record.ended.state == "dead"
    assert record.checked is not None


# -- what cannot be seen -----------------------------------------------------------------------


def test_a_fleet_that_cannot_be_seen_ends_judges_and_releases_nobody(profile: Profile) -> None:
    profile.open(session_ttl=0.001)
    profile.start(verify="true")
    profile.store.claims.claim(
        "c", "w", profile.record().generation, 1.0, lambda _session, _generation: True
    )
    end(profile.fleet)
    before = profile.record()
    items = decided(profile)
    profile.hide_fleet()

    assert profile.tend(items) == items

    assert profile.record() == before
    assert [c.name for c in profile.store.claims.list()[0]] == ["c"]
    assert len(profile.told) == 1
    assert "sessions" in warnings(profile)[0]

    profile.show_fleet()
    profile.tend(items)
    assert profile.record().ended is not None
    assert profile.record().checked is not None
    assert profile.store.claims.list()[0] == []
    assert profile.heard("claim_reaped") == [{"claim": "c", "worker": "w"}]


def test_a_session_whose_records_make_no_sense_has_not_been_seen_to_end(profile: Profile) -> None:
    profile.start(verify="true")
    end(profile.fleet)
    meta = profile.paths.sessions / "w" / "meta.json"
    kept = meta.read_bytes()
    meta.write_text("{")

    profile.tend()
    assert (profile.record().ended, profile.record().checked) == (None, None)

    meta.write_bytes(kept)
    profile.tend()
    assert profile.record().ended is not None


def test_one_record_that_makes_no_sense_stops_nobody(profile: Profile) -> None:
    profile.start()
    end(profile.fleet)
    (profile.paths.workers / "x.json").write_text("{")

    profile.tend()

    assert profile.record().ended is not None
    assert any("x.json makes no sense" in words for words in warnings(profile))


def test_a_cost_that_cannot_be_told_does_not_hide_an_end(profile: Profile, tmp_path: Path) -> None:
    profile.start()
    record = msgspec.structs.replace(profile.record(), runner="claude", override=False)
    profile.store.workers.put(record)
    end(profile.fleet)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "projects").write_text("in the way")

    profile.tend()

    assert profile.record().ended is not None
    assert any("projects" in words for words in warnings(profile))


# -- checks ------------------------------------------------------------------------------------


def test_a_check_is_run_once_after_the_end(profile: Profile) -> None:
    profile.start(verify="echo x >> ran; cat ran")
    end(profile.fleet)

    profile.tend()
    first = profile.record().checked
    told = profile.heard("verified")
    profile.tend()

    assert first is not None
    assert (first.ok, first.output) == (True, "x\n")
    assert [(t["worker"], t["ok"], t["output"]) for t in told] == [("w", True, "x")]
    assert profile.record().checked == first
    assert profile.heard("verified") == []


def test_a_failed_check_keeps_its_code_and_output(profile: Profile) -> None:
    profile.start(verify="printf 'no\\033[2Jtests'; exit 5")
    end(profile.fleet)

    profile.tend()

    checked = profile.record().checked
    assert checked is not None
    assert (checked.ok, checked.code) == (False, 5)
    (told,) = profile.heard("verified")
    assert told["code"] == 5
    assert "\x1b" not in told["output"] + checked.output


def test_the_work_of_a_killed_worker_is_not_judged(profile: Profile) -> None:
    profile.start(verify="touch ran")
    stop.kill(profile.opened, "w", by="human", why="")

    profile.tend()

    checked = profile.record().checked
    assert checked is not None
    assert (checked.ok, checked.output) == (None, "not run: human ended the worker")
    assert not (Path(profile.record().work_dir) / "ran").exists()


def test_what_does_not_fit_into_a_beat_is_judged_by_the_next(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for worker in ("a", "b"):
        profile.start(worker, verify="true")
        end(profile.fleet, worker)
    monkeypatch.setattr("looop.loop.workers.verify.BEAT_BUDGET_S", 0.0)

    profile.tend()
    assert [f["worker"] for f in profile.heard("verify_deferred")] == ["a", "b"]
    assert profile.record("a").checked is None

    monkeypatch.undo()
    profile.tend()
    assert profile.record("a").checked is not None
    assert profile.record("b").checked is not None


def test_a_verdict_on_a_generation_that_was_replaced_meanwhile_is_nobodys(
    profile: Profile,
) -> None:
    later = Worker(id="w", generation="g2", started=profile.clock.now, runner="rules")
    path = profile.paths.workers / "w.json"
    new = msgspec.json.encode(later).decode()
    profile.start(verify=f"printf '%s' '{new}' > {path}")
    end(profile.fleet)

    profile.tend()

    assert profile.record() == later
    assert profile.heard("verified") == []


# -- what a decision knows ---------------------------------------------------------------------


def test_an_end_is_told_when_a_decision_has_seen_it(profile: Profile) -> None:
    profile.start()
    alive = decided(profile)
    end(profile.fleet)
    profile.tend(alive)
    assert not profile.record().told

    profile.tend(decided(profile))

    assert profile.record().told


def test_an_end_whose_check_no_decision_knows_is_still_to_be_told(profile: Profile) -> None:
    profile.open(session_ttl=0.001)
    profile.start(verify="true")
    end(profile.fleet)
    before = decided(profile)

    profile.tend(before)
    profile.tend(before)
    assert not profile.record().told

    profile.tend(decided(profile))
    assert profile.store.workers.get("w") is None


def test_the_end_of_an_earlier_generation_is_no_news_of_this_one(profile: Profile) -> None:
    profile.start()
    end(profile.fleet)
    profile.tend()
    before = decided(profile)
    start.restart(profile.opened, "w")
    end(profile.fleet)

    profile.tend(before)
    profile.tend(before)

    assert not profile.record().told


@pytest.mark.parametrize("words", ["", "{", "[]", '{"w": 1}', '{"w": {}}'])
def test_a_world_that_makes_no_sense_is_as_good_as_none(profile: Profile, words: str) -> None:
    profile.start()
    end(profile.fleet)

    assert profile.tend({tend.SESSIONS: words}) == {tend.SESSIONS: words}

    assert not profile.record().told


# -- money -------------------------------------------------------------------------------------


def test_a_worker_whose_money_is_spent_is_ended_with_its_tree(profile: Profile) -> None:
    profile.open(max_worker_usd=5.0)
    profile.start(command="sleep 600 & read x; : {{prompt_file}}", verify="true")
    spent(profile, 4.0, generation=profile.record().generation)
    profile.tend()
    assert profile.fleet.get("w").alive

    spent(profile, 1.5, generation=profile.record().generation)
    profile.tend()

    assert profile.fleet.get("w").state == "killed"
    killed = profile.record().killed
    assert killed is not None
    assert killed.by == "budget"
    assert killed.why == "it has cost $5.50 of max_worker_usd = 5"
    profile.tend()
    assert profile.record().ended is not None


def test_what_an_earlier_generation_has_cost_is_not_this_ones(profile: Profile) -> None:
    profile.open(max_worker_usd=5.0)
    profile.start()
    spent(profile, 9.0, generation="g0")
    spent(profile, 9.0, id="other", generation=profile.record().generation)

    profile.tend()

    assert profile.fleet.get("w").alive


def test_workers_of_a_goal_whose_money_is_spent_are_ended(profile: Profile) -> None:
    profile.start("a", goal="g")
    profile.start("b", goal="h")
    profile.open(max_goal_usd=5.0)
    spent(profile, 5.0, id="tick-1", kind="tick", goal="g")

    profile.tend()

    assert not profile.fleet.get("a").alive
    assert profile.fleet.get("b").alive
    killed = profile.record("a").killed
    assert killed is not None
    assert killed.why == "goal g has cost $5.00 of max_goal_usd = 5"


def test_a_ledger_that_cannot_be_read_ends_nobody(profile: Profile) -> None:
    profile.open(max_worker_usd=0.01)
    profile.start()
    profile.paths.cost.mkdir()

    profile.tend()

    assert profile.fleet.get("w").alive
    assert any("cost.jsonl" in words for words in warnings(profile))


# -- starts and restarts that were cut off -----------------------------------------------------


def test_a_record_that_never_got_a_session_is_forgotten_after_a_while(profile: Profile) -> None:
    record = Worker(
        id="w", generation="g1", started=profile.clock.now, runner="rules", verify="touch ran",
        work_dir=str(profile.paths.work_dir("w")),
    )  # fmt: skip
    profile.paths.work_dir("w").mkdir()
    profile.paths.prompt("w").write_text("x")
    profile.store.workers.put(record)

    profile.tend(after=30.0)
    assert profile.record() == record

    profile.tend(after=31.0)
    assert profile.store.workers.names() == []
    assert not profile.paths.work_dir("w").exists()
    assert not profile.paths.prompt("w").exists()
    assert profile.heard("worker_removed") == [{"worker": "w", "generation": "g1"}]


def test_the_check_of_a_session_that_vanished_is_not_run(profile: Profile) -> None:
    profile.start(verify="touch ran")
    end(profile.fleet)
    place = Path(profile.record().work_dir)
    (place / "work").write_text("of value")
    shutil.rmtree(profile.paths.sessions / "w")

    profile.tend(after=61.0)

    assert profile.store.workers.names() == []
    assert [p.name for p in place.iterdir()] == ["work"]


def test_a_restart_that_was_cut_off_before_it_began_is_taken_back(profile: Profile) -> None:
    profile.start(verify="true")
    before = profile.record()
    profile.store.workers.put(start.renewed(before, "never-ran"))

    profile.tend()
    assert profile.record() == before

    profile.store.workers.put(start.renewed(before, "never-ran"))
    end(profile.fleet)
    profile.tend()
    assert profile.record().generation == before.generation
    profile.tend()
    assert profile.record().checked is not None


def test_a_program_that_took_the_name_of_a_worker_has_no_part_in_its_record(
    profile: Profile,
) -> None:
    program(profile, "w", "read x", generation="g2")
    record = Worker(id="w", generation="g1", started=profile.clock.now, runner="rules")
    profile.store.workers.put(record)

    profile.tend(after=61.0)

    assert profile.record() == record
    assert profile.fleet.get("w").alive


# -- what is seen, and what goes ---------------------------------------------------------------


def test_what_was_seen_of_the_living_is_kept_for_the_next_look(profile: Profile) -> None:
    profile.start("a")
    program(profile, "p", "read x")
    profile.start("b")
    end(profile.fleet, "b")

    profile.tend()

    seen = profile.store.workers.activity()
    assert sorted(seen) == ["a", "p"]
    assert seen["a"].generation == profile.record("a").generation
    end(profile.fleet, "a")
    profile.tend()
    assert sorted(profile.store.workers.activity()) == ["p"]


def test_what_is_removed_here_is_no_news(profile: Profile) -> None:
    profile.start("a")
    profile.start("b")
    for worker in ("a", "b"):
        end(profile.fleet, worker)
    profile.tend()
    items = decided(profile) | {"playbook": "x"}
    profile.tend(items)
    profile.open(session_ttl=60.0)

    after = profile.tend(items, after=100.0)

    assert after == {"playbook": "x", tend.SESSIONS: "{}"}
    assert profile.fleet.list() == ([], [])
    assert profile.store.workers.names() == []


def test_the_pulse_is_not_tended(profile: Profile) -> None:
    program(profile, "pulse", "read x")
    profile.open(session_ttl=0.001)

    profile.tend()
    assert profile.store.workers.activity() == {}
    profile.fleet.kill("pulse")
    profile.tend(after=100.0)

    assert profile.fleet.find("pulse") is not None


def test_a_question_and_a_summary_are_kept_through_the_end(profile: Profile) -> None:
    profile.start()
    said = Done(outcome="blocked", summary="red\x1b[2J\nor blue?", at=1.0)
    profile.store.workers.put(msgspec.structs.replace(profile.record(), done=said))
    profile.store.asks.add(Ask(id="", asker="w", kind="question", prompt="?", created=1.0))
    end(profile.fleet)

    profile.tend()

    assert profile.record().done == said
    (told,) = profile.heard("worker_ended")
    assert told["outcome"] == "blocked"
    assert told["summary"].isprintable()
    assert len(profile.store.asks.open()) == 1
