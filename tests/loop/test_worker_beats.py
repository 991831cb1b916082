"""Whole beats with workers: what a decision starts, and what of it wakes the next one."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from looop.errors import Unreadable
from looop.kit.clock import SystemClock
from looop.model.records import Spend
from looop.sessions.local import LocalFleet
from looop.sessions.records import Session
from tests.support.crew import block, crew_ended, cut_off, end, ended, program, start_move
from tests.support.fakeclock import FakeClock
from tests.support.leftovers import gone, living, nothing_left, unsynced
from tests.support.profile import NOOP, Profile
from tests.support.program import home_env, looop, running

__all__ = ["crew_ended", "nothing_left", "unsynced"]

DAY = 86400.0


@pytest.fixture
def profile(tmp_path: Path, crew_ended: None) -> Profile:
    # Sessions date themselves by the machine's clock.
    return Profile(tmp_path, clock=FakeClock(time.time()), autonomy="trusted")


def act(profile: Profile, decision: dict[str, Any]) -> str:
    """A beat that is made to decide this, and how it ended."""
    profile.decides(decision)
    ended_as = profile.beat(after=400, forced=True)
    profile.decides(NOOP)
    return f"{ended_as.kind}: {ended_as.said}"


def begin(profile: Profile, worker: str = "w", **fields: Any) -> str:
    """Have a decision start a worker; its generation."""
    assert act(profile, start_move(worker, **fields)).startswith("acted: worker")
    return profile.store.workers.need(worker).generation


def settled(profile: Profile) -> None:
    """Decide until nothing is new any more."""
    for _ in range(4):
        if profile.beat(after=400).kind == "rested":
            return
    raise AssertionError("it never comes to rest")


def signal_of(profile: Profile, worker: str = "w") -> dict[str, str]:
    """What the last decision knew of a worker."""
    return json.loads(profile.memory().items["snap:sys-sessions"]).get(worker, {})


# -- starting, and the end ---------------------------------------------------------------------


def test_a_decision_starts_a_worker_and_its_own_start_does_not_wake_it(profile: Profile) -> None:
    generation = begin(profile, journal="a worker for it", goal="g", verify="true")

    session = profile.fleet.get("w")
    record = profile.store.workers.need("w")
    assert (session.alive, session.generation) == (True, generation)
    assert session.labels["run"] == record.run
    assert profile.record(record.run).action == start_move("w", verify="true")
    assert profile.journal()[-1].endswith("a worker for it")
    launches = profile.launches

    for _ in range(3):
        assert profile.beat(after=10).kind == "rested"

    assert profile.launches == launches
    assert signal_of(profile) == {
        "generation": generation[:8], "health": "busy", "verify": "to come",
    }  # fmt: skip


def test_the_end_of_a_worker_wakes_with_its_verdict_in_the_signal(profile: Profile) -> None:
    begin(profile, verify='echo "one test failed"; exit 1')
    settled(profile)
    launches = profile.launches
    end(profile.fleet, code=3)

    woken = profile.beat()

    assert (woken.kind, profile.launches) == ("acted", launches + 1)
    assert signal_of(profile)["verify"] == "fail"
    assert signal_of(profile)["state"] == "exited 3"
    assert "one test failed" in profile.prompt(woken.run)
    assert [e["ok"] for e in profile.events("verified")] == [False]

    assert profile.beat().kind == "rested"
    assert profile.store.workers.need("w").told
    assert len(profile.events("verified")) == len(profile.events("worker_ended")) == 1
    assert profile.launches == launches + 1


def test_a_worker_that_is_done_tells_its_summary_to_the_decision(profile: Profile) -> None:
    begin(profile, command="", runner="rules", prompt=block("echo 42 is the answer"))
    assert ended(profile.fleet).code == 0, profile.fleet.screen_lines("w")

    woken = profile.beat()

    assert signal_of(profile)["outcome"] == "done"
    assert "42 is the answer" in profile.prompt(woken.run)


def test_a_worker_that_ends_while_the_beat_that_started_it_goes_on_is_not_missed(
    profile: Profile,
) -> None:
    begin(profile, command="true {{prompt_file}}")
    ended(profile.fleet)

    assert profile.beat().kind == "acted"
    assert signal_of(profile)["state"] == "exited 0"


def test_a_worker_that_is_refused_is_a_reason_in_the_next_prompt(profile: Profile) -> None:
    profile.configure(max_workers=1)
    begin(profile, "a")

    said = act(profile, start_move("b"))
    assert said.startswith("failed: act-failed: 1 workers live, which is the cap")
    assert profile.fleet.find("b") is None

    told = profile.beat(after=400, forced=True)
    assert "which is the cap" in profile.prompt(told.run)


# -- steering ----------------------------------------------------------------------------------


def test_a_worker_is_spoken_to_and_pressed(profile: Profile) -> None:
    begin(profile)
    profile.fleet.expect("w", "ready", since=None, timeout_s=20, screen=False)

    assert act(profile, {"action": "steer_session", "id": "looop-w", "input": "4"}).startswith(
        "acted: steer"
    )
    assert ended(profile.fleet).code == 4


def test_a_killed_worker_stays_killed(profile: Profile) -> None:
    begin(profile, command="setsid sleep 600 & read x; : {{prompt_file}}", verify="true")
    kill = {"action": "kill_worker", "id": "w", "reason": "it hangs"}

    assert act(profile, kill).startswith("acted: kill")

    assert all(gone(pid) for pid in living(profile.data))
    assert signal_of(profile)["killed_by"] == "loop"
    assert act(profile, {"action": "restart_session", "id": "w"}).startswith(
        "failed: act-failed: w was killed and stays so"
    )
    settled(profile)
    assert signal_of(profile)["verify"] == "not run"
    assert profile.fleet.get("w").state == "killed"
    assert begin(profile)


def test_our_own_kill_wakes_nobody(profile: Profile) -> None:
    begin(profile)
    act(profile, {"action": "kill_worker", "id": "w"})

    assert profile.beat().kind == "rested"
    assert profile.beat().kind == "rested"
    assert profile.store.workers.need("w").told


def test_a_restart_is_a_new_generation_that_wakes_nobody(profile: Profile) -> None:
    first = begin(profile)

    assert act(profile, {"action": "restart_session", "id": "w"}).startswith("acted: restart")

    second = profile.store.workers.need("w").generation
    assert second != first
    assert signal_of(profile)["generation"] == second[:8]
    assert profile.beat().kind == "rested"
    end(profile.fleet)
    assert profile.beat().kind == "acted"


# -- held moves --------------------------------------------------------------------------------


@pytest.fixture
def held(profile: Profile) -> Profile:
    """A guarded profile in which a word to a living worker waits for a human's yes."""
    profile.configure(autonomy="guarded")
    profile.paths.sessions.mkdir(exist_ok=True)
    program(profile, "w", 'echo ready; read -r code; exit "$code"', generation="g1")
    said = act(profile, {"action": "steer_session", "id": "w", "input": "7"})
    assert said.startswith("held: held as loop-1")
    return profile


