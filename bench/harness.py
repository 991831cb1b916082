"""What every benchmark shares: a row of the table, a throw-away profile, clocks and counters."""

import contextlib
import gc
import json
import os
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from unittest import mock

from msgspec import Struct

from looop import config as configs
from looop import paths as places
from looop.kit.clock import Clock
from looop.loop.parts import Listener, Parts
from looop.sessions.local import LocalFleet
from looop.state.store import Store

__all__ = [
    "BIN",
    "Row",
    "child_cpu_ms",
    "clean_env",
    "cpu_ms",
    "fsyncs",
    "header",
    "interleaved",
    "lines",
    "main",
    "median",
    "open_profile",
    "process_cpu_s",
    "profile",
    "published",
    "sensor_script",
    "smoke_run",
    "spread",
    "wall_ms",
    "words",
    "write_sensors",
]

BIN = Path(sys.executable).parent
_WIDTHS = (22, 12, 21, 14, 5, 16)
_HEADINGS = ("figure", "target", "here", "reference", "ratio", "method")
_WORDS = (
    *("release", "branch", "review", "green", "failing", "flaky", "retry", "merge", "deploy"),
    *("queue", "latency", "budget", "ticket", "customer", "reply", "draft", "backlog", "weekly"),
)


class Row(Struct, frozen=True, kw_only=True):
    """
    One line of the table. `ratio` is here over reference, so that less is better everywhere;
    `met` says whether the target holds, None where there is none.
    """

    figure: str
    target: str
    here: str
    reference: str
    ratio: float | None
    method: str
    met: bool | None


# -- one run ---------------------------------------------------------------------------------


def smoke_run() -> bool:
    """Whether one quick run of everything is enough."""
    return os.environ.get("BENCH_SMOKE", "") not in ("", "0")


def main(measure: Callable[[bool], Row]) -> None:
    """Measure one figure and print its row; with `--json`, for a program."""
    row = measure(smoke_run())
    if "--json" in sys.argv[1:]:
        print(json.dumps({name: getattr(row, name) for name in row.__struct_fields__}))
        return
    print("\n".join(header() + lines(row)))


def _laid(cells: Sequence[str]) -> list[str]:
    columns = [textwrap.wrap(c, w) or [""] for c, w in zip(cells, _WIDTHS, strict=True)]
    height = max(len(column) for column in columns)
    return [
        "  ".join(
            (column[at] if at < len(column) else "").ljust(width)
            for column, width in zip(columns, _WIDTHS, strict=True)
        ).rstrip()
        for at in range(height)
    ]


def header() -> list[str]:
    """The head of the table, at most 100 columns wide."""
    return [*_laid(_HEADINGS), "  ".join("-" * width for width in _WIDTHS)]


def lines(row: Row) -> list[str]:
    """One row of the table, wrapped within its columns, below an empty line."""
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
    target = f"{row.target} MISSED" if row.met is False else row.target
    return ["", *_laid((row.figure, target, row.here, row.reference, ratio, row.method))]


# -- measuring -------------------------------------------------------------------------------


def median(numbers: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(numbers)


def spread(numbers: Sequence[float]) -> str:
    """The middle value and how far the extremes lie: `8.1 (7.9..12)`."""
    return f"{median(numbers):.3g} ({min(numbers):.3g}..{max(numbers):.3g})"


def wall_ms(work: Callable[[], object]) -> float:
    """Wall milliseconds of one call."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of this process in one call."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def interleaved(times: int, *measures: Callable[[], float]) -> list[list[float]]:
    """
    Take several measures in turn, so that a noisy moment hits all of them; one list for each.

    The first round warms up and does not count. Garbage is collected before each measure.
    """
    found: list[list[float]] = [[] for _ in measures]
    for number in range(times + 1):
        for measure, taken in zip(measures, found, strict=True):
            gc.collect()
            value = measure()
            if number:
                taken.append(value)
    return found


def child_cpu_ms(argv: Sequence[str], env: Mapping[str, str]) -> float:
    """CPU milliseconds of one child process, from its start to its end; its output is dropped."""
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    pid = os.posix_spawn(argv[0], list(argv), dict(env), file_actions=null)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"{argv} ended with {os.waitstatus_to_exitcode(status)}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def process_cpu_s(pid: int) -> float:
    """CPU seconds of all threads of a living process; the kernel counts them in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks.iterdir()) / 1e9


