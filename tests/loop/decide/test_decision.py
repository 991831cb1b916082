"""Decisions: what is accepted, and that everything wrong is said at once."""

import datetime
import json
import random
import sys
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.loop.decide import decision
from looop.loop.decide.decision import BadDecision
from looop.model import actions
from looop.model.actions import (
    ACTIONS,
    Action,
    ArchiveGoal,
    AskHuman,
    Decision,
    DropSchedule,
    KillWorker,
    Noop,
    RestartSession,
    RunShell,
    SendKey,
    SendNotification,
    StartWorker,
    SteerSession,
    WriteGoal,
    WritePlaybook,
    WriteSchedule,
    WriteSensor,
)
from looop.model.records import Schedule

# One full and one bare example of each action: (what is written, what is meant).
FULL: list[tuple[dict[str, Any], Action]] = [
    ({"action": "noop"}, Noop()),
    ({"action": "noop", "reason": "calm"}, Noop(reason="calm")),
    ({"action": "run_shell", "cmd": "date"}, RunShell(cmd="date")),
    (
        {"action": "run_shell", "cmd": "touch x", "reason": "r", "probe": "test -e x"},
        RunShell(cmd="touch x", reason="r", probe="test -e x"),
    ),
    ({"action": "write_goal", "id": "a", "body": "goal: a\n"}, WriteGoal(id="a", body="goal: a\n")),
    ({"action": "archive_goal", "id": "a.b-c_d"}, ArchiveGoal(id="a.b-c_d")),
    (
        {"action": "write_sensor", "name": "x", "script": "#!/bin/sh\n"},
        WriteSensor(name="x", script="#!/bin/sh\n"),
    ),
    ({"action": "write_playbook", "body": "p"}, WritePlaybook(body="p")),
    ({"action": "ask_human", "prompt": "really?"}, AskHuman(prompt="really?")),
    (
        {
            "action": "ask_human",
            "prompt": "which?",
            "options": ["a", "b"],
            "ref": "run-1",
            "severity": "high",
        },
        AskHuman(prompt="which?", options=("a", "b"), ref="run-1", severity="high"),
    ),
    ({"action": "send_notification", "message": "hi"}, SendNotification(message="hi")),
    (
        {"action": "send_notification", "message": "hi", "id": "n1", "severity": "low"},
        SendNotification(message="hi", id="n1", severity="low"),
    ),
    ({"action": "write_schedule", "name": "t", "in_s": 60}, WriteSchedule(name="t", in_s=60)),
    (
        {"action": "write_schedule", "name": "t", "every_s": 60, "note": "n", "catch_up": "skip"},
        WriteSchedule(name="t", every_s=60, note="n", catch_up="skip"),
    ),
    (
        {"action": "write_schedule", "name": "t", "cron": "0 9 * * 1-5"},
        WriteSchedule(name="t", cron="0 9 * * 1-5"),
    ),
    ({"action": "drop_schedule", "name": "t"}, DropSchedule(name="t")),
    ({"action": "start_worker", "id": "w1", "prompt": "do"}, StartWorker(id="w1", prompt="do")),
    (
        {
            "action": "start_worker",
            "id": "looop-w1",
            "prompt": "do",
            "runner": "claude",
            "command": "mine {{prompt_file}}",
            "verify": "make test",
            "workspace": "worktree:/repo@main",
        },
        StartWorker(
            id="w1",
            prompt="do",
            runner="claude",
            command="mine {{prompt_file}}",
            verify="make test",
            workspace="worktree:/repo@main",
        ),
    ),
    (
        {"action": "steer_session", "id": "w1", "input": "go on"},
        SteerSession(id="w1", input="go on"),
    ),
    (
        {"action": "send_key", "id": "w1", "keys": ["Up", "Enter"]},
        SendKey(id="w1", keys=("Up", "Enter")),
    ),
    (
        {"action": "restart_session", "id": "looop-w1", "reason": "it hangs"},
        RestartSession(id="w1", reason="it hangs"),
    ),
    ({"action": "kill_worker", "id": "w1"}, KillWorker(id="w1")),
]


def problems(value: Any) -> list[str]:
    """Everything that is wrong with a value; fails the test if nothing is."""
    with pytest.raises(BadDecision) as caught:
        decision.from_value(value)
    assert caught.value.problems
    return caught.value.problems


