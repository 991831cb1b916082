"""Whole beats over a real profile, with a decider that is a real program: the stories of the loop."""

import asyncio
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from looop.loop.beat import beat
from looop.state import memory as memories
from tests.support.fakeclock import FakeClock
from tests.support.leftovers import nothing_left, unsynced
from tests.support.profile import NOOP, Profile, shell_move

__all__ = ["nothing_left", "unsynced"]

Step = tuple[Callable[[Profile], object] | None, str]

MINUTE = 60.0


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(tmp_path)


def later(seconds: float) -> Callable[[Profile], object]:
    return lambda p: p.clock.forward(seconds)


def story(steps: list[Step], launches: int, *, name: str) -> Any:
    """One row of the table: what is done before each beat and how it must end."""
    return pytest.param(steps, launches, id=name)


def told(profile: Profile, run: str, heading: str) -> str:
    """One section of a run's prompt."""
    _, found, rest = profile.prompt(run).partition(f"=== {heading}\n")
    assert found, f"the prompt has no section {heading}"
    return rest.partition("\n=== ")[0]


# -- a world moves, or it does not -----------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "launches"),
    [
        story([(None, "acted"), (None, "rested")], 1, name="an unchanged world costs nothing"),
        story(
            [(None, "acted"), (lambda p: p.reopen(), "rested")], 1, name="a restart costs nothing"
        ),
        story(
            [(None, "acted"), (lambda p: p.goal("a"), "acted"), (None, "rested")],
            2,
            name="a new goal wakes it once",
        ),
        story(
            [
                (lambda p: p.goal("a"), "acted"),
                (lambda p: p.goal("a", "goal: another\n"), "acted"),
                (lambda p: p.paths.goal("a").unlink(), "acted"),
                (None, "rested"),
            ],
            3,
            name="an edited and a deleted goal wake it",
        ),
        story(
            [(None, "acted"), (lambda p: p.playbook("# new\n"), "acted"), (None, "rested")],
            2,
            name="the PLAYBOOK wakes it",
        ),
        story(
            [
                (lambda p: p.reading("w", 1, "a"), "acted"),
                (lambda p: p.reading("w", 1, "b"), "rested"),
                (lambda p: p.reading("w", 2, "b"), "acted"),
                (None, "rested"),
            ],
            2,
            name="a signal wakes it and a detail does not",
        ),
        story(
            [
                (lambda p: p.reading("w", 1), "acted"),
                (lambda p: p.script("w", "echo broken >&2; exit 3"), "acted"),
                (lambda p: p.script("w", "echo otherwise broken >&2; exit 3"), "rested"),
                (lambda p: p.script("w", "cat $SIDE/reading-w.json"), "acted"),
                (lambda p: p.paths.sensor("w").unlink(), "acted"),
                (None, "rested"),
            ],
            4,
            name="a break wakes it once, and so do the repair and the end of a sensor",
        ),
        story(
            [(None, "acted"), (later(6 * 3600), "acted"), (None, "rested")],
            2,
            name="an old noop is reconsidered once",
        ),
        story(
            [(lambda p: p.configure(noop_ttl=0), "acted"), (later(9e6), "rested")],
            1,
            name="a noop is never reconsidered where that is off",
        ),
        story(
            [(lambda p: p.breaks(), "failed"), (None, "gated"), (later(61), "failed")],
            2,
            name="a failure backs off",
        ),
        story(
            [
                (lambda p: p.breaks(), "failed"),
                (lambda p: p.goal("a"), "failed"),
                (lambda p: p.playbook("x\n"), "failed"),
                (None, "gated"),
            ],
            3,
            name="an edit of policy ends the wait",
        ),
        story(
            [
                (lambda p: p.breaks(), "failed"),
                (lambda p: p.reading("w", 1), "gated"),
                (lambda p: p.reading("w", 2), "gated"),
            ],
            1,
            name="a reading that moves does not end the wait",
        ),
        story(
            [
                (lambda p: p.breaks(), "failed"),
                (lambda p: p.configure(interval=30), "failed"),
                (lambda p: p.admission("# mine\n"), "failed"),
                (lambda p: p.reflexes("# mine\n"), "failed"),
                (None, "gated"),
            ],
            4,
            name="settings and rules end the wait",
        ),
        story(
            [
                (lambda p: p.configure(max_decides_per_hour=2), "acted"),
                (lambda p: p.goal("a"), "acted"),
                (lambda p: p.goal("b"), "gated"),
                (later(3590), "gated"),
                (later(10), "acted"),
            ],
            3,
            name="the hour's cap launches nothing until the oldest launch is an hour old",
        ),
        story(
            [
                (lambda p: p.decides(NOOP | {"next_interval_s": 20}), "acted"),
                (later(10), "rested"),
                (lambda p: p.decides(NOOP), "rested"),
                (later(10), "acted"),
                (later(100), "rested"),
            ],
            2,
            name="a deadline that a decision set forces one decision",
        ),
        story(
            [
                (lambda p: p.decides(NOOP | {"next_interval_s": 20}), "acted"),
                (lambda p: (later(20)(p), p.breaks()), "failed"),
                (None, "gated"),
                (lambda p: (later(60)(p), p.decides(NOOP)), "acted"),
                (None, "rested"),
            ],
            3,
            name="only a beat that decided consumes the deadline",
        ),
        story(
            [
                (lambda p: p.decides(shell_move("echo hello")), "acted"),
                (lambda p: (later(2)(p), p.decides(NOOP)), "rested"),
                (later(2), "acted"),
                (None, "rested"),
            ],
            2,
            name="a command is looked at again after five seconds",
        ),
        story(
            [
                (
                    lambda p: p.decides(
                        {"action": "write_goal", "id": "a", "body": "goal: a", "journal": "w"}
                    ),
                    "acted",
                ),
                (None, "rested"),
                (lambda p: p.decides({"action": "archive_goal", "id": "a"}), "rested"),
                (lambda p: p.goal("b"), "acted"),
                (None, "rested"),
            ],
            2,
            name="writing and archiving a goal needs no confirmation",
        ),
        story(
            [
                (
                    lambda p: p.decides({"action": "write_schedule", "name": "t", "in_s": 600}),
                    "acted",
                ),
                (None, "rested"),
                (lambda p: (p.decides(NOOP), later(600)(p)), "acted"),
                (None, "rested"),
                (lambda p: p.goal("x"), "acted"),
            ],
            3,
            name="setting a timer needs no confirmation, and it wakes the loop when it is due",
        ),
        story(
            [
                (lambda p: p.decides({"action": "ask_human", "prompt": "which?"}), "acted"),
                (lambda p: p.decides(NOOP), "rested"),
                (lambda p: p.answer("loop-1", "that one"), "acted"),
                (None, "rested"),
            ],
            2,
            name="a question needs no confirmation, and its answer wakes the loop",
        ),
        story(
            [
                (lambda p: p.decides('{"action": "fly"}'), "failed"),
                (lambda p: p.decides(NOOP), "gated"),
                (later(60), "acted"),
            ],
            3,
            name="a decision that makes no sense is sent back once, then the beat fails",
        ),
        story(
            [(lambda p: p.decides(""), "failed"), (None, "gated")],
            1,
            name="no decision is a failure",
        ),
    ],
)
def test_story(profile: Profile, steps: list[Step], launches: int) -> None:
    ends: list[str] = []
    for change, _ in steps:
        if change is not None:
            change(profile)
        ends.append(profile.beat().kind)

    assert ends == [kind for _, kind in steps]
    assert profile.launches == launches


