"""
Real agents in their own terminal interface, started, prompted and ended through a session.

Run with `make test-runners`, as the other tests here: the model is a mock on this machine.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from looop.sessions.local import LocalFleet
from looop.sessions.records import Spec
from tests.runners.clis import surroundings
from tests.runners.mock_api import MockApi

pytestmark = pytest.mark.runners

ARGV = {
    "claude": ("claude", "--permission-mode", "acceptEdits"),
    "pi": ("pi", "--provider", "mock", "--model", "mock-model"),
}
READY = {"claude": "accept edits on", "pi": "mock-model"}
LIMIT_S = 60.0

SHORT = "Say hello."
SEVERAL = "Please do this:\n\n- read the file\n- count its lines\n\nThen say how many."
LONG = " ".join(f"word{number}" for number in range(800))
LONG_LINES = "\n".join(f"line {number}: {'text ' * 12}end" for number in range(160))


@pytest.fixture(params=sorted(ARGV))
def cli(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api() -> Iterator[MockApi]:
    with MockApi("The first answer.") as mock:
        yield mock


@pytest.fixture
def fleet(cli: str, tmp_path: Path, api: MockApi) -> Iterator[LocalFleet]:
    """A fleet with one session, `agent`, whose program has just been started."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    work.mkdir()
    env = surroundings(cli, home, api.url)
    if cli == "claude":
        _seed_claude(home, work, env["ANTHROPIC_API_KEY"])
    fleet = LocalFleet(tmp_path / "sessions", version="1")
    fleet.start(Spec(id="agent", argv=ARGV[cli], cwd=str(work), env=env, columns=100, rows=40))
    yield fleet
    if fleet.get("agent").alive:
        fleet.kill("agent", grace_s=1.0)


def _seed_claude(home: Path, work: Path, key: str) -> None:
    """What a first start would ask a person."""
    seeded = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": [key[-20:]], "rejected": []},
        "projects": {str(work): {"hasTrustDialogAccepted": True}},
    }
    (home / ".claude").mkdir(parents=True)
    (home / ".claude.json").write_text(json.dumps(seeded))
    (home / ".claude" / "settings.json").write_text('{"skipDangerousModePermissionPrompt":true}')


def ready(fleet: LocalFleet, cli: str) -> None:
    found = fleet.expect("agent", READY[cli], since=None, timeout_s=LIMIT_S, screen=True)
    assert found.outcome == "match", "\n".join(fleet.screen_lines("agent"))


def answered(fleet: LocalFleet, answer: str) -> None:
    found = fleet.expect("agent", answer, since=None, timeout_s=LIMIT_S, screen=True)
    assert found.outcome == "match", "\n".join(fleet.screen_lines("agent"))


def texts(value: Any) -> Iterator[str]:
    """Every string in a decoded request."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():  # pyright: ignore[reportUnknownVariableType]
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from texts(inner)


def arrived(api: MockApi, prompt: str) -> bool:
    """Whether some request holds exactly this prompt, however it is wrapped."""
    return any(prompt in text for asked in api.asked for text in texts(asked.body))


def test_an_agent_is_prompted_and_its_answer_is_seen(
    fleet: LocalFleet, cli: str, api: MockApi
) -> None:
    ready(fleet, cli)
    for number, prompt in enumerate((SHORT, SEVERAL, LONG, LONG_LINES)):
        api.text = f"This is answer number {number}."
        sent = fleet.submit("agent", prompt)
        screen = "\n".join(fleet.screen_lines("agent"))
        assert sent.submitted, f"{sent}\n{screen}"
        answered(fleet, api.text)
        assert arrived(api, prompt)
    fleet.wait_idle("agent", settle_s=0.5, timeout_s=LIMIT_S, screen=True)
    fleet.keys("agent", ("C-c", "C-c"))
    assert fleet.wait("agent", LIMIT_S).ended


def test_a_slash_command_is_understood(fleet: LocalFleet, cli: str) -> None:
    ready(fleet, cli)
    fleet.submit("agent", {"claude": "/exit", "pi": "/quit"}[cli])
    ending = fleet.wait("agent", LIMIT_S)
    assert (ending.ended, ending.state, ending.code) == (True, "exited", 0)


def test_an_agent_of_which_nobody_is_told_is_killed_whole(fleet: LocalFleet, cli: str) -> None:
    ready(fleet, cli)
    killed = fleet.kill("agent")
    assert (killed.killed, killed.survivors) == (True, ())
