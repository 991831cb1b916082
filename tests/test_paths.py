"""Paths: which profile the environment means, and that everything of it is inside it."""

import os
import sys
from pathlib import Path

import pytest

from looop import paths as module
from looop.errors import Usage
from looop.paths import Paths, resolve


@pytest.mark.parametrize(
    ("env", "data", "config"),
    [
        pytest.param(
            {"HOME": "/h"}, "/h/.local/state/looop", "/h/.local/state/looop/config.toml", id="home"
        ),
        pytest.param(
            {"HOME": "/h", "XDG_STATE_HOME": "/x"}, "/x/looop", "/x/looop/config.toml", id="xdg"
        ),
        pytest.param(
            {"HOME": "/h", "XDG_STATE_HOME": "/x", "LOOOP_DATA_DIR": "/d"},
            "/d",
            "/d/config.toml",
            id="data dir",
        ),
        pytest.param(
            {"LOOOP_DATA_DIR": "/d", "LOOOP_CONFIG": "/c/x.toml"}, "/d", "/c/x.toml", id="config"
        ),
        pytest.param(
            {"HOME": "/h", "XDG_STATE_HOME": "", "LOOOP_DATA_DIR": "", "LOOOP_CONFIG": ""},
            "/h/.local/state/looop",
            "/h/.local/state/looop/config.toml",
            id="empty is unset",
        ),
    ],
)
def test_the_nearest_variable_wins(env: dict[str, str], data: str, config: str) -> None:
    found = resolve(env)
    assert (str(found.data), str(found.config)) == (data, config)


def test_relative_paths_are_made_absolute_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    found = resolve({"LOOOP_DATA_DIR": "data", "LOOOP_CONFIG": "conf/looop.toml"})
    monkeypatch.chdir(tmp_path)
    assert found.data == tmp_path / "one" / "data"
    assert found.config == tmp_path / "one" / "conf" / "looop.toml"
    assert found.journal.is_absolute()


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    found = resolve({"LOOOP_DATA_DIR": "~/state", "LOOOP_CONFIG": "~/c.toml"})
    assert (str(found.data), str(found.config)) == ("/h/state", "/h/c.toml")


@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"LOOOP_CONFIG": "/c.toml"}])
def test_without_a_home_it_says_what_to_set(env: dict[str, str]) -> None:
    with pytest.raises(Usage, match="set LOOOP_DATA_DIR, or HOME") as caught:
        resolve(env)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["LOOOP_DATA_DIR", "LOOOP_CONFIG"])
def test_the_home_of_nobody_is_told_and_not_a_crash(name: str) -> None:
    with pytest.raises(Usage, match="cannot tell where the profile is"):
        resolve({"HOME": "/h", name: "~no-such-user-anywhere/x"})


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "elsewhere" / "config.toml")


def test_everything_of_a_profile_is_inside_it(paths: Paths) -> None:
    own = {name: path for name, path in vars(paths).items() if name != "config"}
    own |= {
        "goal": paths.goal("x"), "sensor": paths.sensor("x"), "snapshot": paths.snapshot("x"),
        "snapshot_err": paths.snapshot_err("x"), "run": paths.run("x"),
    }  # fmt: skip
    for name, path in own.items():
        assert path.is_relative_to(paths.data), name
    assert len(set(own.values())) == len(own), "no two things share a file"


def test_every_file_has_a_directory_that_is_made(paths: Paths) -> None:
    made = set(paths.directories())
    for path in (
        paths.playbook, paths.goal("x"), paths.sensor("x"), paths.snapshot("x"), paths.run("x"),
        paths.memory, paths.stamps, paths.seeded, paths.pulse_note, paths.secret, paths.pulse_lock,
        paths.journal, paths.events, paths.cost, paths.reflexes, paths.admission,
    ):  # fmt: skip
        assert path.parent in made, path


def test_parents_are_made_before_what_is_in_them(paths: Paths) -> None:
    order = list(paths.directories())
    for directory in order[1:]:
        assert order.index(directory.parent) < order.index(directory)


def test_children_are_told_where_the_profile_is(paths: Paths) -> None:
    env = paths.child_env({"A": "b", "LOOOP_DATA_DIR": "another", "LOOOP_INTERVAL": "5"})
    assert env["A"] == "b"
    assert env["LOOOP_INTERVAL"] == "5"
    assert env["LOOOP_DATA_DIR"] == str(paths.data)
    assert env["LOOOP_CONFIG"] == str(paths.config)
    assert env["LOOOP_CLAIMS_DIR"] == str(paths.claims)
    assert env["LOOOP_REPORTS_DIR"] == str(paths.reports)
    assert env["LOOOP_COST_LEDGER"] == str(paths.cost)
    assert resolve(env).data == paths.data
    assert resolve(env).config == paths.config


def test_scripts_call_back_the_very_program_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", ["bin/looop"])
    assert module._own_command() == os.path.join(os.getcwd(), "bin", "looop")
    monkeypatch.setattr(sys, "argv", [""])
    assert module._own_command() == "looop"
    (tmp_path / "looop").touch()
    assert module._own_command() == str(tmp_path / "looop")
