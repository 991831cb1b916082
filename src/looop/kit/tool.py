"""Short helper programs of our own choosing: git, shfmt, a version check."""

from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["capture", "find"]


def find(program: str, path: str | None = None) -> str | None:
    """Where a program is on PATH, or None."""
    import shutil

    return shutil.which(program, path=path)


def capture(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    limit_s: float = 10.0,
) -> tuple[int, bytes, bytes]:
    """
    Run a helper and wait for it: exit code, stdout, stderr.

    Never for anything that a user or a model wrote: those go through `looop.kit.proc`.
    Raises `FileNotFoundError` if it is not there and `TimeoutError` past the limit.
    """
    import subprocess

    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            env=None if env is None else dict(env),
            input=stdin,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{argv[0]} took longer than {limit_s:g} s") from error
    return done.returncode, done.stdout, done.stderr
