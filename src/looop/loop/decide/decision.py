"""From what a model wrote to exactly one typed decision, or to a list of all that is wrong."""

import re
from collections.abc import Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from looop.errors import Usage
from looop.kit import names
from looop.kit.shapes import is_object
from looop.model import timers
from looop.model.actions import ACTIONS, Action, Decision, WriteSchedule
from looop.model.records import Schedule

__all__ = ["BadDecision", "as_schedule", "from_value", "parse", "schema"]

_FENCE = re.compile(r"\A```[A-Za-z]*[ \t]*\n(.*)\n```\Z", re.DOTALL)
_RIDERS = ("journal", "goal", "next_interval_s")
# Moves whose `id` names a worker. The original's ids may carry a prefix, which is not part of them.
SESSION_MOVES = ("start_worker", "steer_session", "send_key", "restart_session", "kill_worker")
_PREFIX = "looop-"
_IDS = {
    "write_goal": ("id",),
    "archive_goal": ("id",),
    "write_sensor": ("name",),
    "write_schedule": ("name",),
    "drop_schedule": ("name",),
    "send_notification": ("id",),
    **dict.fromkeys(SESSION_MOVES, ("id",)),
}
_FILLED = {
    "run_shell": ("cmd",),
    "write_goal": ("body",),
    "write_sensor": ("script",),
    "write_playbook": ("body",),
    "ask_human": ("prompt",),
    "send_notification": ("message",),
    "start_worker": ("prompt",),
    "steer_session": ("input",),
}
# Nobody needs to sleep longer than this; a bigger number is clamped later anyway.
_MAX_SECONDS = 10 * 365 * 86400
_MAX_DECISION = 1 << 20


