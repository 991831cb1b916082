"""A throw-away profile in which workers are started for real."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from looop.config import RunnerSpec
from looop.loop.parts import Parts
from looop.loop.workers import start
from looop.loop.workers.start import Order
from looop.loop.workers.tend import tend
from looop.model.records import Worker
from looop.sessions.records import Session
from tests.support.bare import BareProfile
from tests.support.crew import WAITS

__all__ = ["Profile"]


class Profile(BareProfile):
    """
    `parts` is what everything is done with; `told` are the events that it was told.

    The wall begins at the machine's own, because sessions date themselves by that.
    """

    def __init__(self, directory: Path, **settings: Any) -> None:
        super().__init__(directory, **settings)
        self.clock.now = time.time()
        self.env["HOME"] = str(directory)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.open()

    def open(self, **settings: Any) -> Parts:
        """As after a restart, under these settings."""
        self.config = msgspec.structs.replace(self.config, **settings)
        self.opened = Parts(
            self.store,
            self.config,
            self.env,
            self.fleet,
            clock=self.clock,
            listener=lambda event, fields: self.told.append((event, fields)),
        )
        return self.opened

    def runner(self, name: str, **spec: Any) -> None:
        self.open(runners=self.config.runners | {name: RunnerSpec(**spec)})

    def order(self, worker: str = "w", **fields: Any) -> Order:
        """An order for a worker that waits to be told how to end."""
        known: dict[str, Any] = {"prompt": "wait for me", "command": WAITS}
        return Order(id=worker, **known | fields)

    def start(self, worker: str = "w", **fields: Any) -> Session:
        return start.start(self.opened, self.order(worker, **fields))

    def record(self, worker: str = "w") -> Worker:
        return self.store.workers.need(worker)

    def tend(self, items: dict[str, str] | None = None, *, after: float = 1.0) -> dict[str, str]:
        """One beat's look at the crew, that much later than the last."""
        self.clock.now += after
        self.told.clear()
        return asyncio.run(tend(self.opened, items or {}))

    def heard(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.told if name == event]

    def everything(self) -> list[str]:
        """What is in the data dir, but for locks and logs."""
        return sorted(
            str(path.relative_to(self.paths.data))
            for path in self.paths.data.rglob("*")
            if path.name not in (".dirlock", "events.jsonl")
        )

    def hide_fleet(self) -> None:
        """Make the fleet impossible to look at, for root too: a file stands in its place."""
        os.rename(self.paths.sessions, f"{self.paths.sessions}.away")
        self.paths.sessions.write_text("")

    def show_fleet(self) -> None:
        self.paths.sessions.unlink()
        os.rename(f"{self.paths.sessions}.away", self.paths.sessions)
