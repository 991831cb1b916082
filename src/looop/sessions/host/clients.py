"""The connections of a supervisor: bounded, and never waited for."""

from __future__ import annotations

import os
import socket
import time

from looop.sessions.host import door, modes, wire
from looop.sessions.host.poller import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from looop.sessions.host.poller import Poller
    from looop.sessions.host.rawlog import RawLog

__all__ = ["Client", "Clients"]

# More than that wait to be accepted.
_MAX_CLIENTS = 256
_BACKLOG = 128
_READ_BYTES = 64 << 10
# How long a connection may take to ask something, and to take the last that it is told.
_ASK_S = 10.0
_LINGER_S = 2.0
_RETRY_S = 0.5


class Client:
    """
    One connection: a request and its answer, or an attached terminal.

    `waits` is the business of whoever answers. An attached one is served from the log at its own
    `offset`; up to `live_from` that is old output, whose questions were answered already.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.waits: Any = None
        self.frames: wire.Frames | None = None
        self.interactive = False
        self.offset = 0
        self.live_from = 0
        self.closing = False
        self.drop_at = time.monotonic() + _ASK_S
        self.mask = 0


class Clients:
    """
    Everyone who is connected.

    `answer` is called with each request, `heard` with each frame of an attached client, `left`
    when one is gone. Output is read from `log`, so that a client which does not read costs
    nothing and holds up nobody.
    """

    def __init__(
        self,
        poller: Poller,
        log: RawLog,
        answer: Callable[[Client, dict[str, Any]], None],
        heard: Callable[[Client, bytes, bytes], None],
        left: Callable[[Client], None],
    ) -> None:
        self._poller = poller
        self._log = log
        self._answer = answer
        self._heard = heard
        self._left = left
        self._listener: socket.socket | None = None
        self._directory = ""
        self._all: dict[int, Client] = {}
        self._ended = b""
        self._throttled = False
        self._accepting = False
        self._accept_at = 0.0

    # -- coming and going ----------------------------------------------------------------------

    def listen(self, directory: str) -> None:
        """Bind the socket of this session. Raises `OSError`."""
        self._directory = directory
        listener = door.listen(directory, door.CONTROL, _BACKLOG)
        listener.setblocking(False)
        self._listener = listener
        self._heed(accepting=True)

    def close(self) -> None:
        """Stop listening; those who are connected stay, and those who wait to be are let in."""
        if self._listener is None:
            return
        door.remove(os.path.join(self._directory, door.CONTROL))
        while self._let_in():
            pass
        self._heed(accepting=False)
        self._listener.close()
        self._listener = None

    def _heed(self, *, accepting: bool) -> None:
        """Whether to accept anyone now; who comes meanwhile waits."""
        if self._listener is None or accepting == self._accepting:
            return
        self._accepting = accepting
        if accepting:
            self._accept_at = 0.0
        self._poller.watch(self._listener.fileno(), READ if accepting else 0, self._accept)

    def _accept(self, _fd: int, _mask: int) -> None:
        self._let_in()
        if len(self._all) >= _MAX_CLIENTS:
            self._heed(accepting=False)

    def _let_in(self) -> bool:
        """Accept one who waits; False if there was none, or no room."""
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError:
            # No descriptor is left for it, and it would be offered again at once.
            self._accept_at = time.monotonic() + _RETRY_S
            self._heed(accepting=False)
            return False
        sock.setblocking(False)
        client = Client(sock)
        self._all[sock.fileno()] = client
        self._watch(client)
        return True

    def drop(self, client: Client) -> None:
        """End a connection, whatever has not been sent."""
        fd = client.sock.fileno()
        if fd < 0:
            return
        self._poller.forget(fd)
        del self._all[fd]
        client.sock.close()
        self._heed(accepting=True)
        self._left(client)

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._all.values()))

    def attached(self, *, interactive: bool) -> list[Client]:
        """The attached ones, of one kind."""
        return [c for c in self if c.frames is not None and c.interactive == interactive]

    @property
    def due(self) -> float | None:
        """When `tick` has something to do; None for never."""
        ends = [client.drop_at for client in self._all.values() if client.drop_at]
        if self._accept_at:
            ends.append(self._accept_at)
        return min(ends) if ends else None

    def tick(self, now: float) -> None:
        """Part from those whose time is over."""
        if self._accept_at and now >= self._accept_at:
            self._heed(accepting=True)
        for client in self:
            if client.drop_at and now >= client.drop_at:
                self.drop(client)

    # -- hearing -------------------------------------------------------------------------------

    def _ready(self, fd: int, mask: int) -> None:
        client = self._all[fd]
        try:
            if mask & READ:
                self._hear(client)
            if mask & WRITE:
                self.flush(client)
        except Exception:  # noqa: BLE001 - nothing that one client does may end a session
            self.drop(client)

    def _hear(self, client: Client) -> None:
        try:
            data = client.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(client)
        elif client.frames is not None:
            self._hear_frames(client, data)
        elif client.waits is None:
            self._hear_line(client, data)

    def _hear_line(self, client: Client, data: bytes) -> None:
        client.inbox += data
        if b"\n" not in data:
            if len(client.inbox) > wire.MAX_LINE:
                self.drop(client)
            return
        line, _, rest = bytes(client.inbox).partition(b"\n")
        client.inbox.clear()
        client.drop_at = 0.0
        message = wire.decode(line)
        if message is None:
            self.refuse(client, "this is not a JSON object")
            return
        self._answer(client, message)
        if client.frames is not None and rest:
            self._hear_frames(client, rest)

    def _hear_frames(self, client: Client, data: bytes) -> None:
        assert client.frames is not None
        try:
            frames = client.frames.feed(data)
        except ValueError:
            self.drop(client)
            return
        for tag, payload in frames:
            self._heard(client, tag, payload)

    def throttle(self, throttled: bool) -> None:
        """Hear nothing from attached clients while the program does not take their input."""
        if throttled == self._throttled:
            return
        self._throttled = throttled
        for client in self.attached(interactive=True):
            self._watch(client)

    # -- telling -------------------------------------------------------------------------------

    def reply(self, client: Client, fields: dict[str, Any]) -> None:
        """One answer, and the connection is over once it is out."""
        # No keywords: CPython 3.11 holds on to the names of a call that has twenty of them.
        client.waits = None
        client.outbox += wire.encode({"v": wire.VERSION, "ok": True, **fields})
        self._part(client)

    def refuse(self, client: Client, error: str, *, refused: bool = False) -> None:
        """As `reply`, with a reason; `refused` if it was understood and is not to be had."""
        self.reply(client, {"ok": False, "error": error, "refused": refused})

    def attach(self, client: Client, since: int, live_from: int, **fields: Any) -> None:
        """Answer, and serve output from `since` on."""
        client.frames = wire.Frames()
        client.offset, client.live_from = since, live_from
        client.outbox += wire.encode({"v": wire.VERSION, "ok": True, **fields})
        self.flush(client)

    def detach(self, client: Client) -> None:
        """Tell an attached client that it is not one any more."""
        client.outbox += wire.frame(wire.DETACHED, b"")
        self._part(client)

    def _part(self, client: Client) -> None:
        client.closing = True
        client.drop_at = time.monotonic() + _LINGER_S
        self.flush(client)

    def output(self) -> None:
        """There is more in the log."""
        for client in self:
            if client.frames is not None and not client.outbox:
                self.flush(client)

    def ended(self, ending: dict[str, Any]) -> None:
        """Nothing more will be in the log; every attached client is told once it has it all."""
        self._ended = wire.frame(wire.ENDED, wire.encode(ending))
        linger = time.monotonic() + _LINGER_S
        for client in self:
            client.drop_at = min(client.drop_at or linger, linger)
            if client.frames is not None:
                self.flush(client)

    def flush(self, client: Client) -> None:
        """Send what there is and goes out now."""
        if client.sock.fileno() < 0:
            return
        if client.frames is not None and not client.outbox and not client.closing:
            self._fill(client)
        if client.outbox:
            try:
                sent = client.sock.send(client.outbox)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.drop(client)
                return
            del client.outbox[:sent]
        if client.closing and not client.outbox:
            self.drop(client)
            return
        self._watch(client)

    def _fill(self, client: Client) -> None:
        """The next piece of output for an attached client."""
        old = client.interactive and client.offset < client.live_from
        limit = min(_READ_BYTES, client.live_from - client.offset) if old else _READ_BYTES
        begin, data = self._log.read(client.offset, limit)
        if not data:
            # Nothing, or what is no longer there because someone removed it.
            client.offset = max(client.offset, self._log.end)
            if self._ended:
                client.outbox += self._ended
                client.closing = True
            return
        if old and begin < client.live_from:
            data = modes.hush(data, last=begin + len(data) >= client.live_from)
        client.outbox += wire.frame(wire.OUTPUT, wire.OFFSET.pack(begin) + data)
        client.offset = begin + len(data)

    def _watch(self, client: Client) -> None:
        attached = client.frames is not None
        mask = 0
        if not client.closing and not (attached and self._throttled):
            mask |= READ
        behind = attached and (client.offset < self._log.end or bool(self._ended))
        if client.outbox or behind:
            mask |= WRITE
        if mask == client.mask:
            return
        self._poller.watch(client.sock.fileno(), mask, self._ready)
        client.mask = mask
