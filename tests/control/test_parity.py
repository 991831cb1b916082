"""The contract, its one implementation and the command line say the same."""

import ast
import inspect
from pathlib import Path

import pytest

import looop.cli
from looop.control.crew import LocalCrew
from looop.control.local import LocalControl
from looop.control.protocol import Control, Crew
from looop.errors import NotFound, Refused, Usage
from tests.support.profile import Profile

CONTRACTS = [(Control, LocalControl), (Crew, LocalCrew)]
# Those that only lead to another contract are no verbs.
METHODS = [
    pytest.param(promised, served, name, id=name)
    for promised, served in CONTRACTS
    for name, member in vars(promised).items()
    if not name.startswith("_") and inspect.isfunction(member)
]
LEADS_ON = {"crew", "fleet"}

# Methods without a verb of their own, and why.
NO_VERB: dict[str, str] = {}


def _called() -> set[str]:
    """Every attribute that the verbs' modules call on anything."""
    found: set[str] = set()
    for path in Path(looop.cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                found.add(node.func.attr)
    return found


@pytest.mark.parametrize(("promised", "served", "name"), METHODS)
def test_every_method_of_the_contract_is_served_as_it_is_promised(
    promised: type, served: type, name: str
) -> None:
    said = inspect.signature(getattr(promised, name))
    done = inspect.signature(getattr(served, name))

    assert done.parameters == said.parameters
    assert done.return_annotation == said.return_annotation


@pytest.mark.parametrize(("promised", "served", "name"), METHODS)
def test_every_method_of_the_contract_can_be_reached_from_the_command_line(
    promised: type, served: type, name: str
) -> None:
    assert (name in _called()) != (name in NO_VERB)


@pytest.mark.parametrize(("promised", "served"), CONTRACTS)
def test_the_contract_is_not_served_more_widely_than_it_is_written(
    promised: type, served: type
) -> None:
    def public(of: type) -> set[str]:
        return {name for name in vars(of) if not name.startswith("_")}

    assert public(served) - public(promised) - LEADS_ON == (
        {"config"} if served is LocalControl else set()
    )


# -- what only the contract's callers see ----------------------------------------------------


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(tmp_path)


def test_a_broken_configuration_does_not_keep_one_from_looking(profile: Profile) -> None:
    from looop.errors import BadConfig

    profile.beat()
    control = LocalControl(
        profile.paths, BadConfig("it is broken"), profile.env, lambda: profile.fleet, profile.clock
    )

    assert control.journal(5)
    assert control.asks(archived=False) == ([], [])
    assert control.events(3, None)
    with pytest.raises(BadConfig, match="it is broken"):
        control.status()


def test_status_explains_an_idle_loop_and_a_failing_one(profile: Profile) -> None:
    profile.beat()
    idle = profile.control.status()
    assert {g.name: g.closed for g in idle.gates} == {
        "unchanged": True,
        "backoff": False,
        "decide-cap": False,
        "daily-budget": False,
        "unmetered": False,
    }
    assert (idle.changed, idle.fails, idle.pulse.running) == ([], 0, False)

    profile.goal("a")
    profile.breaks("no network")
    profile.beat()
    failing = profile.control.status()
    assert failing.changed == ["goal:a"]
    assert failing.fails == 1
    assert "no network" in failing.failure
    (closed,) = [g for g in failing.gates if g.closed]
    assert (closed.name, closed.until) == ("backoff", profile.clock.wall() + 60)


def test_status_survives_a_memory_that_makes_no_sense(profile: Profile) -> None:
    profile.beat()
    profile.paths.memory.write_text("{")

    status = profile.control.status()

    assert any("memory.json makes no sense" in problem for problem in status.problems)


def test_state_names_what_changed_since_the_last_decision(profile: Profile) -> None:
    profile.reading("w", 1, "d")
    profile.beat()
    profile.goal("a")

    state = profile.control.state()

    assert state.changed == ["goal:a"]
    assert state.readings["sensor-w"] == {"signal": 1, "detail": "d"}


def test_a_sensor_run_by_hand_says_whether_it_would_wake_and_publishes_nothing(
    profile: Profile,
) -> None:
    profile.reading("w", 1)
    fresh = profile.control.run_sensor("w")
    assert (fresh.known, fresh.would_wake) == (False, True)
    assert not profile.paths.snapshot("sensor-w").exists()
    profile.beat()
    assert not profile.control.run_sensor("w").would_wake
    profile.reading("w", 2)
    before = profile.snapshot()
    again = profile.control.run_sensor("w")
    assert (again.would_wake, again.signal) == (True, 2)
    assert profile.snapshot() == before


def test_a_sensor_run_by_hand_leaves_no_descendant(profile: Profile) -> None:
    profile.script("w", "setsid sleep 600 >/dev/null 2>&1 & echo '{\"signal\": 1}'")

    assert profile.control.run_sensor("w").ok


def test_two_sensors_run_by_hand_do_not_end_each_other(profile: Profile) -> None:
    profile.script("inner", "echo '{\"signal\": 2}'")
    profile.env["LOOOP_DATA_DIR"] = str(profile.data)
    profile.script(
        "outer", '"$LOOOP_BIN" sensor run inner --json >/dev/null; echo \'{"signal": 1}\''
    )

    assert profile.control.run_sensor("outer").ok


def test_costs_are_summed_by_what_is_asked(profile: Profile) -> None:
    profile.runner(cost={"type": "bill", "pointer": "/usd"})
    for number, usd in enumerate((0.25, None, 0.5)):
        profile.costs(usd)
        profile.goal(f"g{number}")
        profile.beat()

    cost = profile.control.cost("all", "runner")

    assert (cost.total_usd, cost.runs, cost.unpriced) == (0.75, 3, 1)
    assert [row[0] for row in cost.rows] == ["fake"]
    assert profile.control.cost("today", "kind").rows[0][:2] == ("tick", 3)
    profile.clock.forward(8 * 86400)
    assert profile.control.cost("week", "day").runs == 0
    with pytest.raises(Usage, match=r"cost takes today\|week\|all and --by goal"):
        profile.control.cost("year", "runner")


@pytest.mark.parametrize("body", ["", "  \n"])
def test_an_empty_body_is_a_usage_error(profile: Profile, body: str) -> None:
    with pytest.raises(Usage):
        profile.control.write_goal("a", body)
    with pytest.raises(Usage):
        profile.control.write_playbook(body)
    with pytest.raises(Usage):
        profile.control.run(body)


def test_what_is_not_there_is_said_to_be_absent(profile: Profile) -> None:
    control = profile.control
    for call in (
        lambda: control.goal("a"),
        lambda: control.ask("loop-1"),
        control.playbook,
        lambda: control.run_sensor("a"),
        lambda: control.drop_schedule("a"),
        lambda: control.history(1),
        lambda: control.archive_goal("a"),
    ):
        with pytest.raises(NotFound):
            call()


def test_an_answer_must_be_one_that_is_offered(profile: Profile) -> None:
    profile.decides({"action": "ask_human", "prompt": "which?", "options": ["red", "blue"]})
    profile.beat()

    with pytest.raises(Refused, match="loop-1 offers: red, blue"):
        profile.answer("loop-1", "green")
    assert profile.answer("loop-1", "blue").state == "answered"
