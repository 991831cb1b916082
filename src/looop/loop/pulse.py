"""The pulse: one owner of the profile, beating until it is told to stop."""

import asyncio
import contextlib
import os
import signal
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import msgspec

from looop.config import Config
from looop.errors import LooopError
from looop.kit import files, identity, text
from looop.kit.bell import Bell
from looop.loop import gates, lock, recover
from looop.loop.beat import End, beat
from looop.loop.parts import Parts
from looop.model.records import PulseNote
from looop.sessions.port import Endings
from looop.state import memory as memories
from looop.state import table

__all__ = ["Pulse", "once", "run"]

_Source = TypeVar("_Source", Endings, Bell)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A beat that dies of a bug is tried again, slower each time, and never ends the pulse.
_BUG_PAUSE_S = 30.0


class _Wakes:
    """What ends a rest: the end of a session, or somebody who rang the bell."""

    def __init__(self, endings: Endings | None, bell: Bell | None) -> None:
        self._endings = endings
        self._bell = bell
        self.any = asyncio.Event()

    def ended(self) -> None:
        assert self._endings is not None
        if self._endings.drain():
            self.any.set()

    def rung(self) -> None:
        assert self._bell is not None
        self._bell.heard()
        self.any.set()

    def refresh(self) -> None:
        """Follow the sessions that were started since; a beat without them only comes later."""
        if self._endings is not None:
            with contextlib.suppress(LooopError, OSError):
                self._endings.refresh()


def _bell(parts: Parts) -> Bell:
    files.ensure_dir(parts.store.paths.locks)
    return Bell(parts.store.paths.bell)


@contextlib.contextmanager
def _listening(parts: Parts) -> Generator[_Wakes]:
    """Hear of news while the block runs; where that cannot be, the pulse just beats in time."""

    def opened(what: Callable[[], _Source]) -> _Source | None:
        try:
            return what()
        except (LooopError, OSError) as error:
            parts.tell("warning", about="wakes", text=text.one_line(str(error), 300))
            return None

    endings = opened(parts.fleet.endings)
    bell = opened(lambda: _bell(parts))
    wakes = _Wakes(endings, bell)
    loop = asyncio.get_running_loop()
    sources = [(s, f) for s, f in ((endings, wakes.ended), (bell, wakes.rung)) if s is not None]
    for source, hear in sources:
        loop.add_reader(source.fileno(), hear)
    try:
        yield wakes
    finally:
        for source, _ in sources:
            loop.remove_reader(source.fileno())
            source.close()


