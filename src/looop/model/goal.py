"""A goal file: a short header of `key: value` lines, then free prose."""

import re

from msgspec import Struct

__all__ = ["Goal", "parse"]

_LINE = re.compile(r"([a-z][a-z_-]*):\s*(.*?)\s*$")
_KNOWN = {"goal", "priority", "every", "ready"}


class Goal(Struct, frozen=True, kw_only=True):
    """`title` falls back to the first line of prose; the other headers are kept as written."""

    id: str
    title: str
    priority: str = ""
    every: str = ""
    ready: str = ""


def parse(goal_id: str, text: str) -> Goal:
    """Read the header, with or without `---` fences; a strange header is prose, not an error."""
    lines = text.lstrip("\ufeff").splitlines()
    fenced = bool(lines) and lines[0].strip() == "---"
    found: dict[str, str] = {}
    prose = ""
    for line in lines[1:] if fenced else lines:
        if fenced and line.strip() == "---":
            break
        match = _LINE.match(line)
        if match and match[1] in _KNOWN:
            found.setdefault(match[1], match[2])
            continue
        if line.strip():
            prose = line.strip().lstrip("# ")
            break
    return Goal(
        id=goal_id,
        title=found.get("goal") or prose or goal_id,
        priority=found.get("priority", ""),
        every=found.get("every", ""),
        ready=found.get("ready", ""),
    )
