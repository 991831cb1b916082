"""Judging a worker's work: the declared check, run by the loop itself, once."""

import re
from pathlib import Path

import msgspec

from looop.kit import proc, text
from looop.kit.child import End, Limits
from looop.loop.parts import Parts
from looop.model.records import Checked, Worker

__all__ = ["BEAT_BUDGET_S", "due", "judge", "judged", "owed"]

# All verifies of one beat together; what does not fit is judged by the next.
BEAT_BUDGET_S = 120.0
OUTPUT_BYTES = 2048
# How a command says that it could not reach something, as opposed to having found something wrong.
_NETWORK = re.compile(
    r"could not resolve|temporary failure in name resolution|network is unreachable"
    r"|no route to host|connection (?:timed out|refused|reset)|operation timed out"
    r"|tls handshake timeout|(?:error|status)[: ]+(?:429|502|503|504)\b",
    re.IGNORECASE,
)


def due(record: Worker) -> bool:
    """Whether this worker has ended with a check that nobody has run."""
    return bool(record.verify and record.ended is not None and record.checked is None)


def owed(record: Worker) -> bool:
    """Whether a check is still to be run that can prove anything."""
    return bool(record.verify and record.checked is None and not _cut_off(record))


def _cut_off(record: Worker) -> bool:
    """Whether a worker was killed before it said that it was done."""
    return record.killed is not None and record.done is None


async def judge(parts: Parts, record: Worker) -> Checked:
    """
    Run the declared check of an ended worker.

    One whose worker was killed is not run: there is nothing that it could prove. An exit code
    other than 0, a deadline, a shell that cannot start: each is a failure, never a pass.
    """
    if _cut_off(record):
        assert record.killed is not None
        said = f"not run: {record.killed.by} ended the worker"
        return Checked(ok=None, output=said, at=parts.clock.wall(), tries=0)
    wall_s = parts.config.verify_timeout
    tries = 0
    while True:
        tries += 1
        began = parts.clock.monotonic()
        done = await proc.run(
            ["bash", "-c", record.verify],
            cwd=_place(parts, record),
            env=parts.store.paths.child_env(parts.env)
            | {"LOOOP_SESSION_ID": record.id, "LOOOP_GENERATION": record.generation},
            limits=Limits(wall_s=wall_s, out_bytes=OUTPUT_BYTES),
            mark=f"verify-{record.generation}",
            merge=True,
            clock=parts.clock,
        )
        took_s = parts.clock.monotonic() - began
        output = text.plain(text.tail(done.out, OUTPUT_BYTES))
        if done.end is End.DEADLINE:
            output += f"\n(stopped after {wall_s:g} s)"
        elif done.end is End.UNSPAWNABLE:
            output = f"the check could not be started: {done.why}"
        # A deadline that struck is no reason to wait as long again.
        retry = done.end is End.EXITED and not done.ok and _NETWORK.search(output)
        if retry and tries <= parts.config.verify_retries:
            continue
        return Checked(
            ok=done.ok,
            output=output,
            at=parts.clock.wall(),
            code=done.shell_code,
            took_s=round(took_s, 3),
            tries=tries,
        )


def _place(parts: Parts, record: Worker) -> Path:
    place = Path(record.work_dir) if record.work_dir else parts.store.paths.data
    return place if place.is_dir() else parts.store.paths.data


def judged(record: Worker, checked: Checked) -> Worker:
    """The record with its verdict; a verdict that is there stays."""
    return record if record.checked else msgspec.structs.replace(record, checked=checked)
