"""Discovery: which files are sensors, which are not, and which of them are due."""

import os
from typing import Any

import pytest

from looop.errors import Unreadable
from looop.loop.sense import discover
from looop.loop.sense.discover import Sensor
from looop.loop.sense.headers import Header
from looop.model.records import SensorStamp
from tests.loop.sense.support import NOW, Profile

PRINT = "echo '{}'\n"


def found(profile: Profile) -> list[Sensor]:
    return discover.discover(profile.paths)[0]


def problems(profile: Profile) -> list[str]:
    return discover.discover(profile.paths)[1]


def test_any_executable_is_a_sensor_whatever_its_ending(profile: Profile) -> None:
    for name in ("b.sh", "a.py", "c", "dotted.name.rb"):
        profile.sensor(name, PRINT)

    assert [s.name for s in found(profile)] == ["a", "b", "c", "dotted.name"]
    assert found(profile)[0].snapshot == "sensor-a"
    assert problems(profile) == []


def test_a_profile_without_sensors_has_none(profile: Profile) -> None:
    assert discover.discover(profile.paths) == ([], [])


@pytest.mark.parametrize(
    "name",
    [".hidden.sh", "#x.sh#", "x.sh~", "x.sh.swp", "x.sh.orig", "x.sh.rej", "._x.sh", "x.tmp"],
)
def test_what_an_editor_leaves_is_no_sensor_and_no_problem(profile: Profile, name: str) -> None:
    profile.sensor(name, PRINT)

    assert discover.discover(profile.paths) == ([], [])


def test_notes_and_directories_are_no_sensors(profile: Profile) -> None:
    profile.sensor("README.md", "words\n", mode=0o644, shebang=False)
    profile.sensor("data.json", "{}", mode=0o644, shebang=False)
    (profile.paths.sensors / "lib").mkdir()
    (profile.paths.sensors / "gone.sh").symlink_to("nowhere")

    assert discover.discover(profile.paths) == ([], [])


@pytest.mark.parametrize(
    ("name", "shebang"), [("x.sh", False), ("x.py", True), ("x", True), ("x.sh", True)]
)
def test_a_script_that_is_not_executable_is_a_broken_sensor(
    profile: Profile, name: str, shebang: bool
) -> None:
    path = profile.sensor(name, PRINT, mode=0o644, shebang=shebang)

    (sensor,) = found(profile)
    assert sensor.broken == f"is not executable: chmod +x {path}"


@pytest.mark.parametrize("name", ["a b.sh", "-x.sh", "é.sh", "x;y.sh", "a\nb.sh", "x" * 70 + ".sh"])
def test_a_strange_name_is_a_problem_and_never_run(profile: Profile, name: str) -> None:
    profile.sensor(name, PRINT)
    profile.sensor("good.sh", PRINT)

    assert [s.name for s in found(profile)] == ["good"]
    (problem,) = problems(profile)
    assert "breaks the grammar" in problem
    assert "\n" not in problem


def test_a_name_that_is_not_text_is_a_problem(profile: Profile) -> None:
    raw = os.fsencode(profile.paths.sensors) + b"/b\xff.sh"
    with open(raw, "wb") as handle:
        handle.write(b"#!/bin/sh\n")

    assert found(profile) == []
    assert "breaks the grammar" in problems(profile)[0]


def test_of_two_files_with_one_name_the_first_is_the_sensor(profile: Profile) -> None:
    profile.sensor("x.py", PRINT)
    profile.sensor("x.sh", PRINT)

    assert [s.path.name for s in found(profile)] == ["x.py"]
    assert problems(profile) == ["sensors/x.sh: x.py has that name already; ignored"]


def test_header_problems_are_told_with_the_file(profile: Profile) -> None:
    profile.sensor("x.sh", "# looop: trust=all\n" + PRINT)

    assert problems(profile) == ["sensors/x.sh: header trust=all is not understood"]
    assert found(profile)[0].header.trust == "public"


def test_a_directory_that_cannot_be_listed_is_not_an_empty_one(profile: Profile) -> None:
    profile.block(profile.paths.sensors)

    with pytest.raises(Unreadable, match="cannot list"):
        discover.discover(profile.paths)


def test_a_sensor_that_cannot_be_looked_at_is_broken_and_not_missing(profile: Profile) -> None:
    loop = profile.paths.sensors / "x.sh"
    loop.symlink_to("x.sh")

    (sensor,) = found(profile)
    assert (sensor.name, sensor.header) == ("x", Header())
    assert "cannot look at" in sensor.broken


def test_every_edit_is_a_new_version_and_a_look_is_not(profile: Profile) -> None:
    path = profile.sensor("x.sh", PRINT)
    first = found(profile)[0].version
    assert found(profile)[0].version == first

    profile.sensor("x.sh", PRINT + "#\n")
    second = found(profile)[0].version
    path.chmod(0o644)
    third = found(profile)[0].version
    os.utime(path, ns=(1, 1))

    assert len({first, second, third, found(profile)[0].version}) == 4


# -- cadence -----------------------------------------------------------------------------------


def sensor(interval_s: float = 60.0) -> Sensor:
    from pathlib import Path

    return Sensor(name="x", path=Path("x"), header=Header(interval_s=interval_s), version="v1")


def stamp(ago: float, **fields: Any) -> SensorStamp:
    known: dict[str, Any] = {
        "ok": True, "took_s": 0.0, "size": 2, "code": 0, "script": "v1", "trust": "public",
    }  # fmt: skip
    return SensorStamp(at=NOW - ago, **{**known, **fields})


@pytest.mark.parametrize(
    ("last", "interval", "due"),
    [
        pytest.param(None, 60.0, True, id="never ran"),
        pytest.param(stamp(1), 60.0, False, id="fresh"),
        pytest.param(stamp(59.9), 60.0, False, id="nearly"),
        pytest.param(stamp(60), 60.0, True, id="its time has come"),
        pytest.param(stamp(0), 0.0, True, id="no cadence"),
        pytest.param(stamp(1, ok=False), 60.0, True, id="failed"),
        pytest.param(stamp(1, script="v0"), 60.0, True, id="edited"),
        pytest.param(stamp(-5000), 60.0, True, id="ran in the future"),
        pytest.param(stamp(-0.5), 60.0, False, id="the clock stepped a little"),
    ],
)
def test_when_a_sensor_is_due(last: SensorStamp | None, interval: float, due: bool) -> None:
    assert discover.due(sensor(interval), last, NOW) is due
