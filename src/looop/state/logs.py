"""The three logs: the journal for people, events for programs, and what everything cost."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from looop.errors import LooopError
from looop.kit import clock, files, jsonl, text
from looop.model.events import EVENTS
from looop.model.records import Spend
from looop.state import table

__all__ = ["EventLog", "Journal", "Ledger", "day_start"]

_LINE_LIMIT = 2000


class Journal:
    """`journal.md`: one line for each move, in local time."""

    def __init__(self, path: Path, cap: int) -> None:
        self._path = path
        self._cap = cap

    @staticmethod
    def line(at: float, words: str) -> str:
        """The journal line for `words`: safe to show, on one line, bounded."""
        return f"- {clock.local_minute(at)} {text.one_line(words, _LINE_LIMIT)}"

    def add(self, line: str) -> None:
        files.rotate(self._path, self._cap)
        files.append_line(self._path, line, durable=True)

    def add_once(self, line: str) -> None:
        """Add a line unless it already is among the latest: for finishing a cut-off beat."""
        if line not in self.tail(50):
            self.add(line)

    def tail(self, count: int) -> list[str]:
        """The last `count` lines, oldest first; the previous generation helps out."""
        lines: list[str] = []
        for part in (self._path, self._path.with_name(self._path.name + ".1")):
            lines = _last_lines(part, count) + lines
            if len(lines) >= count:
                break
        return lines[-count:] if count else []


def _last_lines(path: Path, count: int) -> list[str]:
    """The last `count` whole lines of a file or more, read from its end; blank ones left out."""
    limit = 4096 + 600 * count
    while True:
        data = files.read_tail(path, limit) or b""
        whole = len(data) < limit
        # Where the tail begins inside a line, that piece is not a line.
        found = data.decode("utf-8", "replace").split("\n")[0 if whole else 1 :]
        lines = [line for line in found if line.strip()]
        if whole or len(lines) >= count:
            return lines
        limit *= 4


class EventLog:
    """`events.jsonl`: every event with a sequence number that never repeats and never falls."""

    def __init__(self, path: Path, lock_dir: Path, cap: int) -> None:
        self._path = path
        self._lock_dir = lock_dir
        self._cap = cap

    def _last_seq(self) -> int:
        return next((seq for row in jsonl.backwards(self._path) if (seq := _seq(row))), 0)

    def add(self, at: float, event: str, **fields: Any) -> int:
        """
        Append one event; its sequence number. `seq`, `ts` and `event` cannot be overridden.

        An event is a report, never a condition: a log that cannot be written does not stop
        what it reports on. The number is then 0.
        """
        assert event in EVENTS, event
        try:
            files.rotate(self._path, self._cap)
            with files.dir_lock(self._lock_dir):
                seq = self._last_seq() + 1
                row = {**fields, "seq": seq, "ts": clock.utc_iso(at), "event": event}
                files.append_line(self._path, _line(row))
        except (OSError, LooopError):
            return 0
        return seq

    def tail(self, count: int) -> list[dict[str, Any]]:
        return jsonl.tail(self._path, count)

    def since(self, seq: int) -> list[dict[str, Any]]:
        """Every event after `seq` that is still kept, oldest first."""
        return [row for row in jsonl.objects(self._path) if _seq(row) > seq]


def _line(row: Any) -> str:
    return table.encode(row).decode().rstrip("\n")


def _seq(row: dict[str, Any]) -> int:
    seq = row.get("seq")
    return seq if isinstance(seq, int) else 0


def day_start(now: float, days_back: int = 0) -> float:
    """Wall seconds of local midnight, `days_back` days before the day of `now`."""
    day = datetime.datetime.fromtimestamp(now).date()  # noqa: DTZ006 - a local day is meant
    day -= datetime.timedelta(days=days_back)
    return datetime.datetime.combine(day, datetime.time()).timestamp()


def _when(stamp: str) -> float | None:
    try:
        return datetime.datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None


class Ledger:
    """`cost.jsonl`: one row for each metered run; rows of the original program are read too."""

    def __init__(self, path: Path, cap: int) -> None:
        self._path = path
        self._cap = cap

    def add(self, row: Spend) -> None:
        files.rotate(self._path, self._cap)
        files.append_line(self._path, _line(row), durable=True)

    def has(self, run: str) -> bool:
        """Whether one of the latest rows is of that run."""
        return any(row.get("id") == run for row in jsonl.tail(self._path, 50))

    def marked(self, mark: str) -> bool:
        """Whether one of the latest rows pays for that piece of work."""
        return any(row.get("mark") == mark for row in jsonl.tail(self._path, 200))

    def since(self, start: float) -> Iterator[tuple[float, Spend]]:
        """Rows at or after `start` (wall seconds), newest first, with their time."""
        for row in jsonl.backwards(self._path):
            at = _when(str(row.get("ts", "")))
            if at is None:
                continue
            # Workers report when they like, so rows may be a little out of order.
            if at < start - 86400:
                return
            if at < start:
                continue
            try:
                spend = msgspec.convert({"kind": "", "id": "", "runner": "", **row}, Spend)
            except msgspec.ValidationError:
                continue
            # A row that gives money back would open the budget's gate.
            if (spend.cost_usd or 0.0) >= 0:
                yield at, spend

    def spent_since(self, start: float) -> float:
        """US dollars of all rows at or after `start` whose price is known."""
        return sum(row.cost_usd or 0.0 for _, row in self.since(start))
