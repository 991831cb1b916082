"""Wiring: the only place that chooses which implementation serves which port."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from looop import config as configs
from looop import paths as places
from looop.config import Config
from looop.control.protocol import Control
from looop.errors import LooopError
from looop.kit.clock import SystemClock

if TYPE_CHECKING:
    from looop.loop.beat import End
    from looop.loop.parts import Parts

__all__ = [
    "Listener",
    "decision_schema",
    "open_control",
    "run_pulse",
    "run_tick",
]

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
    return LocalControl(place, _load(place, env), dict(env), SystemClock())


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
    return Parts(store, config, dict(env), clock=clock, listener=listener), reload


def run_pulse(env: Mapping[str, str], listener: Listener) -> str:
    """Be the pulse of the profile until a signal; the signal's name. Raises `LooopError`."""
    import asyncio

    from looop.loop import pulse

    parts, reload = _parts(env, listener)
    return asyncio.run(pulse.run(parts, reload))


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
