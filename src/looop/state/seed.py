"""The starter profile: laid exactly once, and never over a file that is there."""

from pathlib import Path

from looop.kit import clock, files
from looop.paths import Paths

__all__ = ["STARTER", "lay"]

STARTER = Path(__file__).parent / "starter"


def lay(paths: Paths, now: float) -> list[str]:
    """
    Lay the starter files into a profile that never had them; the names of those that were laid.

    A mark records that it was done: a PLAYBOOK that is deleted later is a fact about the world,
    not a first run. A profile that has a PLAYBOOK already is only marked.
    """
    if files.stat_or_none(paths.seeded) is not None:
        return []
    laid: list[str] = []
    if files.stat_or_none(paths.playbook) is None:
        # The PLAYBOOK comes last: a seed that is cut off before it begins again.
        sources = sorted(STARTER.rglob("*"), key=lambda path: (path.name == "PLAYBOOK.md", path))
        for source in sources:
            if source.is_dir():
                continue
            name = source.relative_to(STARTER)
            target = paths.data / name
            files.ensure_dir(target.parent)
            mode = 0o700 if name.parts[0] == "sensors" else files.PRIVATE
            if files.create_exclusive(target, source.read_bytes(), mode):
                laid.append(str(name))
    files.write_atomic(paths.seeded, f"{clock.utc_iso(now)}\n".encode())
    return laid
