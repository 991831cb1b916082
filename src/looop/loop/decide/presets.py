"""How each known agent CLI is asked for one decision, without tools and without a bypass."""

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from looop.kit.shapes import is_object

__all__ = ["PRESETS", "Call", "Preset"]


class Call(Struct, frozen=True, kw_only=True):
    """
    One question: its schema as a value and as a file, the model ("" for the CLI's own choice)
    and the run directory, which is the cwd. The prompt is always on stdin.
    """

    schema: dict[str, Any]
    schema_file: Path
    model: str
    run_dir: Path


def _no_files(_call: Call) -> dict[str, str]:
    return {}


def _no_env(_env: Mapping[str, str]) -> dict[str, str]:
    return {}


class Preset(Struct, frozen=True, kw_only=True):
    """
    One agent CLI.

    `program` is looked for on PATH, and `args` follow it. `env` is computed from the
    environment and laid over it; `files` are written into the run directory first. With
    `structured`, the CLI itself holds the model to the schema. `waits` are the pauses before
    further tries after a transient failure: none where the CLI's own tries last long enough.
    `provider` is whose price list its models are on, if it is always the same.
    """

    name: str
    program: str
    args: Callable[[Call], list[str]]
    env: Callable[[Mapping[str, str]], dict[str, str]] = _no_env
    files: Callable[[Call], dict[str, str]] = _no_files
    stop_signal: signal.Signals = signal.SIGTERM
    structured: bool = False
    waits: tuple[float, ...] = ()
    provider: str = ""


def _model(flag: str, call: Call) -> list[str]:
    return [flag, call.model] if call.model else []


# ---- claude: `--tools ""` leaves only the tool that takes the structured answer, and the strict
# flag keeps the user's MCP servers out. `--bare` would lose the login of a subscription.


def _claude_args(call: Call) -> list[str]:
    return [
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--tools",
        "",
        "--strict-mcp-config",
        "--permission-mode",
        "default",
        "--no-session-persistence",
        "--json-schema",
        json.dumps(call.schema),
        *_model("--model", call),
    ]


def _claude_env(_env: Mapping[str, str]) -> dict[str, str]:
    # Its own ten tries last three minutes; ours know when to stop.
    return {"CLAUDE_CODE_MAX_RETRIES": "1", "DISABLE_AUTOUPDATER": "1"}


# ---- codex: settings by `-c`, because an unknown one is a warning, and an unknown feature in
# `--disable` an error.

_CODEX_OFF = ("shell_tool", "multi_agent", "goals", "plugins", "apps")


def _codex_args(call: Call) -> list[str]:
    off = [word for feature in _CODEX_OFF for word in ("-c", f"features.{feature}=false")]
    return [
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--ephemeral",
        "-s",
        "read-only",
        *off,
        "-c",
        'web_search="disabled"',
        "--output-schema",
        str(call.schema_file),
        *_model("-m", call),
        "-",
    ]


# ---- pi


def _pi_args(call: Call) -> list[str]:
    return [
        "-p",
        "--mode",
        "json",
        "--no-session",
        "--no-tools",
        "--no-skills",
        "--no-prompt-templates",
        "--no-context-files",
        *_model("--model", call),
    ]


def _pi_env(_env: Mapping[str, str]) -> dict[str, str]:
    return {"PI_SKIP_VERSION_CHECK": "1"}


# ---- opencode: an agent of ours without tools, given in the environment on top of the user's
# configuration. A title keeps it from paying a model for one.

_AGENT = "looop-decider"


def _opencode_args(call: Call) -> list[str]:
    return [
        "run",
        "--format",
        "json",
        "--agent",
        _AGENT,
        "--title",
        "looop",
        *_model("-m", call),
    ]


def _opencode_env(env: Mapping[str, str]) -> dict[str, str]:
    config: dict[str, Any] = {}
    try:
        given: Any = json.loads(env.get("OPENCODE_CONFIG_CONTENT") or "{}")
        config = given if is_object(given) else {}
    except ValueError:
        pass
    agents: Any = config.get("agent")
    ours = {
        "description": "Decides one move, and has no tools.",
        "mode": "primary",
        "tools": {"*": False},
        "permission": {"*": "deny"},
    }
    config["agent"] = {**(agents if is_object(agents) else {}), _AGENT: ours}
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }


# ---- gemini: a policy that denies every tool takes them out of the request, too.

_POLICY = "gemini-policy.toml"
_DENY_ALL = '[[rule]]\ntoolName = "*"\ndecision = "deny"\npriority = 999\n'


def _gemini_args(call: Call) -> list[str]:
    return [
        "--output-format",
        "stream-json",
        "--skip-trust",
        "--approval-mode",
        "default",
        "--policy",
        str(call.run_dir / _POLICY),
        "--extensions",
        "none",
        *_model("-m", call),
    ]


def _gemini_env(_env: Mapping[str, str]) -> dict[str, str]:
    # Its launcher does not pass a signal on to the process that does the work.
    return {"GEMINI_CLI_NO_RELAUNCH": "true"}


def _gemini_files(_call: Call) -> dict[str, str]:
    return {_POLICY: _DENY_ALL}


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="claude",
            program="claude",
            args=_claude_args,
            env=_claude_env,
            stop_signal=signal.SIGINT,  # with TERM, some versions leave their tools running
            structured=True,
            waits=(2.0, 6.0),
            provider="anthropic",
        ),
        Preset(
            name="codex",
            program="codex",
            args=_codex_args,
            structured=True,
            waits=(2.0, 6.0),
            provider="openai",
        ),
        Preset(name="pi", program="pi", args=_pi_args, env=_pi_env),
        Preset(name="opencode", program="opencode", args=_opencode_args, env=_opencode_env),
        Preset(
            name="gemini",
            program="gemini",
            args=_gemini_args,
            env=_gemini_env,
            files=_gemini_files,
            provider="google",
        ),
    )
}
