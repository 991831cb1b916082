"""The transcripts of Claude Code: where those of one worker are, and what they bought."""

import re
from pathlib import Path
from typing import Any

from msgspec import structs

from looop.kit import files
from looop.loop.decide.streams import Usage, fields
from looop.loop.workers.agents.base import Brief, Tally
from looop.loop.workers.agents.rows import rows_of, settled

__all__ = ["find", "tally"]

_VARIANT = re.compile(r"\[[^\]]*\]$")
_SYNTHETIC = "<synthetic>"
_END_BYTES = 1 << 18


def find(brief: Brief, _since: float) -> list[Path]:
    """
    The worker's own transcript and those of its subagents.

    When the CLI has closed its books, the first holds the sums of all. Raises `Unreadable`.
    """
    if not brief.transcript_id:
        return []
    home = brief.env.get("CLAUDE_CONFIG_DIR") or f"{brief.env.get('HOME', '')}/.claude"
    projects = Path(home) / "projects"
    for name in files.list_names(projects):
        # The directory is named for the cwd, in a way that has changed over the versions.
        path = projects / name / f"{brief.transcript_id}.jsonl"
        if path.is_file():
            return [path] if _closed(path) else [path, *_of_subagents(path)]
    return []


def _of_subagents(path: Path) -> list[Path]:
    return sorted(path.with_suffix("").glob("subagents/**/*.jsonl"))


def _closed(path: Path) -> bool:
    """Whether a sum was written and nothing has been bought after it."""
    closed = False
    for row in rows_of(files.read_tail(path, _END_BYTES) or b""):
        match fields.word(row, "type"):
            case "cost-state":
                closed = True
            case "assistant":
                closed = False
            case _:
                pass
    return closed


def tally(path: Path) -> Tally:
    """
    What a transcript has bought: the CLI's own closing sum where it is one, else its messages.

    The sum also holds what no transcript shows (titles, summaries) and a price. It is believed
    only if it covers every model and all tokens of the messages. Raises `Unreadable`.
    """
    bought: dict[str, tuple[str, Usage]] = {}
    closing: Tally = {}
    for row in rows_of(files.read_bytes(path) or b""):
        match fields.word(row, "type"):
            case "assistant":
                closing = {}
                _buy(bought, row)
            case "cost-state":
                closing = _closing(row)
            case _:
                pass
    found: Tally = {}
    for model, usage in bought.values():
        found[model] = found.get(model, Usage()).plus(usage)
    covered = all(
        model in closing and closing[model].tokens >= usage.tokens for model, usage in found.items()
    )
    return settled(closing if closing and covered else found)


def _buy(bought: dict[str, tuple[str, Usage]], row: dict[str, Any]) -> None:
    """A message has a row for each of its blocks, and its usage grows while it is streamed."""
    message = fields.table(row, "message")
    model = _VARIANT.sub("", fields.word(message, "model"))
    usage = fields.table(message, "usage")
    if model == _SYNTHETIC or not usage:
        return
    key = fields.word(message, "id") or fields.word(row, "uuid") or str(len(bought))
    now = Usage(
        input_tokens=fields.count(usage, "input_tokens"),
        cached_tokens=fields.count(usage, "cache_read_input_tokens"),
        cache_write_tokens=fields.count(usage, "cache_creation_input_tokens"),
        output_tokens=fields.count(usage, "output_tokens"),
    )
    before = bought.get(key)
    if before is None or now.tokens > before[1].tokens:
        bought[key] = (model, now)


def _closing(row: dict[str, Any]) -> Tally:
    found: Tally = {}
    for name, sums in fields.table(row, "modelUsage").items():
        entry = {"of": sums}
        told = fields.table(entry, "of")
        usage = Usage(
            cost_usd=fields.amount(told, "costUSD"),
            input_tokens=fields.count(told, "inputTokens"),
            cached_tokens=fields.count(told, "cacheReadInputTokens"),
            cache_write_tokens=fields.count(told, "cacheCreationInputTokens"),
            output_tokens=fields.count(told, "outputTokens"),
        )
        if row.get("hasUnknownModelCost") is True:
            usage = structs.replace(usage, cost_usd=None)
        model = _VARIANT.sub("", name)
        found[model] = found.get(model, Usage()).plus(usage)
    return found