def test_the_first_beat_of_a_process_is_not_forced(profile: Profile) -> None:
    """A crash-restart loop must not cost a decision for each restart."""
    profile.beat()
    profile.breaks()

    for _ in range(5):
        profile.reopen()
        assert profile.beat().kind == "rested"

    assert profile.launches == 1


def test_a_noop_is_committed_and_journalled_and_is_not_a_move(profile: Profile) -> None:
    profile.decides(NOOP | {"journal": "nothing to do today"})

    end = profile.beat()

    memory = profile.memory()
    assert (end.kind, end.action) == ("acted", "noop")
    assert profile.journal() == ["nothing to do today"]
    assert (memory.moved, memory.fails) == (False, 0)
    assert memory.noop_at == memory.decided_at == profile.clock.wall()
    assert memory.hash == profile.record(end.run).hash
    assert profile.record(end.run).phase == "done"


def test_a_real_move_counts_as_one(profile: Profile) -> None:
    profile.decides(shell_move("echo hello"))

    profile.beat()

    assert profile.memory().moved
    assert profile.memory().noop_at == 0
    assert profile.memory().wake_at == profile.clock.wall() + 5


@pytest.mark.parametrize(
    ("asked", "cap", "slept"),
    [(1, 300, 5), (20, 300, 20), (9999, 300, 300), (9999, 0, 3600), (50, 3, 5)],
)
def test_what_a_decision_asks_to_sleep_is_clamped(
    profile: Profile, asked: int, cap: int, slept: int
) -> None:
    profile.configure(max_next_interval=cap)
    profile.decides(NOOP | {"next_interval_s": asked})

    profile.beat()

    assert profile.memory().wake_at == profile.clock.wall() + slept


def test_forcing_decides_although_nothing_changed(profile: Profile) -> None:
    profile.beat()

    end = profile.beat(forced=True)

    assert end.kind == "acted"
    assert profile.launches == 2
    assert "nothing; this look is because forced" in told(profile, end.run, "WHAT CHANGED")


