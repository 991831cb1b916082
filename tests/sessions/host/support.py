"""What tests of supervisors share: looking at sessions, waiting for them, talking to them raw."""

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import msgspec

from looop.errors import Refused
from looop.kit import jsonl
from looop.sessions import dial, seen
from looop.sessions.host import rawlog
from looop.sessions.records import Meta, Session, Status
from tests.support.program import wait_for

__all__ = [
    "LIMIT_S",
    "ask",
    "end",
    "events",
    "meta",
    "output",
    "raw",
    "running",
    "said",
    "status",
    "supervisor_killed",
]

LIMIT_S = 20.0


def ask(directory: Path, op: str, **fields: Any) -> dict[str, Any]:
    """One request, answered in time."""
    return dial.request(directory, op, LIMIT_S, **fields)


def end(directory: Path) -> Session:
    """Wait for the end of a session, and see what it left."""
    with contextlib.suppress(Refused):
        ask(directory, "end")
    return seen.look(directory)


def output(directory: Path) -> bytes:
    """All that is kept of its output."""
    return b"".join(Path(path).read_bytes() for _, path in rawlog.segments(str(directory)))


def said(directory: Path, words: bytes) -> bytes:
    """Wait until a session has said `words`; its output."""
    wait_for(lambda: words in output(directory), LIMIT_S)
    return output(directory)


def events(directory: Path) -> list[dict[str, Any]]:
    """Its journal."""
    return list(jsonl.objects(directory / "log.jsonl"))


def meta(directory: Path) -> Meta:
    return msgspec.json.decode((directory / "meta.json").read_bytes(), type=Meta)


def status(directory: Path) -> Status:
    return msgspec.json.decode((directory / "status.json").read_bytes(), type=Status)


def running(pid: int) -> bool:
    """Whether a process runs and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def raw(directory: Path, data: bytes) -> list[Any]:
    """Send bytes as they are; the lines that come back before the supervisor hangs up."""
    with dial.connect(directory, "control.sock") as sock:
        sock.settimeout(LIMIT_S)
        came = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
            while chunk := sock.recv(65536):
                came += chunk
    return [json.loads(line) for line in came.splitlines()]


def supervisor_killed(directory: Path) -> None:
    """Kill a supervisor outright, and wait until its session is seen to be dead."""
    os.kill(meta(directory).pid, signal.SIGKILL)
    wait_for(lambda: seen.look(directory).state == "dead", LIMIT_S)
