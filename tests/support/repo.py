"""A small git repository for a test, untouched by the settings of whoever runs it."""

import os
import subprocess
from pathlib import Path

__all__ = ["git", "new_repo"]


def git(where: Path, *words: str) -> str:
    """What a git command prints; it must succeed."""
    env = {"PATH": os.environ["PATH"], "HOME": str(where), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(where), *words],
        capture_output=True,
        check=True,
        env=env,
    )
    return done.stdout.decode().strip()


def new_repo(where: Path) -> Path:
    """A repository at `where`, with one file in one commit on `main`."""
    where.mkdir()
    git(where, "init", "--quiet", "-b", "main")
    (where / "file").write_text("x")
    git(where, "add", "file")
    git(where, "commit", "--quiet", "-m", "first")
    return where
