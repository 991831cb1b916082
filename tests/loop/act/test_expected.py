"""Own-move suppression: what a move must leave is what the next look really sees."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from looop.kit import canon
from looop.loop import diff
from looop.loop.act import expected
from looop.model.actions import (
    Action,
    ArchiveGoal,
    AskHuman,
    DropSchedule,
    Noop,
    RunShell,
    SendNotification,
    WriteGoal,
    WritePlaybook,
    WriteSchedule,
    WriteSensor,
)
from looop.model.records import Answer, Schedule
from tests.loop.act.support import NOW, Profile

IDS = ["a", "b", "c"]
texts = st.text("ab \n\té#:-\r\u2028", min_size=1, max_size=20).filter(str.strip)

actions: st.SearchStrategy[Action] = st.one_of(
    st.builds(WritePlaybook, body=texts),
    st.builds(WriteGoal, id=st.sampled_from(IDS), body=texts),
    st.builds(ArchiveGoal, id=st.sampled_from(IDS)),
    st.builds(WriteSchedule, name=st.sampled_from(IDS), in_s=st.integers(60, 9000), note=texts),
    st.builds(WriteSchedule, name=st.sampled_from(IDS), every_s=st.integers(60, 9000)),
    st.builds(
        WriteSchedule,
        name=st.sampled_from(IDS),
        cron=st.sampled_from(["0 9 * * *", "* * * * *", "30 2 1 1 *"]),
        catch_up=st.sampled_from(["once", "skip"]),
    ),
    st.builds(DropSchedule, name=st.sampled_from(IDS)),
    st.builds(Noop),
    st.builds(SendNotification, message=texts),
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(actions, max_size=6), st.lists(st.sampled_from(IDS), unique=True))
def test_what_is_expected_of_a_move_is_what_a_look_sees(
    tmp_path: Path, moves: list[Action], goals: list[str]
) -> None:
    profile = Profile(Path(tempfile.mkdtemp(dir=tmp_path)))
    for goal in goals:
        profile.store.documents.write_goal(goal, f"goal: {goal}\n")
    items = profile.world().items
    there = set(goals)
    for move in moves:
        if isinstance(move, ArchiveGoal) and move.id not in there:
            continue
        there |= {move.id} if isinstance(move, WriteGoal) else set[str]()
        there -= {move.id} if isinstance(move, ArchiveGoal) else set[str]()
        profile.act(move)
        items = expected.after(move, items, profile.clock.now)
        profile.clock.now += 2

        seen = profile.world()
        assert diff.changes(items, seen.items) == []
        assert diff.fingerprint(items) == seen.hash


def test_what_a_command_or_a_sensor_does_is_left_to_the_next_look(profile: Profile) -> None:
    items = profile.world().items

    for move in (RunShell(cmd="true"), WriteSensor(name="x", script="s"), AskHuman(prompt="p")):
        assert expected.after(move, items, NOW) == items


def test_what_someone_else_did_meanwhile_stays_a_change(profile: Profile) -> None:
    items = profile.world().items
    move = WriteGoal(id="a", body="mine")
    profile.act(move)
    profile.paths.goal("a").write_text("theirs\n")
    profile.paths.playbook.write_text("theirs\n")

    found = diff.changes(expected.after(move, items, NOW), profile.world().items)

    assert [change.item for change in found] == ["goal:a", "playbook"]


def test_a_timer_that_came_meanwhile_is_a_change(profile: Profile) -> None:
    move = WriteSchedule(name="t", in_s=60)
    profile.act(move)
    items = expected.after(move, profile.world().items, NOW)
    profile.clock.now += 60

    (change,) = diff.changes(items, profile.world().items)
    assert (change.old, change.new) == ('{"t":"pending"}', '{"t":"due"}')


def test_other_timers_keep_their_words(profile: Profile) -> None:
    profile.store.schedules.put("old", Schedule(at=NOW - 5))
    items = profile.world().items

    after = expected.after(WriteSchedule(name="new", in_s=60), items, NOW)

    assert after["snap:sys-schedules"] == '{"new":"pending","old":"due"}'


@pytest.mark.parametrize("value", ["!unreadable", "", "[1]", "{"])
def test_a_damaged_item_is_no_reason_to_stop(value: str) -> None:
    items = {"snap:sys-schedules": value, "snap:sys-asks": value}

    after = expected.after(WriteSchedule(name="t", in_s=60), items, NOW)

    assert after["snap:sys-schedules"] == '{"t":"pending"}'
    assert expected.asks_after(items, raised=["loop-1"])["snap:sys-asks"] == canon.canonical(
        {"answered": [], "pending": ["loop-1"]}
    )


def test_the_given_items_are_never_changed(profile: Profile) -> None:
    items = profile.world().items
    before = dict(items)

    expected.after(WritePlaybook(body="x"), items, NOW)
    expected.asks_after(items, raised=["loop-9"], closed=["loop-1"])

    assert items == before


def test_asks_that_we_raised_and_closed_ourselves_do_not_wake(profile: Profile) -> None:
    raised = profile.act(AskHuman(prompt="first?")).ask
    heard = profile.act(AskHuman(prompt="second?")).ask
    profile.store.asks.answer(heard, Answer(text="yes", by="ann", channel="cli", at=NOW))
    items = profile.world().items

    new = profile.act(AskHuman(prompt="third?")).ask
    for ask in profile.store.asks.open():
        if ask.id in (raised, heard):
            profile.store.asks.close(ask, "delivered")

    after = expected.asks_after(items, raised=[new], closed=[raised, heard])
    assert diff.changes(after, profile.world().items) == []


def test_asks_raised_twice_are_listed_once() -> None:
    items = {"snap:sys-asks": '{"answered":[],"pending":["loop-1"]}'}

    assert expected.asks_after(items, raised=["loop-1", "loop-1"]) == items


def test_without_a_reading_of_asks_there_is_nothing_to_expect() -> None:
    assert expected.asks_after({"playbook": "1"}, raised=["loop-1"]) == {"playbook": "1"}
