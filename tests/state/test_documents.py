"""Policy files: PLAYBOOK with its history, goals with their archive, sensors."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from looop.errors import NotFound, Unreadable
from looop.kit import clock
from looop.paths import Paths
from looop.state.documents import Documents, is_dropping
from looop.state.store import Store

NOW = 1_783_066_530.0


@pytest.fixture
def documents(store: Store) -> Documents:
    return store.documents


# -- goals ---------------------------------------------------------------------------------------


def test_a_goal_goes_through_the_archive_and_back(documents: Documents, paths: Paths) -> None:
    documents.write_goal("a", "goal: one")
    assert documents.goal("a") == "goal: one\n"
    assert documents.archive_goal("a") == "a.md"
    assert documents.goal("a") is None
    assert documents.goal_ids() == ([], [])

    documents.write_goal("a", "goal: two")
    assert documents.archive_goal("a") == "a-1.md"
    assert [(paths.goal_archive / name).read_text() for name in ("a.md", "a-1.md")] == [
        "goal: one\n",
        "goal: two\n",
    ]


def test_a_goal_that_is_not_there_cannot_be_archived(documents: Documents) -> None:
    with pytest.raises(NotFound, match="there is no goal 'a'"):
        documents.archive_goal("a")


def test_droppings_are_no_goals_and_strange_names_are_told_apart(
    documents: Documents, paths: Paths
) -> None:
    for name in ("b.md", "a.md", "my goal.md", "é.md"):
        (paths.goals / name).write_text("goal: x")
    for name in ("._a.md", ".#a.md", "#a.md#", "a.md~", "a.md.swp", "a.md.orig", "notes.txt"):
        (paths.goals / name).write_text("junk")
    assert documents.goal_ids() == (["a", "b"], ["my goal", "é"])


@pytest.mark.parametrize("name", [".x", "#x#", "x~", "x.swp", "x.tmp", "x.orig", "x.rej", ".#x.md"])
def test_what_an_editor_leaves_is_a_dropping(name: str) -> None:
    assert is_dropping(name)


@pytest.mark.parametrize("name", ["x", "x.md", "x.sh", "swp", "tmp.md", "orig.rej.sh"])
def test_what_a_person_wrote_is_none(name: str) -> None:
    assert not is_dropping(name)


def test_a_goal_that_cannot_be_read_is_not_an_absent_goal(
    documents: Documents, paths: Paths
) -> None:
    paths.goal("a").mkdir()
    with pytest.raises(Unreadable):
        documents.goal("a")


def test_text_that_has_no_bytes_is_written_as_far_as_it_goes(documents: Documents) -> None:
    documents.write_goal("a", "caf\ud800 é")
    assert documents.goal("a") == "caf? é\n"


# -- sensors -------------------------------------------------------------------------------------


def test_a_sensor_can_be_run_from_its_first_moment(
    documents: Documents, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        modes.append(os.stat(source).st_mode & 0o777)
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        documents.write_sensor("x", "#!/bin/sh\necho '{}'\n\n\n")
    assert modes == [0o700]
    assert paths.sensor("x").read_text() == "#!/bin/sh\necho '{}'\n"
    done = subprocess.run([str(paths.sensor("x"))], capture_output=True, check=True)
    assert done.stdout == b"{}\n"


def test_a_sensor_is_replaced_where_it_is_whatever_its_ending(
    documents: Documents, paths: Paths
) -> None:
    for name in ("x.py", "x.py~", ".x.sh", "xy.sh"):
        (paths.sensors / name).write_text("old")
    assert documents.sensor_path("x") == paths.sensors / "x.py"
    documents.write_sensor("x", "new")
    assert (paths.sensors / "x.py").read_text() == "new\n"
    assert not paths.sensor("x").exists()
    assert documents.sensor_path("y") == paths.sensor("y")


# -- the PLAYBOOK --------------------------------------------------------------------------------


def history(paths: Paths) -> list[str]:
    return [
        path.read_text()
        for path in sorted(paths.playbook_history.iterdir())
        if path.suffix == ".md"
    ]


def test_the_previous_playbook_is_kept_before_it_is_replaced(
    documents: Documents, paths: Paths
) -> None:
    assert documents.playbook() is None
    documents.write_playbook("one", NOW, 20)
    assert history(paths) == []
    documents.write_playbook("two", NOW, 20)
    assert documents.playbook() == "two\n"
    assert history(paths) == ["one\n"]


def test_names_of_one_second_sort_in_the_order_of_time(documents: Documents, paths: Paths) -> None:
    for number in range(13):
        documents.write_playbook(str(number), NOW, 0)
    documents.write_playbook("13", NOW + 1, 0)
    assert history(paths) == [f"{number}\n" for number in range(13)]
    names = sorted(path.name for path in paths.playbook_history.iterdir() if path.suffix == ".md")
    assert names[0].startswith(clock.local_stamp(NOW))


def test_history_keeps_the_newest_and_leaves_other_files_alone(
    documents: Documents, paths: Paths
) -> None:
    (paths.playbook_history / "notes.txt").write_text("mine")
    for number in range(8):
        documents.write_playbook(str(number), NOW + number // 3, 3)
    assert history(paths) == ["4\n", "5\n", "6\n"]
    assert (paths.playbook_history / "notes.txt").exists()


def test_bytes_that_are_no_text_are_kept_as_they_are(documents: Documents, paths: Paths) -> None:
    paths.playbook.write_bytes(b"caf\xe9\n")
    documents.write_playbook("new", NOW, 20)
    (kept,) = [path for path in paths.playbook_history.iterdir() if path.suffix == ".md"]
    assert kept.read_bytes() == b"caf\xe9\n"


def test_a_history_that_cannot_be_kept_does_not_block_the_write(
    documents: Documents, paths: Paths
) -> None:
    documents.write_playbook("one", NOW, 20)
    paths.playbook_history.rmdir()
    paths.playbook_history.write_text("in the way")
    documents.write_playbook("two", NOW, 20)
    assert documents.playbook() == "two\n"
    assert paths.playbook_history.read_text() == "in the way"


def test_a_playbook_that_cannot_be_read_is_not_replaced(documents: Documents, paths: Paths) -> None:
    paths.playbook.mkdir()
    with pytest.raises(Unreadable):
        documents.write_playbook("new", NOW, 20)


def test_a_linked_playbook_stays_a_link(documents: Documents, paths: Paths, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.md"
    real.write_text("one\n")
    paths.playbook.symlink_to(real)
    documents.write_playbook("two", NOW, 20)
    assert paths.playbook.is_symlink()
    assert real.read_text() == "two\n"
    assert history(paths) == ["one\n"]


def test_a_write_that_fails_leaves_the_playbook(
    documents: Documents, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents.write_playbook("one", NOW, 20)
    real = os.replace

    def refuse(source: Any, target: Any) -> None:
        if str(target).endswith("PLAYBOOK.md"):
            raise OSError(5, "Input/output error")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match="Input/output"):
            documents.write_playbook("two", NOW, 20)
    assert documents.playbook() == "one\n"


def test_a_sensor_written_again_takes_the_place_of_one_with_another_ending(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path / "config.toml")
    paths.sensors.mkdir()
    old = paths.sensors / "git.py"
    old.write_text("#!/usr/bin/env python3\n", encoding="utf-8")

    Documents(paths).write_sensor("git", "#!/bin/sh\necho '{}'")

    assert [entry.name for entry in paths.sensors.iterdir() if entry.suffix] == ["git.py"]
    assert old.read_text(encoding="utf-8") == "#!/bin/sh\necho '{}'\n"
