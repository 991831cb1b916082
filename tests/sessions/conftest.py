"""Real sessions for tests: started in a directory of the test, and ended with it."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from looop.sessions import spawn
from looop.sessions.records import Spec
from tests.support.leftovers import gone, living, nothing_left

__all__ = ["Start", "nothing_left", "start", "supervisors"]


class Start(Protocol):
    """
    Start a session of `argv` and return its directory, `tmp_path/"sessions"/name`.

    Its environment is a PATH, a HOME, a LANG and what `env` adds. It is ended with the test.
    """

    def __call__(
        self,
        *argv: str,
        name: str = "one",
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        columns: int = 80,
        rows: int = 24,
        labels: dict[str, str] | None = None,
        id_variable: str = "",
        generation_variable: str = "",
        generation: str = "g1",
        version: str = "1",
        zygote: Path | None = None,
        segment_bytes: int = 64 << 20,
        kept_segments: int = 16,
    ) -> Path: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A factory of sessions; everything that it started is ended, and nothing may be left."""
    root = tmp_path / "sessions"

    def begin(
        *argv: str,
        name: str = "one",
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        columns: int = 80,
        rows: int = 24,
        labels: dict[str, str] | None = None,
        id_variable: str = "",
        generation_variable: str = "",
        generation: str = "g1",
        version: str = "1",
        zygote: Path | None = None,
        segment_bytes: int = 64 << 20,
        kept_segments: int = 16,
    ) -> Path:
        plain = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
        spec = Spec(
            id=name,
            argv=argv,
            cwd=str(cwd or tmp_path),
            env=plain | (env or {}),
            columns=columns,
            rows=rows,
            labels=labels or {},
            id_variable=id_variable,
            generation_variable=generation_variable,
        )
        spawn.start(
            root / name,
            spec,
            generation=generation,
            version=version,
            zygote=zygote,
            segment_bytes=segment_bytes,
            kept_segments=kept_segments,
        )
        return root / name

    yield begin
    _end_all(tmp_path)


def _end_all(base: Path) -> None:
    """End supervisors first, so that none can start anything anew, then what they ran."""
    hosts = supervisors(base)
    for pid in hosts:
        _kill(pid)
    while left := living(base):
        for pid in left:
            _kill(pid)
        assert all(gone(pid) for pid in left), f"processes cannot be ended: {left}"
    assert all(gone(pid) for pid in hosts), f"supervisors cannot be ended: {hosts}"


def supervisors(base: Path) -> list[int]:
    """The supervisors and zygotes, living and not zombies, of directories below `base`."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if _is_host(pid, f"{base}/".encode())]


def _is_host(pid: int, base: bytes) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.endswith(b"/host/main.py") for word in words) and any(
        word.startswith(base) for word in words
    )


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
