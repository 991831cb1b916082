"""What a sensor declares about itself in its first lines: cadence, deadline, trust, mode."""

import re

from msgspec import Struct

from looop.errors import Usage
from looop.kit import durations
from looop.model.world import Trust

__all__ = ["HEADER_LINES", "Header", "parse"]

HEADER_LINES = 20
_MARK = re.compile(r"(?:^|[^A-Za-z0-9])looop:\s*(.+)$")
_PAIR = re.compile(r"([a-z]+)=(\S+)")
_TRUST: dict[str, Trust] = {"own": "own", "repo": "repo", "public": "public"}


class Header(Struct, frozen=True, kw_only=True):
    """`interval_s` 0 runs it at every look; `timeout_s` None takes the setting's."""

    interval_s: float = 0.0
    timeout_s: float | None = None
    trust: Trust = "public"
    problems: tuple[str, ...] = ()


def parse(text: str) -> Header:
    """
    Read `looop: key=value ...` out of the first lines, in a comment of any language.

    A key or value that makes no sense is a problem to show, not a reason to stop the sensor:
    the defaults are the cautious ones.
    """
    values: dict[str, str] = {}
    for line in text.splitlines()[:HEADER_LINES]:
        match = _MARK.search(line)
        if match:
            values.update(_PAIR.findall(match[1]))
    interval = 0.0
    timeout: float | None = None
    trust: Trust = "public"
    problems: list[str] = []
    for key, value in values.items():
        try:
            if key == "interval":
                interval = durations.parse(value)
            elif key == "timeout":
                timeout = durations.parse(value)
            elif key == "trust" and value in _TRUST:
                trust = _TRUST[value]
            else:
                problems.append(f"header {key}={value} is not understood")
        except Usage as error:
            problems.append(f"header {key}: {error}")
    return Header(interval_s=interval, timeout_s=timeout, trust=trust, problems=tuple(problems))
