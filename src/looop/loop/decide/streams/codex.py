"""Reads `codex exec --json`."""

from typing import Any

from looop.loop.decide.streams import fields
from looop.loop.decide.streams.base import JsonReader, Usage
from looop.loop.decide.streams.faults import kind_of

__all__ = ["CodexReader"]


class CodexReader(JsonReader):
    """
    The outcome is `turn.completed` or `turn.failed`; an item of type `error` is a warning.

    The stream names neither the model nor a price.
    """

    def on(self, event: dict[str, Any]) -> str | None:
        match fields.word(event, "type"):
            case "item.completed":
                return self._on_item(fields.table(event, "item"))
            case "error":
                return self._on_error(fields.word(event, "message"))
            case "turn.failed":
                return self._on_error(fields.word(fields.table(event, "error"), "message"))
            case "turn.completed":
                self.succeed()
                spent = _spent(fields.table(event, "usage"))
                self._usage = spent
                return f"done, {spent.tokens} tokens"
            case _:
                return None

    def _on_error(self, message: str) -> str:
        kind = kind_of(message)
        # While it reconnects the run is not over, unless the reason is one that stays.
        if message.startswith("Reconnecting") and kind != "permanent":
            self._error = message
            return message
        return self.fail(message, kind)

    def _on_item(self, item: dict[str, Any]) -> str | None:
        match fields.word(item, "type"):
            case "agent_message":
                return self.say(fields.word(item, "text"))
            case "error":
                return f"warning: {fields.word(item, 'message')}"
            case "command_execution":
                return f"ran ({item.get('exit_code')}): {fields.word(item, 'command')}"
            case "reasoning" | "":
                return None
            case other:
                return other


def _spent(usage: dict[str, Any]) -> Usage:
    cached = fields.count(usage, "cached_input_tokens")
    written = fields.count(usage, "cache_write_input_tokens")
    return Usage(
        input_tokens=max(0, fields.count(usage, "input_tokens") - cached - written),
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=fields.count(usage, "output_tokens"),
    )
