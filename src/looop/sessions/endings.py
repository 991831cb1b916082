"""The ends of sessions as they happen, behind one descriptor."""

import contextlib
import os
import selectors
import socket
from pathlib import Path

from looop.errors import LooopError
from looop.sessions import dial, seen
from looop.sessions.host import door, wire

__all__ = ["LocalEndings"]


class LocalEndings:
    """
    `port.Endings` for the sessions below `root`: a connection to each living supervisor, which
    it answers, or drops when it dies, at the end of its session.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        # Its own descriptor can be waited for in another loop.
        self._selector = selectors.DefaultSelector()
        self._known: dict[str, str] = {}
        self._followed: dict[str, socket.socket] = {}
        self._ended: dict[str, None] = {}
        self._wake, self._waker = os.pipe()
        for fd in (self._wake, self._waker):
            os.set_blocking(fd, False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            self.refresh()
        except BaseException:
            self.close()
            raise
        # What had ended before anyone looked is no news.
        self.drain()

    def fileno(self) -> int:
        """Readable when `drain` has something to give."""
        return self._selector.fileno()

    def refresh(self) -> None:
        """Follow what was started since. Raises `Unreadable`."""
        found, _ = seen.names(self._root)
        for name in found:
            if name not in self._followed:
                self._follow(name)
        for name in set(self._known) - set(found):
            del self._known[name]

    def _follow(self, name: str) -> None:
        directory = self._root / name
        try:
            session = seen.look(directory)
        except LooopError:
            # It is gone, or cannot be looked at now; the next time will tell.
            return
        if session.alive:
            self._known[name] = session.generation
            self._connect(name, directory)
        elif self._known.get(name) != session.generation:
            # It was started and has ended since the last look.
            self._known[name] = session.generation
            self._tell(name)

    def _connect(self, name: str, directory: Path) -> None:
        try:
            sock = dial.connect(directory, door.CONTROL)
        except OSError:
            # It ends just now, or is only just being started. Not knowing its generation makes
            # the next look tell of its end.
            self._known.pop(name, None)
            return
        try:
            sock.sendall(wire.encode({"v": wire.VERSION, "op": "end", "timeout_s": 0}))
        except OSError:
            sock.close()
            self._tell(name)
            return
        sock.setblocking(False)
        self._followed[name] = sock
        self._selector.register(sock, selectors.EVENT_READ, name)

    def _tell(self, name: str) -> None:
        self._ended[name] = None
        # A full pipe says it just as well.
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"x")

    def drain(self) -> tuple[str, ...]:
        """The sessions that have ended since the last call."""
        for key, _ in self._selector.select(0):
            if key.fileobj == self._wake:
                os.read(self._wake, 4096)
            else:
                self._ended[key.data] = None
                self._selector.unregister(key.fileobj)
                self._followed.pop(key.data).close()
        ended, self._ended = tuple(self._ended), {}
        return ended

    def close(self) -> None:
        """Follow nothing any more."""
        self._selector.close()
        for sock in self._followed.values():
            sock.close()
        self._followed = {}
        os.close(self._wake)
        os.close(self._waker)
