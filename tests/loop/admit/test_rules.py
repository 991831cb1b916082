"""`admission.toml`: a human's own rules, their order, their modes, and what breaks them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.config import Autonomy
from looop.loop.admit import rules
from looop.loop.admit.policy import Request
from looop.loop.admit.rules import Rules
from looop.loop.admit.shell import ShellFacts, analyse
from looop.model.actions import (
    Action,
    ArchiveGoal,
    AskHuman,
    Noop,
    RunShell,
    SendNotification,
    WriteGoal,
    WritePlaybook,
    WriteSchedule,
    WriteSensor,
)
from looop.model.records import Origin, Verdict
from looop.model.world import Trust

FACTS: dict[str, Any] = {
    "sensors": {"x": {"signal": {"n": 1}, "detail": None, "ok": True, "trust": "own"}},
    "asks": {"pending": ["loop-1"], "answered": []},
    "goals": {"g": {"title": "g", "age_s": None}},
    "schedules": {"t": "due"},
    "budget": {"state": "open"},
    "changed": ["playbook"],
    "now": 1_700_000_000,
}
HARMLESS: list[Action] = [Noop(), AskHuman(prompt="p"), SendNotification(message="m")]
OF_WEIGHT: list[Action] = [
    RunShell(cmd="ls"),
    WriteGoal(id="a", body="b"),
    ArchiveGoal(id="a"),
    WriteSensor(name="x", script="x"),
    WritePlaybook(body="b"),
    WriteSchedule(name="t", in_s=60),
]
LEVELS: tuple[Autonomy, ...] = ("trusted", "guarded", "supervised")


def rule(when: str = "true", verdict: str = "deny", name: str = "r", extra: str = "") -> str:
    return f"[[rule]]\nname = '{name}'\nwhen = '''{when}'''\nverdict = '{verdict}'\n{extra}\n"


def loaded(*texts: str) -> Rules:
    found = rules.load("\n".join(texts))
    assert found.broken == ""
    return found


def request(
    action: Action,
    *,
    autonomy: Autonomy = "trusted",
    origin: Origin = "runner",
    taint: Trust = "own",
    goal: str = "",
) -> Request:
    shells: dict[str, ShellFacts] = {}
    if isinstance(action, RunShell):
        shells["cmd"] = analyse(action.cmd)
        if isinstance(action.probe, str):
            shells["probe"] = analyse(action.probe)
    if isinstance(action, WriteSensor):
        shells["script"] = analyse(action.script)
    return Request(
        action=action, origin=origin, autonomy=autonomy, taint=taint, goal=goal, shells=shells
    )


def admit(action: Action, *texts: str, **fields: Any) -> Verdict:
    return rules.admit(request(action, **fields), loaded(*texts), FACTS)


# -- loading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "# nothing\n", "rule = []\n"])
def test_a_file_without_rules_changes_nothing(text: str) -> None:
    assert rules.load(text) == Rules()


def test_a_rule_has_a_name_a_condition_and_a_verdict() -> None:
    (one,) = loaded(
        rule(extra="reason = 'because'\nseverity = 'high'\nmode = 'warn'", verdict="hold")
    ).rules

    assert (one.name, one.verdict, one.reason, one.severity, one.mode) == (
        "r",
        "hold",
        "because",
        "high",
        "warn",
    )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[[rule]]\nwhen = 'true'\nverdict = 'deny'", "`name`"),
        ("[[rule]]\nname = 'x'\nverdict = 'deny'", "x: "),
        ("[[rule]]\nname = 'x'\nwhen = 'true'", "x: "),
        (rule(verdict="maybe", name="x"), "x: "),
        (rule(name="x", extra="mode = 'later'"), "x: "),
        (rule(name="x", extra="severity = 'extreme'"), "x: "),
        (rule(name="x", extra="verdic = 'deny'"), "verdic"),
        (rule("1 +", name="x"), "at 1:"),
        (rule("action.cmd == shel.why", name="x"), "undeclared reference"),
        ("[[rule]]\nname = 'x'\nwhen = 3\nverdict = 'deny'", "x: "),
    ],
)
def test_the_first_broken_rule_breaks_the_file_and_is_named_with_its_line(
    broken: str, said: str
) -> None:
    text = "# mine\n\n" + rule(name="fine") + broken + "\n"

    found = rules.load(text)

    line = 1 + text[: text.index(broken)].count("\n")
    assert found.rules == ()
    assert found.broken.startswith(f"admission.toml:{line}: ")
    assert said in found.broken


@pytest.mark.parametrize(
    "text", ["[[rule]\n", "rule = 3\n", "[rule]\n", "colour = 1\n", "rule=[1]"]
)
def test_a_file_that_cannot_be_meant_is_broken(text: str) -> None:
    assert rules.load(text).broken.startswith("admission.toml")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet="[]rule=\n'\"namewhvdct 0", max_size=100))
def test_no_file_breaks_the_loader(text: str) -> None:
    found = rules.load(text)

    assert found.broken or found.rules == () or all(one.name for one in found.rules)


# -- a file that cannot be read ----------------------------------------------------------------

BROKEN = Rules(broken="admission.toml:3: nonsense")


@pytest.mark.parametrize("action", OF_WEIGHT)
@pytest.mark.parametrize("autonomy", LEVELS)
@pytest.mark.parametrize("origin", ["runner", "reflex", "loop"])
def test_a_broken_file_holds_every_move_of_weight(
    action: Action, autonomy: Autonomy, origin: Origin
) -> None:
    verdict = rules.admit(request(action, autonomy=autonomy, origin=origin), BROKEN, FACTS)

    assert (verdict.verdict, verdict.rule, verdict.severity) == ("hold", "broken-rules", "high")
    assert verdict.reason == "admission.toml:3: nonsense"


@pytest.mark.parametrize("action", HARMLESS)
@pytest.mark.parametrize("autonomy", LEVELS)
def test_a_broken_file_stops_nothing_that_only_tells_a_human(
    action: Action, autonomy: Autonomy
) -> None:
    assert rules.admit(request(action, autonomy=autonomy), BROKEN, FACTS).verdict == "allow"


def test_a_broken_file_makes_nothing_laxer() -> None:
    deadly = RunShell(cmd="rm -rf /")

    verdict = rules.admit(request(deadly, autonomy="guarded"), BROKEN, FACTS)

    assert (verdict.verdict, verdict.rule) == ("deny", "guarded:catastrophic")


def test_a_broken_file_does_not_lock_the_human_out() -> None:
    verdict = rules.admit(request(WritePlaybook(body="b"), origin="human"), BROKEN, FACTS)

    assert verdict.verdict == "allow"


# -- order and modes ---------------------------------------------------------------------------


def test_the_first_rule_that_matches_wins() -> None:
    texts = (
        rule("false", "deny", "never"),
        rule("action.action == 'write_goal'", "hold", "goals", "reason = 'ask me'"),
        rule("true", "deny", "rest"),
    )

    held = admit(WriteGoal(id="a", body="b"), *texts)
    denied = admit(ArchiveGoal(id="a"), *texts)

    assert (held.verdict, held.rule, held.reason) == ("hold", "goals", "ask me")
    assert (denied.verdict, denied.rule) == ("deny", "rest")
    assert denied.reason == "a rule of admission.toml says deny"


def test_where_no_rule_matches_the_level_decides() -> None:
    verdict = admit(WritePlaybook(body="b"), rule("false"), autonomy="guarded")

    assert verdict.rule == "guarded:playbook"


@pytest.mark.parametrize("verdict", ["allow", "hold", "deny"])
@pytest.mark.parametrize("autonomy", LEVELS)
def test_a_rule_stands_before_the_level(verdict: str, autonomy: Autonomy) -> None:
    said = admit(WritePlaybook(body="b"), rule(verdict=verdict), autonomy=autonomy)

    assert (said.verdict, said.rule) == (verdict, "r")


def test_a_rule_that_is_only_watched_does_not_bite() -> None:
    verdict = admit(
        WriteGoal(id="a", body="b"),
        rule(name="one", extra="mode = 'shadow'"),
        rule(name="two", verdict="hold", extra="mode = 'warn'"),
        rule("false", name="three", extra="mode = 'shadow'"),
        autonomy="guarded",
    )

    assert (verdict.verdict, verdict.rule) == ("allow", "guarded:goal")
    assert verdict.shadow == ("shadow: one would deny", "warn: two would hold")


def test_what_watched_rules_would_say_is_kept_when_another_one_bites() -> None:
    verdict = admit(
        WriteGoal(id="a", body="b"),
        rule(name="one", extra="mode = 'warn'"),
        rule(name="two", verdict="hold"),
        rule(name="three", extra="mode = 'warn'"),
    )

    assert (verdict.verdict, verdict.rule, verdict.shadow) == (
        "hold",
        "two",
        ("warn: one would deny",),
    )


# -- what a rule may look at -------------------------------------------------------------------


@pytest.mark.parametrize(
    "when",
    [
        "action.action == 'run_shell' && action.cmd == 'ls -l' && action.reason == ''",
        "action.body == '' && action.in_s == '' && size(action.cmd) > 0",
        "origin == 'reflex' && goal == 'g' && taint == 'repo' && autonomy == 'trusted'",
        "shell.understood && shell.read_only && shell.programs == ['ls']",
        "size(shell.catastrophic) == 0 && shell.why == ''",
        "sensors.x.signal.n == 1 && sensors.x.ok",
        "'loop-1' in asks.pending && 'g' in goals && schedules.t == 'due'",
        "budget.state == 'open' && changed == ['playbook'] && now > 1600000000",
    ],
)
def test_a_rule_sees_the_move_and_the_world(when: str) -> None:
    verdict = admit(RunShell(cmd="ls -l"), rule(when), origin="reflex", goal="g", taint="repo")

    assert (verdict.rule, verdict.taint) == ("r", "repo")


def test_the_shell_of_a_move_is_judged_as_a_whole() -> None:
    mixed = RunShell(cmd="ls", probe="touch x")

    assert admit(mixed, rule("!shell.read_only")).rule == "r"
    assert admit(mixed, rule("'touch' in shell.programs && 'ls' in shell.programs")).rule == "r"
    assert admit(WriteGoal(id="a", body="b"), rule("shell.read_only")).rule == "trusted:default"


# -- a rule that has no value ------------------------------------------------------------------

NO_VALUE = [
    "sensors.gone.signal.n == 1",
    "1 / 0 == 1",
    "action.cmd > 5",
    "1",
    "'yes'",
    "null",
    "now",
    "[true]",
]


@pytest.mark.parametrize("when", NO_VALUE)
@pytest.mark.parametrize("verdict", ["hold", "deny"])
def test_a_rule_that_would_stop_a_move_and_has_no_value_holds_it(when: str, verdict: str) -> None:
    said = admit(WriteGoal(id="a", body="b"), rule(when, verdict))

    assert (said.verdict, said.rule) == ("hold", "r")
    assert "cannot be evaluated" in said.reason


@pytest.mark.parametrize("when", NO_VALUE)
def test_a_rule_that_would_allow_a_move_and_has_no_value_is_passed_over(when: str) -> None:
    said = admit(WritePlaybook(body="b"), rule(when, "allow"), autonomy="guarded")

    assert said.rule == "guarded:playbook"


@pytest.mark.parametrize("when", NO_VALUE)
@pytest.mark.parametrize("action", HARMLESS)
@pytest.mark.parametrize("verdict", ["allow", "hold", "deny"])
def test_a_rule_without_a_value_stops_nothing_that_only_tells_a_human(
    when: str, action: Action, verdict: str
) -> None:
    assert admit(action, rule(when, verdict)).verdict == "allow"


def test_a_watched_rule_without_a_value_is_noted() -> None:
    said = admit(WriteGoal(id="a", body="b"), rule("1 / 0 == 1", extra="mode = 'shadow'"))

    assert (said.verdict, said.shadow) == ("allow", ("shadow: r would hold",))


def test_a_human_can_still_forbid_even_a_noop() -> None:
    assert admit(Noop(), rule()).verdict == "deny"


# -- floors and approvals ----------------------------------------------------------------------

WRITES_RULES = RunShell(cmd="echo > admission.toml")


@pytest.mark.parametrize("origin", ["reflex", "runner", "approval", "human", "loop"])
@pytest.mark.parametrize("autonomy", LEVELS)
@pytest.mark.parametrize("mode", ["shadow", "warn", "enforce"])
def test_no_rule_origin_level_or_mode_lifts_a_floor(
    origin: Origin, autonomy: Autonomy, mode: str
) -> None:
    for found in (loaded(rule(verdict="allow", extra=f"mode = '{mode}'")), Rules(), BROKEN):
        verdict = rules.admit(request(WRITES_RULES, origin=origin, autonomy=autonomy), found, FACTS)
        assert (verdict.verdict, verdict.rule) == ("deny", "floor:policy-files")


def test_an_approved_move_passes_rules_and_level_but_keeps_its_taint() -> None:
    verdict = admit(
        WritePlaybook(body="b"), rule(), origin="approval", autonomy="supervised", taint="public"
    )

    assert (verdict.verdict, verdict.rule, verdict.taint) == ("allow", "approved", "public")


def test_an_approved_move_runs_although_the_file_broke_meanwhile() -> None:
    verdict = rules.admit(request(WritePlaybook(body="b"), origin="approval"), BROKEN, FACTS)

    assert verdict.verdict == "allow"


def test_a_catastrophe_is_refused_to_a_human_unless_a_rule_of_theirs_allows_it() -> None:
    deadly = RunShell(cmd="rm -rf /")

    assert admit(deadly, origin="human").rule == "human:catastrophic"
    assert admit(deadly, rule("false"), origin="human").verdict == "deny"


conditions = st.sampled_from(
    ["true", "false", "action.cmd == 'ls'", "taint == 'public'", "1 / 0 == 1", "sensors.gone.ok"]
)
written = st.lists(
    st.builds(
        rule,
        conditions,
        st.sampled_from(["allow", "hold", "deny"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["", "mode = 'shadow'", "mode = 'warn'"]),
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    written,
    st.sampled_from([*OF_WEIGHT, *HARMLESS, WRITES_RULES]),
    st.sampled_from(["own", "repo", "public"]),
    st.sampled_from(["reflex", "runner", "human", "loop"]),
)
def test_with_the_same_rules_a_stricter_level_is_never_laxer(
    texts: list[str], action: Action, taint: Trust, origin: Origin
) -> None:
    from looop.loop.admit.policy import strictness

    found = loaded(*texts)
    said = [
        rules.admit(request(action, autonomy=a, taint=taint, origin=origin), found, FACTS)
        for a in LEVELS
    ]

    levels = [strictness(verdict.verdict) for verdict in said]
    assert levels == sorted(levels)
    assert action is not WRITES_RULES or set(levels) == {2}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(written, st.sampled_from(OF_WEIGHT))
def test_rules_in_shadow_change_nothing_but_the_notes(texts: list[str], action: Action) -> None:
    shadowed = [text.partition("mode =")[0] + "mode = 'shadow'\n" for text in texts]

    with_them = admit(action, *shadowed, autonomy="guarded")
    without = admit(action, autonomy="guarded")

    assert (with_them.verdict, with_them.rule) == (without.verdict, without.rule)