def test_a_held_steer_acts_on_the_worker_that_it_was_for(held: Profile) -> None:
    held.answer("loop-1", "yes")

    assert held.beat().kind == "acted"
    assert ended(held.fleet).code == 7


def test_a_held_steer_does_not_act_on_a_later_generation(held: Profile) -> None:
    held.fleet.restart("w", generation="g2")
    held.answer("loop-1", "yes")

    told = held.beat()

    assert held.fleet.get("w").alive
    assert "the worker that it was meant for has gone" in held.prompt(told.run)
    assert held.open_asks() == []
    assert end(held.fleet, code=5).code == 5


# -- claims and money --------------------------------------------------------------------------


def test_the_claims_of_the_dead_are_released_and_that_is_news(profile: Profile) -> None:
    generation = begin(profile)
    profile.store.claims.claim("repo", "w", generation, 1.0, lambda _s, _g: True)
    settled(profile)
    assert profile.memory().items["snap:sys-claims"] == '{"repo":"w"}'
    end(profile.fleet)

    profile.beat()

    assert profile.memory().items["snap:sys-claims"] == "{}"
    assert [e["claim"] for e in profile.events("claim_reaped")] == ["repo"]


def test_a_budget_ends_the_tree_and_says_so_to_the_decision(profile: Profile) -> None:
    profile.configure(max_worker_usd=2)
    generation = begin(profile, command="setsid sleep 600 & read x; : {{prompt_file}}")
    settled(profile)
    profile.store.ledger.add(
        Spend(
            ts="2999-01-01T00:00:00Z", kind="session", id="w", runner="fake", cost_usd=2.5,
            generation=generation,
        )
    )  # fmt: skip

    woken = profile.beat()

    assert woken.kind == "acted"
    assert all(gone(pid) for pid in living(profile.data))
    assert signal_of(profile)["killed_by"] == "budget"
    assert "max_worker_usd = 2" in profile.prompt(woken.run)


