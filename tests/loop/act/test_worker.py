"""The moves that concern workers: what each does to a session, and what it says of it."""

import asyncio
from pathlib import Path

import pytest

from looop.errors import Conflict, LooopError, NotFound, Refused, Unreadable
from looop.loop import crew
from looop.loop.act import worker
from looop.loop.act.worker import Touched, WorkerMove
from looop.model.actions import KillWorker, RestartSession, SendKey, StartWorker, SteerSession
from tests.loop.workers.support import Profile
from tests.support.crew import WAITS, crew_ended, end, ended, program
from tests.support.leftovers import nothing_left, unsynced

__all__ = ["crew_ended", "nothing_left", "unsynced"]

START = StartWorker(id="w", prompt="wait for me", command=WAITS)


@pytest.fixture
def profile(tmp_path: Path, crew_ended: None) -> Profile:
    return Profile(tmp_path)


def perform(
    profile: Profile, action: WorkerMove, by: str = "loop", goal: str = ""
) -> tuple[str, Touched]:
    return asyncio.run(worker.perform(action, profile.opened, run_id="tick-1", goal=goal, by=by))


def seen(profile: Profile) -> Touched:
    """The signal of the crew as the next look will see it."""
    members, _ = crew.gather(profile.store, profile.fleet, profile.config, profile.clock.now)
    return crew.signal(members)


# -- start -------------------------------------------------------------------------------------


def test_a_start_says_what_the_next_look_will_see(profile: Profile) -> None:
    said, touched = perform(profile, START, goal="g")

    assert said == "worker · w started (command override)"
    assert touched == seen(profile)
    record = profile.record()
    assert (record.goal, record.run) == ("g", "tick-1")


def test_a_start_with_everything_passes_everything_on(profile: Profile) -> None:
    profile.runner("mine", worker=WAITS)
    action = StartWorker(id="w", prompt="wait", runner="mine", verify="make test", workspace="none")

    said, touched = perform(profile, action)

    assert said == "worker · w started"
    assert touched == seen(profile)
    assert touched["w"]["verify"] == "to come"
    assert profile.record().runner == "mine"


@pytest.mark.parametrize("by", ["loop", "human"])
def test_a_session_bears_the_run_that_ordered_it(profile: Profile, by: str) -> None:
    perform(profile, START, by)

    assert profile.fleet.get("w").labels["run"] == profile.record().run == "tick-1"


def test_a_start_that_is_refused_touches_nothing(profile: Profile) -> None:
    with pytest.raises(Refused, match="which means nothing"):
        perform(profile, StartWorker(id="w", prompt="p", command="{{task}}"))
    assert seen(profile) == {}


# -- steer and keys ----------------------------------------------------------------------------


def test_what_is_typed_arrives_and_is_submitted(profile: Profile) -> None:
    perform(profile, START)
    profile.fleet.expect("w", "ready", since=None, timeout_s=20, screen=False)

    said, touched = perform(profile, SteerSession(id="w", input="7"))

    assert ended(profile.fleet).code == 7
    assert said.startswith("steer · w: 7")
    assert touched == {}


def test_the_words_of_a_steer_are_shown_clean_and_short(profile: Profile) -> None:
    program(profile, "w", "cat >/dev/null")

    said, _ = perform(profile, SteerSession(id="w", input="a\x1b[2J" + "b" * 500))

    assert said.isprintable()
    assert len(said) < 300


def test_keys_are_pressed(profile: Profile) -> None:
    program(profile, "w", 'trap "exit 9" INT; echo ready; while :; do read -r x; done')
    profile.fleet.expect("w", "ready", since=None, timeout_s=20, screen=False)

    said, touched = perform(profile, SendKey(id="w", keys=("Enter", "C-c")))

    assert ended(profile.fleet).code == 9
    assert (said, touched) == ("key · w: Enter C-c", {})


