"""Up and down: the pulse in a session of its own, and the end of everything in the right order."""

import os
import select
import signal
from pathlib import Path

import pytest

from looop.control import power
from looop.errors import AlreadyRuns, Failed, Unreadable
from looop.kit.clock import SystemClock
from looop.loop import lock
from looop.loop.workers import start
from looop.sessions.local import LocalFleet
from looop.sessions.records import Killed
from tests.support.crew import WAITS, crew_ended, end, program
from tests.support.leftovers import gone, living, nothing_left, unsynced
from tests.support.profile import Profile
from tests.support.program import home_env, running, wait_for

__all__ = ["crew_ended", "nothing_left", "unsynced"]


def pause(seconds: float) -> None:
    select.select([], [], [], min(seconds, 0.02))


@pytest.fixture
def profile(tmp_path: Path, crew_ended: None) -> Profile:
    found = Profile(tmp_path, interval=600, busy_interval=600)
    found.env = home_env(found.side, LOOOP_DATA_DIR=str(found.data))
    found.playbook("# PLAYBOOK\n")
    found.reopen(SystemClock())
    found.store.ensure()
    return found


def up(profile: Profile) -> int:
    return power.up(profile.parts, pause)


def down(profile: Profile, *, keep: bool = False, drain_s: float = 0.0) -> power.Down:
    return power.down(profile.parts, pause, keep=keep, drain_s=drain_s)


def begin(profile: Profile, worker: str = "w", command: str = WAITS) -> None:
    start.start(profile.parts, start.Order(id=worker, prompt="wait", command=command))


# -- up ----------------------------------------------------------------------------------------


def test_the_pulse_comes_up_in_a_session_and_holds_the_profile(profile: Profile) -> None:
    pid = up(profile)

    session = profile.fleet.get("pulse")
    note = lock.note(profile.paths)
    assert (session.alive, session.pid) == (True, pid)
    assert lock.held(profile.paths)
    assert note is not None
    assert note.owner.pid == pid
    wait_for(lambda: profile.launches)
    with pytest.raises(AlreadyRuns, match="a pulse runs already"):
        up(profile)
    assert profile.fleet.get("pulse").generation == session.generation


def test_a_pulse_in_the_foreground_is_not_joined_by_another(profile: Profile) -> None:
    with running(profile.env) as pulse:
        pulse.until("pulse_started")
        with pytest.raises(AlreadyRuns):
            up(profile)
    assert profile.fleet.find("pulse") is None


def test_a_pulse_that_has_ended_makes_way_for_the_next(profile: Profile) -> None:
    first = up(profile)
    os.kill(first, signal.SIGKILL)
    profile.fleet.wait("pulse", 20)

    second = up(profile)

    assert second != first
    assert lock.held(profile.paths)


def test_a_pulse_that_cannot_come_up_says_why(profile: Profile) -> None:
    profile.paths.config.write_text("interval = 'never'\n")

    with pytest.raises(Failed, match=r"the pulse did not come up: .*interval"):
        up(profile)

    assert not lock.held(profile.paths)


def test_a_worker_that_brings_the_pulse_up_does_not_make_it_a_worker(profile: Profile) -> None:
    profile.env |= {
        "LOOOP_SESSION_ID": "w", "LOOOP_GENERATION": "g1", "LOOOP_MARK": "m", "LOOOP_RUN_ID": "r",
        "OURS": "1",
    }  # fmt: skip
    profile.reopen(SystemClock())

    pid = up(profile)

    lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
    env = {name: value for name, _, value in (line.partition("=") for line in lines)}
    assert env["OURS"] == "1"
    assert env["LOOOP_DATA_DIR"] == str(profile.data)
    assert not {"LOOOP_SESSION_ID", "LOOOP_GENERATION", "LOOOP_MARK", "LOOOP_RUN_ID"} & set(env)


