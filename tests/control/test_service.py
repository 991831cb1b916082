"""The loop at boot: what the files say, and what is asked of the service manager."""

import os
import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from looop.control import service
from looop.control.service import ServiceView
from looop.control.units import is_ours, plist, quoted, unit
from looop.errors import Missing, Refused, Unreadable, Usage
from looop.paths import Paths

ESCAPES = {"\\": "\\", '"': '"', "n": "\n", "t": "\t"}


def words(line: str) -> list[str]:
    """The words that systemd takes from a value: quotes, escapes, then specifiers."""
    out: list[str] = []
    rest = line
    while rest:
        assert rest[0] == '"', rest
        word, at = "", 1
        while rest[at] != '"':
            if rest[at] == "\\" and rest[at + 1] == "x":
                word, at = word + chr(int(rest[at + 2 : at + 4], 16)), at + 4
            elif rest[at] == "\\":
                word, at = word + ESCAPES[rest[at + 1]], at + 2
            else:
                word, at = word + rest[at], at + 1
        assert "%" not in word.replace("%%", ""), "a specifier"
        out.append(word.replace("%%", "%"))
        rest = rest[at + 1 :].removeprefix(" ")
    return out


def entries(body: str) -> dict[str, list[str]]:
    """`Section.Key` -> its values, of a unit."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in body.split("\n"):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


# ------------------------------------------------------------------------- the unit


def test_a_unit_runs_the_command_and_leaves_its_workers_alone() -> None:
    body = unit("/home/me/.local/state/looop", {"PATH": "/usr/bin"}, ("/usr/bin/looop", "--x"))

    assert is_ours(body.encode())
    assert entries(body) == {
        "Unit.Description": ["looop (/home/me/.local/state/looop)"],
        "Service.Type": ["exec"],
        "Service.ExecStart": ['"/usr/bin/looop" "--x"'],
        "Service.Environment": ['"PATH=/usr/bin"'],
        "Service.StandardOutput": ["journal"],
        "Service.KillMode": ["process"],
        "Service.OOMPolicy": ["continue"],
        "Service.Restart": ["on-failure"],
        "Service.RestartSec": ["5"],
        "Install.WantedBy": ["default.target"],
    }


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("two words", '"two words"'),
        ("100%", '"100%%"'),
        ("$HOME ${X}", '"$HOME ${X}"'),
        ('a "b" c', '"a \\"b\\" c"'),
        ("back\\slash\\", '"back\\\\slash\\\\"'),
        ("line\r\nbreak\t\x7f", '"line\\x0d\\x0abreak\\x09\\x7f"'),
        ("grüße 漢", '"grüße 漢"'),
    ],
)
def test_a_word_is_quoted_as_systemd_reads_it(word: str, line: str) -> None:
    assert quoted(word) == line


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(TEXT, max_size=5), TEXT)
def test_any_words_and_values_come_out_as_they_went_in(arguments: list[str], value: str) -> None:
    body = unit(value, {"A": value}, ("/bin/looop", *arguments))

    found = entries(body)
    assert set(found) == set(entries(unit("/d", {"A": "b"}, ("/bin/looop",))))
    assert all(len(values) == 1 for values in found.values()), "a value broke its line"
    command = found["Service.ExecStart"][0].removeprefix(":")
    assert words(command) == ["/bin/looop", *arguments]
    assert words(found["Service.Environment"][0]) == [f"A={value}"]


def test_dollars_in_a_command_are_not_expanded() -> None:
    assert '\nExecStart=:"/opt/$x/looop"\n' in unit("/d", {}, ("/opt/$x/looop",))
    assert '\nExecStart=:"/bin/looop" "$HOME"\n' in unit("/d", {}, ("/bin/looop", "$HOME"))
    assert '\nExecStart="/bin/looop"\n' in unit("/$d", {"A": "$B"}, ("/bin/looop",))


def test_a_description_is_one_line_that_means_what_it_says() -> None:
    body = unit("/d/50%\nExecStart=/bin/evil\\", {}, ("/bin/looop",))

    assert "\nDescription=looop (/d/50%% ExecStart=/bin/evil\\)\n" in body


@pytest.mark.parametrize("path", ['/a"b', "/a'b", "/a\\b", "/a\nb"])
def test_a_program_that_systemd_would_not_run_is_refused(path: str) -> None:
    with pytest.raises(Refused, match="quote or a backslash"):
        unit("/d", {}, (path,))


def test_what_is_not_unicode_is_refused() -> None:
    with pytest.raises(Refused, match="not UTF-8"):
        unit("/d", {"A": os.fsdecode(b"\xff")}, ("/bin/looop",))
    with pytest.raises(Refused, match="no UTF-8"):
        plist("l", {"A": os.fsdecode(b"\xff")}, ("/bin/looop",), Path("/e"))
    with pytest.raises(Refused, match="control character"):
        plist("l", {"A": "\x01"}, ("/bin/looop",), Path("/e"))


# ------------------------------------------------------------------------- the agent


def test_an_agent_runs_the_command_and_leaves_its_workers_alone() -> None:
    body = plist("dev.looop.x", {"A": "<&> \"'"}, ("/bin/looop", "--x"), Path("/d/.state/err"))

    assert is_ours(body)
    assert plistlib.loads(body) == {
        "Label": "dev.looop.x",
        "ProgramArguments": ["/bin/looop", "--x"],
        "EnvironmentVariables": {"A": "<&> \"'"},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 5,
        "AbandonProcessGroup": True,
        "StandardErrorPath": "/d/.state/err",
    }


# ------------------------------------------------------------------------- a home and its manager

_RECORDER = """#!/bin/sh
me=${0##*/}
printf '%s %s\\n' "$me" "$*" >> "$SIDE/calls"
for word; do case $word in -*) ;; *) break ;; esac; done
if [ -f "$SIDE/answers/$me.$word" ]; then . "$SIDE/answers/$me.$word"; fi
"""
UNIT_DIR = Path(".config/systemd/user")
AGENT_DIR = Path("Library/LaunchAgents")
NO_BUS = "echo 'Failed to connect to bus: No medium found' >&2; exit 1"


class Home:
    """A home with programs on its PATH that record what they are asked."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.bin = base / "bin"
        self.bin.mkdir()
        (base / "answers").mkdir()
        self.looop = self.program("looop", "#!/bin/sh\n")
        self.env = {
            "HOME": str(base),
            "PATH": str(self.bin),
            "SIDE": str(base),
            "XDG_RUNTIME_DIR": str(base / "run"),
        }
        self.paths = self.profile(base / ".local" / "state" / "looop")

    def profile(self, data: Path) -> Paths:
        return Paths(data, data / "config.toml")

    def program(self, name: str, body: str = _RECORDER) -> Path:
        path = self.bin / name
        path.write_text(body)
        path.chmod(0o755)
        return path

    def answers(self, name: str, body: str) -> None:
        """What `PROGRAM.VERB` does, in shell words."""
        (self.base / "answers" / name).write_text(body + "\n")

    def calls(self) -> list[str]:
        """What was asked since the last time."""
        log = self.base / "calls"
        found = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def install(
        self, platform: str = "linux", *words: str, paths: Paths | None = None
    ) -> list[str]:
        command = (str(self.looop), *words)
        lines = service.install(paths or self.paths, self.env, command, platform)
        return [line for line in lines if "cleared away" not in line]

    def uninstall(self, platform: str = "linux") -> list[str]:
        return service.uninstall(self.paths, self.env, platform)

    def status(self, platform: str = "linux") -> ServiceView:
        return service.status(self.paths, self.env, platform)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def linux(home: Home) -> Home:
    """A home in which systemd answers, and nothing runs yet."""
    home.program("systemctl")
    home.program("loginctl")
    home.answers("systemctl.is-active", "echo inactive; exit 3")
    home.answers("systemctl.is-enabled", "echo enabled")
    return home


