"""Find the sensors: any executable in `sensors/`, what it declares, and whether it is due."""

import os
from pathlib import Path

from msgspec import Struct

from looop.errors import LooopError
from looop.kit import files, names
from looop.loop.sense import headers
from looop.loop.sense.headers import Header
from looop.model.records import SensorStamp
from looop.paths import Paths
from looop.state.documents import is_dropping

__all__ = ["Sensor", "discover", "due"]

_HEAD_BYTES = 8192


class Sensor(Struct, frozen=True, kw_only=True):
    """
    One script: `name` is its file name without the ending, `version` changes when it does.

    `broken` says why it cannot be run, if it cannot.
    """

    name: str
    path: Path
    header: Header
    version: str
    broken: str = ""

    @property
    def snapshot(self) -> str:
        return f"sensor-{self.name}"


def _inspect(path: Path) -> Sensor | None:
    """The sensor at `path`; None if the file does not claim to be one."""
    found = files.stat_or_none(path)
    if found is None or not path.is_file():
        return None
    executable = os.access(path, os.X_OK)
    head = (files.read_bytes(path, _HEAD_BYTES) or b"").decode("utf-8", "replace")
    if not executable and not head.startswith("#!") and path.suffix != ".sh":
        return None
    return Sensor(
        name=path.name.partition(".")[0] if path.name.startswith(".") else path.stem,
        path=path,
        header=headers.parse(head),
        version=f"{found.st_mtime_ns}-{found.st_size}-{int(executable)}",
        broken="" if executable else f"is not executable: chmod +x {path}",
    )


def discover(paths: Paths) -> tuple[list[Sensor], list[str]]:
    """
    The sensors of a profile, sorted by name, and what is wrong with the others.

    Raises `Unreadable` when the directory cannot be listed: no sensors is a different fact.
    """
    found: dict[str, Sensor] = {}
    problems: list[str] = []
    for file_name in files.list_names(paths.sensors):
        if is_dropping(file_name):
            continue
        path = paths.sensors / file_name
        if not names.is_name(path.stem):
            problems.append(f"sensors/{file_name!r}: its name breaks the grammar; ignored")
            continue
        try:
            sensor = _inspect(path)
        except LooopError as error:
            sensor = Sensor(
                name=path.stem, path=path, header=Header(), version="", broken=str(error)
            )
        if sensor is None:
            continue
        if sensor.name in found:
            first = found[sensor.name].path.name
            problems.append(f"sensors/{file_name}: {first} has that name already; ignored")
            continue
        problems += [f"sensors/{file_name}: {problem}" for problem in sensor.header.problems]
        found[sensor.name] = sensor
    return list(found.values()), problems


def due(sensor: Sensor, stamp: SensorStamp | None, now: float) -> bool:
    """Whether to run it now: never ran, failed, was edited, its time has come, or time jumped."""
    if stamp is None or not stamp.ok or stamp.script != sensor.version:
        return True
    return now - stamp.at >= sensor.header.interval_s or stamp.at > now + 1
