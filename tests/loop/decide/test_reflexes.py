"""Reflexes: which rules work, which one fires, how often, and what goes into its move."""

import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.loop import diff
from looop.loop.decide import reflexes
from looop.loop.decide.reflexes import Match, Rules
from looop.model.actions import (
    AskHuman,
    Noop,
    RunShell,
    SendNotification,
    WriteGoal,
    WriteSchedule,
    WriteSensor,
)
from looop.model.records import Fired
from looop.model.world import Reading, Trust, World

NOW = 1_700_000_000.0


def sensor(name: str, signal: Any, detail: Any = None, trust: Trust = "own", **f: Any) -> Reading:
    return Reading(name=f"sensor-{name}", signal=signal, detail=detail, trust=trust, **f)


def world(*readings: Reading, goals: dict[str, str] | None = None) -> World:
    found = {r.name: r for r in readings}
    found["sys-asks"] = Reading(
        name="sys-asks", signal={"pending": ["loop-1"], "answered": []}, trust="own"
    )
    found["sys-goals"] = Reading(
        name="sys-goals",
        signal={},
        detail={"goals": {g: {"title": g, "age_s": 60} for g in goals or {}}},
        trust="own",
    )
    found["sys-schedules"] = Reading(name="sys-schedules", signal={"t": "due"}, trust="own")
    found["sys-budget"] = Reading(
        name="sys-budget", signal={"state": "open"}, detail={"spent_usd": 0.5}, trust="own"
    )
    return diff.assemble(playbook="p", goals=goals or {}, readings=found)


def rule(
    when: str = "true", do: str = "{ action = 'noop' }", name: str = "r", extra: str = ""
) -> str:
    return f"[[reflex]]\nname = '{name}'\nwhen = '''{when}'''\ndo = {do}\n{extra}\n"


def loaded(*rules: str) -> Rules:
    found = reflexes.load("\n".join(rules))
    assert found.problems == ()
    return found


def choose(
    rules: Rules,
    seen: World | None = None,
    fired: dict[str, Fired] | None = None,
    now: float = NOW,
    changed: list[str] | None = None,
) -> tuple[Match | None, dict[str, Fired], list[str]]:
    return reflexes.choose(rules, seen or world(), fired or {}, now, changed or [])


def chosen(text: str, seen: World | None = None, **fields: Any) -> Match:
    match, _, problems = choose(loaded(text), seen, **fields)
    assert problems == []
    assert match is not None
    return match


def problem(text: str) -> str:
    found = reflexes.load(text)
    assert found.reflexes == ()
    (said,) = found.problems
    return said


class Life:
    """The same rules at one look after another, remembering what fired."""

    def __init__(self, *rules: str) -> None:
        self.rules = loaded(*rules)
        self.fired: dict[str, Fired] = {}
        self.now = NOW

    def look(self, seen: World, later: float = 60.0) -> str:
        self.now += later
        match, kept, problems = choose(self.rules, seen, self.fired, self.now)
        assert problems == []
        self.fired = kept
        if match is None:
            return ""
        self.fired = kept | {match.reflex: reflexes.fired(match, self.now)}
        return match.reflex


# -- loading -----------------------------------------------------------------------------------


def test_rules_stand_in_the_order_of_the_file() -> None:
    found = loaded(rule(name="b"), rule(name="a", extra="once_per = '1h'"))

    assert [(r.name, r.once_s) for r in found.reflexes] == [("b", None), ("a", 3600.0)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "reflex = []\n"])
def test_a_file_without_rules_is_fine(text: str) -> None:
    assert reflexes.load(text) == Rules()


