"""What a beat finds of the ones before it, and how it brings each to its one end."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.kit.identity import Identity, mine
from looop.loop import recover
from looop.model.actions import ArchiveGoal, DropSchedule, Noop, RunShell, WriteGoal
from looop.model.records import BeatRecord, Memory, Outcome
from tests.support.leftovers import nothing_left, unsynced
from tests.support.profile import NOOP, Profile

__all__ = ["nothing_left", "unsynced"]

DEAD = Identity(pid=2**22 + 1, started="1", boot="")


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    found = Profile(tmp_path)
    found.store.ensure()
    return found


def left(profile: Profile, phase: Any, owner: Identity = DEAD, **fields: Any) -> str:
    """The record of a run that did not come to its end; each is a second later than the last."""
    profile.clock.forward(1)
    run = profile.store.runs.create("tick", profile.clock.wall())
    record = BeatRecord(
        run=run,
        phase=phase,
        origin=fields.pop("origin", "runner"),
        owner=owner,
        began=profile.clock.wall(),
        action=fields.pop("action", {"action": "run_shell", "cmd": "true"}),
        **fields,
    )
    profile.store.runs.write(record)
    return run


@pytest.mark.parametrize("phase", ["sensed", "decided", "admitted"])
def test_a_run_that_was_cut_off_before_its_act_is_closed_and_nobody_is_bothered(
    profile: Profile, phase: str
) -> None:
    run = left(profile, phase)

    end = profile.beat()

    record = profile.record(run)
    assert (record.phase, record.error) == ("done", f"cut off while {phase}")
    assert profile.heard("interrupted") == []
    assert "INTERRUPTED" not in profile.prompt(end.run)


def test_a_run_that_was_cut_off_after_its_act_is_finished_exactly_once(profile: Profile) -> None:
    line = "- 2026-05-28 20:26 did it"
    memory = Memory(hash="x", decided_at=7.0)
    run = left(profile, "acted", line=line, memory=memory, outcome=Outcome(ok=True, summary="s"))
    profile.store.journal.add(line)

    profile.beat()
    profile.beat()

    assert (profile.data / "journal.md").read_text().splitlines().count(line) == 1
    record = profile.record(run)
    assert (record.phase, record.memory) == ("done", None)
    assert len(profile.events("recovered")) == 1
    assert profile.memory().decided_at == profile.clock.wall() - 1


@pytest.mark.parametrize(("owner", "cut"), [(DEAD, True), (None, True), ("init", False)])
def test_only_a_run_whose_owner_is_gone_was_cut_off(
    profile: Profile, owner: Any, *, cut: bool
) -> None:
    """Our own record counts too: a beat begins only when the one before it has ended."""
    init = Identity(pid=1, started="", boot="")
    who: Identity = mine() if owner is None else init if owner == "init" else owner
    run = left(profile, "acting", owner=who)

    profile.beat()

    assert (profile.record(run).phase == "done") == cut
    assert bool(profile.heard("interrupted")) == cut


def test_a_record_that_makes_no_sense_stays_and_stops_nothing(profile: Profile) -> None:
    run = profile.store.runs.create("tick", profile.clock.wall())
    path = profile.paths.run(run) / "beat.json"
    path.write_text('{"phase": "acting"')

    assert profile.beat().kind == "acted"
    assert path.read_text() == '{"phase": "acting"'


def test_an_action_that_nobody_knows_any_more_is_still_reported(profile: Profile) -> None:
    left(profile, "acting", action={"action": "teleport"})

    end = profile.beat()

    assert "teleport" in profile.prompt(end.run)
    assert profile.journal()[0] == 'interrupted · {"action":"teleport"}'


def test_several_runs_that_were_cut_off_are_each_reported(profile: Profile) -> None:
    runs = [left(profile, "acting", action={"action": "run_shell", "cmd": f"c{n}"}) for n in "ab"]

    end = profile.beat()

    assert all(run in profile.prompt(end.run) for run in runs)
    assert [line for line in profile.journal() if "interrupted" in line] == [
        'interrupted · {"action":"run_shell","cmd":"ca"}',
        'interrupted · {"action":"run_shell","cmd":"cb"}',
    ]


def test_an_interruption_is_told_until_a_decision_has_been_made(profile: Profile) -> None:
    left(profile, "acting")
    profile.breaks()
    profile.beat()
    profile.decides(NOOP)

    end = profile.beat(after=61)

    assert "a crash cut this move off" in profile.prompt(end.run)
    assert profile.memory().notices == ()


def test_a_probe_of_an_interrupted_command_is_asked(profile: Profile) -> None:
    action = {"action": "run_shell", "cmd": "true", "probe": "echo it did; exit 3"}
    left(profile, "acting", action=action)

    end = profile.beat()

    assert "probe exit code 3: it did" in profile.prompt(end.run)


@pytest.mark.parametrize(
    ("action", "policy"),
    [
        (WriteGoal(id="a", body="b"), True),
        (ArchiveGoal(id="a"), True),
        (DropSchedule(name="a"), True),
        (RunShell(cmd="true"), False),
        (Noop(), False),
    ],
)
def test_what_the_history_keeps_is_told_apart(action: Any, *, policy: bool) -> None:
    assert recover.is_policy_write(action) is policy


def test_the_action_of_a_record_is_read_or_is_none(profile: Profile) -> None:
    run = left(profile, "done", action={"action": "noop"})
    record = profile.record(run)

    assert recover.action_of(record) == Noop()
    assert recover.action_of(msgspec.structs.replace(record, action=None)) is None
    assert recover.action_of(msgspec.structs.replace(record, action={"action": "fly"})) is None


def test_sensors_of_a_pulse_that_lives_are_left_alone(profile: Profile) -> None:
    import os
    import subprocess

    mark = f"sense-{os.getpid()}-abc"
    child = subprocess.Popen(["sleep", "600"], env={**profile.env, "LOOOP_MARK": mark})
    try:
        recover.leftovers()
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