@pytest.fixture
def mac(home: Home) -> Home:
    home.program("launchctl")
    home.answers("launchctl.print", "echo 'Could not find service \"x\"' >&2; exit 113")
    return home


Either = Callable[[str], Home]


@pytest.fixture
def either(request: pytest.FixtureRequest) -> Either:
    return lambda platform: request.getfixturevalue("mac" if platform == "darwin" else "linux")


def file_of(home: Home, platform: str) -> Path:
    if platform == "darwin":
        return home.base / AGENT_DIR / "dev.looop.looop.plist"
    return home.base / UNIT_DIR / "looop.service"


BOTH = pytest.mark.parametrize("platform", ["linux", "darwin"])


# ------------------------------------------------------------------------- install


def test_installing_writes_the_unit_and_starts_it(linux: Home) -> None:
    lines = linux.install("linux", "--json")

    file = linux.base / UNIT_DIR / "looop.service"
    assert lines == [f"wrote {file}", "looop.service is enabled and runs"]
    assert linux.calls()[1:3] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now looop.service",
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    found = entries(file.read_text())
    assert words(found["Service.ExecStart"][0]) == [str(linux.looop), "--json"]
    data = linux.paths.data
    assert [words(value)[0] for value in found["Service.Environment"]] == [
        f"PATH={linux.bin}",
        f"LOOOP_DATA_DIR={data}",
        f"LOOOP_CONFIG={data}/config.toml",
    ]