# -- what cannot be seen -----------------------------------------------------------------------


class _Blind(LocalFleet):
    """Nobody can look at it."""

    def list(self) -> tuple[list[Session], list[str]]:
        raise Unreadable("the fleet cannot be seen")

    def get(self, session: str) -> Session:
        raise Unreadable("the fleet cannot be seen")


def hide(profile: Profile) -> None:
    profile.parts.fleet = _Blind(profile.paths.sessions, version="test")


def show(profile: Profile) -> None:
    profile.parts.fleet = profile.fleet


def test_a_fleet_that_cannot_be_seen_ends_judges_and_starts_nobody(profile: Profile) -> None:
    generation = begin(profile, verify="touch ran")
    profile.store.claims.claim("repo", "w", generation, 1.0, lambda _s, _g: True)
    settled(profile)
    end(profile.fleet)
    before = profile.store.workers.need("w")
    hide(profile)

    profile.beat()
    assert profile.store.workers.need("w") == before
    assert [c.name for c in profile.store.claims.list()[0]] == ["repo"]
    assert act(profile, start_move("x")).startswith("failed: ")
    assert profile.store.workers.names() == ["w"]
    told = profile.beat(after=400, forced=True)
    assert "the fleet cannot be seen" in profile.prompt(told.run)

    show(profile)
    profile.beat(after=400)
    assert profile.store.workers.need("w").checked is not None
    assert profile.store.claims.list()[0] == []
    assert profile.fleet.find("x") is None


def test_a_file_where_sessions_belong_stops_the_beat_and_is_named(profile: Profile) -> None:
    begin(profile)
    os.rename(profile.paths.sessions, profile.base / "away")
    profile.paths.sessions.write_text("")

    said = act(profile, start_move("x"))

    assert said.startswith("blind: ")
    assert str(profile.paths.sessions) in said
    profile.paths.sessions.unlink()
    os.rename(profile.base / "away", profile.paths.sessions)
    assert end(profile.fleet).code == 0


def test_an_answer_waits_while_it_cannot_be_told_for_whom_it_was(held: Profile) -> None:
    held.answer("loop-1", "yes")
    hide(held)
    assert held.beat().kind == "blind"
    assert len(held.open_asks()) == 1

    show(held)
    assert held.beat().kind == "acted"
    assert ended(held.fleet).code == 7


# -- crashes -----------------------------------------------------------------------------------


def crash(profile: Profile, decision: dict[str, Any], point: str) -> str:
    """A beat that decides this and is killed at that point; the prompt of the one after it."""
    profile.decides(decision)
    profile.goal(f"g{profile.launches}")
    profile.clock.forward(1)
    cut_off(profile.base, profile.clock.wall(), point)
    profile.decides(NOOP)
    return profile.prompt(profile.beat(after=1, forced=True).run)


def test_a_start_that_was_cut_off_before_it_happened_is_said_not_to_have(
    profile: Profile,
) -> None:
    settled(profile)

    prompt = crash(profile, start_move("w", verify="touch ran"), "before-start")

    assert "it did not happen: no session w of this run is there" in prompt
    assert profile.fleet.find("w") is None
    settled(profile)
    profile.beat(after=100)
    assert profile.store.workers.names() == []
    assert profile.paths.work_dir("w").exists() is False
    assert begin(profile)


