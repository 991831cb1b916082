"""The demonstration: the real loop in a throw-away profile, anywhere, leaving nothing."""

import subprocess
from pathlib import Path

import pytest

from tests.support.leftovers import living
from tests.support.program import LOOOP, home_env, looop

BEATS = [
    ("first look", "acted"),
    ("unchanged", "rested"),
    ("the inbox changed", "acted"),
    ("a sensor broke", "acted"),
    ("a deletion is wanted", "held"),
    ("your yes is spent", "acted"),
    ("work is wanted", "held"),
    ("your yes starts it", "acted"),
    ("the worker ended", "acted"),
    ("a force push is wanted", "denied"),
    ("backing off", "gate closed"),
]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tmp").mkdir()
    return home_env(tmp_path / "home", TMPDIR=str(tmp_path / "tmp"))


@pytest.mark.parametrize("checkout", [False, True])
def test_it_shows_each_of_its_beats_and_leaves_nothing(
    env: dict[str, str], tmp_path: Path, *, checkout: bool
) -> None:
    place = tmp_path / "my project"
    place.mkdir()
    # What the user has set for a profile of their own must not leak into this one.
    env |= {"LOOOP_DATA_DIR": str(tmp_path / "mine"), "LOOOP_AUTONOMY": "trusted"}
    env["GIT_CEILING_DIRECTORIES"] = str(tmp_path)
    if checkout:
        subprocess.run(["git", "init", "--quiet", place], env=env, check=True)

    done = looop("demo", env=env, cwd=place)

    assert (done.code, done.err) == (0, "")
    for number, (beat, end) in enumerate(BEATS, 1):
        row = f" {number:>2}  {beat} "
        assert any(x.startswith(row) and end in x for x in done.out.split("\n")), (beat, end)
    journal = "  - 20"
    assert [x for x in done.out.split("\n") if len(x) > 80 and not x.startswith(journal)] == []
    assert not (tmp_path / "mine").exists()
    assert living(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert list((tmp_path / "home").iterdir()) == []
    assert [p.name for p in place.iterdir()] == ([".git"] if checkout else [])


def test_the_profile_can_be_kept_and_looked_at(env: dict[str, str], tmp_path: Path) -> None:
    kept = tmp_path / "kept"

    done = looop("demo", "--keep", str(kept), env=env)

    assert done.code == 0
    assert f"LOOOP_DATA_DIR={kept}/profile looop status" in done.out
    inside = {**env, "LOOOP_DATA_DIR": str(kept / "profile")}
    assert looop("status", "--json", env=inside).json["fails"] == 1
    assert looop("asks", "loop-1", "--json", env=inside).json["closed"] == "approved and run"
    again = looop("demo", "--keep", str(kept), env=env)
    assert (again.code, again.out) == (1, "")
    assert again.err == f"looop: {kept} is not empty; name a new directory\n"


def test_it_takes_its_profile_away_when_it_is_ended(env: dict[str, str], tmp_path: Path) -> None:
    child = subprocess.Popen(
        [LOOOP, "demo"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=env["HOME"]
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.terminate()
    child.communicate(timeout=20)

    assert child.returncode == 130
    assert living(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_without_git_it_says_what_is_missing(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()

    done = looop("demo", env={**env, "PATH": str(tmp_path / "bin")})

    assert (done.code, done.err) == (
        1,
        "looop: the demonstration watches a git checkout: install the Debian package git\n",
    )
    assert list((tmp_path / "tmp").iterdir()) == []
