"""A throw-away profile with real sensors and a wall clock that the test sets."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from looop.kit import files
from looop.loop.sense import discover, sensors
from looop.loop.sense.look import look
from looop.loop.sense.peek import Look, peek
from looop.model.records import Memory
from looop.model.world import Reading
from tests.support.bare import NOW, BareProfile

__all__ = ["NOW", "Profile"]


class Profile(BareProfile):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.memory = Memory()

    def sensor(self, name: str, body: str, *, mode: int = 0o755, shebang: bool = True) -> Path:
        """A script of `/bin/sh`; `name` with its ending."""
        path = self.paths.sensors / name
        path.write_text(("#!/bin/sh\n" if shebang else "") + body)
        path.chmod(mode)
        return path

    def look(self, **config: Any) -> Look:
        settings = msgspec.structs.replace(self.config, **config)
        return asyncio.run(
            look(self.store, self.fleet, settings, self.memory, self.env, self.clock)
        )

    def peek(self) -> Look:
        return peek(self.store, self.fleet, self.config, self.memory, self.clock.now)

    def reading(self, body: str, *, name: str = "x.sh", **config: Any) -> Reading:
        """What a look makes of one sensor with this body."""
        self.sensor(name, body)
        return self.look(**config).readings["sensor-" + name.partition(".")[0]]

    def run_one(self, name: str) -> Reading:
        found, _ = discover.discover(self.paths)
        sensor = next(s for s in found if s.name == name)
        mark = f"test-{os.getpid()}-{time.monotonic_ns()}"
        reading, _ = asyncio.run(
            sensors.run_one(sensor, self.paths, self.config, self.env, self.clock, mark)
        )
        return reading

    def snapshots(self) -> list[str]:
        """Everything in `snapshots/` but the lock."""
        names = files.list_names(self.paths.snapshots)
        return [name for name in names if name != ".dirlock"]

    def block(self, directory: Path) -> None:
        """Make a directory impossible to list, for root too: a file stands in its place."""
        directory.rename(directory.with_name(directory.name + ".away"))
        directory.write_text("")

    def unblock(self, directory: Path) -> None:
        directory.unlink()
        directory.with_name(directory.name + ".away").rename(directory)
