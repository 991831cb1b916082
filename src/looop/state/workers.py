"""Workers: what each was asked and what became of it, one record for each id."""

from collections.abc import Callable

import msgspec

from looop.errors import Conflict, LooopError, NotFound
from looop.kit import files
from looop.model.records import Activity, AgentNote, Worker
from looop.paths import Paths
from looop.state import table
from looop.state.table import Table

__all__ = ["Workers"]

_TRIES = 50


class Workers:
    """The records of workers, what their agents said of themselves, and what was seen of them."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._table = Table(paths.workers, Worker)
        self._notes = Table(paths.agents, AgentNote)

    def names(self) -> list[str]:
        return self._table.names()

    def get(self, worker: str) -> Worker | None:
        """The record; None if it is proven absent. Raises `Unreadable` or `Corrupt`."""
        return self._table.get(worker)

    def need(self, worker: str, generation: str = "") -> Worker:
        """
        The record of a worker, of that generation if one is given.

        Raises `NotFound`, also when the id has gone on to another generation.
        """
        record = self._table.get(worker)
        if record is None:
            raise NotFound(f"there is no worker {worker!r}; `looop ls` lists them")
        if generation and record.generation != generation:
            raise NotFound(f"this is generation {generation} of {worker}, which has been replaced")
        return record

    def look(self) -> tuple[dict[str, Worker], list[str]]:
        """Every record by id, and one line for each that cannot be read."""
        found: dict[str, Worker] = {}
        problems: list[str] = []
        for name in self._table.names():
            try:
                record = self._table.get(name)
            except LooopError as error:
                problems.append(str(error))
                continue
            if record is not None:
                found[name] = record
        return found, problems

    def put(self, record: Worker) -> None:
        """Publish the record of a new generation."""
        self._table.put(record.id, record)

    def change(self, worker: str, generation: str, how: Callable[[Worker], Worker]) -> Worker:
        """
        Change the record of one generation; whoever else changes it meanwhile is not overwritten.

        Raises `NotFound` when that generation has gone.
        """
        for _ in range(_TRIES):
            old = self.need(worker, generation)
            new = how(old)
            if new == old or self._table.swap(worker, old, new):
                return new
        raise Conflict(f"the record of {worker} never stood still; try again")

    def drop(self, worker: str) -> None:
        """Forget a worker and what its agent said."""
        self._table.drop(worker)
        self._notes.drop(worker)

    # -- what the agents say -----------------------------------------------------------------

    def note(self, worker: str) -> AgentNote | None:
        """What its agent last said; None if it never did or it cannot be read."""
        try:
            return self._notes.get(worker)
        except LooopError:
            return None

    def keep_note(self, worker: str, note: AgentNote) -> None:
        files.ensure_dir(self._paths.agents)
        self._notes.put(worker, note)

    # -- what was seen of them ---------------------------------------------------------------

    def activity(self) -> dict[str, Activity]:
        """What the last looks saw; empty where that is unknown: it only dates stillness."""
        try:
            return table.load(self._paths.activity, dict[str, Activity]) or {}
        except LooopError:
            return {}

    def keep_activity(self, seen: dict[str, Activity]) -> None:
        files.write_atomic(self._paths.activity, msgspec.json.encode(seen) + b"\n", durable=False)