def test_forcing_lifts_no_other_gate(profile: Profile) -> None:
    profile.configure(max_decides_per_hour=2)
    profile.beat()
    profile.breaks()
    profile.beat(forced=True)

    assert profile.beat(forced=True).said.startswith("backoff: failed once")
    profile.clock.forward(60)
    assert profile.beat(forced=True).said.startswith("decide-cap: 2 launches")
    assert profile.launches == 2


# -- failures --------------------------------------------------------------------------------


def test_a_failure_commits_nothing_and_is_told_to_the_next_prompt(profile: Profile) -> None:
    profile.breaks("the provider is down")

    end = profile.beat()

    memory = profile.memory()
    assert end.said.startswith("failed: fake: ended with exit code 3")
    assert (memory.hash, memory.items, memory.decided_at) == ("", {}, 0.0)
    assert (memory.fails, memory.failed_at) == (1, profile.clock.wall())
    assert profile.journal() == []
    (event,) = profile.heard("beat_failed")
    assert (event["code"], event["fails"]) == ("failed", 1)
    assert event["retry_at"] == profile.clock.wall() + 60

    profile.decides(NOOP)
    after = profile.beat(after=60)
    assert "the provider is down" in told(profile, after.run, "LAST FAILURE")
    assert profile.memory().failure is None
    profile.goal("a")
    assert "=== LAST FAILURE" not in profile.prompt(profile.beat().run)


def test_the_wait_doubles_up_to_five_minutes(profile: Profile) -> None:
    profile.breaks()
    waits: list[float] = []

    for _ in range(5):
        profile.beat()
        memory = profile.memory()
        waits.append(profile.heard("beat_failed")[0]["retry_at"] - memory.failed_at)
        profile.clock.forward(waits[-1])

    assert waits == [60, 120, 240, 300, 300]


def test_the_counter_survives_a_world_that_moves_and_only_success_clears_it(
    profile: Profile,
) -> None:
    profile.breaks()
    for number in range(3):
        profile.reading("w", number)
        profile.beat(after=301)
    assert profile.memory().fails == 3
    profile.goal("a")
    profile.beat()
    assert profile.memory().fails == 4

    profile.decides(NOOP)
    profile.goal("a", "goal: cut the wait\n")
    profile.beat()

    assert profile.memory().fails == 0


def test_answering_an_ask_ends_the_wait(profile: Profile) -> None:
    profile.decides({"action": "ask_human", "prompt": "which?"})
    profile.beat()
    profile.goal("a")
    profile.breaks()
    profile.beat()
    assert profile.beat().kind == "gated"

    profile.answer("loop-1", "the second")
    profile.decides(NOOP)

    assert profile.beat().kind == "acted"


def test_five_failures_tell_a_human_once_and_success_closes_it(profile: Profile) -> None:
    profile.breaks("no network")
    for _ in range(7):
        profile.beat(after=301)

    (ask,) = profile.open_asks()
    assert (ask.kind, ask.severity, ask.state) == ("notice", "high", "pending")
    assert ask.prompt.startswith("The loop failed 5 times in a row. The last time: fake:")
    assert len(profile.events("asked")) == 1

    profile.decides(NOOP)
    profile.beat(after=301)
    assert profile.open_asks() == []
    assert [a.closed for a in profile.store.asks.closed()] == ["resolved"]
    assert profile.beat().kind == "rested"


def test_the_answer_to_a_notice_ends_the_wait_and_is_not_asked_for_again(
    profile: Profile,
) -> None:
    profile.breaks()
    for _ in range(5):
        profile.beat(after=301)
    assert profile.beat().kind == "gated"

    profile.answer("loop-1", "the network is back, go on")
    profile.decides(NOOP)

    assert profile.beat().kind == "acted"
    assert profile.open_asks() == []


def test_a_runner_that_hangs_is_ended_at_its_deadline_and_named(tmp_path: Path) -> None:
    profile = Profile(tmp_path, clock=FakeClock(ticking=True), tick_timeout="300ms")
    profile.runner(tick="echo thinking hard; exec sleep 600")

    end = profile.beat()

    assert end.kind == "failed"
    assert end.said.startswith("deadline: fake: did not end before its deadline")
    assert "thinking hard" in end.said


def test_a_decision_that_lies_around_is_never_taken(profile: Profile) -> None:
    for place in (profile.data, profile.paths.runs):
        place.mkdir(exist_ok=True)
        (place / ".decision.json").write_text(json.dumps(shell_move("echo planted > planted")))
    profile.runner(tick="true")

    assert profile.beat().said.startswith("no-decision: fake: ended well but left no decision")
    assert not (profile.data / "planted").exists()