def test_a_key_that_is_none_is_refused_before_any_is_pressed(profile: Profile) -> None:
    program(profile, "w", "read -r x; exit 5")

    with pytest.raises(LooopError):
        perform(profile, SendKey(id="w", keys=("Enter", "Entre")))

    assert profile.fleet.get("w").alive


# -- restart and kill --------------------------------------------------------------------------


def test_a_restart_says_what_the_next_look_will_see(profile: Profile) -> None:
    perform(profile, START)
    first = profile.record().generation

    said, touched = perform(profile, RestartSession(id="w"))

    assert said == "restart · w"
    assert touched == seen(profile)
    assert touched["w"]["generation"] != first[:8]


def test_an_ended_worker_can_be_restarted(profile: Profile) -> None:
    perform(profile, START)
    end(profile.fleet)

    _, touched = perform(profile, RestartSession(id="w"))

    assert touched == seen(profile)
    assert touched["w"]["health"] == "busy"


@pytest.mark.parametrize("by", ["loop", "human"])
def test_a_kill_says_who_and_why_and_what_the_next_look_will_see(profile: Profile, by: str) -> None:
    perform(profile, START)

    said, touched = perform(profile, KillWorker(id="w", reason="it hangs"), by)

    assert said == "kill · w"
    assert touched == seen(profile)
    assert (touched["w"]["health"], touched["w"]["killed_by"]) == ("dead", by)
    killed = profile.record().killed
    assert killed is not None
    assert (killed.by, killed.why) == (by, "it hangs")


def test_a_killed_worker_stays_killed(profile: Profile) -> None:
    perform(profile, START)
    perform(profile, KillWorker(id="w"))

    with pytest.raises(Refused, match="was killed and stays so"):
        perform(profile, RestartSession(id="w"))
    with pytest.raises(Refused, match=r"w has ended \(killed\)"):
        perform(profile, KillWorker(id="w"))


# -- of whom it cannot be ----------------------------------------------------------------------

EVERY: list[WorkerMove] = [
    SteerSession(id="w", input="x"),
    SendKey(id="w", keys=("Enter",)),
    RestartSession(id="w"),
    KillWorker(id="w"),
]


def test_the_moves_above_are_all_but_the_start() -> None:
    from typing import get_args

    assert {type(action) for action in EVERY} | {StartWorker} == set(get_args(WorkerMove))


@pytest.mark.parametrize("action", EVERY)
def test_a_worker_that_is_not_there_is_named(profile: Profile, action: WorkerMove) -> None:
    with pytest.raises(NotFound, match="w"):
        perform(profile, action)


@pytest.mark.parametrize("action", [a for a in EVERY if not isinstance(a, RestartSession)])
def test_a_worker_that_has_ended_is_said_to_have(profile: Profile, action: WorkerMove) -> None:
    perform(profile, START)
    end(profile.fleet, code=3)

    with pytest.raises(Refused, match=r"w has ended \(exited 3\)"):
        perform(profile, action)


@pytest.mark.parametrize(
    "action",
    [
        SteerSession(id="pulse", input="x"),
        SendKey(id="pulse", keys=("C-c",)),
        RestartSession(id="pulse"),
        KillWorker(id="pulse"),
        StartWorker(id="pulse", prompt="p", command=WAITS),
    ],
)
def test_the_pulse_is_no_worker(profile: Profile, action: WorkerMove) -> None:
    program(profile, "pulse", "read x; exit 5")

    with pytest.raises(Refused, match="`pulse` is the loop itself"):
        perform(profile, action)

    assert profile.fleet.get("pulse").alive


@pytest.mark.parametrize("action", [START, *EVERY])
def test_a_fleet_that_cannot_be_seen_stops_every_move(profile: Profile, action: WorkerMove) -> None:
    profile.start()
    profile.hide_fleet()

    # Never "there is no such session": nobody could look.
    with pytest.raises((Unreadable, Conflict)):
        perform(profile, action)

    profile.show_fleet()
    assert end(profile.fleet).code == 0
