"""What a supervisor writes of its session, and what a caller is told of one."""

from typing import Literal

from msgspec import Struct

__all__ = ["Ending", "Killed", "Meta", "Session", "Spec", "State", "Status"]

State = Literal["starting", "running", "exited", "killed", "failed", "dead", "unreadable"]


class Spec(Struct, frozen=True, kw_only=True):
    """
    One session to start.

    `argv` runs in `cwd` with exactly `env`, on a terminal of `columns` x `rows`. `labels` are
    the caller's own words, kept and given back (`goal`, `runner` ...). `generation` is made up
    where the caller does not choose one. The environment variables named by `id_variable` and `generation_variable` are set to what this session is.
    """

    id: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    columns: int = 120
    rows: int = 40
    labels: dict[str, str] = {}
    generation: str = ""
    id_variable: str = ""
    generation_variable: str = ""


class Meta(Struct, frozen=True, kw_only=True):
    """
    `meta.json`: what a session is. `pid`, `started` and `boot` identify the supervisor; `at` is
    wall seconds, `log_start` the absolute offset at which this generation's output begins.
    """

    id: str
    generation: str
    argv: tuple[str, ...]
    cwd: str
    env_names: tuple[str, ...]
    columns: int
    rows: int
    protocol: int
    version: str
    pid: int
    started: str
    boot: str
    at: float
    labels: dict[str, str] = {}
    log_start: int = 0


class Status(Struct, frozen=True, kw_only=True):
    """
    `status.json`: how far its command got. `pid` is the command's, `bytes` the absolute end of
    the log, `stalled` why nothing can be written now; `code` or `signal` once it has ended.
    """

    generation: str
    state: Literal["running", "exited", "killed", "failed"]
    pid: int
    at: float
    code: int | None = None
    signal: int | None = None
    reason: str = ""
    bytes: int = 0
    stalled: str = ""
    columns: int = 0
    rows: int = 0


class Session(Struct, frozen=True, kw_only=True):
    """
    One session as it is now, from its files and its lock alone.

    States: `starting`, `running`; `exited` by itself with `code` or `signal`; `killed` on
    request; `failed` to start, with a `reason`; `dead` when its supervisor died without a word;
    `unreadable` when its records cannot be read, which is not the same as dead: `alive` then
    tells what the lock says. Times are wall seconds, 0 for unknown; `wrote_at` is the time of
    the last output.
    """

    id: str
    state: State
    alive: bool
    generation: str = ""
    code: int | None = None
    signal: int | None = None
    reason: str = ""
    argv: tuple[str, ...] = ()
    cwd: str = ""
    labels: dict[str, str] = {}
    columns: int = 0
    rows: int = 0
    pid: int = 0
    supervisor: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    wrote_at: float = 0.0
    bytes: int = 0
    log_start: int = 0
    stalled: str = ""
    version: str = ""


class Ending(Struct, frozen=True, kw_only=True):
    """How a wait ended: the session's own end, or a timeout."""

    ended: bool
    timeout: bool = False
    state: State = "running"
    code: int | None = None
    signal: int | None = None
    offset: int = 0


class Killed(Struct, frozen=True, kw_only=True):
    """A confirmed kill: whether force was needed, and which processes are still there."""

    killed: bool
    escalated: bool = False
    survivors: tuple[int, ...] = ()
