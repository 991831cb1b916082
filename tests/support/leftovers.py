"""A test that leaves a process behind fails, and the process is ended."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from looop.kit import proc

__all__ = ["gone", "living", "nothing_left", "unmarked", "unsynced"]


def _mentions(pid: str, words: bytes) -> bool:
    try:
        # A zombie has no environment any more; it is its parent's to reap.
        return words in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _names(directory: str) -> list[str]:
    """What is in a directory that not every system has."""
    try:
        return os.listdir(directory)
    except OSError:
        return []


def living(base: Path) -> list[int]:
    """Processes, ours excepted, whose environment names something below `base`."""
    me = str(os.getpid())
    words = str(base).encode()
    pids = [p for p in _names("/proc") if p.isdigit() and p != me]
    return sorted(int(p) for p in pids if _mentions(p, words))


def gone(pid: int, limit_s: float = 5.0) -> bool:
    """Whether that process has ended, waiting for it if it has not."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], limit_s)[0])
    finally:
        os.close(fd)


def unmarked(prefix: str, limit_s: float = 5.0) -> bool:
    """Whether nothing carries this mark any more; the system may take a moment to end it."""
    until = time.monotonic() + limit_s
    while proc.marked(prefix) and time.monotonic() < until:
        os.sched_yield()
    return not proc.marked(prefix)


def _children() -> list[int]:
    found: list[int] = []
    for task in _names("/proc/self/task"):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/self/task/{task}/children").read_text().split()
            found += [int(pid) for pid in words]
    return sorted(set(found))


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Fail a test after which a child of ours or a process of its profile still lives."""
    before = set(_children())
    yield
    left = [pid for pid in living(tmp_path) if not gone(pid, 2.0)]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    children = [pid for pid in _children() if pid not in before]
    for pid in children:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert not left, f"processes of the profile were left behind: {left}"
    assert not children, f"children were left behind: {children}"


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here pulls a plug, and waiting for a real disk would be most of the time."""
    monkeypatch.setattr(os, "fsync", _no_sync)


def _no_sync(_fd: int) -> None:
    return None
