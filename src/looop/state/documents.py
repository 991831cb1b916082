"""What people and moves write: PLAYBOOK, goals, sensor scripts; with the PLAYBOOK's history."""

import contextlib
from pathlib import Path

from looop.errors import LooopError, NotFound
from looop.kit import clock, files, names, text
from looop.paths import Paths

__all__ = ["Documents", "is_dropping"]


def is_dropping(name: str) -> bool:
    """Whether a file name is a hidden file or what an editor left: never a goal or a sensor."""
    return name.startswith((".", "#")) or name.endswith(("~", ".swp", ".tmp", ".orig", ".rej"))


class Documents:
    """The policy files of one profile."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def playbook(self) -> str | None:
        return files.read_text(self._paths.playbook)

    def goal_ids(self) -> tuple[list[str], list[str]]:
        """Ids of the goals, and file names that look like goals but break the grammar."""
        good: list[str] = []
        strange: list[str] = []
        for name in files.list_names(self._paths.goals):
            if not name.endswith(".md") or is_dropping(name):
                continue
            (good if names.is_name(name[:-3]) else strange).append(name[:-3])
        return good, strange

    def goal(self, goal_id: str) -> str | None:
        return files.read_text(self._paths.goal(goal_id))

    def write_goal(self, goal_id: str, body: str) -> None:
        files.ensure_dir(self._paths.goals)
        files.write_atomic(self._paths.goal(goal_id), text.ended(body).encode("utf-8", "replace"))

    def archive_goal(self, goal_id: str) -> str:
        """Move a goal to the archive; the name it has there. Raises `NotFound`."""
        source = self._paths.goal(goal_id)
        if files.stat_or_none(source) is None:
            raise NotFound(f"there is no goal {goal_id!r}")
        return files.move_aside(source, self._paths.goal_archive).name

    def write_sensor(self, name: str, script: str) -> None:
        """Publish a script, executable from its first moment, in place of one of that name."""
        files.ensure_dir(self._paths.sensors)
        data = text.ended(script).encode("utf-8", "replace")
        files.write_atomic(self.sensor_path(name), data, mode=0o700)

    def sensor_path(self, name: str) -> Path:
        """Where the sensor of that name is, whatever its ending; where it would be, if not."""
        for file_name in files.list_names(self._paths.sensors):
            path = self._paths.sensors / file_name
            if path.stem == name and not is_dropping(file_name):
                return path
        return self._paths.sensor(name)

    def write_playbook(self, body: str, at: float, keep: int) -> None:
        """Replace the PLAYBOOK after keeping the previous one; history never blocks the write."""
        old = files.read_bytes(self._paths.playbook)
        if old is not None:
            with contextlib.suppress(OSError, LooopError):
                self._keep(old, at, keep)
        files.write_atomic(self._paths.playbook, text.ended(body).encode("utf-8", "replace"))

    def _keep(self, old: bytes, at: float, keep: int) -> None:
        directory = self._paths.playbook_history
        files.ensure_dir(directory)
        stamp = clock.local_stamp(at)
        number = 0
        # The number is padded so that names sort in the order of time.
        while not files.create_exclusive(directory / f"{stamp}-{number:04d}.md", old):
            number += 1
        if keep:
            kept = [name for name in files.list_names(directory) if name.endswith(".md")]
            for name in kept[:-keep]:
                files.remove(directory / name)
