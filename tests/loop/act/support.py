"""A throw-away profile in which moves are carried out for real."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from looop.kit import proc
from looop.loop import diff
from looop.loop.act import execute
from looop.loop.act.execute import Effect
from looop.loop.sense.look import look
from looop.model.actions import Action
from looop.model.records import Memory
from looop.model.world import World
from tests.support.bare import NOW, BareProfile

__all__ = ["NOW", "Profile", "ended", "unmarked"]


class Profile(BareProfile):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.env["FROM_THE_CALLER"] = "yes"
        self.run_id = f"test-{os.getpid()}-{time.monotonic_ns()}"

    def act(self, action: Action, **config: Any) -> Effect:
        return asyncio.run(
            execute.execute(action, self.parts(**config), run_id=self.run_id, goal="", by="loop")
        )

    def world(self) -> World:
        seen = asyncio.run(
            look(self.store, self.fleet, self.config, Memory(), self.env, self.clock)
        )
        return diff.assemble(
            playbook=seen.playbook, goals=seen.goals, readings=seen.readings, unseen=seen.unseen
        )

    def events(self) -> list[dict[str, Any]]:
        return self.store.events.tail(50)


def ended(pid: int) -> bool:
    """Whether a process that was killed is over; the system may take a moment for that."""
    until = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < until:
        os.sched_yield()
    return not _alive(pid)


def unmarked(prefix: str) -> bool:
    """Whether nothing is left that carries this mark; as above."""
    until = time.monotonic() + 5
    while proc.marked(prefix) and time.monotonic() < until:
        os.sched_yield()
    return not proc.marked(prefix)


def _alive(pid: int) -> bool:
    # A zombie that nobody has reaped yet has ended.
    try:
        os.kill(pid, 0)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except ProcessLookupError:
        return False
    except OSError:
        return not Path("/proc/self/stat").exists()
    return fields[0] not in ("Z", "X")
