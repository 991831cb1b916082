"""What every reader of a runner's stream is, and what it finally says."""

from typing import Any, Literal, Protocol

from msgspec import Struct, structs

from looop.kit import text
from looop.loop.decide.streams import fields
from looop.loop.decide.streams.faults import Kind

__all__ = ["JsonReader", "Reader", "StreamVerdict", "Usage", "priced_or_untold", "shown"]

State = Literal["ok", "failed", "unknown"]

_SHOWN = 2000


class Usage(Struct, frozen=True, kw_only=True):
    """
    Tokens and price of a run, as its CLI told them.

    `input_tokens` are those that came from no cache and went into none; `output_tokens` include
    the model's thinking. `cost_usd` None means that the CLI did not say.
    """

    cost_usd: float | None = None
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.cached_tokens + self.cache_write_tokens + self.output_tokens

    def plus(self, other: "Usage") -> "Usage":
        """The sum; its price is known only if that of every part with tokens is."""
        costs = [part.cost_usd for part in (self, other) if part.cost_usd is not None]
        untold = any(part.cost_usd is None and part.tokens for part in (self, other))
        return Usage(
            cost_usd=None if untold or not costs else sum(costs),
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


def priced_or_untold(usage: Usage) -> Usage:
    """A price of nothing for some tokens means that the CLI has no price for the model."""
    return structs.replace(usage, cost_usd=None) if usage.tokens and not usage.cost_usd else usage


class StreamVerdict(Struct, frozen=True, kw_only=True):
    """
    What a stream has said so far.

    `unknown` means that it never said how the run went. `transient` failures are worth another
    try; `permanent` ones are not, and end the run at their first sign. `decision_text` is the
    structured output as JSON, or else the last text of the model.
    """

    state: State = "unknown"
    error: str = ""
    transient: bool = False
    permanent: bool = False
    decision_text: str | None = None
    usage: Usage | None = None
    model: str = ""


class Reader(Protocol):
    """Fed with the lines of stdout as they come; `feed` returns a line to show, or None."""

    def feed(self, line: bytes | str) -> str | None: ...

    @property
    def verdict(self) -> StreamVerdict: ...


def shown(line: str) -> str | None:
    """A line as `output.log` has it: one line, nothing in it that moves a cursor, bounded."""
    return text.one_line(line, _SHOWN) or None


class JsonReader:
    """
    The part that all readers of JSON lines share: what is no JSON object is shown as it is.

    Lines that start with one of `skip` are left out without being decoded.
    """

    skip: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self._state: State = "unknown"
        self._error = ""
        self._kind: Kind = ""
        self._text = ""
        self._usage: Usage | None = None
        self._model = ""

    @property
    def verdict(self) -> StreamVerdict:
        failed = self._state == "failed"
        return StreamVerdict(
            state=self._state,
            error=self._error,
            transient=failed and self._kind == "transient",
            permanent=failed and self._kind == "permanent",
            decision_text=self._text or None,
            usage=self._usage,
            model=self._model,
        )

    def feed(self, line: bytes | str) -> str | None:
        raw = line.encode("utf-8", "replace") if isinstance(line, str) else line
        if raw.startswith(self.skip):
            return None
        event = fields.decoded(raw)
        if event is None:
            return shown(raw.decode("utf-8", "replace"))
        said = self.on(event)
        return shown(said) if said else None

    def on(self, event: dict[str, Any]) -> str | None:
        """One event; returns what to show of it."""
        raise NotImplementedError

    def fail(self, error: str, kind: Kind) -> str:
        """Failed, for now; what a CLI says after an error that stays is about being stopped."""
        error = error or "no reason given"
        if self._state != "failed" or self._kind != "permanent":
            self._state, self._error, self._kind = "failed", error, kind
        return f"error: {error}"

    def succeed(self) -> None:
        self._state = "ok"
        self._error = ""
        self._kind = ""

    def say(self, words: str) -> str:
        """Text of the model: the last that is not blank is the decision."""
        if words.strip():
            self._text = words
        return words

    def spend(self, usage: Usage) -> None:
        self._usage = self._usage.plus(usage) if self._usage else usage
