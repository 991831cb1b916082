"""The executor: what each action does to the profile, and what it says of it."""

import os
import stat
from typing import get_args

import pytest

from looop.errors import LooopError, NotFound
from looop.kit import files
from looop.loop.act.worker import WorkerMove
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
    word_of,
)
from looop.model.records import Schedule
from tests.loop.act.support import NOW, Profile

EVERY: list[Action] = [
    Noop(reason="calm"),
    RunShell(cmd="true"),
    WriteGoal(id="g", body="b"),
    ArchiveGoal(id="old"),
    WriteSensor(name="x", script="s"),
    WritePlaybook(body="b"),
    AskHuman(prompt="p"),
    SendNotification(message="m"),
    WriteSchedule(name="t", in_s=60),
    DropSchedule(name="t"),
]


@pytest.mark.parametrize("action", EVERY)
def test_every_action_ends_well_and_says_so_on_one_line(profile: Profile, action: Action) -> None:
    profile.store.documents.write_goal("old", "x")

    outcome = profile.act(action).outcome

    assert (outcome.ok, outcome.known, outcome.probe) == (True, True, "")
    assert outcome.summary.startswith(word_of(action))
    assert "\n" not in outcome.summary


def test_the_actions_above_are_all_that_concern_no_worker() -> None:
    of_workers = set(get_args(WorkerMove))

    assert {type(action) for action in EVERY} == set(get_args(Action)) - of_workers


def test_a_noop_does_nothing(profile: Profile) -> None:
    before = sorted(str(p) for p in profile.paths.data.rglob("*"))

    assert profile.act(Noop()).outcome.summary == "noop"
    assert sorted(str(p) for p in profile.paths.data.rglob("*")) == before


@pytest.mark.parametrize(
    ("body", "kept"),
    [("goal: a", "goal: a\n"), ("a\n\n\n", "a\n"), ("a\n", "a\n"), ("é\r\n\tb", "é\r\n\tb\n")],
)
def test_a_body_ends_in_exactly_one_newline(profile: Profile, body: str, kept: str) -> None:
    profile.act(WriteGoal(id="g", body=body))
    profile.act(WritePlaybook(body=body))
    profile.act(WriteSensor(name="x", script=body))

    for path in (profile.paths.goal("g"), profile.paths.playbook, profile.paths.sensor("x")):
        assert path.read_bytes().decode() == kept


def test_a_goal_is_replaced_and_its_history_is_not_ours(profile: Profile) -> None:
    profile.act(WriteGoal(id="g", body="one"))
    profile.act(WriteGoal(id="g", body="two"))

    assert profile.paths.goal("g").read_text() == "two\n"
    assert stat.S_IMODE(profile.paths.goal("g").stat().st_mode) == 0o600


def test_archiving_moves_a_goal_and_never_overwrites_an_older_one(profile: Profile) -> None:
    said: list[str] = []
    for body in ("first", "second", "third"):
        profile.act(WriteGoal(id="g", body=body))
        said.append(profile.act(ArchiveGoal(id="g")).outcome.summary)

    archived = {p.name: p.read_text() for p in profile.paths.goal_archive.glob("*.md")}
    assert archived == {"g.md": "first\n", "g-1.md": "second\n", "g-2.md": "third\n"}
    assert not profile.paths.goal("g").exists()
    assert said[1] == "archive · g as g-1.md"


def test_archiving_what_is_not_there_is_refused(profile: Profile) -> None:
    with pytest.raises(NotFound, match="no goal 'g'"):
        profile.act(ArchiveGoal(id="g"))


def test_a_sensor_is_executable_from_its_first_moment(profile: Profile) -> None:
    profile.act(WriteSensor(name="x", script="#!/bin/sh\necho '{}'"))

    path = profile.paths.sensor("x")
    assert os.access(path, os.X_OK)
    assert profile.world().readings["sensor-x"].ok


def test_the_previous_playbooks_are_kept_in_the_order_of_time(profile: Profile) -> None:
    for body in ("one", "two", "three", "four"):
        profile.act(WritePlaybook(body=body))

    history = sorted(profile.paths.playbook_history.glob("*.md"))
    assert [p.read_text() for p in history] == ["one\n", "two\n", "three\n"]
    assert profile.paths.playbook.read_text() == "four\n"


