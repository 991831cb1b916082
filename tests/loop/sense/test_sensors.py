"""Sensors that are real scripts: every way to end, and nothing of them left behind."""

import os
import stat
import time
from pathlib import Path

import msgspec
import pytest

from tests.loop.sense.support import NOW, Profile
from tests.support.leftovers import gone, unmarked


def test_a_sensor_that_prints_an_object_is_a_reading(profile: Profile) -> None:
    reading = profile.reading("""echo '{"signal": {"n": 1}, "detail": {"t": 2}}'""")

    assert (reading.ok, reading.signal, reading.detail) == (True, {"n": 1}, {"t": 2})
    assert (reading.name, reading.at, reading.fresh) == ("sensor-x", NOW, True)
    assert reading.took_s > 0


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param("exit 3", 3, "exited with code 3", id="a code"),
        pytest.param("echo '{}'; exit 1", 1, "exited with code 1", id="a code after output"),
        pytest.param("exit 143", 143, "exited with code 143", id="143 by itself"),
        pytest.param("kill -TERM $$", 143, "ended by signal 15", id="killed by TERM"),
        pytest.param("exit 130", 130, "exited with code 130", id="130 by itself"),
        pytest.param("kill -KILL $$", 137, "ended by signal 9", id="killed"),
        pytest.param("true", 0, "printed nothing", id="empty"),
        pytest.param("printf ' \\n'", 0, "printed nothing", id="blank"),
        pytest.param("echo all is well", 0, "did not print JSON", id="prose"),
        pytest.param("echo '[1, 2]'", 0, "not an object", id="array"),
        pytest.param("echo '{}'; echo '{}'", 0, "did not print JSON", id="two objects"),
        pytest.param("no-such-program-here", 127, "exited with code 127", id="unknown command"),
    ],
)
def test_every_way_to_fail_is_named(profile: Profile, body: str, code: int, message: str) -> None:
    reading = profile.reading(body)

    assert not reading.ok
    assert reading.signal == {"error": True, "exit_code": code}
    assert message in reading.detail["message"]


def test_a_sensor_that_hangs_is_stopped_at_the_deadline(profile: Profile) -> None:
    reading = profile.reading("echo '{}'; echo waiting >&2; exec sleep 60", sensor_timeout=1.0)

    assert reading.signal == {"error": True, "exit_code": 124}
    assert reading.detail["message"] == "still running after 1 s; it was stopped"
    assert reading.detail["stderr"] == "waiting"
    assert reading.took_s < 30


def test_a_declared_deadline_outranks_the_setting(profile: Profile) -> None:
    reading = profile.reading("# looop: timeout=200ms\nexec sleep 60", sensor_timeout=50.0)

    assert reading.signal == {"error": True, "exit_code": 124}
    assert "0.2 s" in reading.detail["message"]


def test_a_reading_over_the_cap_stops_the_sensor_and_its_signal_is_stable(
    profile: Profile,
) -> None:
    endless = profile.reading("exec yes", sensor_max_bytes=100)
    large = profile.reading("head -c 5000 /dev/zero", sensor_max_bytes=100)
    just = profile.reading("head -c 101 /dev/zero", sensor_max_bytes=100)

    assert endless.signal == large.signal == just.signal == {"error": "too-large", "cap": 100}
    assert just.detail["bytes"] == 101
    assert not endless.ok


def test_a_reading_of_exactly_the_cap_is_fine(profile: Profile) -> None:
    assert profile.reading('printf \'{"a": "12345"}\'', sensor_max_bytes=14).ok


def test_no_cap_is_no_cap(profile: Profile) -> None:
    body = "printf '{\"a\": \"'; head -c 50000 /dev/zero | tr '\\0' x; printf '\"}'"

    reading = profile.reading(body, sensor_max_bytes=0)

    assert reading.ok
    assert len(reading.signal["a"]) == 50000


def test_a_script_without_a_shebang_cannot_be_started(profile: Profile) -> None:
    profile.sensor("x.sh", "echo '{}'\n", shebang=False)

    reading = profile.look().readings["sensor-x"]

    assert reading.signal == {"error": True, "exit_code": 127}
    assert reading.detail["message"].startswith("cannot be started: ")
    assert str(profile.paths.sensors / "x.sh") in reading.detail["message"]


def test_a_shebang_that_leads_nowhere_cannot_be_started(profile: Profile) -> None:
    profile.sensor("x.sh", "#!/no/such/shell\necho '{}'\n", shebang=False)

    reading = profile.look().readings["sensor-x"]

    assert reading.signal == {"error": True, "exit_code": 127}


def test_a_script_that_is_not_executable_says_how_to_mend_it(profile: Profile) -> None:
    path = profile.sensor("x.sh", "echo '{}'\n", mode=0o644)

    reading = profile.look().readings["sensor-x"]

    assert reading.signal == {"error": True, "exit_code": 127}
    assert f"chmod +x {path}" in reading.detail["message"]


def test_a_sensor_that_deletes_itself_has_its_reading_and_is_gone_next_time(
    profile: Profile,
) -> None:
    assert profile.reading("rm -- \"$0\"; echo '{}'").ok

    assert "sensor-x" not in profile.look().readings
    assert not [name for name in profile.snapshots() if name.startswith("sensor-")]


def test_what_stays_behind_neither_delays_the_reading_nor_lives_on(profile: Profile) -> None:
    reading = profile.reading("sleep 50 & echo '{\"pid\": '$!'}'")

    assert reading.ok
    assert reading.took_s < 10
    assert gone(reading.signal["pid"])


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_what_escapes_into_a_session_of_its_own_is_swept(profile: Profile) -> None:
    # The child says its own pid, so that it is known to have escaped before the parent ends.
    body = """
mkfifo "$LOOOP_DATA_DIR/said"
setsid sh -c 'echo $$ > "$LOOOP_DATA_DIR/said"; exec sleep 50' > /dev/null 2>&1 &
read pid < "$LOOOP_DATA_DIR/said"
echo "{\\"pid\\": $pid}"
"""
    reading = profile.reading(body)

    assert reading.ok, reading.detail
    assert gone(reading.signal["pid"])
    assert unmarked(f"sense-{os.getpid()}-")


