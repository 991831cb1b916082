"""Everything of one profile, opened together."""

import os

import pytest

from looop.errors import Corrupt, Unreadable
from looop.model.records import Schedule, SensorStamp
from looop.paths import Paths
from looop.state.store import Store

STAMP = SensorStamp(at=1.0, ok=True, took_s=0.1, size=2, code=0, script="d", trust="own")


def test_every_directory_is_made_privately_and_made_again(store: Store, paths: Paths) -> None:
    for directory in paths.directories():
        assert directory.stat().st_mode & 0o777 == 0o700
    paths.reports.rmdir()
    paths.goals.chmod(0o755)
    store.ensure()
    assert paths.reports.is_dir()
    assert paths.goals.stat().st_mode & 0o777 == 0o755


def test_stamps_are_kept_and_absent_before(store: Store) -> None:
    assert store.stamps() == {}
    store.keep_stamps({"git": STAMP})
    assert store.stamps() == {"git": STAMP}


def test_stamps_that_cannot_be_read_are_not_absent(store: Store, paths: Paths) -> None:
    paths.stamps.write_text('{"git": {"at": "noon"}}')
    with pytest.raises(Corrupt, match=r"sensors\.json makes no sense"):
        store.stamps()
    paths.stamps.unlink()
    paths.stamps.mkdir()
    with pytest.raises(Unreadable):
        store.stamps()


def test_schedules_of_the_original_program_are_read(store: Store, paths: Paths) -> None:
    (paths.schedules / "daily.json").write_text(
        '{"v": 1, "every_s": 86400, "anchor": 1700000000, "note": "digest"}'
    )
    (paths.schedules / "once.json").write_text('{"v": 1, "at": 1800000000}')
    assert store.schedules.all() == {
        "daily": Schedule(every_s=86400, anchor=1_700_000_000, note="digest"),
        "once": Schedule(at=1_800_000_000),
    }


def test_opening_a_profile_writes_nothing(paths: Paths) -> None:
    from looop.config import Config

    Store(paths, Config())
    assert not os.path.exists(paths.data)
