"""The decider with runners that are real shell commands: one decision, or the reasons why not."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.config import Config, CostSpec, RunnerSpec
from looop.kit.clock import SystemClock
from looop.loop.decide import decider
from looop.loop.decide.decider import Choice, Surroundings
from looop.model.actions import Noop
from looop.model.records import Spend

GOOD = '{"move": {"action": "noop", "reason": "calm", "journal": "all is well"}}'
BAD = '{"action": "run_shell", "command": "## date", "next_interval_s": "soon"}'


class Bench:
    """One run directory, a runner, and everything that the decider did outside of it."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory / "run"
        self.dir.mkdir()
        self.charges: list[bool] = []
        self.spends: list[Spend] = []
        self.lines: list[str] = []
        self.refuse_from = 99

    def charge(self) -> bool:
        self.charges.append(len(self.charges) < self.refuse_from)
        return self.charges[-1]

    def decide(self, tick: str, *, prompt: str = "PROMPT\n", **fields: Any) -> Choice:
        spec = RunnerSpec(tick=tick, **fields.pop("spec", {}))
        settings: dict[str, Any] = {"runner": "mine", "tick_timeout": 20.0, **fields}
        config = Config(runners={"mine": spec}, **settings)

        async def no_sleep(_seconds: float) -> None:
            return None

        around = Surroundings(
            run=f"test-{os.getpid()}-{time.monotonic_ns()}",
            directory=self.dir,
            config=config,
            env={"PATH": os.environ["PATH"]},
            clock=SystemClock(),
            sleep=no_sleep,
            jitter=lambda: 1.0,
            on_line=self.lines.append,
        )
        return asyncio.run(decider.decide(prompt, around, self.charge, self.spends.append))

    def text(self, name: str) -> str:
        return (self.dir / name).read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def say(first: str, second: str | None = None) -> str:
    """A runner that answers the first launch with one text and all others with another."""
    second = first if second is None else second
    return (
        "cat >> seen; if [ -e once ]; then cat <<'END' > .decision.json\n"
        f"{second}\nEND\nelse touch once; cat <<'END' > .decision.json\n{first}\nEND\nfi"
    )


def test_a_good_answer_is_the_decision(bench: Bench) -> None:
    choice = bench.decide(say(GOOD))

    assert (choice.code, choice.error, choice.launches) == ("ok", "", 1)
    assert choice.decision is not None
    assert choice.decision.action == Noop(reason="calm")
    assert choice.decision.journal == "all is well"
    assert bench.text("seen") == bench.text("prompt.md") == "PROMPT\n"
    assert msgspec.json.decode(bench.text("answer.json")) == GOOD
    assert bench.charges == [True]


def test_the_prompt_may_be_named_in_the_command_instead(bench: Bench) -> None:
    choice = bench.decide(f"cp {{{{prompt_file}}}} seen; echo '{GOOD}'")

    assert choice.decision is not None
    assert bench.text("seen") == "PROMPT\n"


def test_a_bad_answer_is_sent_back_once_with_all_that_is_wrong(bench: Bench) -> None:
    choice = bench.decide(say(BAD, GOOD))

    assert (choice.code, choice.launches) == ("ok", 2)
    assert choice.decision is not None
    again = bench.text("correction.md")
    assert bench.text("seen") == "PROMPT\n" + again
    assert again.startswith("PROMPT\n")
    assert "COULD NOT BE USED" in again
    assert f"answer\n{BAD}\n>>> " in again
    assert "\n- cmd: is missing\n" in again
    assert "\n- next_interval_s: must be a whole number\n" in again
    assert msgspec.json.decode(bench.text("answer.json")) == GOOD
    assert bench.charges == [True, True]


def test_the_marker_around_a_bad_answer_is_not_guessable(bench: Bench, tmp_path: Path) -> None:
    bench.decide(say("prose", GOOD))
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other")
    other.decide(say("prose", GOOD))

    first, second = (
        b.text("correction.md").partition("<<< ")[2].split()[0] for b in (bench, other)
    )
    assert first != second
    assert len(first) == 16


def test_a_bad_answer_cannot_draw_over_the_correction(bench: Bench) -> None:
    bench.decide("printf 'a\\r\\033[2Jb\\nc' > .decision.json; cat >> seen")

    assert "answer\na\n\\x1b[2Jb\nc\n>>> " in bench.text("correction.md")


def test_a_huge_bad_answer_is_shown_in_part(bench: Bench) -> None:
    bench.decide("head -c 300000 /dev/zero | tr '\\0' x > .decision.json")

    again = bench.text("correction.md")
    assert len(again) < 6000
    assert "characters left out" in again


