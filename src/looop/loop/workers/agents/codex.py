"""Codex as a worker: its command, its screen and its first start."""

import re
import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from looop.errors import LooopError
from looop.kit import files
from looop.kit.shapes import is_object
from looop.loop.workers.agents import codex_transcript, dialogs, given, limits, trust
from looop.loop.workers.agents.base import Agent, Brief, Limit

__all__ = ["CODEX"]

# ---- starting it ---------------------------------------------------------------------------------
# Hooks of a session must be trusted by a human in a dialog, unless those of every repository are
# trusted unseen. So it gets none: its transcript tells as much, and is written as things happen.


# Where the verbs of the contract write, below the data dir.
_WRITABLE = ("reports", "claims", "workers", ".lock")


def _command(brief: Brief) -> str:
    """
    Without its shared background server, which newer versions start.

    There the work would go on in a process that is not the worker's, with the environment of
    whoever started it first, and out of the reach of a kill.
    """
    model = f" -m {shlex.quote(brief.model)}" if brief.model else ""
    # A worker writes in its own place; and our verbs, which it runs, write where workers may, but
    # never beside the policy files.
    data = brief.env.get("LOOOP_DATA_DIR", "")
    more = " -s workspace-write"
    for place in _WRITABLE if data else ():
        more += f" --add-dir {shlex.quote(f'{data}/{place}')}"
    return (
        f"{given.prelude(brief)}alone=; "
        "codex --help 2>/dev/null | grep -q -e --no-daemon && alone=--no-daemon; "
        # The variable is one flag or none, and must not become an empty argument.
        f"exec codex $alone -c check_for_update_on_startup=false{more}{model} {given.word(brief)}"
    )


# ---- its screen ----------------------------------------------------------------------------------

_FOOTER = re.compile(r"\b(?:enter (?:to )?(?:confirm|continue)|esc to cancel)\b", re.IGNORECASE)
_NOISE = re.compile(r"^\s*Environment: ")
_HINTS = re.compile(r"\? for shortcuts|\besc to interrupt\b|\btab to queue\b")


def _limited(rows: Sequence[str], now: float) -> Limit | None:
    return limits.on_screen(rows, now, limits.GENERIC, marked="■", goes_on="•")


def _asks(rows: Sequence[str]) -> str:
    return dialogs.question(rows, mark="\u203a", footer=_FOOTER, skip=_NOISE)


def _ready(rows: Sequence[str]) -> bool:
    shown = [row for row in rows if row.strip()][-6:]
    composer = any(row.startswith("\u203a") for row in shown)
    return composer and any(_HINTS.search(row) for row in shown) and not _asks(rows)


# ---- its first start -----------------------------------------------------------------------------

_KEYS = ("OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN")
# Settings that say that the login is somewhere else, or that none is needed.
_ELSEWHERE = ("model_provider", "cli_auth_credentials_store", "profile")


def _first_start(brief: Brief) -> list[str]:
    try:
        return _problems(brief)
    except LooopError as error:
        return [f"cannot tell whether codex would ask something at its start: {error}"]


def _problems(brief: Brief) -> list[str]:
    home = codex_transcript.home_of(brief)
    path = home / "config.toml"
    try:
        config: dict[str, Any] = tomllib.loads(files.read_text(path) or "")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return [f"codex will not start as it is: {path} is no TOML ({error})"]
    problems = _untrusted(brief, config)
    keys = [brief.env.get(key) for key in _KEYS] + [config.get(key) for key in _ELSEWHERE]
    if not any(keys) and files.stat_or_none(home / "auth.json") is None:
        problems.append("codex would ask for a login: run `codex login` once by hand")
    return problems


def _untrusted(brief: Brief, config: dict[str, Any]) -> list[str]:
    """It asks in repositories; a worktree goes with the main one, and a `no` is an answer too."""
    here = Path(brief.work_dir).resolve()
    repo = trust.repo_of(here)
    if repo is None:
        return []
    projects: Any = config.get("projects")
    for place in (here, repo.top, repo.main):
        known: Any = projects.get(str(place)) if is_object(projects) else None
        if is_object(known) and known.get("trust_level"):
            return []
    return [
        f"codex would ask whether to trust {repo.main}: run `codex` there once and answer, or "
        f'write trust_level into [projects."{repo.main}"] of its config.toml'
    ]


CODEX = Agent(
    name="codex",
    program="codex",
    command=_command,
    transcripts=codex_transcript.find,
    tally=codex_transcript.tally,
    told=codex_transcript.told,
    limited=_limited,
    asks_permission=_asks,
    ready=_ready,
    first_start=_first_start,
)
