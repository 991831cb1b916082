"""One acting beat: a sensor's signal changed, a reflex writes a goal, the journal has a line."""

import asyncio
import itertools
import tempfile
from functools import partial
from pathlib import Path

import harness
from harness import Row
from looop.loop.beat import beat
from looop.loop.parts import Parts

REFLEX = """\
[[reflex]]
name = "note-it"
when = "sensors.s000.signal.n > 1000"
[reflex.do]
action = "write_goal"
id = "noted"
body = "goal: number ${string(sensors.s000.signal.n)} is noted"
"""
GOALS = 20


class _Acting:
    """A profile whose every beat acts: before each one, the published reading changes."""

    def __init__(self, data: Path, runner: asyncio.Runner, *, git: bool) -> None:
        harness.write_sensors(data, 5)
        (data / "reflexes.toml").write_text(REFLEX, encoding="utf-8")
        self.parts: Parts = harness.open_profile(data)
        if git:
            self.parts.store.history.create()
        self.snapshot = self.parts.store.paths.snapshot("sensor-s000")
        self.numbers = itertools.count(1001)
        self.runner = runner
        # Runs the sensors.
        self.runner.run(beat(self.parts))

    def change(self) -> None:
        body = f'{{"signal": {{"n": {next(self.numbers)}}}}}\n'
        self.snapshot.write_text(body, encoding="utf-8")

    def act(self) -> None:
        end = self.runner.run(beat(self.parts))
        assert end.kind == "acted", end

    def wall_ms(self) -> float:
        self.change()
        return harness.wall_ms(self.act)

    def fsyncs(self) -> int:
        self.change()
        return harness.fsyncs(self.act)


def measure(smoke: bool) -> Row:
    """Wall time of one beat with and without history; reference: as many fsyncs by hand."""
    with (
        asyncio.Runner() as runner,
        harness.profile(goals=GOALS) as kept,
        harness.profile(goals=GOALS, config="git = false\n") as unkept,
        tempfile.TemporaryDirectory(prefix="looop-bench-") as name,
    ):
        git, plain = _Acting(kept, runner, git=True), _Acting(unkept, runner, git=False)
        plain.wall_ms()
        fsyncs = plain.fsyncs()
        here, fast, bare = harness.interleaved(
            2 if smoke else 20,
            git.wall_ms,
            plain.wall_ms,
            partial(harness.wall_ms, partial(harness.published, Path(name), fsyncs)),
        )
    ours = harness.median(fast)
    return Row(
        figure="acting beat: a reflex writes a goal",
        target="",
        here=f"{ours:.3g} ms, {fsyncs} fsyncs; {harness.median(here):.3g} ms with git",
        reference=f"{harness.median(bare):.3g} ms",
        ratio=ours / harness.median(bare),
        method="as many fsyncs by hand",
        met=None,
    )


if __name__ == "__main__":
    harness.main(measure)
