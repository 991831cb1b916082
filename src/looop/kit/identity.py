"""Who a process is, beyond a number that the system will reuse: pid, start time and boot."""

import os
from pathlib import Path

from msgspec import Struct

__all__ = ["Identity", "alive", "boot_id", "mine"]


class Identity(Struct, frozen=True):
    """`started` is the system's own start stamp of that pid; empty where it cannot be told."""

    pid: int
    started: str
    boot: str


def boot_id() -> str:
    """This boot's id where the system has one, else an empty string."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """The start stamp of `pid`; "" if it lives but cannot be told; None if it does not live."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        # The second is what a read says when the process ends between open and read.
        if Path("/proc/self/stat").exists():
            return None
    except OSError:
        return ""
    else:
        fields = stat.rpartition(b")")[2].split()
        # A zombie has ended: it holds nothing and does nothing.
        return None if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""


def mine() -> Identity:
    """The identity of the calling process."""
    return Identity(pid=os.getpid(), started=_started(os.getpid()) or "", boot=boot_id())


def alive(identity: Identity) -> bool:
    """Whether that very process still runs; when it cannot be told, it counts as alive."""
    if identity.boot and identity.boot != boot_id():
        return False
    started = _started(identity.pid)
    if started is None:
        return False
    return not (identity.started and started and started != identity.started)
