"""What is known of one agent CLI as a worker: the shape of that knowledge."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from looop.errors import Refused
from looop.loop.decide.streams import Usage

__all__ = [
    "Agent",
    "AgentState",
    "Brief",
    "Limit",
    "Permission",
    "State",
    "Tally",
    "transcript_id",
]

State = Literal["starting", "busy", "idle", "asking", "limited", "failed", "ended"]

# Tokens by the model that they were bought from ("" when nobody says which). `cost_usd` is what
# the CLI itself says they cost, None when it does not.
Tally = dict[str, Usage]

_NAMESPACE = uuid.UUID("6f1f3b0e-5d0b-4c0e-9a53-1c7a7d0b9a11")


def transcript_id(worker: str, generation: str) -> str:
    """The UUID under which a worker's agent keeps its transcript: the same for the same start."""
    return str(uuid.uuid5(_NAMESPACE, f"{worker}/{generation}"))


class Brief(Struct, frozen=True, kw_only=True):
    """
    What a worker is started with. All paths are absolute.

    `prompt_file` holds contract and brief and is there before the command is made. `work_dir`
    is its cwd, `files_dir` the directory for what its CLI is given besides. `env` is its whole
    environment. `hook_command` is shell text that takes a hook's JSON on stdin, "" for no hooks.
    `transcript_id` is a UUID, "" when nobody will ask for the transcript. An empty `model` is
    the CLI's own choice.
    """

    worker: str
    generation: str
    prompt_file: str
    work_dir: str
    files_dir: str
    model: str = ""
    env: dict[str, str] = field(default_factory=dict[str, str])
    hook_command: str = ""
    transcript_id: str = ""


class Limit(Struct, frozen=True, kw_only=True):
    """A usage limit that a CLI reports: its words on one line, and when it ends (wall seconds)."""

    text: str
    until: float = 0.0


class Permission(Struct, frozen=True, kw_only=True):
    """
    What an agent asks to be allowed: a tool, and on one line what it would do with it.

    `own` says that it is a verb of the worker contract and nothing else: no human need be asked.
    """

    tool: str
    summary: str
    own: bool = False


class AgentState(Struct, frozen=True, kw_only=True):
    """
    What an agent says of itself: `detail` is one clean line, `until` (wall seconds, 0 for
    unknown) when a limit ends, `transcript` where it keeps its own record.
    """

    state: State
    detail: str = ""
    until: float = 0.0
    transcript: str = ""
    permission: Permission | None = None


def _no_command(_brief: Brief) -> str:
    raise Refused("this agent has no command of its own: give one")


def _no_words(_brief: Brief) -> dict[str, str]:
    return {}


def _no_paths(_brief: Brief, _since: float) -> list[Path]:
    return []


def _no_tally(_path: Path) -> Tally:
    return {}


def _never_told(_path: Path, _now: float) -> AgentState | None:
    return None


def _never_limited(_rows: Sequence[str], _now: float) -> Limit | None:
    return None


def _never_asks(_rows: Sequence[str]) -> str:
    return ""


def _never_ready(_rows: Sequence[str]) -> bool:
    return False


def _no_problems(_brief: Brief) -> list[str]:
    return []


def _deaf(_payload: Mapping[str, Any], _now: float) -> AgentState | None:
    return None


def _mute(_allow: bool, _message: str) -> dict[str, Any] | None:
    return None


class Agent(Struct, frozen=True, kw_only=True):
    """
    One agent CLI; `program` is looked for on PATH, "" when there is no program of its own.

    - `command(brief)`: bash text that starts its terminal interface with the brief; it ends by
      becoming the CLI, so that a signal to the one reaches the other. Raises `Refused` for an
      agent that has none.
    - `files(brief)`: what must be in `files_dir` before, by name; `env(brief)`: what is laid
      over the worker's environment.
    - `transcripts(brief, since)`: the files in which this worker, and no other, tells what it
      did since `since` (wall seconds); [] when there are none yet. Raises `Unreadable`.
    - `tally(path)`: what one of them has bought. Raises `Unreadable`; never for its contents.
    - `told(path, now)`: the state that the last rows of a transcript tell, or None. Raises
      `Unreadable`.
    - `limited(rows, now)`, `asks_permission(rows)`, `ready(rows)`: what the screen says, given
      as plain rows: a usage limit; what a dialog of any kind waits for, "" for none; whether its
      input line is there to type into (False where that cannot be told).
    - `first_start(brief)`: what would meet a dialog at its start, one line each with its mend.
    - `from_hook(payload, now)`: what a hook's JSON tells, None when it tells nothing of the state.
    - `permission_answer(allow, message)`: what the hook that asked prints; None: nothing.
    """

    name: str
    program: str = ""
    command: Callable[[Brief], str] = _no_command
    files: Callable[[Brief], dict[str, str]] = _no_words
    env: Callable[[Brief], dict[str, str]] = _no_words
    transcripts: Callable[[Brief, float], list[Path]] = _no_paths
    tally: Callable[[Path], Tally] = _no_tally
    told: Callable[[Path, float], AgentState | None] = _never_told
    limited: Callable[[Sequence[str], float], Limit | None] = _never_limited
    asks_permission: Callable[[Sequence[str]], str] = _never_asks
    ready: Callable[[Sequence[str]], bool] = _never_ready
    first_start: Callable[[Brief], list[str]] = _no_problems
    from_hook: Callable[[Mapping[str, Any], float], AgentState | None] = _deaf
    permission_answer: Callable[[bool, str], dict[str, Any] | None] = _mute
