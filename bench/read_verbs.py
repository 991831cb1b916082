"""The verbs that are called all day: CPU of the whole process."""

from functools import partial

import harness
from harness import Row

VERBS = ("status", "asks", "journal", "ls", "claim it --session me")


def measure(smoke: bool) -> Row:
    """CPU of each verb; references: a bare interpreter, and one with two needed imports."""
    looop, python = str(harness.BIN / "looop"), str(harness.BIN / "python")
    commands = [
        *([looop, *verb.split()] for verb in VERBS),
        [python, "-c", "pass"],
        [python, "-c", "import msgspec, argparse"],
    ]
    with harness.profile(goals=10) as data:
        harness.write_sensors(data, 5)
        env = harness.clean_env(data)
        harness.child_cpu_ms([looop, "tick", "--json"], env)
        found = harness.interleaved(
            3 if smoke else 25,
            *(partial(harness.child_cpu_ms, command, env) for command in commands),
        )
    *ours, bare, imports = (harness.median(times) for times in found)
    return Row(
        figure=f"read verbs {', '.join(verb.split()[0] for verb in VERBS)}",
        target="< 60 ms CPU",
        here=", ".join(f"{ms:.0f}" for ms in ours) + " ms",
        reference=f"{bare:.0f} ms bare, {imports:.0f} ms with imports",
        ratio=max(ours) / imports,
        method="python -c, import msgspec and argparse",
        met=max(ours) < 60,
    )


if __name__ == "__main__":
    harness.main(measure)
