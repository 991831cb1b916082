"""The closed set of moves: what a decision may ask for, and nothing else."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from looop.kit import canon

__all__ = [
    "ACTIONS",
    "Action",
    "ArchiveGoal",
    "AskHuman",
    "Decision",
    "DropSchedule",
    "KillWorker",
    "Noop",
    "RestartSession",
    "RunShell",
    "SendKey",
    "SendNotification",
    "Severity",
    "StartWorker",
    "SteerSession",
    "WriteGoal",
    "WritePlaybook",
    "WriteSchedule",
    "WriteSensor",
    "as_dict",
    "digest",
    "tag_of",
    "word_of",
]

Severity = Literal["low", "normal", "high"]


class Noop(Struct, frozen=True, kw_only=True, tag_field="action", tag="noop"):
    """Nothing needs doing now."""

    reason: str = ""


class RunShell(Struct, frozen=True, kw_only=True, tag_field="action", tag="run_shell"):
    """
    One shell command, run by looop with `bash -c` in the data dir.

    `probe` is a read-only command that answers whether the effect happened, for the case that
    a crash leaves that unknown.
    """

    cmd: str
    reason: str = ""
    probe: str | UnsetType = UNSET


class WriteGoal(Struct, frozen=True, kw_only=True, tag_field="action", tag="write_goal"):
    """Create or replace one goal file."""

    id: str
    body: str


class ArchiveGoal(Struct, frozen=True, kw_only=True, tag_field="action", tag="archive_goal"):
    """Move one goal file to the archive."""

    id: str


class WriteSensor(Struct, frozen=True, kw_only=True, tag_field="action", tag="write_sensor"):
    """Create or replace one sensor script."""

    name: str
    script: str


class WritePlaybook(Struct, frozen=True, kw_only=True, tag_field="action", tag="write_playbook"):
    """Replace the PLAYBOOK; the previous one is kept."""

    body: str


class AskHuman(Struct, frozen=True, kw_only=True, tag_field="action", tag="ask_human"):
    """Put a question to the human; the answer reaches a later prompt."""

    prompt: str
    options: tuple[str, ...] = ()
    ref: str | UnsetType = UNSET
    severity: Severity = "normal"


class SendNotification(
    Struct, frozen=True, kw_only=True, tag_field="action", tag="send_notification"
):
    """Tell the human something that needs no answer."""

    message: str
    id: str | UnsetType = UNSET
    severity: Severity = "normal"


class WriteSchedule(Struct, frozen=True, kw_only=True, tag_field="action", tag="write_schedule"):
    """
    Set a durable timer: exactly one of `in_s`, `every_s` (seconds) and `cron` (five fields).

    `catch_up` says what happens to moments missed while nothing ran: `once` wakes the loop a
    single time for all of them, `skip` waits for the next.
    """

    name: str
    in_s: int | UnsetType = UNSET
    every_s: int | UnsetType = UNSET
    cron: str | UnsetType = UNSET
    note: str = ""
    catch_up: Literal["once", "skip"] = "once"


class DropSchedule(Struct, frozen=True, kw_only=True, tag_field="action", tag="drop_schedule"):
    """Remove a timer; one that is not there is fine."""

    name: str


class StartWorker(Struct, frozen=True, kw_only=True, tag_field="action", tag="start_worker"):
    """
    Start an agent in a terminal of its own, with `prompt` as its brief.

    `runner` is the agent CLI ("" for the configured one); `command` replaces its command line.
    `verify` is a command that judges the work once the worker has ended. `workspace` is
    `worktree:REPO[@REF]` for a git worktree of its own, or "none".
    """

    id: str
    prompt: str
    runner: str = ""
    command: str = ""
    verify: str = ""
    workspace: str = ""


class SteerSession(Struct, frozen=True, kw_only=True, tag_field="action", tag="steer_session"):
    """Type a message into a live worker's terminal and submit it."""

    id: str
    input: str


class SendKey(Struct, frozen=True, kw_only=True, tag_field="action", tag="send_key"):
    """Press named keys in a live worker's terminal."""

    id: str
    keys: tuple[str, ...]


class RestartSession(Struct, frozen=True, kw_only=True, tag_field="action", tag="restart_session"):
    """End a worker's processes and start the same command again, as a new generation."""

    id: str
    reason: str = ""


class KillWorker(Struct, frozen=True, kw_only=True, tag_field="action", tag="kill_worker"):
    """End a worker and everything it started; it stays ended."""

    id: str
    reason: str = ""


Action = (
    Noop
    | RunShell
    | WriteGoal
    | ArchiveGoal
    | WriteSensor
    | WritePlaybook
    | AskHuman
    | SendNotification
    | WriteSchedule
    | DropSchedule
    | StartWorker
    | SteerSession
    | SendKey
    | RestartSession
    | KillWorker
)

# Tag -> (class, the word that journal and output use for it).
ACTIONS: dict[str, tuple[type[Action], str]] = {
    "noop": (Noop, "noop"),
    "run_shell": (RunShell, "shell"),
    "write_goal": (WriteGoal, "goal"),
    "archive_goal": (ArchiveGoal, "archive"),
    "write_sensor": (WriteSensor, "sensor"),
    "write_playbook": (WritePlaybook, "playbook"),
    "ask_human": (AskHuman, "ask"),
    "send_notification": (SendNotification, "notify"),
    "write_schedule": (WriteSchedule, "schedule"),
    "drop_schedule": (DropSchedule, "drop-schedule"),
    "start_worker": (StartWorker, "worker"),
    "steer_session": (SteerSession, "steer"),
    "send_key": (SendKey, "key"),
    "restart_session": (RestartSession, "restart"),
    "kill_worker": (KillWorker, "kill"),
}


class Decision(Struct, frozen=True, kw_only=True):
    """One action and what rides with it; `next_interval_s` is in seconds, unclamped."""

    action: Action
    journal: str = ""
    goal: str = ""
    next_interval_s: int | None = None


def tag_of(action: Action) -> str:
    """`run_shell` for a `RunShell`."""
    return str(action.__struct_config__.tag)


def word_of(action: Action) -> str:
    """The journal's word for an action: `shell`, `goal` ..."""
    return ACTIONS[tag_of(action)][1]


def as_dict(action: Action) -> dict[str, Any]:
    """The action as the JSON object that a decision would hold, defaults left out."""
    full: dict[str, Any] = msgspec.to_builtins(action)
    return {key: value for key, value in full.items() if value not in ("", [], ())}


def digest(action: Action) -> str:
    """
    The digest that an approval is bound to: what the move does, not how it is described.

    `reason` is words for a reader and is left out; everything else counts.
    """
    meaning = {key: value for key, value in as_dict(action).items() if key != "reason"}
    return canon.digest(canon.canonical(meaning).encode("utf-8", "surrogatepass"))
