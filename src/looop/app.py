"""Wiring: the only place that chooses which implementation serves which port."""

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from looop import __version__
from looop import config as configs
from looop import paths as places
from looop.config import Config
from looop.control.protocol import Control
from looop.errors import LooopError
from looop.kit.clock import SystemClock

if TYPE_CHECKING:
    from looop.control.power import Down
    from looop.loop.beat import End
    from looop.loop.parts import Parts
    from looop.sessions.port import Fleet

__all__ = [
    "Listener",
    "decision_schema",
    "down",
    "open_control",
    "run_pulse",
    "run_tick",
    "service",
    "up",
]

# A zygote that was left behind by a pulse that was killed ends by itself after this.
_ZYGOTE_IDLE_S = 3600.0

Listener = Callable[[str, dict[str, Any]], None]


def _load(place: places.Paths, env: Mapping[str, str]) -> Config | LooopError:
    try:
        return configs.load(place.config, env)
    except LooopError as error:
        return error


def open_control(env: Mapping[str, str] | None = None) -> Control:
    """
    The contract over the profile that the environment names.

    Broken settings do not keep it from opening: verbs that need them raise `BadConfig`.
    """
    from looop.control.local import LocalControl

    env = os.environ if env is None else env
    place = places.resolve(env)
    return LocalControl(place, _load(place, env), dict(env), lambda: _fleet(place), SystemClock())


def _fleet(place: places.Paths) -> "Fleet":
    """The sessions of a profile: supervisors on this machine."""
    from looop.sessions.local import LocalFleet

    return LocalFleet(place.sessions, version=__version__, zygote=place.zygote)


def _parts(env: Mapping[str, str], listener: Listener) -> "tuple[Parts, Callable[[], Config]]":
    from looop.loop.parts import Parts
    from looop.state import seed
    from looop.state.store import Store

    place = places.resolve(env)

    def reload() -> Config:
        return configs.load(place.config, env)

    config = reload()
    clock = SystemClock()
    store = Store(place, config)
    store.ensure()
    for name in seed.lay(place, clock.wall()):
        listener("seeded", {"file": name})
    fleet = _fleet(place)
    return Parts(store, config, dict(env), fleet, clock=clock, listener=listener), reload


def run_pulse(env: Mapping[str, str], listener: Listener, *, keep_workers: bool) -> str:
    """
    Be the pulse of the profile until a signal; the signal's name. Raises `LooopError`.

    A pulse in the foreground takes its workers with it, unless it is to keep them.
    """
    import asyncio

    from looop.control import power
    from looop.loop import pulse

    parts, reload = _parts(env, listener)
    with _zygote(parts.store.paths.zygote):
        reason = asyncio.run(pulse.run(parts, reload, keeps_workers=keep_workers))
    if not keep_workers:
        power.stop_workers(parts, "the end of the loop")
    return reason


@contextlib.contextmanager
def _zygote(directory: Path) -> Generator[None]:
    """
    Keep a process that forks supervisors while the block runs: fifty then cost tens of megabytes.

    Without it each session is started by itself, so its failure is no failure of ours.
    """
    from looop.sessions import spawn

    with contextlib.suppress(LooopError, OSError):
        spawn.start_zygote(directory, version=__version__, idle_s=_ZYGOTE_IDLE_S)
    try:
        yield
    finally:
        spawn.stop_zygote(directory)


def _silent(_event: str, _fields: dict[str, Any]) -> None:
    return None


def up(env: Mapping[str, str]) -> int:
    """Start the pulse in a session of its own; its pid. Raises `LooopError`."""
    from looop.control import power

    parts, _ = _parts(env, _silent)
    return power.up(parts, _pause)


def down(env: Mapping[str, str], *, keep: bool, drain_s: float) -> "Down":
    """End the pulse, then its workers. Raises `LooopError`."""
    from looop.control import power

    return power.down(_parts_anyway(env), _pause, keep=keep, drain_s=drain_s)


def _parts_anyway(env: Mapping[str, str]) -> "Parts":
    """The profile opened with the defaults where its settings make no sense: to end things."""
    from looop.loop.parts import Parts
    from looop.state.store import Store

    place = places.resolve(env)
    config = _load(place, env)
    config = config if isinstance(config, Config) else Config()
    store = Store(place, config)
    store.ensure()
    return Parts(store, config, dict(env), _fleet(place))


class ServiceSaid(NamedTuple):
    """What a service verb did or found, a line each, and whether that is what was wanted."""

    ok: bool
    lines: list[str]


def service(env: Mapping[str, str], what: str) -> ServiceSaid:
    """Install, remove or look at the service that starts the loop at boot. Raises `LooopError`."""
    from looop.control import service as services

    place = places.resolve(env)
    if what in ("install", "uninstall"):
        argv = (place.child_env({})["LOOOP_BIN"], "--keep-workers")
        if what == "install":
            lines = services.install(place, env, argv, sys.platform)
        else:
            lines = services.uninstall(place, env, sys.platform)
        return ServiceSaid(not any(line.startswith("failed:") for line in lines), lines)
    view = services.status(place, env, sys.platform)
    return ServiceSaid(view.installed and view.active is not False, [view.text])


def _pause(seconds: float) -> None:
    import threading

    threading.Event().wait(seconds)


def run_tick(env: Mapping[str, str], listener: Listener, *, forced: bool, dry: bool) -> "End":
    """One beat of the profile, now. Raises `AlreadyRuns` while a pulse has it."""
    import asyncio

    from looop.loop import pulse

    parts, _ = _parts(env, listener)
    return asyncio.run(pulse.once(parts, forced=forced, dry=dry))


def decision_schema() -> dict[str, Any]:
    """The JSON Schema that a decision must fit."""
    from looop.loop.decide import decision

    return decision.schema()
