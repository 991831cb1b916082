"""Ending workers: the whole tree, with a tombstone that is laid first and only for the killed."""

from pathlib import Path

import msgspec
import pytest

from looop.errors import NotFound, Refused
from looop.loop.workers import stop
from looop.model.records import Done, Tombstone, Worker
from looop.sessions.local import LocalFleet
from looop.sessions.records import Killed
from tests.loop.workers.support import Profile
from tests.support.crew import end, ended, program
from tests.support.leftovers import gone, living, nothing_left, unsynced

__all__ = ["nothing_left", "unsynced"]


def test_a_kill_ends_the_whole_tree_and_says_who_did_it_and_why(profile: Profile) -> None:
    profile.start(
        command="setsid sleep 600 & (sleep 600 & exec sleep 600) & echo $! ; read x;"
        " : {{prompt_file}}"
    )
    profile.fleet.more("w", 0, 20)

    killed = stop.kill(profile.opened, "w", by="human", why="enough")

    assert (killed.killed, killed.survivors) == (True, ())
    assert profile.fleet.get("w").state == "killed"
    assert all(gone(pid) for pid in living(profile.paths.data))
    assert profile.record().killed == Tombstone(by="human", at=profile.clock.now, why="enough")
    (told,) = profile.heard("worker_killed")
    assert (told["worker"], told["by"], told["why"]) == ("w", "human", "enough")


def test_what_has_ended_cannot_be_killed_and_stays_as_it_ended(profile: Profile) -> None:
    profile.start()
    end(profile.fleet, code=3)

    with pytest.raises(Refused, match=r"w has ended already \(exited\)"):
        stop.kill(profile.opened, "w", by="human", why="")

    assert profile.record().killed is None
    assert (profile.fleet.get("w").state, profile.fleet.get("w").code) == ("exited", 3)
    assert profile.heard("worker_killed") == []


def test_what_is_not_there_cannot_be_killed(profile: Profile) -> None:
    with pytest.raises(NotFound):
        stop.kill(profile.opened, "w", by="human", why="")


def test_a_program_is_killed_without_a_record(profile: Profile) -> None:
    program(profile, "p", "read x")

    assert stop.kill(profile.opened, "p", by="human", why="").killed
    assert profile.store.workers.names() == []


def test_the_record_of_another_generation_gets_no_tombstone(profile: Profile) -> None:
    program(profile, "w", "read x", generation="g2")
    profile.store.workers.put(Worker(id="w", generation="g1", started=1.0, runner="rules"))

    stop.kill(profile.opened, "w", by="human", why="")

    assert profile.record().killed is None


def test_the_first_tombstone_stands(profile: Profile) -> None:
    profile.start()
    first = Tombstone(by="budget", at=1.0, why="$5")
    record = profile.record()
    profile.store.workers.put(msgspec.structs.replace(record, killed=first))

    stop.kill(profile.opened, "w", by="human", why="later")

    assert profile.record().killed == first


def test_a_worker_that_said_that_it_is_done_and_is_killed_then_stays_done(
    profile: Profile,
) -> None:
    profile.start()
    said = Done(outcome="done", summary="all of it", at=1.0)
    profile.store.workers.put(msgspec.structs.replace(profile.record(), done=said))

    stop.kill(profile.opened, "w", by="human", why="")

    assert profile.record().done == said


class _EndsJustThen(LocalFleet):
    """Its workers end by themselves between the look at them and the kill."""

    def kill(self, session: str, *, grace_s: float = 5.0) -> Killed:
        end(self, session, code=3)
        return super().kill(session, grace_s=grace_s)


@pytest.mark.parametrize("buried", [False, True])
def test_who_ends_in_that_very_moment_was_not_killed(profile: Profile, buried: bool) -> None:
    profile.fleet = _EndsJustThen(profile.paths.sessions, version="test")
    profile.open()
    profile.start()
    earlier = Tombstone(by="loop", at=1.0, why="cut off")
    if buried:
        profile.store.workers.put(msgspec.structs.replace(profile.record(), killed=earlier))

    with pytest.raises(Refused):
        stop.kill(profile.opened, "w", by="human", why="")

    assert profile.record().killed == (earlier if buried else None)
    assert profile.fleet.get("w").code == 3


class _CutOff(LocalFleet):
    """Whoever kills here dies before anything was killed."""

    def kill(self, session: str, *, grace_s: float = 5.0) -> Killed:
        raise KeyboardInterrupt


def test_a_kill_that_is_cut_off_has_left_its_tombstone(profile: Profile) -> None:
    fleet = profile.fleet
    profile.fleet = _CutOff(profile.paths.sessions, version="test")
    profile.open()
    profile.start()

    with pytest.raises(KeyboardInterrupt):
        stop.kill(profile.opened, "w", by="loop", why="")

    assert profile.record().killed is not None
    assert fleet.get("w").alive
    profile.fleet = fleet
    profile.open()
    assert stop.kill(profile.opened, "w", by="human", why="again").killed
    assert ended(fleet).state == "killed"


def test_the_place_of_a_killed_worker_is_left(profile: Profile) -> None:
    profile.start()
    stop.kill(profile.opened, "w", by="human", why="")

    assert Path(profile.record().work_dir).is_dir()