def test_installing_loads_the_agent_and_makes_room_for_its_errors(mac: Home) -> None:
    lines = mac.install("darwin")

    file = mac.base / AGENT_DIR / "dev.looop.looop.plist"
    domain = f"gui/{os.getuid()}"
    assert lines == [f"wrote {file}", "dev.looop.looop is enabled and runs"]
    assert mac.calls()[1:] == [
        f"launchctl enable {domain}/dev.looop.looop",
        f"launchctl bootstrap {domain} {file}",
    ]
    table = plistlib.loads(file.read_bytes())
    assert table["ProgramArguments"] == [str(mac.looop)]
    assert Path(table["StandardErrorPath"]).parent.is_dir()


def test_where_units_are_follows_the_environment(linux: Home) -> None:
    linux.env["XDG_CONFIG_HOME"] = str(linux.base / "cfg")
    linux.install()
    assert (linux.base / "cfg/systemd/user/looop.service").exists()

    linux.env["XDG_CONFIG_HOME"] = "relative/is/void"
    linux.install()
    assert (linux.base / UNIT_DIR / "looop.service").exists()


def test_each_profile_has_a_service_of_its_own(linux: Home) -> None:
    places = [linux.base / "a" / "My Profile!", linux.base / "b" / "My Profile!", linux.base / "漢"]
    for place in places:
        linux.install(paths=linux.profile(place))
        linux.install(paths=linux.profile(place))

    names = sorted(path.name for path in (linux.base / UNIT_DIR).glob("*.service"))
    assert len(names) == 3
    assert [name[: -len("-01234567.service")] for name in names if "my" in name] == [
        "looop-my-profile",
        "looop-my-profile",
    ]
    assert all(name.replace("-", "").removesuffix(".service").isalnum() for name in names)


@BOTH
def test_installing_again_changes_nothing(either: Either, platform: str) -> None:
    home = either(platform)
    home.install(platform)
    file = file_of(home, platform)
    before = file.stat().st_mtime_ns

    assert home.install(platform)[0] == f"{file} was up to date"
    assert file.stat().st_mtime_ns == before


def test_a_service_that_runs_is_not_disturbed_by_a_new_file(linux: Home) -> None:
    linux.install()
    linux.answers("systemctl.is-active", "echo active")

    assert linux.install() == [
        f"{file_of(linux, 'linux')} was up to date",
        "looop.service is enabled and runs",
    ]
    assert linux.install("linux", "--json")[2:] == [
        "left to do: systemctl --user restart looop.service (it runs as it was before)"
    ]
    assert "systemctl --user restart looop.service" not in linux.calls()


def test_an_agent_that_is_loaded_is_not_loaded_twice(mac: Home) -> None:
    mac.install("darwin")
    mac.answers("launchctl.print", "echo 'state = running'")
    mac.calls()

    assert [line.split(" (")[0] for line in mac.install("darwin", "--json")[2:]] == [
        f"left to do: launchctl bootout gui/{os.getuid()}/dev.looop.looop",
        f"left to do: launchctl bootstrap gui/{os.getuid()} {file_of(mac, 'darwin')}",
    ]
    assert [call for call in mac.calls() if "boot" in call] == []


def test_without_systemctl_the_file_is_written_and_the_rest_is_said(home: Home) -> None:
    assert home.install() == [
        f"wrote {file_of(home, 'linux')}",
        "failed: systemctl --user daemon-reload: systemctl is not on PATH",
        "left to do: systemctl --user daemon-reload",
        "left to do: systemctl --user enable --now looop.service",
    ]
    assert file_of(home, "linux").exists()


def test_without_launchctl_the_file_is_written_and_the_rest_is_said(home: Home) -> None:
    lines = home.install("darwin")

    assert lines[1].endswith("launchctl is not on PATH")
    assert [line.split()[3:5] for line in lines[2:]] == [
        ["launchctl", "enable"],
        ["launchctl", "bootstrap"],
    ]


def test_without_a_session_bus_that_is_said_with_the_likely_reason(linux: Home) -> None:
    linux.answers("systemctl.daemon-reload", NO_BUS)
    refused = "failed: systemctl --user daemon-reload: Failed to connect to bus: No medium found"

    assert linux.install()[1] == refused
    del linux.env["XDG_RUNTIME_DIR"]
    assert linux.install()[1].startswith(f"{refused} (XDG_RUNTIME_DIR is not set")


