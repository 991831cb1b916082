"""Finishing a beat, in one order whether it ends by itself or was cut off by a crash."""

import os

import msgspec

from looop.errors import LooopError
from looop.kit import clock, files, proc, text
from looop.loop.act import shell
from looop.loop.decide import decision, meter
from looop.loop.decide.decision import BadDecision
from looop.loop.decide.tee import STREAM_FILE
from looop.loop.parts import Parts
from looop.model.actions import (
    Action,
    ArchiveGoal,
    DropSchedule,
    RunShell,
    StartWorker,
    WriteGoal,
    WritePlaybook,
    WriteSchedule,
    WriteSensor,
)
from looop.model.records import BeatRecord, Fired, Memory, Notice, Outcome
from looop.state import memory as memories
from looop.state.logs import Journal

__all__ = ["action_of", "conclude", "is_policy_write", "keep_history", "leftovers", "unfinished"]

_POLICY = (WriteGoal, ArchiveGoal, WriteSensor, WritePlaybook, WriteSchedule, DropSchedule)


def is_policy_write(action: Action) -> bool:
    """Whether a move writes what the history keeps."""
    return isinstance(action, _POLICY)


def action_of(record: BeatRecord) -> Action | None:
    """The action of a record; None if it has none that can be read."""
    try:
        return decision.from_value(record.action).action
    except BadDecision:
        return None


def keep_history(parts: Parts, message: str) -> None:
    """Commit policy files; history is a convenience, and its failure never fails a beat."""
    if not parts.config.git:
        return
    try:
        parts.store.history.commit(message)
    except LooopError as error:
        parts.tell("warning", about="history", text=str(error))


def conclude(parts: Parts, record: BeatRecord, *, again: bool = False) -> None:
    """
    Bring a beat whose act is over to its end: journal, history, memory, done.

    Every step may be repeated: with `again` (after a crash) the journal line is written only if
    it is not there, and storing the same memory twice is one commit.
    """
    if record.line:
        (parts.store.journal.add_once if again else parts.store.journal.add)(record.line)
    action = action_of(record)
    if action is not None and is_policy_write(action):
        keep_history(parts, record.line.removeprefix("- ") or record.run)
    if record.memory is not None:
        memories.store(parts.store.paths, record.memory)
    if record.ask and record.origin == "approval":
        _close(parts, record.ask, "approved and run")
    parts.store.runs.write(msgspec.structs.replace(record, phase="done", memory=None))


def _close(parts: Parts, ask_id: str, how: str) -> None:
    ask = parts.store.asks.get(ask_id)
    if ask is not None and not ask.closed:
        parts.store.asks.close(ask, how)
        parts.tell("ask_closed", ask=ask_id, kind=ask.kind, how=how)


async def _interrupted(parts: Parts, record: BeatRecord, memory: Memory) -> Memory:
    """A move was cut off while it ran: say so to the next decision, and never repeat it."""
    now = parts.clock.wall()
    action = action_of(record)
    what = text.one_line(msgspec.json.encode(record.action).decode(), 800)
    answer = ""
    if isinstance(action, RunShell):
        answer = await shell.probe(
            action, paths=parts.store.paths, env=parts.env, clock=parts.clock
        )
    elif isinstance(action, StartWorker):
        answer = _started(parts, action.id, record.run)
    words = (
        f"run {record.run}: a crash cut this move off, so it may or may not have happened: {what}"
    )
    if answer:
        words += f" -- {answer}"
    if not record.line:
        # The line is fixed before anything else, so that a second crash does not write it twice.
        record = msgspec.structs.replace(
            record,
            line=Journal.line(now, f"interrupted · {what}" + (f" · {answer}" if answer else "")),
        )
        parts.store.runs.write(record)
    if all(notice.run != record.run for notice in memory.notices):
        notice = Notice(at=now, kind="interrupted", text=words, run=record.run)
        reflexes = memory.reflexes
        if record.origin == "reflex":
            # The rule has had its turn: firing again would do the same move a second time.
            reflexes = reflexes | {record.decider: Fired(digest=record.digest, at=now)}
        memory = msgspec.structs.replace(
            memory, notices=(*memory.notices, notice), reflexes=reflexes
        )
        memories.store(parts.store.paths, memory)
        parts.tell("interrupted", run=record.run, action=record.action, probe=answer)
    parts.store.journal.add_once(record.line)
    # An approval was spent when its move began: a yes is good for one run.
    if record.ask and record.origin == "approval":
        _close(parts, record.ask, "interrupted")
    parts.store.runs.write(
        msgspec.structs.replace(
            record,
            phase="done",
            outcome=Outcome(ok=False, summary="interrupted", known=False, probe=answer),
            ended=now,
        )
    )
    return memory


def _started(parts: Parts, worker: str, run: str) -> str:
    """What can be said of a start that was cut off: the session knows whose order it was."""
    try:
        session = parts.fleet.find(worker)
    except LooopError as error:
        return f"whether {worker} was started cannot be told: {error}"
    if session is not None and session.labels.get("run") == run:
        return f"it did happen: {worker} was started and is {session.state}"
    return f"it did not happen: no session {worker} of this run is there"


def _account(parts: Parts, record: BeatRecord) -> None:
    """What a cut-off runner has told of its cost is spend like any other."""
    if record.origin != "runner" or parts.store.ledger.has(record.run):
        return
    stream = files.read_bytes(parts.store.runs.directory(record.run) / STREAM_FILE)
    name = parts.config.runner
    spend = meter.recovered(
        stream or b"",
        ts=clock.utc_iso(parts.clock.wall()),
        run=record.run,
        runner=name,
        spec=parts.config.runners.get(name),
    )
    if spend is not None:
        parts.store.ledger.add(spend)


async def unfinished(parts: Parts, memory: Memory) -> Memory:
    """
    Deal with every run that was cut off, and with the processes it left.

    Before its act, a run has only cost something and is closed. During it, the outcome is
    unknown and is reported. After it, the rest of the beat is made up for, exactly once.
    """
    for record in parts.store.runs.unfinished():
        proc.sweep(record.run)
        if record.phase == "acted":
            conclude(parts, record, again=True)
            memory = record.memory or memory
            parts.tell("recovered", run=record.run, action=record.action)
        elif record.phase == "acting":
            memory = await _interrupted(parts, record, memory)
        else:
            _account(parts, record)
            parts.store.runs.write(
                msgspec.structs.replace(
                    record,
                    phase="done",
                    error=f"cut off while {record.phase}",
                    ended=parts.clock.wall(),
                )
            )
    return memory


def leftovers() -> int:
    """End what the sensors of a pulse that is gone have left running; how many there were."""
    owners = {mark.split("-")[1] for mark in proc.marked("sense-").values()}
    gone = [pid for pid in owners if pid.isdigit() and not _lives(int(pid))]
    return sum(proc.sweep(f"sense-{pid}-") for pid in gone)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