class Pulse:
    """Beats for ever: the only state is what a restart would rebuild from the profile."""

    def __init__(
        self, parts: Parts, reload: Callable[[], Config], *, keeps_workers: bool = True
    ) -> None:
        self._parts = parts
        self._reload = reload
        self._stop = asyncio.Event()
        self._why = ""
        self._beats = 0
        self._started = parts.clock.wall()
        self._owner = identity.mine()
        self._stamp = self._config_stamp()
        self._bugs = 0
        self._keeps_workers = keeps_workers

    def stop(self, why: str) -> None:
        self._why = self._why or why
        self._stop.set()

    def _config_stamp(self) -> list[tuple[int, int]]:
        """What tells whether settings changed; the original's file counts until there is ours."""
        own = self._parts.store.paths.config
        stamps: list[tuple[int, int]] = []
        for path in (own, own.with_name("config.json")):
            try:
                found = files.stat_or_none(path)
            except LooopError:
                stamps.append((-1, -1))
                continue
            stamps.append((found.st_mtime_ns, found.st_size) if found else (0, 0))
        return stamps

    def _refresh(self) -> None:
        """Read changed settings; a file that makes no sense leaves the last good ones in force."""
        stamp = self._config_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._parts.config = self._reload()
        except LooopError as error:
            self._parts.tell("config_broken", error=text.one_line(str(error), 500))
            return
        self._parts.tell("config_changed", source=str(self._parts.config.source))

    async def _beat(self) -> End:
        try:
            end = await beat(self._parts)
        except Exception as error:  # noqa: BLE001 - the one place where a bug must not end the loop
            self._bugs += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            said = f"a bug in the loop itself: {type(error).__name__}: {error} at {where}"
            self._parts.tell("warning", about="bug", text=text.one_line(said, 500))
            return End(kind="blind", said=said)
        self._bugs = 0
        return end

    def _next(self, end: End) -> tuple[float, str]:
        now = self._parts.clock.wall()
        if self._bugs:
            return now + _BUG_PAUSE_S * min(self._bugs, 10), "after a bug"
        try:
            memory = memories.load(self._parts.store.paths)
        except LooopError:
            return now + self._parts.config.interval, "resync"
        if end.kind == "blind":
            memory = msgspec.structs.replace(memory, wake_at=0.0, moved=False)
        return gates.next_beat(memory, now, self._parts.config)

    def _note(self, end: End | None, next_at: float, why: str) -> None:
        with contextlib.suppress(OSError):
            files.write_atomic(
                self._parts.store.paths.pulse_note,
                table.encode(
                    PulseNote(
                        owner=self._owner,
                        started=self._started,
                        beats=self._beats,
                        beat_at=self._parts.clock.wall() if end else 0.0,
                        beat_said=text.one_line(end.said, 300) if end else "",
                        next_at=next_at,
                        next_why=why,
                        keeps_workers=self._keeps_workers,
                    )
                ),
                durable=False,
            )

    async def run(self) -> None:
        """Beat until stopped; a stop during a beat ends what the beat has running."""
        parts = self._parts
        # Who has the profile can be told from the first moment, however long the first beat is.
        self._note(None, self._started, "first look")
        recover.leftovers()
        parts.tell(
            "pulse_started",
            pid=os.getpid(),
            runner=parts.config.runner,
            autonomy=parts.config.autonomy,
        )
        with _listening(parts) as wakes:
            await self._beats_until_stopped(wakes)
        parts.tell("pulse_stopped", reason=self._why)

    async def _beats_until_stopped(self, wakes: _Wakes) -> None:
        parts = self._parts
        while not self._stop.is_set():
            self._refresh()
            self._beats += 1
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self._beat())
                stopper = group.create_task(self._cancel_on_stop(task))
                task.add_done_callback(lambda _, s=stopper: s.cancel())
            if self._stop.is_set() or task.cancelled():
                break
            end = task.result()
            at, why = self._next(end)
            self._note(end, at, why)
            parts.listener(
                "beat_ended",
                {"kind": end.kind, "said": end.said, "action": end.action, "next_at": at},
            )
            await self._rest(at, wakes)

    async def _rest(self, until: float, wakes: _Wakes) -> None:
        """Until the next beat is due, something wakes it, or it is told to stop."""
        wakes.refresh()
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(max(0.0, until - self._parts.clock.wall())),
                asyncio.TaskGroup() as group,
            ):
                waits = [group.create_task(w) for w in (self._stop.wait(), wakes.any.wait())]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in waits:
                    task.cancel()
        wakes.any.clear()

    async def _cancel_on_stop(self, task: asyncio.Task[End]) -> None:
        await self._stop.wait()
        task.cancel()


async def run(parts: Parts, reload: Callable[[], Config], *, keeps_workers: bool = True) -> str:
    """
    Be the pulse of this profile until a signal ends it; the signal's name.

    INT, TERM and HUP each stop it: what a beat has running is ended (TERM, then KILL), and a
    move that was cut off is reported by the next beat. `keeps_workers` is what it says of
    itself: who started it ends them or not. Raises `AlreadyRuns`.
    """
    with lock.owned(parts.store.paths):
        pulse = Pulse(parts, reload, keeps_workers=keeps_workers)
        loop = asyncio.get_running_loop()
        got: list[str] = []

        def stop(number: signal.Signals) -> None:
            got.append(number.name)
            pulse.stop(number.name)

        # Who started it with HUP ignored wants it to outlive the terminal.
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        heeded = [n for n in _SIGNALS if not (ignored and n is signal.SIGHUP)]
        for number in heeded:
            loop.add_signal_handler(number, stop, number)
        try:
            await pulse.run()
        finally:
            for number in heeded:
                loop.remove_signal_handler(number)
        return got[0] if got else ""


async def once(parts: Parts, *, forced: bool, dry: bool) -> End:
    """One beat, owning the profile for its length. Raises `AlreadyRuns`."""
    with lock.owned(parts.store.paths):
        recover.leftovers()
        return await beat(parts, forced=forced, dry=dry)