def test_what_a_failing_manager_says_cannot_draw(linux: Home) -> None:
    linux.answers("systemctl.enable", "printf 'a\\033[2J\\nb' >&2; exit 1")

    assert linux.install()[1:] == [
        "failed: systemctl --user enable --now looop.service: a\\x1b[2J b",
        "left to do: systemctl --user enable --now looop.service",
    ]


@pytest.mark.parametrize(("answer", "told"), [("no", True), ("yes", False), ("", False)])
def test_lingering_is_advised_where_it_is_off(linux: Home, answer: str, told: bool) -> None:
    linux.answers("loginctl.show-user", f"echo Linger={answer}" if answer else "exit 1")

    advice = [line for line in linux.install() if "loginctl enable-linger" in line]

    assert bool(advice) == told
    assert all(line.startswith("left to do: loginctl enable-linger ") for line in advice)


@pytest.mark.parametrize(
    ("place", "warned"),
    [
        ("/tmp/venv/bin/looop", True),
        ("/home/me/.cache/uv/archive-v0/x/bin/looop", True),
        ("/scratch/x/looop", True),
        ("/home/me/.local/bin/looop", False),
        ("/home/me/tmp/looop", False),
    ],
)
def test_a_program_that_will_vanish_is_warned_of(place: str, warned: bool) -> None:
    lines = service._warnings(place, {"TMPDIR": "/scratch"})

    assert [line.startswith(f"warning: {place} lies where") for line in lines] == [True] * warned


def test_keys_that_the_service_will_not_have_are_named_and_not_written(linux: Home) -> None:
    linux.env |= {"ANTHROPIC_API_KEY": "sk-secret", "EMPTY_API_KEY": ""}

    lines = linux.install()

    assert [line for line in lines if "_API_KEY" in line] == [
        "warning: the service does not see ANTHROPIC_API_KEY; set `env` of the runner that needs it"
    ]
    assert "sk-secret" not in file_of(linux, "linux").read_text()


@BOTH
def test_a_file_of_someone_else_is_left_alone(either: Either, platform: str) -> None:
    home = either(platform)
    file = file_of(home, platform)
    file.parent.mkdir(parents=True)
    file.write_text("[Service]\nExecStart=/bin/mine\n")

    with pytest.raises(Refused, match="was not written by looop"):
        home.install(platform)
    with pytest.raises(Refused, match="was not written by looop"):
        home.uninstall(platform)
    view = home.status(platform)
    assert (view.installed, view.enabled) == (False, False)
    assert "was not written by looop" in view.text
    assert file.read_text() == "[Service]\nExecStart=/bin/mine\n"
    assert [call for call in home.calls() if "able" in call or "boot" in call] == []


def test_a_unit_that_leads_to_nothing_is_left_alone(linux: Home) -> None:
    file = file_of(linux, "linux")
    file.parent.mkdir(parents=True)
    file.symlink_to(linux.base / "nothing")
    with pytest.raises(Refused, match="leads to nothing"):
        linux.install()

    file.unlink()
    file.symlink_to("/dev/null")
    with pytest.raises(Unreadable, match="not a regular file"):
        linux.install()


@BOTH
def test_a_command_that_cannot_be_run_is_not_installed(either: Either, platform: str) -> None:
    home = either(platform)
    with pytest.raises(Missing, match=r"/no/looop is not a program"):
        service.install(home.paths, home.env, ("/no/looop",), platform)

    assert not file_of(home, platform).exists()


def test_a_bare_command_is_found_on_path_once_and_for_all(linux: Home) -> None:
    service.install(linux.paths, linux.env, ("looop",), "linux")

    assert f'ExecStart="{linux.looop}"' in file_of(linux, "linux").read_text()


def test_elsewhere_there_is_no_manager_and_without_a_home_no_place(home: Home) -> None:
    with pytest.raises(Missing, match="on freebsd14; use `looop up`"):
        home.install("freebsd14")
    with pytest.raises(Usage, match="set HOME"):
        service.status(home.paths, {}, "linux")


# ------------------------------------------------------------------------- uninstall