def test_a_missing_program_is_a_failure_with_a_mend(profile: Profile) -> None:
    profile.env["PATH"] = str(profile.side)
    profile.reopen()

    end = profile.beat()

    assert end.said.startswith("spawn: runner 'fake' needs the program 'bash'")


def test_a_failed_command_is_a_failure_and_its_output_reaches_the_next_prompt(
    profile: Profile,
) -> None:
    profile.decides(shell_move("ls no-such-file"))

    end = profile.beat()

    assert end.said.startswith("act-failed: exit code 2: to see what happens: ls: ")
    assert profile.journal()[0].startswith("failed · shell · exit code 2")
    profile.decides(NOOP)
    after = profile.beat(after=61)
    assert "No such file" in told(profile, after.run, "LAST SHELL OUTPUT")
    assert "No such file" in told(profile, after.run, "LAST FAILURE")


# -- money -----------------------------------------------------------------------------------


def test_a_spent_budget_closes_the_gate_until_midnight_and_says_so_once(profile: Profile) -> None:
    profile.runner(cost={"type": "bill", "pointer": "/usd"})
    profile.configure(max_daily_usd=1.0)
    profile.costs(0.6)
    profile.beat()
    profile.goal("a")
    profile.beat()
    profile.goal("b")

    first = profile.beat()
    profile.beat()

    assert first.said.startswith("daily-budget: $1.20 of $1.00 spent today; opens in")
    assert profile.launches == 2
    (notice,) = profile.open_asks()
    assert notice.prompt.startswith("The daily-budget gate is closed")
    profile.clock.forward(86400)
    assert profile.beat().kind == "acted"
    assert profile.open_asks() == []


def test_three_runs_of_unknown_cost_close_the_gate_until_the_runner_changes(
    profile: Profile,
) -> None:
    profile.configure(max_daily_usd=1.0)
    ends: list[str] = []
    for name in "abcde":
        profile.goal(name)
        ends.append(profile.beat().kind)

    assert ends == ["acted", "acted", "acted", "gated", "gated"]
    (notice,) = profile.open_asks()
    assert notice.prompt.startswith("The unmetered gate is closed: a budget is set and 3 runs")

    profile.runner(cost={"type": "bill", "pointer": "/usd"})
    profile.costs(0.01)
    assert profile.beat().kind == "acted"
    assert profile.open_asks() == []
    assert profile.memory().unmetered is None


def test_a_run_with_a_known_cost_forgives_those_without(profile: Profile) -> None:
    profile.runner(cost={"type": "bill", "pointer": "/usd"})
    profile.configure(max_daily_usd=1.0)
    for number, usd in enumerate((None, None, 0.01, None, None)):
        profile.costs(usd)
        profile.goal(f"g{number}")
        assert profile.beat().kind == "acted"

    assert profile.memory().unmetered is not None
    assert len(profile.heard("budget")) == 1


def test_without_a_budget_unknown_costs_close_nothing(profile: Profile) -> None:
    for number in range(5):
        profile.goal(f"g{number}")
        assert profile.beat().kind == "acted"


def test_a_ledger_that_cannot_be_read_closes_the_budget(profile: Profile) -> None:
    profile.configure(max_daily_usd=1.0)
    profile.paths.cost.mkdir()

    end = profile.beat()

    assert end.kind == "gated"
    assert end.said.startswith("daily-budget: ")
    assert profile.launches == 0


# -- what a command printed ------------------------------------------------------------------


def test_output_reaches_exactly_one_prompt(profile: Profile) -> None:
    profile.decides(shell_move("echo the answer is 42"))
    profile.beat()
    profile.decides(NOOP)
    first = profile.beat(after=5)
    profile.goal("a")
    second = profile.beat()

    assert "the answer is 42" in told(profile, first.run, "LAST SHELL OUTPUT")
    assert "=== LAST SHELL OUTPUT" not in profile.prompt(second.run)


def test_output_is_shown_again_when_the_decision_after_it_fails(profile: Profile) -> None:
    profile.decides(shell_move("echo the answer is 42"))
    profile.beat()
    profile.breaks()
    profile.beat(after=5)
    profile.decides(NOOP)

    again = profile.beat(after=60)

    assert "the answer is 42" in told(profile, again.run, "LAST SHELL OUTPUT")


def test_a_command_of_a_human_takes_no_output_away(profile: Profile) -> None:
    profile.decides(shell_move("echo of the loop"))
    profile.beat()

    assert profile.control.run("echo of a human") == (0, "of a human\n")

    profile.decides(NOOP)
    shown = told(profile, profile.beat(after=5).run, "LAST SHELL OUTPUT")
    assert "of the loop" in shown
    assert "of a human" not in shown


