"""An agent of which nothing is known: a custom command, or a shell that works through a brief."""

from collections.abc import Sequence

from looop.loop.workers.agents import limits
from looop.loop.workers.agents.base import Agent, Limit

__all__ = ["PLAIN"]


def _limited(rows: Sequence[str], now: float) -> Limit | None:
    return limits.on_screen(rows, now, limits.GENERIC, goes_on="●⏺•")


PLAIN = Agent(name="", limited=_limited)
