"""What the supervisors of sessions hold in memory: one started by itself, fifty from a zygote."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import harness
import live
from harness import Row
from looop.sessions.records import Session

MANY, SMOKE_MANY = 50, 5
# Every session has said that much before anything is measured, and was asked how it is.
_SAID_KB = 512
_SCRIPT = f"head -c {_SAID_KB * 1000} /dev/zero | tr '\\0' 'x' | fold -w 100; echo; echo the end"


def _parent(pid: int) -> int:
    """The parent of a process: of a supervisor that was forked from a zygote, the zygote."""
    status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return int(status.rpartition(")")[2].split()[1])


def _mb(pids: list[int]) -> float:
    """MB of proportional set size: pages that several processes share are split among them."""
    return sum(live.memory_kib(pid)["Pss"] for pid in pids) * 1024 / 1e6


def _crowd_mb(base: Path, count: int, *, zygote: bool) -> float:
    """MB of so many supervisors, and of the zygote if they come from one; not of their programs."""
    with live.crowd(base / "sessions", zygote=base / "zygote" if zygote else None) as crowd:
        sessions: list[Session] = crowd.fill(count, _SCRIPT)
        for session in sessions:
            crowd.fleet.expect(
                session.id, "^the end", since=0, timeout_s=live.LIMIT_S, screen=False
            )
            crowd.fleet.live(session.id)
        pids = [session.supervisor for session in sessions]
        parents = {_parent(pid) for pid in pids} if zygote else set[int]()
        assert len(parents) == zygote, parents
        return _mb([*pids, *parents])


def _tmux_mb(base: Path, count: int) -> float | None:
    """MB of a tmux server with as many sessions that said the same; None without tmux."""
    if shutil.which("tmux") is None:
        return None
    tmux = ["tmux", "-S", str(base / f"tmux-{count}.sock"), "-f", "/dev/null"]
    try:
        for _ in range(count):
            done = base / "done"
            say = f"{_SCRIPT}; echo > {done}; exec sleep 1000"
            new = ["new-session", "-d", "-x", "120", "-y", "40", say]
            subprocess.run([*tmux, *new], check=True, stdin=subprocess.DEVNULL)
            live.written(done)
            done.unlink()
        show = [*tmux, "display-message", "-p", "#{pid}"]
        pid = int(subprocess.run(show, check=True, capture_output=True).stdout)
        return _mb([pid])
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)


def measure(smoke: bool) -> Row:
    """MB of proportional set size; reference: one tmux server, which is the screens of all."""
    count = SMOKE_MANY if smoke else MANY
    with tempfile.TemporaryDirectory(prefix="looop-bench-") as name:
        base = Path(name)
        alone = _crowd_mb(base / "alone", 1, zygote=False)
        many = _crowd_mb(base / "many", count, zygote=True)
        tmux_alone, tmux_many = _tmux_mb(base, 1), _tmux_mb(base, count)
    known = tmux_alone is not None and tmux_many is not None
    return Row(
        figure=f"memory of supervisors: one, and {count} with their zygote",
        target="< 5 MB, < 60 MB for 50",
        here=f"{alone:.1f} MB, {count}: {many:.1f} MB PSS",
        reference=f"{tmux_alone:.1f} MB, {count}: {tmux_many:.1f} MB" if known else "",
        ratio=many / tmux_many if tmux_many else None,
        method=f"a tmux server with {count} sessions",
        met=alone < 5 and many < 60,
    )


if __name__ == "__main__":
    harness.main(measure)
