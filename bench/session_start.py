"""To start a session: until the first byte of its program is in the log."""

import contextlib
import itertools
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path

import harness
import live
from harness import Row
from live import Crowd
from looop import paths as places

_SAY = "printf ready"


def _until_ms(start: Callable[[], object], log: Path) -> float:
    """From the start of something to the first byte that it writes."""
    began = time.perf_counter()
    start()
    live.written(log)
    return (time.perf_counter() - began) * 1000


def _fleet_ms(crowd: Crowd, numbers: Iterator[int]) -> float:
    """By a call of a library that is loaded."""
    name = f"f{next(numbers):03d}"
    return _until_ms(partial(crowd.start, name, _SAY), live.log(crowd.root, name))


def _verb_ms(crowd: Crowd, env: dict[str, str], numbers: Iterator[int]) -> float:
    """By a process of `looop start-session`, whose own start and end count."""
    name = f"v{next(numbers):03d}"
    words = [harness.BIN / "looop", "start-session", name, "--command"]
    words.append(f"{_SAY}; {crowd.end.wait}")
    run = partial(subprocess.run, words, env=env, check=True, stdout=subprocess.DEVNULL)
    return _until_ms(run, live.log(crowd.root, name))


def _python_ms() -> float:
    """A process that does no more than to import what every verb needs."""
    words = [harness.BIN / "python", "-c", "import msgspec, argparse"]
    return harness.wall_ms(partial(subprocess.run, words, check=True))


@contextlib.contextmanager
def _tmux(base: Path) -> Generator[Callable[[], float]]:
    """The same by a tmux whose server runs already; 0 without tmux."""
    if shutil.which("tmux") is None:
        yield lambda: 0.0
        return
    tmux = ["tmux", "-S", str(base / "tmux.sock"), "-f", "/dev/null"]
    numbers = itertools.count()

    def start_ms() -> float:
        log = base / f"tmux-{next(numbers)}"
        say = f"{_SAY} > {shlex.quote(str(log))}; exec sleep 1000"
        new = [*tmux, "new-session", "-d", "-x", "120", "-y", "40", say]
        return _until_ms(partial(subprocess.run, new, check=True, stdin=subprocess.DEVNULL), log)

    try:
        start_ms()
        yield start_ms
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)


@contextlib.contextmanager
def _profile(*, zygote: bool) -> Generator[tuple[Crowd, dict[str, str]]]:
    """A profile with sessions, and with the zygote that a running pulse has."""
    with harness.profile() as data:
        harness.open_profile(data)
        env = harness.clean_env(data)
        place = places.resolve(env)
        with live.crowd(place.sessions, zygote=place.zygote if zygote else None) as crowd:
            yield crowd, env


def measure(smoke: bool) -> Row:
    """Wall milliseconds, by hand and while a pulse runs; reference: tmux, and a bare Python."""
    with (
        _profile(zygote=False) as (alone, alone_env),
        _profile(zygote=True) as (many, many_env),
        harness.profile() as base,
        _tmux(base) as tmux_ms,
    ):
        numbers = itertools.count()
        verb, verb_zygote, call, call_zygote, tmux, python = (
            harness.median(times)
            for times in harness.interleaved(
                2 if smoke else 20,
                partial(_verb_ms, alone, alone_env, numbers),
                partial(_verb_ms, many, many_env, numbers),
                partial(_fleet_ms, alone, numbers),
                partial(_fleet_ms, many, numbers),
                tmux_ms,
                _python_ms,
            )
        )
    return Row(
        figure="start of a session: to the first byte in its log",
        target="< 150 ms",
        here=f"verb {verb:.0f} ms, {verb_zygote:.0f} with a pulse; "
        f"call {call:.0f} ms, {call_zygote:.0f}",
        reference=(f"tmux {tmux:.0f} ms; " if tmux else "") + f"{python:.0f} ms Python",
        ratio=verb / python,
        method="tmux new-session; python -c, import msgspec and argparse",
        met=max(verb, verb_zygote) < 150,
    )


if __name__ == "__main__":
    harness.main(measure)
