"""Moves: a closed set, and the digest that a yes is bound to."""

from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.kit import canon
from looop.model import actions
from looop.model.actions import (
    ACTIONS,
    Action,
    AskHuman,
    Decision,
    Noop,
    RunShell,
    SendNotification,
    WriteGoal,
    WriteSchedule,
)

# A value for each field, and another one that means something else.
VALUES: dict[str, tuple[Any, Any]] = {
    "cmd": ("ls", "ls -l"),
    "reason": ("because", "for no reason"),
    "probe": ("true", "false"),
    "id": ("a", "b"),
    "body": ("one", "one\n"),
    "name": ("a", "b"),
    "script": ("#!/bin/sh", "#!/bin/bash"),
    "prompt": ("ok?", "ok!"),
    "options": (("a", "b"), ("b", "a")),
    "ref": ("r1", "r2"),
    "severity": ("low", "high"),
    "message": ("hi", "ho"),
    "in_s": (60, 61),
    "every_s": (60, 61),
    "cron": ("* * * * *", "0 * * * *"),
    "note": ("n", "m"),
    "catch_up": ("once", "skip"),
    "runner": ("claude", "codex"),
    "command": ("mine {{prompt_file}}", "yours {{prompt_file}}"),
    "verify": ("make test", "make check"),
    "workspace": ("none", "worktree:/repo"),
    "input": ("go on", "stop"),
    "keys": (("Enter",), ("Esc",)),
}


def full(kind: type[Action]) -> dict[str, Any]:
    return {name: VALUES[name][0] for name in kind.__struct_fields__}


def made(kind: type[Action], fields: dict[str, Any]) -> Action:
    make: Callable[..., Action] = kind
    return make(**fields)


KINDS = [pytest.param(kind, id=tag) for tag, (kind, _) in ACTIONS.items()]
FIELDS = [
    pytest.param(kind, name, id=f"{tag}.{name}")
    for tag, (kind, _) in ACTIONS.items()
    for name in kind.__struct_fields__
]


def test_the_table_holds_every_move_under_its_own_tag() -> None:
    assert {kind for kind, _ in ACTIONS.values()} == set(get_args(Action))
    for tag, (kind, word) in ACTIONS.items():
        action = made(kind, full(kind))
        assert actions.tag_of(action) == tag
        assert actions.word_of(action) == word
        assert actions.as_dict(action)["action"] == tag
    assert len({word for _, word in ACTIONS.values()}) == len(ACTIONS)


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_the_digest_changes_with_every_field_but_the_reason(kind: type[Action], name: str) -> None:
    fields = full(kind)
    one = made(kind, fields)
    other = made(kind, fields | {name: VALUES[name][1]})
    assert one != other
    assert (actions.digest(one) == actions.digest(other)) == (name == "reason")


def test_different_moves_with_the_same_fields_have_different_digests() -> None:
    digests = [actions.digest(made(kind, full(kind))) for kind, _ in ACTIONS.values()]
    assert len(set(digests)) == len(digests)


def test_what_is_left_out_is_the_same_as_what_is_empty() -> None:
    assert actions.digest(RunShell(cmd="ls", probe="")) == actions.digest(RunShell(cmd="ls"))
    assert actions.digest(WriteSchedule(name="a", in_s=0)) != actions.digest(
        WriteSchedule(name="a")
    )


def test_no_text_can_imitate_another_field() -> None:
    one = RunShell(cmd='ls","probe":"true', reason="")
    other = RunShell(cmd="ls", probe="true")
    assert actions.digest(one) != actions.digest(other)


def test_text_that_has_no_bytes_has_a_digest_still() -> None:
    assert actions.digest(RunShell(cmd="\ud800")) != actions.digest(RunShell(cmd="\ud801"))


@pytest.mark.parametrize(
    ("action", "digest"),
    [
        (Noop(reason="all well"), "0e66a1f86ee1533ca19f5e7fa20151ea"),
        (RunShell(cmd="make test", reason="x"), "1b2f2e33669370a78245ccc2626c7e39"),
        (WriteGoal(id="a", body="goal: é\n"), "0908d5c6e5ea7eb92953f74815d14f09"),
        (AskHuman(prompt="?", options=("a", "b")), "b6ce5c88e9c625bfda106d4b02f12c77"),
    ],
    ids=["noop", "shell", "goal", "ask"],
)
def test_a_digest_is_the_same_for_ever(action: Action, digest: str) -> None:
    """An approval that waits over an upgrade must still be bound to its move."""
    assert actions.digest(action) == digest


def test_defaults_are_left_out_of_what_is_shown() -> None:
    assert actions.as_dict(RunShell(cmd="ls")) == {"action": "run_shell", "cmd": "ls"}
    assert actions.as_dict(SendNotification(message="hi")) == {
        "action": "send_notification",
        "message": "hi",
        "severity": "normal",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_move_survives_being_kept_on_disk(kind: type[Action]) -> None:
    action = made(kind, full(kind))
    kept = msgspec.json.decode(msgspec.json.encode(actions.as_dict(action)))
    back: Any = msgspec.convert(kept, Action)
    assert back == action
    assert actions.digest(back) == actions.digest(action)


words = st.text(max_size=8)


@settings(max_examples=100)
@given(
    action=st.builds(RunShell, cmd=words, reason=words)
    | st.builds(WriteGoal, id=words, body=words)
    | st.builds(AskHuman, prompt=words, options=st.lists(words, max_size=3).map(tuple)),
    journal=words,
    goal=words,
    nap=st.none() | st.integers(-5, 10**6),
)
def test_a_decision_survives_encoding(
    action: Action, journal: str, goal: str, nap: int | None
) -> None:
    decision = Decision(action=action, journal=journal, goal=goal, next_interval_s=nap)
    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


@settings(max_examples=100)
@given(one=words, other=words)
def test_two_commands_share_a_digest_only_if_they_are_the_same(one: str, other: str) -> None:
    same = actions.digest(RunShell(cmd=one)) == actions.digest(RunShell(cmd=other))
    assert same == (one == other)


@pytest.mark.parametrize(
    "source",
    [
        '{"action": "rm_rf"}',
        '{"cmd": "ls"}',
        '{"action": "run_shell"}',
        '{"action": "run_shell", "cmd": 1}',
        '{"action": "ask_human", "prompt": "?", "severity": "panic"}',
        '{"action": "write_schedule", "name": "a", "in_s": 1.5}',
        "[]",
    ],
)
def test_anything_else_is_no_move(source: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(source, type=Action)


def test_a_digest_is_of_the_canonical_form() -> None:
    expected = canon.digest(b'{"action":"run_shell","cmd":"ls"}')
    assert actions.digest(RunShell(cmd="ls", reason="why not")) == expected
