"""Reads `pi -p --mode json`."""

from typing import Any

from looop.loop.decide.streams import fields
from looop.loop.decide.streams.base import JsonReader, Usage, priced_or_untold
from looop.loop.decide.streams.faults import kind_of

__all__ = ["PiReader"]


class PiReader(JsonReader):
    """
    The outcome is the `stopReason` of the last assistant message: pi exits 0 whatever happened.

    `message_update` repeats what `message_end` says, and `agent_end` comes once for each of
    pi's own retries, so neither tells anything.
    """

    skip = (b'{"type":"message_update"', b'{"type":"agent_end"', b'{"type":"turn_end"')

    def on(self, event: dict[str, Any]) -> str | None:
        match fields.word(event, "type"):
            case "message_end":
                message = fields.table(event, "message")
                if fields.word(message, "role") == "assistant":
                    return self._on_message(message)
                return None
            case "auto_retry_start":
                return f"retry {fields.count(event, 'attempt')}"
            case "tool_execution_start":
                return f"{fields.word(event, 'toolName')} {fields.as_json(event.get('args'))}"
            case _:
                return None

    def _on_message(self, message: dict[str, Any]) -> str:
        self.spend(_spent(fields.table(message, "usage")))
        self._model = fields.word(message, "model") or self._model
        blocks = fields.tables(message, "content")
        words = self.say("".join(fields.word(block, "text") for block in blocks))
        reason = fields.word(message, "stopReason")
        match reason:
            case "stop":
                self.succeed()
                return words or "done, without a word"
            case "toolUse":
                self._state, self._error = "unknown", ""
                return words
            case _:
                said = fields.word(message, "errorMessage")
                ended = f"the answer ended with {reason or 'no reason'}"
                return self.fail(said or ended, kind_of(said))


def _spent(usage: dict[str, Any]) -> Usage:
    return priced_or_untold(
        Usage(
            cost_usd=fields.amount(fields.table(usage, "cost"), "total"),
            input_tokens=fields.count(usage, "input"),
            cached_tokens=fields.count(usage, "cacheRead"),
            cache_write_tokens=fields.count(usage, "cacheWrite"),
            output_tokens=fields.count(usage, "output"),
        )
    )
