"""`looop shot` of a program that redraws a screen of 120x40 all the time."""

import itertools
import shlex
import subprocess
from functools import partial
from pathlib import Path

import harness
import live
from harness import Row
from looop import paths as places

COLUMNS, ROWS = 120, 40
# Frames that were drawn before anyone looks: more output than is replayed at once.
_FRAMES = 100
_MARK = "the last row"
# The least that the picture of a screen takes: the same engine, fed with the end of the log.
_BARE = """
import msgspec, argparse, sys
from avt._avt import Vt
with open(sys.argv[1], "rb") as handle:
    handle.seek(max(0, handle.seek(0, 2) - 65536))
    text = handle.read().decode("utf-8", "replace")
vt = Vt(%d, %d, 0)
vt.feed_str(text)
print(vt.dump())
"""


def _frame() -> str:
    """One full screen in colours, drawn row by row as full-screen programs do."""
    words = itertools.cycle(harness.words(4000, 3).split())
    rows = ["\x1b[H"]
    for row in range(1, ROWS + 1):
        rows.append(f"\x1b[{row};1H\x1b[K")
        width = 0
        for number, word in enumerate(words):
            if width + len(word) + 1 > COLUMNS:
                break
            rows.append(f"\x1b[{number % 8};3{(row + number) % 8}m{word}\x1b[m ")
            width += len(word) + 1
    return "".join(rows) + f"\x1b[{ROWS};1H\x1b[K\x1b[7m{_MARK}\x1b[m"


def _program(frame: Path, end: live.Gate) -> str:
    draw = f"cat {shlex.quote(str(frame))}"
    many = f"n=0; while [ $n -lt {_FRAMES} ]; do {draw}; n=$((n+1)); done"
    return f"printf '\\033[?1049h'; {many}; while {end.shut}; do {draw}; sleep 0.1; done"


def measure(smoke: bool) -> Row:
    """Wall and CPU milliseconds of the whole process; reference: the engine alone in a Python."""
    looop, python = str(harness.BIN / "looop"), str(harness.BIN / "python")
    with harness.profile() as data:
        env = harness.clean_env(data)
        harness.open_profile(data)
        frame = data.parent / "frame"
        frame.write_text(_frame(), encoding="utf-8")
        sessions = places.resolve(env).sessions
        with live.crowd(sessions) as crowd:
            crowd.start("tui", _program(frame, crowd.end))
            crowd.fleet.more("tui", _FRAMES * frame.stat().st_size, live.LIMIT_S)
            shot = [looop, "shot", "tui"]
            bare = [python, "-c", _BARE % (COLUMNS, ROWS), str(live.log(sessions, "tui"))]
            run = partial(subprocess.run, check=True, capture_output=True, text=True, env=env)
            seen = run(shot).stdout
            assert _MARK in seen, seen
            assert len(seen.splitlines()) == ROWS, seen
            wall, cpu, bare_wall, bare_cpu = (
                harness.median(times)
                for times in harness.interleaved(
                    2 if smoke else 20,
                    partial(harness.wall_ms, partial(run, shot)),
                    partial(harness.child_cpu_ms, shot, env),
                    partial(harness.wall_ms, partial(run, bare)),
                    partial(harness.child_cpu_ms, bare, env),
                )
            )
            size_mb = crowd.fleet.get("tui").bytes / 1e6
    return Row(
        figure=f"`shot` of a live {COLUMNS}x{ROWS} TUI",
        target="< 80 ms",
        here=f"{wall:.0f} ms, {cpu:.0f} ms CPU; {size_mb:.1f} MB said",
        reference=f"{bare_wall:.0f} ms, {bare_cpu:.0f} ms CPU",
        ratio=cpu / bare_cpu,
        method="python -c, pyavt fed with 64 KiB; the ratio is of CPU",
        met=wall < 80,
    )


if __name__ == "__main__":
    harness.main(measure)