def test_two_bad_answers_fail_with_the_problems(bench: Bench) -> None:
    choice = bench.decide(say(BAD))

    assert choice.decision is None
    assert (choice.code, choice.launches) == ("bad-decision", 2)
    assert "cmd: is missing" in choice.error
    assert "next_interval_s" in choice.error
    assert len(bench.spends) == len(choice.spends) == 2


def test_the_problems_of_a_failure_are_bounded_and_on_one_line(bench: Bench) -> None:
    long = '{"action": "' + "x" * 100_000 + '"}'
    choice = bench.decide(f"echo {long!r} > .decision.json")

    assert choice.code == "bad-decision"
    assert len(choice.error) <= 2000
    assert "\n" not in choice.error


def test_a_second_ask_that_is_refused_leaves_the_problems_of_the_first(bench: Bench) -> None:
    bench.refuse_from = 1

    choice = bench.decide(say(BAD, GOOD))

    assert (choice.code, choice.launches) == ("bad-decision", 1)
    assert "cmd: is missing" in choice.error
    assert bench.charges == [True, False]
    assert len(bench.spends) == 1


def test_a_launch_that_is_refused_does_not_happen(bench: Bench) -> None:
    bench.refuse_from = 0

    choice = bench.decide(say(GOOD))

    assert choice.decision is None
    assert (choice.code, choice.launches, choice.spends) == ("decide-cap", 0, ())
    assert "refused" in choice.error
    assert bench.spends == []
    assert not (bench.dir / "seen").exists()


@pytest.mark.parametrize(
    ("tick", "code", "said"),
    [
        ("true", "no-decision", "left no decision"),
        ("echo what went wrong; exit 3", "failed", "what went wrong"),
        (": > .decision.json", "no-decision", "left no decision"),
        ("mkdir .decision.json", "failed", "not a regular file"),
    ],
)
def test_a_runner_that_fails_is_not_asked_again_but_accounted_for(
    bench: Bench, tick: str, code: str, said: str
) -> None:
    choice = bench.decide(tick)

    assert (choice.decision, choice.code, choice.launches) == (None, code, 1)
    assert said in choice.error
    assert [s.runner for s in bench.spends] == ["mine"]
    assert bench.charges == [True]


def test_a_runner_that_hangs_is_accounted_for(bench: Bench) -> None:
    choice = bench.decide("exec sleep 60", tick_timeout=0.3)

    assert (choice.code, choice.launches) == ("deadline", 1)
    assert "deadline" in choice.error
    assert len(bench.spends) == 1


def test_an_unknown_runner_is_a_failure_that_names_the_known_ones(bench: Bench) -> None:
    choice = bench.decide("true", runner="no-such-runner")

    assert choice.code == "spawn"
    assert "no-such-runner" in choice.error
    assert "claude" in choice.error
    assert bench.spends[0].cost_usd == 0.0


def test_each_launch_has_a_row_of_its_own(bench: Bench) -> None:
    paid = """echo '{"type": "end", "usd": 0.25}'; """
    spec = {"cost": CostSpec(type="end", pointer="/usd"), "model": "m1"}

    choice = bench.decide(paid + say(BAD), spec=spec)

    assert [s.cost_usd for s in bench.spends] == [0.25, 0.25]
    assert tuple(bench.spends) == choice.spends
    assert all((s.kind, s.runner, s.goal) == ("tick", "mine", "") for s in bench.spends)
    assert all(s.id.startswith("test-") and s.ts.endswith("Z") for s in bench.spends)


def test_the_cost_of_a_custom_runner_that_says_nothing_is_unknown(bench: Bench) -> None:
    bench.decide(say(GOOD))

    assert bench.spends[0].cost_usd is None


def test_what_the_runner_prints_is_heard_as_it_comes(bench: Bench) -> None:
    bench.decide("echo thinking; " + say(GOOD))

    assert "thinking" in bench.lines


def test_a_decision_of_an_earlier_launch_is_never_used(bench: Bench) -> None:
    planted = msgspec.json.encode({"action": "run_shell", "cmd": "planted"})
    (bench.dir / ".decision.json").write_bytes(planted)

    assert bench.decide("true").code == "no-decision"


def test_a_prompt_with_broken_characters_is_written_all_the_same(bench: Bench) -> None:
    choice = bench.decide(say(GOOD), prompt="a\ud800b\n")

    assert choice.decision is not None
    assert bench.text("prompt.md") == "a?b\n"
