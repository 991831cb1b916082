"""The loop at boot: a systemd user unit or a launchd agent that runs `looop` in the foreground."""

import hashlib
import os
import pwd
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from looop.control.units import is_ours, plist, unit
from looop.errors import Conflict, Missing, Refused, Usage
from looop.kit import files, text, tool
from looop.paths import Paths

__all__ = ["ServiceView", "install", "status", "uninstall"]

# A start or a stop waits for the job, which systemd gives 90 seconds.
_LIMIT_S = 120.0
_WORDS = 300
_NO_SESSION = " (XDG_RUNTIME_DIR is not set: log in as this user, not through su or sudo)"

Command = tuple[str, ...]


class ServiceView(Struct, frozen=True, kw_only=True):
    """What is known of the service; None where it cannot be told. `text` is one line of it."""

    installed: bool
    file: str
    enabled: bool | None
    active: bool | None
    text: str


# -- the two managers --------------------------------------------------------------------------


class _Said(Struct, frozen=True, kw_only=True):
    """What a manager's own command said; `code` is None if it could not be run at all."""

    code: int | None
    out: str
    why: str


def _call(argv: Command, env: Mapping[str, str]) -> _Said:
    try:
        code, out, err = tool.capture(argv, env=env, limit_s=_LIMIT_S)
    except FileNotFoundError:
        return _Said(code=None, out="", why=f"{argv[0]} is not on PATH")
    except (OSError, TimeoutError) as error:
        return _Said(code=None, out="", why=text.one_line(str(error), _WORDS))
    why = text.one_line(err.decode("utf-8", "replace"), _WORDS) or f"exit code {code}"
    return _Said(code=code, out=out.decode("utf-8", "replace").strip(), why=why)


class _Manager(Protocol):
    """
    What one platform's service manager needs for one profile.

    `begin`, `end` and `renew` (which applies a new file to a service that runs) are commands, in
    order; `late` are those that end it once its file has gone.
    """

    name: str
    file: Path
    renew: tuple[Command, ...]
    late: tuple[Command, ...]

    def body(self, command: Command) -> bytes: ...
    def begin(self, *, loaded: bool | None) -> tuple[Command, ...]: ...
    def end(self, *, loaded: bool | None) -> tuple[Command, ...]: ...
    def active(self) -> tuple[bool | None, str]: ...
    def enabled(self) -> tuple[bool | None, str]: ...
    def loaded(self) -> bool | None: ...
    def removed(self) -> tuple[Command, ...]: ...
    def remarks(self) -> list[str]: ...


class _Systemd:
    """A unit of the user's own systemd."""

    def __init__(self, paths: Paths, env: Mapping[str, str]) -> None:
        self._paths = paths
        self._env = env
        self.name = f"{_name(paths, env)}.service"
        home = env.get("XDG_CONFIG_HOME", "")
        config = Path(home) if home.startswith("/") else _home(env) / ".config"
        self._units = config / "systemd" / "user"
        self.file = self._units / self.name
        self._reload = _systemctl("daemon-reload")
        self.renew = (_systemctl("restart", self.name),)
        self.late = (_systemctl("stop", self.name), self._reload)

    def body(self, command: Command) -> bytes:
        data = str(self._paths.data)
        return unit(data, _environment(self._paths, self._env), command).encode()

    def begin(self, *, loaded: bool | None) -> tuple[Command, ...]:
        return (self._reload, _systemctl("enable", "--now", self.name))

    def end(self, *, loaded: bool | None) -> tuple[Command, ...]:
        return (_systemctl("disable", "--now", self.name),)

    def active(self) -> tuple[bool | None, str]:
        said = _call(_systemctl("is-active", self.name), self._env)
        return (said.out == "active" if said.out else None), said.out or said.why

    def enabled(self) -> tuple[bool | None, str]:
        said = _call(_systemctl("is-enabled", self.name), self._env)
        return (said.out == "enabled" if said.out else None), said.out or said.why

    def loaded(self) -> bool | None:
        return self.active()[0]

    def removed(self) -> tuple[Command, ...]:
        # `disable` has done this, unless there was no manager to ask.
        link = self._units / "default.target.wants" / self.name
        if link.is_symlink():
            link.unlink()
        return (self._reload,)

    def remarks(self) -> list[str]:
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            user = str(os.getuid())
        said = _call(("loginctl", "show-user", user, "--property=Linger"), self._env)
        if said.out != "Linger=no":
            return []
        return [
            _todo(("loginctl", "enable-linger", user), "else it runs only while you are logged in")
        ]


def _systemctl(*words: str) -> Command:
    return ("systemctl", "--user", *words)


