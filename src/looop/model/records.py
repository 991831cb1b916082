"""Everything that is kept on disk as JSON: one struct each, with its units."""

from typing import Any, Literal

from msgspec import Struct, field

from looop.kit.identity import Identity
from looop.model.actions import Severity
from looop.model.world import Trust

__all__ = [
    "UNMETERED_LIMIT",
    "Activity",
    "AgentNote",
    "Answer",
    "Ask",
    "BeatRecord",
    "Checked",
    "Claim",
    "Done",
    "Ended",
    "Failure",
    "Fired",
    "Flap",
    "Memory",
    "Notice",
    "Origin",
    "Outcome",
    "PulseNote",
    "Schedule",
    "SensorStamp",
    "Shell",
    "Spend",
    "Tombstone",
    "Unmetered",
    "Verdict",
    "Worker",
]

# Runs in a row whose cost nobody could tell, after which a set budget closes its gate.
UNMETERED_LIMIT = 3

Origin = Literal["reflex", "runner", "approval", "human", "loop"]


class Answer(Struct, frozen=True, kw_only=True):
    """What a human said: the words, by whom, through which door, when (wall seconds)."""

    text: str
    by: str
    channel: str
    at: float


class Ask(Struct, frozen=True, kw_only=True):
    """
    One thing that waits for a human.

    `kind` is `question`, `approval` (a held move) or `notice`. States: `pending`, then
    `answered`, then `closed`; or `expired`. For an approval, `action` is the exact move,
    `digest` what a yes is bound to, `rule` and `reason` why it was held, `shown` the diff or
    command that was put before the human, `journal` and `goal` what rides with the move. `generation`
    is that of the worker it concerns, so that it never acts on a later one. `key` makes asking
    again find this one. Times are wall seconds; `expires` 0 means never.
    """

    id: str
    asker: str
    kind: Literal["question", "approval", "notice"]
    prompt: str
    created: float
    state: Literal["pending", "answered", "closed", "expired"] = "pending"
    severity: Severity = "normal"
    options: tuple[str, ...] = ()
    ref: str = ""
    key: str = ""
    expires: float = 0.0
    action: dict[str, Any] | None = None
    digest: str = ""
    rule: str = ""
    reason: str = ""
    shown: str = ""
    journal: str = ""
    goal: str = ""
    origin: Origin = "loop"
    run: str = ""
    generation: str = ""
    answer: Answer | None = None
    closed: str = ""


class Schedule(Struct, frozen=True, kw_only=True):
    """
    A durable timer: `at` (wall seconds), or `every_s` from `anchor`, or `cron` from `anchor`.

    Files of the original program hold the same `at`, `every_s`, `anchor` and `note`.
    """

    v: int = 1
    at: float | None = None
    every_s: float | None = None
    cron: str | None = None
    anchor: float = 0.0
    note: str = ""
    catch_up: Literal["once", "skip"] = "once"