@pytest.mark.parametrize("text", ["[[reflex]\n", "name = \n", "a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_one_problem(text: str) -> None:
    said = problem(text)

    assert said.startswith("reflexes.toml: ")
    assert "no reflex works until it is mended" in said


def test_a_rule_is_a_table() -> None:
    assert problem("reflex = [1]\n") == "reflexes.toml:?: a reflex is a table"


@pytest.mark.parametrize("text", ["reflex = 5\n", "[reflex]\nname = 'x'\n"])
def test_rules_are_an_array_of_tables(text: str) -> None:
    assert problem(text) == "reflexes.toml: rules are [[reflex]] tables"


def test_an_unknown_key_is_a_problem_and_the_rules_work() -> None:
    found = reflexes.load("colour = 1\n" + rule())

    assert [r.name for r in found.reflexes] == ["r"]
    assert found.problems == ("reflexes.toml: unknown key 'colour'",)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[[reflex]]\nwhen = 'true'\ndo = { action = 'noop' }", "name is missing"),
        ("[[reflex]]\nname = ''\nwhen = 'true'\ndo = { action = 'noop' }", "name is missing"),
        ("[[reflex]]\nname = 'x'\ndo = { action = 'noop' }", "x: when is missing"),
        ("[[reflex]]\nname = 'x'\nwhen = 3\ndo = { action = 'noop' }", "x: when is missing"),
        ("[[reflex]]\nname = 'x'\nwhen = 'true'", "x: do is missing"),
        ("[[reflex]]\nname = 'x'\nwhen = 'true'\ndo = 'noop'", "x: do is missing"),
        (rule(name="x", extra="retries = 3"), "unknown key 'retries'"),
        (rule("1 +", name="x"), "x: when: at 1:4"),
        (rule("no_such_variable == 1", name="x"), "x: when: at 1:1: undeclared reference"),
        (rule(name="x", do="{ action = 'fly' }"), "x: do: action: 'fly' is not one of"),
        (rule(name="x", do="{ action = 'run_shell' }"), "x: do: cmd: is missing"),
        (rule(name="x", do="{ action = 'noop', reason = '${1 +}' }"), "x: ${1 +}: at 1:"),
        (rule(name="x", do="{ action = 'run_shell', cmd = 'ls ${HOME}' }"), "x: ${HOME}: at 1:1"),
        (rule(name="x", extra="once_per = true"), "x: once_per is 'change' or a duration"),
        (rule(name="x", extra="once_per = 'often'"), "'often' is not a duration"),
        (rule(name="x", extra="once_per = -1"), "is not a duration"),
    ],
)
def test_a_broken_rule_is_named_with_its_line_and_the_others_work(broken: str, said: str) -> None:
    text = "# a comment\n\n" + rule(name="first") + "\n" + broken + "\n\n" + rule(name="last")

    found = reflexes.load(text)

    assert [r.name for r in found.reflexes] == ["first", "last"]
    (one,) = found.problems
    line = 1 + text[: text.index(broken)].count("\n")
    assert one.startswith(f"reflexes.toml:{line}: ")
    assert said in one


def test_a_name_is_taken_once() -> None:
    found = reflexes.load(rule("false", name="x") + rule(name="x"))

    assert len(found.reflexes) == 1
    assert "the name 'x' is taken" in found.problems[0]
    assert choose(found)[0] is None


# -- choosing ----------------------------------------------------------------------------------


def test_the_first_rule_that_matches_wins() -> None:
    rules = loaded(
        rule("false", name="never"),
        rule("sensors.x.signal == 1", name="second"),
        rule(name="third", do="{ action = 'ask_human', prompt = 'q' }"),
    )

    match, _, _ = choose(rules, world(sensor("x", 1)))
    assert match is not None
    assert (match.reflex, match.decision.action, match.more) == ("second", Noop(), True)
    match, _, _ = choose(rules, world(sensor("x", 2)))
    assert match is not None
    assert (match.reflex, match.decision.action, match.more) == (
        "third",
        AskHuman(prompt="q"),
        False,
    )


def test_no_match_is_no_decision() -> None:
    assert choose(loaded(rule("false"))) == (None, {}, [])
    assert choose(Rules()) == (None, {}, [])


@pytest.mark.parametrize(
    "when",
    [
        "sensors.nothing.signal == 1",
        "sensors.x.signal.deep.er == 1",
        "sensors.x.detail.n > 5",
        "1 / 0 == 1",
        "sensors.x.signal > 'text'",
        "duration('5s')",
        "b'x'",
    ],
)
def test_a_condition_without_a_value_in_this_world_is_false(when: str) -> None:
    assert choose(loaded(rule(when)), world(sensor("x", 1))) == (None, {}, [])


