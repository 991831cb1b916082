"""Remember: what each ending of a beat leaves for the next one."""

from typing import Any

import pytest

from looop.config import Config
from looop.kit import canon
from looop.loop import diff, gates, remember
from looop.loop.gates import Moment
from looop.loop.stages import Sight
from looop.model.actions import (
    Action,
    ArchiveGoal,
    Decision,
    Noop,
    RunShell,
    WriteGoal,
    WriteSchedule,
)
from looop.model.records import Failure, Flap, Memory, Notice, Shell
from looop.model.world import Reading

NOW = 1_000_000.0
ASKS = {"pending": ["loop-1"], "answered": ["loop-2"]}
SHELL = Shell(at=NOW, cmd="date", code=0, output="today")


def sight(goals: dict[str, str] | None = None, n: int = 1) -> Sight:
    world = diff.assemble(
        playbook="p\n",
        goals={"a": "goal: a\n", "b": "goal: b\n"} if goals is None else goals,
        readings={
            "sensor-x": Reading(name="sensor-x", signal={"n": n}),
            "sensor-y": Reading(name="sensor-y", signal={"n": 0}),
            "sys-asks": Reading(name="sys-asks", signal=ASKS),
        },
    )
    moment = Moment(hash=world.hash, policy=world.policy, now=NOW)
    return Sight(world=world, changes=diff.changes({}, world.items), moment=moment)


FAILED = Memory(
    hash="old",
    fails=3,
    failed_at=NOW - 50,
    failed_policy="p",
    failure=Failure(at=NOW - 50, run="r", code="c", error="e"),
    notices=(Notice(at=NOW, kind="denied", text="no"),),
    handled={"snap:sensor-x": "1"},
    wake_at=NOW - 1,
    flaps={"sensor-x": Flap(last="d", streak=2)},
    decides=(NOW - 9,),
    dropped=("goal:z",),
)


def success(action: Action, memory: Memory = FAILED, **fields: Any) -> Memory:
    rest: dict[str, Any] = {
        "items": sight().world.items,
        "shell": None,
        "nudge": False,
        "config": Config(),
        **fields,
    }
    decision = rest.pop("decision", Decision(action=action))
    return remember.after_success(memory, sight(), NOW, decision=decision, **rest)


# -- success -----------------------------------------------------------------------------------


def test_a_success_commits_what_was_decided_upon_and_clears_the_failure() -> None:
    after = success(WriteGoal(id="a", body="x"))

    assert after.items == sight().world.items
    assert after.hash == sight().world.hash
    assert (after.fails, after.failed_at, after.failed_policy, after.failure) == (0, 0.0, "", None)
    assert (after.notices, after.handled, after.decided_at) == ((), {}, NOW)
    assert after.moved


def test_a_success_keeps_what_is_none_of_its_business() -> None:
    after = success(WriteGoal(id="a", body="x"), dropped=("goal:y",))

    assert (after.flaps, after.decides) == (FAILED.flaps, FAILED.decides)
    assert after.dropped == ("goal:y",)


def test_the_hash_always_is_that_of_the_items() -> None:
    items = {"playbook": "other"}

    assert success(Noop(), items=items).hash == diff.fingerprint(items)


def test_only_a_noop_is_stamped_and_does_not_count_as_a_move() -> None:
    noop, move = success(Noop()), success(ArchiveGoal(id="a"))

    assert (noop.noop_at, noop.moved) == (NOW, False)
    assert (move.noop_at, move.moved) == (0.0, True)


@pytest.mark.parametrize(
    ("asked", "nudge", "wake"),
    [
        (None, False, 0.0),
        (0, False, 0.0),
        (90, False, NOW + 90),
        (1, False, NOW + 5),
        (99999, False, NOW + 300),
        (None, True, NOW + 5),
        (60, True, NOW + 60),
    ],
)
def test_a_deadline_is_set_clamped_and_a_past_one_is_consumed(
    asked: int | None, nudge: bool, wake: float
) -> None:
    decision = Decision(action=RunShell(cmd="date"), next_interval_s=asked)

    assert success(decision.action, decision=decision, nudge=nudge).wake_at == wake


def test_a_shell_result_is_shown_to_one_prompt_only() -> None:
    first = success(RunShell(cmd="date"), shell=SHELL)

    assert first.shell == SHELL
    assert success(Noop(), first).shell is None


@pytest.mark.parametrize(
    ("decision", "served"),
    [
        (Decision(action=Noop(), goal="a"), {"a": NOW, "b": 5.0}),
        (Decision(action=Noop()), {"b": 5.0}),
        (Decision(action=WriteGoal(id="b", body="x")), {"b": NOW}),
        (
            Decision(action=WriteGoal(id="new", body="x"), goal="a"),
            {"a": NOW, "b": 5.0, "new": NOW},
        ),
        (Decision(action=ArchiveGoal(id="b"), goal="a"), {"a": NOW, "b": NOW}),
    ],
)
def test_a_goal_is_served_by_what_names_it(decision: Decision, served: dict[str, float]) -> None:
    before = Memory(served={"b": 5.0, "archived long ago": 1.0})

    assert success(decision.action, before, decision=decision).served == served


