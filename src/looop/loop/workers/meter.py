"""What workers cost: read from the transcripts that their agent CLIs keep, into the ledger."""

from functools import lru_cache
from pathlib import Path

import msgspec

from looop.config import RunnerSpec
from looop.kit import clock
from looop.loop.decide import meter as prices
from looop.loop.decide.streams import Usage
from looop.loop.parts import Parts
from looop.loop.workers import agents
from looop.loop.workers.agents import AgentState, Brief, Tally
from looop.model.records import AgentNote, Spend, Worker

__all__ = ["listen", "meter"]


@lru_cache(maxsize=64)
def _tally(runner: str, path: Path, _size: int, _changed_ns: int) -> Tally:
    return agents.agent_of(runner).tally(path)


def _transcripts(parts: Parts, record: Worker) -> list[Path]:
    """Where the agent of a worker keeps its own record; [] for programs of somebody's choice."""
    spec = parts.config.runners.get(record.runner, RunnerSpec())
    if record.override or spec.worker:
        return []
    paths = parts.store.paths
    brief = Brief(
        worker=record.id,
        generation=record.generation,
        prompt_file=str(paths.prompt(record.id)),
        work_dir=record.work_dir,
        files_dir=str(paths.prompt_files(record.id)),
        env={**parts.env, **spec.env},
        transcript_id=record.transcript_id,
    )
    return agents.agent_of(record.runner).transcripts(brief, record.started)


def listen(parts: Parts, record: Worker) -> None:
    """Keep what the agent's own transcript tells of its state, where no hook is fresher."""
    agent = agents.agent_of(record.runner)
    found: AgentState | None = None
    now = parts.clock.wall()
    for path in _transcripts(parts, record):
        found = agent.told(path, now) or found
    note = parts.store.workers.note(record.id)
    if found is None or (
        note and note.generation == record.generation and note.state == found.state
    ):
        return
    parts.store.workers.keep_note(
        record.id,
        AgentNote(
            generation=record.generation,
            state=found.state,
            at=now,
            detail=found.detail,
            until=found.until,
            transcript=found.transcript,
        ),
    )


def _read(parts: Parts, record: Worker) -> dict[str, Usage]:
    """Tokens and told prices of a worker so far, by model."""
    found: dict[str, Usage] = {}
    for path in _transcripts(parts, record):
        try:
            stat = path.stat()
        except OSError:
            continue
        for model, usage in _tally(record.runner, path, stat.st_size, stat.st_mtime_ns).items():
            found[model] = found[model].plus(usage) if model in found else usage
    return found


def meter(parts: Parts, record: Worker) -> Worker:
    """
    Put what a worker has cost since the last look into the ledger; its record with that in it.

    Each row says which piece of work it pays for, so that a crash between the ledger and the
    record counts nothing twice.
    """
    metered = dict(record.metered)
    for model, usage in _read(parts, record).items():
        row = prices.spend(
            ts=clock.utc_iso(parts.clock.wall()),
            kind="session",
            run=record.id,
            runner=record.runner,
            goal=record.goal,
            model=model,
            usage=usage,
        )
        before = metered.get(model)
        delta = row if before is None else _since(row, before)
        if not delta.output_tokens and not delta.input_tokens and not delta.cost_usd:
            continue
        mark = f"{record.generation}:{model}:{usage.tokens}:{row.cost_usd}"
        metered[model] = row
        if not parts.store.ledger.marked(mark):
            parts.store.ledger.add(
                msgspec.structs.replace(delta, generation=record.generation, mark=mark)
            )
    if metered == record.metered:
        return record
    return parts.store.workers.change(
        record.id,
        record.generation,
        lambda old: msgspec.structs.replace(old, metered=metered),
    )


def _since(now: Spend, before: Spend) -> Spend:
    """The difference of two sums of one worker; never less than nothing."""
    cost = None
    if now.cost_usd is not None:
        cost = max(0.0, now.cost_usd - (before.cost_usd or 0.0))
    return msgspec.structs.replace(
        now,
        cost_usd=cost,
        input_tokens=max(0, now.input_tokens - before.input_tokens),
        cached_tokens=max(0, now.cached_tokens - before.cached_tokens),
        cache_write_tokens=max(0, now.cache_write_tokens - before.cache_write_tokens),
        output_tokens=max(0, now.output_tokens - before.output_tokens),
    )
