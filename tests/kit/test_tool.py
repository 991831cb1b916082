"""Helper programs: found on PATH, run with a limit."""

import os
import sys
from pathlib import Path

import pytest

from looop.kit import tool


def test_a_helper_gives_its_code_and_both_outputs(tmp_path: Path) -> None:
    script = (
        "import os,sys; print(os.getcwd(), end=''); sys.stderr.write(sys.stdin.read()); exit(3)"
    )
    code, out, err = tool.capture([sys.executable, "-c", script], cwd=tmp_path, stdin=b"said")
    assert (code, out.decode(), err) == (3, str(tmp_path), b"said")


def test_the_environment_is_the_callers_unless_one_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHO", "caller")
    argv = ["/bin/sh", "-c", "printf %s $WHO"]
    assert tool.capture(argv)[1] == b"caller"
    assert tool.capture(argv, env={"WHO": "other"})[1] == b"other"
    assert tool.capture(argv, env={})[1] == b""


def test_a_helper_that_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError, match=r"sleep took longer than 0\.05 s"):
        tool.capture(["sleep", "600"], limit_s=0.05)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_helper_that_is_not_there_is_missing() -> None:
    with pytest.raises(FileNotFoundError):
        tool.capture(["no-such-program-anywhere"])


def test_programs_are_found_on_path(tmp_path: Path) -> None:
    helper = tmp_path / "helper"
    helper.write_text("#!/bin/sh\n")
    assert tool.find("helper", str(tmp_path)) is None
    helper.chmod(0o755)
    assert tool.find("helper", str(tmp_path)) == str(helper)
    assert tool.find("helper", "/nowhere") is None
