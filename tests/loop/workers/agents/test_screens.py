"""The screens of the real CLIs: what they wait for, and whether one may type into them."""

import pytest

from looop.loop.workers.agents import AGENTS, agent_of
from tests.loop.workers.agents.support import NOW, screen


@pytest.mark.parametrize("cli", AGENTS)
def test_a_cli_that_has_answered_is_ready_and_asks_nothing(cli: str) -> None:
    agent, rows = AGENTS[cli], screen(f"{cli}-ok")
    assert agent.ready(rows)
    assert agent.asks_permission(rows) == ""
    assert agent.limited(rows, NOW) is None


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (
            "claude-asks",
            "Bash command · try · curl http://127.0.0.1:1/ && touch made · "
            "This command requires approval · Do you want to proceed?",
        ),
        ("claude-trust", "Accessing workspace: · /home/user/work · Quick safety check"),
        (
            "codex-asks",
            "Would you like to run the following command? · Reason: May I? · "
            "$ curl http://127.0.0.1:1/ && touch made",
        ),
        ("codex-trust", "Folder access · /home/user/work · Trust this folder?"),
        ("pi-trust", "Trust project folder? · /home/user/work"),
    ],
)
def test_a_dialog_is_put_on_one_line(case: str, words: str) -> None:
    agent, rows = AGENTS[case.partition("-")[0]], screen(case)
    assert words in agent.asks_permission(rows)
    assert not agent.ready(rows)
    assert agent.limited(rows, NOW) is None


@pytest.mark.parametrize(
    ("case", "words", "until"),
    [
        ("claude-limit", "Usage limit reached", 1795281540.0),
        ("codex-limit", "You\u2019ve hit your usage limit.", 1795281540.0),
        ("pi-limit", "Error: 429", 0.0),
    ],
)
def test_a_limit_is_read_from_the_screen(case: str, words: str, until: float) -> None:
    found = AGENTS[case.partition("-")[0]].limited(screen(case), NOW)
    assert found is not None
    assert found.text.startswith(words)
    assert found.until == until


def test_a_text_that_looks_like_a_dialog_is_none() -> None:
    quoted = [row.strip() for row in screen("claude-asks")]
    for agent in AGENTS.values():
        assert agent.asks_permission([*quoted, *screen("claude-ok")]) == ""
        assert agent.asks_permission(["Do you want to proceed?", "Esc to cancel"]) == ""


def test_of_an_unknown_cli_nothing_is_said() -> None:
    agent = agent_of("whatever")
    assert agent.program == ""
    assert not agent.ready(screen("claude-ok"))
    assert agent.asks_permission(screen("claude-asks")) == ""
