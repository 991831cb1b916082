"""The idle pulse: CPU share of the real `looop` process at its default interval."""

import os
import signal
import subprocess
import time

import harness
from harness import Row
from looop import paths as places
from looop.loop import lock

WINDOW_S = 60.0
SMOKE_WINDOW_S = 5.0


def _beats(place: places.Paths, pid: int) -> int:
    note = lock.note(place)
    return note.beats if note is not None and note.owner.pid == pid else 0


def _wait_for_beat(place: places.Paths, pid: int, number: int, limit_s: float) -> None:
    ends = time.monotonic() + limit_s
    while _beats(place, pid) < number:
        if time.monotonic() > ends:
            raise TimeoutError(f"beat {number} did not come within {limit_s:g} s")
        time.sleep(0.05)


def _shared(pid: int, place: places.Paths, *, smoke: bool) -> tuple[float, float]:
    """(CPU seconds, wall seconds) from after the first beat, a whole interval with its beat."""
    _wait_for_beat(place, pid, 1, 30)
    # What the beat still does after its note is part of the beat, not of the idling.
    time.sleep(0.5)
    cpu, began = harness.process_cpu_s(pid), time.monotonic()
    if smoke:
        time.sleep(SMOKE_WINDOW_S)
    else:
        _wait_for_beat(place, pid, 2, WINDOW_S + 30)
        time.sleep(0.5)
    return harness.process_cpu_s(pid) - cpu, time.monotonic() - began


def measure(smoke: bool) -> Row:
    """CPU share of one interval, its beat included; a smoke run sees none."""
    with harness.profile(goals=100, events=10_000) as data:
        harness.write_sensors(data, 50)
        env = harness.clean_env(data)
        looop = str(harness.BIN / "looop")
        # The first decision is made and gone before anything is measured.
        for _ in range(2):
            subprocess.run([looop, "tick", "--json"], env=env, check=True, capture_output=True)
        pulse = subprocess.Popen(
            [looop], env=env, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        try:
            cpu_s, wall_s = _shared(pulse.pid, places.resolve(env), smoke=smoke)
        finally:
            os.kill(pulse.pid, signal.SIGTERM)
            pulse.wait(30)
    share = cpu_s / wall_s
    beat = "no beat in it" if smoke else "with its beat"
    return Row(
        figure="idle pulse, no sensor due, 100 goals",
        target="< 0.1 % of one core",
        here=f"{share:.4%}: {cpu_s * 1000:.3g} ms in {wall_s:.0f} s",
        reference="",
        ratio=None,
        method=f"schedstat of the process, {beat}",
        met=share < 0.001,
    )


if __name__ == "__main__":
    harness.main(measure)
