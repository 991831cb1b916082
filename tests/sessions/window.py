"""The window in which a person sees a program: a terminal with a screen, as in real life."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from looop.sessions.emulator import Emulator
from looop.sessions.screen import Screen, plain

__all__ = ["Window", "window"]

HUMAN = Path(__file__).with_name("human.py")
LIMIT_S = 20.0


class Window:
    """A terminal of `columns` x `rows` with `human.py` in it; `raw` is all that was shown."""

    def __init__(self, *words: str, columns: int, rows: int) -> None:
        self._master, self._slave = os.openpty()
        self._size(columns, rows)
        self.emulator = Emulator(columns, rows)
        self.raw = b""
        self.before = self.settings()
        self.process = subprocess.Popen(
            [sys.executable, str(HUMAN), *words],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def settings(self) -> list[Any]:
        """How the terminal is set now."""
        return termios.tcgetattr(self._slave)

    @property
    def screen(self) -> Screen:
        return self.emulator.screen()

    @property
    def text(self) -> str:
        return plain(self.screen)

    def resize(self, columns: int, rows: int) -> None:
        """What a person does with a mouse."""
        self.emulator.resize(columns, rows)
        self._size(columns, rows)

    def type(self, data: bytes) -> None:
        os.write(self._master, data)

    def read(self, limit_s: float) -> bool:
        """Show what comes within that time; whether anything did."""
        if not select.select([self._master], [], [], limit_s)[0]:
            return False
        data = os.read(self._master, 65536)
        self.raw += data
        self.emulator.feed(data)
        return True

    def until(self, found: Callable[[], object], what: str = "") -> None:
        """Read until something is so."""
        end = time.monotonic() + LIMIT_S
        while not found():
            assert time.monotonic() < end, f"{what or 'it'} never came:\n{self.text}"
            self.read(0.02)

    def shows(self, text: str) -> None:
        self.until(lambda: text in self.text, text)

    def left(self) -> tuple[str, int]:
        """Read to the program's end: what it said, and its exit code."""
        self.until(lambda: self.process.poll() is not None, "the end")
        while self.read(0):
            pass
        _, found, said = self.raw.rpartition(b"left: ")
        return said.decode().split()[0] if found else "", self.process.returncode

    def hang_up(self) -> None:
        """Close the window, program or no program."""
        for fd in (self._master, self._slave):
            os.close(fd)
        self._master = self._slave = -1

    def close(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self._master >= 0:
            self.hang_up()


@contextlib.contextmanager
def window(
    root: Path, session: str, how: str = "attach", *, columns: int = 80, rows: int = 24
) -> Generator[Window]:
    """A window in which someone joins a session, for the length of a block."""
    opened = Window(str(root), session, how, columns=columns, rows=rows)
    try:
        yield opened
    finally:
        opened.close()
