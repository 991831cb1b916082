"""Runs: how far each one got, and which were cut off."""

import os
import re
from typing import Any

import msgspec
import pytest

from looop.kit import identity
from looop.kit.identity import Identity
from looop.model.records import BeatRecord
from looop.paths import Paths
from looop.state.runs import RECORD, Runs
from looop.state.store import Store
from tests.support.crowd import started

NOW = 1_783_066_530.0
GONE = Identity(pid=2**22 + 1, started="1", boot=identity.boot_id())


@pytest.fixture
def runs(store: Store) -> Runs:
    return store.runs


def record(run: str, **fields: Any) -> BeatRecord:
    base: dict[str, Any] = {"phase": "acting", "origin": "runner", "owner": GONE, "began": NOW}
    return BeatRecord(run=run, **(base | fields))


def make(runs: Runs, at: float = NOW, **fields: Any) -> str:
    run = runs.create("tick", at)
    runs.write(record(run, **fields))
    return run


def test_a_run_has_a_private_directory_under_a_name_that_cannot_be_guessed(
    runs: Runs, paths: Paths
) -> None:
    made = [runs.create("tick", NOW) for _ in range(20)]
    assert len(set(made)) == 20
    assert all(re.fullmatch(r"tick-\d{8}-\d{6}-[0-9a-f]{6}", run) for run in made)
    assert all(paths.run(run).stat().st_mode & 0o777 == 0o700 for run in made)


def test_a_name_that_is_taken_is_not_used_again(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([b"aaa", b"aaa", b"bbb"])

    def random(_count: int) -> bytes:
        return next(numbers)

    monkeypatch.setattr(os, "urandom", random)
    first, second = runs.create("tick", NOW), runs.create("tick", NOW)
    assert (first[-6:], second[-6:]) == (b"aaa".hex(), b"bbb".hex())


def test_a_record_can_be_read_back_and_is_absent_before(runs: Runs) -> None:
    run = runs.create("tick", NOW)
    assert runs.read(run) is None
    runs.write(record(run))
    assert runs.read(run) == record(run)


def test_evidence_is_kept_privately(runs: Runs) -> None:
    run = runs.create("tick", NOW)
    path = runs.keep(run, "prompt.md", b"secret")
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600


def test_ids_are_in_the_order_of_time_whatever_their_kind(runs: Runs) -> None:
    made = [
        runs.create(kind, NOW + 10 * n) for n, kind in enumerate(["tick", "hand", "tick", "ask"])
    ]
    assert runs.ids() == made


def test_what_is_no_run_is_left_alone(runs: Runs, paths: Paths) -> None:
    (paths.runs / "README").write_text("mine")
    (paths.runs / ".hidden").mkdir()
    (paths.runs / "a b").mkdir()
    run = make(runs, phase="done")
    assert runs.ids() == [run]
    assert runs.unfinished() == []
    newer = make(runs, NOW + 1, phase="done")
    runs.prune(1)
    assert runs.ids() == [newer]
    assert (paths.runs / "README").read_text() == "mine"


@pytest.mark.parametrize("phase", ["sensed", "decided", "admitted", "acting", "acted"])
def test_a_run_of_a_process_that_is_gone_was_cut_off(runs: Runs, phase: str) -> None:
    run = make(runs, phase=phase)
    assert [found.run for found in runs.unfinished()] == [run]
    assert [found.run for found in runs.unfinished()] == [run], "looking does not finish it"


def test_a_run_of_a_process_that_lives_goes_on(runs: Runs) -> None:
    with started("nothing") as child:
        stat = f"/proc/{child.pid}/stat"
        with open(stat) as source:
            start = source.read().rpartition(")")[2].split()[19]
        owner = Identity(pid=child.pid, started=start, boot=identity.boot_id())
        run = make(runs, owner=owner)
        other = make(runs, owner=msgspec.structs.replace(owner, started="1"))
        assert [found.run for found in runs.unfinished()] == [other]
    assert {found.run for found in runs.unfinished()} == {run, other}


def test_a_run_of_this_very_process_was_cut_off_too(runs: Runs) -> None:
    run = make(runs, owner=identity.mine())
    assert [found.run for found in runs.unfinished()] == [run]


def test_runs_that_are_done_are_not_unfinished_even_when_seen_before(runs: Runs) -> None:
    run = make(runs)
    assert len(runs.unfinished()) == 1
    runs.write(record(run, phase="done"))
    assert runs.unfinished() == []
    assert runs.unfinished() == []


def test_a_record_that_is_not_there_or_makes_no_sense_tells_nothing(
    runs: Runs, paths: Paths
) -> None:
    early = runs.create("tick", NOW)
    bad = runs.create("tick", NOW)
    (paths.run(bad) / RECORD).write_text("{")
    assert runs.unfinished() == []
    assert (paths.run(bad) / RECORD).read_text() == "{"
    runs.write(record(early))
    assert [found.run for found in runs.unfinished()] == [early]


def test_the_oldest_finished_runs_are_pruned(runs: Runs) -> None:
    made = [make(runs, NOW + n, phase="done") for n in range(6)]
    runs.keep(made[0], "stream.ndjson", b"x")
    runs.prune(4)
    assert runs.ids() == made[2:]
    runs.prune(4)
    assert runs.ids() == made[2:]


def test_zero_keeps_every_run(runs: Runs) -> None:
    made = [make(runs, NOW + n, phase="done") for n in range(3)]
    runs.prune(0)
    assert runs.ids() == made


def test_an_unfinished_run_is_never_pruned(runs: Runs) -> None:
    unfinished = make(runs, NOW, phase="acting")
    made = [make(runs, NOW + 1 + n, phase="done") for n in range(4)]
    runs.prune(2)
    assert runs.ids() == [unfinished, *made[2:]]
    runs.write(record(unfinished, phase="done"))
    runs.prune(2)
    assert runs.ids() == made[2:]


def test_an_old_run_whose_record_makes_no_sense_is_pruned(runs: Runs, paths: Paths) -> None:
    bad = runs.create("tick", NOW)
    (paths.run(bad) / RECORD).write_text("{")
    newer = make(runs, NOW + 1, phase="done")
    runs.prune(1)
    assert runs.ids() == [newer]


def test_pruning_follows_no_link_out_of_the_profile(runs: Runs, paths: Paths) -> None:
    outside = paths.data.parent / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    run = make(runs, NOW, phase="done")
    (paths.run(run) / "link").symlink_to(outside)
    make(runs, NOW + 1, phase="done")
    runs.prune(1)
    assert not paths.run(run).exists()
    assert (outside / "precious").read_text() == "kept"