class _Launchd:
    """An agent of the user's login session on macOS."""

    def __init__(self, paths: Paths, env: Mapping[str, str]) -> None:
        self._paths = paths
        self._env = env
        self.name = f"dev.looop.{_name(paths, env)}"
        self.file = _home(env) / "Library" / "LaunchAgents" / f"{self.name}.plist"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{self.name}"
        self._boot = ("launchctl", "bootstrap", self._domain, str(self.file))
        self.late = (("launchctl", "bootout", self._target),)
        self.renew = (*self.late, self._boot)

    def body(self, command: Command) -> bytes:
        errors = self._paths.service_errors
        return plist(self.name, _environment(self._paths, self._env), command, errors)

    def begin(self, *, loaded: bool | None) -> tuple[Command, ...]:
        enable = ("launchctl", "enable", self._target)
        return (enable,) if loaded else (enable, self._boot)

    def end(self, *, loaded: bool | None) -> tuple[Command, ...]:
        return () if loaded is False else self.late

    def active(self) -> tuple[bool | None, str]:
        said = self._print()
        if said.code != 0:
            return (False, "not loaded") if _absent(said) else (None, said.why)
        state = re.search(r"^\s*state = (.+)$", said.out, re.MULTILINE)
        word = text.one_line(state[1], 40) if state else "in an unknown state"
        return (word == "running" if state else None), word

    def enabled(self) -> tuple[bool | None, str]:
        said = _call(("launchctl", "print-disabled", self._domain), self._env)
        if said.code != 0:
            return None, said.why
        line = re.search(f'"{re.escape(self.name)}" => (\\w+)', said.out)
        off = line is not None and line[1] in ("true", "disabled")
        return not off, "disabled" if off else "enabled"

    def loaded(self) -> bool | None:
        said = self._print()
        return False if _absent(said) else said.code == 0 or None

    def removed(self) -> tuple[Command, ...]:
        return ()

    def remarks(self) -> list[str]:
        return []

    def _print(self) -> _Said:
        return _call(("launchctl", "print", self._target), self._env)


def _absent(said: _Said) -> bool:
    return "Could not find service" in said.why


def _manager(paths: Paths, env: Mapping[str, str], platform: str) -> _Manager:
    if platform == "darwin":
        return _Launchd(paths, env)
    if platform.startswith("linux"):
        return _Systemd(paths, env)
    raise Missing(f"there is no service manager that looop knows on {platform}; use `looop up`")


# -- what they are told ------------------------------------------------------------------------


def _home(env: Mapping[str, str]) -> Path:
    if not env.get("HOME"):
        raise Usage("cannot tell where your services are: set HOME")
    return Path(env["HOME"])


def _name(paths: Paths, env: Mapping[str, str]) -> str:
    """`looop`, or for a data dir in another place `looop-<its name>-<digest of its path>`."""
    if paths.data == _home(env) / ".local" / "state" / "looop":
        return "looop"
    slug = re.sub("[^a-z0-9]+", "-", paths.data.name.lower()).strip("-")[:24].rstrip("-")
    digest = hashlib.sha256(os.fsencode(paths.data)).hexdigest()[:8]
    return "-".join(part for part in ("looop", slug, digest) if part)


def _environment(paths: Paths, env: Mapping[str, str]) -> dict[str, str]:
    """What a service would not have of its own; PATH as it is now finds the agent CLIs."""
    return {
        "PATH": env.get("PATH") or os.defpath,
        "LOOOP_DATA_DIR": str(paths.data),
        "LOOOP_CONFIG": str(paths.config),
    }


def _program(command: Command, env: Mapping[str, str]) -> Command:
    found = tool.find(command[0], env.get("PATH"))
    if found is None:
        raise Missing(f"{command[0]} is not a program that can be run")
    return (str(Path(found).absolute()), *command[1:])


def _vanishing(program: str, env: Mapping[str, str]) -> bool:
    """Whether a program lies where things are cleared away: uvx and pipx run from a cache."""
    roots = ("/tmp", "/var/tmp", "/private/tmp", "/var/folders", "/private/var/folders")  # noqa: S108 - read, not written
    path = Path(program)
    return ".cache" in path.parts or any(
        path.is_relative_to(root) for root in (*roots, env.get("TMPDIR")) if root
    )


def _warnings(program: str, env: Mapping[str, str]) -> list[str]:
    out: list[str] = []
    if _vanishing(program, env):
        out.append(
            f"warning: {program} lies where things are cleared away; install looop for good "
            "(`uv tool install looop`, `pipx install looop`) and do this again"
        )
    if keys := sorted(name for name, value in env.items() if name.endswith("_API_KEY") and value):
        names = text.one_line(", ".join(keys), _WORDS)
        out.append(
            f"warning: the service does not see {names}; set `env` of the runner that needs it"
        )
    return out


