"""Retention: what an ended session left goes in time, and never anything that is still owed."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.loop.workers import retention, start
from looop.model.records import Checked, Ended, Worker
from looop.sessions.records import Session
from tests.loop.workers.support import Profile
from tests.support.crew import end, ended, program
from tests.support.leftovers import nothing_left, unsynced
from tests.support.repo import git, new_repo

__all__ = ["nothing_left", "unsynced"]

DAY = 86400.0
ENDED = Ended(state="exited", at=2.0, code=0)
W = Worker(id="w", generation="g1", started=1.0, runner="rules", ended=ENDED, told=True)


def over(profile: Profile, worker: str = "w", **fields: Any) -> Session:
    """A worker that has ended, and whose end has reached a decision."""
    profile.start(worker, **fields)
    end(profile.fleet, worker)
    record = profile.record(worker)
    profile.store.workers.put(msgspec.structs.replace(record, ended=ENDED, told=True))
    return profile.fleet.get(worker)


def prune(profile: Profile, ttl_s: float = DAY, *, after: float = 2 * DAY) -> list[str]:
    profile.clock.now = time.time() + after
    profile.told.clear()
    sessions = {session.id: session for session in profile.fleet.list()[0]}
    return retention.prune(profile.opened, sessions, ttl_s)


# -- what keeps it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (None, ""),
        (W, ""),
        (msgspec.structs.replace(W, ended=None), "its end has not been seen by a beat"),
        (msgspec.structs.replace(W, verify="true"), "its check has not been run"),
        (msgspec.structs.replace(W, told=False), "its end has not reached a decision"),
        (
            msgspec.structs.replace(W, verify="true", checked=Checked(ok=False, output="", at=3.0)),
            "",
        ),
    ],
)
def test_what_is_still_owed_keeps_a_worker(record: Worker | None, why: str) -> None:
    assert retention.keeps(record) == why


@pytest.mark.parametrize(
    "owed",
    [
        {"ended": None},
        {"verify": "true"},
        {"told": False},
    ],
)
def test_whatever_its_age_a_worker_that_is_kept_stays(
    profile: Profile, owed: dict[str, Any]
) -> None:
    over(profile)
    record = msgspec.structs.replace(profile.record(), **owed)
    profile.store.workers.put(record)

    assert prune(profile, 0.001, after=1000 * DAY) == []

    assert profile.record() == record
    assert profile.fleet.find("w") is not None


# -- when it goes ------------------------------------------------------------------------------


def test_it_goes_with_all_that_it_left_once_it_is_old_enough(profile: Profile) -> None:
    before = profile.everything()
    over(profile)
    profile.paths.prompt_files("w").mkdir()
    (profile.paths.prompt_files("w") / "settings.json").write_text("{}")
    generation = profile.record().generation

    assert prune(profile, after=DAY - 60) == []
    assert prune(profile, after=DAY + 60) == ["w"]

    assert profile.everything() == before
    assert profile.told == [("worker_removed", {"worker": "w", "generation": generation})]


@pytest.mark.parametrize("ttl_s", [0.0])
def test_without_a_limit_nothing_goes(profile: Profile, ttl_s: float) -> None:
    over(profile)

    assert prune(profile, ttl_s, after=1000 * DAY) == []


def test_the_living_stay_however_old(profile: Profile) -> None:
    profile.start()
    program(profile, "p", "read x")

    assert prune(profile, 0.001, after=1000 * DAY) == []


def test_a_program_goes_in_time_too(profile: Profile) -> None:
    program(profile, "p", "true")
    ended(profile.fleet, "p")

    assert prune(profile) == ["p"]

    assert profile.heard("worker_removed") == []


def test_what_cannot_be_read_is_left_for_a_human(profile: Profile) -> None:
    over(profile)
    (profile.paths.sessions / "w" / "meta.json").write_text("{")

    assert prune(profile) == []
    assert profile.fleet.find("w") is not None


def test_a_corpse_without_a_time_of_its_end_goes_by_its_last_output(profile: Profile) -> None:
    import signal

    session = profile.start()
    profile.fleet.expect("w", "ready", since=None, timeout_s=20, screen=False)
    os.kill(session.supervisor, signal.SIGKILL)
    ended(profile.fleet)
    profile.store.workers.put(msgspec.structs.replace(profile.record(), ended=ENDED, told=True))

    assert prune(profile, after=DAY - 60) == []
    assert prune(profile, after=DAY + 60) == ["w"]


def test_one_that_cannot_be_removed_stops_nobody(profile: Profile) -> None:
    over(profile, "a")
    over(profile, "b")
    profile.paths.prompt("a").unlink()
    profile.paths.prompt("a").mkdir()

    assert prune(profile) == ["b"]

    assert any(fields["text"].startswith("a: ") for fields in profile.heard("warning"))


def test_what_was_begun_anew_meanwhile_stays(profile: Profile) -> None:
    old = over(profile)
    start.restart(profile.opened, "w")

    assert retention.forget(profile.opened, old) == "it has been started again"
    end(profile.fleet)
    assert retention.forget(profile.opened, old) == "it has been started again"

    assert profile.fleet.find("w") is not None
    assert profile.record().generation != old.generation


def test_what_has_gone_meanwhile_is_no_failure(profile: Profile) -> None:
    old = over(profile)
    retention.remove(profile.opened, old, profile.record())

    assert retention.forget(profile.opened, old) == "it has been started again"


# -- what is never removed ---------------------------------------------------------------------


def test_a_place_with_something_in_it_is_left(profile: Profile) -> None:
    over(profile)
    place = Path(profile.record().work_dir)
    (place / "draft").write_text("of value")
    (profile.paths.reports / "w.md").write_text("report")

    assert prune(profile) == ["w"]

    assert (place / "draft").read_text() == "of value"
    assert (profile.paths.reports / "w.md").read_text() == "report"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return new_repo(tmp_path / "repo")


@pytest.mark.parametrize("what", ["nothing", "a file", "a commit"])
def test_a_worktree_goes_only_when_it_holds_nothing(
    profile: Profile, repo: Path, what: str
) -> None:
    over(profile, workspace=f"worktree:{repo}")
    place = Path(profile.record().work_dir)
    if what == "a file":
        (place / "draft").write_text("of value")
    elif what == "a commit":
        git(place, "commit", "--quiet", "--allow-empty", "-m", "work")

    assert prune(profile) == ["w"]

    assert place.exists() is (what != "nothing")
    assert bool(git(repo, "branch", "--list", "looop/w")) is (what != "nothing")
    assert profile.store.workers.names() == []


def test_a_repository_that_has_gone_does_not_keep_a_worker(profile: Profile, repo: Path) -> None:
    over(profile, workspace=f"worktree:{repo}")
    shutil.rmtree(repo)

    assert prune(profile) == ["w"]

    assert profile.store.workers.names() == []
