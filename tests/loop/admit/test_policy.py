"""The built-in policy: what each level lets run, and the floors that nothing lifts."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.config import Autonomy
from looop.loop.admit import policy, rules
from looop.loop.admit.policy import Request, strictness
from looop.loop.admit.rules import Rules
from looop.loop.admit.shell import ShellFacts, analyse
from looop.model.actions import (
    Action,
    ArchiveGoal,
    AskHuman,
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
from looop.model.records import Origin, Verdict
from looop.model.world import Trust

LEVELS: tuple[Autonomy, ...] = ("trusted", "guarded", "supervised")
FACTS: dict[str, Any] = {
    "sensors": {}, "asks": {}, "goals": {}, "schedules": {}, "budget": {}, "changed": [], "now": 0,
}  # fmt: skip

READS = ShellFacts(understood=True, read_only=True, programs=("ls",))
WRITES = ShellFacts(understood=True, read_only=False, why="touch writes", programs=("touch",))
OBSCURE = ShellFacts(understood=False, read_only=False, why="eval of a variable")
DEADLY = ShellFacts(understood=True, read_only=False, catastrophic=("removes /: rm",), why="rm")

SHELL = RunShell(cmd="x")
SENSOR = WriteSensor(name="x", script="x")
EVERY: list[Action] = [
    Noop(),
    SHELL,
    WriteGoal(id="a", body="b"),
    ArchiveGoal(id="a"),
    SENSOR,
    WritePlaybook(body="b"),
    AskHuman(prompt="p"),
    SendNotification(message="m"),
    WriteSchedule(name="t", in_s=60),
    DropSchedule(name="t"),
    StartWorker(id="w", prompt="p"),
    SteerSession(id="w", input="i"),
    SendKey(id="w", keys=("Enter",)),
    RestartSession(id="w"),
    KillWorker(id="w"),
]


def request(
    action: Action,
    autonomy: Autonomy = "guarded",
    *,
    origin: Origin = "runner",
    taint: Trust = "own",
    shells: dict[str, ShellFacts] | None = None,
) -> Request:
    if shells is None:
        shells = {}
        if isinstance(action, RunShell | WriteSensor):
            shells = {"cmd" if isinstance(action, RunShell) else "script": READS}
    return Request(action=action, origin=origin, autonomy=autonomy, taint=taint, shells=shells)


def word(action: Action, autonomy: Autonomy = "guarded", **fields: Any) -> policy.Word:
    return policy.builtin(request(action, autonomy, **fields)).verdict


def test_the_table_below_names_every_action() -> None:
    assert {type(action) for action in EVERY} == set(get_args(Action))


@pytest.mark.parametrize(
    ("action", "supervised", "guarded", "trusted"),
    [
        (Noop(), "allow", "allow", "allow"),
        (AskHuman(prompt="p"), "allow", "allow", "allow"),
        (SendNotification(message="m"), "allow", "allow", "allow"),
        (WriteSchedule(name="t", in_s=60), "allow", "allow", "allow"),
        (DropSchedule(name="t"), "allow", "allow", "allow"),
        (WriteGoal(id="a", body="b"), "hold", "allow", "allow"),
        (ArchiveGoal(id="a"), "hold", "allow", "allow"),
        (SHELL, "hold", "allow", "allow"),
        (SENSOR, "hold", "hold", "allow"),
        (WritePlaybook(body="b"), "hold", "hold", "allow"),
    ],
)
def test_what_each_level_says_of_each_action(
    action: Action, supervised: str, guarded: str, trusted: str
) -> None:
    assert (word(action, "supervised"), word(action, "guarded"), word(action, "trusted")) == (
        supervised,
        guarded,
        trusted,
    )


@pytest.mark.parametrize(
    ("facts", "supervised", "guarded", "trusted"),
    [
        (READS, "hold", "allow", "allow"),
        (WRITES, "hold", "hold", "allow"),
        (OBSCURE, "hold", "hold", "allow"),
        (DEADLY, "deny", "deny", "hold"),
    ],
    ids=["reads", "writes", "obscure", "deadly"],
)
@pytest.mark.parametrize("field", ["cmd", "probe"])
def test_what_each_level_says_of_shell(
    facts: ShellFacts, supervised: str, guarded: str, trusted: str, field: str
) -> None:
    shells = {"cmd": READS, field: facts}

    said = [word(SHELL, level, shells=shells) for level in ("supervised", "guarded", "trusted")]

    assert said == [supervised, guarded, trusted]


def test_a_sensor_with_a_deadly_script_is_refused_like_a_command() -> None:
    said = [word(SENSOR, level, shells={"script": DEADLY}) for level in LEVELS]

    assert said == ["hold", "deny", "deny"]


def test_a_command_that_nobody_analysed_is_not_taken_for_read_only() -> None:
    verdict = policy.builtin(request(SHELL, shells={}))

    assert (verdict.verdict, verdict.reason) == ("hold", "the command was not analysed")


def test_a_verdict_says_which_rule_and_why() -> None:
    held = policy.builtin(request(SHELL, shells={"cmd": WRITES}))
    denied = policy.builtin(request(SHELL, shells={"cmd": DEADLY}))

    assert held.rule == "guarded:shell"
    assert "touch writes" in held.reason
    assert (denied.rule, denied.reason, denied.severity) == (
        "guarded:catastrophic",
        "removes /: rm",
        "high",
    )


# -- taint -------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", EVERY)
@pytest.mark.parametrize("taint", ["own", "repo"])
def test_what_is_ours_or_the_repositorys_changes_no_verdict(action: Action, taint: Trust) -> None:
    assert word(action, taint=taint) == word(action)


def test_text_of_strangers_holds_what_reaches_beyond_goals_and_asks() -> None:
    said = {type(action).__name__: word(action, taint="public") for action in EVERY}

    assert {name for name, verdict in said.items() if verdict == "allow"} == {
        "Noop",
        "AskHuman",
        "SendNotification",
        "WriteSchedule",
        "DropSchedule",
        "WriteGoal",
        "ArchiveGoal",
    }
    assert set(said.values()) == {"allow", "hold"}


def test_a_verdict_carries_the_taint() -> None:
    verdict = policy.builtin(request(SHELL, taint="public"))

    assert (verdict.rule, verdict.taint) == ("guarded:taint", "public")


# -- a human's own hand ------------------------------------------------------------------------


@pytest.mark.parametrize("action", EVERY)
@pytest.mark.parametrize("autonomy", LEVELS)
def test_a_human_may_do_what_a_level_would_hold(action: Action, autonomy: Autonomy) -> None:
    assert word(action, autonomy, origin="human", taint="public") == "allow"


@pytest.mark.parametrize("autonomy", LEVELS)
def test_a_catastrophe_is_refused_even_to_a_human(autonomy: Autonomy) -> None:
    verdict = policy.builtin(request(SHELL, autonomy, origin="human", shells={"cmd": DEADLY}))

    assert (verdict.verdict, verdict.rule) == ("deny", "human:catastrophic")
    assert "in a shell of your own" in verdict.reason


@pytest.mark.parametrize("facts", [WRITES, OBSCURE])
def test_a_human_needs_no_list_of_harmless_commands(facts: ShellFacts) -> None:
    assert word(SHELL, origin="human", shells={"cmd": facts}) == "allow"


# -- floors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", policy.PROTECTED)
@pytest.mark.parametrize(
    "command",
    [
        "echo x > {}",
        "echo x > ./{}",
        'echo x >> "$LOOOP_DATA_DIR/{}"',
        "cp other {}",
        "rm -f {}",
        "sed -i s/a/b/ {}",
        "python3 -c \"open('{}', 'w')\"",
        "mv {} away",
        "f={}; echo x > $f",
        "tee {} < other",
        "bash -c 'echo x > {}'",
        "ln -sf other {}",
    ],
)
@pytest.mark.parametrize("field", ["cmd", "probe", "script"])
def test_nothing_that_a_move_runs_may_write_a_policy_file(
    name: str, command: str, field: str
) -> None:
    text = command.format(name)
    shells = {field: analyse(text)}
    action: Action = WriteSensor(name="x", script=text)
    if field != "script":
        action = RunShell(cmd=text) if field == "cmd" else RunShell(cmd="true", probe=text)

    for autonomy in LEVELS:
        hard = policy.floor(request(action, autonomy, shells=shells))
        assert hard is not None
        assert (hard.verdict, hard.rule, hard.severity) == ("deny", "floor:policy-files", "high")
        assert name in hard.reason
        assert field in hard.reason


@pytest.mark.parametrize("name", policy.PROTECTED)
def test_reading_a_policy_file_is_no_offence(name: str) -> None:
    text = f"cat {name}"

    assert policy.floor(request(RunShell(cmd=text), shells={"cmd": analyse(text)})) is None


def test_a_file_that_is_only_touched_counts_too() -> None:
    hidden = ShellFacts(understood=True, read_only=False, touches=("/data/config.toml",))

    assert policy.floor(request(RunShell(cmd="computed"), shells={"cmd": hidden})) is not None


def test_naming_a_policy_file_in_prose_is_no_offence() -> None:
    goal = WriteGoal(id="a", body="look after config.toml\n")

    assert policy.floor(request(goal)) is None
    assert policy.floor(request(AskHuman(prompt="may I change admission.toml?"))) is None


# -- properties --------------------------------------------------------------------------------

facts_of_shell = st.sampled_from([READS, WRITES, OBSCURE, DEADLY]) | st.builds(
    ShellFacts,
    understood=st.booleans(),
    read_only=st.booleans(),
    catastrophic=st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
    why=st.sampled_from(["", "why"]),
    touches=st.lists(st.sampled_from(["x", "config.toml", "/d/reflexes.toml"])).map(tuple),
)
fields_of_shell = st.dictionaries(st.sampled_from(["cmd", "probe", "script"]), facts_of_shell)
trusts = st.sampled_from(get_args(Trust))
origins: st.SearchStrategy[Origin] = st.sampled_from(get_args(Origin))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(EVERY), fields_of_shell, trusts, origins)
def test_a_stricter_level_is_never_laxer(
    action: Action, shells: dict[str, ShellFacts], taint: Trust, origin: Origin
) -> None:
    def with_floors(asked: Request) -> Verdict:
        return rules.admit(asked, Rules(), FACTS)

    for judge in (policy.builtin, with_floors):
        said = [
            strictness(judge(request(action, a, origin=origin, taint=taint, shells=shells)).verdict)
            for a in LEVELS
        ]
        assert said == sorted(said)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(EVERY), fields_of_shell, st.sampled_from(LEVELS), origins)
def test_less_trusted_text_is_never_a_reason_to_allow(
    action: Action, shells: dict[str, ShellFacts], autonomy: Autonomy, origin: Origin
) -> None:
    said = [
        strictness(word(action, autonomy, origin=origin, taint=taint, shells=shells))
        for taint in ("own", "repo", "public")
    ]
    assert said == sorted(said)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(EVERY), fields_of_shell, st.sampled_from(LEVELS), trusts)
def test_more_that_is_dangerous_is_never_a_reason_to_allow(
    action: Action, shells: dict[str, ShellFacts], autonomy: Autonomy, taint: Trust
) -> None:
    before = request(action, autonomy, taint=taint, shells={"cmd": READS, **shells})
    after = request(action, autonomy, taint=taint, shells={"cmd": READS, **shells, "more": DEADLY})

    assert strictness(policy.builtin(after).verdict) >= strictness(policy.builtin(before).verdict)


@pytest.mark.parametrize("touched", ["*.toml", "/p/conf*", "adm[i]ssion.toml"])
def test_a_pattern_that_may_be_a_protected_file_is_taken_for_it(touched: str) -> None:
    facts = ShellFacts(understood=True, read_only=False, touches=(touched,))

    verdict = policy.floor(request(RunShell(cmd="rm x"), "trusted", shells={"cmd": facts}))

    assert verdict is not None
    assert verdict.verdict == "deny"
