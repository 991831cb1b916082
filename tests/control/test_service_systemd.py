"""The service under a real systemd of its own: what starts, what restarts, what stays alive."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from looop.control import service
from looop.control.service import ServiceView
from looop.paths import Paths
from tests.support.leftovers import gone, living
from tests.support.program import LOOOP

LIMIT_S = 20.0
_SYSTEMD = next(
    (p for p in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd") if Path(p).exists()), ""
)
# Joins control groups of its own, so that the manager takes nobody else's processes for its own,
# and then the namespaces. All of them end with the first process, which ends with its parent.
_ENTER = """set -eu
for place in $GROUPS_OF_OURS; do mkdir -p "$place"; echo $$ > "$place/cgroup.procs"; done
exec unshare --mount --pid --cgroup --fork --mount-proc --kill-child sh "$SIDE/inside"
"""
# systemd runs for a user only where it looks as if it had booted the machine.
_INSIDE = """set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
echo > "$SIDE/entered"
"$SYSTEMD" --user --log-target=console --log-level=warning < /dev/null &
wait
"""
# Whoever speaks with the manager, or of its processes, must see the same ones as it does.
_BESIDE = """#!/bin/sh
exec nsenter --target "$(cat "$SIDE/pid")" --mount --pid --cgroup "$@"
"""
# Stands for `looop`: says what it was given, and leaves a process that lives on, as a worker does.
_PROGRAM = """#!/bin/sh
cd "$LOOOP_DATA_DIR" || exit 9
setsid sh -c 'echo $$ >> workers; exec sleep 600' < /dev/null > /dev/null 2>&1 &
until [ -s workers ]; do sleep 0.01; done
for word in "$0" "$@" "$PATH" "$LOOOP_DATA_DIR" "$LOOOP_CONFIG"; do printf '%s\\0' "$word"; done > .told
mv .told told
echo $$ >> starts
exec sleep 900
"""


def until(what: Callable[[], bool], why: str) -> None:
    """Wait for a condition that only another process can bring about."""
    limit = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < limit, why
        time.sleep(0.01)


def _groups() -> list[Path]:
    """Where control groups of our own can be made."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [path for path in (root / "systemd", root / "unified") if path.is_dir()]


