"""The verbs that concern sessions: what they show, and what they do on the record of a human."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.control.crew import LocalCrew
from looop.control.local import LocalControl
from looop.control.views import SessionView
from looop.errors import BadConfig, Conflict, NotFound, Refused, Unreadable, Usage
from looop.loop import lock
from looop.model.records import AgentNote, Ask, Checked, Done, Ended, Spend, Worker
from tests.support.crew import WAITS, block, crew_ended, end, ended, program
from tests.support.fakeclock import FakeClock
from tests.support.leftovers import gone, living, nothing_left, unsynced
from tests.support.profile import Profile

__all__ = ["crew_ended", "nothing_left", "unsynced"]


@pytest.fixture
def profile(tmp_path: Path, crew_ended: None) -> Profile:
    found = Profile(tmp_path, clock=FakeClock(time.time()))
    found.store.ensure()
    return found


def start(profile: Profile, worker: str = "w", **fields: Any) -> None:
    known: dict[str, Any] = {
        "prompt": "wait", "runner": "", "command": WAITS, "verify": "", "goal": "", "workspace": "",
    }  # fmt: skip
    known |= fields
    profile.control.crew.start(worker, known.pop("prompt"), **known)


def shown(profile: Profile, *, ended: bool = False) -> dict[str, SessionView]:
    views, problems = profile.control.crew.sessions(ended=ended)
    assert problems == []
    return {view.id: view for view in views}


def as_worker(profile: Profile, worker: str = "w", generation: str = "") -> LocalCrew:
    """The verbs as that worker would call them."""
    record = profile.store.workers.get(worker)
    profile.env = profile.env | {
        "LOOOP_SESSION_ID": worker,
        "LOOOP_GENERATION": generation or (record.generation if record else ""),
    }
    return profile.control.crew


# -- starting ----------------------------------------------------------------------------------


def test_a_human_starts_a_worker_on_the_record(profile: Profile) -> None:
    start(profile, goal="g", verify="make test")

    session = profile.fleet.get("w")
    record = profile.store.workers.need("w")
    assert (session.alive, session.generation) == (True, record.generation)
    assert (record.goal, record.verify) == ("g", "make test")
    assert profile.journal() == ["human · worker w started"]
    run = profile.record(record.run)
    assert (run.origin, run.phase, run.goal) == ("human", "done", "g")


@pytest.mark.parametrize("name", ["a/b", "", "é"])
def test_what_cannot_be_a_name_is_no_worker(profile: Profile, name: str) -> None:
    with pytest.raises(Usage, match="cannot name a"):
        start(profile, name)
    with pytest.raises(Usage, match="cannot name a"):
        profile.control.crew.supervise(name, ("true",), cwd="/", columns=80, rows=24)


def test_a_start_that_is_refused_says_why_and_starts_nobody(profile: Profile) -> None:
    with pytest.raises(Refused, match="needs a brief"):
        start(profile, prompt=" ")
    with pytest.raises(Refused, match=r"may write admission\.toml, which no move may do"):
        start(profile, verify="echo x > admission.toml")
    assert profile.fleet.list() == ([], [])


def test_any_program_is_supervised_as_it_is(profile: Profile, tmp_path: Path) -> None:
    profile.env["OURS"] = "1"

    session = profile.control.crew.supervise(
        "p", ("bash", "-c", "env; pwd; stty size"), cwd=str(tmp_path), columns=90, rows=30
    )

    assert ended(profile.fleet, "p").code == 0
    said = profile.fleet.read("p", 0, 1 << 16).data.decode().split("\r\n")
    assert {"OURS=1", "LOOOP_SESSION_ID=p", f"LOOOP_GENERATION={session.generation}"} < set(said)
    assert {str(tmp_path), "30 90"} < set(said)
    assert profile.store.workers.names() == []
    assert list(profile.paths.prompts.iterdir()) == []


def test_a_program_takes_the_place_of_one_that_has_ended(profile: Profile) -> None:
    crew = profile.control.crew
    where: dict[str, Any] = {"cwd": "/", "columns": 80, "rows": 24}
    crew.supervise("p", ("true",), **where)
    ended(profile.fleet, "p")

    second = crew.supervise("p", ("sleep", "600"), **where)

    assert second.alive
    with pytest.raises(Conflict, match="p is alive"):
        crew.supervise("p", ("true",), **where)


def test_a_program_does_not_take_the_place_of_a_worker(profile: Profile) -> None:
    start(profile)
    end(profile.fleet)

    with pytest.raises(Refused, match="has ended"):
        profile.control.crew.supervise("w", ("true",), cwd="/", columns=80, rows=24)

    assert profile.store.workers.get("w") is not None


def test_the_pulse_is_started_by_a_verb_of_its_own(profile: Profile) -> None:
    with pytest.raises(Refused, match="`looop up`"):
        profile.control.crew.supervise("pulse", ("true",), cwd="/", columns=80, rows=24)
    with pytest.raises(Refused, match="`pulse` is the loop itself"):
        start(profile, "pulse")


def test_settings_that_are_broken_start_nobody_and_show_everything(profile: Profile) -> None:
    start(profile)
    crew = LocalControl(
        profile.paths, BadConfig("it is broken"), profile.env, lambda: profile.fleet, profile.clock
    ).crew

    assert [view.id for view in crew.sessions(ended=False)[0]] == ["pulse", "w"]
    for call in (
        lambda: crew.start("x", "p", runner="", command=WAITS, verify="", goal="", workspace=""),
        lambda: crew.supervise("x", ("true",), cwd="/", columns=80, rows=24),
        lambda: crew.restart("w"),
    ):
        with pytest.raises(BadConfig, match="it is broken"):
            call()


def test_settings_that_are_broken_keep_nobody_from_ending_things(profile: Profile) -> None:
    start(profile)
    crew = LocalControl(
        profile.paths, BadConfig("it is broken"), profile.env, lambda: profile.fleet, profile.clock
    ).crew

    assert crew.kill("w", why="").killed
    removed, kept = crew.prune()
    assert removed == []
    assert kept[0].startswith("w: ")


# -- looking -----------------------------------------------------------------------------------


def test_without_anything_the_pulse_is_shown_down(profile: Profile) -> None:
    (view,) = shown(profile).values()

    assert (view.id, view.kind, view.state, view.alive, view.health) == (
        "pulse", "pulse", "down", False, "down",
    )  # fmt: skip


def test_a_pulse_in_the_foreground_is_shown_up(profile: Profile) -> None:
    with lock.owned(profile.paths):
        view = shown(profile)["pulse"]

    assert (view.state, view.alive, view.health) == ("in the foreground", True, "up")


def test_a_pulse_whose_lock_cannot_be_told_is_unknown(profile: Profile) -> None:
    profile.paths.pulse_lock.mkdir()

    view = shown(profile)["pulse"]

    assert (view.state, view.health) == ("unknown", "unknown")
    assert str(profile.paths.pulse_lock) in view.detail


def test_a_living_worker_is_shown_with_all_that_is_known(profile: Profile) -> None:
    start(profile, goal="g", verify="make test")
    profile.fleet.expect("w", "ready", since=None, timeout_s=20, screen=False)
    record = profile.store.workers.need("w")
    profile.store.workers.keep_note(
        "w", AgentNote(generation=record.generation, state="limited", at=1.0, detail="5 hours",
                       until=profile.clock.now + 60)
    )  # fmt: skip
    profile.store.workers.put(
        msgspec.structs.replace(
            record,
            metered={
                "m": Spend(ts="", kind="session", id="w", runner="x", cost_usd=1.5),
                "n": Spend(ts="", kind="session", id="w", runner="x"),
            },
        )
    )

    view = shown(profile)["w"]

    assert (view.kind, view.state, view.alive) == ("worker", "running", True)
    assert (view.health, view.basis, view.detail) == ("limited", "hook", "5 hours")
    assert view.until == profile.clock.now + 60
    assert (view.goal, view.verify, view.runner) == ("g", "to come", "fake")
    assert (view.generation, view.work_dir) == (record.generation, record.work_dir)
    assert (view.cost_usd, view.size, view.last_line) == (1.5, "120x40", "ready")
    assert view.age_s is not None
    assert view.age_s >= 0


def test_a_question_is_shown_with_its_age(profile: Profile) -> None:
    start(profile)
    profile.store.asks.add(
        Ask(
            id="", asker="w", kind="question", prompt="?", created=profile.clock.now - 30,
            generation=profile.store.workers.need("w").generation,
        )
    )  # fmt: skip

    view = shown(profile)["w"]

    assert (view.health, view.asks, view.ask_age_s) == ("waiting", ["w-1"], 30.0)


def test_a_program_is_shown_as_one(profile: Profile) -> None:
    program(profile, "p", "read x")

    view = shown(profile)["p"]

    assert (view.kind, view.runner, view.verify, view.cost_usd) == ("program", "", "", None)


def test_the_ended_are_shown_while_somebody_is_still_to_look(profile: Profile) -> None:
    for worker in ("told", "news", "crashed"):
        start(profile, worker)
    program(profile, "p", "true")
    ended(profile.fleet, "p")
    end(profile.fleet, "told")
    end(profile.fleet, "news", code=3)
    os.kill(profile.fleet.get("crashed").supervisor, signal.SIGKILL)
    ended(profile.fleet, "crashed")
    for worker in ("told", "crashed"):
        record = profile.store.workers.need(worker)
        over = Ended(state="exited", at=1.0)
        profile.store.workers.put(msgspec.structs.replace(record, ended=over, told=True))

    assert list(shown(profile)) == ["pulse", "crashed", "news"]
    everything = shown(profile, ended=True)
    assert list(everything) == ["pulse", "crashed", "news", "p", "told"]
    assert [v.state for v in everything.values()] == [
        "down", "dead", "exited 3", "exited 0", "exited 0",
    ]  # fmt: skip


def test_a_worker_that_is_done_is_shown_by_its_outcome(profile: Profile) -> None:
    start(profile, prompt=block("echo 42"), command="", runner="rules", verify="true")
    ended(profile.fleet)
    record = profile.store.workers.need("w")
    checked = Checked(ok=True, output="", at=1.0)
    profile.store.workers.put(msgspec.structs.replace(record, checked=checked))

    view = shown(profile)["w"]

    assert (view.state, view.outcome, view.summary, view.verify) == ("done", "done", "42", "pass")


def test_one_session_is_shown_with_its_record(profile: Profile) -> None:
    start(profile)
    program(profile, "p", "read x")
    crew = profile.control.crew

    view, record = crew.one("w")
    assert (view.id, record) == ("w", profile.store.workers.need("w"))
    assert crew.one("p")[1] is None
    assert crew.one("pulse")[0].kind == "pulse"
    with pytest.raises(NotFound):
        crew.one("nobody")


def test_a_fleet_that_cannot_be_seen_is_not_an_empty_one(profile: Profile) -> None:
    profile.paths.sessions.rmdir()
    profile.paths.sessions.write_text("")

    with pytest.raises(Unreadable):
        profile.control.crew.sessions(ended=True)
    with pytest.raises(Unreadable):
        profile.control.crew.prune()


def test_what_workers_left_in_their_places_is_listed(profile: Profile) -> None:
    start(profile, "a", command="echo x > draft; read -r y; : {{prompt_file}}")
    profile.fleet.more("a", 0, 0.05)
    start(profile, "b")
    (profile.paths.work / "litter").mkdir()
    (profile.paths.work / "litter" / "one").write_text("")
    (profile.paths.work / "litter" / "two").write_text("")

    found = {Path(view.path).name: view for view in profile.control.crew.workspaces()}

    assert list(found) == ["a", "b", "litter"]
    assert (found["a"].worker, found["a"].alive) == ("a", True)
    assert (found["b"].state, found["b"].branch) == ("empty", "")
    assert (found["litter"].worker, found["litter"].state) == ("", "2 files")


# -- ending ------------------------------------------------------------------------------------


def test_a_human_kills_a_worker_on_the_record(profile: Profile) -> None:
    start(profile, command="setsid sleep 600 & echo ready; read x; : {{prompt_file}}")
    profile.fleet.expect("w", "ready", since=None, timeout_s=20, screen=False)

    killed = profile.control.crew.kill("w", why="enough")

    assert killed.killed
    assert all(gone(pid) for pid in living(profile.data))
    record = profile.store.workers.need("w")
    assert record.killed is not None
    assert (record.killed.by, record.killed.why) == ("human", "enough")
    assert profile.journal()[-1] == "human · w killed"
    with pytest.raises(Refused, match=r"w has ended \(killed\)"):
        profile.control.crew.kill("w", why="")


def test_a_worker_that_kills_itself_has_said_that_it_is_done(profile: Profile) -> None:
    start(profile)

    assert as_worker(profile).kill("w", why="all of it").killed

    record = profile.store.workers.need("w")
    assert record.killed is None
    assert record.done is not None
    assert (record.done.outcome, record.done.summary) == ("done", "all of it")


def test_a_program_that_kills_itself_just_ends(profile: Profile) -> None:
    session = program(profile, "p", "read x")

    assert as_worker(profile, "p", session.generation).kill("p", why="").killed


def test_the_pulse_is_ended_by_a_verb_of_its_own(profile: Profile) -> None:
    with pytest.raises(Refused, match="`looop down`"):
        profile.control.crew.kill("pulse", why="")


def test_a_restart_is_on_the_record(profile: Profile) -> None:
    start(profile)
    first = profile.fleet.get("w").generation

    session = profile.control.crew.restart("w")

    assert (session.alive, session.generation != first) == (True, True)
    assert profile.journal()[-1] == "human · w restarted"


def test_prune_removes_what_nothing_keeps_and_says_why_the_rest_stays(profile: Profile) -> None:
    for worker in ("kept", "over"):
        start(profile, worker)
        end(profile.fleet, worker)
    record = profile.store.workers.need("over")
    profile.store.workers.put(
        msgspec.structs.replace(record, ended=Ended(state="exited", at=1.0), told=True)
    )
    program(profile, "p", "true")
    ended(profile.fleet, "p")
    start(profile, "alive")

    assert profile.control.crew.prune() == (
        ["over", "p"], ["kept: its end has not been seen by a beat"],
    )  # fmt: skip
    assert [s.id for s in profile.fleet.list()[0]] == ["alive", "kept"]


def test_a_corpse_that_cannot_be_read_can_be_pruned(profile: Profile) -> None:
    program(profile, "p", "true")
    ended(profile.fleet, "p")
    (profile.paths.sessions / "p" / "meta.json").write_text("{")

    assert profile.control.crew.prune() == (["p"], [])


# -- what workers call -------------------------------------------------------------------------


def test_a_worker_claims_in_its_generation(profile: Profile) -> None:
    start(profile)
    start(profile, "v")

    assert as_worker(profile).claim("repo", "") == "new"
    assert as_worker(profile).claim("repo", "") == "kept"
    (held,) = profile.control.crew.claims()[0]
    assert (held.session, held.generation) == ("w", profile.store.workers.need("w").generation)
    with pytest.raises(Refused, match="repo is held by w"):
        as_worker(profile, "v").claim("repo", "")
    with pytest.raises(Refused, match="repo is held by w"):
        as_worker(profile, "v").unclaim("repo", "")

    end(profile.fleet)
    assert as_worker(profile, "v").claim("repo", "") == "reclaimed"
    as_worker(profile, "v").unclaim("repo", "")
    as_worker(profile, "v").unclaim("repo", "")
    assert profile.control.crew.claims() == ([], [])


def test_a_human_claims_by_hand_and_for_a_session(profile: Profile) -> None:
    crew = profile.control.crew
    start(profile)

    assert crew.claim("mine", "ann") == "new"
    assert crew.claim("its", "w") == "new"

    generations = {claim.name: claim.generation for claim in crew.claims()[0]}
    assert generations == {
        "mine": "by-hand", "its": profile.store.workers.need("w").generation,
    }  # fmt: skip


def test_a_claim_without_a_holder_is_refused_and_writes_nothing(profile: Profile) -> None:
    with pytest.raises(Usage, match="give --session"):
        profile.control.crew.claim("repo", "")
    for name in ("", "..", "a/b", ".x"):
        with pytest.raises(Usage):
            profile.control.crew.claim(name, "ann")
    assert profile.control.crew.claims() == ([], [])


@pytest.mark.parametrize("outcome", ["done", "blocked", "failed"])
def test_the_first_word_of_a_worker_on_its_end_stands(profile: Profile, outcome: str) -> None:
    start(profile)
    crew = as_worker(profile)
    generation = profile.store.workers.need("w").generation

    crew.done("w", generation, outcome, "first")
    crew.done("w", generation, "failed", "second")

    said = profile.store.workers.need("w").done
    assert said == Done(outcome=outcome, summary="first", at=profile.clock.now)  # type: ignore[arg-type]
    assert [e["summary"] for e in profile.events("worker_done")] == ["first"]
    assert profile.fleet.get("w").alive


def test_what_is_left_of_an_earlier_generation_ends_nobody(profile: Profile) -> None:
    start(profile)

    with pytest.raises(NotFound, match="has been replaced"):
        profile.control.crew.done("w", "g0", "done", "")
    with pytest.raises(NotFound, match="there is no worker"):
        profile.control.crew.done("x", "", "done", "")
    with pytest.raises(Usage, match="the outcome is one of done, blocked, failed"):
        profile.control.crew.done("w", "", "perfect", "")

    assert profile.store.workers.need("w").done is None


def test_a_worker_tells_what_it_has_cost(profile: Profile) -> None:
    start(profile, goal="g")

    row = as_worker(profile).record_cost(0.25, session="", model="m")

    assert row is not None
    assert (row.id, row.goal, row.cost_usd, row.priced, row.model) == ("w", "g", 0.25, "self", "m")
    assert row.generation == profile.store.workers.need("w").generation
    assert profile.store.ledger.spent_since(0.0) == 0.25


@pytest.mark.parametrize("usd", [-1.0, float("inf"), float("nan")])
def test_what_is_no_amount_is_not_recorded(profile: Profile, usd: float) -> None:
    start(profile)

    with pytest.raises(Usage, match="is not an amount"):
        as_worker(profile).record_cost(usd, session="", model="")
    profile.env = {"PATH": profile.env["PATH"]}
    with pytest.raises(Usage, match="whose cost"):
        profile.control.crew.record_cost(1.0, session="", model="")

    assert profile.store.ledger.spent_since(0.0) == 0.0


def test_an_agent_whose_own_record_tells_its_cost_need_not(profile: Profile) -> None:
    record = Worker(id="w", generation="g1", started=1.0, runner="claude")
    profile.store.workers.put(record)
    assert as_worker(profile).record_cost(1.0, session="", model="") is None

    profile.store.workers.put(msgspec.structs.replace(record, override=True))
    assert as_worker(profile).record_cost(1.0, session="", model="") is not None
