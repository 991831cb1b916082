"""From what a sensor printed to a reading, and from every way to fail to a stable one."""

from typing import Any

import msgspec

from looop.kit import text
from looop.kit.child import Done, End
from looop.kit.shapes import is_array, is_object
from looop.model.world import Reading, Trust

__all__ = ["from_run", "from_snapshot", "unreadable"]

_STDERR_BYTES = 1024
# Deeper values would exhaust the stack of whoever walks them later.
_MOST_DEPTH = 64


def _failure(done: Done, message: str, code: int) -> tuple[dict[str, Any], dict[str, Any]]:
    # The exit code is signal, so that one break wakes once; its words and times are detail.
    detail = {"message": message, "stderr": text.plain(text.tail(done.err, _STDERR_BYTES)).strip()}
    return {"error": True, "exit_code": code}, detail


def _judge(done: Done, cap: int, limit_s: float) -> tuple[Any, Any, bool, bool]:
    """(signal, detail, split, ok) of a finished run."""
    if done.end is End.TOO_LARGE:
        detail = {"bytes": done.out_total, "message": f"printed more than {cap} bytes"}
        return {"error": "too-large", "cap": cap}, detail, True, False
    message = ""
    code = done.shell_code
    if done.end is End.DEADLINE:
        message = f"still running after {limit_s:g} s; it was stopped"
    elif done.end is End.UNSPAWNABLE:
        message = f"cannot be started: {done.why}"
    elif done.signal is not None:
        message = f"ended by signal {done.signal}"
    elif code:
        message = f"exited with code {code}"
    if message:
        return *_failure(done, message, code), True, False
    value, problem = _decode(done.out)
    if problem:
        return *_failure(done, problem, 0), True, False
    return *_split(value), True


def _decode(data: bytes) -> tuple[Any, str]:
    if not data.strip():
        return None, "printed nothing; a sensor prints one JSON object"
    try:
        value: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, f"did not print JSON: {text.one_line(str(error), 200)}"
    if not is_object(value):
        return None, "printed JSON that is not an object"
    if _too_deep(value):
        return None, f"printed JSON that is nested more than {_MOST_DEPTH} deep"
    return value, ""


def _too_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(_MOST_DEPTH):
        inner = [v.values() if is_object(v) else v for v in level if is_object(v) or is_array(v)]
        level = [child for children in inner for child in children]
        if not level:
            return False
    return True


def _split(value: dict[str, Any]) -> tuple[Any, Any, bool]:
    if "signal" in value:
        return value["signal"], value.get("detail"), True
    return value, None, False


def from_run(
    name: str, done: Done, *, at: float, trust: Trust, cap: int, limit_s: float
) -> Reading:
    """The reading of a sensor that has just run."""
    signal, detail, split, ok = _judge(done, cap, limit_s)
    return Reading(
        name=name,
        signal=signal,
        detail=detail,
        split=split,
        ok=ok,
        trust=trust,
        at=at,
        took_s=round(done.took_s, 3),
    )


def from_snapshot(name: str, data: bytes, *, at: float, trust: Trust, ok: bool) -> Reading | None:
    """The reading that an earlier beat published; None if the file makes no sense."""
    value, problem = _decode(data)
    if problem:
        return None
    signal, detail, split = _split(value)
    return Reading(
        name=name, signal=signal, detail=detail, split=split, ok=ok, trust=trust, at=at, fresh=False
    )


def unreadable(name: str, why: str, *, trust: Trust, at: float) -> Reading:
    """The reading of something that could not be looked at: not empty, not absent."""
    return Reading(
        name=name,
        signal={"error": "unreadable"},
        detail={"message": why},
        ok=False,
        trust=trust,
        at=at,
    )
