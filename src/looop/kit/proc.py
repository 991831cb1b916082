"""
Run one child process, and leave nothing of it behind.

The child gets its own session, null or file stdin, and a deadline. The end of the *leader* ends
the run: a grandchild that keeps stdout open never delays it. On the way out the rest of the
group is killed before the leader is reaped (so that the group id cannot have been reused), and
descendants that left the group are found by a mark in their environment.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path

from looop.kit.child import Done, End, Limits
from looop.kit.clock import Clock, SystemClock

__all__ = ["Done", "End", "Limits", "mark_variable", "marked", "run", "sweep"]

MARK = "LOOOP_MARK"
_POLL_S = 0.02
_DRAIN_BYTES = 1 << 20


def mark_variable(mark: str) -> dict[str, str]:
    """The environment entry by which `sweep` finds every descendant of a run."""
    return {MARK: mark}


def _mark_of(pid: str) -> str:
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    _, found, rest = (b"\0" + data).partition(f"\0{MARK}=".encode())
    return rest.partition(b"\0")[0].decode("utf-8", "replace") if found else ""


def marked(prefix: str) -> dict[int, str]:
    """Live processes, ours excepted, whose mark starts with `prefix`, with it; needs /proc."""
    try:
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return {}
    me = os.getpid()
    marks = {int(pid): _mark_of(pid) for pid in pids if int(pid) != me}
    return {pid: mark for pid, mark in marks.items() if mark and mark.startswith(prefix)}


def sweep(prefix: str) -> int:
    """Kill every process whose mark starts with `prefix`; how many were found."""
    found: set[int] = set()
    for _ in range(8):
        pids = marked(prefix)
        if not pids:
            break
        found.update(pids)
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    return len(found)


class _Sink:
    """One output of a child, read without ever blocking, bounded in memory."""

    def __init__(self, cap: int, *, keep_tail: bool, note: Callable[[bytes], bool | None]) -> None:
        self.read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        flags = fcntl.fcntl(self.read_fd, fcntl.F_GETFL)
        fcntl.fcntl(self.read_fd, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        self.data = bytearray()
        self.total = 0
        self.cap = cap
        self.keep_tail = keep_tail
        self.note = note
        self.open = True
        self.stop = False

    @property
    def large(self) -> bool:
        return self.total > self.cap

    def pump(self) -> bool:
        """Read once: False when there is nothing to read now."""
        try:
            chunk = os.read(self.read_fd, 65536)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        if not chunk:
            self.open = False
            return False
        self.total += len(chunk)
        self.data += chunk
        if len(self.data) > self.cap:
            if self.keep_tail:
                del self.data[: len(self.data) - self.cap]
            else:
                del self.data[self.cap :]
        if self.note(chunk):
            self.stop = True
        return True

    def close(self) -> None:
        for fd in (self.read_fd, self.write_fd):
            if fd >= 0:
                os.close(fd)
        self.read_fd = self.write_fd = -1

    def close_write(self) -> None:
        os.close(self.write_fd)
        self.write_fd = -1


class _Run:
    """The life of one child inside an event loop."""

    def __init__(self, limits: Limits, clock: Clock, sinks: list[_Sink]) -> None:
        self.limits = limits
        self.clock = clock
        self.sinks = sinks
        self.woken = asyncio.Event()
        self.began = clock.monotonic()
        self.heard = self.began

    def readable(self, sink: _Sink) -> None:
        if sink.pump():
            self.heard = self.clock.monotonic()
        if not sink.open:
            asyncio.get_running_loop().remove_reader(sink.read_fd)
        if sink.stop or (self.limits.stop_when_large and sink.large):
            self.woken.set()

    def verdict(self) -> End | None:
        """Why the child must be stopped now, if it must."""
        now = self.clock.monotonic()
        if any(sink.stop for sink in self.sinks):
            return End.STOPPED
        if self.limits.stop_when_large and self.sinks[0].large:
            return End.TOO_LARGE
        if self.limits.wall_s and now - self.began >= self.limits.wall_s:
            return End.DEADLINE
        if self.limits.silence_s and now - self.heard >= self.limits.silence_s:
            return End.SILENT
        return None

    def left_s(self) -> float | None:
        now = self.clock.monotonic()
        ends = [
            start + limit
            for start, limit in (
                (self.began, self.limits.wall_s),
                (self.heard, self.limits.silence_s),
            )
            if limit
        ]
        return max(0.0, min(ends) - now) if ends else None

    async def wait(self, exited: asyncio.Event) -> End:
        """Until the leader has exited or must be stopped; the reason."""
        while not exited.is_set():
            if (verdict := self.verdict()) is not None:
                return verdict
            self.woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.left_s()):
                    await self.woken.wait()
        return End.EXITED


@contextlib.asynccontextmanager
async def _exit_watch(
    pid: int, exited: asyncio.Event, woken: asyncio.Event
) -> AsyncGenerator[None]:
    """Set both events when `pid` exits, without reaping it."""
    loop = asyncio.get_running_loop()

    def gone() -> None:
        exited.set()
        woken.set()

    fd = -1
    with contextlib.suppress(OSError, AttributeError):
        fd = os.pidfd_open(pid)
    if fd >= 0:
        loop.add_reader(fd, gone)
        try:
            yield
        finally:
            loop.remove_reader(fd)
            os.close(fd)
        return

    handle: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal handle
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            gone()
        else:
            handle = loop.call_later(_POLL_S, look)

    look()
    try:
        yield
    finally:
        if handle is not None:
            handle.cancel()


def _signal_group(pgid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


async def _stop(
    pid: int, exited: asyncio.Event, limits: Limits, stop_signal: signal.Signals
) -> None:
    _signal_group(pid, stop_signal)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limits.grace_s):
            await exited.wait()
    if not exited.is_set():
        _signal_group(pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await exited.wait()


def _nothing(_chunk: bytes) -> None:
    return None


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits,
    mark: str = "",
    stdin: Path | None = None,
    merge: bool = False,
    on_out: Callable[[bytes], bool | None] = _nothing,
    stop_signal: signal.Signals = signal.SIGTERM,
    clock: Clock | None = None,
) -> Done:
    """
    Run `argv` to its end under `limits` and sweep what it leaves.

    With `merge`, stderr goes where stdout goes. `on_out` sees every chunk of stdout as it
    comes and may return True to stop the run. `mark`, if given, is put into the environment
    and everything that carries it is killed at the end. Cancelling stops the child first.
    Never raises for what the child does: a child that cannot be started is `UNSPAWNABLE`.
    """
    clock = clock or SystemClock()
    sinks: list[_Sink] = []
    try:
        out = _Sink(limits.out_bytes, keep_tail=not limits.stop_when_large, note=on_out)
        sinks.append(out)
        if not merge:
            sinks.append(_Sink(limits.err_bytes, keep_tail=True, note=_nothing))
        return await _supervise(argv, cwd, env, limits, mark, stdin, sinks, stop_signal, clock)
    finally:
        for sink in sinks:
            sink.close()


async def _supervise(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits,
    mark: str,
    stdin: Path | None,
    sinks: list[_Sink],
    stop_signal: signal.Signals,
    clock: Clock,
) -> Done:
    child_env = {**env, **(mark_variable(mark) if mark else {})}
    life = _Run(limits, clock, sinks)
    try:
        with open(stdin or os.devnull, "rb") as source:  # noqa: ASYNC230 - a local file, opened once
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=child_env,
                stdin=source,
                stdout=sinks[0].write_fd,
                stderr=sinks[-1].write_fd,
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        # ValueError: a NUL or half a surrogate pair, which no argument list can hold.
        why = str(error)
        if isinstance(error, OSError):
            why = f"{error.strerror}: {error.filename or argv[0]}"
        took = clock.monotonic() - life.began
        return Done(
            end=End.UNSPAWNABLE,
            code=None,
            signal=None,
            out=b"",
            err=b"",
            out_total=0,
            took_s=took,
            why=why,
        )
    for sink in sinks:
        sink.close_write()
    loop = asyncio.get_running_loop()
    exited = asyncio.Event()
    for sink in sinks:
        loop.add_reader(sink.read_fd, life.readable, sink)
    end = End.STOPPED
    try:
        async with _exit_watch(child.pid, exited, life.woken):
            try:
                end = await life.wait(exited)
            finally:
                try:
                    if not exited.is_set():
                        await _stop(child.pid, exited, limits, stop_signal)
                finally:
                    # A second cancel ends the grace, never the kill. The leader is a zombie at
                    # most, so its group id cannot have been reused.
                    _signal_group(child.pid, signal.SIGKILL)
    finally:
        for sink in sinks:
            loop.remove_reader(sink.read_fd)
        status = child.wait()
        if mark:
            sweep(mark)
    for sink in sinks:
        limit = sink.total + _DRAIN_BYTES
        while sink.total < limit and sink.open and sink.pump():
            pass
    if end is End.EXITED and limits.stop_when_large and sinks[0].large:
        end = End.TOO_LARGE
    return Done(
        end=end,
        code=status if status >= 0 else None,
        signal=-status if status < 0 else None,
        out=bytes(sinks[0].data),
        err=bytes(sinks[-1].data) if len(sinks) > 1 else b"",
        out_total=sinks[0].total,
        took_s=clock.monotonic() - life.began,
    )
