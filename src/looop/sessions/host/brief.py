"""What a supervisor is asked to run: `start.json`, and what is made of it."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["SUPERVISOR_MARK", "Brief", "load", "path", "sized"]

# In the environment that a supervisor was started with. A session that was started from within a
# session is not part of it: it must survive whoever started it.
SUPERVISOR_MARK = "LOOOP_SUPERVISOR"

_MIN_COLUMNS, _MIN_ROWS, _MAX_SIDE = 2, 1, 1000

_NO_TERMINAL = ("", "dumb", "unknown")
# Where a program was told its size or its multiplexer: not true in a terminal of its own. The
# marks belong to whoever started the session, who may kill everything that carries them.
_STALE = ("COLUMNS", "LINES", "TMUX", "TMUX_PANE", "STY", "LOOOP_MARK", SUPERVISOR_MARK)


def sized(columns: int, rows: int) -> tuple[int, int]:
    """The nearest size that a terminal can have and an emulator can draw."""
    return max(_MIN_COLUMNS, min(columns, _MAX_SIDE)), max(_MIN_ROWS, min(rows, _MAX_SIDE))


class Brief:
    """One session to run. `generation` and the size change while it runs."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.id: str = fields["id"]
        self.generation: str = fields["generation"]
        self.argv: list[str] = list(fields["argv"])
        self.cwd: str = fields["cwd"]
        self.env: dict[str, str] = dict(fields["env"])
        self.columns, self.rows = sized(int(fields["columns"]), int(fields["rows"]))
        self.labels: dict[str, str] = dict(fields.get("labels", {}))
        self.id_variable: str = fields.get("id_variable", "")
        self.generation_variable: str = fields.get("generation_variable", "")
        self.version: str = fields.get("version", "")
        self.segment_bytes = int(fields["segment_bytes"])
        self.kept_segments = int(fields["kept_segments"])
        self.umask = int(fields.get("umask", 0o022))

    def environment(self) -> dict[str, str]:
        """What the command is run with: as asked, true of this terminal, and of this session."""
        env = {name: value for name, value in self.env.items() if name not in _STALE}
        if env.get("TERM", "") in _NO_TERMINAL:
            env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        env.setdefault("COLORTERM", "truecolor")
        if self.id_variable:
            env[self.id_variable] = self.id
        if self.generation_variable:
            env[self.generation_variable] = self.generation
        return env


def path(directory: str) -> str:
    """Where the brief of a session is. It may hold secrets, so it goes when it has been obeyed."""
    return os.path.join(directory, "start.json")


def load(directory: str) -> Brief:
    """Raises `OSError` when there is none, `ValueError`, `KeyError` or `TypeError` for nonsense."""
    with open(path(directory), "rb", buffering=0) as handle:
        return Brief(json.loads(handle.read()))