# -- reflex ------------------------------------------------------------------------------------


def reflexed(
    memory: Memory = FAILED, covers: frozenset[str] = frozenset(), **fields: Any
) -> Memory:
    rest: dict[str, Any] = {
        "decision": Decision(action=WriteGoal(id="c", body="x")),
        "items": sight().world.items,
        "shell": None,
        **fields,
    }
    return remember.after_reflex(memory, sight(), NOW, covers=covers, **rest)


def test_a_reflex_deals_only_with_what_it_looks_at() -> None:
    after = reflexed(Memory(hash="old", items={"playbook": "old"}), frozenset({"snap:sensor-x"}))

    assert after.handled == {"snap:sensor-x": '{"n":1}'}
    assert (after.hash, after.items) == ("old", {"playbook": "old"})
    assert after.moved


def test_what_a_reflex_did_itself_counts_as_dealt_with() -> None:
    mine = diff.content("x\n")

    after = reflexed(Memory(), items=sight().world.items | {"goal:c": mine})

    assert after.handled == {"goal:c": mine}


def test_a_reflex_adds_to_what_earlier_ones_dealt_with() -> None:
    before = Memory(handled={"snap:sensor-y": "0", "snap:sensor-x": "0"})

    after = reflexed(before, frozenset({"snap:sensor-x"}))

    assert after.handled == {"snap:sensor-y": "0", "snap:sensor-x": '{"n":1}'}


def test_a_reflex_leaves_the_rest_of_the_memory_to_the_decider() -> None:
    after = reflexed(FAILED)

    assert (after.fails, after.failure) == (0, None)
    assert (after.notices, after.wake_at, after.dropped) == (
        FAILED.notices,
        FAILED.wake_at,
        FAILED.dropped,
    )


def test_a_reflex_without_output_does_not_hide_an_earlier_one() -> None:
    before = Memory(shell=SHELL)
    other = Shell(at=NOW, cmd="ls", code=0, output="")

    assert reflexed(before).shell == SHELL
    assert reflexed(before, shell=other).shell == other


def test_a_noop_by_a_reflex_is_no_move() -> None:
    assert not reflexed(decision=Decision(action=Noop())).moved


# -- failure -----------------------------------------------------------------------------------


def test_a_failure_commits_nothing_and_says_what_went_wrong() -> None:
    before = Memory(hash="old", items={"a": "1"}, shell=SHELL, notices=FAILED.notices, moved=True)

    after = remember.after_failure(before, sight(), NOW, run="r1", code="deadline", error="slow")

    assert (after.hash, after.items, after.shell) == ("old", {"a": "1"}, SHELL)
    assert after.failure == Failure(at=NOW, run="r1", code="deadline", error="slow")
    assert (after.fails, after.failed_at, after.failed_policy) == (1, NOW, sight().moment.policy)
    assert (after.notices, after.moved) == (FAILED.notices, False)


def test_the_count_survives_a_world_that_moves_at_each_beat() -> None:
    memory = Memory()
    for n in range(6):
        memory = remember.after_failure(memory, sight(n=n), NOW, run="r", code="c", error="e")

    assert memory.fails == 6
    gate = gates.backoff(memory, sight(n=99).moment)
    assert gate.closed
    assert gate.until == NOW + 300


# -- approval ----------------------------------------------------------------------------------


def approved(memory: Memory, action: Action, **fields: Any) -> Memory:
    rest: dict[str, Any] = {"closed": [], "shell": None, "sessions": {}, "nudge": False, **fields}
    return remember.after_approval(memory, NOW, action=action, **rest)


def test_an_approved_move_decides_nothing_but_accounts_for_itself() -> None:
    before = Memory(hash="h", items=dict(sight().world.items), notices=FAILED.notices)

    after = approved(before, WriteGoal(id="a", body="new"), closed=["loop-2"])

    assert after.items["goal:a"] == diff.content("new\n")
    assert after.items["snap:sys-asks"] == canon.canonical({"pending": ["loop-1"], "answered": []})
    untouched = {"playbook", "goal:b", "snap:sensor-x", "snap:sensor-y"}
    assert all(after.items[item] == before.items[item] for item in untouched)
    assert after.hash == diff.fingerprint(after.items)
    assert after.notices == FAILED.notices
    assert after.moved


def test_an_approved_move_before_any_decision_leaves_the_world_undecided() -> None:
    after = approved(Memory(), WriteSchedule(name="t", in_s=600))

    assert after.hash == ""


@pytest.mark.parametrize(("nudge", "wake"), [(False, 7.0), (True, NOW + 5)])
def test_the_output_of_an_approved_command_is_looked_at_soon(nudge: bool, wake: float) -> None:
    after = approved(Memory(wake_at=7.0), RunShell(cmd="x"), shell=SHELL, nudge=nudge)

    assert (after.shell, after.wake_at) == (SHELL, wake)


def test_an_approved_move_ends_a_backoff() -> None:
    after = approved(FAILED, Noop())

    assert (after.fails, after.failure) == (0, None)
    assert not gates.backoff(after, sight().moment).closed