# -- moves of our own ------------------------------------------------------------------------


def test_a_change_by_a_human_beside_a_move_of_our_own_wakes_the_loop(profile: Profile) -> None:
    tick = profile.fake["tick"]
    profile.runner(tick=f"{tick}\nprintf 'goal: mine\\n' > {profile.data}/goals/human.md")
    profile.decides({"action": "write_goal", "id": "ours", "body": "goal: ours"})
    profile.beat()
    profile.runner(tick=tick)
    profile.decides(NOOP)

    end = profile.beat()

    assert end.kind == "acted"
    assert profile.record(end.run).changes == ("goal:human",)


def test_a_human_who_writes_over_our_goal_at_once_wakes_the_loop(profile: Profile) -> None:
    profile.decides({"action": "write_goal", "id": "a", "body": "goal: ours"})
    profile.beat()
    profile.goal("a", "goal: mine instead\n")

    assert profile.beat().kind == "acted"


@pytest.mark.parametrize(
    "decision",
    [
        {"action": "write_goal", "id": "a", "body": "goal: a\n\n\n"},
        {"action": "write_playbook", "body": "be kind"},
        {"action": "write_schedule", "name": "t", "every_s": 3600},
        {"action": "drop_schedule", "name": "old"},
        {"action": "archive_goal", "id": "old"},
        {"action": "send_notification", "message": "hello"},
        {"action": "ask_human", "prompt": "well?"},
    ],
)
def test_no_move_pays_for_its_own_confirmation(
    profile: Profile, decision: dict[str, object]
) -> None:
    profile.configure(autonomy="trusted")
    profile.goal("old")
    profile.control.write_schedule(
        "old", in_s=900, every_s=None, cron=None, note="", catch_up="once"
    )
    profile.decides(decision)

    assert profile.beat().kind == "acted"
    assert profile.beat().kind == "rested"


# -- questions -------------------------------------------------------------------------------


def test_an_answer_reaches_one_prompt_and_is_closed_then(profile: Profile) -> None:
    profile.decides({"action": "ask_human", "prompt": "which colour?", "options": ["red", "blue"]})
    profile.beat()
    profile.goal("a")
    profile.decides(NOOP)
    waiting = profile.beat()
    profile.answer("loop-1", "blue")

    end = profile.beat()

    assert "ANSWERED" not in profile.prompt(waiting.run)
    assert "ANSWERED by me: blue" in told(profile, end.run, "PENDING ASKS")
    assert profile.open_asks() == []
    assert [a.closed for a in profile.store.asks.closed()] == ["delivered"]
    assert profile.beat().kind == "rested"


def test_an_answer_stays_open_while_decisions_fail(profile: Profile) -> None:
    profile.decides({"action": "ask_human", "prompt": "which colour?"})
    profile.beat()
    profile.answer("loop-1", "blue")
    profile.breaks()
    profile.beat()
    assert [a.state for a in profile.open_asks()] == ["answered"]

    profile.decides(NOOP)
    end = profile.beat(after=61)

    assert "ANSWERED by me: blue" in told(profile, end.run, "PENDING ASKS")
    assert profile.open_asks() == []


def test_an_answer_given_while_the_runner_thinks_is_not_lost(profile: Profile) -> None:
    profile.decides({"action": "ask_human", "prompt": "which colour?"})
    profile.beat()
    profile.goal("a")
    tick = profile.fake["tick"]
    path = profile.paths.asks / "loop-1.json"
    answered = json.loads(path.read_text()) | {
        "state": "answered",
        "answer": {"text": "blue", "by": "me", "channel": "test", "at": profile.clock.wall()},
    }
    (profile.side / "answered").write_text(json.dumps(answered))
    profile.runner(tick=f'cp "$SIDE/answered" {path}\n{tick}')
    profile.decides(NOOP)
    profile.beat()
    profile.runner(tick=tick)

    end = profile.beat()

    assert "ANSWERED by me: blue" in told(profile, end.run, "PENDING ASKS")


# -- reflexes --------------------------------------------------------------------------------

REFLEX = """
[[reflex]]
name = "{name}"
when = "sensors.{name}.signal > 1"
do = {{ action = "send_notification", message = "{name} is ${{string(sensors.{name}.signal)}}" }}
"""


def test_a_reflex_covers_what_it_looks_at_and_the_runner_sees_the_rest(profile: Profile) -> None:
    profile.reflexes(REFLEX.format(name="hot"))
    profile.reading("hot", 1)
    profile.reading("other", 1)
    profile.beat()
    assert profile.launches == 1

    profile.reading("hot", 2)
    assert profile.beat().said == "notify · hot is 2"
    assert profile.beat().said == "reflexes have dealt with every change"
    assert profile.beat().kind == "rested"
    assert profile.launches == 1

    profile.reading("hot", 3)
    profile.reading("other", 2)
    assert profile.beat().said == "notify · hot is 3"
    end = profile.beat()
    assert end.action == "noop"
    assert profile.launches == 2
    assert "other" in told(profile, end.run, "WHAT CHANGED")


