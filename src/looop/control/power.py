"""Up and down: the pulse as a session of its own, and the end of everything in the right order."""

import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from looop.errors import AlreadyRuns, Failed, LooopError, Refused
from looop.kit import identity
from looop.loop import lock
from looop.loop.crew import PULSE
from looop.loop.parts import Parts
from looop.loop.workers import stop
from looop.sessions.records import Spec

__all__ = ["Down", "down", "stop_workers", "up"]

# A pulse that has not taken its lock by then never will.
_UP_S = 15.0
_LOOK_S = 0.05
# What a beat in flight is given to end its runner, sensors and commands.
_PULSE_GRACE_S = 10.0
# Each end may take its whole grace, so they are waited for together.
_AT_ONCE = 16


class Down(Struct, frozen=True, kw_only=True):
    """What `down` did: whether a pulse ran, which workers it ended, and who would not go."""

    pulse: bool
    workers: list[str]
    survivors: list[str]


def up(parts: Parts, wait: Callable[[float], None]) -> int:
    """
    Start the pulse in a session of its own; its pid, once it holds the profile.

    Raises `AlreadyRuns`, or `Failed` with the last line of a pulse that did not come up.
    """
    paths, fleet = parts.store.paths, parts.fleet
    parts.store.ensure()
    if lock.held(paths):
        raise AlreadyRuns("a pulse runs already; `looop status` shows it")
    found = fleet.find(PULSE)
    if found is not None and not found.alive:
        fleet.remove(PULSE)
    fleet.start(
        Spec(
            id=PULSE,
            argv=(sys.executable, "-m", "looop", "--keep-workers"),
            cwd=str(paths.data),
            env=_environment(parts.env, paths.child_env({})),
            generation=secrets.token_hex(8),
            labels={"pulse": "yes"},
        )
    )
    waited = 0.0
    while waited < _UP_S:
        found = fleet.find(PULSE)
        if found is None or not found.alive:
            raise Failed(
                f"the pulse did not come up: {fleet.last_line(PULSE) or 'it said nothing'}"
            )
        note = lock.note(paths)
        # What an earlier pulse said of itself may still be there.
        if lock.held(paths) and note is not None and identity.alive(note.owner):
            return note.owner.pid
        wait(_LOOK_S)
        waited += _LOOK_S
    raise Failed("the pulse has not taken its lock yet; `looop log pulse` shows what it does")


def _environment(env: Mapping[str, str], place: Mapping[str, str]) -> dict[str, str]:
    """Ours, with the place made absolute, and without what a worker of ours would carry."""
    dropped = ("LOOOP_SESSION_ID", "LOOOP_GENERATION", "LOOOP_RUN_ID", "LOOOP_MARK")
    kept = {name: value for name, value in env.items() if name not in dropped}
    where = {name: place[name] for name in ("LOOOP_DATA_DIR", "LOOOP_CONFIG")}
    beside = str(Path(sys.executable).parent)
    path = kept.get("PATH", os.defpath)
    return kept | where | {"PATH": path if beside in path.split(":") else f"{path}:{beside}"}


def down(parts: Parts, wait: Callable[[float], None], *, keep: bool, drain_s: float) -> Down:
    """
    End the pulse, and then the workers unless they are kept.

    The pulse goes first, or it would start anew what is being ended. With `drain_s`, workers
    are given that long to end by themselves. Raises `Unreadable` when the fleet cannot be
    looked at: a clean end is never claimed on a guess.
    """
    ran = _end_pulse(parts, wait, keep=keep)
    if keep:
        return Down(pulse=ran, workers=[], survivors=[])
    waited = 0.0
    while drain_s and waited < drain_s and _living(parts):
        wait(_LOOK_S)
        waited += _LOOK_S
    ended, survivors = stop_workers(parts, "down")
    return Down(pulse=ran, workers=ended, survivors=survivors)


def _living(parts: Parts) -> list[str]:
    return [s.id for s in parts.fleet.list()[0] if s.alive and s.id != PULSE]


def stop_workers(parts: Parts, by: str) -> tuple[list[str], list[str]]:
    """End every living worker and program, all at once: (ended, still alive)."""

    def end(worker: str) -> str:
        try:
            stop.kill(parts, worker, by=by, why="everything was ended")
        except Refused:
            return worker
        except LooopError as error:
            parts.tell("warning", about="down", text=f"{worker}: {error}")
            return ""
        return worker

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ended = [worker for worker in pool.map(end, _living(parts)) if worker]
    return ended, _living(parts)


def _end_pulse(parts: Parts, wait: Callable[[float], None], *, keep: bool) -> bool:
    paths, fleet = parts.store.paths, parts.fleet
    session = fleet.find(PULSE)
    if session is not None and session.alive:
        fleet.kill(PULSE, grace_s=_PULSE_GRACE_S)
        return True
    if not lock.held(paths):
        return False
    note = lock.note(paths)
    if note is None or not identity.alive(note.owner):
        raise Failed(f"something holds {paths.pulse_lock}, and its pid cannot be told")
    if keep and not note.keeps_workers:
        raise Refused(
            f"the loop in the foreground (pid {note.owner.pid}) takes its workers with it: it was "
            "not started with --keep-workers"
        )
    os.kill(note.owner.pid, signal.SIGTERM)
    waited = 0.0
    while lock.held(paths):
        if waited >= _PULSE_GRACE_S:
            raise Failed(f"the pulse (pid {note.owner.pid}) does not end; look at it by hand")
        wait(_LOOK_S)
        waited += _LOOK_S
    return True
