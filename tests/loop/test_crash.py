"""A beat that is killed, wherever that may be: nothing is lost, and nothing happens twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from looop.loop import recover
from tests.support import crashing
from tests.support.leftovers import living, nothing_left, unsynced
from tests.support.profile import NOOP, Profile, shell_move

__all__ = ["nothing_left", "unsynced"]

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", crashing.KINDS)
def test_a_beat_may_be_killed_at_every_write(kind: str, tmp_path: Path) -> None:
    """See `crashing` for what is promised; it is a program of its own because it forks."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.crashing", kind, str(tmp_path / "cases")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) > 40


def killed(profile: Profile, *command: str) -> None:
    """One beat, or one command, in a process of its own that is killed on the way."""
    profile.clock.forward(1)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.onebeat"),
            *(str(profile.base), str(profile.clock.wall()), *command),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=20,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(tmp_path, autonomy="trusted")


def test_a_command_that_was_cut_off_is_ended_told_and_never_repeated(profile: Profile) -> None:
    profile.decides(
        shell_move(
            'echo once >> "$SIDE/effect"; kill -9 $PPID; exec sleep 600',
            probe='cat "$SIDE/effect"',
            journal="the move",
        )
    )
    killed(profile)
    assert living(profile.base)
    profile.decides(NOOP | {"journal": "after"})

    end = profile.beat()

    assert living(profile.base) == []
    assert profile.effect() == "once\n"
    prompt = profile.prompt(end.run)
    assert "=== INTERRUPTED MOVE\n" in prompt
    assert "may or may not have happened" in prompt
    assert "probe exit code 0: once" in prompt
    (event,) = profile.heard("interrupted")
    assert event["probe"] == "probe exit code 0: once"
    assert [line.partition(" · ")[0] for line in profile.journal()] == ["interrupted", "after"]
    profile.goal("a")
    assert "=== INTERRUPTED MOVE\n" not in profile.prompt(profile.beat().run)


def test_a_reflex_that_was_cut_off_does_not_do_its_move_again(profile: Profile) -> None:
    profile.reading("hot", 2)
    profile.reflexes(
        '[[reflex]]\nname = "hot"\nwhen = "sensors.hot.signal > 1"\n[reflex.do]\n'
        "action = 'run_shell'\n"
        "cmd = 'echo once >> $SIDE/effect; kill -9 $PPID; exec sleep 600'\n"
    )
    killed(profile)

    ends = [profile.beat() for _ in range(3)]

    assert profile.effect() == "once\n"
    assert [end.action for end in ends] == ["noop", "", ""]
    assert "=== INTERRUPTED MOVE\n" in profile.prompt(ends[0].run)


def test_an_approval_that_was_cut_off_is_spent(profile: Profile) -> None:
    profile.configure(autonomy="guarded")
    profile.decides(shell_move('echo once >> "$SIDE/effect"; kill -9 $PPID; exec sleep 600'))
    profile.beat()
    profile.answer("loop-1", "yes")
    killed(profile)
    profile.decides(NOOP)

    end = profile.beat()

    assert profile.effect() == "once\n"
    assert [a.closed for a in profile.store.asks.closed()] == ["interrupted"]
    assert "=== INTERRUPTED MOVE\n" in profile.prompt(end.run)


def test_a_command_of_a_human_that_was_cut_off_is_told_to_the_loop(profile: Profile) -> None:
    profile.beat()
    killed(profile, 'echo once >> "$SIDE/effect"; kill -9 $PPID; exec sleep 600')

    profile.beat()

    assert living(profile.base) == []
    assert profile.effect() == "once\n"
    profile.goal("a")
    assert "=== INTERRUPTED MOVE\n" in profile.prompt(profile.beat().run)


def test_a_runner_that_was_cut_off_is_ended_and_its_cost_is_kept(profile: Profile) -> None:
    profile.runner(cost={"type": "bill", "pointer": "/usd"})
    profile.costs(0.25)
    tick = profile.fake["tick"]
    # What it said must have been read before it kills its reader.
    wait = "until grep -q usd stream.ndjson; do :; done"
    profile.runner(tick=f"cat $SIDE/cost; {wait}; kill -9 $PPID; exec sleep 600")
    killed(profile)
    assert living(profile.base)
    profile.runner(tick=tick)

    end = profile.beat()

    assert end.action == "noop"
    assert living(profile.base) == []
    assert profile.control.cost("all", "runner").total_usd == 0.5
    assert len(profile.memory().decides) == 2
    assert profile.launches == 1


def test_a_sensor_that_a_dead_pulse_left_is_ended(profile: Profile) -> None:
    profile.script("w", "kill -9 $PPID; exec sleep 600")
    killed(profile)
    assert living(profile.base)

    assert recover.leftovers() == 1

    assert living(profile.base) == []
