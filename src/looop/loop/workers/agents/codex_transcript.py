"""The transcripts of Codex: where those of one worker are, what they bought, what they tell."""

import itertools
import time
from pathlib import Path
from typing import Any

from looop.errors import LooopError
from looop.kit import files, jsonl, text
from looop.loop.decide.streams import Usage, fields
from looop.loop.workers.agents import given, limits
from looop.loop.workers.agents.base import AgentState, Brief, Tally
from looop.loop.workers.agents.rows import rows_of, settled, wall

__all__ = ["find", "home_of", "tally", "told"]

_SHOWN = 200
# How much of a transcript is read to tell whose it is: instructions and context come first.
_FIRST_ROW_BYTES = 1 << 19
_HEAD_BYTES = 1 << 21
_LOOKED_BACK = 4000
# A clock that is read here and one that is read there.
_SKEW_S = 5.0


def home_of(brief: Brief) -> Path:
    """Where codex keeps everything."""
    return Path(brief.env.get("CODEX_HOME") or f"{brief.env.get('HOME', '')}/.codex")


def find(brief: Brief, since: float) -> list[Path]:
    """
    The transcripts of this worker and of its subagents.

    No id can be given to codex beforehand. Its own are those that began after the start, in the
    worker's directory, with exactly the worker's brief. Raises `Unreadable`.
    """
    heads = [
        (path, head)
        for path in _begun(home_of(brief) / "sessions", since)
        if (head := _head(path)) is not None
    ]
    message = given.first_message(brief)
    cwd = str(Path(brief.work_dir).resolve())
    own = {
        fields.word(head, "id")
        for path, head in heads
        if fields.word(head, "cwd") in (cwd, brief.work_dir) and _began_with(path, message)
    }
    return sorted(path for path, head in heads if own & {head.get("id"), head.get("session_id")})


def _begun(sessions: Path, since: float) -> list[Path]:
    """Transcripts that may have begun after `since`: they lie in a directory for each local day."""
    first = time.strftime("%Y/%m/%d", time.localtime(since - 86400.0))
    found: list[Path] = []
    for year in files.list_names(sessions):
        for month in _names(sessions / year):
            for day in _names(sessions / year / month):
                if f"{year}/{month}/{day}" >= first:
                    place = sessions / year / month / day
                    found += [place / name for name in _names(place) if name.endswith(".jsonl")]
    return [path for path in found if _changed(path) >= since - _SKEW_S]


def _names(place: Path) -> list[str]:
    try:
        return files.list_names(place)
    except LooopError:
        return []


def _changed(path: Path) -> float:
    found = files.stat_or_none(path)
    return found.st_mtime if found else 0.0


def _head(path: Path) -> dict[str, Any] | None:
    """What a transcript says of its session in its first row."""
    for row in rows_of(files.read_bytes(path, _FIRST_ROW_BYTES) or b""):
        if fields.word(row, "type") == "session_meta":
            return fields.table(row, "payload")
        return None
    return None


def _began_with(path: Path, message: str) -> bool:
    """Whether the first thing that its user said is this."""
    for row in rows_of(files.read_bytes(path, _HEAD_BYTES) or b""):
        payload = fields.table(row, "payload")
        said = _said_by_user(fields.word(row, "type"), payload)
        if said and said.strip() == message.strip():
            return True
        if fields.word(payload, "type") == "task_complete":
            return False
    return False


def _said_by_user(kind: str, payload: dict[str, Any]) -> str:
    # Context that codex itself gives in the user's name looks the same, and is another text.
    if kind != "response_item" or fields.word(payload, "role") != "user":
        return ""
    return "".join(fields.word(part, "text") for part in fields.tables(payload, "content"))


def tally(path: Path) -> Tally:
    """
    What a transcript has bought, by the model of the turn that it was bought in.

    Codex tells the sum so far after every answer, and no price. Raises `Unreadable`.
    """
    found: Tally = {}
    model = ""
    before = Usage()
    for row in rows_of(files.read_bytes(path) or b""):
        payload = fields.table(row, "payload")
        if fields.word(row, "type") == "turn_context":
            model = fields.word(payload, "model") or model
        elif fields.word(payload, "type") == "token_count":
            info = fields.table(payload, "info")
            total = _usage(fields.table(info, "total_token_usage"))
            if total.tokens < before.tokens:
                # It counts anew: what came with this row is all that is known.
                before = Usage()
                total = _usage(fields.table(info, "last_token_usage"))
            if total.tokens > before.tokens:
                found[model] = found.get(model, Usage()).plus(_beyond(total, before))
                before = total
    return settled(found)


def _usage(table: dict[str, Any]) -> Usage:
    cached = fields.count(table, "cached_input_tokens")
    written = fields.count(table, "cache_write_input_tokens")
    return Usage(
        input_tokens=max(0, fields.count(table, "input_tokens") - cached - written),
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=fields.count(table, "output_tokens"),
    )


def _beyond(total: Usage, before: Usage) -> Usage:
    return Usage(
        input_tokens=max(0, total.input_tokens - before.input_tokens),
        cached_tokens=max(0, total.cached_tokens - before.cached_tokens),
        cache_write_tokens=max(0, total.cache_write_tokens - before.cache_write_tokens),
        output_tokens=max(0, total.output_tokens - before.output_tokens),
    )


def told(path: Path, _now: float) -> AgentState | None:
    """The state that its last rows tell: a turn that runs, or how the last one ended."""
    for row in itertools.islice(jsonl.backwards(path), _LOOKED_BACK):
        if fields.word(row, "type") == "event_msg":
            state = _told_by(row, fields.table(row, "payload"), str(path))
            if state is not None:
                return state
    return None


def _told_by(row: dict[str, Any], event: dict[str, Any], path: str) -> AgentState | None:
    match fields.word(event, "type"):
        case "task_started" | "turn_started" | "user_message":
            return AgentState(state="busy", transcript=path)
        case "turn_aborted":
            return AgentState(state="idle", detail="interrupted", transcript=path)
        case "task_complete" | "turn_complete":
            error = fields.table(event, "error")
            if error:
                return _failed(row, error, path)
            said = text.one_line(fields.word(event, "last_agent_message"), _SHOWN)
            return AgentState(state="idle", detail=said, transcript=path)
        case _:
            return None


def _failed(row: dict[str, Any], error: dict[str, Any], path: str) -> AgentState:
    said = fields.word(error, "message")
    limited = fields.word(error, "codex_error_info") == "usage_limit_exceeded"
    limited = limited or limits.GENERIC.match(said) is not None
    return AgentState(
        state="limited" if limited else "failed",
        detail=text.one_line(said, _SHOWN),
        # The time of day in it was meant when it was written.
        until=limits.ends_at(said, wall(row) or _changed(Path(path))) if limited else 0.0,
        transcript=path,
    )
