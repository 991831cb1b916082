"""One throw-away profile for each test, and none of its sessions left after it."""

from pathlib import Path

import pytest

from tests.loop.workers.support import Profile
from tests.support.crew import crew_ended

__all__ = ["crew_ended"]


@pytest.fixture
def profile(tmp_path: Path, crew_ended: None) -> Profile:
    return Profile(tmp_path)