def _lacks() -> str:
    """Why no systemd of our own can be run here; "" if nothing speaks against it."""
    if not _SYSTEMD:
        return "systemd is not installed"
    for tool in ("systemctl", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if os.geteuid() != 0:
        return "only root may make the namespaces for a systemd of its own"
    if not _groups() or not all(os.access(place, os.W_OK) for place in _groups()):
        return "no control groups can be made"
    return ""


class Systemd:
    """A systemd user manager of the test's own, with a home."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.groups = [place / f"looop-test-{os.getpid()}" for place in _groups()]
        (base / "bin").mkdir()
        (base / "run").mkdir(mode=0o700)
        self._write("bin/beside", _BESIDE)
        self.systemctl = shutil.which("systemctl") or ""
        client = f'#!/bin/sh\nexec "$SIDE/bin/beside" {self.systemctl} "$@"\n'
        self._write("bin/systemctl", client)
        self._write("bin/loginctl", "#!/bin/sh\nexit 1\n")
        self._write("inside", _INSIDE)
        self.env = {
            "HOME": str(base),
            "PATH": f"{base}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "SIDE": str(base),
            "SYSTEMD": _SYSTEMD,
            "GROUPS_OF_OURS": shlex.join(str(place) for place in self.groups),
            "XDG_RUNTIME_DIR": str(base / "run"),
        }
        self.log = base / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", _ENTER],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _write(self, name: str, body: str) -> None:
        path = self.base / name
        path.write_text(body)
        path.chmod(0o755)

    def comes_up(self) -> bool:
        """Wait until it answers; False if it ended instead."""
        ready = False

        def settled() -> bool:
            nonlocal ready
            ready = self._answers()
            return ready or self.process.poll() is not None

        until(settled, f"systemd did not come up: {self.log.read_text()}")
        return ready

    def _answers(self) -> bool:
        if not (self.base / "entered").exists():
            return False
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with contextlib.suppress(OSError, IndexError):
            (self.base / "pid").write_text(task.read_text().split()[0])
            return self.ctl("is-system-running") in ("running", "degraded")
        return False

    def ctl(self, *words: str) -> str:
        return self.run(self.systemctl, "--user", *words)

    def run(self, program: str, *words: str, **more: str) -> str:
        """What a program says that runs beside the manager."""
        done = subprocess.run(
            [self.base / "bin/beside", program, *words],
            env=self.env | more,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
        return done.stdout.decode().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pid in living(self.base):
            assert gone(pid), f"{pid} outlives its namespace"
        for group in self.groups:
            if group.exists():
                until(lambda group=group: _removed(group), f"{group} cannot be removed")
        shutil.rmtree(self.base)


def _removed(group: Path) -> bool:
    try:
        for path, _, _ in os.walk(group, topdown=False):
            os.rmdir(path)
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def systemd() -> Iterator[Systemd]:
    if why := _lacks():
        pytest.skip(why)
    # A short path: its sockets lie below it.
    manager = Systemd(Path(tempfile.mkdtemp(prefix="looop-", dir="/tmp")))
    try:
        if not manager.comes_up():
            pytest.skip(f"systemd cannot be run here: {manager.log.read_text()[-300:]!r}")
        yield manager
    finally:
        manager.close()


class Installed:
    """A profile with a program that stands for looop, and the service that runs it."""

    def __init__(self, systemd: Systemd, base: Path, data: str = "data") -> None:
        self.systemd = systemd
        self.data = base / data
        self.data.mkdir()
        self.paths = Paths(self.data, self.data / "config.toml")
        self.env = systemd.env | {"PATH": f"{systemd.env['PATH']}:{base}/more $HOME %h"}
        self.program = self.data / "looop"
        self.program.write_text(_PROGRAM)
        self.program.chmod(0o755)

    def install(self, *words: str, program: Path | None = None) -> list[str]:
        command = (str(program or self.program), *words)
        lines = service.install(self.paths, self.env, command, "linux")
        return [line for line in lines if "cleared away" not in line]

    def uninstall(self) -> list[str]:
        return service.uninstall(self.paths, self.env, "linux")

    @property
    def view(self) -> ServiceView:
        return service.status(self.paths, self.env, "linux")

    @property
    def unit(self) -> str:
        return Path(self.view.file).name

    def numbers(self, name: str) -> list[int]:
        """Process ids that the program noted, as the namespace counts them."""
        file = self.data / name
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def started(self, times: int) -> int:
        """Wait until it has been started so often; the process id of the last."""
        until(lambda: len(self.numbers("starts")) >= times, f"{self.unit} is not up")
        return self.numbers("starts")[-1]

    def told(self) -> list[str]:
        return (self.data / "told").read_bytes().decode().split("\0")[:-1]

    def workers(self) -> list[int]:
        """Workers that live, by their ids outside."""
        words = b"sleep\x00600\x00"
        pids = living(self.data)
        return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").read_bytes() == words]

    def looop(self, *words: str) -> Any:
        """The JSON that a verb says; None if it says none."""
        said = self.systemd.run(str(LOOOP), *words, "--json", LOOOP_DATA_DIR=str(self.data))
        return json.loads(said) if said else None

    def living(self) -> set[str]:
        """Sessions that live as `looop ls` has it, the loop itself included."""
        rows: list[dict[str, Any]] = self.looop("ls") or []
        return {row["id"] for row in rows if row["alive"]}

    def restarts_at_once(self) -> None:
        """What a person may set, and a test that waits for nothing must."""
        extra = Path(f"{self.view.file}.d")
        extra.mkdir(parents=True)
        (extra / "fast.conf").write_text("[Service]\nRestartSec=10ms\n")

    def kill(self, how: signal.Signals) -> None:
        self.systemd.ctl("kill", "--kill-whom=main", f"--signal={how.name}", self.unit)

    def close(self) -> None:
        self.uninstall()
        for pid in living(self.data):
            os.kill(pid, signal.SIGKILL)
            assert gone(pid)


@pytest.fixture
def installed(systemd: Systemd, tmp_path: Path) -> Iterator[Installed]:
    found = Installed(systemd, tmp_path)
    yield found
    found.close()


def test_what_is_installed_runs_and_comes_back_with_the_manager(installed: Installed) -> None:
    assert not installed.view.installed

    assert installed.install()[1:] == [f"{installed.unit} is enabled and runs"]
    installed.started(1)
    view = installed.view
    assert (view.installed, view.enabled, view.active) == (True, True, True)
    assert installed.unit in installed.systemd.ctl("list-dependencies", "--plain", "default.target")
    assert installed.install()[0].endswith("was up to date")
    assert len(installed.numbers("starts")) == 1


def test_every_word_reaches_the_program_as_it_is(systemd: Systemd, tmp_path: Path) -> None:
    installed = Installed(systemd, tmp_path, "my $HOME 50%h ${X} ;#é~")
    signs = [chr(code) for code in range(1, 128)]
    odd = [
        "",
        " ",
        "$HOME",
        "${HOME}",
        "$$",
        "%n",
        "%%",
        ";",
        "\\;",
        "a\\",
        '"',
        "'x y'",
        "\\x41",
        "漢",
    ]
    try:
        installed.install(*signs, *odd)
        installed.started(1)

        assert installed.told() == [
            str(installed.program),
            *signs,
            *odd,
            installed.env["PATH"],
            str(installed.data),
            str(installed.paths.config),
        ]
        about = installed.systemd.ctl("show", "--property=Description", "--value", installed.unit)
        assert about == f"looop ({installed.data})"
    finally:
        installed.close()


def test_a_worker_outlives_the_service_and_its_removal(installed: Installed) -> None:
    installed.install()
    installed.started(1)
    workers = installed.workers()
    assert len(workers) == 1

    installed.systemd.ctl("stop", installed.unit)
    assert installed.view.active is False
    assert installed.workers() == workers

    file = Path(installed.view.file)
    assert installed.uninstall()[1] == f"removed {file}"
    assert installed.workers() == workers
    assert (installed.view.installed, installed.view.active) == (False, False)
    assert not (file.parent / "default.target.wants" / file.name).is_symlink()


def test_a_crash_is_followed_by_a_restart_that_leaves_workers_alone(installed: Installed) -> None:
    installed.restarts_at_once()
    installed.install()
    first = installed.started(1)
    workers = installed.workers()

    installed.kill(signal.SIGKILL)

    assert installed.started(2) != first
    assert installed.view.active is True
    assert set(workers) < set(installed.workers())


def test_an_end_that_was_meant_is_no_crash(installed: Installed) -> None:
    installed.install()
    installed.started(1)

    installed.kill(signal.SIGTERM)

    until(lambda: installed.view.text.endswith("enabled, inactive"), "it did not stay down")
    assert len(installed.numbers("starts")) == 1


def test_a_new_file_is_used_after_the_restart_that_was_advised(installed: Installed) -> None:
    installed.install()
    installed.started(1)

    advice = installed.install("--json")[-1]

    assert advice == (
        f"left to do: systemctl --user restart {installed.unit} (it runs as it was before)"
    )
    assert len(installed.numbers("starts")) == 1
    installed.systemd.ctl(*shlex.split(advice.split("--user ")[1].split(" (")[0]))
    installed.started(2)
    assert installed.told()[1] == "--json"


def test_a_program_that_is_gone_is_told_when_it_cannot_be_started(installed: Installed) -> None:
    installed.install()
    installed.started(1)
    installed.systemd.ctl("stop", installed.unit)
    installed.program.write_text("#!/no/such/interpreter\n")

    failure, todo = installed.install()[1:3]

    assert failure.startswith(f"failed: systemctl --user enable --now {installed.unit}: Job for")
    assert todo == f"left to do: systemctl --user enable --now {installed.unit}"


_REFLEX = """[[reflex]]
name = "begin"
when = "true"
[reflex.do]
action = "start_worker"
id = "one"
command = "sleep 600; : {{prompt_file}}"
prompt = "Wait."
"""


def test_the_loop_itself_stops_and_crashes_without_its_workers(installed: Installed) -> None:
    (installed.data / "config.toml").write_text('runner = "rules"\nautonomy = "trusted"\n')
    (installed.data / "reflexes.toml").write_text(_REFLEX)
    installed.restarts_at_once()
    installed.install("--keep-workers", program=LOOOP)
    until(lambda: installed.living() == {"pulse", "one"}, "the loop started no worker")
    before = [row["generation"] for row in installed.looop("ls") if row["id"] == "one"]

    first = installed.looop("status")["pulse"]["pid"]
    installed.kill(signal.SIGKILL)
    until(lambda: installed.looop("status")["pulse"]["pid"] not in (0, first), "no restart")
    until(lambda: installed.living() == {"pulse", "one"}, "the worker went with the loop")

    installed.systemd.ctl("stop", installed.unit)
    assert installed.view.text.endswith("enabled, inactive")
    assert installed.living() == {"one"}
    after = [row["generation"] for row in installed.looop("ls") if row["id"] == "one"]
    assert after == before
    installed.looop("kill", "one")
    assert installed.living() == set()