def _todo(command: Command, why: str = "") -> str:
    return f"left to do: {shlex.join(command)}" + (f" ({why})" if why else "")


def _carry_out(steps: tuple[Command, ...], env: Mapping[str, str]) -> tuple[str, int]:
    """Run commands until one fails; what went wrong ("" for nothing) and how many were done."""
    for done, step in enumerate(steps):
        said = _call(step, env)
        if said.code != 0:
            hint = "" if env.get("XDG_RUNTIME_DIR") or "bus" not in said.why else _NO_SESSION
            return f"failed: {shlex.join(step)}: {said.why}{hint}", done
    return "", len(steps)


def _publish(file: Path, body: bytes) -> bool:
    """Write the file; False if it said just that already."""
    old = files.read_bytes(file)
    if old is not None and not is_ours(old):
        raise Refused(f"{file} is there and was not written by looop; move it away first")
    if old == body:
        return False
    files.ensure_dir(file.parent)
    written = (
        files.create_exclusive(file, body)
        if old is None
        else files.replace_if_equal(file, old, body)
    )
    if not written:
        raise Conflict(f"{file} leads to nothing, or was changed just now; look at it")
    return True


# -- the verbs ---------------------------------------------------------------------------------


def install(paths: Paths, env: Mapping[str, str], command: Command, platform: str) -> list[str]:
    """
    Have `command` run at login, and now; a line for each thing done and left to do.

    The command stays in the foreground and leaves its workers alone when it ends. The file is written even if the service manager cannot be reached. `platform` is `sys.platform`.
    Raises `Refused` if a file that is not ours is in its place, `Missing` without a program or a
    manager, and `Usage` without a home.
    """
    manager = _manager(paths, env, platform)
    argv = _program(command, env)
    changed = _publish(manager.file, manager.body(argv))
    # launchd opens the file for errors before anything of ours runs.
    files.ensure_dir(paths.state)
    lines = [f"wrote {manager.file}" if changed else f"{manager.file} was up to date"]
    lines += _warnings(argv[0], env)
    loaded = manager.loaded()
    steps = manager.begin(loaded=loaded)
    failure, done = _carry_out(steps, env)
    if failure:
        lines += [failure, *(_todo(step) for step in steps[done:])]
    else:
        lines.append(f"{manager.name} is enabled and runs")
    if loaded and changed:
        lines += [_todo(step, "it runs as it was before") for step in manager.renew]
    return lines + manager.remarks()


def uninstall(paths: Paths, env: Mapping[str, str], platform: str) -> list[str]:
    """
    Stop the service and remove its file; a line for each thing done and left to do.

    Raises `Refused` if the file is not ours, and `Conflict` if it changes meanwhile.
    """
    manager = _manager(paths, env, platform)
    old = files.read_bytes(manager.file)
    if old is None:
        return [f"no service is installed: {manager.file} is not there"]
    if not is_ours(old):
        raise Refused(f"{manager.file} was not written by looop")
    failure, _ = _carry_out(manager.end(loaded=manager.loaded()), env)
    if not files.remove_if_equal(manager.file, old):
        raise Conflict(f"{manager.file} was changed just now; look at it")
    after = manager.removed()
    lines = [failure] if failure else [f"{manager.name} is stopped and disabled"]
    lines.append(f"removed {manager.file}")
    if failure:
        return lines + [_todo(step) for step in manager.late]
    failure, done = _carry_out(after, env)
    if failure:
        lines += [failure, *(_todo(step) for step in after[done:])]
    return [*lines, "workers that run go on; `looop ls` shows them"]


def status(paths: Paths, env: Mapping[str, str], platform: str) -> ServiceView:
    """What is installed and what it does; raises `Unreadable` if the file cannot be looked at."""
    manager = _manager(paths, env, platform)
    body = files.read_bytes(manager.file)
    installed = body is not None and is_ours(body)
    active, does = manager.active()
    enabled, begins = manager.enabled() if installed else (False, "")
    if installed:
        if enabled is None:
            begins = f"whether it is enabled cannot be told ({begins})"
        if active is None:
            does = f"whether it runs cannot be told ({does})"
        about = f"{begins}, {does}"
    elif body is not None:
        about = f"not installed; {manager.file} was not written by looop"
    else:
        about = "not installed" + (f", and {does} all the same" if active else "")
    return ServiceView(
        installed=installed,
        file=str(manager.file),
        enabled=enabled,
        active=active,
        text=f"{manager.name}: {about}",
    )
