"""What would ask something at the first start of an agent, said before it does."""

import json
from pathlib import Path
from typing import Any

import pytest

from looop.loop.workers.agents import AGENTS, Brief
from tests.loop.workers.agents.support import brief_in


def problems(cli: str, brief: Brief) -> list[str]:
    return AGENTS[cli].first_start(brief)


def repository(top: Path) -> None:
    (top / ".git").mkdir()


def linked(worktree: Path, main: Path) -> None:
    """Make `worktree` one of the repository `main`, as git does."""
    worktree.mkdir(parents=True, exist_ok=True)
    (worktree / ".git").write_text(f"gitdir: {main}/.git/worktrees/w1\n")


# -- claude --------------------------------------------------------------------------------------


def claude_config(brief: Brief, *trusted: Path, **more: Any) -> None:
    config = {
        "hasCompletedOnboarding": True,
        "projects": {str(path): {"hasTrustDialogAccepted": True} for path in trusted},
    }
    (Path(brief.env["HOME"]) / ".claude.json").write_text(json.dumps(config | more))


def test_claude_must_have_been_set_up(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    (problem,) = problems("claude", brief)
    assert "never been set up" in problem
    claude_config(brief, tmp_path / "work", hasCompletedOnboarding=False)
    (problem,) = problems("claude", brief)
    assert "welcome" in problem


def test_outside_a_repository_any_parent_that_claude_trusts_will_do(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    for trusted in (tmp_path / "work", tmp_path, Path("/")):
        claude_config(brief, trusted)
        assert problems("claude", brief) == []
    claude_config(brief, tmp_path / "other")
    (problem,) = problems("claude", brief)
    assert f"trust {tmp_path}/work: run `claude` once in {tmp_path} " in problem


def test_in_a_repository_a_parent_of_it_will_not_do(tmp_path: Path) -> None:
    brief = brief_in(tmp_path / "repo")
    repository(tmp_path / "repo")
    claude_config(brief, tmp_path)
    (problem,) = problems("claude", brief)
    assert f"run `claude` once in {tmp_path}/repo " in problem
    for trusted in (tmp_path / "repo", tmp_path / "repo" / "work"):
        claude_config(brief, trusted)
        assert problems("claude", brief) == []


@pytest.mark.parametrize("cli", ["claude", "codex"])
def test_a_worktree_is_trusted_with_its_main_one(cli: str, tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    main = tmp_path / "main"
    main.mkdir()
    repository(main)
    linked(tmp_path / "work", main)
    trust = {"claude": claude_config, "codex": codex_config}[cli]
    trust(brief, tmp_path)
    (problem,) = problems(cli, brief)
    assert str(main) in problem
    trust(brief, main)
    assert problems(cli, brief) == []


def test_a_key_must_have_been_approved_by_its_end(tmp_path: Path) -> None:
    brief = brief_in(tmp_path, ANTHROPIC_API_KEY="sk-ant-" + "x" * 40)
    claude_config(brief, tmp_path / "work")
    (problem,) = problems("claude", brief)
    assert "ANTHROPIC_API_KEY" in problem
    assert "xxx" not in problem
    claude_config(brief, tmp_path / "work", customApiKeyResponses={"approved": ["x" * 20]})
    assert problems("claude", brief) == []


def test_claude_may_be_configured_elsewhere(tmp_path: Path) -> None:
    brief = brief_in(tmp_path, CLAUDE_CONFIG_DIR=str(tmp_path / "conf"))
    claude_config(brief, tmp_path / "work")
    assert "never been set up" in problems("claude", brief)[0]
    (tmp_path / "conf").mkdir()
    (tmp_path / "home" / ".claude.json").rename(tmp_path / "conf" / ".claude.json")
    assert problems("claude", brief) == []


def test_what_cannot_be_read_is_not_called_absent(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    (tmp_path / "home" / ".claude.json").mkdir()
    (problem,) = problems("claude", brief)
    assert "cannot tell" in problem
    (tmp_path / "home" / ".claude.json").rmdir()
    (tmp_path / "home" / ".claude.json").write_text("{")
    (problem,) = problems("claude", brief)
    assert "is no JSON" in problem


@pytest.mark.parametrize("config", [[], {"projects": []}, {"projects": {"/": 1}}, {"x": 1}])
def test_a_configuration_of_another_shape_trusts_nothing(config: Any, tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    (tmp_path / "home" / ".claude.json").write_text(json.dumps(config))
    assert len(problems("claude", brief)) == 2


# -- codex ---------------------------------------------------------------------------------------


def codex_config(brief: Brief, *trusted: Path, more: str = 'model_provider = "x"\n') -> None:
    place = Path(brief.env["HOME"]) / ".codex"
    place.mkdir(exist_ok=True)
    tables = [f'[projects."{path}"]\ntrust_level = "trusted"\n' for path in trusted]
    (place / "config.toml").write_text("".join([more, *tables]))


def test_codex_asks_in_repositories_alone(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    codex_config(brief)
    assert problems("codex", brief) == []
    repository(tmp_path / "work")
    (problem,) = problems("codex", brief)
    assert f"trust {tmp_path}/work: run `codex` there once" in problem
    codex_config(brief, tmp_path)
    assert len(problems("codex", brief)) == 1
    codex_config(brief, tmp_path / "work")
    assert problems("codex", brief) == []


def test_codex_must_be_signed_in_somehow(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    assert "codex login" in problems("codex", brief)[0]
    assert problems("codex", brief_in(tmp_path, OPENAI_API_KEY="x")) == []
    codex_config(brief)
    assert problems("codex", brief) == []
    codex_config(brief, more="")
    assert len(problems("codex", brief)) == 1
    (tmp_path / "home" / ".codex" / "auth.json").write_text("{}")
    assert problems("codex", brief) == []


def test_a_configuration_of_codex_that_makes_no_sense_is_said(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    codex_config(brief, more="[x")
    (problem,) = problems("codex", brief)
    assert "is no TOML" in problem


# -- pi ------------------------------------------------------------------------------------------


def test_pi_asks_only_where_a_directory_brings_settings_of_its_own(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    assert problems("pi", brief) == []
    (tmp_path / "work" / ".pi").mkdir()
    assert problems("pi", brief) == []
    (tmp_path / "work" / ".pi" / "settings.json").write_text("{}")
    (problem,) = problems("pi", brief)
    assert f"trust {tmp_path}/work" in problem


def test_a_skill_of_a_parent_is_such_a_setting_and_ones_own_is_not(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    (tmp_path / "home" / ".agents" / "skills").mkdir(parents=True)
    from msgspec.structs import replace

    at_home = tmp_path / "home" / "work"
    at_home.mkdir()
    assert problems("pi", replace(brief, work_dir=str(at_home))) == []
    (tmp_path / ".agents" / "skills").mkdir(parents=True)
    assert len(problems("pi", brief)) == 1


@pytest.mark.parametrize("answer", [True, False])
def test_either_answer_of_pi_is_one(answer: bool, tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    (tmp_path / "work" / ".pi" / "skills").mkdir(parents=True)
    agent = tmp_path / "home" / ".pi" / "agent"
    agent.mkdir(parents=True)
    (agent / "trust.json").write_text(json.dumps({str(tmp_path): answer}))
    assert problems("pi", brief) == []
    (agent / "trust.json").write_text(json.dumps({str(tmp_path): None}))
    assert len(problems("pi", brief)) == 1
    (agent / "settings.json").write_text('{"defaultProjectTrust": "never"}')
    assert problems("pi", brief) == []