def test_uninstalling_stops_the_service_and_removes_the_file(linux: Home) -> None:
    linux.install()
    linux.calls()

    file = file_of(linux, "linux")
    assert linux.uninstall() == [
        "looop.service is stopped and disabled",
        f"removed {file}",
        "workers that run go on; `looop ls` shows them",
    ]
    assert linux.calls()[1:] == [
        "systemctl --user disable --now looop.service",
        "systemctl --user daemon-reload",
    ]
    assert not file.exists()
    assert linux.uninstall() == [f"no service is installed: {file} is not there"]


def test_uninstalling_unloads_the_agent_if_it_is_loaded(mac: Home) -> None:
    mac.install("darwin")
    mac.calls()
    assert mac.uninstall("darwin")[0] == "dev.looop.looop is stopped and disabled"
    assert [call for call in mac.calls() if "bootout" in call] == []

    mac.install("darwin")
    mac.answers("launchctl.print", "echo 'state = running'")
    mac.calls()
    mac.uninstall("darwin")
    assert mac.calls()[1:] == [f"launchctl bootout gui/{os.getuid()}/dev.looop.looop"]
    assert not file_of(mac, "darwin").exists()


def test_without_a_bus_the_file_and_its_link_go_and_the_rest_is_said(linux: Home) -> None:
    linux.install()
    file = file_of(linux, "linux")
    wants = file.parent / "default.target.wants"
    wants.mkdir()
    (wants / file.name).symlink_to(file)
    linux.answers("systemctl.disable", NO_BUS)

    assert linux.uninstall()[1:] == [
        f"removed {file}",
        "left to do: systemctl --user stop looop.service",
        "left to do: systemctl --user daemon-reload",
    ]
    assert list(wants.iterdir()) == []


# ------------------------------------------------------------------------- status


def test_status_says_what_systemd_says(linux: Home) -> None:
    file = str(file_of(linux, "linux"))
    assert linux.status() == ServiceView(
        installed=False,
        file=file,
        enabled=False,
        active=False,
        text="looop.service: not installed",
    )
    linux.install()
    linux.answers("systemctl.is-active", "echo active")
    assert linux.status() == ServiceView(
        installed=True,
        file=file,
        enabled=True,
        active=True,
        text="looop.service: enabled, active",
    )
    linux.answers("systemctl.is-active", "echo activating; exit 3")
    linux.answers("systemctl.is-enabled", "echo disabled; exit 1")
    view = linux.status()
    assert (view.enabled, view.active) == (False, False)
    assert view.text == "looop.service: disabled, activating"


def test_status_says_what_launchd_says(mac: Home) -> None:
    assert mac.status("darwin").text == "dev.looop.looop: not installed"
    mac.install("darwin")
    assert mac.status("darwin").text == "dev.looop.looop: enabled, not loaded"

    mac.answers("launchctl.print", "printf 'x = {\\n\\tstate = running\\n\\tpid = 7\\n}\\n'")
    mac.answers("launchctl.print-disabled", "echo '\"dev.looop.looop\" => disabled'")
    view = mac.status("darwin")
    assert (view.installed, view.enabled, view.active) == (True, False, True)
    assert view.text == "dev.looop.looop: disabled, running"

    mac.answers("launchctl.print", "printf 'state = spawn scheduled\\n'")
    mac.answers("launchctl.print-disabled", "echo '\"dev.looop.looop\" => false'")
    view = mac.status("darwin")
    assert (view.enabled, view.active) == (True, False)


@BOTH
def test_what_cannot_be_told_is_not_guessed(home: Home, platform: str) -> None:
    home.install(platform)

    view = home.status(platform)

    assert (view.installed, view.enabled, view.active) == (True, None, None)
    why = f"cannot be told ({'launchctl' if platform == 'darwin' else 'systemctl'} is not on PATH)"
    assert view.text.endswith(f": whether it is enabled {why}, whether it runs {why}")


def test_a_launchd_that_cannot_be_asked_is_no_proof_of_absence(mac: Home) -> None:
    mac.install("darwin")
    mac.answers("launchctl.print", "echo 'Could not find domain' >&2; exit 112")
    mac.calls()

    assert mac.status("darwin").active is None
    mac.uninstall("darwin")
    assert f"launchctl bootout gui/{os.getuid()}/dev.looop.looop" in mac.calls()


def test_a_service_that_outlives_its_file_is_told(linux: Home) -> None:
    linux.answers("systemctl.is-active", "echo active")

    assert linux.status().text == "looop.service: not installed, and active all the same"


def test_a_file_that_cannot_be_read_is_not_taken_for_absent(linux: Home) -> None:
    file_of(linux, "linux").mkdir(parents=True)

    with pytest.raises(Unreadable, match="not a regular file"):
        linux.status()
