"""The pulse: a real process that owns a profile, beats, and ends clean however it is ended."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from looop.kit.clock import SystemClock
from looop.loop import lock, pulse
from looop.loop.parts import Parts
from tests.support.fakeclock import FakeClock
from tests.support.leftovers import gone, living, nothing_left, unsynced
from tests.support.profile import NOOP, Profile, shell_move
from tests.support.program import LOOOP, home_env, looop, running, wait_for

__all__ = ["nothing_left", "unsynced"]


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    found = Profile(tmp_path, interval=1, autonomy="trusted")
    found.env = home_env(found.side, LOOOP_DATA_DIR=str(found.data))
    # A starter would bring reflexes of its own.
    found.playbook("# PLAYBOOK\n")
    found.reopen(SystemClock())
    return found


def test_it_starts_beats_and_streams_whole_lines_of_json(profile: Profile) -> None:
    with running(profile.env) as pulse_:
        started = pulse_.until("pulse_started")
        first = pulse_.until("beat_ended", kind="acted")
        pulse_.until("beat_ended", kind="rested")
        status = looop("status", "--json", env=profile.env).json
        code, took = pulse_.end(signal.SIGTERM)

    assert started["pid"] == pulse_.pid
    assert first["next_at"] > 0
    assert (code, took < 10) == (0, True)
    assert json.loads(pulse_.lines[-1])["event"] == "pulse_stopped"
    assert json.loads(pulse_.lines[-1])["reason"] == "SIGTERM"
    assert status["pulse"]["running"] is True
    assert status["pulse"]["pid"] == pulse_.pid
    assert profile.launches == 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("what", ["runner", "sensor", "command", "nothing"])
def test_each_signal_ends_it_promptly_with_all_that_a_beat_has_running(
    profile: Profile, name: str, what: str
) -> None:
    hang = f'echo $$ > "$SIDE/pid.new"; mv "$SIDE/pid.new" "{profile.side}/pid"; exec sleep 600'
    match what:
        case "runner":
            profile.runner(tick=hang)
        case "sensor":
            profile.script("w", hang)
        case "command":
            profile.decides(shell_move(hang))
        case _:
            pass
    with running(profile.env) as pulse_:
        if what == "nothing":
            pulse_.until("beat_ended", kind="acted")
        else:
            wait_for((profile.side / "pid").exists)
        code, took = pulse_.end(getattr(signal, name))

    assert (code, took < 10) == (0, True), pulse_.stderr if code else took
    assert json.loads(pulse_.lines[-1])["reason"] == name
    assert living(profile.base) == []
    assert not lock.held(profile.paths)
    profile.decides(NOOP)
    if what == "command":
        assert profile.beat().action == "noop"
        assert "interrupted · " in profile.journal()[0]


def test_a_child_that_ignores_the_first_signal_is_killed(profile: Profile) -> None:
    profile.runner(
        tick='trap "" TERM INT; echo $$ > "$SIDE/pid"; setsid sleep 600 & while :; do sleep 600; done'
    )
    with running(profile.env) as pulse_:
        wait_for((profile.side / "pid").exists)
        code, took = pulse_.end()

    assert (code, took < 10) == (0, True)
    assert living(profile.base) == []


def test_a_second_instance_is_refused_and_names_the_first(profile: Profile) -> None:
    profile.runner(tick='touch "$SIDE/launched"; exec sleep 600')
    with running(profile.env) as pulse_:
        wait_for((profile.side / "launched").exists)
        for words in ((), ("--json",), ("tick",), ("tick", "--dry-run")):
            second = looop(*words, env=profile.env)
            assert (second.code, second.out) == (1, "")
            assert second.err == (
                f"looop: a pulse (pid {pulse_.pid}) holds {profile.data} already; "
                "`looop status` shows it\n"
            )


def test_another_profile_is_not_in_the_way(profile: Profile, tmp_path: Path) -> None:
    other = Profile(tmp_path / "other", interval=1)
    other.playbook("x\n")
    elsewhere = home_env(other.side, LOOOP_DATA_DIR=str(other.data))
    with running(profile.env) as one, running(elsewhere) as two:
        one.until("beat_ended", kind="acted")
        two.until("beat_ended", kind="acted")


def test_kill_9_leaves_the_lock_free_and_the_next_start_reports_the_move(
    profile: Profile,
) -> None:
    profile.decides(shell_move('echo once >> "$SIDE/effect"; exec sleep 600'))
    with running(profile.env) as first:
        wait_for(lambda: profile.effect())
        first.end(signal.SIGKILL)
    assert living(profile.base)
    assert not lock.held(profile.paths)
    profile.decides(NOOP)

    with running(profile.env) as second:
        cut = second.until("interrupted")
        second.until("beat_ended", kind="acted")

    assert cut["action"]["cmd"].startswith("echo once")
    assert profile.effect() == "once\n"
    assert [line.partition(" · ")[0] for line in profile.journal()] == [
        "interrupted",
        "all is well",
    ]


def test_a_start_ends_what_the_sensors_of_a_killed_pulse_left(profile: Profile) -> None:
    script = profile.script("w", 'echo $$ > "$SIDE/pid"; exec sleep 600')
    with running(profile.env) as first:
        wait_for(lambda: (profile.side / "pid").exists() and (profile.side / "pid").read_text())
        first.end(signal.SIGKILL)
    left = int((profile.side / "pid").read_text())
    assert left in living(profile.base)
    script.unlink()

    with running(profile.env) as second:
        second.until("pulse_started")
        assert gone(left)


def test_settings_are_read_again_and_broken_ones_leave_the_last_good_ones(
    profile: Profile,
) -> None:
    with running(profile.env) as pulse_:
        pulse_.until("beat_ended", kind="acted")
        good = profile.paths.config.read_text()
        profile.paths.config.write_text("interval = 'never'\n")
        broken = pulse_.until("config_broken")
        pulse_.until("beat_ended")
        profile.paths.config.write_text(good + "# mended\n")
        changed = pulse_.until("config_changed")

    assert "interval = 'never' is not accepted" in broken["error"]
    assert changed["source"] == str(profile.paths.config)


def test_a_config_that_takes_over_from_the_original_one_is_noticed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "config.json").write_text('{"interval": 1}')
    (data / "PLAYBOOK.md").write_text("x\n")
    env = home_env(tmp_path / "home", LOOOP_DATA_DIR=str(data))

    with running(env) as pulse_:
        pulse_.until("beat_ended")
        (data / "config.toml").write_text("interval = 2\n")
        assert pulse_.until("config_changed")["source"] == str(data / "config.toml")


def test_broken_settings_at_the_start_are_a_usage_error(profile: Profile) -> None:
    profile.paths.config.write_text("speed = 3\n")

    done = looop(env=profile.env)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"looop: {profile.paths.config}: unknown key 'speed'; known keys: ")


def test_the_lock_file_stays_and_leftover_files_in_its_directory_are_harmless(
    profile: Profile,
) -> None:
    profile.paths.locks.mkdir(exist_ok=True)
    (profile.paths.locks / "pid").write_text("1\n")
    inodes: list[int] = []
    for _ in range(2):
        with running(profile.env) as pulse_:
            pulse_.until("beat_ended")
        inodes.append(profile.paths.pulse_lock.stat().st_ino)

    assert inodes[0] == inodes[1]


@pytest.mark.parametrize("text", [True, False])
def test_a_reader_that_goes_away_does_not_stop_it(profile: Profile, *, text: bool) -> None:
    with running(profile.env, text=text) as pulse_:
        assert pulse_.process.stdout is not None
        pulse_.process.stdout.close()
        wait_for(lambda: profile.events("acted"))
        profile.goal("a")
        wait_for(lambda: len(profile.events("acted")) == 2)
        assert pulse_.process.poll() is None
        pulse_.process.terminate()
        assert pulse_.process.wait(20) in (0, 141)


def test_it_beats_again_for_each_change_and_rests_in_between(profile: Profile) -> None:
    with running(profile.env) as pulse_:
        pulse_.until("beat_ended", kind="acted")
        pulse_.until("beat_ended", kind="rested")
        profile.goal("a")
        pulse_.until("beat_ended", kind="acted")
        pulse_.until("beat_ended", kind="rested")
        looop("run", "true", env=profile.env)
        pulse_.until("beat_ended", kind="rested")

    assert profile.launches == 2


def test_the_text_stream_says_an_unchanged_rest_once(profile: Profile) -> None:
    with running(profile.env, text=True) as pulse_:
        wait_for(lambda: len(profile.events("sensed")) >= 4)
        pulse_.end()

    assert "\n".join(pulse_.lines).count("nothing that matters changed") == 1


# -- inside this process ---------------------------------------------------------------------


class _Stopping(FakeClock):
    """A clock on which every wait has passed already, so that beats follow each other at once."""

    def wall(self) -> float:
        self.now += 1000
        return self.now


def _run(profile: Profile, ends: Callable[[int], None], beats: int) -> list[tuple[str, str]]:
    """So many beats of a pulse in this process; `ends` is called in each with its number."""
    told: list[tuple[str, str]] = []
    config = profile.parts.config
    parts = Parts(profile.store, config, profile.env, profile.fleet, clock=_Stopping())
    loop = pulse.Pulse(parts, lambda: config)
    count = 0

    def listen(event: str, fields: dict[str, object]) -> None:
        nonlocal count
        if event == "beat_started":
            count += 1
            ends(count)
        if event in ("warning", "beat_ended"):
            told.append((event, str(fields.get("text", fields.get("kind")))))
        if event == "beat_ended" and count >= beats:
            loop.stop("enough")

    parts.listener = listen
    asyncio.run(loop.run())
    return told


def test_a_bug_in_a_beat_does_not_end_the_pulse(profile: Profile) -> None:
    def bug(count: int) -> None:
        if count < 3:
            raise ZeroDivisionError(f"number {count}")

    told = _run(profile, bug, 3)

    assert [said for event, said in told if event == "beat_ended"] == ["blind", "blind", "acted"]
    warnings = [said for event, said in told if event == "warning"]
    assert len(warnings) == 2
    assert warnings[0].startswith("a bug in the loop itself: ZeroDivisionError: number 1 at ")


def test_who_has_the_profile_is_known_during_the_first_beat(profile: Profile) -> None:
    seen: list[int] = []
    profile.store.ensure()

    def look(_count: int) -> None:
        note = lock.note(profile.paths)
        assert note is not None
        seen.append(note.owner.pid)

    _run(profile, look, 1)

    assert seen == [os.getpid()]


def test_one_beat_by_hand_owns_the_profile_for_its_length(profile: Profile) -> None:
    end = asyncio.run(pulse.once(profile.parts, forced=False, dry=False))

    assert end.kind == "acted"
    assert not lock.held(profile.paths)


def test_a_closed_terminal_does_not_keep_the_pulse(profile: Profile) -> None:
    """As a terminal that goes away: HUP, and every stream is dead."""
    process = subprocess.Popen(
        [LOOOP],
        env=profile.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=profile.side,
    )
    wait_for(lambda: profile.events("acted"))
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    process.send_signal(signal.SIGHUP)

    assert process.wait(20) in (0, 141)
    assert profile.events("pulse_stopped")[-1]["reason"] == "SIGHUP"


def test_a_pulse_that_shall_outlive_its_terminal_does(profile: Profile) -> None:
    """As with `nohup`: who ignores HUP before the start is not ended by it."""
    process = subprocess.Popen(
        ["bash", "-c", "trap '' HUP; exec looop"],
        env=profile.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=profile.side,
    )
    wait_for(lambda: profile.events("acted"))
    process.send_signal(signal.SIGHUP)
    profile.goal("a")
    wait_for(lambda: len(profile.events("acted")) == 2)
    process.terminate()

    assert process.wait(20) == 0
    assert profile.events("pulse_stopped")[-1]["reason"] == "SIGTERM"
