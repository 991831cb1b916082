"""What each level of autonomy lets be done to workers, and to whom a held move was meant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from looop.config import Autonomy, RunnerSpec
from looop.loop import stages
from looop.loop.admit import holds, policy
from looop.loop.admit.policy import PROTECTED, Request
from looop.loop.admit.shell import analyse
from looop.loop.parts import Parts
from looop.loop.workers import start
from looop.model.actions import (
    Action,
    Decision,
    KillWorker,
    RestartSession,
    RunShell,
    SendKey,
    StartWorker,
    SteerSession,
)
from looop.model.records import Answer, Origin, Verdict, Worker
from looop.model.world import Trust
from tests.support.bare import BareProfile
from tests.support.crew import crew_ended, end, program
from tests.support.leftovers import nothing_left

__all__ = ["crew_ended", "nothing_left"]

START = StartWorker(id="w", prompt="p")
STEER = SteerSession(id="w", input="go on")
ESCAPE = SendKey(id="w", keys=("Esc",))
ENTER = SendKey(id="w", keys=("Down", "Enter"))
RESTART, KILL = RestartSession(id="w"), KillWorker(id="w")
EVERY: list[Action] = [START, STEER, ESCAPE, ENTER, RESTART, KILL]


def shells(action: Action) -> dict[str, Any]:
    if not isinstance(action, StartWorker):
        return {}
    pieces = {"command": action.command, "verify": action.verify}
    return {name: analyse(code) for name, code in pieces.items() if code.strip()}


def request(action: Action, autonomy: Autonomy = "guarded", **fields: Any) -> Request:
    known: dict[str, Any] = {"origin": "runner", "agent": True, "shells": shells(action)}
    return Request(action=action, autonomy=autonomy, **known | fields)


def said(action: Action, autonomy: Autonomy = "guarded", **fields: Any) -> Verdict:
    return policy.builtin(request(action, autonomy, **fields))


# -- the levels --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "guarded"),
    [(START, "allow"), (STEER, "allow"), (ESCAPE, "allow"), (ENTER, "hold"), (RESTART, "allow"),
     (KILL, "allow")],
)  # fmt: skip
def test_what_each_level_says(action: Action, guarded: str) -> None:
    assert said(action, "supervised").verdict == "hold"
    assert said(action, "guarded").verdict == guarded
    assert said(action, "trusted").verdict == "allow"
    assert said(action, "supervised", origin="human").verdict == "allow"


@pytest.mark.parametrize("taint", ["own", "repo", "public"])
@pytest.mark.parametrize("action", [START, STEER, ESCAPE, RESTART, KILL])
def test_text_of_strangers_holds_what_reaches_a_worker(action: Action, taint: Trust) -> None:
    verdict = said(action, taint=taint)

    assert verdict.verdict == ("hold" if taint == "public" else "allow")
    assert (verdict.rule == "guarded:taint") is (taint == "public")


@pytest.mark.parametrize(
    ("fields", "verdict", "why"),
    [
        ({"command": "mine {{prompt_file}}"}, "hold", "it replaces the command"),
        ({"command": "  "}, "allow", ""),
        ({"verify": "git status"}, "allow", ""),
        ({"verify": "make test"}, "hold", "verify: "),
        ({"verify": "grep x file; touch y"}, "hold", "verify: "),
        ({"verify": "rm -rf /"}, "deny", "/"),
        ({"command": "rm -rf / {{prompt_file}}"}, "deny", "/"),
        ({"workspace": "worktree:/repo"}, "allow", ""),
        ({"runner": "claude"}, "allow", ""),
    ],
)
def test_a_start_is_as_safe_as_the_shell_that_it_brings(
    fields: dict[str, str], verdict: str, why: str
) -> None:
    found = said(StartWorker(id="w", prompt="p", **fields))

    assert found.verdict == verdict
    assert why in found.reason


@pytest.mark.parametrize("level", ["supervised", "guarded", "trusted"])
def test_a_catastrophe_in_a_check_is_none_less(level: Autonomy) -> None:
    order = StartWorker(id="w", prompt="p", verify="rm -rf /")

    assert said(order, level).verdict == ("hold" if level == "trusted" else "deny")
    assert said(order, level, origin="human").verdict == "deny"


@pytest.mark.parametrize("words", ["!rm -rf x", " /exit", "\t/clear", "\n!ls"])
def test_what_an_agent_takes_for_a_command_is_held(words: str) -> None:
    assert "is a command to the agent" in said(SteerSession(id="w", input=words)).reason
    assert said(SteerSession(id="w", input=f"say {words}")).verdict == "allow"


def test_what_is_typed_into_a_program_of_somebodys_choice_is_held() -> None:
    assert said(STEER, agent=False).verdict == "hold"
    assert said(STEER, "trusted", agent=False).verdict == "allow"


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        (("Esc",), "allow"),
        (("esc", "ESCAPE", "C-c", "Ctrl-C", "^C"), "allow"),
        (("Enter",), "hold"),
        (("Esc", "y"), "hold"),
        (("C-d",), "hold"),
        (("S-Tab",), "hold"),
    ],
)
def test_only_keys_that_stop_something_are_pressed_unasked(
    keys: tuple[str, ...], verdict: str
) -> None:
    assert said(SendKey(id="w", keys=keys)).verdict == verdict


# -- the floor ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROTECTED)
def test_no_move_has_a_program_write_a_policy_file(name: str) -> None:
    for action in (
        SteerSession(id="w", input=f"echo x > {name}"),
        StartWorker(id="w", prompt="p", verify=f"echo x > {name}"),
        StartWorker(id="w", prompt="p", command=f"tee {name} < {{{{prompt_file}}}}"),
    ):
        found = policy.floor(request(action, "trusted", agent=False))
        assert found is not None
        assert (found.verdict, found.rule) == ("deny", "floor:policy-files")


@pytest.mark.parametrize("name", PROTECTED)
def test_an_agent_may_be_told_of_a_policy_file(name: str) -> None:
    assert policy.floor(request(SteerSession(id="w", input=f"leave {name} alone"))) is None
    assert policy.floor(request(StartWorker(id="w", prompt=f"read {name}"))) is None
    assert policy.floor(request(StartWorker(id="w", prompt="p", verify=f"cat {name}"))) is None


actions = st.sampled_from(EVERY) | st.builds(
    StartWorker,
    id=st.just("w"),
    prompt=st.just("p"),
    command=st.sampled_from(["", "mine {{prompt_file}}", "rm -rf / {{prompt_file}}"]),
    verify=st.sampled_from(["", "git status", "make test", "rm -rf /"]),
)
origins: st.SearchStrategy[Origin] = st.sampled_from(["runner", "reflex", "human"])
taints: st.SearchStrategy[Trust] = st.sampled_from(["own", "repo", "public"])


@given(actions, origins, taints, st.booleans())
def test_a_stricter_level_is_never_laxer(
    action: Action, origin: Origin, taint: Trust, agent: bool
) -> None:
    levels: tuple[Autonomy, ...] = ("trusted", "guarded", "supervised")
    found = [
        policy.strictness(said(action, level, origin=origin, taint=taint, agent=agent).verdict)
        for level in levels
    ]

    assert found == sorted(found)


# -- which programs are known agents -----------------------------------------------------------


@pytest.fixture
def profile(tmp_path: Path, crew_ended: None) -> BareProfile:
    return BareProfile(tmp_path)


def admitted(profile: BareProfile, action: Action) -> Verdict:
    facts: dict[str, Any] = {
        "sensors": {}, "sessions": {}, "claims": {}, "asks": {}, "goals": {}, "schedules": {},
        "budget": {}, "changed": [], "now": 0,
    }  # fmt: skip
    return stages.admit(profile.parts(), Decision(action=action), "runner", "own", facts)


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (None, "hold"),
        ({"runner": "claude"}, "allow"),
        ({"runner": "codex"}, "allow"),
        ({"runner": "claude", "override": True}, "hold"),
        ({"runner": "rules"}, "hold"),
        ({"runner": "mine"}, "hold"),
    ],
)
def test_only_a_known_agent_with_its_own_command_is_spoken_to_unasked(
    profile: BareProfile, record: dict[str, Any] | None, verdict: str
) -> None:
    if record is not None:
        profile.store.workers.put(Worker(id="w", generation="g1", started=1.0, **record))

    assert admitted(profile, STEER).verdict == verdict


def test_a_record_that_cannot_be_read_is_no_agents(profile: BareProfile) -> None:
    (profile.paths.workers / "w.json").write_text("{")

    assert admitted(profile, STEER).verdict == "hold"


def test_a_known_agent_that_a_runner_starts_otherwise_is_none(profile: BareProfile) -> None:
    spec = RunnerSpec(worker='echo ready; read -r code; exit "$code"; : {{prompt_file}}')
    parts = profile.parts(runners={"claude": spec})
    start.start(parts, start.Order(id="w", prompt="p", runner="claude"))

    assert admitted(profile, STEER).verdict == "hold"


def test_the_command_and_the_check_of_a_start_are_read(profile: BareProfile) -> None:
    order = StartWorker(id="w", prompt="p", command="mine {{prompt_file}}")
    assert admitted(profile, order).verdict == "hold"
    check = StartWorker(id="w", prompt="p", verify="echo x > admission.toml")
    assert admitted(profile, check).rule == "floor:policy-files"
    assert admitted(profile, START).verdict == "allow"


# -- for whom a held move was meant ------------------------------------------------------------

HELD = Verdict(verdict="hold", rule="guarded:worker", reason="why")


def hold(parts: Parts, action: Action) -> None:
    holds.hold(
        parts.store, Decision(action=action), HELD, run="tick-1", origin="runner", now=1.0,
        ttl_s=0.0, generation=parts.generation_of(action),
    )  # fmt: skip


def answer(parts: Parts) -> str:
    (ask,) = parts.store.asks.open()
    parts.store.asks.answer(ask.id, Answer(text="yes", by="ann", channel="cli", at=2.0))
    found = holds.next_answered(parts.store, parts.generation_of)
    assert found is not None
    assert (found.decision is None) is (found.how != "approved")
    return found.how


GONE = "the worker that it was meant for has gone"
WAITS = 'echo ready; read -r code; exit "$code"'


def _nothing(_profile: BareProfile) -> None:
    return None


def _ends(profile: BareProfile) -> None:
    end(profile.fleet)


def _restarted(profile: BareProfile) -> None:
    profile.fleet.restart("w", generation="g2")


@pytest.mark.parametrize("action", [STEER, ENTER, KILL, RESTART])
@pytest.mark.parametrize(
    ("then", "how"), [(_nothing, "approved"), (_ends, GONE), (_restarted, GONE)]
)
def test_a_yes_is_for_the_generation_that_it_was_asked_about(
    profile: BareProfile, action: Action, then: Callable[[BareProfile], None], how: str
) -> None:
    program(profile, "w", WAITS, generation="g1")
    hold(profile.parts(), action)
    then(profile)

    assert answer(profile.parts()) == how


@pytest.mark.parametrize("action", [STEER, ENTER, KILL, RESTART])
def test_what_was_held_for_nobody_does_not_reach_who_came_later(
    profile: BareProfile, action: Action
) -> None:
    hold(profile.parts(), action)
    program(profile, "w", WAITS, generation="g1")

    assert answer(profile.parts()) == GONE


@pytest.mark.parametrize("action", [RESTART, START, RunShell(cmd="make")])
def test_what_needs_nobody_alive_is_not_bound_to_anybody(
    profile: BareProfile, action: Action
) -> None:
    program(profile, "w", WAITS)
    end(profile.fleet)
    hold(profile.parts(), action)

    assert answer(profile.parts()) == "approved"


def test_the_same_move_for_another_generation_is_another_question(profile: BareProfile) -> None:
    program(profile, "w", WAITS, generation="g1")
    hold(profile.parts(), STEER)
    hold(profile.parts(), STEER)
    assert len(profile.store.asks.open()) == 1
    _restarted(profile)
    hold(profile.parts(), STEER)

    assert [ask.generation for ask in profile.store.asks.open()] == ["g1", "g2"]
