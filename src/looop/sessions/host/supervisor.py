"""The loop of one supervisor: it owns a session's terminal, log and socket, until it is over."""

from __future__ import annotations

import os
import signal
import time

from looop.sessions.host import tree
from looop.sessions.host.brief import sized
from looop.sessions.host.clients import Clients
from looop.sessions.host.ending import GRACE_S, Ending
from looop.sessions.host.generation import Generation, meta
from looop.sessions.host.intake import Intake
from looop.sessions.host.modes import Scanner
from looop.sessions.host.operations import Operations
from looop.sessions.host.poller import READ, WRITE, Poller
from looop.sessions.host.rawlog import RawLog
from looop.sessions.host.records import Journal, Records
from looop.sessions.host.terminal import BATCH_BYTES, Terminal, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from looop.sessions.host.brief import Brief

__all__ = ["Supervisor"]

# Attached clients are not heard while more of their input than this waits for the program.
_THROTTLE_BYTES = 64 << 10
# How many batches of output are kept before anyone else gets a turn: some milliseconds of them.
_TURN = 8
# Answers to a program that asks and never reads are not collected beyond this.
_ANSWERS_BYTES = 64 << 10
# A size that is dragged changes often; its record follows at this pace.
_RECORD_S = 0.2
_RETRY_S = 0.5
# A terminal that nobody holds now may be opened again by a program that still runs.
_HUSHED_S = 1.0
# How long a disk that takes nothing can keep a killed session from being over.
_GIVE_UP_S = 2.0


