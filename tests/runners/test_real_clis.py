"""
Each preset through its real CLI, against a mock of the model's API on this machine.

Run with `make test-runners`. The CLIs are installed from npm into `LOOOP_TEST_NPM` (else
`~/.cache/looop-test-npm`); with `LOOOP_TEST_ALL_RUNNERS=1` all five, else the quick three.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from looop.config import RunnerSpec
from looop.kit import proc
from looop.kit.clock import SystemClock
from looop.loop.decide.runner import RunnerResult, run_runner
from tests.runners.clis import DEFAULT, PACKAGES, surroundings
from tests.runners.mock_api import Asked, MockApi

pytestmark = pytest.mark.runners

NAMES = tuple(PACKAGES) if os.environ.get("LOOOP_TEST_ALL_RUNNERS") == "1" else DEFAULT
ANSWER = '{"move": {"action": "noop", "reason": "nothing to do"}}'
MOVE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["action", "reason"],
    "properties": {"action": {"const": "noop", "type": "string"}, "reason": {"type": "string"}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["move"],
    "properties": {"move": {"anyOf": [MOVE]}},
}
# Tools that do nothing to the machine: the one that takes the answer, and the harmless rest of
# a CLI that cannot be talked out of them.
HARMLESS = {"StructuredOutput", "DeferredToolPlaceholder", "request_user_input", "view_image"}

Decide = Callable[..., RunnerResult]


@pytest.fixture(params=NAMES)
def cli(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def mark() -> str:
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
def decide(cli: str, tmp_path: Path, mark: str) -> Decide:
    """Launch the preset in a new run directory with a home of its own."""

    def launch(api: MockApi, silence_s: float = 60.0) -> RunnerResult:
        run_dir = tmp_path / "run"
        run_dir.mkdir()
        prompt = tmp_path / "prompt.md"
        prompt.write_text("Decide one move.\n")

        async def no_pause(_seconds: float) -> None:
            await asyncio.sleep(0)

        return asyncio.run(
            run_runner(
                name=cli,
                spec=RunnerSpec(model="gemini-2.5-flash") if cli == "gemini" else None,
                run_dir=run_dir,
                prompt=prompt,
                schema=SCHEMA,
                env=surroundings(cli, tmp_path / "home", api.url),
                mark=mark,
                wall_s=120.0,
                silence_s=silence_s,
                clock=SystemClock(),
                sleep=no_pause,
                jitter=lambda: 0.0,
                on_line=lambda _line: None,
            )
        )

    return launch


def tools_of(asked: Asked) -> set[str]:
    """The names of the tools that a request offers to the model."""
    names: set[str] = set()
    offered: list[dict[str, Any]] = asked.body.get("tools") or []
    for tool in offered:
        inner: list[dict[str, Any]] = tool.get("functionDeclarations", [tool.get("function", tool)])
        names |= {str(one.get("name") or one.get("type")) for one in inner}
    return names


def test_a_preset_decides_with_one_request_and_no_tools(
    decide: Decide, cli: str, mark: str
) -> None:
    with MockApi(ANSWER) as api:
        done = decide(api)

    assert done.ok, done.error
    assert done.decision_text is not None
    assert json.loads(done.decision_text) == json.loads(ANSWER)
    assert done.attempts == 1
    assert done.usage is not None
    assert (done.usage.input_tokens, done.usage.cached_tokens) in ((700, 250), (750, 250))
    assert (done.usage.cost_usd is not None) == (cli in ("claude", "pi", "opencode"))
    assert len(api.asked) == 1
    assert tools_of(api.asked[0]) <= HARMLESS
    assert not proc.marked(mark)


def test_a_refused_key_ends_the_run_at_once(decide: Decide, mark: str) -> None:
    with MockApi(ANSWER, fault="401") as api:
        done = decide(api)

    assert (done.code, done.attempts) == ("permanent", 1), done.error
    assert done.took_s < 30
    assert done.metered
    assert not proc.marked(mark)


def test_a_hanging_api_is_ended_by_silence_and_leaves_nothing(decide: Decide, mark: str) -> None:
    with MockApi(ANSWER, fault="hang") as api:
        done = decide(api, silence_s=6.0)

        assert (done.code, done.attempts) == ("silent", 1), done.error
        assert len(api.asked) >= 1
        assert not proc.marked(mark)


def test_a_rate_limit_that_passes_is_survived(decide: Decide, cli: str) -> None:
    if cli == "gemini":
        pytest.skip("it waits for a minute by itself")
    with MockApi(ANSWER, fault="429", times=2) as api:
        done = decide(api)

    assert done.ok, done.error
    assert len(api.asked) == 3
