"""One run of a session's command, and what is told of it: in its records, and to who waited."""

from __future__ import annotations

import os
import time

from looop.sessions.host import tree, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from looop.sessions.host.brief import Brief
    from looop.sessions.host.ending import Ending
    from looop.sessions.host.terminal import Terminal

__all__ = ["Generation", "meta"]


def _boot_id() -> str:
    try:
        # As bytes: a text file would import its codec, and a supervisor must not import any more.
        with open("/proc/sys/kernel/random/boot_id", "rb") as handle:
            return handle.read().strip().decode("ascii")
    except OSError:
        return ""


def meta(brief: Brief, log_start: int) -> dict[str, Any]:
    """`meta.json` of a generation whose output begins at `log_start`."""
    return {
        "id": brief.id,
        "generation": brief.generation,
        "argv": brief.argv,
        "cwd": brief.cwd,
        "env_names": sorted(brief.env),
        "columns": brief.columns,
        "rows": brief.rows,
        "labels": brief.labels,
        "protocol": wire.VERSION,
        "version": brief.version,
        "pid": os.getpid(),
        "started": tree.started(os.getpid()),
        "boot": _boot_id(),
        "at": time.time(),
        "log_start": log_start,
    }


class Generation:
    """A run of the command. `state` and `reason` are those of `status.json`."""

    def __init__(self, brief: Brief, terminal: Terminal, ending: Ending, log_start: int) -> None:
        self._brief = brief
        self.terminal = terminal
        self.ending = ending
        self.log_start = log_start
        self.state = "running"
        self.reason = ""

    def status(self, end: int, stalled: str) -> dict[str, Any]:
        """`status.json`, while the log ends at `end` and cannot be written because of `stalled`."""
        code, number = self.code
        return {
            "generation": self._brief.generation,
            "state": self.state,
            "pid": self.terminal.pid,
            "at": time.time(),
            "code": code,
            "signal": number,
            "reason": self.reason,
            "bytes": end,
            "stalled": stalled,
            "columns": self._brief.columns,
            "rows": self._brief.rows,
        }

    def ended(self, end: int) -> dict[str, Any]:
        """What whoever waited for its end is answered."""
        code, number = self.code
        return {
            "ended": True,
            "state": self.state,
            "code": code,
            "signal": number,
            "reason": self.reason,
            "escalated": self.ending.escalated,
            "survivors": self.ending.survivors,
            "bytes": end,
        }

    @property
    def code(self) -> tuple[int | None, int | None]:
        """The command's exit code, or the signal that ended it."""
        status = self.ending.status
        if status is None:
            return None, None
        if os.WIFSIGNALED(status):
            return None, os.WTERMSIG(status)
        return os.WEXITSTATUS(status), None
