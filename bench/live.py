"""Real sessions for the benchmarks: started, told to go on, and all of them ended on the way out."""

import contextlib
import os
import select
import shlex
import time
from collections.abc import Generator, Mapping
from pathlib import Path

from looop import __version__
from looop.sessions import spawn
from looop.sessions.local import LocalFleet
from looop.sessions.records import Session, Spec

__all__ = [
    "LIMIT_S",
    "Crowd",
    "Gate",
    "crowd",
    "gone",
    "log",
    "memory_kib",
    "written",
]

# Nothing here takes longer, however busy the machine is.
LIMIT_S = 60.0
_LOOK_S = 0.0005


class Gate:
    """
    A door that programs wait at until it is opened.

    In words for a shell, `wait` waits there, and `shut` tells whether one would have to.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self._path = path
        # For both ends: whoever comes can open it, and reads its end when this process is gone.
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.shut = f"[ -p {shlex.quote(str(path))} ]"
        # Silent, for who comes when there is no door any more.
        self.wait = f"{{ read -r _ < {shlex.quote(str(path))}; }} 2>/dev/null"

    def open(self) -> None:
        """Let everyone go on, also those who have not come yet."""
        if self._fd >= 0:
            self._path.unlink()
            os.close(self._fd)
            self._fd = -1


class Crowd:
    """Sessions below `root`, all of which end by themselves once `end` is open."""

    def __init__(self, root: Path, end: Gate, zygote: Path | None) -> None:
        self.root = root
        self.end = end
        self.fleet = LocalFleet(root, version=__version__, zygote=zygote)

    def start(self, name: str, script: str) -> Session:
        """Start a session that runs `script` in a shell and then waits for the end."""
        env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
        argv = ("sh", "-c", f"{script}\n{self.end.wait}")
        return self.fleet.start(Spec(id=name, argv=argv, cwd="/", env=env))

    def fill(self, count: int, script: str) -> list[Session]:
        """Start `count` sessions, `s000` and on, and wait until each has written something."""
        sessions = [self.start(f"s{number:03d}", script) for number in range(count)]
        for session in sessions:
            self.fleet.more(session.id, 0, LIMIT_S)
        return sessions


@contextlib.contextmanager
def crowd(root: Path, *, zygote: Path | None = None) -> Generator[Crowd]:
    """
    Sessions below `root` while the block runs, forked from a zygote in the directory `zygote` if
    that is given. Afterwards none of their processes is left.
    """
    root.mkdir(parents=True, exist_ok=True)
    end = Gate(root.with_name(f"{root.name}.end"))
    made = Crowd(root, end, zygote)
    try:
        if zygote is not None:
            spawn.start_zygote(zygote, version=__version__)
        yield made
    finally:
        end.open()
        if zygote is not None:
            spawn.stop_zygote(zygote)
        for session in made.fleet.list()[0]:
            if session.alive:
                made.fleet.wait(session.id, LIMIT_S)
            gone(session.supervisor)


def gone(pid: int) -> None:
    """Wait until a process has ended."""
    with contextlib.suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            select.select([fd], [], [], LIMIT_S)
        finally:
            os.close(fd)


def written(path: Path) -> None:
    """Wait until a file has a byte. It is looked at twice a millisecond, which costs little."""
    ends = time.monotonic() + LIMIT_S
    while time.monotonic() < ends:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size:
                return
        time.sleep(_LOOK_S)
    raise TimeoutError(f"nothing was written to {path}")


def log(root: Path, session: str) -> Path:
    """The first segment of a session's log, be it there or not."""
    return root / session / "output.0000000000000000.log"


def memory_kib(pid: int) -> Mapping[str, int]:
    """The kernel's sums of a process's memory in KiB: `Pss`, `Rss`, `Private_Dirty` ..."""
    rolled = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    rows = (line.split() for line in rolled.splitlines()[1:])
    return {row[0].rstrip(":"): int(row[1]) for row in rows}