def bad(text: str) -> list[str]:
    with pytest.raises(BadDecision) as caught:
        decision.parse(text)
    return caught.value.problems


# -- what is accepted --------------------------------------------------------------------------


def test_the_examples_cover_every_action() -> None:
    assert {type(meant) for _, meant in FULL} == set(get_args(Action))
    assert {str(written["action"]) for written, _ in FULL} == set(ACTIONS)


@pytest.mark.parametrize(("written", "meant"), FULL)
def test_every_action_is_understood(written: dict[str, Any], meant: Action) -> None:
    assert decision.parse(json.dumps(written)) == Decision(action=meant)


@pytest.mark.parametrize(("written", "meant"), FULL)
def test_a_move_wrapper_is_taken_off(written: dict[str, Any], meant: Action) -> None:
    riders = {"journal": "why", "goal": "g", "next_interval_s": 30}
    wrapped = {"move": {**written, **riders}}

    assert decision.parse(json.dumps(wrapped)) == Decision(
        action=meant, journal="why", goal="g", next_interval_s=30
    )


@pytest.mark.parametrize(("_written", "meant"), FULL)
def test_what_is_kept_of_an_action_means_the_same_action(_written: Any, meant: Action) -> None:
    again = decision.from_value(actions.as_dict(meant)).action

    assert again == meant
    assert actions.digest(again) == actions.digest(meant)


@pytest.mark.parametrize(("written", "meant"), FULL)
def test_null_stands_for_left_out(written: dict[str, Any], meant: Action) -> None:
    names = [spec.name for spec in msgspec.structs.fields(type(meant))]
    nulls: dict[str, Any] = dict.fromkeys([*names, "journal", "goal", "next_interval_s"])

    assert decision.from_value({**nulls, **written}) == Decision(action=meant)


def test_fields_that_nobody_knows_are_passed_over() -> None:
    assert decision.from_value({"action": "noop", "confidence": 0.9, "move": 1}).action == Noop()


@pytest.mark.parametrize("seconds", [0, 30, 30.0, 10**8])
def test_an_interval_is_a_whole_number_however_it_is_written(seconds: float) -> None:
    made = decision.from_value({"action": "noop", "next_interval_s": seconds})

    assert made.next_interval_s == int(seconds)


# -- fences and prose --------------------------------------------------------------------------

NOOP = '{"action": "noop"}'


@pytest.mark.parametrize(
    "text",
    [
        NOOP,
        f"\n  {NOOP}\n\n",
        f"```\n{NOOP}\n```",
        f"```json\n{NOOP}\n```\n",
        f"```JSON  \n\n{NOOP}\n\n```",
    ],
)
def test_one_fence_around_a_decision_is_taken_off(text: str) -> None:
    assert decision.parse(text).action == Noop()


@pytest.mark.parametrize(
    "text",
    [
        f"```\n```json\n{NOOP}\n```\n```",
        f"```json\n{NOOP}",
        f"{NOOP}\n```",
        f"Here is my decision:\n{NOOP}",
        f"{NOOP}\nI hope this helps.",
        f"Sure!\n```json\n{NOOP}\n```",
        f"```json\n{NOOP}\n```\nDone.",
        f"{NOOP}\n{NOOP}",
        "",
        "   \n",
        "noop",
        "null",
        "[]",
        f"[{NOOP}]",
        '"noop"',
        "{'action': 'noop'}",
        '{"action": "noop",}',
        '{"action": "noop"} // why',
        '{"action": NaN}',
    ],
)
def test_everything_else_around_a_decision_is_an_error(text: str) -> None:
    (problem,) = bad(text)

    assert problem.startswith("the decision is not ")


def test_a_fence_inside_a_body_stays() -> None:
    body = "```sh\nls\n```\n"

    text = json.dumps({"action": "write_playbook", "body": body})

    assert decision.parse(f"```json\n{text}\n```").action == WritePlaybook(body=body)


def test_a_decision_beyond_a_megabyte_is_not_even_parsed() -> None:
    (problem,) = bad(json.dumps({"action": "write_playbook", "body": "x" * (1 << 20)}))

    assert "larger than" in problem


# -- what is wrong is named --------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["start_rocket", "", "NOOP", None, 3, [], {}, True])
def test_an_unknown_action_lists_the_known_ones(tag: Any) -> None:
    (problem,) = problems({"action": tag})

    assert problem.startswith("action: ")
    assert all(known in problem for known in ACTIONS)


