"""How the known CLIs are called: without tools, without a bypass, with the prompt on stdin."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from looop.config import RunnerSpec
from looop.loop.decide.launch import Launch, prepare
from looop.loop.decide.presets import PRESETS

SCHEMA: dict[str, Any] = {"type": "object", "required": ["move"]}
BYPASS = re.compile(r"danger|bypass|yolo|skip-permissions|full-auto|accept|auto_edit|allow", re.I)
BYPASS_WORDS = {"-y", "--auto", "--approve", "-a", "workspace-write"}
NAMES = sorted(PRESETS)


def prepared(tmp_path: Path, name: str, spec: RunnerSpec | None = None, **env: str) -> Launch:
    """The launch of a preset whose program is on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    for preset in PRESETS.values():
        program = programs / preset.program
        program.touch()
        program.chmod(0o755)
    run_dir = tmp_path / "run"
    run_dir.mkdir(exist_ok=True)
    return prepare(
        name,
        spec,
        run_dir=run_dir,
        prompt=tmp_path / "prompt.md",
        schema=SCHEMA,
        env={"PATH": f"{programs}:/usr/bin:/bin", **env},
    )


@pytest.mark.parametrize("model", ["", "some-model"])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_ever_bypassed(tmp_path: Path, name: str, model: str) -> None:
    launch = prepared(tmp_path, name, RunnerSpec(model=model))

    words = [*launch.argv[1:], *(f"{key}={value}" for key, value in launch.env.items())]
    own = [word.replace(str(tmp_path), "") for word in words]
    assert [word for word in own if BYPASS.search(word) or word in BYPASS_WORDS] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_prompt_is_on_stdin(tmp_path: Path, name: str) -> None:
    launch = prepared(tmp_path, name)

    assert launch.stdin == tmp_path / "prompt.md"
    assert not any("prompt.md" in word for word in launch.argv)
    assert launch.strict


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_named_only_if_one_is_set(tmp_path: Path, name: str) -> None:
    assert "some-model" not in prepared(tmp_path, name).argv

    argv = prepared(tmp_path, name, RunnerSpec(model="some-model")).argv
    assert argv[argv.index("some-model") - 1] in ("-m", "--model")


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_is_kept_and_a_spec_has_the_last_word(tmp_path: Path, name: str) -> None:
    spec = RunnerSpec(env={"CLAUDE_CODE_MAX_RETRIES": "7", "MINE": "1"})

    env = prepared(tmp_path, name, spec, ANTHROPIC_API_KEY="key").env

    assert env["ANTHROPIC_API_KEY"] == "key"
    assert (env["CLAUDE_CODE_MAX_RETRIES"], env["MINE"]) == ("7", "1")
    assert env["LOOOP_DECISION_FILE"] == str(tmp_path / "run" / ".decision.json")


def test_claude_has_no_tools_and_is_interrupted(tmp_path: Path) -> None:
    launch = prepared(tmp_path, "claude")

    argv = list(launch.argv)
    assert argv[argv.index("--tools") + 1] == ""
    assert argv[argv.index("--permission-mode") + 1] == "default"
    assert json.loads(argv[argv.index("--json-schema") + 1]) == SCHEMA
    assert launch.stop_signal is signal.SIGINT
    assert launch.env["CLAUDE_CODE_MAX_RETRIES"] == "1"


def test_codex_is_read_only_and_gets_the_schema_as_a_file(tmp_path: Path) -> None:
    argv = list(prepared(tmp_path, "codex").argv)

    assert argv[argv.index("-s") + 1] == "read-only"
    assert "features.shell_tool=false" in argv
    assert json.loads(Path(argv[argv.index("--output-schema") + 1]).read_text()) == SCHEMA
    assert argv[-1] == "-"


def test_gemini_is_given_a_policy_that_denies_everything(tmp_path: Path) -> None:
    argv = list(prepared(tmp_path, "gemini").argv)

    policy = Path(argv[argv.index("--policy") + 1])
    assert policy.parent == tmp_path / "run"
    assert 'toolName = "*"\ndecision = "deny"' in policy.read_text()


@pytest.mark.parametrize("given", ["", "no json", "[]", '{"model": "a/b", "agent": {"x": {}}}'])
def test_opencode_keeps_the_configuration_it_was_given(tmp_path: Path, given: str) -> None:
    launch = prepared(tmp_path, "opencode", OPENCODE_CONFIG_CONTENT=given)

    config = json.loads(launch.env["OPENCODE_CONFIG_CONTENT"])
    agent = config["agent"][launch.argv[launch.argv.index("--agent") + 1]]
    assert (agent["tools"], agent["permission"]) == ({"*": False}, {"*": "deny"})
    if given.startswith("{"):
        assert (config["model"], config["agent"]["x"]) == ("a/b", {})


@pytest.mark.parametrize("name", NAMES)
def test_a_tick_replaces_the_command_of_a_preset_entirely(tmp_path: Path, name: str) -> None:
    launch = prepared(tmp_path, name, RunnerSpec(tick="decide {{prompt_file}}"))

    assert Path(launch.argv[0]).name == "bash"
    assert launch.argv[1:] == ("-c", f"decide {tmp_path / 'prompt.md'}")
    assert (launch.stdin, launch.strict, launch.waits) == (None, False, ())
