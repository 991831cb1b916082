"""The crew: sessions, records and questions put together, and what of them is signal."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.errors import Unreadable
from looop.loop import crew
from looop.loop.crew import Member
from looop.model.records import Activity, AgentNote, Ask, Checked, Done, Tombstone, Worker
from looop.sessions.records import Session
from tests.support.bare import BareProfile
from tests.support.crew import crew_ended, end, program
from tests.support.leftovers import nothing_left

__all__ = ["crew_ended", "nothing_left"]

WAITS = 'echo ready; read -r code; exit "$code"'
LIVING = Session(id="w", state="running", alive=True, generation="0123456789abcdef")
OVER = Session(id="w", state="exited", alive=False, generation="0123456789abcdef", code=0)
RECORD = Worker(id="w", generation="0123456789abcdef", started=1.0, runner="rules")


@pytest.fixture
def profile(tmp_path: Path, crew_ended: None) -> BareProfile:
    return BareProfile(tmp_path)


def gather(profile: BareProfile) -> dict[str, Member]:
    members, problems = crew.gather(
        profile.store, profile.fleet, profile.config, profile.clock.wall()
    )
    assert problems == []
    return {member.session.id: member for member in members}


# -- put together ------------------------------------------------------------------------------


def test_no_session_is_no_member(profile: BareProfile) -> None:
    assert gather(profile) == {}


def test_the_pulse_is_no_member_and_a_program_has_no_record(profile: BareProfile) -> None:
    program(profile, "pulse", WAITS)
    program(profile, "b", WAITS)
    program(profile, "a", WAITS, generation="g1")
    profile.store.workers.put(Worker(id="a", generation="g1", started=1.0, runner="rules"))

    found = gather(profile)

    assert list(found) == ["a", "b"]
    assert found["a"].record is not None
    assert found["b"].record is None
    assert [m.health.word for m in found.values()] == ["busy", "busy"]


def test_the_record_of_another_generation_is_not_this_ones(profile: BareProfile) -> None:
    program(profile, "w", WAITS, generation="g2")
    profile.store.workers.put(Worker(id="w", generation="g1", started=1.0, runner="rules"))

    assert gather(profile)["w"].record is None


def test_what_was_seen_and_said_of_a_worker_is_its_health(profile: BareProfile) -> None:
    program(profile, "w", WAITS, generation="g1")
    program(profile, "v", WAITS, generation="g1")
    profile.store.workers.keep_activity({"v": Activity(generation="g1", moved_at=1.0)})
    profile.store.workers.keep_note("w", AgentNote(generation="g1", state="idle", at=1.0))

    found = gather(profile)

    assert (found["w"].health.word, found["w"].health.basis) == ("idle", "hook")
    assert (found["v"].health.word, found["v"].health.basis) == ("stuck", "output")


@pytest.mark.parametrize(
    ("of", "kind", "waits"),
    [("g1", "question", True), ("", "question", True), ("g0", "question", False),
     ("g1", "notice", True), ("g1", "approval", False)],
)  # fmt: skip
def test_a_question_of_this_generation_makes_it_wait(
    profile: BareProfile, of: str, kind: Any, waits: bool
) -> None:
    program(profile, "w", WAITS, generation="g1")
    for at in (7.0, 5.0):
        profile.store.asks.add(
            Ask(id="", asker="w", kind=kind, prompt="?", created=at, generation=of)
        )

    member = gather(profile)["w"]

    assert (member.health.word == "waiting") is waits
    assert member.asks == (("w-2", "w-1") if waits else ())
    assert member.ask_at == (5.0 if waits else 0.0)


def test_the_question_of_a_dead_worker_makes_nobody_wait(profile: BareProfile) -> None:
    program(profile, "w", WAITS, generation="g1")
    profile.store.asks.add(
        Ask(id="", asker="w", kind="question", prompt="?", created=5.0, generation="g1")
    )
    end(profile.fleet)

    member = gather(profile)["w"]

    assert (member.health.word, member.asks) == ("dead", ("w-1",))


def test_asks_that_cannot_be_read_leave_the_rest_as_it_is(profile: BareProfile) -> None:
    program(profile, "w", WAITS)
    profile.paths.ask_archive.rmdir()
    profile.paths.asks.rmdir()
    profile.paths.asks.write_text("")

    assert gather(profile)["w"].health.word == "busy"


def test_a_fleet_that_cannot_be_seen_is_not_an_empty_one(profile: BareProfile) -> None:
    profile.paths.sessions.rmdir()
    profile.paths.sessions.write_text("")

    with pytest.raises(Unreadable):
        crew.gather(profile.store, profile.fleet, profile.config, 1.0)


def test_what_makes_no_sense_is_told_beside_the_rest(profile: BareProfile) -> None:
    program(profile, "w", WAITS)
    (profile.paths.sessions / "no name").mkdir()
    (profile.paths.workers / "x.json").write_text("{")

    members, problems = crew.gather(profile.store, profile.fleet, profile.config, 1.0)

    assert [m.session.id for m in members] == ["w"]
    assert len(problems) == 2


# -- what is signal ----------------------------------------------------------------------------


def test_the_signal_of_a_living_worker_holds_no_age(profile: BareProfile) -> None:
    program(profile, "w", WAITS, generation="0123456789abcdef")
    before = crew.signal(list(gather(profile).values()))
    profile.clock.now += 30

    assert crew.signal(list(gather(profile).values())) == before
    assert before == {"w": {"generation": "01234567", "health": "busy"}}


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (OVER, "exited 0"),
        (msgspec.structs.replace(OVER, code=3), "exited 3"),
        (msgspec.structs.replace(OVER, code=None), "exited"),
        (msgspec.structs.replace(OVER, code=None, signal=9), "signal 9"),
        (msgspec.structs.replace(OVER, state="killed", code=None, signal=15), "killed"),
        (msgspec.structs.replace(OVER, state="failed", code=None), "failed"),
        (msgspec.structs.replace(OVER, state="dead", code=None), "dead"),
    ],
)
def test_an_end_is_told_in_words(session: Session, words: str) -> None:
    assert crew.ended_words(session) == words
    assert crew.signal_of(session, None, "dead")["state"] == words


def test_a_starting_worker_has_no_state_yet() -> None:
    starting = msgspec.structs.replace(LIVING, state="starting")

    assert crew.signal_of(starting, RECORD, "busy") == crew.signal_of(LIVING, RECORD, "busy")


def test_a_worker_that_said_that_it_is_done_tells_that_and_not_how_it_ended() -> None:
    record = msgspec.structs.replace(RECORD, done=Done(outcome="blocked", summary="why?", at=2.0))
    killed = msgspec.structs.replace(OVER, state="killed")

    for session in (OVER, killed):
        assert crew.signal_of(session, record, "dead") == {
            "generation": "01234567",
            "health": "dead",
            "outcome": "blocked",
        }


def test_who_ended_a_worker_is_signal() -> None:
    record = msgspec.structs.replace(RECORD, killed=Tombstone(by="budget", at=2.0, why="$5"))

    assert crew.signal_of(OVER, record, "dead")["killed_by"] == "budget"


@pytest.mark.parametrize(("ok", "words"), [(True, "pass"), (False, "fail"), (None, "not run")])
def test_the_verdict_of_a_check_is_signal(ok: bool | None, words: str) -> None:
    asked = msgspec.structs.replace(RECORD, verify="make test")
    checked = msgspec.structs.replace(asked, checked=Checked(ok=ok, output="long", at=2.0))

    assert "verify" not in crew.signal_of(LIVING, RECORD, "busy")
    assert crew.signal_of(LIVING, asked, "busy")["verify"] == "to come"
    assert crew.signal_of(OVER, checked, "dead")["verify"] == words