def test_two_reflexes_of_one_change_fire_on_two_beats(profile: Profile) -> None:
    profile.reflexes(
        REFLEX.format(name="hot")
        + REFLEX.format(name="hot")
        .replace('name = "hot"', 'name = "also"')
        .replace("hot is", "it is")
    )
    profile.reading("hot", 2)

    said = [profile.beat().said for _ in range(2)]

    assert said == ["notify · hot is 2", "notify · it is 2"]
    assert profile.launches == 0


def test_forcing_asks_the_runner_although_reflexes_have_dealt_with_everything(
    profile: Profile,
) -> None:
    profile.reflexes(REFLEX.format(name="hot"))
    profile.reading("hot", 1)
    profile.beat()
    profile.reading("hot", 2)
    profile.beat()

    assert profile.beat(forced=True).action == "noop"
    assert profile.launches == 2


def test_without_a_model_reflexes_settle_the_world(tmp_path: Path) -> None:
    profile = Profile(tmp_path, runner="rules")
    profile.reflexes(REFLEX.format(name="hot"))
    profile.reading("hot", 1)

    assert profile.beat().said == "noop · no reflex matched"
    assert profile.beat().kind == "rested"
    profile.reading("hot", 2)
    assert profile.beat().said == "notify · hot is 2"
    assert profile.beat().kind == "rested"
    assert profile.launches == 0


def test_without_a_model_two_reflexes_of_one_change_still_both_fire(tmp_path: Path) -> None:
    profile = Profile(tmp_path, runner="rules")
    profile.reflexes(REFLEX.format(name="hot") + REFLEX.format(name="wet"))
    profile.reading("hot", 2)
    profile.reading("wet", 2)

    said = [profile.beat().said for _ in range(3)]

    assert said[:2] == ["notify · hot is 2", "notify · wet is 2"]
    assert said[2].startswith("unchanged")


def test_a_reflex_that_fails_backs_off_and_does_not_stop_the_others_for_ever(
    profile: Profile,
) -> None:
    profile.reflexes(
        '[[reflex]]\nname = "bad"\nwhen = "sensors.hot.signal > 1"\n'
        'do = { action = "run_shell", cmd = "ls no-such-file" }\n'
    )
    profile.reading("hot", 2)

    assert profile.beat().kind == "failed"
    assert profile.beat().kind == "gated"
    end = profile.beat(after=61)
    assert end.action == "noop"
    assert "No such file" in told(profile, end.run, "LAST FAILURE")


def test_a_broken_reflex_is_named_and_the_runner_still_decides(profile: Profile) -> None:
    profile.reflexes('[[reflex]]\nname = "bad"\nwhen = "1 +"\ndo = { action = "noop" }\n')

    assert profile.beat().kind == "acted"
    assert "bad" in profile.heard("reflex_broken")[0]["reason"]


def test_reflex_passes_the_gates_that_guard_money(profile: Profile) -> None:
    profile.configure(max_decides_per_hour=1)
    profile.reading("hot", 1)
    profile.beat()
    profile.reflexes(REFLEX.format(name="hot"))
    profile.reading("hot", 2)

    assert profile.beat().said == "notify · hot is 2"


# -- state that cannot be read ---------------------------------------------------------------


def test_a_corrupt_memory_is_kept_aside_and_waits_out_the_longest_backoff(
    profile: Profile,
) -> None:
    profile.beat()
    profile.paths.memory.write_text('{"v": 1, "hash": 7}')
    profile.goal("a")

    end = profile.beat()

    assert end.kind == "gated"
    assert end.said.startswith("backoff: failed 4 times in a row:")
    (event,) = profile.heard("corrupt")
    assert Path(event["aside"]).read_text() == '{"v": 1, "hash": 7}'
    assert profile.beat(after=200).kind == "gated"
    assert profile.beat(after=120).kind == "acted"
    assert profile.launches == 2


def test_an_unreadable_memory_makes_a_blind_beat_that_does_nothing(profile: Profile) -> None:
    profile.beat()
    kept = profile.paths.memory.read_bytes()
    profile.paths.memory.unlink()
    profile.paths.memory.mkdir()
    profile.goal("a")

    end = profile.beat()

    assert end.kind == "blind"
    assert "memory.json" in end.said
    assert profile.launches == 1
    profile.paths.memory.rmdir()
    profile.paths.memory.write_bytes(kept)
    assert profile.beat().kind == "acted"