@pytest.mark.parametrize(("keep", "kept"), [(2, ["three\n", "four\n"]), (0, None)])
def test_only_so_many_playbooks_are_kept(
    profile: Profile, keep: int, kept: list[str] | None
) -> None:
    for body in ("one", "two", "three", "four", "five"):
        profile.act(WritePlaybook(body=body), playbook_keep=keep)
        profile.clock.now += 1

    history = [p.read_text() for p in sorted(profile.paths.playbook_history.glob("*.md"))]
    assert history == (kept or ["one\n", "two\n", "three\n", "four\n"])


def test_a_playbook_that_cannot_be_read_is_not_written_over(profile: Profile) -> None:
    profile.paths.playbook.mkdir()

    with pytest.raises((LooopError, OSError)):
        profile.act(WritePlaybook(body="b"))


def test_a_link_is_written_through(profile: Profile) -> None:
    elsewhere = profile.paths.data.parent / "dotfiles.md"
    elsewhere.write_text("old\n")
    profile.paths.playbook.symlink_to(elsewhere)

    profile.act(WritePlaybook(body="new"))

    assert profile.paths.playbook.is_symlink()
    assert elsewhere.read_text() == "new\n"


# -- asks and notifications --------------------------------------------------------------------


def test_a_question_waits_for_a_human(profile: Profile) -> None:
    action = AskHuman(prompt="which\none?", options=("a", "b"), ref="r1", severity="high")

    effect = profile.act(action)

    (ask,) = profile.store.asks.open()
    assert (ask.id, ask.kind, ask.state, ask.asker) == (effect.ask, "question", "pending", "loop")
    assert (ask.prompt, ask.options, ask.ref, ask.severity) == (
        "which\none?", ("a", "b"), "r1", "high",
    )  # fmt: skip
    assert (ask.created, ask.run, ask.expires) == (NOW, profile.run_id, 0.0)
    assert effect.outcome.summary == f"ask · {ask.id}: which one?"
    assert [e["event"] for e in profile.events()] == ["asked"]


def test_the_same_question_is_asked_once(profile: Profile) -> None:
    first = profile.act(AskHuman(prompt="really?"))
    again = profile.act(AskHuman(prompt="really?", options=("yes", "no")))
    other = profile.act(AskHuman(prompt="really now?"))

    assert first.ask == again.ask != other.ask
    assert len(profile.store.asks.open()) == 2


def test_a_notification_is_an_event_and_nothing_waits_for_it(profile: Profile) -> None:
    profile.act(SendNotification(message="it\x1b[31m is\ndone", id="n1", severity="low"))

    (event,) = profile.events()
    assert (event["event"], event["id"], event["severity"]) == ("notified", "n1", "low")
    assert profile.store.asks.open() == []


def test_what_is_said_of_a_notification_is_harmless_and_short(profile: Profile) -> None:
    said = profile.act(SendNotification(message="a\x1b[31m\nb" + "x" * 900)).outcome.summary

    assert said.startswith("notify · a\\x1b[31m bxxx")
    assert len(said) <= 300


# -- schedules ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "record"),
    [
        (WriteSchedule(name="t", in_s=60, note="n"), Schedule(at=NOW + 60, note="n")),
        (WriteSchedule(name="t", every_s=600), Schedule(every_s=600.0, anchor=NOW)),
        (
            WriteSchedule(name="t", cron="0 9 * * *", catch_up="skip"),
            Schedule(cron="0 9 * * *", anchor=NOW, catch_up="skip"),
        ),
    ],
)
def test_a_timer_is_kept_until_it_is_dropped(
    profile: Profile, action: WriteSchedule, record: Schedule
) -> None:
    profile.store.schedules.put("t", Schedule(at=1.0))
    profile.act(action)
    assert profile.store.schedules.get("t") == record

    profile.act(DropSchedule(name="t"))
    assert profile.store.schedules.get("t") is None


def test_dropping_a_timer_that_is_not_there_is_fine(profile: Profile) -> None:
    assert profile.act(DropSchedule(name="t")).outcome.ok


def test_a_broken_timer_can_be_replaced_and_dropped(profile: Profile) -> None:
    path = profile.paths.schedules / "t.json"
    path.write_text("{")
    profile.act(WriteSchedule(name="t", in_s=60))
    assert profile.store.schedules.get("t") == Schedule(at=NOW + 60)

    path.write_text("{")
    profile.act(DropSchedule(name="t"))
    assert not path.exists()


def test_nothing_half_written_is_left_by_any_action(profile: Profile) -> None:
    profile.store.documents.write_goal("old", "x")
    for action in EVERY:
        profile.act(action)

    assert not list(profile.paths.data.rglob("*.tmp"))
    assert files.list_names(profile.paths.runs) == []