class Supervisor:
    """
    One session. `lock` is the descriptor whose lock says that it is alive.

    `generation` is the run of its command; `quiet_since` the monotonic time of the last output;
    `over` once the session has ended and only those who are connected are still served.
    """

    def __init__(self, directory: str, brief: Brief, lock: int) -> None:
        self.brief = brief
        self.log = RawLog(directory, brief.segment_bytes, brief.kept_segments)
        self.quiet_since = time.monotonic()
        self.scanner = Scanner(brief.columns, brief.rows)
        self.generation = Generation(brief, Terminal(-1, 0), Ending(0), self.log.end)
        self._directory = directory
        self._lock = lock
        self._records = Records(directory)
        self._journal = Journal(directory)
        self.intake = Intake(self.log, self._journal)
        self._poller = Poller()
        operations = Operations(self)
        self._operations = operations
        self.clients = Clients(
            self._poller, self.log, operations.answer, operations.heard, operations.left
        )
        self._mask = 0
        self._woken = -1
        self._next = ""
        self._listen_at = 0.0
        self._record_at = 0.0
        self._finish_at = 0.0
        self._gone_at = 0.0
        self._asked_at = 0.0
        self.over = False
        self._asked_to_stop = False

    def note(self, event: str, **fields: Any) -> None:
        """Add a line to the session's journal."""
        self._journal.note(event, self.log.end, **fields)

    # -- beginning -----------------------------------------------------------------------------

    def start(self) -> None:
        """Take requests and run the command. Raises `OSError`; its record then says `failed`."""
        self._hear_signals()
        self.clients.listen(self._directory)
        try:
            self._begin()
        except OSError:
            self._close()
            raise

    def _hear_signals(self) -> None:
        heard, wake = os.pipe()
        for fd in (heard, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._on_child)
        signal.signal(signal.SIGTERM, self._on_stop)
        self._woken = heard
        self._poller.watch(heard, READ, self._on_wake)

    def _on_child(self, _number: int, _frame: object) -> None:
        """Nothing here: the byte in the wake-up pipe is the message."""

    def _on_stop(self, _number: int, _frame: object) -> None:
        self._asked_to_stop = True

    def _begin(self) -> None:
        """Begin a generation. Raises `OSError` with what the system said."""
        brief, start = self.brief, self.log.end
        self.scanner = Scanner(brief.columns, brief.rows)
        self.generation = Generation(brief, Terminal(-1, 0), Ending(0), start)
        self._records.publish("meta.json", meta(brief, start))
        try:
            terminal = spawn(brief)
        except OSError as error:
            self._fail(error.strerror or repr(error))
            raise
        self.generation = Generation(brief, terminal, Ending(terminal.pid), start)
        self._gone_at = self._listen_at = self._asked_at = 0.0
        self.quiet_since = time.monotonic()
        size = {"columns": brief.columns, "rows": brief.rows}
        self.note("spawned", pid=terminal.pid, generation=brief.generation, **size)
        try:
            self._publish()
        except OSError as error:
            # Nobody could tell that it runs, so it must not.
            tree.signal_tree(os.getpid(), terminal.pid, signal.SIGKILL)
            os.waitpid(terminal.pid, 0)
            terminal.close()
            self._fail(f"its status cannot be written: {error.strerror}")
            raise
        self._watch()

    def _fail(self, why: str) -> None:
        self.generation.state, self.generation.reason = "failed", why
        self.note("failed", reason=why)
        try:
            self._publish()
        except OSError:
            return

    def _publish(self, *, durable: bool = False) -> None:
        status = self.generation.status(self.log.end, self.intake.stalled)
        self._records.publish("status.json", status, durable=durable)

    # -- the loop ------------------------------------------------------------------------------

    def run(self) -> None:
        """Until the command is over, its output kept, and everyone told."""
        while not self.over or any(self.clients):
            self._poller.serve(self._pause())
            self._tick(time.monotonic())

    def _pause(self) -> float | None:
        """How long nothing can be due; None for ever. Everyone's 0 is a never."""
        dues = [self.clients.due, self._operations.due]
        if not self.over:
            dues += [
                0.0 if self._gone_at else self.generation.ending.due,
                self.intake.retry_at,
                self._listen_at,
                self._record_at,
                self._finish_at,
            ]
        ends = [due for due in dues if due]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _tick(self, now: float) -> None:
        if not self.over:
            self._tick_session(now)
        if self.over:
            self._operations.ended(self.generation.ended(self.log.end))
        self._operations.tick(now)
        self.clients.tick(now)

    def _tick_session(self, now: float) -> None:
        if self._asked_to_stop:
            self._asked_to_stop = False
            self.kill(GRACE_S)
        if self.intake.retry_at and now >= self.intake.retry_at:
            stalled = self.intake.stalled
            self._took(self.intake.retry(now), now, stalled=stalled)
            self.clients.output()
        if self._listen_at and now >= self._listen_at:
            self._listen_at = 0.0
            self._watch()
        if self._record_at and now >= self._record_at:
            self._record(now)
        drained = not self.generation.terminal.open or bool(self._listen_at)
        if self._gone_at or self.generation.ending.gone(now, drained=drained):
            self._gone_at = self._gone_at or now
            self._finish(now)

    def _on_wake(self, _fd: int, _mask: int) -> None:
        """A signal came: collect whoever ended."""
        try:
            while os.read(self._woken, 512):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.generation.ending.leader and self.generation.ending.status is None:
                self.generation.ending.exited(status, time.monotonic())
            self.generation.ending.hurry()

    # -- the terminal --------------------------------------------------------------------------

    def _on_terminal(self, _fd: int, mask: int) -> None:
        if mask & WRITE:
            self.generation.terminal.feed()
        if mask & READ and not self.intake.stalled:
            for _ in range(_TURN):
                if self._read() < BATCH_BYTES:
                    break
            self.clients.output()
        self._watch()

    def _read(self) -> int:
        """Keep a batch of what the terminal has: its size, 0 if there is no more to be had now."""
        data, hushed = self.generation.terminal.read()
        now = time.monotonic()
        if data:
            self._took(self.intake.take(data, now), now, stalled="")
        if hushed:
            self._listen_at = now + _HUSHED_S
            self.generation.ending.hurry()
        return 0 if hushed or self.intake.stalled else len(data)

    def _took(self, data: bytes, now: float, *, stalled: str) -> None:
        """What is done with output once it is in the log; b"" if it is not."""
        if self.intake.stalled != stalled:
            self._record(now)
            self._watch()
        if not data:
            return
        self.quiet_since = now
        answers = self.scanner.feed(data)
        # Whoever is attached has a terminal, which answers; two answers would be typed input.
        if answers and not self.clients.attached(interactive=True):
            self.generation.terminal.queue(b"".join(answers), _ANSWERS_BYTES)
            self._watch()

    def _watch(self) -> None:
        """Wait for what is of interest of the terminal now."""
        mask = 0
        if self.generation.terminal.open:
            if not self.intake.stalled and not self._listen_at:
                mask |= READ
            if self.generation.terminal.waiting and not self._listen_at:
                mask |= WRITE
        self.clients.throttle(self.generation.terminal.waiting > _THROTTLE_BYTES)
        if mask == self._mask:
            return
        self._poller.watch(self.generation.terminal.fd, mask, self._on_terminal)
        self._mask = mask

    def _hang_up(self) -> None:
        self._poller.forget(self.generation.terminal.fd)
        self._mask = 0
        self.generation.terminal.close()

    def type(self, data: bytes) -> bool:
        """Hand input to the program; False when too much waits for it already."""
        taken = self.generation.terminal.queue(data)
        if taken:
            self.generation.terminal.feed()
            self._watch()
        return taken

    def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's size, to the nearest one that there is."""
        columns, rows = sized(columns, rows)
        if (columns, rows) == (self.brief.columns, self.brief.rows):
            return
        self.scanner.columns, self.scanner.rows = columns, rows
        self.brief.columns, self.brief.rows = columns, rows
        self.generation.terminal.resize(columns, rows)
        self.note("resized", columns=columns, rows=rows)
        self._record_at = self._record_at or time.monotonic() + _RECORD_S

    def _record(self, now: float) -> None:
        """Publish the status, or try again soon."""
        self._record_at = 0.0
        try:
            self._publish()
        except OSError:
            self._record_at = now + _RETRY_S

    # -- the end -------------------------------------------------------------------------------

    def kill(self, grace_s: float) -> bool:
        """
        End the command and all that it started; False when it had ended by itself before.

        A restart that is under way is given up.
        """
        now = time.monotonic()
        self._asked_at = self._asked_at or now
        ending = self.generation.ending
        if self.over or (ending.status is not None and not ending.killed):
            return False
        self.note("kill", grace_s=grace_s)
        if self._next:
            self._next = ""
            self._operations.restarted("the session was killed")
        ending.kill(grace_s, now)
        return True

    def restart(self, grace_s: float, generation: str) -> None:
        """End the command as `kill` does, and then run it again as `generation`."""
        self.note("restart", grace_s=grace_s, generation=generation)
        self._next = generation
        self._asked_at = time.monotonic()
        self.generation.ending.kill(grace_s, self._asked_at)

    def _finish(self, now: float) -> None:
        """Nothing is left of the command: keep its last words, and be over."""
        if now < self._finish_at:
            return
        generation = self.generation
        while generation.terminal.open and not self.intake.stalled and self._read():
            pass
        if self.intake.stalled:
            # Output is never given up by itself, only for whoever asked for the end.
            if not self._asked_at or now < max(self._asked_at, self._gone_at) + _GIVE_UP_S:
                return
            lost = f"at least {self.intake.unwritten} bytes of output were lost"
            generation.reason = "" if self._next else f"{lost}: {self.intake.stalled}"
        if generation.state == "running":
            self._hang_up()
            generation.state = "killed" if generation.ending.killed else "exited"
            code, number = generation.code
            self.note("ended", state=generation.state, code=code, signal=number)
        if self._next:
            self._again()
        else:
            self._end(now)

    def _end(self, now: float) -> None:
        self.log.sync()
        try:
            self._publish(durable=True)
        except OSError:
            if now < self._gone_at + _GIVE_UP_S:
                self._finish_at = now + _RETRY_S
                return
        self._close()
        self._tell()

    def _tell(self) -> None:
        ended = self.generation.ended(self.log.end)
        self._operations.ended(ended)
        self.clients.ended(ended)

    def _again(self) -> None:
        """The next generation, of the same command."""
        self._operations.ended(self.generation.ended(self.log.end))
        self.brief.generation, self._next = self._next, ""
        try:
            self._begin()
        except OSError as error:
            why = error.strerror or repr(error)
            self._close()
            self._operations.restarted(f"it cannot run again: {why}")
            self._tell()
        else:
            self._operations.restarted()

    def _close(self) -> None:
        """Be over for everyone but those who are still connected."""
        self.over = True
        self.clients.close()
        self.log.close()
        self._records.close()
        self._journal.close()
        # Only now may another be started here, and only then may anyone hear of the end.
        os.close(self._lock)
