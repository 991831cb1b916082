"""What the contract gives back: plain values for people and programs, without a path to follow."""

from typing import Any, Literal

from msgspec import Struct

from looop.model.records import Ask
from looop.model.world import Trust

__all__ = [
    "AskView",
    "CheckView",
    "CostView",
    "GateView",
    "GoalView",
    "HistoryView",
    "PulseView",
    "ScheduleView",
    "SensorRun",
    "SensorView",
    "SessionView",
    "StateView",
    "StatusView",
    "WorkspaceView",
]


class GateView(Struct, frozen=True, kw_only=True):
    """One gate: closed or open, why, and until when (wall seconds) if it opens by time."""

    name: str
    closed: bool
    reason: str
    until: float | None


class PulseView(Struct, frozen=True, kw_only=True):
    """`running` None means that it cannot be told. Times are wall seconds, 0 for never."""

    running: bool | None
    pid: int
    started: float
    beats: int
    last_beat: float
    last_said: str
    next_beat: float
    next_why: str


class StatusView(Struct, frozen=True, kw_only=True):
    """
    Everything that explains what the loop does or does not do now.

    `workers` counts the living ones by health.
    """

    data_dir: str
    config: str
    runner: str
    autonomy: str
    pulse: PulseView
    gates: list[GateView]
    changed: list[str]
    fails: int
    failure: str
    asks: list[str]
    flapping: list[str]
    goals: int
    sensors: int
    workers: dict[str, int]
    cost_today_usd: float
    max_daily_usd: float
    problems: list[str]


class StateView(Struct, frozen=True, kw_only=True):
    """The world as the loop knows it: readings by name, items, and what changed since."""

    hash: str
    playbook: bool
    goals: list[str]
    readings: dict[str, Any]
    changed: list[str]
    problems: list[str]


class AskView(Struct, frozen=True, kw_only=True):
    """An ask and how long ago it was raised, in seconds."""

    ask: Ask
    age_s: float


class CostView(Struct, frozen=True, kw_only=True):
    """Spend of a window: one row for each key, and the total; `unpriced` counts rows without."""

    window: str
    by: str
    rows: list[tuple[str, int, float, int]]
    total_usd: float
    runs: int
    unpriced: int


class GoalView(Struct, frozen=True, kw_only=True):
    """One goal and how long ago the loop served it (None: never)."""

    id: str
    title: str
    priority: str
    every: str
    served_s: float | None
    body: str = ""


class SensorView(Struct, frozen=True, kw_only=True):
    """One sensor: its cadence, trust, last run and when it runs next (wall seconds)."""

    name: str
    file: str
    interval_s: float
    trust: Trust
    last_at: float
    last_ok: bool | None
    took_s: float
    size: int
    next_at: float
    signal: str
    problems: list[str]


class SensorRun(Struct, frozen=True, kw_only=True):
    """One sensor, run once by hand."""

    name: str
    ok: bool
    reading: Any
    signal: Any
    size: int
    took_s: float
    code: int
    stderr: str
    would_wake: bool
    known: bool


class ScheduleView(Struct, frozen=True, kw_only=True):
    """One timer: what it is, its state now, when it is due next (wall seconds, None: never)."""

    name: str
    what: str
    state: str
    next_at: float | None
    note: str
    problem: str


class HistoryView(Struct, frozen=True, kw_only=True):
    """One change of policy files."""

    commit: str
    when: str
    message: str
    files: list[str]


class CheckView(Struct, frozen=True, kw_only=True):
    """One line of `doctor`."""

    name: str
    state: Literal["ok", "warn", "fail"]
    text: str


class SessionView(Struct, frozen=True, kw_only=True):
    """
    One session as a person asks for it. Ages are seconds, None for unknown or never.

    `state` is `running`, `exited 0`, `killed`, `done` ...; `health` is one word, resting on
    `basis`; `verify` is `pass`, `fail`, `not run`, `to come` or "". For the pulse, `health` is
    `up` or `down`.
    """

    id: str
    kind: Literal["pulse", "worker", "program"]
    state: str
    alive: bool
    health: str
    basis: str = ""
    detail: str = ""
    until: float = 0.0
    generation: str = ""
    runner: str = ""
    goal: str = ""
    code: int | None = None
    age_s: float | None = None
    idle_s: float | None = None
    ask_age_s: float | None = None
    asks: list[str] = []
    verify: str = ""
    outcome: str = ""
    summary: str = ""
    killed_by: str = ""
    cost_usd: float | None = None
    work_dir: str = ""
    branch: str = ""
    size: str = ""
    stalled: str = ""
    last_line: str = ""


class WorkspaceView(Struct, frozen=True, kw_only=True):
    """A directory that a worker worked in: whose it is, and what is in it."""

    path: str
    worker: str
    alive: bool
    branch: str
    state: str