def test_a_missing_action_lists_the_known_ones() -> None:
    (problem,) = problems({"cmd": "date"})

    assert all(known in problem for known in ACTIONS)


@pytest.mark.parametrize("tag", ACTIONS)
def test_every_missing_field_is_named(tag: str) -> None:
    required = [s.name for s in msgspec.structs.fields(ACTIONS[tag][0]) if s.required]
    if tag == "noop":
        assert required == []
        return

    found = problems({"action": tag})

    for name in required:
        assert f"{name}: is missing" in found


@pytest.mark.parametrize("tag", ACTIONS)
@pytest.mark.parametrize("wrong", [3.5, {"a": 1}, True], ids=str)
def test_every_ill_typed_field_is_named(tag: str, wrong: Any) -> None:
    names = [spec.name for spec in msgspec.structs.fields(ACTIONS[tag][0])]

    found = problems({"action": tag, **dict.fromkeys(names, wrong)})

    assert {problem.partition(":")[0] for problem in found} >= set(names)


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        {
            "action": "write_goal",
            "id": "../x",
            "body": 7,
            "journal": ["no"],
            "goal": "a b",
            "next_interval_s": -1,
        }
    )

    assert sorted(problem.partition(":")[0] for problem in found) == [
        "body",
        "goal",
        "id",
        "journal",
        "next_interval_s",
    ]


@pytest.mark.parametrize(
    ("rider", "value"),
    [
        ("journal", 3),
        ("journal", ["a"]),
        ("goal", 3),
        ("goal", "../x"),
        ("goal", "a\nb"),
        ("next_interval_s", "30"),
        ("next_interval_s", True),
        ("next_interval_s", 1.5),
        ("next_interval_s", -1),
        ("next_interval_s", 10**12),
        ("next_interval_s", 1e300),
        ("next_interval_s", float("inf")),
        ("next_interval_s", float("nan")),
    ],
)
def test_what_rides_along_is_checked_too(rider: str, value: Any) -> None:
    (problem,) = problems({"action": "noop", rider: value})

    assert problem.startswith(f"{rider}: ")


@pytest.mark.parametrize(
    "ident",
    [
        "",
        ".",
        "..",
        "../escape",
        "/etc/passwd",
        "a/b",
        "a\\b",
        ".hidden",
        "-rf",
        "a b",
        "a\nb",
        "a\0b",
        "é",
        "x" * 65,
        "~",
        "$HOME",
        "a;b",
    ],
)
@pytest.mark.parametrize(
    ("tag", "field"),
    [
        ("write_goal", "id"),
        ("archive_goal", "id"),
        ("write_sensor", "name"),
        ("write_schedule", "name"),
        ("drop_schedule", "name"),
        ("send_notification", "id"),
    ],
)
def test_an_id_that_could_escape_is_refused(tag: str, field: str, ident: str) -> None:
    rest = {"body": "x", "script": "x", "in_s": 5, "message": "x"}

    assert any(p.startswith(f"{field}: ") for p in problems({"action": tag, **rest, field: ident}))


@pytest.mark.parametrize(
    ("tag", "field"),
    [
        ("run_shell", "cmd"),
        ("write_goal", "body"),
        ("write_sensor", "script"),
        ("write_playbook", "body"),
        ("ask_human", "prompt"),
        ("send_notification", "message"),
    ],
)
@pytest.mark.parametrize("empty", ["", " \n\t "])
def test_a_text_that_says_nothing_is_refused(tag: str, field: str, empty: str) -> None:
    value = {"action": tag, "id": "a", "name": "a", field: empty}

    assert problems(value) == [f"{field}: is empty"]


@pytest.mark.parametrize("field", ["cmd", "reason", "probe"])
def test_a_nul_character_is_refused(field: str) -> None:
    value = {"action": "run_shell", "cmd": "date", field: "a\0b"}

    assert problems(value) == [f"{field}: contains a NUL character"]


