"""A process with everything imported, that forks supervisors faster and smaller than a start can."""

from __future__ import annotations

import gc
import os
import signal
import socket

from looop.sessions.host import door, wire
from looop.sessions.host.run import separate, supervise, tell

__all__ = ["serve"]

_BACKLOG = 64
_REQUEST_BYTES = 16 << 10
# One client at a time is heard, so none may take long.
_HEAR_S = 1.0


def serve(directory: str, ready: int, lock: int, *, version: str, idle_s: float) -> None:
    """
    Fork a supervisor for each request on the socket in `directory`, until nobody asks any more.

    The process must be detached, and what it forks has that from it.
    `lock` is a descriptor that holds the directory's lock. Each connection is told `version`
    first, so that a client of another one can go elsewhere. It may die at any time: supervisors
    are on their own from the moment of the fork.
    """
    # The kernel collects them; a supervisor undoes this for itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        listener = door.listen(directory, door.ZYGOTE, _BACKLOG)
    except OSError as error:
        tell(ready, error.strerror or repr(error))
        return
    tell(ready, "ok")
    gc.collect()
    # Nothing that is here now is looked at again, so forks share it for longer.
    gc.freeze()
    listener.settimeout(idle_s or None)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            break
        with connection:
            if _hear(connection, version):
                continue
            # The hang-up is the answer, and then another may be started here.
            door.remove(os.path.join(directory, door.ZYGOTE))
            os.close(lock)
            return
    door.remove(os.path.join(directory, door.ZYGOTE))


def _hear(connection: socket.socket, version: str) -> bool:
    """Do what one client asks for; False if that is to end."""
    connection.settimeout(_HEAR_S)
    try:
        connection.sendall(wire.encode({"v": wire.VERSION, "version": version}))
        data, descriptors, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, 2)
    except OSError:
        return True
    message = wire.decode(data) or {}
    directory = message.get("directory")
    asked = message.get("op") == "start" and isinstance(directory, str) and len(descriptors) == 2
    if asked and os.fork() == 0:
        try:
            separate(*descriptors)
            supervise(str(directory), *descriptors)
        finally:
            os._exit(0)
    for fd in descriptors:
        os.close(fd)
    return message.get("op") != "exit"
