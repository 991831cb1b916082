"""Every test of the command line has an empty home of its own, and leaves no process behind."""

import shutil
from pathlib import Path

import pytest

from tests.cli.session import Crew
from tests.support.crew import crew_ended
from tests.support.leftovers import nothing_left
from tests.support.program import home_env, looop

__all__ = ["crew", "crew_ended", "env", "home_with_profile", "nothing_left", "profile_dir"]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return home_env(tmp_path / "home")


@pytest.fixture
def profile_dir(env: dict[str, str]) -> Path:
    """Where the profile of that home is."""
    return Path(env["HOME"]) / ".local" / "state" / "looop"


@pytest.fixture(scope="session")
def home_with_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a profile that is just laid, to be copied."""
    home = tmp_path_factory.mktemp("laid") / "home"
    assert looop("init", "--runner", "rules", "--no-git", env=home_env(home)).code == 0
    return home


@pytest.fixture
def crew(env: dict[str, str], profile_dir: Path, home_with_profile: Path, crew_ended: None) -> Crew:
    """The sessions of a profile in that home; all of them are ended with the test."""
    shutil.copytree(home_with_profile, env["HOME"], dirs_exist_ok=True)
    return Crew(env, profile_dir)
