"""The installed `looop` command as a real process: run to its end, or watched while it runs."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

__all__ = ["LOOOP", "Done", "Running", "home_env", "looop", "running", "wait_for"]

LOOOP = Path(sys.executable).with_name("looop")
LIMIT_S = 20.0


class Done(Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def home_env(home: Path, **more: str) -> dict[str, str]:
    """The whole environment of a command: an empty home, and no setting of whoever tests."""
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{LOOOP.parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "SIDE": str(home),
        **more,
    }


def looop(
    *words: str, env: Mapping[str, str], stdin: str | bytes | None = None, cwd: Path | None = None
) -> Done:
    """Run one verb to its end; stdin is empty unless given."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [LOOOP, *words],
        env=dict(env),
        input=data if data is not None else b"",
        capture_output=True,
        cwd=cwd or env["HOME"],
        timeout=LIMIT_S,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


class Running:
    """A `looop --json` in the foreground, and the events that it has shown."""

    def __init__(self, env: Mapping[str, str], *words: str) -> None:
        self.process = subprocess.Popen(
            [LOOOP, *words],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=env["HOME"],
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self._out = self.process.stdout
        self._rest = b""
        self.lines: list[str] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self, limit_s: float) -> bool:
        """Read what there is; False at the end of the stream."""
        ready, _, _ = select.select([self._out], [], [], limit_s)
        assert ready, f"nothing came in {limit_s:g} s after {self.lines[-3:]}"
        chunk = os.read(self._out.fileno(), 65536)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.lines += [line.decode() for line in lines]
        return bool(chunk)

    def until(self, event: str, **fields: Any) -> dict[str, Any]:
        """The next event of that name, with these fields, that has not been waited for."""

        def fits(row: dict[str, Any]) -> bool:
            return row["event"] == event and all(row.get(k) == v for k, v in fields.items())

        seen = 0
        while True:
            for index in range(seen, len(self.lines)):
                row = json.loads(self.lines[index])
                if fits(row):
                    del self.lines[: index + 1]
                    return row
            seen = len(self.lines)
            if not self._read(LIMIT_S):
                raise AssertionError(f"it ended without {event}: {self.stderr()}")

    def stderr(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and wait; the exit code, and how long it took."""
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=LIMIT_S)
        self.lines += (self._rest + out).decode().splitlines()
        return self.process.returncode, time.monotonic() - began


@contextlib.contextmanager
def running(env: Mapping[str, str], *words: str, text: bool = False) -> Generator[Running]:
    """A pulse for the length of the block; it is ended like any terminal would end it."""
    pulse = Running(env, *words, *([] if text else ["--json"]))
    try:
        yield pulse
    finally:
        if pulse.process.poll() is None:
            pulse.end(signal.SIGTERM)
        for stream in (pulse.process.stdout, pulse.process.stderr):
            if stream is not None:
                stream.close()


def wait_for(found: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Until something is so; the wait between two looks is one scheduler's turn."""
    end = time.monotonic() + limit_s
    while not found():
        assert time.monotonic() < end, "it never came"
        select.select([], [], [], 0.01)
