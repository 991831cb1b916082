"""What an agent CLI tells of itself: kept as a note, and a permission that waits for a human."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from looop.control import hooks
from looop.errors import NotFound
from looop.kit.bell import Bell
from looop.model.records import AgentNote, Answer, Worker
from tests.loop.workers.agents.support import screen
from tests.support.bare import BareProfile
from tests.support.crew import crew_ended, program
from tests.support.leftovers import nothing_left

__all__ = ["crew_ended", "nothing_left"]

PERMISSION = {
    "hook_event_name": "PermissionRequest",
    "tool_name": "Bash",
    "tool_input": {"command": "curl http://localhost/ && touch made"},
    "transcript_path": "/t.jsonl",
}
ASKS = "w asks: may it use Bash? curl http://localhost/ && touch made"


@pytest.fixture
def profile(tmp_path: Path, crew_ended: None) -> BareProfile:
    found = BareProfile(tmp_path)
    record = Worker(id="w", generation="g1", started=1.0, runner="claude")
    found.store.workers.put(record)
    found.env |= {"LOOOP_SESSION_ID": "w", "LOOOP_GENERATION": "g1"}
    return found


def _never(_seconds: float) -> bool:
    raise AssertionError("nothing was to be waited for")


def heard(
    profile: BareProfile,
    payload: dict[str, Any],
    wait: Callable[[float], bool] = _never,
    env: dict[str, str] | None = None,
) -> dict[str, Any] | None:
    return hooks.heard(
        profile.store, profile.env | (env or {}), profile.clock, payload, profile.fleet, wait
    )


def noted(profile: BareProfile) -> AgentNote:
    note = profile.store.workers.note("w")
    assert note is not None
    return note


class Human:
    """Waits as the hook does, and does something at one of the looks."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        self._acts = list(acts)
        self.looks = 0

    def __call__(self, _seconds: float) -> bool:
        assert self._acts, "it waits for ever"
        self.looks += 1
        return self._acts.pop(0)() is True


def answers(profile: BareProfile, words: str) -> Callable[[], object]:
    def act() -> None:
        answer = Answer(text=words, by="ann", channel="phone", at=3.0)
        profile.store.asks.answer("w-1", answer)

    return act


def nothing() -> None:
    return None


# -- what is noted -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "state", "detail"),
    [
        ({"hook_event_name": "SessionStart", "source": "startup"}, "starting", ""),
        ({"hook_event_name": "UserPromptSubmit", "prompt": "go\non"}, "busy", "go on"),
        ({"hook_event_name": "SessionEnd", "reason": "other"}, "ended", "other"),
    ],
)
def test_what_it_tells_is_kept(
    profile: BareProfile, payload: dict[str, Any], state: Any, detail: str
) -> None:
    payload |= {"transcript_path": "/t.jsonl"}

    assert heard(profile, payload) is None

    assert noted(profile) == AgentNote(
        generation="g1", state=state, at=profile.clock.now, detail=detail, transcript="/t.jsonl"
    )


def test_what_tells_nothing_leaves_the_last_word(profile: BareProfile) -> None:
    heard(profile, {"hook_event_name": "UserPromptSubmit", "prompt": "go"})
    before = noted(profile)

    for payload in ({}, {"hook_event_name": "PreCompact"}, {"hook_event_name": 5}):
        assert heard(profile, payload) is None

    assert noted(profile) == before


def test_a_call_outside_a_worker_is_nobodys(profile: BareProfile) -> None:
    payload = {"hook_event_name": "UserPromptSubmit", "prompt": "go"}

    assert heard(profile, payload, env={"LOOOP_SESSION_ID": ""}) is None

    assert profile.store.workers.note("w") is None


@pytest.mark.parametrize("env", [{"LOOOP_GENERATION": "g0"}, {"LOOOP_SESSION_ID": "nobody"}])
def test_what_is_left_of_an_earlier_generation_changes_nothing(
    profile: BareProfile, env: dict[str, str]
) -> None:
    with pytest.raises(NotFound):
        heard(profile, PERMISSION, env=env)

    assert profile.store.workers.note("w") is None
    assert profile.store.asks.open() == []


def test_an_agent_without_hooks_is_deaf(profile: BareProfile) -> None:
    record = Worker(id="w", generation="g1", started=1.0, runner="mine")
    profile.store.workers.put(record)

    assert heard(profile, PERMISSION) is None
    assert profile.store.asks.open() == []


@pytest.mark.parametrize(
    ("payload", "rings"),
    [
        ({"hook_event_name": "UserPromptSubmit", "prompt": "go"}, False),
        ({"hook_event_name": "Stop"}, True),
        ({"hook_event_name": "StopFailure", "error": "rate_limit"}, True),
    ],
)
def test_a_pulse_is_rung_for_what_somebody_may_have_to_do_something_about(
    profile: BareProfile, payload: dict[str, Any], rings: bool
) -> None:
    import select

    bell = Bell(profile.paths.bell)
    try:
        heard(profile, payload)
        assert bool(select.select([bell], [], [], 0)[0]) is rings
    finally:
        bell.close()