class Spend(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One metered run: a row of `cost.jsonl`.

    `ts` is UTC text, `kind` is `tick` or `session`. `cost_usd` None means that nobody could
    tell the price; `priced` says whether the CLI told it (`cli`), the price table did (`table`)
    or the worker itself (`self`). A row of a worker has its `id` and `generation`; `mark` names
    the piece of work that the row pays for, so that a crash cannot count it twice.
    """

    ts: str
    kind: str
    id: str
    runner: str
    goal: str = ""
    model: str = ""
    cost_usd: float | None = None
    priced: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    generation: str = ""
    mark: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """
    What admission said of a move, and the rule that said so.

    `shadow` holds what rules that do not bite yet would have said, and `taint` the least
    trusted text that reached the decision.
    """

    verdict: Literal["allow", "hold", "deny"]
    rule: str
    reason: str = ""
    severity: Severity = "normal"
    taint: Trust = "own"
    shadow: tuple[str, ...] = ()


class Outcome(Struct, frozen=True, kw_only=True):
    """
    How an act ended.

    `known` is False when a crash or a deadline leaves open whether the effect happened;
    `probe` is then the answer of the move's own probe command, if it has one.
    """

    ok: bool
    summary: str
    known: bool = True
    probe: str = ""


class Shell(Struct, frozen=True, kw_only=True):
    """The last shell command's result, shown to one prompt: output is the tail of both streams."""

    at: float
    cmd: str
    code: int
    output: str
    run: str = ""


class Failure(Struct, frozen=True, kw_only=True):
    """Why the last beat failed, for the next prompt and for `status`."""

    at: float
    run: str
    code: str
    error: str


class Notice(Struct, frozen=True, kw_only=True):
    """A fact that the next decision must be told: an interrupted, denied, or refused move."""

    at: float
    kind: Literal["interrupted", "denied", "expired", "held"]
    text: str
    run: str = ""


class Flap(Struct, frozen=True, kw_only=True):
    """How restless one reading is: a digest of its last signal and its streak of changes."""

    last: str
    streak: int = 0


class Fired(Struct, frozen=True, kw_only=True):
    """When a reflex last fired, and the digest of what it did."""

    digest: str
    at: float


class Unmetered(Struct, frozen=True, kw_only=True):
    """Consecutive runs of one runner whose cost nobody could tell."""

    signature: str
    count: int


class Memory(Struct, frozen=True, kw_only=True):
    """
    All that one beat leaves for the next; storing it commits the beat.

    `hash` and `items` are the world that was last decided upon. `fails` counts failures since
    the last success and `failed_at`/`failed_policy` say when and under which policy the last
    one was. `noop_at` is set while the last decision was a noop. `wake_at` is the deadline
    that a decision asked for. `decides` are launches of the runner in the last hour. `handled`
    are changed items that a reflex has dealt with since, and their values; `refused` are digests
    of held moves that a human said no to. Times are wall seconds.
    """

    v: int = 1
    hash: str = ""
    items: dict[str, str] = field(default_factory=dict[str, str])
    decided_at: float = 0.0
    fails: int = 0
    failed_at: float = 0.0
    failed_policy: str = ""
    failure: Failure | None = None
    noop_at: float = 0.0
    wake_at: float = 0.0
    decides: tuple[float, ...] = ()
    flaps: dict[str, Flap] = field(default_factory=dict[str, Flap])
    unmetered: Unmetered | None = None
    reflexes: dict[str, Fired] = field(default_factory=dict[str, Fired])
    shell: Shell | None = None
    notices: tuple[Notice, ...] = ()
    served: dict[str, float] = field(default_factory=dict[str, float])
    dropped: tuple[str, ...] = ()
    handled: dict[str, str] = field(default_factory=dict[str, str])
    refused: dict[str, float] = field(default_factory=dict[str, float])
    moved: bool = False


class BeatRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    How far one run got: `sensed`, `decided`, `admitted`, `acting`, `acted`, `done`.

    `owner` is the process that wrote it, so that a later beat can tell an unfinished run from
    one that still goes on. `memory` is present only in phase `acted`: it is what must be stored
    to finish the beat after a crash.
    """

    run: str
    phase: Literal["sensed", "decided", "admitted", "acting", "acted", "done"]
    origin: Origin
    owner: Identity
    began: float
    hash: str = ""
    changes: tuple[str, ...] = ()
    woke: str = ""
    decider: str = ""
    action: dict[str, Any] | None = None
    digest: str = ""
    journal: str = ""
    goal: str = ""
    next_interval_s: int | None = None
    verdict: Verdict | None = None
    ask: str = ""
    outcome: Outcome | None = None
    line: str = ""
    spend: Spend | None = None
    error: str = ""
    ended: float = 0.0
    memory: Memory | None = None


class SensorStamp(Struct, frozen=True, kw_only=True):
    """When a sensor last ran and how it went, for cadence and `sensor list`."""

    at: float
    ok: bool
    took_s: float
    size: int
    code: int
    script: str
    trust: Trust


class PulseNote(Struct, frozen=True, kw_only=True):
    """
    What the running pulse says of itself: who it is, its last beat, and the next one, and
    whether workers outlive it.
    """

    owner: Identity
    started: float
    beats: int
    beat_at: float
    beat_said: str
    next_at: float
    next_why: str
    keeps_workers: bool = True


class Done(Struct, frozen=True, kw_only=True):
    """What a worker said of its own end: no proof of anything, only its word (wall seconds)."""

    outcome: Literal["done", "blocked", "failed"]
    summary: str
    at: float


class Tombstone(Struct, frozen=True, kw_only=True):
    """Who killed this generation, when (wall seconds) and why: it is never started again."""

    by: str
    at: float
    why: str = ""


class Ended(Struct, frozen=True, kw_only=True):
    """How a worker's session ended, as its supervisor said it; `at` is when this was seen."""

    state: str
    at: float
    code: int | None = None
    signal: int | None = None


class Checked(Struct, frozen=True, kw_only=True):
    """
    What became of a declared verify: `ok`, or None where it was not run and `output` says why.

    `output` is the tail of both streams; `tries` counts runs, more than one only after failures
    that looked like the network's.
    """

    ok: bool | None
    output: str
    at: float
    code: int | None = None
    took_s: float = 0.0
    tries: int = 1


class Worker(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One worker of one generation: what it was asked, and what became of it.

    `runner` names the agent CLI, `override` says that the command was not that CLI's own one.
    `workspace` is as it was asked for; `work_dir` is where the worker stands. For a worktree,
    `repo`, `branch` and `base` (a commit) say what was made. `transcript_id` is the id under which its
    agent CLI was told to keep its transcript. `metered` holds what was already put into the
    ledger, by model. `told` says that its end has reached a decision. Times are wall seconds.
    """

    id: str
    generation: str
    started: float
    runner: str
    override: bool = False
    goal: str = ""
    verify: str = ""
    workspace: str = ""
    work_dir: str = ""
    repo: str = ""
    branch: str = ""
    base: str = ""
    run: str = ""
    transcript_id: str = ""
    done: Done | None = None
    killed: Tombstone | None = None
    ended: Ended | None = None
    checked: Checked | None = None
    metered: dict[str, Spend] = field(default_factory=dict[str, Spend])
    told: bool = False


class Claim(Struct, frozen=True, kw_only=True):
    """
    A lease on one name: `claims/<name>.json`, complete from the moment it is there.

    The holder is `session` in that `generation` ("" where it has none, or none is known). `ts` is
    since when it has been held (wall seconds, 0 for unknown). `nonce` is fresh at every write, so
    that no two leases are ever the same bytes.
    """

    v: int = 1
    name: str
    session: str
    generation: str = ""
    ts: float = 0.0
    nonce: str = ""


class AgentNote(Struct, frozen=True, kw_only=True):
    """
    What an agent CLI itself said of its state, through its hooks.

    `detail` is one clean line, `until` (wall seconds, 0 for unknown) when a limit ends,
    `transcript` where it keeps its own record.
    """

    generation: str
    state: Literal["starting", "busy", "idle", "asking", "limited", "failed", "ended"]
    at: float
    detail: str = ""
    until: float = 0.0
    transcript: str = ""


class Activity(Struct, frozen=True, kw_only=True):
    """
    What the loop has seen a live worker do, kept from look to look.

    `cpu_s` is the CPU time of its whole tree at `seen_at`; `moved_at` is when it last computed or
    printed,
    `screen` a hash of its screen and `still_since` when that last changed (wall seconds).
    `limit` is a usage limit that its screen reports, `limit_until` when it ends, 0 for unknown;
    `dialog` is what a dialog on it waits for.
    """

    generation: str
    bytes: int = 0
    cpu_s: float = 0.0
    seen_at: float = 0.0
    moved_at: float = 0.0
    screen: str = ""
    still_since: float = 0.0
    limit: str = ""
    limit_until: float = 0.0
    dialog: str = ""
    last_line: str = ""
