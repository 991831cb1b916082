"""`looop ls` over a hundred living sessions, and over none."""

import subprocess
from functools import partial

import harness
import live
from harness import Row
from looop import paths as places

SESSIONS, SMOKE_SESSIONS = 100, 10
_SAY = "echo 'it works on it'; printf '\\033[1m$ \\033[m'"


def measure(smoke: bool) -> Row:
    """Wall and CPU milliseconds of the whole process; references: no session, a bare Python."""
    count = SMOKE_SESSIONS if smoke else SESSIONS
    looop, python = str(harness.BIN / "looop"), str(harness.BIN / "python")
    with harness.profile() as data, harness.profile() as empty:
        env, empty_env = harness.clean_env(data), harness.clean_env(empty)
        for profile in (data, empty):
            harness.open_profile(profile)
        place = places.resolve(env)
        with live.crowd(place.sessions, zygote=place.zygote) as crowd:
            crowd.fill(count, _SAY)
            run = partial(subprocess.run, check=True, capture_output=True, text=True)
            listed = run([looop, "ls"], env=env).stdout
            assert listed.count(" running ") == count, listed
            wall, cpu, none, bare, bare_cpu = (
                harness.median(times)
                for times in harness.interleaved(
                    2 if smoke else 20,
                    partial(harness.wall_ms, partial(run, [looop, "ls"], env=env)),
                    partial(harness.child_cpu_ms, [looop, "ls"], env),
                    partial(harness.wall_ms, partial(run, [looop, "ls"], env=empty_env)),
                    partial(harness.wall_ms, partial(run, [python, "-c", _IMPORTS], env=env)),
                    partial(harness.child_cpu_ms, [python, "-c", _IMPORTS], env),
                )
            )
    return Row(
        figure=f"`ls` with {count} living sessions",
        target="< 150 ms",
        here=f"{wall:.0f} ms, {cpu:.0f} ms CPU; {none:.0f} ms with none",
        reference=f"{bare:.0f} ms, {bare_cpu:.0f} ms CPU",
        ratio=cpu / bare_cpu,
        method="python -c, import msgspec and argparse; the ratio is of CPU",
        met=wall < 150,
    )


_IMPORTS = "import msgspec, argparse"


if __name__ == "__main__":
    harness.main(measure)
