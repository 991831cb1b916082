"""Reads `gemini --output-format stream-json`."""

from typing import Any

from looop.loop.decide.streams import fields
from looop.loop.decide.streams.base import JsonReader, Usage
from looop.loop.decide.streams.faults import kind_of

__all__ = ["GeminiReader"]


class GeminiReader(JsonReader):
    """The outcome and all tokens are in `result`; the stream has no price."""

    def __init__(self) -> None:
        super().__init__()
        self._fresh = True

    def on(self, event: dict[str, Any]) -> str | None:
        match fields.word(event, "type"):
            case "init":
                self._model = fields.word(event, "model")
                return f"gemini with {self._model}"
            case "message":
                return self._on_message(event)
            case "tool_use":
                self._fresh = True
                words = fields.as_json(event.get("parameters"))
                return f"{fields.word(event, 'tool_name')} {words}"
            case "error":
                return f"{fields.word(event, 'severity')}: {fields.word(event, 'message')}"
            case "result":
                return self._on_result(event)
            case _:
                return None

    def _on_message(self, event: dict[str, Any]) -> str | None:
        if fields.word(event, "role") != "assistant":
            return None
        words = fields.word(event, "content")
        # One answer comes in pieces; what follows a tool call is a new answer.
        if self._fresh or event.get("delta") is not True:
            self._text = ""
        self._fresh = False
        self._text += words
        return words

    def _on_result(self, event: dict[str, Any]) -> str:
        stats = fields.table(event, "stats")
        models = fields.table(stats, "models")
        busiest = max(models, key=lambda name: _total(models, name), default="")
        if busiest and _total(models, busiest):
            self._model = busiest
        spent = _spent(stats)
        self._usage = spent
        if fields.word(event, "status") == "success":
            self.succeed()
            return f"done, {spent.tokens} tokens"
        message = fields.word(fields.table(event, "error"), "message")
        return self.fail(message, kind_of(message))


def _total(models: dict[str, Any], name: str) -> int:
    return fields.count(fields.table(models, name), "total_tokens")


def _spent(stats: dict[str, Any]) -> Usage:
    asked = fields.count(stats, "input_tokens")
    cached = min(asked, fields.count(stats, "cached"))
    # Thinking is in the total only, and is paid for as output.
    answered = fields.count(stats, "total_tokens") - asked
    return Usage(
        input_tokens=asked - cached,
        cached_tokens=cached,
        output_tokens=max(answered, fields.count(stats, "output_tokens")),
    )