@pytest.mark.parametrize("when", ["1", "'yes'", "null", "[true]", "now"])
def test_a_condition_that_is_neither_true_nor_false_is_a_problem(when: str) -> None:
    match, _, problems = choose(loaded(rule(when), rule(name="other")))

    assert match is not None
    assert match.reflex == "other"
    assert len(problems) == 1
    assert problems[0].startswith("r: when is ")
    assert problems[0].endswith("not true or false")


@pytest.mark.parametrize(
    "when",
    [
        "sensors.x.signal.n == 3 && sensors['x'].detail.t == 'd' && sensors.x.ok",
        "sensors.bad.ok == false && sensors.bad.trust == 'public'",
        "'loop-1' in asks.pending && size(asks.answered) == 0",
        "'g' in goals && goals.g.age_s == 60 && goals.g.title == 'g'",
        "schedules.t == 'due'",
        "budget.state == 'open' && budget.spent_usd == 0.5",
        "changed == ['goal:g']",
        "now == 1700000000",
        "has(sensors.x) && !has(sensors.y)",
    ],
)
def test_expressions_see_the_whole_world(when: str) -> None:
    seen = world(
        sensor("x", {"n": 3}, {"t": "d"}),
        sensor("bad", {}, trust="public", ok=False),
        goals={"g": ""},
    )

    assert chosen(rule(when), seen, changed=["goal:g"])


def test_a_world_without_probes_is_seen_as_empty() -> None:
    bare = diff.assemble(playbook=None, goals={}, readings={})

    facts = reflexes.facts(bare, NOW, [])

    assert set(facts) == set(reflexes.VARIABLES)
    assert choose(loaded(rule("'a' in goals || schedules.t == 'due'")), bare)[0] is None


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 10**30, 10**4000])
def test_a_huge_number_in_one_sensor_does_not_blind_the_rules_about_others(number: int) -> None:
    seen = world(sensor("x", 1), sensor("huge", {"n": [number]}, {"n": number}))

    assert chosen(rule("sensors.x.signal == 1"), seen)
    assert chosen(rule("size(sensors.huge.signal.n) == 1"), seen)


def test_a_nul_character_does_not_cut_a_text_off() -> None:
    seen = world(sensor("x", {"v": "yes\0, but not now", "a\0b": 1}))

    assert choose(loaded(rule("sensors.x.signal.v == 'yes'")), seen)[0] is None
    assert chosen(rule("sensors.x.signal.v.endsWith('but not now')"), seen)


def test_numbers_that_fit_are_whole_numbers() -> None:
    seen = world(sensor("x", {"big": (1 << 63) - 1, "small": -(1 << 63), "yes": True}))

    when = "sensors.x.signal.big == 9223372036854775807 && sensors.x.signal.yes == true"
    assert chosen(rule(when), seen)


# -- how often ---------------------------------------------------------------------------------

UP, DOWN = world(sensor("x", {"up": True})), world(sensor("x", {"up": False}))


def test_a_rule_fires_once_while_its_condition_stays_true() -> None:
    life = Life(rule("sensors.x.signal.up"))

    assert [life.look(UP) for _ in range(4)] == ["r", "", "", ""]


def test_a_rule_fires_again_after_its_condition_was_false() -> None:
    life = Life(rule("sensors.x.signal.up"))

    assert [life.look(w) for w in (UP, UP, DOWN, UP, UP)] == ["r", "", "", "r", ""]


def test_a_rule_fires_again_when_what_it_would_do_has_changed() -> None:
    life = Life(
        rule(do="{ action = 'send_notification', message = '${string(sensors.x.signal.n)}' }")
    )
    looks = [world(sensor("x", {"n": n})) for n in (1, 1, 2, 2, 1)]

    assert [life.look(w) for w in looks] == ["r", "", "r", "", "r"]


def test_a_reason_is_not_what_a_rule_does() -> None:
    life = Life(rule(do="{ action = 'noop', reason = '${string(sensors.x.signal)}' }"))

    assert [life.look(world(sensor("x", n))) for n in (1, 2, 3)] == ["r", "", ""]


def test_a_duration_lets_a_rule_fire_again_while_it_stays_true() -> None:
    life = Life(rule("sensors.x.signal.up", extra="once_per = '150s'"))

    assert [life.look(UP) for _ in range(6)] == ["r", "", "", "r", "", ""]


