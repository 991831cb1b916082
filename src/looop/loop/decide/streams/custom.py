"""Reads the output of a command that the user wrote."""

import math
import re
from typing import Any

from looop.config import CostSpec, RetrySpec
from looop.kit.shapes import is_array, is_object
from looop.loop.decide.streams import fields
from looop.loop.decide.streams.base import StreamVerdict, Usage, shown

__all__ = ["CustomReader", "pointed"]

_LINE = 8192
_BLOCK = 1 << 20


def pointed(value: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to, or None."""
    if pointer and not pointer.startswith("/"):
        return None
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if is_object(value):
            value = value.get(key)
        elif is_array(value) and re.fullmatch("0|[1-9][0-9]{0,8}", key):
            number = int(key)
            value = value[number] if number < len(value) else None
        else:
            return None
    return value


class CustomReader:
    """
    Nothing is known of the stream, so it never says how the run went.

    The decision is the last JSON object in the text, on one line or from a line that starts
    with `{` to one that starts with `}`. An object with a `type` is an event of some stream,
    not a decision. The price is where `cost` says, and a line that `retry` matches makes a
    failure transient. Raises `re.error` for a pattern that is none.
    """

    def __init__(self, cost: CostSpec | None = None, retry: RetrySpec | None = None) -> None:
        self._cost = cost
        self._retry = re.compile(retry.match, re.IGNORECASE) if retry else None
        self._usd: float | None = None
        self._decision: str | None = None
        self._matched = ""
        self._last = ""
        self._block: list[str] = []
        self._size = 0

    @property
    def verdict(self) -> StreamVerdict:
        return StreamVerdict(
            error=self._matched or self._last,
            transient=bool(self._matched),
            decision_text=self._decision,
            usage=None if self._usd is None else Usage(cost_usd=self._usd),
        )

    def feed(self, line: bytes | str) -> str | None:
        text = line if isinstance(line, str) else line.decode("utf-8", "replace")
        said = shown(text)
        if said is None:
            return None
        self._last = said
        if self._retry and self._retry.search(text[:_LINE]):
            self._matched = said
        self._look_for_json(text)
        return said

    def _look_for_json(self, text: str) -> None:
        if self._block:
            self._block.append(text)
            self._size += len(text)
            if text.startswith("}"):
                whole = "\n".join(self._block)
                self._block = []
                self._note(whole)
            elif self._size > _BLOCK:
                self._block = []
            return
        word = text.strip()
        if not word.startswith("{"):
            return
        if word.endswith("}"):
            self._note(word)
        elif text.startswith("{"):
            self._block, self._size = [text], len(text)

    def _note(self, text: str) -> None:
        event = fields.decoded(text.encode("utf-8", "replace"))
        # Broken JSON is kept too: whoever reads the decision can say what is wrong with it.
        if event is None or "type" not in event or "action" in event or "move" in event:
            self._decision = text
        if event is not None and self._cost and fields.word(event, "type") == self._cost.type:
            self._price(pointed(event, self._cost.pointer), self._cost.mode)

    def _price(self, usd: Any, mode: str) -> None:
        if isinstance(usd, bool) or not isinstance(usd, int | float):
            return
        if math.isfinite(usd) and usd >= 0:
            self._usd = usd + (self._usd or 0.0) if mode == "sum" else float(usd)