def _as_directory(path: Path) -> Callable[[], None]:
    """Put a directory where a file belongs; what takes it away again."""
    old = path.read_bytes() if path.exists() else None
    path.unlink(missing_ok=True)
    path.mkdir()

    def mend() -> None:
        path.rmdir()
        if old is not None:
            path.write_bytes(old)

    return mend


def _as_file(path: Path) -> Callable[[], None]:
    """Put a file where a directory belongs; what takes it away again."""
    aside = path.with_name(path.name + ".aside")
    if path.exists():
        path.rename(aside)
    path.write_text("not a directory\n")

    def mend() -> None:
        path.unlink()
        if aside.exists():
            aside.rename(path)

    return mend


@pytest.mark.parametrize(
    "name",
    ["journal.md", "cost.jsonl", ".state/memory.json", "PLAYBOOK.md", "asks/loop-1.json"],
)
def test_a_directory_in_the_place_of_a_file_is_survived(profile: Profile, name: str) -> None:
    profile.decides(NOOP | {"journal": "the first"})
    profile.beat()
    mend = _as_directory(profile.data / name)
    profile.goal("a")
    profile.decides(shell_move("wc -l config.toml", journal="counted lines"))

    broken = profile.beat()
    again = profile.beat()
    mend()
    profile.decides(NOOP | {"journal": "the last"})
    whole = profile.beat(after=301)

    assert {broken.kind, again.kind} <= {"blind", "failed", "gated", "held", "acted", "rested"}
    assert whole.kind in ("acted", "rested")
    assert profile.store.runs.unfinished() == []
    assert len(profile.journal()) == len(set(profile.journal()))


@pytest.mark.parametrize(
    "name",
    ["events.jsonl", "admission.toml", "reflexes.toml", "snapshots/sys-goals.json"],
)
def test_what_only_informs_or_steers_does_not_blind_the_loop(profile: Profile, name: str) -> None:
    profile.beat()
    mend = _as_directory(profile.data / name)
    profile.goal("a")

    assert profile.beat().kind == "acted"
    mend()
    profile.goal("b")
    assert profile.beat().kind == "acted"


@pytest.mark.parametrize("name", ["asks", "goals", "runs", ".state", "snapshots", "sensors"])
def test_a_file_in_the_place_of_a_directory_makes_a_blind_beat(profile: Profile, name: str) -> None:
    profile.goal("a")
    profile.beat()
    mend = _as_file(profile.data / name)

    end = profile.beat(forced=True)

    assert end.kind == "blind"
    assert profile.launches == 1
    mend()
    assert profile.beat().kind == "rested"
    assert profile.beat(forced=True).kind == "acted"


def test_a_goal_that_cannot_be_read_is_not_a_goal_that_is_gone(profile: Profile) -> None:
    profile.goal("a")
    profile.beat()
    mend = _as_directory(profile.paths.goal("a"))

    end = profile.beat()

    assert end.kind == "acted"
    assert "could not be read" in told(profile, end.run, "WHAT CHANGED")
    mend()
    assert profile.beat().kind == "acted"
    assert profile.beat().kind == "rested"


def test_a_vanished_data_dir_is_made_again(profile: Profile) -> None:
    profile.beat()
    profile.data.rename(profile.base / "elsewhere")

    end = profile.beat()

    assert end.kind == "acted"
    assert profile.memory().decided_at == profile.clock.wall()


