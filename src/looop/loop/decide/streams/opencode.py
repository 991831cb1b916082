"""Reads `opencode run --format json`."""

from typing import Any

from looop.loop.decide.streams import fields
from looop.loop.decide.streams.base import JsonReader, Usage, priced_or_untold
from looop.loop.decide.streams.faults import kind_of

__all__ = ["OpencodeReader"]

_LOST = 3


class OpencodeReader(JsonReader):
    """
    The outcome is the reason of the last `step_finish`, unless an `error` came.

    Given answers that are no model's, opencode asks again without end: a few steps in a row
    that finish for no known reason are taken as a failure that stays.
    """

    def __init__(self) -> None:
        super().__init__()
        self._erred = False
        self._lost = 0

    def on(self, event: dict[str, Any]) -> str | None:
        part = fields.table(event, "part")
        match fields.word(event, "type"):
            case "text":
                return self.say(fields.word(part, "text"))
            case "tool_use":
                state = fields.table(part, "state")
                said = f"{fields.word(part, 'tool')} {fields.as_json(state.get('input'))}"
                return f"{said}: {fields.word(state, 'status')}"
            case "step_finish":
                self.spend(_spent(part))
                return self._on_finish(fields.word(part, "reason"))
            case "error":
                return self._on_error(fields.table(event, "error"))
            case _:
                return None

    def _on_finish(self, reason: str) -> str | None:
        self._lost = self._lost + 1 if reason == "unknown" else 0
        if self._erred:
            return None
        if reason == "stop":
            self.succeed()
            return "done"
        if reason == "tool-calls":
            self._state = "unknown"
            return None
        kind = "permanent" if self._lost >= _LOST else ""
        return self.fail(f"the answer ended with {reason or 'no reason'}", kind)

    def _on_error(self, error: dict[str, Any]) -> str:
        self._erred = True
        data = fields.table(error, "data")
        message = fields.word(data, "message") or fields.word(error, "name")
        kind = kind_of(message, fields.count(data, "statusCode"))
        if not kind and data.get("isRetryable") is True:
            kind = "transient"
        return self.fail(message, kind)


def _spent(part: dict[str, Any]) -> Usage:
    tokens = fields.table(part, "tokens")
    cache = fields.table(tokens, "cache")
    return priced_or_untold(
        Usage(
            cost_usd=fields.amount(part, "cost"),
            input_tokens=fields.count(tokens, "input"),
            cached_tokens=fields.count(cache, "read"),
            cache_write_tokens=fields.count(cache, "write"),
            output_tokens=fields.count(tokens, "output") + fields.count(tokens, "reasoning"),
        )
    )
