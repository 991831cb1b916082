"""Reads `claude -p --output-format stream-json --verbose`."""

from typing import Any

from msgspec import structs

from looop.loop.decide.streams import fields
from looop.loop.decide.streams.base import JsonReader, StreamVerdict, Usage
from looop.loop.decide.streams.faults import Kind, kind_of

__all__ = ["ClaudeReader"]

_KINDS: dict[str, Kind] = {
    "authentication_failed": "permanent",
    "billing_error": "permanent",
    "model_not_found": "permanent",
    "rate_limit": "transient",
    "server_error": "transient",
    "overloaded": "transient",
}


class ClaudeReader(JsonReader):
    """
    The outcome is the `is_error` of the last `result`; its `subtype` says success anyway.

    Tokens come from `result` alone: the usage inside `assistant` events is a snapshot that
    repeats for every block of one message.
    """

    skip = (b'{"type":"stream_event"',)

    def __init__(self) -> None:
        super().__init__()
        self._limit = ""
        self._key = False
        self._structured = ""

    @property
    def verdict(self) -> StreamVerdict:
        said = super().verdict
        # A spent allowance comes back after hours: waiting seconds for it is no use.
        limited = self._limit if said.state != "ok" else ""
        return structs.replace(
            said,
            error=limited or said.error,
            transient=said.transient and not limited,
            decision_text=self._structured or said.decision_text,
        )

    def on(self, event: dict[str, Any]) -> str | None:
        match fields.word(event, "type"), fields.word(event, "subtype"):
            case "system", "init":
                return self._on_init(event)
            case "system", "api_retry":
                return self._on_retry(event)
            case "assistant", _:
                return self._on_assistant(event)
            case "rate_limit_event", _:
                return self._on_limit(event)
            case "result", _:
                return self._on_result(event)
            case _:
                return None

    def _on_init(self, event: dict[str, Any]) -> str:
        self._model = fields.word(event, "model")
        self._key = fields.word(event, "apiKeySource") == "ANTHROPIC_API_KEY"
        return f"claude {fields.word(event, 'claude_code_version')} with {self._model}"

    def _on_retry(self, event: dict[str, Any]) -> str:
        name = fields.word(event, "error")
        status = fields.count(event, "error_status")
        attempt = fields.count(event, "attempt")
        said = f"{name} ({status})" if status else name
        kind = _KINDS.get(name) or kind_of(name, status)
        # A login is refreshed by the first retry; a refused key stays refused.
        if kind == "permanent" and (self._key or attempt > 1):
            self.fail(said, kind)
        elif self._state == "unknown":
            self._error = said
        return f"retry {attempt}: {said}"

    def _on_limit(self, event: dict[str, Any]) -> str | None:
        info = fields.table(event, "rate_limit_info")
        if fields.word(info, "status") != "rejected":
            return None
        self._limit = f"the {fields.word(info, 'rateLimitType') or 'usage'} limit is reached"
        return self._limit

    def _on_assistant(self, event: dict[str, Any]) -> str:
        name = fields.word(event, "error")
        said: list[str] = []
        for block in fields.tables(fields.table(event, "message"), "content"):
            words = fields.word(block, "text")
            if fields.word(block, "type") == "tool_use":
                said.append(f"{fields.word(block, 'name')} {fields.as_json(block.get('input'))}")
            elif words:
                said.append(words)
                # What a helper of the model said to the model is no answer.
                if not name and not event.get("parent_tool_use_id"):
                    self.say(words)
        shown = " ".join(said)
        if name:
            return self.fail(shown or name, _KINDS.get(name) or kind_of(shown))
        return shown

    def _on_result(self, event: dict[str, Any]) -> str:
        failed = event.get("is_error")
        if not isinstance(failed, bool):
            failed = fields.word(event, "subtype") != "success"
        words = fields.word(event, "result")
        spent = self._spent(event)
        interrupted = fields.word(event, "subtype") == "error_during_execution"
        # What an interrupted request cost is not in the totals: nothing is not a price then.
        if spent.tokens or not interrupted:
            self.spend(spent)
        if failed:
            errors = "; ".join(map(str, fields.items(event, "errors")))
            said = words or self._error or ("interrupted" if interrupted else errors)
            kind = kind_of(said, fields.count(event, "api_error_status"))
            return self.fail(said or fields.word(event, "subtype"), kind or self._kind)
        self.succeed()
        self.say(words)
        structured: Any = event.get("structured_output")
        self._structured = "" if structured is None else fields.as_json(structured)
        cost = self._usage.cost_usd if self._usage else None
        return "done" if cost is None else f"done, {cost:.4f} USD"

    def _spent(self, event: dict[str, Any]) -> Usage:
        """This run's usage: the session's total only where a fresh session makes them equal."""
        models = fields.table(event, "model_usage_since_last_result")
        if not models:
            usage = fields.table(event, "usage")
            return Usage(
                cost_usd=fields.amount(event, "total_cost_usd"),
                input_tokens=fields.count(usage, "input_tokens"),
                cached_tokens=fields.count(usage, "cache_read_input_tokens"),
                cache_write_tokens=fields.count(usage, "cache_creation_input_tokens"),
                output_tokens=fields.count(usage, "output_tokens"),
            )
        parts = {name: _part(fields.table(models, name)) for name in models}
        self._model = max(parts, key=lambda name: parts[name].tokens)
        total = Usage()
        for part in parts.values():
            total = total.plus(part)
        return total


def _part(model: dict[str, Any]) -> Usage:
    return Usage(
        cost_usd=fields.amount(model, "costUSD"),
        input_tokens=fields.count(model, "inputTokens"),
        cached_tokens=fields.count(model, "cacheReadInputTokens"),
        cache_write_tokens=fields.count(model, "cacheCreationInputTokens"),
        output_tokens=fields.count(model, "outputTokens"),
    )