def test_the_pulse_outlives_whoever_brought_it_up(profile: Profile) -> None:
    from tests.support.program import looop

    done = looop("up", env=profile.env)

    assert done.code == 0, done.err
    wait_for(lambda: profile.launches)
    assert lock.held(profile.paths)


# -- down --------------------------------------------------------------------------------------


def test_with_nothing_running_down_says_so(profile: Profile) -> None:
    assert down(profile) == power.Down(pulse=False, workers=[], survivors=[])


def test_down_ends_the_pulse_and_then_its_workers(profile: Profile) -> None:
    up(profile)
    begin(profile, "a")
    begin(profile, "b", "setsid sleep 600 & read -r x; : {{prompt_file}}")
    program(profile, "p", "read x")

    assert down(profile) == power.Down(pulse=True, workers=["a", "b", "p"], survivors=[])

    assert all(gone(pid) for pid in living(profile.base))
    assert not lock.held(profile.paths)
    assert {s.id: s.state for s in profile.fleet.list()[0]} == {
        "a": "killed", "b": "killed", "p": "killed", "pulse": "killed",
    }  # fmt: skip
    killed = profile.store.workers.need("a").killed
    assert killed is not None
    assert (killed.by, killed.why) == ("down", "everything was ended")


def test_workers_can_be_kept(profile: Profile) -> None:
    up(profile)
    begin(profile)

    assert down(profile, keep=True) == power.Down(pulse=True, workers=[], survivors=[])

    assert not lock.held(profile.paths)
    assert end(profile.fleet).code == 0


def test_workers_can_be_given_time_to_end_by_themselves(profile: Profile) -> None:
    begin(profile, "a")
    begin(profile, "b")
    waits = 0

    def wait(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 1:
            end(profile.fleet, "a", code=4)
        pause(seconds)

    found = power.down(profile.parts, wait, keep=False, drain_s=0.3)

    assert found.workers == ["b"]
    assert (profile.fleet.get("a").state, profile.fleet.get("a").code) == ("exited", 4)
    assert profile.fleet.get("b").state == "killed"


def test_a_pulse_in_the_foreground_is_ended_too(profile: Profile) -> None:
    with running(profile.env, "--keep-workers") as pulse:
        pulse.until("pulse_started")
        begin(profile)

        found = down(profile)

        assert pulse.process.wait(20) == 0
    assert (found.pulse, found.workers) == (True, ["w"])


def test_a_beat_in_flight_is_ended_with_all_that_it_runs(profile: Profile) -> None:
    profile.runner(tick='setsid sleep 600 & touch "$SIDE/launched"; exec sleep 600')
    up(profile)
    wait_for((profile.side / "launched").exists)

    assert down(profile).pulse

    assert all(gone(pid) for pid in living(profile.base))


def test_a_fleet_that_cannot_be_seen_is_no_clean_end(profile: Profile) -> None:
    begin(profile)
    os.rename(profile.paths.sessions, profile.base / "away")
    profile.paths.sessions.write_text("")

    with pytest.raises(Unreadable):
        down(profile)

    profile.paths.sessions.unlink()
    os.rename(profile.base / "away", profile.paths.sessions)
    assert end(profile.fleet).code == 0


def test_a_lock_whose_holder_cannot_be_told_is_left(profile: Profile) -> None:
    with lock.owned(profile.paths), pytest.raises(Failed, match="its pid cannot be told"):
        down(profile)


class _Stubborn(LocalFleet):
    """One of its workers cannot be ended."""

    def kill(self, session: str, *, grace_s: float = 5.0) -> Killed:
        if session == "a":
            raise Failed("it does not answer")
        return super().kill(session, grace_s=grace_s)


def test_whoever_would_not_go_is_named_and_stops_nobody(profile: Profile) -> None:
    begin(profile, "a")
    begin(profile, "b")
    profile.parts.fleet = _Stubborn(profile.paths.sessions, version="test")

    found = down(profile)

    assert (found.workers, found.survivors) == (["b"], ["a"])
    assert any("a: it does not answer" in str(f) for f in profile.heard("warning"))