def test_a_sensor_that_reads_its_input_meets_the_end_of_it(profile: Profile) -> None:
    assert profile.reading("cat; echo '{\"read\": true}'").signal == {"read": True}


def test_a_sensor_runs_in_the_data_dir_and_knows_where_it_is(profile: Profile) -> None:
    body = 'printf \'{"cwd": "%s", "data": "%s", "me": "%s"}\' "$PWD" "$LOOOP_DATA_DIR" "$LOOOP_SENSOR"'

    signal = profile.reading(body).signal

    assert signal == {"cwd": str(profile.paths.data), "data": str(profile.paths.data), "me": "x"}


def test_a_sensor_has_the_callers_environment_and_no_other(profile: Profile) -> None:
    profile.env["FROM_THE_CALLER"] = "yes"

    signal = profile.reading('printf \'{"got": "%s", "home": "%s"}\' $FROM_THE_CALLER $HOME')

    assert signal.signal == {"got": "yes", "home": ""}


def test_stderr_is_bounded_kept_beside_the_snapshot_and_harmless(profile: Profile) -> None:
    body = "head -c 90000 /dev/zero | tr '\\0' x >&2; printf '\\033[31mred\\n' >&2; exit 1"

    reading = profile.reading(body)

    assert reading.detail["stderr"].endswith("x\\x1b[31mred")
    assert len(reading.detail["stderr"]) < 1100
    kept = profile.paths.snapshot_err("sensor-x").read_bytes()
    assert len(kept) <= 4096
    assert kept.endswith(b"red\n")


def test_the_stderr_of_an_earlier_run_goes_when_there_is_none(profile: Profile) -> None:
    profile.reading("echo oops >&2; echo '{}'")
    assert profile.paths.snapshot_err("sensor-x").exists()

    profile.reading("echo '{}'")
    assert not profile.paths.snapshot_err("sensor-x").exists()


def test_a_snapshot_is_published_whole_private_and_without_temporary_files(
    profile: Profile,
) -> None:
    reading = profile.reading("""echo '{"signal": 1, "detail": 2}'""")

    path = profile.paths.snapshot("sensor-x")
    assert msgspec.json.decode(path.read_bytes()) == reading.as_json() == {"signal": 1, "detail": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [name for name in profile.snapshots() if not name.startswith("sys-")] == [
        "sensor-x.json"
    ]


def test_a_failing_sensor_replaces_its_snapshot_by_the_failure(profile: Profile) -> None:
    profile.reading("echo '{\"n\": 1}'")
    reading = profile.reading("exit 3")

    assert msgspec.json.decode(profile.paths.snapshot("sensor-x").read_bytes()) == reading.as_json()


def test_a_snapshot_that_cannot_be_written_is_an_unreadable_reading(profile: Profile) -> None:
    (profile.paths.snapshot("sensor-x")).mkdir()

    reading = profile.reading("echo '{}'")

    assert reading.signal == {"error": "unreadable"}
    assert "cannot be written" in reading.detail["message"]


def test_trying_one_sensor_publishes_nothing(profile: Profile) -> None:
    profile.sensor("x.sh", "echo '{\"n\": 1}'\n")

    assert profile.run_one("x").signal == {"n": 1}
    assert profile.snapshots() == []


def test_sensors_run_together(profile: Profile) -> None:
    # Each needs the other: one alone would hang until its deadline.
    profile.sensor("a.sh", "mkfifo there 2>/dev/null; echo hello > there; echo '{}'\n")
    profile.sensor("b.sh", "mkfifo there 2>/dev/null; read word < there; echo '{}'\n")

    seen = profile.look(sensor_concurrency=2)

    assert seen.failed == ()
    assert seen.ran == ("a", "b")


def test_thirty_sensors_never_run_more_at_once_than_allowed(profile: Profile) -> None:
    body = 'mkdir -p at; : > "at/$$"; ls at | wc -l >> counts; rm "at/$$"; echo "{}"\n'
    for n in range(30):
        profile.sensor(f"s{n:02}.sh", body)

    seen = profile.look(sensor_concurrency=3)

    assert seen.failed == ()
    assert len(seen.ran) == 30
    counts = [int(n) for n in (profile.paths.data / "counts").read_text().split()]
    assert len(counts) == 30
    assert max(counts) <= 3


def test_one_bad_sensor_costs_the_others_nothing(profile: Profile) -> None:
    profile.sensor("bad.sh", "kill -KILL $$\n")
    profile.sensor("good.sh", "echo '{}'\n")
    profile.sensor("odd.sh", "echo '{}'\n", shebang=False)

    seen = profile.look()

    assert seen.ran == ("bad", "good", "odd")
    assert seen.failed == ("bad", "odd")
    assert seen.readings["sensor-good"].ok


def test_trust_is_what_the_header_says(profile: Profile) -> None:
    assert profile.reading("echo '{}'").trust == "public"
    assert profile.reading("# looop: trust=own\necho '{}'").trust == "own"
    assert profile.reading("# looop: trust=own\nexit 1").trust == "own"


def test_a_look_is_not_held_up_by_the_wall_clock(profile: Profile) -> None:
    profile.clock.now = -1.0
    began = time.monotonic()

    assert profile.reading("echo '{}'").ok
    assert time.monotonic() - began < 10
