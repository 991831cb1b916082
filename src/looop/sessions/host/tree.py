"""A process and everything it started: find them all, signal them all, know when they are gone."""

from __future__ import annotations

import ctypes
import os
import signal

from looop.sessions.host.brief import SUPERVISOR_MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "become_subreaper",
    "cpu_s",
    "descendants",
    "signal_tree",
    "started",
    "wake",
]

_MARKED = SUPERVISOR_MARK.encode() + b"=1"
# More than any `stat`, and as much of an environment as has the mark in it, which comes first.
_READ_BYTES = 4096

_PR_SET_CHILD_SUBREAPER = 36
# Positions in /proc/PID/stat after the name of the program.
_STATE, _PARENT, _GROUP, _TIMES, _STARTED = 0, 1, 2, slice(11, 15), 19


def _prctl() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None


# Looked up once, before any fork: supervisors that come from a zygote then share what it takes.
_PRCTL = _prctl()


def become_subreaper() -> bool:
    """Adopt orphaned descendants, so that none can escape by a double fork; Linux only."""
    return _PRCTL is not None and _PRCTL(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def _read(pid: int, name: str) -> bytes:
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, _READ_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _stat(pid: int) -> list[bytes]:
    """The fields after the name of the program; [] if there is no such process."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def started(pid: int) -> str:
    """The system's start stamp of a process; "" where it cannot be told."""
    fields = _stat(pid)
    return fields[_STARTED].decode("ascii") if fields else ""


def _below(root: int) -> dict[int, list[bytes]]:
    """The stat fields of every process below `root`, other sessions left out; needs /proc."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return {}
    children: dict[int, list[int]] = {}
    for pid in pids:
        if fields := _stat(pid):
            children.setdefault(int(fields[_PARENT]), []).append(pid)
    found: dict[int, list[bytes]] = {}
    queue = [root]
    while queue:
        for pid in children.get(queue.pop(), []):
            if _MARKED in _read(pid, "environ").split(b"\0"):
                continue
            # Even if it is gone by now: what it had started is not.
            queue.append(pid)
            if fields := _stat(pid):
                found[pid] = fields
    return found


def descendants(root: int) -> list[int]:
    """Processes below `root` that run (a zombie does not), those of other sessions left out."""
    below = _below(root).items()
    return sorted(pid for pid, fields in below if fields[_STATE] not in (b"Z", b"X"))


def cpu_s(root: int) -> float:
    """
    Seconds of processor time used below `root` so far, by what lives and what was waited for.

    It never goes back while nothing is lost sight of; a difference of two tells of work.
    """
    ticks = sum(int(value) for fields in _below(root).values() for value in fields[_TIMES])
    mine = os.times()
    return ticks / os.sysconf("SC_CLK_TCK") + mine.children_user + mine.children_system


def signal_tree(root: int, group: int, number: signal.Signals) -> None:
    """
    Signal everything below `root` once; `group` too as a whole, unless it is 0.

    The group is reached even where there is no /proc, and between two looks into it.
    """
    if group:
        _send(os.killpg, group, number)
    for pid, fields in _below(root).items():
        if not group or int(fields[_GROUP]) != group:
            _send(os.kill, pid, number)


def wake(root: int) -> None:
    """Let everything below `root` that is stopped go on."""
    for pid, fields in _below(root).items():
        if fields[_STATE] in (b"T", b"t"):
            _send(os.kill, pid, signal.SIGCONT)


def _send(how: Callable[[int, int], None], target: int, number: int) -> None:
    """Send a signal to whom it may reach; those that are gone or not ours are passed over."""
    try:
        how(target, number)
    except (ProcessLookupError, PermissionError):
        return
