"""A day with the installed program: a pulse, its human at another terminal, and a crash."""

import json
import signal
from pathlib import Path

from tests.support.profile import NOOP, Profile, shell_move
from tests.support.program import home_env, looop, running, wait_for

PROPOSAL = shell_move('echo watered >> "$SIDE/effect"', journal="watered the garden")


def test_a_day(tmp_path: Path) -> None:
    profile = Profile(tmp_path, interval=1, git=True)
    profile.playbook("# PLAYBOOK\n")
    env = home_env(profile.side, LOOOP_DATA_DIR=str(profile.data))
    assert looop("init", "--yes", "--git", env=env).code == 0
    profile.decides(PROPOSAL)

    with running(env) as pulse:
        # A move of weight waits for its human, who looks at it and says yes.
        pulse.until("held", rule="guarded:shell")
        profile.decides(NOOP | {"journal": "all is well"})
        assert "echo watered" in looop("asks", "loop-1", env=env).out
        assert looop("answer", "loop-1", "yes", env=env).code == 0
        pulse.until("acted", action="run_shell")
        assert profile.effect() == "watered\n"
        pulse.until("acted", action="noop")

        # A goal that the human writes wakes the loop, and can be taken back.
        assert looop("goal", "write", "garden", "goal: water it", env=env).code == 0
        decided = pulse.until("decide_started")
        assert decided["changes"] == ["goal:garden"]
        change = looop("history", "--json", env=env).json[0]
        assert change["files"] == ["goals/garden.md"]
        assert looop("undo", change["commit"], env=env).code == 0
        assert pulse.until("decide_started")["changes"] == ["goal:garden"]
        assert not profile.paths.goal("garden").exists()

        # The machine goes down in the middle of a decision.
        profile.runner(tick='touch "$SIDE/thinking"; exec sleep 600')
        looop("goal", "write", "b", "goal: b", env=env)
        wait_for((profile.side / "thinking").exists)
        pulse.end(signal.SIGKILL)

    assert "not running" in looop("status", env=env).out
    profile.runner(tick=PROFILE_TICK)

    with running(env) as pulse:
        assert pulse.until("decide_started")["changes"] == ["goal:b"]
        pulse.until("acted")
        pulse.until("beat_ended", kind="rested")
        code, _ = pulse.end(signal.SIGINT)

    assert code == 0
    assert looop("doctor", env=env).code == 0
    journal = looop("journal", "--json", env=env).json
    words = [line[len("- 2026-01-31 09:15 ") :] for line in journal]
    assert words[:2] == [
        "held as loop-1 (guarded:shell) · watered the garden",
        "watered the garden (approved as loop-1)",
    ]
    assert words.count("watered the garden (approved as loop-1)") == 1
    rows = [
        json.loads(x)
        for x in looop("events", "--since", "0", "--json", env=env).out.split("\n")
        if x
    ]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))


PROFILE_TICK = 'cat "$SIDE/decision" > "$LOOOP_DECISION_FILE"'
