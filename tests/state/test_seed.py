"""The starter profile: laid once, and never over a file."""

import os

import pytest

from looop.errors import Unreadable
from looop.paths import Paths
from looop.state import seed

NOW = 1_783_066_530.0

pytestmark = pytest.mark.usefixtures("store")


def test_a_new_profile_gets_every_starter_file(paths: Paths) -> None:
    expected = sorted(
        str(path.relative_to(seed.STARTER)) for path in seed.STARTER.rglob("*") if path.is_file()
    )
    assert sorted(seed.lay(paths, NOW)) == expected
    assert {"PLAYBOOK.md", "admission.toml", "reflexes.toml"} < set(expected)
    for name in expected:
        laid = paths.data / name
        assert laid.read_bytes() == (seed.STARTER / name).read_bytes()
        assert laid.stat().st_mode & 0o777 == (0o700 if name.startswith("sensors/") else 0o600)
    assert paths.seeded.read_text() == "2026-07-03T08:15:30.000Z\n"


def test_the_seed_is_laid_once(paths: Paths) -> None:
    seed.lay(paths, NOW)
    assert seed.lay(paths, NOW + 1) == []
    assert paths.seeded.read_text() == "2026-07-03T08:15:30.000Z\n"


def test_a_deleted_file_stays_deleted(paths: Paths) -> None:
    seed.lay(paths, NOW)
    paths.playbook.unlink()
    paths.goal("setup").unlink()
    assert seed.lay(paths, NOW) == []
    assert not paths.playbook.exists()
    assert not paths.goal("setup").exists()


def test_a_profile_that_has_a_playbook_is_only_marked(paths: Paths) -> None:
    paths.playbook.write_text("mine")
    assert seed.lay(paths, NOW) == []
    assert paths.playbook.read_text() == "mine"
    assert os.listdir(paths.sensors) == []
    assert paths.seeded.exists()


def test_no_file_is_overwritten(paths: Paths) -> None:
    paths.goal("setup").write_text("mine")
    paths.admission.symlink_to("elsewhere.toml")
    laid = seed.lay(paths, NOW)
    assert "PLAYBOOK.md" in laid
    assert not {"goals/setup.md", "admission.toml"} & set(laid)
    assert paths.goal("setup").read_text() == "mine"
    assert not (paths.data / "elsewhere.toml").exists()


def test_a_seed_that_was_cut_off_is_finished(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace
    left = 1

    def cut(source: str, target: str) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            seed.lay(paths, NOW)
    assert not paths.seeded.exists()
    seed.lay(paths, NOW)
    for path in seed.STARTER.rglob("*"):
        assert (paths.data / path.relative_to(seed.STARTER)).exists(), path


def test_a_mark_that_cannot_be_looked_at_is_not_a_first_run(paths: Paths) -> None:
    paths.seeded.symlink_to(paths.seeded)
    with pytest.raises(Unreadable):
        seed.lay(paths, NOW)
    assert not paths.playbook.exists()
