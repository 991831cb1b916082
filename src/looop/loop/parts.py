"""What a beat is made of: the profile, its settings, its surroundings, and who listens."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from looop.config import Config
from looop.kit import files
from looop.kit.clock import Clock, SystemClock
from looop.model.actions import Action, KillWorker, RestartSession, SendKey, SteerSession
from looop.sessions.port import Fleet
from looop.state.store import Store

__all__ = ["Listener", "Parts"]

# (event, fields): everything that is put into the event log is told to the listener too.
Listener = Callable[[str, dict[str, Any]], None]


def _nobody(_event: str, _fields: dict[str, Any]) -> None:
    return None


def _jitter() -> float:
    """A factor between 0.75 and 1.25, so that loops that failed together do not retry together."""
    return 0.75 + secrets.randbelow(501) / 1000


class Parts:
    """One profile, opened for beating."""

    def __init__(
        self,
        store: Store,
        config: Config,
        env: Mapping[str, str],
        fleet: Fleet,
        *,
        clock: Clock | None = None,
        listener: Listener = _nobody,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = _jitter,
    ) -> None:
        self.store = store
        self.config = config
        self.env = env
        self.fleet = fleet
        self.clock = clock or SystemClock()
        self.listener = listener
        self.sleep = sleep
        self.jitter = jitter

    def tell(self, event: str, **fields: Any) -> None:
        """Log one event and show it to whoever listens."""
        self.store.events.add(self.clock.wall(), event, **fields)
        self.listener(event, fields)

    def generation_of(self, action: Action) -> str:
        """The living generation of the worker that a move concerns; "" for none."""
        if not isinstance(action, SteerSession | SendKey | RestartSession | KillWorker):
            return ""
        session = self.fleet.find(action.id)
        return session.generation if session is not None and session.alive else ""

    def secret(self) -> str:
        """The profile's own secret, made on first use; it never leaves the data dir."""
        path = self.store.paths.secret
        files.create_exclusive(path, secrets.token_hex(16).encode())
        return (files.read_bytes(path) or b"").decode("ascii", "replace")
