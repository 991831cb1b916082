"""From a terminal to a session's log: one session, and ten at once; nothing may be missing."""

import itertools
import resource
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import harness
import live
from harness import Row
from live import Crowd, Gate
from looop.sessions.host import rawlog

MB = 1_000_000
ONE_MB, SMOKE_MB = 128, 8
TOGETHER = 10
# What is said before the text, by a program that is ready to write it.
READY = b"r"
_BLOCK = 1 << 16
_READ = 1 << 20
# A line feed would come out as two characters.
_RAW = "stty -opost; printf r"


def _write_text(path: Path, size_mb: int) -> int:
    """Coloured lines, every block of them another; how many bytes."""
    words = harness.words(_BLOCK, 5).splitlines()
    block = "".join(f"\x1b[3{n % 8}m{line}\x1b[m\n" for n, line in enumerate(words)).encode()
    with open(path, "wb") as handle:
        for number in itertools.count():
            if handle.tell() >= size_mb * MB:
                return handle.tell()
            handle.write(b"block %d\n" % number + block)
    raise AssertionError


def _check(directory: Path, text: Path) -> None:
    """Raise if a log is not, byte for byte, what was written to its terminal."""
    at = 0
    with open(text, "rb") as handle:
        expected = READY
        while expected or (expected := handle.read(_READ)):
            begin, data = rawlog.read(str(directory), at, len(expected))
            if begin != at or not data or not expected.startswith(data):
                raise AssertionError(f"{directory.name} differs at {at} from what was written")
            at += len(data)
            expected = expected[len(data) :]
    assert rawlog.size(str(directory)) == at, directory


class _Rate(NamedTuple):
    """MB a second of all together, and the CPU milliseconds of each MB, the writing included."""

    mb_s: float
    cpu_ms: float


class _Runs:
    """One text, written by `count` programs at once: by sessions, and bare."""

    def __init__(self, base: Path, count: int, size_mb: int) -> None:
        self._base = base / f"runs-{count}"
        self._base.mkdir()
        self._count = count
        self._text = self._base / "text"
        self._size = _write_text(self._text, size_mb)
        self._numbers = itertools.count()

    def _rate(self, took_s: float, cpu_s: float) -> _Rate:
        mb = self._count * self._size / MB
        return _Rate(mb / took_s, cpu_s * 1000 / mb)

    def _copies(self, crowd: Crowd, gate: Gate) -> _Rate:
        write = f"{_RAW}; {gate.wait}; cat {shlex.quote(str(self._text))}"
        sessions = crowd.fill(self._count, write)
        used_s = sum(harness.process_cpu_s(session.supervisor) for session in sessions)
        began = time.perf_counter()
        gate.open()
        for session in sessions:
            crowd.fleet.more(session.id, self._size + len(READY) - 1, live.LIMIT_S)
        took_s = time.perf_counter() - began
        cpu_s = sum(harness.process_cpu_s(session.supervisor) for session in sessions) - used_s
        cpu_s += sum(crowd.fleet.live(session.id).cpu_s for session in sessions)
        for session in sessions:
            _check(crowd.root / session.id, self._text)
        return self._rate(took_s, cpu_s)

    def sessions(self) -> _Rate:
        """From the moment when they may write until the last byte is in its log."""
        base = self._base / str(next(self._numbers))
        with live.crowd(base / "sessions") as crowd:
            gate = Gate(base / "go")
            try:
                rate = self._copies(crowd, gate)
            finally:
                gate.open()
        shutil.rmtree(base)
        return rate

    def bare(self) -> _Rate | None:
        """The same with util-linux's `script`, from its start to its end; None without it."""
        if shutil.which("script") is None:
            return None
        say = f"{_RAW}; cat {shlex.quote(str(self._text))}"
        with tempfile.TemporaryDirectory(dir=self._base) as name:
            logs = [Path(name) / str(number) for number in range(self._count)]
            words = [["script", "-q", "-c", say, "--log-out", str(log)] for log in logs]
            used_s = _children_s()
            began = time.perf_counter()
            children = [
                subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                for argv in words
            ]
            codes = [child.wait() for child in children]
            took_s = time.perf_counter() - began
            cpu_s = _children_s() - used_s
            short = [log for log in logs if log.stat().st_size <= self._size]
        assert not any(codes), codes
        assert not short, short
        return self._rate(took_s, cpu_s)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _middle(rates: list[_Rate]) -> _Rate:
    return _Rate(*(harness.median(column) for column in zip(*rates, strict=True)))


def _measured(runs: _Runs, times: int) -> tuple[_Rate, _Rate | None]:
    """The middle of so many runs, ours and the bare ones in turn."""
    pairs = [(runs.sessions(), runs.bare()) for _ in range(times)]
    bare = [rate for _, rate in pairs if rate is not None]
    return _middle([rate for rate, _ in pairs]), _middle(bare) if bare else None


def _met(here: _Rate, bare: _Rate | None, target: float) -> bool | None:
    """None where the system's own terminals are too slow for anyone to reach it."""
    if here.mb_s > target:
        return True
    return None if bare is not None and bare.mb_s <= target else False


def measure(smoke: bool) -> Row:
    """MB a second; reference: as many of `script`, which also passes on what it logs."""
    size_mb, times = (SMOKE_MB, 1) if smoke else (ONE_MB, 5)
    with tempfile.TemporaryDirectory(prefix="looop-bench-") as name:
        base = Path(name)
        one, bare = _measured(_Runs(base, 1, size_mb), times)
        ten, bare_ten = _measured(_Runs(base, TOGETHER, max(1, size_mb // TOGETHER)), times)
    met = {_met(one, bare, 150), _met(ten, bare_ten, 100)}
    return Row(
        figure="PTY -> log, byte for byte",
        target="> 150 MB/s, > 100 for ten",
        here=f"{one.mb_s:.0f} MB/s, ten {ten.mb_s:.0f}; {one.cpu_ms:.2g} ms CPU a MB",
        reference=f"{bare.mb_s:.0f} MB/s, ten {bare_ten.mb_s:.0f}; {bare.cpu_ms:.2g} ms CPU"
        if bare and bare_ten
        else "",
        ratio=one.cpu_ms / bare.cpu_ms if bare else None,
        method="script -q --log-out of the same text; the ratio is of CPU",
        met=False if False in met else None if None in met else True,
    )


if __name__ == "__main__":
    harness.main(measure)
