"""A move by a human's own hand: the same record, journal and floors as any other."""

import asyncio
from pathlib import Path

import pytest

from looop.errors import Failed, NotFound, Refused
from looop.loop import hand
from looop.model.actions import ArchiveGoal, RunShell, WriteGoal
from tests.support.leftovers import nothing_left, unsynced
from tests.support.profile import Profile

__all__ = ["nothing_left", "unsynced"]


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(tmp_path, autonomy="supervised")


def test_it_needs_no_yes_and_is_on_the_record(profile: Profile) -> None:
    outcome, shell = hand.perform(profile.parts, RunShell(cmd='echo x >> "$SIDE/effect"; echo hi'))

    assert (outcome.ok, profile.effect()) == (True, "x\n")
    assert shell is not None
    assert (shell.code, shell.output) == (0, "hi\n")
    (run,) = profile.store.runs.ids()
    record = profile.record(run)
    assert (record.phase, record.origin, record.memory) == ("done", "human", None)
    assert record.verdict is not None
    assert record.verdict.rule == "human"
    assert [line.partition(" · ")[0] for line in profile.journal()] == ["human"]
    (event,) = profile.events("steered")
    assert (event["action"], event["run"]) == ("run_shell", run)
    assert not profile.paths.memory.exists()


def test_a_policy_write_wakes_the_loop_and_ends_a_wait(profile: Profile) -> None:
    profile.breaks()
    profile.beat()
    assert profile.beat().kind == "gated"

    hand.perform(profile.parts, WriteGoal(id="a", body="goal: a"), "wrote it")

    assert profile.beat().kind == "failed"
    assert profile.journal() == ["human · wrote it"]


@pytest.mark.parametrize("command", ["rm -rf /", "echo x > reflexes.toml"])
def test_floors_hold_for_humans_too(profile: Profile, command: str) -> None:
    with pytest.raises(Refused, match="refuses this: "):
        hand.perform(profile.parts, RunShell(cmd=command))

    assert profile.journal() == []
    assert len(profile.events("denied")) == 1
    assert profile.store.runs.unfinished() == []


def test_a_rule_of_the_human_binds_the_human(profile: Profile) -> None:
    profile.admission(
        '[[rule]]\nname = "no goals"\nwhen = "action.action == \'write_goal\'"\nverdict = "deny"\n'
    )

    with pytest.raises(Refused, match="no goals refuses this"):
        hand.perform(profile.parts, WriteGoal(id="a", body="goal: a"))

    assert not profile.paths.goal("a").exists()


def test_rules_that_cannot_be_read_do_not_lock_the_human_out(profile: Profile) -> None:
    profile.admission("[[rule]\n")

    hand.perform(profile.parts, WriteGoal(id="a", body="goal: a"))

    assert profile.paths.goal("a").read_text() == "goal: a\n"


def test_a_failed_command_gives_its_code_and_is_journalled_as_failed(profile: Profile) -> None:
    outcome, shell = hand.perform(profile.parts, RunShell(cmd="exit 9"))

    assert not outcome.ok
    assert shell is not None
    assert shell.code == 9
    assert profile.journal()[0].startswith("human · failed · exit code 9")


def test_a_move_that_cannot_be_made_is_closed_and_said(profile: Profile) -> None:
    with pytest.raises(NotFound):
        hand.perform(profile.parts, ArchiveGoal(id="none"))

    (run,) = profile.store.runs.ids()
    assert profile.record(run).phase == "done"
    assert "none" in profile.record(run).error
    assert profile.store.runs.unfinished() == []


def test_a_shell_that_is_not_there_is_a_failure_with_a_reason(profile: Profile) -> None:
    profile.env["PATH"] = str(profile.side)
    profile.reopen()

    outcome, _ = hand.perform(profile.parts, RunShell(cmd="true"))

    assert not outcome.ok
    assert "bash" in outcome.summary


def test_a_record_that_still_goes_on_is_left_alone_by_a_beat(profile: Profile) -> None:
    """A human's command may run while the pulse beats; only a dead owner's run is cut off."""
    fifo = profile.side / "go"
    import os

    os.mkfifo(fifo)

    async def both() -> list[str]:
        work = asyncio.to_thread(
            profile.control.run, f'echo ready > "{fifo}"; read x < "{fifo}"; echo done'
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work)
            await asyncio.to_thread(fifo.read_text)
            phases = [r.phase for r in profile.store.runs.unfinished()]
            await asyncio.to_thread(fifo.write_text, "go\n")
        return [*phases, task.result()[1]]

    # The same process owns both here, so the record counts as cut off for its own beats only.
    assert asyncio.run(both()) == ["acting", "done\n"]


def test_failed_is_raised_for_what_has_no_output(profile: Profile) -> None:
    profile.paths.goals.mkdir()
    profile.paths.goal_archive.write_text("a file in the way\n")
    profile.goal("a")

    with pytest.raises((Failed, OSError)):
        hand.perform(profile.parts, ArchiveGoal(id="a"))

    assert profile.paths.goal("a").exists()
