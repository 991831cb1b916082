"""The embedded worker: runs the shell block of a brief where one can watch it and type to it."""

import contextlib
import io
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Generator, Mapping
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from msgspec import Struct

from looop.errors import LooopError, NotFound
from looop.kit import files, text, tool
from looop.loop.workers.embedded import block
from looop.sessions.stripper import Stripper

__all__ = ["Outcome", "run"]

# Commands are shown on a descriptor of their own: in `{ a; b; } > file` they do not belong in the
# file. Controls in them become blanks, so that each takes one line and none reaches the terminal.
_SHOWN_FD = 19
_SHOW = (
    """trap 'printf "%s$ %%s%s\\n" "${BASH_COMMAND//[[:cntrl:]]/ }" >&"""
    + str(_SHOWN_FD)
    + """' DEBUG; """
)
_BOLD, _NORMAL = "\\033[1m", "\\033[0m"
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Python ignores the first two, and we the third; a program must not inherit that.
_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTOU)
_DRAIN_BYTES = 1 << 20
_DRAIN_S = 0.2
_SUMMARY = 300


class Outcome(Struct, frozen=True, kw_only=True):
    """How the block ended: its exit code (128 and the signal if one ended it), and one line."""

    code: int
    summary: str


class _Heard:
    """Passes output on as it comes, and remembers the last command and the last line."""

    def __init__(self, stdout: BinaryIO) -> None:
        self._stdout = stdout
        self._stripper = Stripper()
        self.command = ""
        self.said = ""

    def take(self, chunk: bytes) -> None:
        # A terminal that has gone does not end the work; a hangup comes as a signal.
        with contextlib.suppress(OSError):
            self._stdout.write(chunk)
            self._stdout.flush()
        self._note(self._stripper.feed(chunk))

    def finish(self) -> None:
        self._note(self._stripper.finish())

    def _note(self, lines: list[str]) -> None:
        for line in lines:
            if line.startswith("$ "):
                self.command = text.one_line(line[2:], 80)
            elif line.strip():
                self.said = text.one_line(line, _SUMMARY)

    def outcome(self, status: int) -> Outcome:
        if status == 0:
            return Outcome(code=0, summary=self.said or "the block ran to its end")
        code = status if status > 0 else 128 - status
        how = f"exit code {code}" if status > 0 else f"ended by {signal.Signals(-status).name}"
        where = f" at `{self.command}`" if self.command else ""
        what = f"; last line: {self.said}" if self.said else ""
        return Outcome(code=code, summary=how + where + what)


def run(prompt_file: Path, env: Mapping[str, str], stdout: BinaryIO | None = None) -> Outcome:
    """
    Run the last `sh` block of the brief with `bash -eu`, and say how it ended.

    It has our stdin, and the terminal to itself, so that `read` waits for what is typed; each
    command is shown before it runs. Its stdout and stderr come through a terminal as wide as ours.
    TERM, HUP and INT are passed on to its process group, and what it leaves running is ended. Call
    it from the main thread. Never raises for what the prompt says.
    """
    out = stdout or sys.stdout.buffer
    try:
        script = block(_prompt(prompt_file))
    except LooopError as error:
        return Outcome(code=1, summary=str(error))
    bash = tool.find("bash", env.get("PATH"))
    if bash is None:
        return Outcome(code=127, summary="bash is not on PATH")
    bold = out.isatty() and not env.get("NO_COLOR")
    show = _SHOW % ((_BOLD, _NORMAL) if bold else ("", ""))
    heard = _Heard(out)
    with _signals() as woken, _terminal() as (master, slave):
        try:
            pid = os.posix_spawn(
                bash,
                # On the line of the first command, so that bash counts lines as the block does.
                ["bash", "-eu", "-c", show + script],
                env,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, slave.fileno(), fd) for fd in (1, 2, _SHOWN_FD)
                ],
                setpgroup=0,
                setsigdef=_DEFAULT,
            )
        except (OSError, ValueError) as error:
            # Too long for an argument, or a NUL in it.
            return Outcome(code=126, summary=f"bash cannot be started: {error}")
        with _foreground(pid):
            try:
                _follow(pid, master, woken, heard)
            finally:
                # Not reaped yet, so that the number of its group is still its own.
                _signal(pid, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        slave.close()
        _drain(master, heard)
    heard.finish()
    return heard.outcome(status)


def _prompt(path: Path) -> str:
    prompt = files.read_text(path)
    if prompt is None:
        raise NotFound(f"there is no prompt at {path}")
    return prompt


def _follow(pid: int, master: int, woken: int, heard: _Heard) -> None:
    """Pass output and signals on until the leader has ended; it is left to be reaped."""
    ended = False
    while not ended:
        ready = select.select([master, woken], [], [])[0]
        if master in ready:
            heard.take(os.read(master, 65536))
        if woken in ready:
            for number in os.read(woken, 64):
                if number != signal.SIGCHLD:
                    _signal(pid, number)
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _drain(master: int, heard: _Heard) -> None:
    """What was written before the end; a process that left the group may hold the other side."""
    left = _DRAIN_BYTES
    with contextlib.suppress(OSError):
        while left > 0 and select.select([master], [], [], _DRAIN_S)[0]:
            chunk = os.read(master, 65536)
            if not chunk:
                return
            heard.take(chunk)
            left -= len(chunk)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _woken(_number: int, _frame: FrameType | None) -> None:
    """Nothing: that the number came is what counts, and the descriptor has it."""


@contextlib.contextmanager
def _signals() -> Generator[int]:
    """A descriptor at which the numbers of the signals arrive that would otherwise end us."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, _woken) for number in (*_PASSED_ON, signal.SIGCHLD)}
    # Nobody here could wake a job that was suspended, and giving the terminal away must not
    # suspend us.
    for number in (signal.SIGTSTP, signal.SIGTTOU):
        before[number] = signal.signal(number, signal.SIG_IGN)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        os.close(reader)
        os.close(writer)


@contextlib.contextmanager
def _terminal() -> Generator[tuple[int, io.FileIO]]:
    """Both ends of a terminal for output: through a pipe, programs hold their lines back."""
    master, fd = os.openpty()
    slave = io.FileIO(fd, "w")
    try:
        tty.setraw(fd)
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetwinsize(fd, termios.tcgetwinsize(0))
        yield master, slave
    finally:
        slave.close()
        os.close(master)


@contextlib.contextmanager
def _foreground(group: int) -> Generator[None]:
    """Let that group read from our terminal, if there is one and it is ours to give."""
    given = False
    with contextlib.suppress(OSError):
        given = os.tcgetpgrp(0) == os.getpgrp()
        if given:
            os.tcsetpgrp(0, group)
    # It may have read too early, and been suspended for it.
    _signal(group, signal.SIGCONT)
    try:
        yield
    finally:
        if given:
            with contextlib.suppress(OSError):
                os.tcsetpgrp(0, os.getpgrp())
