"""What a client can ask of a supervisor: each operation, and the waits among them."""

from __future__ import annotations

import os
import time

from looop.sessions.host import tree, wire
from looop.sessions.host.brief import sized
from looop.sessions.host.ending import GRACE_S
from looop.sessions.host.terminal import INPUT_CAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from looop.sessions.host.clients import Client
    from looop.sessions.host.supervisor import Supervisor

__all__ = ["Operations"]

# No number of a request means more than this: seconds, or bytes.
_MOST_S = 1e9
_MOST_BYTES = 1 << 62
# What a session that is over still answers.
_STILL = ("status", "more", "quiet", "end")


class _Wait:
    """What a client waits for. `deadline` is monotonic, 0 for none; `what` as the operation."""

    def __init__(self, what: str, deadline: float, *, offset: int = 0, settle_s: float = 0) -> None:
        self.what = what
        self.deadline = deadline
        self.offset = offset
        self.settle_s = settle_s


def _seconds(message: dict[str, Any], name: str, default: float) -> float:
    value = float(message.get(name, default))
    if not 0 <= value <= _MOST_S:
        raise ValueError(f"{name} is {value}")
    return value


def _offset(message: dict[str, Any], name: str, default: int) -> int:
    value = int(message.get(name, default))
    if not 0 <= value <= _MOST_BYTES:
        raise ValueError(f"{name} is {value}")
    return value


