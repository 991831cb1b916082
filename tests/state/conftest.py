"""A real, empty profile for every test of durable state."""

from pathlib import Path

import pytest

from looop.config import Config
from looop.paths import Paths
from looop.state.store import Store


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    data = tmp_path / "data"
    return Paths(data, data / "config.toml")


@pytest.fixture
def store(paths: Paths) -> Store:
    made = Store(paths, Config())
    made.ensure()
    return made
