"""Claude Code as a worker: its command, its settings, its screen and its first start."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from looop.errors import LooopError
from looop.kit import files
from looop.kit.shapes import is_object
from looop.loop.workers.agents import (
    claude_hooks,
    claude_transcript,
    dialogs,
    given,
    limits,
    trust,
    verbs,
)
from looop.loop.workers.agents.base import Agent, Brief, Limit

__all__ = ["CLAUDE"]

_SETTINGS = "claude.json"
_PERMISSION_S = 7 * 86400
_HOOK_S = 20

# ---- starting it ---------------------------------------------------------------------------------


def _command(brief: Brief) -> str:
    settings = shlex.quote(f"{brief.files_dir}/{_SETTINGS}")
    model = f" --model {shlex.quote(brief.model)}" if brief.model else ""
    # An id is taken once. The same command again, after a restart, goes on with what it began.
    choose = session = ""
    if brief.transcript_id:
        own = f"/projects/*/{brief.transcript_id}.jsonl"
        choose = (
            "session=--session-id; "
            f'for kept in "${{CLAUDE_CONFIG_DIR:-$HOME/.claude}}"{own}; do '
            '[ -e "$kept" ] && session=--resume; done; '
        )
        session = f' "$session" {brief.transcript_id}'
    return (
        f"{given.prelude(brief)}{choose}exec claude --settings {settings}{session}"
        f" --permission-mode acceptEdits{model} {given.word(brief)}"
    )


def _files(brief: Brief) -> dict[str, str]:
    return {_SETTINGS: json.dumps(_settings(brief), indent=1, ensure_ascii=False) + "\n"}


def _settings(brief: Brief) -> dict[str, Any]:
    allow = [f"Read(/{brief.prompt_file})"]
    program = brief.env.get("LOOOP_BIN", "")
    if program:
        allow += [f"Bash({shlex.quote(program)} {verb}:*)" for verb in verbs.VERBS]
    permissions: dict[str, Any] = {
        "allow": allow,
        # Its own way to ask would wait in a terminal that nobody may be looking at.
        "deny": ["AskUserQuestion"],
    }
    reports = brief.env.get("LOOOP_REPORTS_DIR", "")
    if reports:
        permissions["additionalDirectories"] = [reports]
    settings: dict[str, Any] = {"permissions": permissions}
    if brief.hook_command:
        settings["hooks"] = {
            event: [{"hooks": [_hook(event, brief.hook_command)]}] for event in claude_hooks.EVENTS
        }
    return settings


def _hook(event: str, command: str) -> dict[str, Any]:
    # One that asks for a permission waits for a human; the dialog is on the screen meanwhile,
    # and whoever answers first has answered.
    limit = _PERMISSION_S if event == "PermissionRequest" else _HOOK_S
    return {"type": "command", "command": command, "timeout": limit}


def _env(_brief: Brief) -> dict[str, str]:
    return {"DISABLE_AUTOUPDATER": "1"}


# ---- its screen ----------------------------------------------------------------------------------

_LIMITS = re.compile(
    rf"{limits.GENERIC.pattern}|You['\u2019]re out of (?:extra usage|usage credits)(?=\s*(?:$|[·.]))",
    re.IGNORECASE,
)
_FOOTER = re.compile(r"\bEsc to cancel\b|\bEnter to (?:confirm|select)\b", re.IGNORECASE)
_NOISE = re.compile(r"^\s*(?:Tip: |☐)")
_READY = re.compile(
    r"(?:accept edits|bypass permissions|plan mode|auto mode|manual mode) on\b|\? for shortcuts"
)


def _limited(rows: Sequence[str], now: float) -> Limit | None:
    return limits.on_screen(rows, now, _LIMITS, goes_on="●⏺")


def _asks(rows: Sequence[str]) -> str:
    return dialogs.question(rows, mark="\u276f", footer=_FOOTER, skip=_NOISE)


def _ready(rows: Sequence[str]) -> bool:
    shown = [row for row in rows if row.strip()][-6:]
    boxed = any(row.lstrip().startswith("\u276f") for row in shown)
    return boxed and any(_READY.search(row) for row in shown) and not _asks(rows)


# ---- its first start -----------------------------------------------------------------------------


def _first_start(brief: Brief) -> list[str]:
    try:
        return _problems(brief)
    except LooopError as error:
        return [f"cannot tell whether claude would ask something at its start: {error}"]


def _problems(brief: Brief) -> list[str]:
    path = _config_file(brief)
    raw = files.read_bytes(path)
    if raw is None:
        return [f"claude has never been set up ({path} is not there): run `claude` once by hand"]
    try:
        config: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return [f"claude will not start as it is: {path} is no JSON ({error})"]
    config = config if is_object(config) else {}
    problems: list[str] = []
    if not config.get("hasCompletedOnboarding"):
        problems.append("claude would show its welcome: run `claude` once by hand")
    problems += _untrusted(brief, config)
    key = brief.env.get("ANTHROPIC_API_KEY", "")
    answers = config.get("customApiKeyResponses")
    approved: Any = answers.get("approved") if is_object(answers) else []
    if key and key[-20:] not in (approved or []):
        problems.append(
            "claude would ask whether to use ANTHROPIC_API_KEY: run `claude` once by hand and say "
            "yes, or take the variable out of the worker's environment"
        )
    return problems


def _config_file(brief: Brief) -> Path:
    given_dir = brief.env.get("CLAUDE_CONFIG_DIR", "")
    return Path(given_dir or brief.env.get("HOME", "/")) / ".claude.json"


def _untrusted(brief: Brief, config: dict[str, Any]) -> list[str]:
    """In a repository its top counts for all of it, and its main worktree for the others."""
    if brief.env.get("CLAUDE_CODE_SANDBOXED"):
        return []
    here = Path(brief.work_dir).resolve()
    repo = trust.repo_of(here)
    places = [*trust.below(here, repo.top), repo.main] if repo else [here, *here.parents]
    projects: Any = config.get("projects")
    for place in places:
        known: Any = projects.get(str(place)) if is_object(projects) else None
        if is_object(known) and known.get("hasTrustDialogAccepted") is True:
            return []
    where = repo.main if repo else here.parent
    return [
        f"claude would ask whether to trust {here}: run `claude` once in {where} and trust that "
        "folder, if you do"
    ]


CLAUDE = Agent(
    name="claude",
    program="claude",
    command=_command,
    files=_files,
    env=_env,
    transcripts=claude_transcript.find,
    tally=claude_transcript.tally,
    limited=_limited,
    asks_permission=_asks,
    ready=_ready,
    first_start=_first_start,
    from_hook=claude_hooks.from_hook,
    permission_answer=claude_hooks.permission_answer,
)
