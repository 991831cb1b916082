"""
Real workers for tests: briefs, programs that wait to be told, and the end of all of them.

`python -m tests.support.crew DIRECTORY WALL POINT` is one beat over a profile that a test has
laid; it is killed at that point, such as `before-start` or `after-kill`. With a fourth word, it
is a human's start of a worker of that name.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from looop import config as configs
from looop.control.local import LocalControl
from looop.loop.beat import beat
from looop.loop.parts import Parts
from looop.paths import Paths
from looop.sessions.local import LocalFleet
from looop.sessions.port import Fleet
from looop.sessions.records import Ending, Killed, Session, Spec
from looop.state.store import Store
from tests.support.fakeclock import FakeClock
from tests.support.leftovers import gone, living

__all__ = [
    "WAITS",
    "HasFleet",
    "block",
    "crew_ended",
    "cut_off",
    "end",
    "ended",
    "program",
    "start_move",
    "supervisors",
]

# A worker of somebody's choice: it says that it is there, and ends with the code that is typed.
WAITS = 'test -s {{prompt_file}} && echo ready && read -r code && exit "$code"'
LIMIT_S = 30.0


def block(script: str) -> str:
    """A brief that the embedded worker carries out."""
    return f"Do this:\n\n```sh\n{script}\n```\n"


class HasFleet(Protocol):
    """A profile of tests, of whatever kind."""

    paths: Paths
    fleet: LocalFleet


def start_move(worker: str = "w", **fields: Any) -> dict[str, Any]:
    """A decision to start a worker that waits to be told how to end."""
    return {
        "action": "start_worker",
        "id": worker,
        "prompt": "wait for me",
        "command": WAITS,
        **fields,
    }


def ended(fleet: Fleet, worker: str = "w") -> Ending:
    """How a worker ended, once it has."""
    found = fleet.wait(worker, LIMIT_S)
    assert found.ended, f"{worker} did not end: {fleet.last_line(worker)}"
    return found


def end(fleet: Fleet, worker: str = "w", code: int = 0) -> Ending:
    """Have a worker that waits end with this code."""
    found = fleet.expect(worker, "ready", since=None, timeout_s=LIMIT_S, screen=False)
    assert found.outcome == "match", fleet.last_line(worker)
    fleet.type(worker, b"%d\r" % code)
    return ended(fleet, worker)


def program(
    profile: HasFleet, session: str, script: str, *, generation: str = "", **labels: str
) -> Session:
    """Start a plain program in a session: no worker, so no contract, no brief, no record."""
    paths = profile.paths
    return profile.fleet.start(
        Spec(
            id=session,
            argv=("bash", "-c", script),
            cwd=str(paths.data),
            env={"PATH": os.environ["PATH"], "LOOOP_DATA_DIR": str(paths.data)},
            generation=generation,
            labels=labels,
        )
    )


def supervisors(base: Path) -> list[int]:
    """Every living supervisor of a session that is kept below `base`."""
    found: list[int] = []
    words = str(base).encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if words in line and b"sessions/host/main.py" in line:
                found.append(int(pid))
    return sorted(found)


@pytest.fixture
def crew_ended(tmp_path: Path) -> Iterator[None]:
    """
    End every session that a test has started, and see that nothing of any is left.

    For the fixture of a profile to stand on, so that it comes before what else looks for
    leftovers.
    """
    yield
    # Supervisors first, so that none can start anything anew.
    _end(supervisors(tmp_path))
    while left := living(tmp_path):
        _end(left)
    assert supervisors(tmp_path) == []


def _end(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    left = [pid for pid in pids if not gone(pid)]
    assert not left, f"processes cannot be ended: {left}"


# -- one beat that is killed -------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def cut_off(base: Path, wall: float, point: str, *worker: str) -> None:
    """
    One beat over the profile in `base`, or a human's start of `worker`, in a process of its own
    that is killed at `point`.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.crew", str(base), str(wall), point, *worker],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=30,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


class _Cut(LocalFleet):
    """Whoever uses it dies at one point."""

    point = ""

    def _at(self, point: str) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)

    def start(self, spec: Spec) -> Session:
        self._at("before-start")
        session = super().start(spec)
        self._at("after-start")
        return session

    def restart(
        self,
        session: str,
        *,
        env: dict[str, str] | None = None,
        generation: str = "",
        grace_s: float = 5.0,
    ) -> Session:
        self._at("before-restart")
        found = super().restart(session, env=env, generation=generation, grace_s=grace_s)
        self._at("after-restart")
        return found

    def kill(self, session: str, *, grace_s: float = 5.0) -> Killed:
        self._at("before-kill")
        killed = super().kill(session, grace_s=grace_s)
        self._at("after-kill")
        return killed


def main(base: Path, wall: float, point: str, worker: str = "") -> None:
    side = str(base / "side")
    env = {"PATH": os.environ["PATH"], "HOME": side, "SIDE": side}
    paths = Paths(base / "data", base / "data" / "config.toml")
    config = configs.load(paths.config, env)
    fleet = _Cut(paths.sessions, version="test")
    fleet.point = point
    clock = FakeClock(wall)
    if worker:
        LocalControl(paths, config, env, lambda: fleet, clock).crew.start(
            worker, "wait", runner="", command=WAITS, verify="", goal="", workspace=""
        )
    else:
        asyncio.run(beat(Parts(Store(paths, config), config, env, fleet, clock=clock)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
