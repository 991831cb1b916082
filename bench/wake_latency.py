"""From news to the runner: a worker ends, or an ask is answered, and a real pulse decides."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import harness
import live
from harness import Row
from live import Gate
from looop import app
from looop.control.protocol import Control
from looop.model.records import Ask
from looop.state.store import Store

NEWS, SMOKE_NEWS = 50, 3
# So many workers live, and so many asks wait, at once.
_TOGETHER = 10
# A pulse that has been still for that long rests.
_STILL_S = 0.3
# From an answer to the runner, as counted by `strace -e fsync`.
_FSYNCS = 6
_CONFIG = """\
runner = "stamp"
git = false
max_workers = 0
max_decides_per_hour = 0
flap_streak = 0
[runners.stamp]
tick = '''echo "$EPOCHREALTIME" >> {stamps}
echo '{{"action": "noop", "reason": "nothing", "journal": "looked"}}' '''
"""


class _Pulse:
    """`looop` in the foreground, and the events that it tells of."""

    def __init__(self, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [harness.BIN / "looop", "--json"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout.fileno()
        self._rest = b""
        self._last = ""

    def _heard(self, within_s: float) -> bool:
        """Take in what it tells within that time; False if that is nothing."""
        if not select.select([self._out], [], [], within_s)[0]:
            return False
        data = os.read(self._out, 1 << 16)
        if not data:
            raise RuntimeError(f"the pulse ended with {self._process.wait()}")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event: dict[str, Any] = json.loads(line)
            self._last = str(event["event"])
        return True

    def settle(self) -> None:
        """Wait until a beat has ended and no other follows it."""
        ends = time.monotonic() + live.LIMIT_S
        while self._heard(_STILL_S) or self._last != "beat_ended":
            if time.monotonic() > ends:
                raise TimeoutError(f"the pulse does not rest; it last said {self._last!r}")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        # What it still says must not hold it up.
        self._process.communicate(timeout=live.LIMIT_S)


@contextlib.contextmanager
def _pulse(env: dict[str, str]) -> Generator[_Pulse]:
    pulse = _Pulse(env)
    try:
        yield pulse
    finally:
        pulse.stop()


class _Stamps:
    """The moments at which the runner was started, as it wrote them down itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def after(self, at: float) -> float:
        """The first one after that moment, which is waited for."""
        ends = time.monotonic() + live.LIMIT_S
        while time.monotonic() < ends:
            for line in self._path.read_text(encoding="ascii").split():
                if float(line) >= at:
                    return float(line)
            time.sleep(0.005)
        raise TimeoutError("no runner was started")


class _World:
    """
    A profile with a pulse, in which news can be made.

    `bare` holds what the reference took after each piece of news, so that a noisy moment hits both.
    """

    def __init__(self, data: Path, pulse: _Pulse, control: Control, stamps: _Stamps) -> None:
        self._data = data
        self._pulse = pulse
        self._control = control
        self._stamps = stamps
        self._hand = data.parent / "hand"
        self._hand.mkdir()
        self.bare: list[float] = []

    def _took_ms(self, at: float) -> float:
        """From that moment to the start of the runner."""
        took_ms = (self._stamps.after(at) - at) * 1000
        self._pulse.settle()
        self.bare.append(_bare_ms(self._hand))
        return took_ms

    def ends(self, count: int) -> list[float]:
        """Milliseconds from the last thing that a worker does to the start of the runner."""
        found: list[float] = []
        while len(found) < count:
            gates = self._workers(len(found), min(_TOGETHER, count - len(found)))
            self._pulse.settle()
            for gate, ended in gates:
                gate.open()
                live.written(ended)
                found.append(self._took_ms(float(ended.read_text(encoding="ascii"))))
        return found

    def _workers(self, first: int, count: int) -> list[tuple[Gate, Path]]:
        """Workers that wait, each at a gate of its own, and where they write when they went on."""
        made: list[tuple[Gate, Path]] = []
        for number in range(first, first + count):
            gate = Gate(self._data.parent / f"gate-{number}")
            ended = self._data.parent / f"ended-{number}"
            # Moved into its place, so that it is whole when it is seen.
            stamp = f'echo "$EPOCHREALTIME" > {ended}.new; mv {ended}.new {ended}'
            self._control.crew.start(
                f"w{number:03d}",
                "wait, then end",
                runner="",
                command=f": {{{{prompt_file}}}}; {gate.wait}; {stamp}",
                verify="",
                goal="",
                workspace="",
            )
            made.append((gate, ended))
        return made

    def answers(self, store: Store, count: int) -> list[float]:
        """Milliseconds from the giving of an answer to the start of the runner."""
        found: list[float] = []
        while len(found) < count:
            asks = [
                store.asks.add(
                    Ask(id="", asker="bench", kind="question", prompt="which?", created=time.time())
                )
                for _ in range(min(_TOGETHER, count - len(found)))
            ]
            store.ring()
            self._pulse.settle()
            for ask in asks:
                at = time.time()
                self._control.answer(ask.id, "this one", by="bench", channel="cli")
                found.append(self._took_ms(at))
        return found


def _bare_ms(directory: Path) -> float:
    """Milliseconds from here to the first word of a bash, after as many fsyncs as an answer's."""
    at = time.time()
    harness.published(directory, _FSYNCS)
    stamp = subprocess.run(
        ["bash", "-c", 'echo "$EPOCHREALTIME"'], stdout=subprocess.PIPE, check=True
    )
    return (float(stamp.stdout) - at) * 1000


def _said(times: list[float]) -> str:
    return f"{harness.median(times):.0f}/{_p99(times):.0f}"


def _p99(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, round(0.99 * len(times)))]


def measure(smoke: bool) -> Row:
    """p50 and p99 of both kinds of news; reference: a bare bash, and fsyncs by hand."""
    count = SMOKE_NEWS if smoke else NEWS
    with harness.profile(goals=10) as data:
        stamps = data.parent / "stamps"
        (data / "config.toml").write_text(_CONFIG.format(stamps=stamps), encoding="utf-8")
        env = harness.clean_env(data)
        store = harness.open_profile(data).store
        control = app.open_control(env)
        with _pulse(env) as pulse:
            pulse.settle()
            world = _World(data, pulse, control, _Stamps(stamps))
            ends, answers = world.ends(count), world.answers(store, count)
        bare = harness.median(world.bare)
    both = (ends, answers)
    return Row(
        figure=f"news -> runner started, {count} of each kind",
        target="p50 < 150 ms, p99 < 400",
        here=f"worker's end {_said(ends)}, answer {_said(answers)} ms (p50/p99)",
        reference=f"{bare:.1f} ms",
        ratio=max(map(harness.median, both)) / bare,
        method=f"{_FSYNCS} fsyncs by hand, and a bare bash",
        met=all(harness.median(times) < 150 and _p99(times) < 400 for times in both),
    )


if __name__ == "__main__":
    harness.main(measure)