@pytest.mark.parametrize(
    ("timing", "word"),
    [
        ({}, "exactly one"),
        ({"in_s": 5, "every_s": 600}, "exactly one"),
        ({"in_s": 5, "cron": "* * * * *"}, "exactly one"),
        ({"in_s": 5, "every_s": 600, "cron": "* * * * *"}, "exactly one"),
        ({"in_s": None, "every_s": None, "cron": None}, "exactly one"),
        ({"in_s": 0}, "above 0"),
        ({"in_s": -5}, "above 0"),
        ({"in_s": 10**12}, "above 0"),
        ({"every_s": 0}, "above 0"),
        ({"every_s": 59}, "at least 60"),
        ({"cron": ""}, "five fields"),
        ({"cron": "* * * *"}, "five fields"),
        ({"cron": "99 * * * *"}, "never comes"),
        ({"cron": "0 0 31 2 *"}, "never comes"),
        ({"cron": "@daily"}, "five fields"),
    ],
)
def test_a_timer_says_when_in_exactly_one_way(timing: dict[str, Any], word: str) -> None:
    (problem,) = problems({"action": "write_schedule", "name": "t", **timing})

    assert word in problem


@pytest.mark.parametrize(
    ("action", "record"),
    [
        (WriteSchedule(name="t", in_s=60), Schedule(at=1060.0)),
        (
            WriteSchedule(name="t", every_s=60, note="n"),
            Schedule(every_s=60.0, anchor=1000.0, note="n"),
        ),
        (
            WriteSchedule(name="t", cron="0 9 * * *", catch_up="skip"),
            Schedule(cron="0 9 * * *", anchor=1000.0, catch_up="skip"),
        ),
    ],
)
def test_a_timer_is_anchored_to_the_moment_it_is_written(
    action: WriteSchedule, record: Schedule
) -> None:
    assert decision.as_schedule(action, 1000.0) == record


# -- nothing breaks it -------------------------------------------------------------------------

KEYS = (
    "action move id name body script cmd probe reason prompt options ref severity message "
    "in_s every_s cron note catch_up journal goal next_interval_s x"
)
keys = st.sampled_from(KEYS.split())
leaves: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from([*ACTIONS, "high", "skip", "a", "../a", "\0", "\ud800", "* * * * *"]),
    st.binary(max_size=3),
    st.just(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)),
)
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=10,
)
objects: st.SearchStrategy[Any] = st.dictionaries(keys, values, max_size=8)


@st.composite
def tagged(draw: st.DrawFn) -> Any:
    return {**draw(objects), "action": draw(st.sampled_from(list(ACTIONS)))}


def problem_of(attempt: Callable[[], Decision]) -> BadDecision | Decision:
    try:
        return attempt()
    except BadDecision as error:
        return error


def check(value: Any) -> None:
    """A value is either a decision that means itself again, or bad for a reason."""
    made = problem_of(lambda: decision.from_value(value))
    if isinstance(made, BadDecision):
        assert made.problems
        assert str(made)
    else:
        assert type(made.action) in get_args(Action)
        assert decision.from_value(actions.as_dict(made.action)).action == made.action


@settings(max_examples=150, deadline=None, derandomize=True)
@given(tagged() | objects | values)
def test_no_value_raises_anything_but_a_bad_decision(value: Any) -> None:
    check(value)


def wild(dice: random.Random, depth: int = 0) -> Any:
    """Any value that JSON, TOML or a careless caller could hand over."""
    if depth < 3 and dice.random() < 0.3:
        if dice.random() < 0.3:
            return [wild(dice, depth + 1) for _ in range(dice.randrange(4))]
        return {dice.choice(KEYS.split()): wild(dice, depth + 1) for _ in range(dice.randrange(6))}
    return dice.choice(WILD)


WILD: list[Any] = [
    *(None, True, False, 0, 1, -1, 60, 3600, 10**25, -(10**25), 0.5, 60.0, 1e300),
    *(float("nan"), float("inf"), "", " ", "a", "a b", "../a", "\0", "a\0b", "\ud800", "é\u2028"),
    *("high", "skip", "once", "* * * * *", "0 0 31 2 *", "x" * 5000, b"bytes", (), ("a",), {"a"}),
    *(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.date(2026, 1, 1), object, 1j),
    *ACTIONS,
]


def test_two_thousand_wild_moves_raise_nothing_but_bad_decisions() -> None:
    dice = random.Random(2026)
    for _ in range(2000):
        move: dict[str, Any] = {name: wild(dice) for name in dice.sample(KEYS.split(), 7)}
        move["action"] = dice.choice([*ACTIONS, wild(dice)])
        check({"move": move} if dice.random() < 0.2 else move)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=60) | st.text(alphabet='`{}[]",:action noopmve\\u0d8\n', max_size=60))
def test_no_text_raises_anything_but_a_bad_decision(text: str) -> None:
    made = problem_of(lambda: decision.parse(text))

    assert isinstance(made, Decision) or made.problems


