"""Reading JSON that somebody else wrote, without ever being surprised by its types."""

import json
import math
from typing import Any

import msgspec

from looop.kit.shapes import is_array, is_object

__all__ = ["amount", "as_json", "count", "decoded", "items", "table", "tables", "word"]


def decoded(line: bytes) -> dict[str, Any] | None:
    """The JSON object on a line, or None if there is none."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        value: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # JavaScript cuts strings inside a surrogate pair and escapes the half that is left.
        try:
            loose = json.loads(line.decode("utf-8", "replace"))
            whole = json.dumps(loose, ensure_ascii=False).encode("utf-8", "replace")
            value = msgspec.json.decode(whole)
        except (ValueError, RecursionError):
            return None
    return value if is_object(value) else None


def as_json(value: Any) -> str:
    """A decoded value as JSON text again."""
    return msgspec.json.encode(value).decode()


def table(event: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`, empty if something else or nothing is there."""
    value: Any = event.get(key)
    return value if is_object(value) else {}


def items(event: dict[str, Any], key: str) -> list[Any]:
    """The array under `key`, empty if something else or nothing is there."""
    value: Any = event.get(key)
    return value if is_array(value) else []


def tables(event: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of the array under `key`."""
    return [item for item in items(event, key) if is_object(item)]


def word(event: dict[str, Any], key: str) -> str:
    """The text under `key`, or an empty one."""
    value: Any = event.get(key)
    return value if isinstance(value, str) else ""


def amount(event: dict[str, Any], key: str) -> float | None:
    """The finite number under `key` that is not negative, or None."""
    value: Any = event.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def count(event: dict[str, Any], key: str) -> int:
    """The whole number under `key`, or 0."""
    return int(amount(event, key) or 0)