def test_a_start_that_was_cut_off_can_be_given_again_at_once(profile: Profile) -> None:
    settled(profile)
    crash(profile, start_move(), "before-start")

    profile.decides(start_move())
    assert profile.beat(after=1, forced=True).kind == "acted"
    profile.decides(NOOP)

    assert profile.fleet.get("w").generation == profile.store.workers.need("w").generation
    assert end(profile.fleet).code == 0


def test_a_start_that_was_cut_off_after_it_happened_is_never_repeated(profile: Profile) -> None:
    settled(profile)

    prompt = crash(profile, start_move("w", verify="true"), "after-start")

    assert "it did happen: w was started and is running" in prompt
    record = profile.store.workers.need("w")
    assert profile.fleet.get("w").generation == record.generation
    settled(profile)
    assert end(profile.fleet).code == 0
    profile.beat()
    assert signal_of(profile)["verify"] == "pass"


@pytest.mark.parametrize("point", ["before-restart", "after-restart"])
def test_a_restart_that_was_cut_off_leaves_a_worker_that_is_looked_after(
    profile: Profile, point: str
) -> None:
    first = begin(profile, verify="true")
    settled(profile)

    crash(profile, {"action": "restart_session", "id": "w"}, point)

    session = profile.fleet.get("w")
    assert (session.generation == first) is (point == "before-restart")
    assert profile.store.workers.need("w").generation == session.generation
    settled(profile)
    end(profile.fleet)
    profile.beat()
    assert signal_of(profile)["verify"] == "pass"


def test_a_kill_that_was_cut_off_is_told_and_can_be_given_again(profile: Profile) -> None:
    begin(profile)
    settled(profile)
    kill = {"action": "kill_worker", "id": "w", "reason": "it hangs"}

    assert "a crash cut this move off" in crash(profile, kill, "before-kill")

    assert profile.fleet.get("w").alive
    assert act(profile, kill).startswith("acted: kill")
    assert profile.fleet.get("w").state == "killed"


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ("before-start", "it did not happen: no session w of this run is there"),
        ("after-start", "it did happen: w was started and is running"),
    ],
)
def test_a_start_by_a_human_that_was_cut_off_is_told_as_it_is(
    profile: Profile, point: str, words: str
) -> None:
    settled(profile)
    cut_off(profile.base, profile.clock.wall(), point, "w")

    told = profile.beat(forced=True)

    assert words in profile.prompt(told.run)


def test_whether_a_start_happened_is_not_guessed(profile: Profile) -> None:
    settled(profile)
    profile.decides(start_move())
    cut_off(profile.base, profile.clock.wall(), "after-start", "w")
    profile.decides(NOOP)
    hide(profile)

    profile.beat()

    (event,) = profile.events("interrupted")
    assert event["probe"] == ("whether w was started cannot be told: the fleet cannot be seen")


# -- retention ---------------------------------------------------------------------------------


def test_what_is_old_goes_without_waking_anybody(profile: Profile) -> None:
    profile.configure(noop_ttl=0)
    begin(profile, verify="true")
    end(profile.fleet)
    settled(profile)
    launches = profile.launches

    assert profile.beat(after=4 * DAY).kind == "rested"

    assert profile.fleet.find("w") is None
    assert signal_of(profile) == {}
    assert profile.launches == launches


def test_nothing_goes_before_it_was_judged_and_told(profile: Profile) -> None:
    profile.configure(session_ttl="1ms")
    begin(profile, verify="true")
    end(profile.fleet)

    told = profile.beat(after=4 * DAY)

    assert "w" in profile.prompt(told.run)
    assert signal_of(profile)["verify"] == "pass"
    assert profile.fleet.find("w") is not None
    profile.beat(after=4 * DAY)
    assert profile.fleet.find("w") is None


def test_an_end_that_no_decision_could_be_made_on_is_kept_until_one_is(profile: Profile) -> None:
    profile.configure(session_ttl="1ms")
    begin(profile)
    settled(profile)
    end(profile.fleet)
    profile.breaks()
    for _ in range(3):
        profile.beat(after=DAY)
    assert profile.fleet.find("w") is not None

    profile.decides(NOOP)
    profile.beat(after=DAY)
    profile.beat(after=DAY)
    assert profile.fleet.find("w") is None


