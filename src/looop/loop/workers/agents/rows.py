"""Rows of a transcript that somebody else writes: whole JSON objects, and the rest passed over."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from looop.loop.decide.streams import Usage, fields

__all__ = ["rows_of", "settled", "wall"]

# Beyond these a number is no amount of tokens or dollars, but nonsense in a file.
_TOKENS = 10**12
_DOLLARS = 1e7


def rows_of(data: bytes) -> Iterator[dict[str, Any]]:
    """Every whole JSON object on a line of its own; a torn last line is none yet."""
    for line in data.split(b"\n"):
        if line and (row := fields.decoded(line)) is not None:
            yield row


def wall(row: dict[str, Any]) -> float:
    """The wall seconds of a row's `timestamp`, 0 if it has none that can be read."""
    try:
        return datetime.fromisoformat(fields.word(row, "timestamp")).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def settled(found: dict[str, Usage]) -> dict[str, Usage]:
    """A tally without models that bought nothing, and without sums that cannot be meant."""
    return {
        model: usage if (usage.cost_usd or 0.0) <= _DOLLARS else replace(usage, cost_usd=None)
        for model, usage in found.items()
        if 0 < usage.tokens <= _TOKENS or (not usage.tokens and usage.cost_usd)
    }
