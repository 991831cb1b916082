"""A Unix socket in a directory, however long the path to it is."""

import os
import socket

__all__ = ["CONTROL", "ZYGOTE", "listen", "remove"]

# Of a supervisor in the directory of its session, and of a zygote in its own.
CONTROL = "control.sock"
ZYGOTE = "zygote.sock"


def listen(directory: str, name: str, backlog: int) -> socket.socket:
    """
    Bind and listen, for this user alone, in place of whatever a dead process left there.

    Must be called while nobody relies on the current directory; it is `/` after. Raises `OSError`.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A socket's path is short by law of the kernel; a relative one always fits.
        os.chdir(directory)
        remove(name)
        listener.bind(name)
        os.chmod(name, 0o600)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    finally:
        os.chdir("/")
    return listener


def remove(path: str) -> bool:
    """Remove a file; False if it cannot be, and whoever finds it has to make sense of it."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
