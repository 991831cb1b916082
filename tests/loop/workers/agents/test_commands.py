"""The commands that start workers, run in a real shell with a CLI that says what it was given."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from looop.errors import Refused
from looop.loop.workers.agents import AGENTS, Brief, agent_of, given, transcript_id
from tests.loop.workers.agents.support import brief_in

_SAYS = """#!/bin/bash
if [ "$1" = --help ]; then echo "HELP"; exit 0; fi
printf '%s\\0' "$@" > "$HOME/given"
"""


def run(cli: str, brief: Brief, help_says: str = "Run alone") -> list[str]:
    """Run the worker's command with a program that writes down its arguments; those."""
    bin_dir = Path(brief.env["HOME"]) / "bin"
    bin_dir.mkdir(exist_ok=True)
    program = bin_dir / cli
    program.write_text(_SAYS.replace("HELP", help_says))
    program.chmod(0o700)
    path = f"{bin_dir}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", AGENTS[cli].command(brief)],
        env=brief.env | {"PATH": path},
        cwd=brief.work_dir,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return (Path(brief.env["HOME"]) / "given").read_text().split("\0")[:-1]


HOSTILE = "/x @y !z 'a' \"b\" `touch no` $(touch no) ${HOME} \\n \u202e é\n\n  - end"


@pytest.mark.parametrize("cli", AGENTS)
@pytest.mark.parametrize("place", ["plain", "a b'c\"d$(e)`f`"])
def test_the_brief_reaches_the_agent_to_the_letter(cli: str, place: str, tmp_path: Path) -> None:
    root = tmp_path / place
    root.mkdir()
    brief = brief_in(root, HOSTILE + "\n\n")
    words = run(cli, brief)
    assert words[-1] == f"Your brief:\n\n{HOSTILE}"
    assert words[-1] == given.first_message(brief)
    assert os.listdir(brief.work_dir) == []


@pytest.mark.parametrize("cli", AGENTS)
def test_a_brief_too_long_for_an_argument_is_a_file_to_read(cli: str, tmp_path: Path) -> None:
    brief = brief_in(tmp_path, "word " * 60_000)
    words = run(cli, brief)
    assert words[-1].startswith(f"Your brief is the file {brief.prompt_file}")
    assert words[-1] == given.first_message(brief)


@pytest.mark.parametrize("cli", AGENTS)
def test_the_longest_brief_that_is_an_argument_is_one(cli: str, tmp_path: Path) -> None:
    brief = brief_in(tmp_path, "x" * given.ARGUMENT_BYTES)
    assert run(cli, brief)[-1] == "Your brief:\n\n" + "x" * given.ARGUMENT_BYTES


@pytest.mark.parametrize("cli", AGENTS)
def test_no_agent_runs_without_its_brief(cli: str, tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    os.unlink(brief.prompt_file)
    command = AGENTS[cli].command(brief)
    done = subprocess.run(["bash", "-c", command], env=brief.env, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"No such file" in done.stderr


@pytest.mark.parametrize(
    ("cli", "flag"), [("claude", "--model"), ("codex", "-m"), ("pi", "--model")]
)
def test_a_model_is_handed_on(cli: str, flag: str, tmp_path: Path) -> None:
    from msgspec.structs import replace

    brief = brief_in(tmp_path)
    assert flag not in run(cli, brief)
    words = run(cli, replace(brief, model="a model; x"))
    assert words[words.index(flag) + 1] == "a model; x"


# -- claude --------------------------------------------------------------------------------------


def test_claude_takes_its_id_once_and_goes_on_with_it_after_a_restart(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    own = transcript_id("w1", "g1")
    words = run("claude", brief)
    assert words[words.index("--session-id") + 1] == own
    assert words[words.index("--permission-mode") + 1] == "acceptEdits"

    kept = tmp_path / "home" / ".claude" / "projects" / "-some-place"
    kept.mkdir(parents=True)
    (kept / f"{own}.jsonl").write_text("{}\n")
    words = run("claude", brief)
    assert words[words.index("--resume") + 1] == own
    assert "--session-id" not in words


def test_an_id_differs_with_the_worker_and_with_its_generation() -> None:
    assert transcript_id("w1", "g1") == transcript_id("w1", "g1")
    ids = {transcript_id("w1", "g1"), transcript_id("w1", "g2"), transcript_id("w2", "g1")}
    assert len(ids) == 3


def test_the_settings_of_claude_hold_its_hooks_and_what_it_may_do(tmp_path: Path) -> None:
    brief = brief_in(tmp_path, LOOOP_BIN="/opt/looop", LOOOP_REPORTS_DIR="/data/reports")
    ((name, body),) = AGENTS["claude"].files(brief).items()
    words = run("claude", brief)
    assert words[words.index("--settings") + 1] == f"{brief.files_dir}/{name}"
    settings = json.loads(body)
    for event in ("UserPromptSubmit", "PermissionRequest", "Stop", "StopFailure", "SessionEnd"):
        ((hook,),) = [group["hooks"] for group in settings["hooks"][event]]
        assert hook["command"] == "'/opt/looop' hook"
        assert hook["timeout"] > 0
    permissions = settings["permissions"]
    assert f"Read(/{brief.prompt_file})" in permissions["allow"]
    assert "Bash(/opt/looop done:*)" in permissions["allow"]
    assert permissions["deny"] == ["AskUserQuestion"]
    assert permissions["additionalDirectories"] == ["/data/reports"]


def test_without_a_command_for_hooks_there_are_none(tmp_path: Path) -> None:
    from msgspec.structs import replace

    brief = replace(brief_in(tmp_path), hook_command="")
    (body,) = AGENTS["claude"].files(brief).values()
    assert "hooks" not in json.loads(body)


# -- the others ----------------------------------------------------------------------------------


def test_codex_is_kept_out_of_its_shared_server_where_it_has_one(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    assert run("codex", brief, "  --no-daemon  Run alone")[0] == "--no-daemon"
    words = run("codex", brief, "  --other")
    assert "--no-daemon" not in words
    assert "" not in words
    opened = [words[i + 1] for i, word in enumerate(words) if word == "--add-dir"]
    places = ("reports", "claims", "workers", ".lock")
    assert opened == [str(tmp_path / "data" / place) for place in places]


def test_pi_keeps_its_sessions_in_a_place_of_the_worker(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    words = run("pi", brief)
    place = Path(words[words.index("--session-dir") + 1])
    assert place.parent == Path(brief.files_dir)
    assert AGENTS["pi"].transcripts(brief, 0.0) == []
    place.mkdir()
    (place / "a.jsonl").write_text("")
    (place / "a.lock").write_text("")
    assert AGENTS["pi"].transcripts(brief, 0.0) == [place / "a.jsonl"]


def test_an_unknown_agent_has_no_command_of_its_own(tmp_path: Path) -> None:
    agent = agent_of("whatever")
    with pytest.raises(Refused, match="no command of its own"):
        agent.command(brief_in(tmp_path))
    assert agent.files(brief_in(tmp_path)) == {}
    assert agent.transcripts(brief_in(tmp_path), 0.0) == []
    assert agent.first_start(brief_in(tmp_path)) == []
