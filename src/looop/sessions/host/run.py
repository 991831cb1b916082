"""Becoming the supervisor of a directory: alone in the world, briefed, and heard of."""

from __future__ import annotations

import fcntl
import os
import signal

from looop.sessions.host import brief, door, tree
from looop.sessions.host.supervisor import Supervisor

__all__ = ["detach", "separate", "supervise", "tell"]


def detach(*kept: int) -> None:
    """
    Leave whoever started this process: its session, directory, files and signals.

    As to its descriptors, as `separate`.
    """
    separate(*kept)
    os.chdir("/")
    os.umask(0o077)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def separate(*kept: int) -> None:
    """
    Leave the session that this process was forked in; all else it has from one that is detached.

    Of all descriptors only `kept` stay open, and none of them reaches a command.
    """
    if os.getsid(0) != os.getpid():
        os.setsid()
    last = 2
    for fd in sorted(kept):
        os.closerange(last + 1, fd)
        os.set_inheritable(fd, False)
        last = fd
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))


def tell(ready: int, words: str) -> None:
    """Say how the start went to whoever waits for it, if anyone still does."""
    try:
        os.write(ready, words.encode("utf-8", "replace"))
    except OSError:
        return
    finally:
        os.close(ready)


def supervise(directory: str, ready: int, lock: int) -> None:
    """
    Be the supervisor of `directory` until its session is over, in a process that is detached.

    `lock` is a descriptor that holds its lock; on `ready` it says `ok` once the command runs,
    or why it does not.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tree.become_subreaper()
        try:
            supervisor = Supervisor(directory, brief.load(directory), lock)
            supervisor.start()
        finally:
            door.remove(brief.path(directory))
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        tell(ready, f"{error.strerror}{where}")
        return
    except (KeyError, TypeError, ValueError) as error:
        tell(ready, f"its brief makes no sense: {error!r}")
        return
    tell(ready, "ok")
    supervisor.run()