class BadDecision(ValueError):
    """A decision that cannot be carried out; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def parse(text: str) -> Decision:
    """
    Read one decision. One markdown fence around it is taken off, and a `move` wrapper too.

    Raises `BadDecision` with every problem at once, so that one correction can mend them all.
    """
    if len(text) > _MAX_DECISION:
        raise BadDecision([f"the decision is larger than {_MAX_DECISION} characters"])
    body = text.strip()
    fenced = _FENCE.match(body)
    if fenced:
        body = fenced[1].strip()
    try:
        value: Any = msgspec.json.decode(body.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadDecision([f"the decision is not one JSON object: {error}"]) from error
    return from_value(value)


def from_value(value: Any) -> Decision:
    """As `parse`, from decoded data."""
    if not is_object(value):
        raise BadDecision(["the decision is not a JSON object"])
    fields = dict(value)
    if set(fields) == {"move"} and is_object(fields["move"]):
        fields = dict(fields["move"])
    problems: list[str] = []
    journal = _rider(fields, "journal", str, "", problems)
    goal = _rider(fields, "goal", str, "", problems)
    pause = _rider(fields, "next_interval_s", int, None, problems)
    if pause is not None and not 0 <= pause <= _MAX_SECONDS:
        problems.append("next_interval_s: must be a number of seconds that is not negative")
    if goal and not names.is_name(goal):
        problems.append(f"goal: {goal!r} is not an id")
    action = _action(fields, problems)
    if action is None or problems:
        raise BadDecision(problems)
    return Decision(action=action, journal=journal, goal=goal, next_interval_s=pause)


def _rider(fields: dict[str, Any], name: str, kind: type, default: Any, problems: list[str]) -> Any:
    value = fields.pop(name, None)
    if value is None:
        return default
    if isinstance(value, float) and kind is int and value.is_integer():
        value = int(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        problems.append(f"{name}: must be {'text' if kind is str else 'a whole number'}")
        return default
    return value


def _action(fields: dict[str, Any], problems: list[str]) -> Action | None:
    tag = fields.pop("action", None)
    if not isinstance(tag, str) or tag not in ACTIONS:
        known = ", ".join(ACTIONS)
        # Of anything but text the shape is enough, and a deep one could not even be shown.
        shown = repr(tag[:60]) if isinstance(tag, str) else f"a {type(tag).__name__}"
        problems.append(f"action: {shown} is not one of {known}")
        return None
    kind = ACTIONS[tag][0]
    values: dict[str, Any] = {}
    for spec in msgspec.structs.fields(kind):
        value = fields.get(spec.name)
        # A null stands for "left out": providers that want every field present send it.
        if value is None:
            if spec.required:
                problems.append(f"{spec.name}: is missing")
            continue
        try:
            values[spec.name] = msgspec.convert(value, spec.type)
        except (msgspec.ValidationError, UnicodeError) as error:
            problems.append(f"{spec.name}: {error}")
    if tag in SESSION_MOVES and isinstance(values.get("id"), str):
        values["id"] = values["id"].removeprefix(_PREFIX)
    problems += _meaning(tag, values)
    if problems:
        return None
    return kind(**values)


def _meaning(tag: str, values: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    for name in _IDS.get(tag, ()):
        if name in values:
            try:
                names.checked(tag.rpartition("_")[2], str(values[name]))
            except Usage as error:
                problems.append(f"{name}: {error}")
    problems += [
        f"{name}: is empty"
        for name in _FILLED.get(tag, ())
        if name in values and not str(values[name]).strip()
    ]
    problems += [
        f"{name}: contains a NUL character"
        for name, value in values.items()
        if isinstance(value, str) and "\0" in value
    ]
    if tag in SESSION_MOVES and values.get("id") == "pulse":
        problems.append("id: `pulse` is the loop itself, and no worker")
    if tag == "send_key" and values.get("keys") == ():
        problems.append("keys: is empty")
    if tag == "write_schedule":
        problems += _timing(values)
    return problems


def _timing(values: Mapping[str, Any]) -> list[str]:
    given = [name for name in ("in_s", "every_s", "cron") if name in values]
    if len(given) != 1:
        return ["exactly one of in_s, every_s and cron is needed"]
    seconds = values.get("in_s", values.get("every_s", 1))
    if not 0 < seconds <= _MAX_SECONDS:
        return [f"{given[0]}: must be a number of seconds above 0"]
    record = Schedule(
        at=0.0 if "in_s" in values else None,
        every_s=values.get("every_s"),
        cron=values.get("cron"),
    )
    problem = timers.problem(record)
    return [f"{given[0]}: {problem}"] if problem else []


def as_schedule(action: WriteSchedule, now: float) -> Schedule:
    """The record that a `write_schedule` of this moment means."""
    in_s = None if isinstance(action.in_s, UnsetType) else action.in_s
    return Schedule(
        at=None if in_s is None else now + in_s,
        every_s=None if isinstance(action.every_s, UnsetType) else float(action.every_s),
        cron=None if isinstance(action.cron, UnsetType) else action.cron,
        anchor=0.0 if in_s is not None else now,
        note=action.note,
        catch_up=action.catch_up,
    )


def _json_type(annotation: Any) -> dict[str, Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _json_type(args[0])}
    if args:
        inner = next(a for a in args if a not in (UnsetType, NoneType))
        return _json_type(inner)
    return {str: {"type": "string"}, int: {"type": "integer"}}[annotation]


def _nullable(spec: dict[str, Any]) -> dict[str, Any]:
    out = {**spec, "type": [spec["type"], "null"]}
    if "enum" in out:
        out["enum"] = [*out["enum"], None]
    return out


def schema() -> dict[str, Any]:
    """
    The JSON Schema of a decision, as it is handed to the CLIs that take one.

    The union stands under `move` and every field is required, optional ones nullable, because
    the strict modes of the providers refuse a union at the root and a field that may be absent.
    """
    moves: list[dict[str, Any]] = []
    for tag, (kind, _) in ACTIONS.items():
        properties: dict[str, Any] = {"action": {"type": "string", "enum": [tag]}}
        for spec in msgspec.structs.fields(kind):
            plain = _json_type(spec.type)
            optional = spec.default is UNSET or not spec.required
            properties[spec.name] = _nullable(plain) if optional else plain
        properties["journal"] = {"type": "string"}
        properties["goal"] = _nullable({"type": "string"})
        properties["next_interval_s"] = _nullable({"type": "integer"})
        doc = (kind.__doc__ or "").strip().partition("\n")[0]
        moves.append(
            {
                "type": "object",
                "description": doc,
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            }
        )
    return {
        "type": "object",
        "properties": {"move": {"anyOf": moves}},
        "required": ["move"],
        "additionalProperties": False,
    }
