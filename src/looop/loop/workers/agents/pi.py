"""pi as a worker: its command, its screen, its first start and its transcripts."""

import itertools
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from looop.errors import LooopError
from looop.kit import files, jsonl, text
from looop.kit.shapes import is_object
from looop.loop.decide.streams import Usage, fields
from looop.loop.decide.streams.base import priced_or_untold
from looop.loop.workers.agents import dialogs, given, limits
from looop.loop.workers.agents.base import Agent, AgentState, Brief, Limit, Tally
from looop.loop.workers.agents.rows import rows_of, settled, wall

__all__ = ["PI"]

_SHOWN = 200

# ---- starting it ---------------------------------------------------------------------------------


def _sessions(brief: Brief) -> Path:
    """A directory of this worker's own, so that whatever lies in it is its own."""
    return Path(brief.files_dir) / f"pi-{brief.transcript_id or brief.generation}"


def _command(brief: Brief) -> str:
    model = f" --model {shlex.quote(brief.model)}" if brief.model else ""
    place = shlex.quote(str(_sessions(brief)))
    return f"{given.prelude(brief)}exec pi --session-dir {place}{model} {given.word(brief)}"


def _env(_brief: Brief) -> dict[str, str]:
    return {"PI_SKIP_VERSION_CHECK": "1"}


# ---- its transcripts -----------------------------------------------------------------------------


def _find(brief: Brief, _since: float) -> list[Path]:
    place = _sessions(brief)
    return [place / name for name in files.list_names(place) if name.endswith(".jsonl")]


def _tally(path: Path) -> Tally:
    """What was bought: answers, summaries and upkeep, each with its price. Raises `Unreadable`."""
    found: Tally = {}
    for row in rows_of(files.read_bytes(path) or b""):
        message = fields.table(row, "message") or row
        usage = fields.table(message, "usage")
        if not usage:
            continue
        model = fields.word(message, "model")
        provider = fields.word(message, "provider")
        name = f"{provider}/{model}" if provider and model else model
        found[name] = found.get(name, Usage()).plus(_usage(usage))
    return settled(found)


def _usage(table: dict[str, Any]) -> Usage:
    return priced_or_untold(
        Usage(
            cost_usd=fields.amount(fields.table(table, "cost"), "total"),
            input_tokens=fields.count(table, "input"),
            cached_tokens=fields.count(table, "cacheRead"),
            cache_write_tokens=fields.count(table, "cacheWrite"),
            output_tokens=fields.count(table, "output"),
        )
    )


def _told(path: Path, _now: float) -> AgentState | None:
    """The state that its last message tells; one that it takes back will be tried again."""
    retried = False
    for row in itertools.islice(jsonl.backwards(path), 200):
        if fields.word(row, "type") == "context_edit":
            retried = True
        if fields.word(row, "type") != "message":
            continue
        message = fields.table(row, "message")
        if retried or fields.word(message, "role") in ("user", "toolResult", "bashExecution"):
            return AgentState(state="busy", transcript=str(path))
        if fields.word(message, "role") == "assistant":
            return _told_by(message, wall(row), str(path))
    return None


def _told_by(message: dict[str, Any], at: float, path: str) -> AgentState:
    match fields.word(message, "stopReason"):
        case "toolUse":
            return AgentState(state="busy", transcript=path)
        case "error":
            said = fields.word(message, "errorMessage")
            limited = _LIMITS.match(f"Error: {said}") is not None
            return AgentState(
                state="limited" if limited else "failed",
                detail=text.one_line(said, _SHOWN),
                until=limits.ends_at(said, at) if limited else 0.0,
                transcript=path,
            )
        case _:
            parts = fields.tables(message, "content")
            said = "".join(fields.word(part, "text") for part in parts)
            return AgentState(state="idle", detail=text.one_line(said, _SHOWN), transcript=path)


# ---- its screen ----------------------------------------------------------------------------------

# It shows the words of its provider as they came, in one form for all of them.
_LIMITS = re.compile(rf"Error: 429\b|{limits.GENERIC.pattern}", re.IGNORECASE)
_RETRIES = re.compile(r"Retrying \(\d+/\d+\)")
_FOOTER = re.compile(r"enter select .*escape.*cancel", re.IGNORECASE)
_READY = re.compile(r"\d%/\d+(?:\.\d+)?[kM]\b")


def _limited(rows: Sequence[str], now: float) -> Limit | None:
    if any(_RETRIES.search(row) for row in rows):
        return None
    # Its messages carry no marker: only the last one above its input line can be the reason.
    edges = [at for at, row in enumerate(rows) if row.startswith("────────")]
    above = list(rows[: edges[-2]]) if len(edges) > 1 else list(rows)
    messages = [said for said in limits.paragraphs(above) if not said.strip().startswith("If this")]
    found = limits.on_screen(messages[-1:], now, _LIMITS)
    return found if found and found.text.startswith(("Error:", "You")) else None


def _asks(rows: Sequence[str]) -> str:
    return dialogs.question(rows, mark="→", footer=_FOOTER)


def _ready(rows: Sequence[str]) -> bool:
    shown = [row for row in rows if row.strip()][-4:]
    return any(_READY.search(row) for row in shown) and not _asks(rows)


# ---- its first start -----------------------------------------------------------------------------

# What it does not load from a directory before it was told to trust it.
_PROTECTED = (
    "settings.json", "extensions", "skills", "prompts", "themes", "SYSTEM.md", "APPEND_SYSTEM.md",
)  # fmt: skip


def _first_start(brief: Brief) -> list[str]:
    try:
        return _problems(brief)
    except LooopError as error:
        return [f"cannot tell whether pi would ask something at its start: {error}"]


def _problems(brief: Brief) -> list[str]:
    here = Path(brief.work_dir).resolve()
    home = Path(brief.env.get("HOME", "/"))
    if not _is_protected(here, home):
        return []
    agent = Path(brief.env.get("PI_CODING_AGENT_DIR") or home / ".pi" / "agent")
    decided = _object(agent / "trust.json")
    if any(isinstance(decided.get(str(place)), bool) for place in (here, *here.parents)):
        return []
    if _object(agent / "settings.json").get("defaultProjectTrust") in ("always", "never"):
        return []
    return [
        f"pi would ask whether to trust {here}, which brings settings of its own: run `pi` in "
        f"{here.parent} once and use /trust, or set defaultProjectTrust in {agent}/settings.json"
    ]


def _is_protected(here: Path, home: Path) -> bool:
    shared = [place / ".agents" / "skills" for place in (here, *here.parents) if place != home]
    own = [here / ".pi" / name for name in _PROTECTED]
    return any(files.stat_or_none(path) is not None for path in (*own, *shared))


def _object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; an empty one for none, or for what pi itself cannot read."""
    try:
        value: Any = msgspec.json.decode(files.read_bytes(path) or b"{}")
    except (msgspec.DecodeError, RecursionError):
        return {}
    return value if is_object(value) else {}


PI = Agent(
    name="pi",
    program="pi",
    command=_command,
    env=_env,
    transcripts=_find,
    tally=_tally,
    told=_told,
    limited=_limited,
    asks_permission=_asks,
    ready=_ready,
    first_start=_first_start,
)
