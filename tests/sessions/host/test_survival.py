"""A session outlives whoever started it and the files it came from, and dies honestly."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import looop
from looop.sessions import seen, spawn
from tests.sessions.conftest import Start, supervisors
from tests.sessions.host.support import (
    ask,
    end,
    meta,
    output,
    running,
    said,
    status,
    supervisor_killed,
)
from tests.support.program import wait_for

STARTER = """
import json, sys
from pathlib import Path
from looop.sessions import spawn
from looop.sessions.records import Spec
directory, words, env = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
spec = Spec(id=Path(directory).name, argv=tuple(words), cwd=str(Path(directory).parent), env=env)
spawn.start(Path(directory), spec, generation="g1", version="1")
print("started", flush=True)
"""


def plain(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}


def starter(directory: Path, env: dict[str, str], *words: str) -> list[str]:
    return [sys.executable, "-c", STARTER, str(directory), json.dumps(words), json.dumps(env)]


def test_a_supervisor_that_is_killed_is_seen_as_dead_and_takes_its_command_along(
    start: Start,
) -> None:
    directory = start("sleep", "600")
    pid = status(directory).pid

    supervisor_killed(directory)

    found = seen.look(directory)
    assert (found.state, found.alive, found.code) == ("dead", False, None)
    assert found.reason == "its supervisor died"
    wait_for(lambda: not running(pid))
    # Its socket is still there, and leads nowhere.
    assert start("true", generation="g2") == directory
    assert end(directory).state == "exited"


def test_the_death_of_whoever_started_it_is_nothing_to_a_session(
    start: Start, tmp_path: Path
) -> None:
    # The fixture ends what is below the directory of the test.
    directory = tmp_path / "sessions" / "one"
    words = starter(directory, plain(tmp_path), "sh", "-c", "echo hello; read go; echo bye")
    with subprocess.Popen(
        ["sh", "-c", '"$@"; sleep 600', "sh", *words],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        os.killpg(parent.pid, signal.SIGKILL)

    said(directory, b"hello")
    ask(directory, "type", hex=b"\n".hex())
    assert end(directory).code == 0
    assert b"bye" in output(directory)


def test_whoever_collects_what_a_starter_says_is_not_kept_waiting(
    start: Start, tmp_path: Path
) -> None:
    directory = tmp_path / "sessions" / "one"
    words = starter(directory, plain(tmp_path), "sleep", "600")

    # As a shell does for $(...): until every copy of that pipe is closed.
    done = subprocess.run(words, capture_output=True, timeout=20, check=True)

    assert done.stdout == b"started\n"
    assert seen.alive(directory)
    pid = meta(directory).pid
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)] == ["/dev/null"] * 3
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert environment.strip(b"\0").split(b"\0")[0] == b"LOOOP_SUPERVISOR=1"


def test_a_mark_of_the_starter_is_on_nobody(start: Start, tmp_path: Path) -> None:
    """Who cleans up after a command by its mark must not find the sessions that it started."""
    directory = tmp_path / "sessions" / "one"
    env = plain(tmp_path) | {"LOOOP_MARK": "beat-1"}
    words = starter(directory, env, "sleep", "600")
    subprocess.run(words, env=os.environ | {"LOOOP_MARK": "beat-1"}, timeout=20, check=True)

    for pid in (meta(directory).pid, status(directory).pid):
        assert b"LOOOP_MARK" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_the_installed_package_may_go_while_it_runs(start: Start, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(Path(looop.__file__).parent, site / "looop")
    directory = tmp_path / "sessions" / "one"
    words = starter(
        directory,
        plain(tmp_path),
        "sh",
        "-c",
        "printf '\\033[?2004h\\033[c'; read go; (sleep 600 &) ; sleep 600",
    )
    subprocess.run(words, env=os.environ | {"PYTHONPATH": str(site)}, timeout=20, check=True)
    assert supervisors(tmp_path) == [meta(directory).pid]
    assert str(site).encode() in Path(f"/proc/{meta(directory).pid}/cmdline").read_bytes()

    shutil.rmtree(site)

    assert ask(directory, "status")["paste"]
    ask(directory, "resize", columns=100, rows=30)
    ask(directory, "type", hex=b"\n".hex())
    ask(directory, "restart", grace_s=5, generation="g2")
    assert ask(directory, "kill", grace_s=5)["killed"]
    assert seen.look(directory).state == "killed"


def test_a_session_that_was_started_in_a_session_is_not_part_of_it(
    start: Start, tmp_path: Path
) -> None:
    inner = tmp_path / "sessions" / "inner"
    words = starter(inner, plain(tmp_path), "sleep", "600")
    outer = start(
        *words[:-1], words[-1], name="outer", env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert end(outer).code == 0

    assert seen.alive(inner), "it did not end with the one that it was started in"
    again = start("sh", "-c", 'kill -0 "$0" && exec sleep 600', str(meta(inner).pid), name="outer",
                  generation="g2")  # fmt: skip
    assert ask(again, "kill")["killed"]
    assert seen.alive(inner)


def test_a_session_whose_path_is_too_long_for_a_socket_works(start: Start, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100) / "one"
    words = starter(deep, plain(tmp_path), "cat")
    subprocess.run(words, timeout=20, check=True)

    ask(deep, "type", hex=b"hello\n".hex())
    assert ask(deep, "more", offset=0)["bytes"]
    assert ask(deep, "kill")["killed"]


def test_its_files_are_for_its_user_alone(start: Start, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory = start("sleep", "600", segment_bytes=10)
    finally:
        os.umask(before)
    ask(directory, "status")
    modes = {path.name: path.lstat().st_mode & 0o777 for path in directory.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert {"lock", "meta.json", "status.json", "log.jsonl", "control.sock"} <= set(modes)
    assert "start.json" not in modes, "it may hold secrets"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert directory.parent.stat().st_mode & 0o777 == 0o700


def test_the_program_is_found_where_the_package_is() -> None:
    assert spawn.HOST.is_file()