# -- reflexes ----------------------------------------------------------------------------------


def test_a_rule_sees_sessions_and_claims(profile: Profile) -> None:
    profile.configure(runner="rules")
    profile.reflexes(
        "[[reflex]]\nname = 'again'\n"
        "when = 'sessions.exists(s, sessions[s].health == \"dead\") && claims.size() == 0'\n"
        "[reflex.do]\naction = 'send_notification'\nmessage = 'somebody ended'\n"
    )
    profile.store.ensure()
    program(profile, "w", "read x")
    profile.beat()
    assert profile.events("notified") == []

    profile.fleet.kill("w")
    profile.beat()

    assert [e["message"] for e in profile.events("notified")] == ["somebody ended"]


# -- the pulse ---------------------------------------------------------------------------------


@pytest.fixture
def beating(profile: Profile) -> Profile:
    """A profile whose pulse looks again only after ten minutes."""
    profile.configure(interval=600, busy_interval=600, max_next_interval=600)
    profile.env = home_env(profile.side, LOOOP_DATA_DIR=str(profile.data))
    profile.playbook("# PLAYBOOK\n")
    profile.reopen(SystemClock())
    return profile


def test_the_end_of_a_worker_wakes_the_pulse_at_once(beating: Profile) -> None:
    beating.decides(start_move("w", verify="true"))
    with running(beating.env, "--keep-workers") as pulse:
        pulse.until("acted", action="start_worker")
        pulse.until("beat_ended", kind="acted")
        beating.decides(NOOP)
        end(beating.fleet)

        pulse.until("worker_ended", worker="w")
        pulse.until("verified", worker="w", ok=True)
        pulse.until("acted", action="noop")


def test_a_worker_that_ends_within_its_own_beat_wakes_the_pulse_too(beating: Profile) -> None:
    beating.decides(start_move("w", command="true {{prompt_file}}"))
    with running(beating.env, "--keep-workers") as pulse:
        pulse.until("acted", action="start_worker")
        beating.decides(NOOP)

        pulse.until("worker_ended", worker="w")


def test_a_supervisor_that_dies_wakes_the_pulse_too(beating: Profile) -> None:
    beating.decides(start_move("w"))
    with running(beating.env, "--keep-workers") as pulse:
        pulse.until("beat_ended", kind="acted")
        beating.decides(NOOP)
        os.kill(beating.fleet.get("w").supervisor, signal.SIGKILL)

        assert pulse.until("worker_ended", worker="w")["state"] == "dead"


def test_a_pulse_that_is_killed_leaves_its_workers_to_the_next(beating: Profile) -> None:
    beating.decides(start_move("w"))
    with running(beating.env, "--keep-workers") as pulse:
        pulse.until("beat_ended", kind="acted")
        pulse.end(signal.SIGKILL)
    beating.decides(NOOP)
    assert beating.fleet.get("w").alive
    end(beating.fleet)

    with running(beating.env, "--keep-workers") as pulse:
        pulse.until("worker_ended", worker="w")


@pytest.mark.parametrize("keep", [True, False])
def test_the_end_of_a_pulse_in_the_foreground_ends_its_workers_unless_they_are_kept(
    beating: Profile, keep: bool
) -> None:
    beating.decides(start_move("w"))
    with running(beating.env, *(["--keep-workers"] if keep else [])) as pulse:
        pulse.until("beat_ended", kind="acted")
        assert pulse.end()[0] == 0

    assert beating.fleet.get("w").alive is keep


def test_a_worker_started_by_hand_is_seen_and_its_end_wakes_the_pulse(beating: Profile) -> None:
    with running(beating.env, "--keep-workers") as pulse:
        pulse.until("beat_ended", kind="acted")
        done = looop(
            "start-session", "w", "wait", "--command", start_move()["command"], env=beating.env
        )
        assert done.code == 0, done.err
        pulse.until("beat_ended", kind="acted")
        end(beating.fleet)

        pulse.until("worker_ended", worker="w")
