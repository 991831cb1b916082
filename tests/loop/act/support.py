"""A throw-away profile in which moves are carried out for real."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from looop.loop import diff
from looop.loop.act import execute
from looop.loop.act.execute import Effect
from looop.loop.sense.look import look
from looop.model.actions import Action
from looop.model.records import Memory
from looop.model.world import World
from tests.support.bare import NOW, BareProfile

__all__ = ["NOW", "Profile"]


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
