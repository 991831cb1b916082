"""A throw-away profile without a decider: real files, a wall clock that the test sets."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from looop.config import Config
from looop.loop.parts import Parts
from looop.paths import Paths
from looop.sessions.local import LocalFleet
from looop.state.store import Store

__all__ = ["NOW", "BareProfile", "SetClock"]

NOW = 1_700_000_000.0


class SetClock:
    """The wall stands where the test puts it; waiting takes real time."""

    def __init__(self, wall: float = NOW) -> None:
        self.now = wall

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return time.monotonic()


class BareProfile:
    """One profile, laid and opened."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.paths = Paths(directory / "data", directory / "data" / "config.toml")
        self.config = Config(shell_timeout=20.0, sensor_timeout=20.0, **settings)
        self.store = Store(self.paths, self.config)
        self.store.ensure()
        self.clock = SetClock()
        self.env = {"PATH": os.environ["PATH"]}
        self.fleet = LocalFleet(self.paths.sessions, version="test")

    def parts(self, **settings: Any) -> Parts:
        """The profile opened for a beat, under these settings."""
        config = msgspec.structs.replace(self.config, **settings)
        return Parts(self.store, config, self.env, self.fleet, clock=self.clock)
