"""One throw-away profile for each test."""

from pathlib import Path

import pytest

from tests.loop.act.support import Profile


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(tmp_path)
