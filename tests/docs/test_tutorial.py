"""The tutorial works: every block runs, and prints what the page says."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.pages import DOCS, blocks

TUTORIAL = DOCS / "tutorial.md"
_MARK = "@@block@@"
# What differs from run to run, and the word that stands for it.
_VOLATILE = (
    (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}", "MINUTE"),
    (r"\d{2}:\d{2}:\d{2}", "CLOCK"),
    (r"\b(tick|hand)-\d{8}-\d{6}-[0-9a-f]{6}\b", "RUN"),
    (r"\bundid [0-9a-f]{7,}", "undid COMMIT"),
    (r"\b\d+\.\d+ s\b", "SECONDS"),
    (r"\b\d+(ms|[smhd])(\d+[smhd])?\b", "DURATION"),
    # Where a table cuts its last column depends on the width of the others.
    (r"(\S+ )?\S*…", "CUT"),
    (r"\s+", " "),
)


class Step(NamedTuple):
    """One shell block, and the output that stands under it (None where the page shows none)."""

    shell: str
    shown: str | None


def steps() -> list[Step]:
    found = blocks(TUTORIAL)
    following = [*found[1:], None]
    return [
        Step(block.text, after.text if after and after.language == "text" else None)
        for block, after in zip(found, following, strict=True)
        if block.language == "sh"
    ]


def same(text: str, home: str) -> str:
    """`text` without what differs from run to run; line breaks depend on the length of paths."""
    text = text.replace(home, "/home/you")
    for pattern, word in _VOLATILE:
        text = re.sub(pattern, word, text)
    return text.strip()


class Played(NamedTuple):
    """What one block printed, both streams together, and its exit code."""

    output: str
    code: int


def play(home: Path, script: Path) -> list[Played]:
    """All blocks, in order, in one shell, in an empty home."""
    script.write_text(
        "".join(f"{step.shell}\nprintf '\\n{_MARK}%d\\n' $?\n" for step in steps()),
        encoding="utf-8",
    )
    env = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "80",
        "LANG": "C.UTF-8",
        "LOOOP_DATA_DIR": str(home / "never-used"),
    }
    try:
        done = subprocess.run(
            ["bash", str(script)],
            cwd=home,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=110,
        )
    finally:
        # The last block ends its worker; a script that did not get there must not leave it behind.
        profile = home / "tutorial" / "profile"
        if profile.exists():
            subprocess.run(
                [sys.executable, "-m", "looop", "down"],
                env=env | {"LOOOP_DATA_DIR": str(profile)},
                capture_output=True,
                check=False,
                timeout=60,
            )
    pieces = re.split(rf"\n{_MARK}(\d+)\n", done.stdout.decode("utf-8"))
    return [
        Played(output, int(code)) for output, code in zip(pieces[::2], pieces[1::2], strict=False)
    ]


# Three dozen starts of the program, one after the other, on a machine that runs all other tests too.
@pytest.mark.timeout(120)
def test_every_block_runs_and_prints_what_the_page_shows(tmp_path: Path) -> None:
    # A short home, as people have: what is too long for a line is cut where it need be.
    with tempfile.TemporaryDirectory(prefix="home-") as short:
        home = Path(short)
        played = play(home, tmp_path / "tutorial.sh")
        # The last block cleans up, so nothing is left, and the default profile was not touched.
        assert list(home.iterdir()) == []
    for step, got in zip(steps(), played, strict=True):
        assert got.code == 0, (step.shell, got.output)
        if step.shown is not None:
            assert same(got.output, str(home)) == same(step.shown, str(home)), step.shell


def test_every_block_of_the_tutorial_is_shell_or_output() -> None:
    assert {block.language for block in blocks(TUTORIAL)} == {"sh", "text"}