@pytest.mark.parametrize("depth", [50, 400, 900, 990, 1100, 100_000])
@pytest.mark.parametrize(
    "shape",
    ['{"action": %s}', '{"action": "noop", "reason": %s}', '{"move": %s}', "%s"],
)
def test_deep_nesting_is_a_bad_decision(shape: str, depth: int) -> None:
    assert bad(shape % ("[" * depth + "]" * depth))
    assert bad(shape % ('{"move":' * depth + "1" + "}" * depth))


def test_no_depth_at_the_very_edge_of_the_stack_gets_through() -> None:
    for depth in range(850, sys.getrecursionlimit() + 5):
        deep = "[" * depth + "]" * depth
        assert bad(f'{{"action": {deep}}}')
        assert bad(f'{{"action": "noop", "reason": {deep}}}')


@pytest.mark.parametrize("digits", [19, 25, 4000, 5000])
def test_huge_numbers_are_bad_decisions(digits: int) -> None:
    for field in ("next_interval_s", "in_s"):
        text = '{"action": "write_schedule", "name": "t", "every_s": 60, "%s": %s}'
        assert bad(text % (field, "9" * digits))


def test_a_lone_surrogate_does_not_reach_a_file() -> None:
    assert decision.parse('{"action": "noop", "reason": "\ud800"}').action == Noop(reason="?")
    assert bad('{"action": "noop", "reason": "\\ud800"}')


# -- the schema --------------------------------------------------------------------------------


def moves() -> dict[str, dict[str, Any]]:
    found = decision.schema()["properties"]["move"]["anyOf"]
    return {one["properties"]["action"]["enum"][0]: one for one in found}


def test_the_schema_has_every_action() -> None:
    assert list(moves()) == list(ACTIONS)
    assert decision.schema()["required"] == ["move"]
    assert decision.schema()["additionalProperties"] is False


@pytest.mark.parametrize("tag", ACTIONS)
def test_every_property_is_required_and_no_other_is_allowed(tag: str) -> None:
    one = moves()[tag]
    names = [spec.name for spec in msgspec.structs.fields(ACTIONS[tag][0])]

    assert one["required"] == list(one["properties"])
    assert one["required"] == ["action", *names, "journal", "goal", "next_interval_s"]
    assert one["additionalProperties"] is False
    assert one["description"]


@pytest.mark.parametrize("tag", ACTIONS)
def test_exactly_the_optional_fields_may_be_null(tag: str) -> None:
    one = moves()[tag]

    for spec in msgspec.structs.fields(ACTIONS[tag][0]):
        kind = one["properties"][spec.name]["type"]
        assert ("null" in kind) is not spec.required, spec.name


def test_the_schema_is_plain_json() -> None:
    assert json.loads(json.dumps(decision.schema())) == decision.schema()


def instance(spec: dict[str, Any], name: str, draw: Any) -> Any:
    """A value that the schema allows, and that means something where the schema cannot say so."""
    kinds: list[str] = spec["type"] if "null" in spec["type"] else [spec["type"]]
    if "null" in kinds and draw(st.booleans()):
        return None
    if "enum" in spec:
        return draw(st.sampled_from([v for v in spec["enum"] if v is not None]))
    if "array" in kinds:
        return draw(st.lists(st.text(alphabet="ab é", max_size=4), min_size=1, max_size=3))
    if "integer" in kinds:
        return draw(st.integers(60, 10**6))
    if name in ("id", "name", "goal"):
        return draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True))
    return "x" + draw(st.text(alphabet="xyz é\n", max_size=8))


@st.composite
def allowed(draw: Any) -> dict[str, Any]:
    tag = draw(st.sampled_from(list(ACTIONS)))
    made = {name: instance(s, name, draw) for name, s in moves()[tag]["properties"].items()}
    if tag == "write_schedule":
        only = draw(st.sampled_from(["in_s", "every_s", "cron"]))
        made |= {"in_s": None, "every_s": None, "cron": None}
        made[only] = "5 4 * * *" if only == "cron" else 600
    return {"move": made}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(allowed())
def test_what_the_schema_allows_is_understood(value: dict[str, Any]) -> None:
    made = decision.parse(json.dumps(value))

    assert actions.tag_of(made.action) == value["move"]["action"]
    assert made.journal == value["move"]["journal"]
