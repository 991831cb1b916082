"""Every test of the command line has an empty home of its own, and leaves no process behind."""

from pathlib import Path

import pytest

from tests.support.leftovers import nothing_left
from tests.support.program import home_env

__all__ = ["env", "nothing_left", "profile_dir"]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return home_env(tmp_path / "home")


@pytest.fixture
def profile_dir(env: dict[str, str]) -> Path:
    """Where the profile of that home is."""
    return Path(env["HOME"]) / ".local" / "state" / "looop"