# -- a permission ------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "allowed"), [("yes", True), ("no", False)])
def test_a_permission_waits_for_a_human_and_says_who_answered(
    profile: BareProfile, words: str, allowed: bool
) -> None:
    seen: list[Any] = []
    human = Human(
        lambda: seen.extend(profile.store.asks.open()),
        lambda: seen.append(noted(profile)),
        answers(profile, words),
    )

    answer = heard(profile, PERMISSION, human)

    ask, note = seen
    assert (ask.prompt, ask.kind, ask.asker, ask.generation) == (ASKS, "question", "w", "g1")
    assert (ask.options, ask.severity) == (("yes", "no"), "high")
    assert note.state == "asking"
    assert answer is not None
    said = str(answer)
    assert ("'allow'" in said) is allowed
    assert ("'deny'" in said) is not allowed
    assert allowed or "ann answered 'no' in looop" in said
    assert profile.store.asks.open() == []
    (closed,) = profile.store.asks.closed()
    assert closed.answer is not None
    assert noted(profile).state == "busy"
    (event,) = [row for row in profile.store.events.since(0) if row["event"] == "asked"]
    assert event["ask"] == "w-1"


def test_a_verb_of_ours_needs_nobodys_permission(profile: BareProfile) -> None:
    for command in ('"$LOOOP_BIN" done "all of it"', "$LOOOP_BIN claim repo"):
        answer = heard(profile, PERMISSION | {"tool_input": {"command": command}})
        assert "'allow'" in str(answer)

    assert profile.store.asks.open() == []


@pytest.mark.parametrize(
    "command", ['"$LOOOP_BIN" done; rm -rf /', '"$LOOOP_BIN" kill other', "looop done"]
)
def test_what_only_begins_like_one_does(profile: BareProfile, command: str) -> None:
    heard(profile, PERMISSION | {"tool_input": {"command": command}}, Human(answers(profile, "no")))

    assert len(profile.store.asks.closed()) == 1


def test_what_it_would_do_is_shown_clean(profile: BareProfile) -> None:
    payload = PERMISSION | {"tool_input": {"command": "echo \x1b[2J\u202e"}}
    heard(profile, payload, Human(answers(profile, "no")))

    (ask,) = profile.store.asks.closed()
    assert "\x1b" not in ask.prompt
    assert "\u202e" not in ask.prompt


def test_an_agent_that_ends_its_hook_was_answered_in_its_terminal(profile: BareProfile) -> None:
    program(profile, "w", "read x", generation="g1")

    assert heard(profile, PERMISSION, Human(nothing, lambda: True)) is None

    assert profile.store.asks.open() == []


def test_the_ask_of_a_worker_that_has_ended_is_left_to_the_next_beat(
    profile: BareProfile,
) -> None:
    assert heard(profile, PERMISSION, Human(nothing, lambda: True)) is None

    assert [ask.state for ask in profile.store.asks.open()] == ["pending"]


def test_an_agent_that_says_that_it_goes_on_was_answered_in_its_terminal(
    profile: BareProfile,
) -> None:
    def goes_on() -> None:
        profile.clock.now += 5
        heard(profile, {"hook_event_name": "Stop"})

    assert heard(profile, PERMISSION, Human(nothing, goes_on)) is None

    assert profile.store.asks.open() == []
    assert noted(profile).state == "idle"


def test_a_dialog_that_has_gone_from_the_screen_was_answered(profile: BareProfile) -> None:
    shown = profile.paths.data / "dialog"
    shown.write_text("\n".join(screen("claude-asks")).rstrip())
    program(
        profile, "w", "cat dialog; read -r x; printf '\\033[2J\\033[Hon it'; read -r x",
        generation="g1",
    )  # fmt: skip
    profile.fleet.expect("w", "Do you want", since=None, timeout_s=20, screen=True)
    looks = 0

    def wait(_seconds: float) -> bool:
        nonlocal looks
        looks += 1
        if looks == 9:
            profile.fleet.type("w", b"\r")
            profile.fleet.expect("w", "on it", since=None, timeout_s=20, screen=True)
        return looks > 40

    assert heard(profile, PERMISSION, wait) is None

    assert 9 <= looks <= 40
    assert profile.store.asks.open() == []


def test_an_ask_that_cannot_be_read_now_is_waited_for(profile: BareProfile) -> None:
    path = profile.paths.asks / "w-1.json"
    kept: list[bytes] = []

    def breaks() -> None:
        kept.append(path.read_bytes())
        path.write_text("{")

    def heals() -> None:
        path.write_bytes(kept[0])

    answer = heard(profile, PERMISSION, Human(breaks, nothing, heals, answers(profile, "yes")))

    assert "'allow'" in str(answer)


def test_an_ask_that_is_taken_away_is_no_answer(profile: BareProfile) -> None:
    path = profile.paths.asks / "w-1.json"

    assert heard(profile, PERMISSION, Human(nothing, path.unlink)) is None


def test_a_session_whose_screen_cannot_be_drawn_is_waited_for(profile: BareProfile) -> None:
    assert profile.fleet.find("w") is None
    human = Human(*[nothing] * 9, answers(profile, "yes"))

    assert "'allow'" in str(heard(profile, PERMISSION, human))
    assert human.looks == 10
