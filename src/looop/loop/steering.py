"""What humans steer with, as digests: a change of any of it ends a wait."""

from collections.abc import Mapping

import msgspec

from looop.config import Config
from looop.errors import LooopError
from looop.kit import canon, files
from looop.kit.shapes import is_object
from looop.model.world import Reading
from looop.paths import Paths

__all__ = ["digests", "runner_signature"]


def digests(paths: Paths, config: Config, readings: Mapping[str, Reading]) -> dict[str, str]:
    """Rules, settings and answers, each as one value; unreadable is a value too."""
    found: dict[str, str] = {}
    for path in (paths.reflexes, paths.admission, config.source or paths.config):
        try:
            data = files.read_bytes(path)
            found[path.name] = "absent" if data is None else canon.digest(data)
        except LooopError as error:
            found[path.name] = f"!{error}"
    asks = readings.get("sys-asks")
    if asks is not None and is_object(asks.signal):
        found["answers"] = canon.canonical(asks.signal.get("answered", []))
    return found


def runner_signature(config: Config) -> str:
    """What identifies who would be launched: the runner's name and everything set for it."""
    spec = config.runners.get(config.runner)
    return canon.digest(msgspec.json.encode([config.runner, spec]))