@pytest.mark.parametrize("kind", ["noop", "shell", "goal", "reflex"])
def test_a_full_disk_is_refused_with_a_reason_and_loses_nothing(
    profile: Profile, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills at every write in turn; a later beat with room always comes to its end."""
    profile.configure(autonomy="trusted")
    real = os.write
    nth = 0
    while True:
        nth += 1
        goal = f"g{nth}"
        effect = profile.side / "effect"
        effect.unlink(missing_ok=True)
        profile.decides(
            {
                "noop": NOOP,
                "shell": shell_move(f'echo {goal} >> "$SIDE/effect"'),
                "goal": {"action": "write_goal", "id": f"ours-{nth}", "body": "goal: x"},
                "reflex": NOOP,
            }[kind]
        )
        if kind == "reflex":
            profile.reading("hot", nth)
            profile.reflexes(REFLEX.format(name="hot"))
        profile.goal(goal)
        count = 0

        def full(fd: int, data: bytes) -> int:
            nonlocal count
            count += 1
            if count >= nth:  # noqa: B023 - the loop's own variable is meant
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(fd, data)

        with monkeypatch.context() as patch:
            patch.setattr("looop.kit.files.os.write", full)
            end = profile.beat(after=400)
        if count < nth:
            assert end.kind in ("acted", "rested")
            break
        if end.kind == "blind":
            assert "No space left" in end.said
        profile.decides(NOOP)
        assert memories.load(profile.paths).fails < 9
        after = [profile.beat(after=400) for _ in range(4)]
        assert after[-1].kind == "rested", after
        assert profile.effect().count(goal) <= 1
        assert profile.store.runs.unfinished() == []
        assert not list(profile.data.rglob("*.tmp"))
    assert nth > 8
    assert len(profile.journal()) >= nth


# -- housekeeping ----------------------------------------------------------------------------


def test_old_runs_are_removed_and_the_newest_kept(profile: Profile) -> None:
    profile.configure(runs_keep=3)
    runs: list[str] = []
    for number in range(6):
        profile.goal(f"g{number}")
        runs.append(profile.beat().run)
    profile.beat()

    assert profile.store.runs.ids() == runs[-3:]


def test_no_run_is_removed_where_all_are_kept(profile: Profile) -> None:
    profile.configure(runs_keep=0)
    for number in range(6):
        profile.goal(f"g{number}")
        profile.beat()
    profile.beat()

    assert len(profile.store.runs.ids()) == 6


def test_a_restless_sensor_is_named_once_and_in_the_prompt(profile: Profile) -> None:
    flagged: list[int] = []
    end = None
    for number in range(9):
        profile.reading("w", number)
        end = profile.beat()
        flagged += [number for fields in profile.heard("sensor_flapping") if fields]

    assert flagged == [5]
    assert end is not None
    assert "sensor-w change at nearly every look" in told(profile, end.run, "FLAPPING SENSORS")


def test_an_idle_loop_writes_nothing_but_events(profile: Profile) -> None:
    profile.reading("w", 1, header="trust=own interval=1h")
    profile.beat()
    profile.beat()
    before = profile.snapshot()
    stamps = {name: (profile.data / name).stat().st_mtime_ns for name in before}

    for _ in range(10):
        assert profile.beat().kind == "rested"

    assert profile.snapshot() == before
    assert {name: (profile.data / name).stat().st_mtime_ns for name in before} == stamps


# -- dry runs --------------------------------------------------------------------------------


def _policy_and_state(profile: Profile) -> dict[str, bytes]:
    """The profile without what a look publishes and a launch costs."""
    return {
        name: data
        for name, data in profile.snapshot().items()
        if not name.startswith(("runs/", "snapshots/")) and name not in ("cost.jsonl",)
    }


@pytest.mark.parametrize(
    "decision",
    [
        NOOP,
        shell_move('echo x >> "$SIDE/effect"'),
        {"action": "write_goal", "id": "ours", "body": "goal: x"},
        {"action": "ask_human", "prompt": "well?"},
        {"action": "run_shell", "cmd": "rm -rf /"},
    ],
)
def test_a_dry_beat_shows_the_verdict_and_changes_nothing_but_the_charge(
    profile: Profile, decision: dict[str, object]
) -> None:
    profile.beat()
    profile.goal("a")
    profile.decides(decision)
    before = _policy_and_state(profile)
    memory = profile.memory()

    end = profile.beat(dry=True)

    assert end.kind == "rested"
    assert end.said.startswith(f"dry run: {decision['action']}: ")
    after = _policy_and_state(profile)
    assert after.keys() == before.keys()
    assert {n for n in after if after[n] != before[n]} == {".state/memory.json"}
    now = profile.memory()
    assert len(now.decides) == len(memory.decides) + 1
    assert (now.hash, now.items, now.decided_at) == (memory.hash, memory.items, memory.decided_at)
    assert profile.effect() == ""
    assert profile.open_asks() == []
    profile.decides(NOOP)
    assert profile.beat().kind == "acted"


def test_a_dry_beat_that_fails_or_is_gated_leaves_no_failure_and_no_ask(profile: Profile) -> None:
    profile.configure(max_daily_usd=1.0)
    profile.breaks()
    assert profile.beat(dry=True).kind == "failed"
    assert profile.memory().fails == 0

    profile.paths.cost.unlink()
    profile.paths.cost.mkdir()

    assert profile.beat(dry=True).said.startswith("daily-budget: ")
    assert profile.open_asks() == []


def test_a_dry_beat_spends_no_approval(profile: Profile) -> None:
    profile.decides(shell_move('touch "$SIDE/effect"'))
    profile.beat()
    profile.answer("loop-1", "yes")
    profile.decides(NOOP)

    profile.beat(dry=True)

    assert [a.state for a in profile.open_asks()] == ["answered"]
    assert not (profile.side / "effect").exists()


# -- bugs ------------------------------------------------------------------------------------


def test_what_is_no_error_of_ours_is_not_swallowed_by_a_beat(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("looop.loop.beat.holds.next_answered", bug)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(beat(profile.parts))
