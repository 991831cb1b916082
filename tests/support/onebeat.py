"""
One beat, or one command of a human, over a profile that a test has laid, in a process of its own.

`python -m tests.support.onebeat DIRECTORY WALL [COMMAND]`; for what kills its own process.
"""

import asyncio
import os
import sys
from pathlib import Path

from looop import config as configs
from looop.control.local import LocalControl
from looop.loop.beat import beat
from looop.loop.parts import Parts
from looop.paths import Paths
from looop.sessions.local import LocalFleet
from looop.state.store import Store
from tests.support.fakeclock import FakeClock

__all__ = ["main"]


def main(base: Path, wall: float, *command: str) -> None:
    side = str(base / "side")
    env = {"PATH": os.environ["PATH"], "HOME": side, "SIDE": side}
    paths = Paths(base / "data", base / "data" / "config.toml")
    config = configs.load(paths.config, env)
    clock = FakeClock(wall)
    fleet = LocalFleet(paths.sessions, version="test")
    if command:
        LocalControl(paths, config, env, lambda: fleet, clock).run(command[0])
    else:
        asyncio.run(beat(Parts(Store(paths, config), config, env, fleet, clock=clock)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