def test_a_duration_also_holds_over_a_time_of_being_false() -> None:
    life = Life(rule("sensors.x.signal.up", extra="once_per = 150"))

    assert [life.look(w) for w in (UP, DOWN, UP, DOWN, UP)] == ["r", "", "", "", "r"]


def test_no_duration_at_all_means_at_every_look() -> None:
    life = Life(rule(extra="once_per = 0"))

    assert [life.look(UP) for _ in range(3)] == ["r", "r", "r"]


def test_a_clock_that_stepped_back_does_not_silence_a_rule() -> None:
    life = Life(rule(extra="once_per = '1h'"))
    life.look(UP)

    assert life.look(UP, later=-86400) == "r"


def test_what_waits_behind_a_rule_fires_at_the_next_look() -> None:
    life = Life(rule(name="a"), rule(name="b", do="{ action = 'ask_human', prompt = 'q' }"))

    assert [life.look(UP) for _ in range(4)] == ["a", "b", "", ""]
    assert set(life.fired) == {"a", "b"}


def test_a_rule_that_is_gone_is_forgotten() -> None:
    _, kept, _ = choose(loaded(rule("false")), fired={"old": Fired(digest="d", at=NOW)})

    assert kept == {}


# -- putting values in -------------------------------------------------------------------------


def do(fields: str, seen: World) -> Any:
    return chosen(rule(do=f"{{ {fields} }}"), seen).decision


def test_values_keep_their_type_where_they_stand_alone() -> None:
    seen = world(sensor("x", {"n": 90, "list": ["a", "b"], "t": "word"}))

    made = do(
        "action = 'write_schedule', name = 't', in_s = '${sensors.x.signal.n}',"
        " note = '${sensors.x.signal.t}', next_interval_s = '${sensors.x.signal.n}'",
        seen,
    )
    assert made.action == WriteSchedule(name="t", in_s=90, note="word")
    assert made.next_interval_s == 90
    asked = do("action = 'ask_human', prompt = 'p', options = '${sensors.x.signal.list}'", seen)
    assert asked.action == AskHuman(prompt="p", options=("a", "b"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("word", "word"),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (["a", 1], '["a",1]'),
        ({"b": 1, "a": "é"}, '{"a":"é","b":1}'),
        ("${now}", "${now}"),
        ("a\nb", "a\nb"),
    ],
)
def test_values_within_text_become_text_once(value: Any, shown: str) -> None:
    seen = world(sensor("x", value))

    made = do("action = 'send_notification', message = '<${sensors.x.signal}|${ now }>'", seen)

    assert made.action == SendNotification(message=f"<{shown}|1700000000>")


def test_values_go_into_lists_and_everything_that_rides_along() -> None:
    seen = world(sensor("x", {"id": "g1"}))

    made = do(
        "action = 'ask_human', prompt = 'p', options = ['no', '${sensors.x.signal.id}'],"
        " journal = 'about ${sensors.x.signal.id}', goal = '${sensors.x.signal.id}'",
        seen,
    )

    assert made.action == AskHuman(prompt="p", options=("no", "g1"))
    assert (made.journal, made.goal) == ("about g1", "g1")


@pytest.mark.parametrize(
    ("fields", "value", "said"),
    [
        ("action = 'write_goal', id = '${sensors.x.signal}', body = 'b'", "../x", "id: "),
        ("action = 'write_schedule', name = 't', in_s = '${sensors.x.signal}'", "soon", "in_s: "),
        ("action = 'send_notification', message = '${sensors.x.signal}'", "", "message: is empty"),
        ("action = 'send_notification', message = '${sensors.x.signal.no}'", {}, "no"),
        ("action = 'send_notification', message = '${b\"x\"}'", 1, "JSON cannot hold"),
        ("action = '${sensors.x.signal}'", "fly", "action: 'fly' is not one of"),
    ],
)
def test_values_that_make_no_move_are_a_problem_and_the_next_rule_counts(
    fields: str, value: Any, said: str
) -> None:
    rules = loaded(rule(do=f"{{ {fields} }}"), rule(name="next"))

    match, _, problems = choose(rules, world(sensor("x", value)))

    assert match is not None
    assert match.reflex == "next"
    assert len(problems) == 1
    assert problems[0].startswith("r: ")
    assert said in problems[0]


