"""One directory for each run: everything that a beat saw, thought and did, kept for a while."""

import os
from pathlib import Path

from looop.errors import LooopError
from looop.kit import clock, files, names
from looop.kit.identity import alive, mine
from looop.model.records import BeatRecord
from looop.paths import Paths
from looop.state import table

__all__ = ["Runs"]

RECORD = "beat.json"


class Runs:
    """The archive of runs, and the record that tells how far each one got."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        # A finished record never changes again, so it needs no second look.
        self._finished: set[str] = set()

    def directory(self, run: str) -> Path:
        return self._paths.run(run)

    def create(self, kind: str, at: float) -> str:
        """Make the directory of a new run; its id is not guessable, so nothing waits in it."""
        files.ensure_dir(self._paths.runs)
        while True:
            run = f"{kind}-{clock.local_stamp(at)}-{os.urandom(3).hex()}"
            try:
                self._paths.run(run).mkdir(mode=files.PRIVATE_DIR)
            except FileExistsError:
                continue
            return run

    def write(self, record: BeatRecord) -> None:
        """
        Publish how far a run got; from the act on, it survives a power cut once this returns.

        Before the act nothing has happened that a lost record could hide.
        """
        durable = record.phase in ("acting", "acted", "done")
        path = self.directory(record.run) / RECORD
        files.write_atomic(path, table.encode(record), durable=durable)

    def read(self, run: str) -> BeatRecord | None:
        return table.load(self.directory(run) / RECORD, BeatRecord)

    def keep(self, run: str, name: str, data: bytes) -> Path:
        """Put one file of evidence into a run."""
        path = self.directory(run) / name
        files.write_atomic(path, data, durable=False)
        return path

    def ids(self) -> list[str]:
        """Runs that are kept, oldest first."""
        runs = [
            name
            for name in files.list_names(self._paths.runs)
            if names.is_name(name) and os.path.isdir(self._paths.runs / name)
        ]
        return sorted(runs, key=lambda run: run.partition("-")[2])

    def unfinished(self) -> list[BeatRecord]:
        """
        Records of runs that were cut off: not done, and the process that wrote them is gone.

        Called before a run begins, so a record of the calling process was cut off too.
        """
        found: list[BeatRecord] = []
        me = mine()
        for run in self.ids():
            if run in self._finished:
                continue
            try:
                record = self.read(run)
            except LooopError:
                # A record that makes no sense tells nothing about an effect; it stays as it is.
                self._finished.add(run)
                continue
            if record is None:
                continue
            if record.phase == "done":
                self._finished.add(run)
            elif record.owner == me or not alive(record.owner):
                found.append(record)
        return found

    def prune(self, keep: int) -> None:
        """Remove the oldest finished runs beyond `keep`; 0 keeps all."""
        runs = self.ids()
        if not keep or len(runs) <= keep:
            return
        for run in runs[:-keep]:
            if run in self._finished or not self._goes_on(run):
                files.remove_tree(self.directory(run))
                self._finished.discard(run)

    def _goes_on(self, run: str) -> bool:
        try:
            record = self.read(run)
        except LooopError:
            return False
        return record is not None and record.phase != "done"
