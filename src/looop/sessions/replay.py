"""The screen of a session, live or ended, from what it wrote: replayed at the sizes it had."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from looop.errors import Failed, NotFound, Unreadable
from looop.kit import files, jsonl
from looop.sessions import checkpoint as checkpoints
from looop.sessions.checkpoint import Checkpoint
from looop.sessions.emulator import Emulator, clamp
from looop.sessions.host import rawlog
from looop.sessions.port import Shot, ShotFormat
from looop.sessions.screen import Screen, ansi, as_json, plain

__all__ = ["first_frame", "lines", "replay", "shot"]

_JOURNAL = "log.jsonl"
_META = "meta.json"
_COLUMNS, _ROWS = 120, 40
_CHUNK = 1 << 18
# A log of more than `_WHOLE` without a checkpoint is replayed from its last `_PART`. Programs
# redraw: measured on full-screen ones, a quarter of that gave the exact screen.
_WHOLE = 4 << 20
_PART = 1 << 20
_SEEK = 1 << 16
# What is replayed faster than a checkpoint is written is not worth one.
_WORTH = 1 << 18


class Turn(Struct, frozen=True, kw_only=True):
    """A change of the terminal at an absolute offset of the log: a new size, or a `fresh` one."""

    offset: int
    columns: int
    rows: int
    fresh: bool = False
    generation: str = ""


class _Size(Struct, frozen=True):
    """What of `meta.json` says how large a terminal is."""

    columns: int = _COLUMNS
    rows: int = _ROWS
    generation: str = ""


@contextlib.contextmanager
def _looking(directory: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Unreadable(f"cannot read the output in {directory}: {why}") from error


def _turn(row: dict[str, Any]) -> Turn | None:
    """The change that a row of the journal tells of, None for rows that tell of something else."""
    event = row.get("event")
    if event not in ("spawned", "resized"):
        return None
    fields = {key: row[key] for key in ("offset", "columns", "rows", "generation") if key in row}
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert({**fields, "fresh": event == "spawned"}, Turn)
    return None


def _turns(directory: Path) -> list[Turn]:
    """
    Every change of the terminal, in order; the first is a fresh one.

    Raises `Unreadable`.
    """
    found = [turn for row in jsonl.objects(directory / _JOURNAL) if (turn := _turn(row))]
    found.sort(key=lambda turn: turn.offset)
    if found and found[0].fresh:
        return found
    size = _Size()
    with contextlib.suppress(msgspec.MsgspecError):
        size = msgspec.json.decode(files.read_bytes(directory / _META) or b"{}", type=_Size)
    first = Turn(
        offset=0,
        columns=size.columns,
        rows=size.rows,
        fresh=True,
        generation=size.generation,
    )
    return [first, *found]


class _Replay:
    """
    The replay of one session up to the absolute offset `end`.

    `emulator` has seen the log up to `at`, and the first `done` of `turns`.
    """

    def __init__(self, directory: Path, until: int | None) -> None:
        if files.stat_or_none(directory) is None:
            raise NotFound(f"there is no session at {directory}")
        self.directory = directory
        with _looking(directory):
            self.size = rawlog.size(str(directory))
        self.end = self.size if until is None else max(0, min(until, self.size))
        self.turns = _turns(directory)

    def run(self) -> Emulator:
        """The terminal at the end; a checkpoint is kept where it saves the next one work."""
        with _looking(self.directory):
            kept = self._checkpoint()
            if kept is None or not self._resume(kept):
                self._begin()
            begun = self.at
            self._advance()
            # A look at an earlier moment must not push out what a later one left.
            if self.at - begun >= _WORTH and (kept is None or kept.offset < self.at):
                self._keep()
        return self.emulator

    def _spawn(self, done: int) -> int:
        """Which of the first `done` turns began the terminal that they lead to."""
        return max((i for i in range(done) if self.turns[i].fresh), default=0)

    def _due(self) -> int:
        """How many turns have happened by the end."""
        return sum(turn.offset <= self.end for turn in self.turns)

    def _checkpoint(self) -> Checkpoint | None:
        """The checkpoint, if it is one of this log and this terminal."""
        kept = checkpoints.load(self.directory)
        if kept is None or not 0 < kept.turns <= len(self.turns):
            return None
        spawn, last = self.turns[self._spawn(kept.turns)], self.turns[kept.turns - 1]
        same = (
            (kept.generation, kept.log_start) == (spawn.generation, spawn.offset)
            and (kept.saved.columns, kept.saved.rows) == clamp(last.columns, last.rows)
            and last.offset <= kept.offset <= self.size
            and kept.mark == checkpoints.mark(self.directory, kept.log_start, kept.offset)
        )
        return kept if same and kept.mark else None

    def _resume(self, kept: Checkpoint) -> bool:
        """Go on from a checkpoint, if the end is after it and in the same terminal."""
        if kept.offset > self.end or self._spawn(self._due()) >= kept.turns:
            return False
        try:
            self.emulator = Emulator.restore(kept.saved)
        except (ValueError, Failed):
            return False
        self.at, self.done = kept.offset, kept.turns
        return True

    def _begin(self) -> None:
        """Begin where the last terminal did, or close to the end of a log that is too long."""
        spawn = self._spawn(self._due())
        self.at = self.turns[spawn].offset
        if self.end - self.at > _WHOLE:
            self.at = self._cut()
            spawn = max(spawn, sum(turn.offset <= self.at for turn in self.turns) - 1)
        self.done = spawn + 1
        self._open(self.turns[spawn])

    def _cut(self) -> int:
        """Where a line, or else an escape sequence, begins in the last part of the log."""
        begin, data = rawlog.read(str(self.directory), self.end - _PART, _SEEK)
        line = data.find(b"\n") + 1
        return begin + (line or max(0, data.find(b"\x1b")))

    def _open(self, turn: Turn) -> None:
        self.emulator = Emulator(turn.columns, turn.rows)

    def _advance(self) -> None:
        for turn in self.turns[self.done : self._due()]:
            self._feed(turn.offset)
            if turn.fresh:
                self._open(turn)
            else:
                self.emulator.resize(turn.columns, turn.rows)
            self.done += 1
        self._feed(self.end)

    def _feed(self, end: int) -> None:
        while self.at < end:
            limit = min(_CHUNK, end - self.at)
            begin, data = rawlog.read(str(self.directory), self.at, limit)
            data = data[: max(0, end - begin)]
            if begin != self.at:
                # What was between is gone, and with it what the terminal showed.
                self._open(self.turns[self.done - 1])
            self.at = begin + len(data) if data else end
            self.emulator.feed(data)

    def _keep(self) -> None:
        spawn = self.turns[self._spawn(self.done)]
        made = Checkpoint(
            generation=spawn.generation,
            log_start=spawn.offset,
            offset=self.at,
            turns=self.done,
            mark=checkpoints.mark(self.directory, spawn.offset, self.at),
            saved=self.emulator.save(),
        )
        checkpoints.save(self.directory, made)


def replay(directory: Path, *, until: int | None = None) -> Screen:
    """
    The screen of the session at `directory`, now or when its log had reached `until`.

    It is that of the last terminal begun by then, at the sizes recorded. Without a checkpoint, a
    log of more than 4 MiB is replayed from its last 1 MiB, at a line's beginning.

    Raises `NotFound`, `Unreadable`, `Missing` where there is no engine, `Failed` if it breaks.
    """
    return _Replay(directory, until).run().screen()


def lines(directory: Path) -> list[str]:
    """The text of every row of the current screen, without the blanks at its end."""
    return [line.rstrip() for line in _Replay(directory, None).run().lines()]


def first_frame(directory: Path, until: int) -> bytes:
    """
    What makes a terminal of the session's size show what the session showed at the absolute
    offset `until`: clear and redraw. The output from there on can follow it directly.
    """
    return _Replay(directory, until).run().frame()


def shot(directory: Path, form: ShotFormat, *, trim: bool = True) -> Shot:
    """
    The current screen in the form that is asked for; `trim` leaves out blank ends.

    Raises as `replay`, and `Missing` where a picture needs what is not installed.
    """
    screen = replay(directory)
    return Shot(
        format=form, columns=screen.columns, rows=screen.rows, body=_body(screen, form, trim=trim)
    )


def _body(screen: Screen, form: ShotFormat, *, trim: bool) -> str | bytes:
    match form:
        case "plain":
            return plain(screen, trim=trim)
        case "ansi":
            return ansi(screen, trim=trim)
        case "json":
            return msgspec.json.encode(as_json(screen, trim=trim)).decode()
        case "html":
            from looop.sessions import picture

            return picture.html(screen, trim=trim)
        case "png":
            from looop.sessions import picture

            return picture.png(screen, trim=trim)