# -- values in shell ---------------------------------------------------------------------------


def shell(cmd: str, value: Any) -> str:
    seen = world(sensor("x", {"v": value}, trust="public"))
    made = do(f"action = 'run_shell', cmd = '{cmd}'", seen)
    assert isinstance(made.action, RunShell)
    return made.action.cmd


nasty = st.text(
    st.sampled_from("ab '\"\\$`;|&<>(){}[]*?!#~\n\r\té-=%^\x1b\x7f"), max_size=12
) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(nasty, min_size=1, max_size=12))
def test_any_text_put_into_a_command_is_one_literal_word(values: list[str]) -> None:
    # One bash for all of them, because starting it is what takes time.
    commands = [shell("printf %s. ${sensors.x.signal.v}", value) for value in values]

    done = subprocess.run(
        ["bash", "-c", "\n".join(commands)], capture_output=True, check=True, cwd="/", timeout=20
    )

    assert done.stdout == "".join(f"{value}." for value in values).encode()
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("around", "printed"),
    [
        ("printf %s, --name=${sensors.x.signal.v} end", "--name=$(id) a;b,end,"),
        ("printf %s, ${sensors.x.signal.v}${sensors.x.signal.v}", "$(id) a;b$(id) a;b,"),
        ("cat <<< ${sensors.x.signal.v}", "$(id) a;b\n"),
        ("echo $(printf %s ${sensors.x.signal.v})", "$(id) a;b\n"),
        ('echo "in quotes" ${sensors.x.signal.v} # done', "in quotes $(id) a;b\n"),
        ("for w in ${sensors.x.signal.v}; do echo =$w; done", "=$(id) a;b\n"),
        ("echo \\\\ ${sensors.x.signal.v}", "\\ $(id) a;b\n"),
    ],
)
def test_a_value_keeps_together_wherever_it_may_stand(around: str, printed: str) -> None:
    text = rule(do=f"{{ action = 'run_shell', cmd = '''{around}''' }}")
    made = chosen(text, world(sensor("x", {"v": "$(id) a;b"}))).decision.action
    assert isinstance(made, RunShell)

    done = subprocess.run(["bash", "-c", made.cmd], capture_output=True, check=True, timeout=20)

    assert done.stdout.decode() == printed


@pytest.mark.parametrize(
    "cmd",
    [
        'echo "${now}"',
        'echo "about ${now} so"',
        "echo '${now}'",
        "echo `ls ${now}`",
        'echo "$(ls ${now})"',
        'echo "$(ls "${now}")"',
        "echo $'a' ${now}",
        "echo $${now}",
        "echo \\${now}",
        "true # ${now}",
        "cat <<EOF\n${now}\nEOF",
        "echo $((${now} + 1))",
        "echo $[ ${now} ]",
        "a[${now}]=1",
        "echo ${a:${now}}",
        "((x = ${now}))",
        "echo 'a' \"b\" 'c${now}'",
        '# it\'s\necho "${now}"',
    ],
)
@pytest.mark.parametrize("field", ["cmd", "probe"])
def test_a_hole_where_quoting_means_something_else_breaks_the_rule(cmd: str, field: str) -> None:
    fields = {"cmd": "true", field: cmd}
    written = "\n".join(f"{key} = '''\n{value}'''" for key, value in fields.items())
    text = f"[[reflex]]\nname = 'x'\nwhen = 'true'\n[reflex.do]\naction = 'run_shell'\n{written}\n"

    said = problem(text)

    assert said.startswith("reflexes.toml:1: x: ")
    assert "value cannot be put" in said or "outside of quotes" in said or "undeclared" in said


def test_a_script_is_shell_and_a_body_is_not() -> None:
    seen = world(sensor("x", {"v": "a b"}))

    script = do("action = 'write_sensor', name = 's', script = 'echo ${sensors.x.signal.v}'", seen)
    body = do("action = 'write_goal', id = 's', body = \"say '${sensors.x.signal.v}'\"", seen)

    assert script.action == WriteSensor(name="s", script="echo 'a b'")
    assert body.action == WriteGoal(id="s", body="say 'a b'")


def test_a_whole_command_from_a_sensor_is_one_word_and_no_command() -> None:
    assert shell("${sensors.x.signal.v}", "rm -rf x") == "'rm -rf x'"