class Operations:
    """Answers the requests of clients, at once or when what they wait for has come."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._table: dict[str, Callable[[Client, dict[str, Any]], None]] = {
            "status": self._status,
            "type": self._type,
            "resize": self._resize,
            "kill": self._kill,
            "restart": self._restart,
            "attach": self._attach,
            "detach": self._detach,
            "more": self._more,
            "quiet": self._quiet,
            "end": self._end,
        }

    def answer(self, client: Client, message: dict[str, Any]) -> None:
        """Do what `message` asks; nonsense gets an error, and changes nothing."""
        name = message.get("op")
        handler = self._table.get(name) if isinstance(name, str) else None
        if handler is None:
            self._supervisor.clients.refuse(client, f"unknown operation {name!r:.80}")
            return
        if self._supervisor.over and name not in _STILL:
            self._supervisor.clients.refuse(client, "the session has ended", refused=True)
            return
        try:
            handler(client, message)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            self._supervisor.clients.refuse(client, f"{name}: {error!r:.200}")

    def heard(self, client: Client, tag: bytes, payload: bytes) -> None:
        """Do what a frame of an attached client says; who only watches has no say."""
        if not client.interactive:
            return
        if tag == wire.INPUT:
            self._supervisor.type(payload)
        elif tag == wire.RESIZE and len(payload) == wire.SIZE.size:
            self._supervisor.resize(*wire.SIZE.unpack(payload))

    # -- at once -------------------------------------------------------------------------------

    def _status(self, client: Client, _message: dict[str, Any]) -> None:
        host = self._supervisor
        fields = {
            "id": host.brief.id,
            "generation": host.brief.generation,
            "running": host.generation.ending.status is None,
            "pid": host.generation.terminal.pid,
            "bytes": host.log.end,
            "log_start": host.generation.log_start,
            "columns": host.brief.columns,
            "rows": host.brief.rows,
            "quiet_s": time.monotonic() - host.quiet_since,
            "stalled": host.intake.stalled,
            "attached": len(host.clients.attached(interactive=True)),
            "watching": len(host.clients.attached(interactive=False)),
            "canonical": host.generation.terminal.canonical(),
            "waiting": host.generation.terminal.waiting,
            "cpu_s": tree.cpu_s(os.getpid()),
        }
        host.clients.reply(client, fields | host.scanner.modes.as_dict())

    def _type(self, client: Client, message: dict[str, Any]) -> None:
        host = self._supervisor
        data = bytes.fromhex(message["hex"])
        offset = host.log.end
        if host.generation.ending.status is not None:
            host.clients.refuse(client, "the command has ended", refused=True)
        elif not host.type(data):
            error = f"more than {INPUT_CAP} bytes would wait for a program that does not read"
            host.clients.refuse(client, error, refused=True)
        else:
            host.clients.reply(client, {"offset": offset})

    def _resize(self, client: Client, message: dict[str, Any]) -> None:
        host = self._supervisor
        host.resize(int(message["columns"]), int(message["rows"]))
        host.clients.reply(client, {"columns": host.brief.columns, "rows": host.brief.rows})

    def _detach(self, client: Client, _message: dict[str, Any]) -> None:
        clients = self._supervisor.clients
        attached = clients.attached(interactive=True)
        for other in attached:
            clients.detach(other)
        clients.reply(client, {"detached": len(attached)})

    def _attach(self, client: Client, message: dict[str, Any]) -> None:
        host = self._supervisor
        interactive = bool(message.get("interactive", True))
        size = None
        if interactive and "columns" in message:
            size = sized(int(message["columns"]), int(message["rows"]))
        since = min(_offset(message, "since", host.log.end), host.log.end)
        # Its terminal answers questions from here on; one that is half said belongs to it.
        live_from = host.log.end - host.scanner.unfinished
        if interactive:
            since = min(since, live_from)
        client.interactive = interactive
        host.clients.attach(
            client, since, live_from, offset=since, columns=host.brief.columns, rows=host.brief.rows
        )
        if interactive:
            host.note("attached")
        if size is not None:
            host.resize(*size)

    def left(self, client: Client) -> None:
        """A connection is gone."""
        if client.frames is not None and client.interactive:
            self._supervisor.note("detached")

    # -- the end of it all ---------------------------------------------------------------------

    def _kill(self, client: Client, message: dict[str, Any]) -> None:
        host = self._supervisor
        grace_s = _seconds(message, "grace_s", GRACE_S)
        client.waits = _Wait("kill", 0.0)
        if not host.kill(grace_s):
            host.clients.refuse(client, "the command has ended already", refused=True)

    def _restart(self, client: Client, message: dict[str, Any]) -> None:
        host = self._supervisor
        grace_s = _seconds(message, "grace_s", GRACE_S)
        generation = message["generation"]
        if not isinstance(generation, str) or not generation:
            raise ValueError(f"generation is {generation!r}")
        if host.generation.ending.due:
            host.clients.refuse(client, "the command is ending already", refused=True)
            return
        client.waits = _Wait("restart", 0.0)
        host.restart(grace_s, generation)

    # -- waits ---------------------------------------------------------------------------------

    def _wait(self, client: Client, message: dict[str, Any], **fields: Any) -> None:
        timeout_s = _seconds(message, "timeout_s", 0.0)
        deadline = time.monotonic() + timeout_s if timeout_s else 0.0
        client.waits = _Wait(message["op"], deadline, **fields)

    def _more(self, client: Client, message: dict[str, Any]) -> None:
        self._wait(client, message, offset=_offset(message, "offset", self._supervisor.log.end))

    def _quiet(self, client: Client, message: dict[str, Any]) -> None:
        self._wait(client, message, settle_s=_seconds(message, "settle_s", 0.5))

    def _end(self, client: Client, message: dict[str, Any]) -> None:
        self._wait(client, message)

    @property
    def due(self) -> float | None:
        """When `tick` has something to answer at the latest; None for not by itself."""
        ends: list[float] = []
        for client in self._supervisor.clients:
            wait: _Wait | None = client.waits
            if wait is None:
                continue
            if wait.deadline:
                ends.append(wait.deadline)
            if wait.what == "quiet":
                ends.append(self._supervisor.quiet_since + wait.settle_s)
        return min(ends) if ends else None

    def tick(self, now: float) -> None:
        """Answer whoever waits for something that is so now."""
        host = self._supervisor
        for client in host.clients:
            wait: _Wait | None = client.waits
            if wait is None:
                continue
            came = (wait.what == "more" and host.log.end > wait.offset) or (
                wait.what == "quiet" and now - host.quiet_since >= wait.settle_s
            )
            if came:
                host.clients.reply(client, {"ended": False, "bytes": host.log.end})
            elif wait.deadline and now >= wait.deadline:
                host.clients.reply(client, {"ended": False, "timeout": True, "bytes": host.log.end})

    def ended(self, ending: dict[str, Any]) -> None:
        """A generation is over: answer everyone who waited for anything of it."""
        clients = self._supervisor.clients
        for client in clients:
            wait: _Wait | None = client.waits
            if wait is None or wait.what == "restart":
                continue
            if wait.what == "kill":
                clients.reply(client, {"killed": ending["state"] == "killed", **ending})
            else:
                clients.reply(client, ending)

    def restarted(self, error: str = "") -> None:
        """Answer whoever asked for another generation."""
        clients = self._supervisor.clients
        for client in clients:
            wait: _Wait | None = client.waits
            if wait is None or wait.what != "restart":
                continue
            if error:
                clients.refuse(client, error)
            else:
                clients.reply(client, {"generation": self._supervisor.brief.generation})