def fsyncs(work: Callable[[], object]) -> int:
    """How often one call syncs something to the disk."""
    with mock.patch("os.fsync", wraps=os.fsync) as counted:
        work()
    return counted.call_count


def published(directory: Path, fsyncs: int) -> None:
    """Publish small files durably by hand: each is one fsync of the file and one of its place."""
    where = os.open(directory, os.O_RDONLY)
    for number in range(fsyncs // 2):
        with open(directory / "new", "wb") as handle:
            handle.write(b"x" * 1000)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(directory / "new", directory / str(number % 4))
        os.fsync(where)
    os.close(where)


# -- profiles --------------------------------------------------------------------------------


def clean_env(data: Path) -> dict[str, str]:
    """This environment without what changes Python or looop, with the profile at `data`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LOOOP_", "PYTHON"))}
    return kept | {"LOOOP_DATA_DIR": str(data), "NO_COLOR": "1"}


def words(size: int, seed: int) -> str:
    """About `size` bytes of plain text that differs for every `seed`."""
    out = [f"goal: number {seed} holds\n"]
    left = size - len(out[0])
    at = seed
    while left > 0:
        out.append(_WORDS[at % len(_WORDS)] + ("\n" if at % 11 == 0 else " "))
        left -= len(out[-1])
        at += 1 + seed % 7
    return "".join(out)


def sensor_script(number: int, interval: str = "1h", command: str = "") -> str:
    """A real sensor of a few lines."""
    return (
        f"#!/bin/sh\n# looop: interval={interval} trust=own\n{command}\n"
        f'printf \'{{"signal": {{"n": {number}, "level": "fine"}}, "detail": {{"at": 1}}}}\\n\'\n'
    )


def write_sensors(data: Path, count: int, interval: str = "1h", command: str = "") -> None:
    """`count` executable sensors."""
    (data / "sensors").mkdir(exist_ok=True)
    for number in range(count):
        path = data / "sensors" / f"s{number:03d}.sh"
        path.write_text(sensor_script(number, interval, command), encoding="utf-8")
        path.chmod(0o700)


@contextlib.contextmanager
def profile(
    *, goals: int = 0, goal_bytes: int = 600, events: int = 0, config: str = ""
) -> Generator[Path]:
    """A profile in a directory of its own that goes away: PLAYBOOK, goals, settings, events."""
    with tempfile.TemporaryDirectory(prefix="looop-bench-") as name:
        data = Path(name) / "data"
        (data / "goals").mkdir(parents=True)
        (data / "PLAYBOOK.md").write_text("# PLAYBOOK\n\n" + words(2000, 1), encoding="utf-8")
        (data / "config.toml").write_text(config, encoding="utf-8")
        for number in range(goals):
            path = data / "goals" / f"goal-{number:04d}.md"
            path.write_text(words(goal_bytes, number), encoding="utf-8")
        rows = (
            f'{{"seq":{seq},"ts":"2026-01-01T00:00:00.000Z","event":"sensed","ok":54,"failed":[],'
            '"ran":0,"took_s":0.012}\n'
            for seq in range(1, events + 1)
        )
        (data / "events.jsonl").write_text("".join(rows), encoding="utf-8")
        yield data


def open_profile(data: Path, clock: Clock | None = None, listener: Listener | None = None) -> Parts:
    """The profile opened for beating, as the program itself opens it."""
    env = clean_env(data)
    place = places.resolve(env)
    config = configs.load(place.config, env)
    store = Store(place, config)
    store.ensure()
    fleet = LocalFleet(place.sessions, version="bench")
    if listener is None:
        return Parts(store, config, env, fleet, clock=clock)
    return Parts(store, config, env, fleet, clock=clock, listener=listener)