# -- trust and cover ---------------------------------------------------------------------------

MIXED = world(
    sensor("mine", {"v": "a"}, trust="own"),
    sensor("theirs", {"v": "a"}, trust="public"),
    sensor("repo-log", {"v": "a"}, trust="repo"),
    goals={"g": ""},
)


@pytest.mark.parametrize(
    ("hole", "taint"),
    [
        ("'literal'", "own"),
        ("string(now)", "own"),
        ("schedules.t", "own"),
        ("sensors.mine.signal.v", "own"),
        ("sensors['mine'].signal.v", "own"),
        ("sensors.theirs.signal.v", "public"),
        ('sensors["theirs"].signal.v', "public"),
        ("sensors['repo-log'].signal.v", "repo"),
        ("sensors.mine.signal.v + sensors['repo-log'].signal.v", "repo"),
        ("sensors[sensors.mine.signal.v + ''].signal.v", None),
        ("sensors['th' + 'eirs'].signal.v", "public"),
        ("sensors['th\\x65irs'].signal.v", "public"),
        ("string(size(sensors))", "public"),
        ("[sensors].map(s, s.theirs.signal.v)[0]", "public"),
        ("changed[0]", "public"),
    ],
)
def test_a_move_has_the_trust_of_the_least_trusted_reading_put_into_it(
    hole: str, taint: Trust | None
) -> None:
    rules = loaded(
        f"[[reflex]]\nname = 'r'\nwhen = 'true'\n[reflex.do]\naction = 'send_notification'\n"
        f"message = '''${{{hole}}}'''\n"
    )

    match, _, _ = choose(rules, MIXED, changed=["x"])

    assert (match.taint if match else None) == taint


def test_what_a_rule_only_looks_at_does_not_taint_its_move() -> None:
    match = chosen(rule("sensors.theirs.signal.v == 'a'"), MIXED)

    assert match.taint == "own"
    assert match.covers == {"snap:sensor-theirs"}


@pytest.mark.parametrize(
    ("when", "covers"),
    [
        ("true", set[str]()),
        ("sensors.mine.signal.v == 'a'", {"snap:sensor-mine"}),
        (
            "sensors.mine.ok && sensors['repo-log'].ok",
            {"snap:sensor-mine", "snap:sensor-repo-log"},
        ),
        ("size(asks.pending) == 1", {"snap:sys-asks"}),
        (
            "schedules.t == 'due' && budget.state == 'open'",
            {"snap:sys-schedules", "snap:sys-budget"},
        ),
        ("'g' in goals", {"snap:sys-goals", "goal:g"}),
        ("size(sensors) > 0", set(MIXED.items)),
        ("changed == []", set(MIXED.items)),
        ("has(sensors.gone) || true", set[str]()),
        ("!('' in sensors) || sensors[''].ok", set(MIXED.items)),
        ("sensors.mine.ok || sensors[''].ok", set(MIXED.items)),
    ],
)
def test_a_rule_covers_the_items_that_it_mentions(when: str, covers: set[str]) -> None:
    assert chosen(rule(when), MIXED).covers == covers


def test_what_is_put_into_a_move_is_covered_as_well() -> None:
    text = rule(do="{ action = 'send_notification', message = '${sensors.theirs.signal.v}' }")

    assert chosen(text, MIXED).covers == {"snap:sensor-theirs"}


# -- nothing breaks it -------------------------------------------------------------------------


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet="[]reflx=\n'\"{}nameowhd.$truby123 ", max_size=120))
def test_no_file_breaks_the_loader(text: str) -> None:
    found = reflexes.load(text)

    assert all(said.startswith("reflexes.toml") for said in found.problems)


signals: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(signals, signals)
def test_no_world_breaks_the_choice(signal: Any, detail: Any) -> None:
    rules = loaded(
        rule("sensors.x.signal == sensors.x.detail", name="a"),
        rule("sensors.x.signal.n > 1", name="b"),
        rule(
            "has(sensors.x)",
            name="c",
            do="{ action = 'run_shell', cmd = 'echo ${sensors.x.signal} ${sensors.x.detail}' }",
        ),
    )

    match, _, problems = choose(rules, world(sensor("x", signal, detail)))

    assert match is not None or problems
