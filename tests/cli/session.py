"""Sessions of a profile through the real program, and programs at a real terminal."""

import contextlib
import os
import re
import select
import signal
import subprocess
import termios
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from tests.support.program import LOOOP, Done, looop

__all__ = ["AtTerminal", "Crew", "at_terminal", "block"]

LIMIT_S = 20.0


def block(script: str) -> str:
    """A brief that the embedded worker carries out."""
    return f"Do this:\n\n```sh\n{script}\n```\n"


class Crew:
    """What tests do with the sessions of one profile: `env` is a caller's, `data` the data dir."""

    def __init__(self, env: Mapping[str, str], data: Path) -> None:
        self.env = dict(env)
        self.data = data

    def __call__(self, *words: str, stdin: str | None = None, **more: str) -> Done:
        return looop(*words, env={**self.env, **more}, stdin=stdin)

    def ok(self, *words: str, stdin: str | None = None) -> Done:
        """As a call, and it must have done what it was asked, without a diagnostic."""
        done = self(*words, stdin=stdin)
        assert (done.code, done.err) == (0, ""), words
        return done

    def program(self, command: str, name: str = "one", *more: str) -> dict[str, Any]:
        """Start any program; what `--json` says of it."""
        return self.ok("start-session", name, "--command", command, "--json", *more).json

    def worker(self, script: str, name: str = "w", *more: str) -> dict[str, Any]:
        """Start the embedded worker on a script."""
        return self.ok("start-session", name, "-", "--json", *more, stdin=block(script)).json

    def row(self, name: str) -> dict[str, Any]:
        """What `ls` says of one session."""
        (found,) = [row for row in self.ok("ls", "--all", "--json").json if row["id"] == name]
        return found

    def place(self, name: str = "w") -> Path:
        """Where a worker stands."""
        return self.data / "work" / name

    def follow(self, *words: str) -> "subprocess.Popen[str]":
        """A verb that goes on, its output to be read as it comes."""
        return subprocess.Popen(
            [LOOOP, *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.env["HOME"],
        )


class AtTerminal:
    """A program at a terminal of its own, which a test reads and types at."""

    def __init__(self, leader: int, process: "subprocess.Popen[bytes]") -> None:
        self.leader = leader
        self.process = process
        self.seen = b""

    def until(self, pattern: bytes) -> None:
        """Read until something has been shown."""
        while not re.search(pattern, self.seen):
            assert self._read(), f"it ended without {pattern!r}: {self.seen!r}"

    def _read(self) -> bool:
        ready, _, _ = select.select([self.leader], [], [], LIMIT_S)
        assert ready, f"nothing came after {self.seen[-200:]!r}"
        try:
            chunk = os.read(self.leader, 65536)
        except OSError:
            return False
        self.seen += chunk
        return bool(chunk)

    def type(self, data: bytes) -> None:
        os.write(self.leader, data)

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(LIMIT_S)

    def hang_up(self) -> int:
        """Close the terminal under it; the exit code."""
        os.close(self.leader)
        self.leader = -1
        return self.process.wait(LIMIT_S)


@contextlib.contextmanager
def at_terminal(
    env: Mapping[str, str], *words: str, columns: int = 80, rows: int = 24
) -> Generator[AtTerminal]:
    """The program at a terminal of this size for the length of the block."""
    leader, follower = os.openpty()
    termios.tcsetwinsize(follower, (rows, columns))
    process = subprocess.Popen(
        [LOOOP, *words],
        env=dict(env),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=env["HOME"],
        preexec_fn=lambda: os.login_tty(follower),  # noqa: PLW1509 - no thread of ours holds a lock
    )
    os.close(follower)
    shown = AtTerminal(leader, process)
    try:
        yield shown
    finally:
        if shown.leader >= 0:
            os.close(shown.leader)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait(LIMIT_S)
