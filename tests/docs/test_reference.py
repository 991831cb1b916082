"""The reference says what the program says."""

import subprocess
import sys
from pathlib import Path

import pytest

from looop import errors
from looop.cli.table import VERBS
from looop.errors import LooopError
from looop.loop.admit import rules
from looop.loop.decide import reflexes
from looop.model.actions import ACTIONS
from looop.model.events import EVENTS
from looop.paths import Paths
from looop.sessions import keys
from looop.settings import SETTINGS
from tests.docs.pages import DOCS, ROOT, headings

REFERENCE = DOCS / "reference"
NAMED: dict[str, list[str]] = {
    "cli.md": list(VERBS),
    "config.md": list(SETTINGS),
    "actions.md": list(ACTIONS),
    "events.md": list(EVENTS),
    "errors.md": [
        name
        for name in errors.__all__
        if isinstance(kind := getattr(errors, name), type) and issubclass(kind, LooopError)
    ],
}


def test_no_page_has_drifted() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("page", sorted(NAMED))
def test_everything_has_a_heading(page: str) -> None:
    found = headings(REFERENCE / page)
    assert [name for name in NAMED[page] if name not in found] == []


def test_every_path_of_a_profile_is_named() -> None:
    root = Path("/profile")
    places = vars(Paths(root, root / "config.toml")).values()
    text = (REFERENCE / "files.md").read_text(encoding="utf-8")
    relative = [p.relative_to(root) for p in places if isinstance(p, Path) and p != root]
    assert [str(p) for p in relative if f"`{p}`" not in text and f"`{p}/`" not in text] == []


@pytest.mark.parametrize("key", sorted(SETTINGS))
def test_every_variable_of_a_setting_is_named(key: str) -> None:
    text = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    variables = (f"LOOOP_{key.upper()}", *SETTINGS[key].aliases)
    assert [name for name in variables if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", ["LOOOP_SESSION_ID", "LOOOP_GENERATION", "LOOOP_RUN_ID"])
def test_what_a_worker_finds_in_its_environment_is_named(name: str) -> None:
    assert f"`{name}`" in (REFERENCE / "environment.md").read_text(encoding="utf-8")


def test_every_key_that_has_a_name_is_named() -> None:
    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")

    plain = [name for name in keys.names() if not name.startswith("C-")]

    assert [name for name in plain if f"`{name}`" not in text] == []


@pytest.mark.parametrize("names", [reflexes.VARIABLES, rules.VARIABLES])
def test_everything_that_a_rule_sees_is_named(names: tuple[str, ...]) -> None:
    text = (REFERENCE / "actions.md").read_text(encoding="utf-8")

    assert [name for name in names if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("code", [0, 1, 2, 124, 130, 137, 141])
def test_every_exit_code_is_named(code: int) -> None:
    assert f"\n| {code} |" in (REFERENCE / "cli.md").read_text(encoding="utf-8")


def test_no_page_shows_a_verb_that_does_not_exist() -> None:
    known = {*VERBS, "--json", "--keep-workers", "--version", "--help", "-V", "-h"}
    wrong: list[str] = []
    for page in sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")]):
        text = page.read_text(encoding="utf-8")
        for piece in text.split("`looop ")[1:]:
            word = piece.partition("`")[0].split(maxsplit=1)[0].rstrip("`.,;:)")
            if word.islower() and word not in known:
                wrong.append(f"{page.relative_to(ROOT)}: looop {word}")
    assert wrong == []
