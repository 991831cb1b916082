"""First things: lay a profile, choose a runner, and check that everything it needs is there."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from looop import config as configs
from looop.config import RULES
from looop.control.views import CheckView
from looop.errors import BadConfig, LooopError, Refused
from looop.kit import files, tool
from looop.kit import text as text_kit
from looop.kit.clock import Clock
from looop.kit.expr import engine
from looop.kit.shapes import is_object
from looop.loop import lock
from looop.loop.admit import rules as admission
from looop.loop.admit import shell
from looop.loop.decide import reflexes
from looop.loop.decide.presets import PRESETS
from looop.loop.sense import discover
from looop.loop.workers import agents
from looop.loop.workers.agents import Brief
from looop.sessions.port import Fleet
from looop.settings import SETTINGS
from looop.state import memory as memories
from looop.state import seed
from looop.state.store import Store

__all__ = ["detected", "doctor", "init"]


def detected(env: Mapping[str, str]) -> list[str]:
    """Presets whose CLI is on PATH, in the order in which we would offer them."""
    return [name for name, p in PRESETS.items() if tool.find(p.program, env.get("PATH"))]


def _write_config(store: Store, config: configs.Config, runner: str) -> str:
    """Set `runner` in config.toml and leave every other key, and every comment, as it is."""
    import tomlkit

    path = store.paths.config
    text = files.read_text(path)
    if text is not None and path.suffix == ".json":
        raise Refused(f"{path} is not ours to write; name the runner there")
    if text is None:
        document = tomlkit.document()
        document.add(tomlkit.comment("Settings of this profile. `looop help config` lists all."))
        original = config.source if config.source and config.source.suffix == ".json" else None
        if original is not None:
            # The original's file stays where it is; what it says is carried over.
            document.add(tomlkit.comment(f"Carried over from {original.name}, which is kept."))
            # What the environment says now is not what the file says.
            for key, value in _carried(configs.load(path, {})).items():
                document.add(key, value)
            for line in _kept(original, config.kept):
                document.add(tomlkit.comment(line))
    else:
        document = tomlkit.parse(text)
    document["runner"] = runner
    files.write_atomic(path, tomlkit.dumps(document).encode())
    shown = path.name if path.parent == store.paths.data else str(path)
    return f"wrote {shown} (runner = {runner})"


def _kept(original: Path, keys: tuple[str, ...]) -> list[str]:
    """Keys of the original's file that have no use here, as comments: nothing is lost."""
    table: Any = msgspec.json.decode(files.read_bytes(original) or b"{}")
    found = table if is_object(table) else {}
    return [
        f"not used here: {key} = {msgspec.json.encode(found[key]).decode()}"
        for key in keys
        if key in found
    ]


def _carried(config: configs.Config) -> dict[str, object]:
    default = configs.Config()
    found: dict[str, object] = {}
    for key in SETTINGS:
        value = getattr(config, key)
        follows = key == "busy_interval" and value == config.interval
        if value != getattr(default, key) and key != "runner" and not follows:
            found[key] = value
    runners: dict[str, object] = {}
    for name, spec in config.runners.items():
        table: dict[str, object] = {
            key: getattr(spec, key)
            for key in ("tick", "worker", "resume", "model")
            if getattr(spec, key)
        }
        if spec.cost:
            table["cost"] = {
                "type": spec.cost.type,
                "pointer": spec.cost.pointer,
                "mode": spec.cost.mode,
            }
        runners[name] = table
    if runners:
        found["runners"] = runners
    return found


def init(
    store: Store,
    config: configs.Config,
    env: Mapping[str, str],
    clock: Clock,
    *,
    runner: str,
    git: bool | None,
) -> list[str]:
    """
    Lay the profile if it is new, and set the runner; what was done, a line each.

    Running it again keeps every other key. `runner` "" keeps the one that is set, or takes the
    first agent CLI that is installed, or `rules`. Raises `BadConfig` for an unknown runner.
    """
    chosen = runner
    if not chosen:
        known = config.source is not None
        chosen = config.runner if known else next(iter(detected(env)), RULES)
    if chosen not in (RULES, *PRESETS, *config.runners):
        names = ", ".join([RULES, *PRESETS, *config.runners])
        raise BadConfig(f"there is no runner {chosen!r}; known: {names}")
    store.ensure()
    done = [f"laid {name}" for name in seed.lay(store.paths, clock.wall())]
    ours = config.source is not None and config.source == store.paths.config
    if not ours or config.runner != chosen:
        done.append(_write_config(store, config, chosen))
    wanted = config.git if git is None else git
    if wanted and not store.history.exists:
        if tool.find("git", env.get("PATH")):
            store.history.create()
            done.append("began the history of policy files (git)")
        elif git:
            raise Refused("git is not installed: install the Debian package git")
    return done


def _check(name: str, state: Literal["ok", "warn", "fail"], text: str) -> CheckView:
    return CheckView(name=name, state=state, text=text)


def _profile(store: Store) -> list[CheckView]:
    data = store.paths.data
    out: list[CheckView] = []
    found = files.stat_or_none(data)
    if found is None:
        return [_check("profile", "warn", f"{data} does not exist yet: run `looop init`")]
    if found.st_mode & 0o077:
        out.append(_check("profile", "warn", f"{data} is open to others: chmod 700 {data}"))
    elif not os.access(data, os.W_OK):
        out.append(_check("profile", "fail", f"{data} cannot be written"))
    else:
        out.append(_check("profile", "ok", str(data)))
    if files.stat_or_none(store.paths.playbook) is None:
        out.append(_check("playbook", "warn", "there is no PLAYBOOK.md"))
    try:
        memories.load(store.paths)
    except LooopError as error:
        out.append(_check("memory", "fail", str(error)))
    return out


def _runner(config: configs.Config, env: Mapping[str, str]) -> CheckView:
    name = config.runner
    spec = config.runners.get(name)
    if name == RULES:
        others = detected(env)
        hint = f"; installed: {', '.join(others)}" if others else ""
        return _check("runner", "ok", f"rules: reflexes decide, no model{hint}")
    if spec is not None and spec.tick:
        return _check("runner", "ok", f"{name}: {spec.tick}")
    preset = PRESETS.get(name)
    if preset is None:
        return _check("runner", "fail", f"{name} is neither a preset nor in [runners]")
    where = tool.find(preset.program, env.get("PATH"))
    if where is None:
        return _check("runner", "fail", f"{name}: {preset.program} is not on PATH")
    return _check("runner", "ok", f"{name}: {where}")


def _rules(store: Store) -> list[CheckView]:
    out: list[CheckView] = []
    text = files.read_text(store.paths.reflexes) or ""
    found = reflexes.load(text)
    out += [_check("reflexes", "fail", problem) for problem in found.problems]
    if not found.problems:
        out.append(_check("reflexes", "ok", text_kit.count(len(found.reflexes), "rule")))
    held = admission.load(files.read_text(store.paths.admission) or "")
    if held.broken:
        out.append(_check("admission", "fail", f"{held.broken}; every move of weight is held"))
    else:
        out.append(_check("admission", "ok", text_kit.count(len(held.rules), "rule") + " of yours"))
    return out


def _sensors(store: Store) -> list[CheckView]:
    found, problems = discover.discover(store.paths)
    problems += [f"{s.path.name}: {s.broken}" for s in found if s.broken]
    if problems:
        return [_check("sensors", "warn", problem) for problem in problems]
    return [_check("sensors", "ok", text_kit.count(len(found), "sensor"))]


def _tools(env: Mapping[str, str]) -> list[CheckView]:
    out: list[CheckView] = []
    facts = shell.analyse("true")
    state: Literal["ok", "fail"] = "ok" if facts.read_only else "fail"
    text = "shfmt judges commands" if facts.read_only else f"commands cannot be judged: {facts.why}"
    out.append(_check("shell", state, text))
    try:
        kind = "Google's CEL" if "Google" in type(engine(["x"])).__name__ else "the pure CEL"
        out.append(_check("rules", "ok", f"{kind} evaluates expressions"))
    except ImportError as error:
        out.append(_check("rules", "fail", f"no CEL engine: {error}"))
    git = tool.find("git", env.get("PATH"))
    out.append(_check("git", "ok" if git else "warn", git or "not installed: no history, no undo"))
    bash = tool.find("bash", env.get("PATH"))
    out.append(_check("bash", "ok" if bash else "fail", bash or "not installed: run_shell fails"))
    version = ".".join(str(part) for part in sys.version_info[:3])
    out.append(_check("python", "ok", f"{version} at {Path(sys.executable)}"))
    return out


def _worker(store: Store, config: configs.Config, env: Mapping[str, str]) -> list[CheckView]:
    """Whether a worker of the configured runner would start, and start without a dialog."""
    name = config.runner
    spec = config.runners.get(name, configs.RunnerSpec())
    if spec.worker:
        return [_check("worker", "ok", f"{name}: {spec.worker}")]
    if name == RULES:
        return [_check("worker", "ok", "rules: the shell block of a brief is run, no model")]
    agent = agents.agent_of(name)
    if not agent.program:
        return [_check("worker", "warn", f"{name} has no worker command: set `worker` for it")]
    if tool.find(agent.program, env.get("PATH")) is None:
        return [_check("worker", "fail", f"{name}: {agent.program} is not on PATH")]
    problems = agent.first_start(
        Brief(
            worker="doctor",
            generation="",
            prompt_file=str(store.paths.prompt("doctor")),
            work_dir=str(store.paths.work_dir("doctor")),
            files_dir=str(store.paths.prompt_files("doctor")),
            model=spec.model,
            env={**env, **spec.env},
        )
    )
    if problems:
        return [_check("worker", "warn", problem) for problem in problems]
    return [_check("worker", "ok", f"{name}: {agent.program} starts without a question")]


def _sessions(fleet: Fleet) -> list[CheckView]:
    sessions, problems = fleet.list()
    found = [_check("sessions", "warn", problem) for problem in problems]
    dead = [s.id for s in sessions if s.state == "dead"]
    if dead:
        words = f"the supervisor of {', '.join(dead)} died; `looop prune` removes what is left"
        found.append(_check("sessions", "warn", words))
    alive = sum(s.alive for s in sessions)
    if not found:
        found.append(_check("sessions", "ok", f"{alive} alive, {len(sessions) - alive} ended"))
    try:
        from looop.sessions.emulator import Emulator

        Emulator(80, 24)
        found.append(_check("screens", "ok", "screens can be drawn"))
    except LooopError as error:
        found.append(_check("screens", "warn", str(error)))
    return found


def doctor(
    store: Store,
    fleet: Fleet,
    config: configs.Config | LooopError,
    env: Mapping[str, str],
) -> list[CheckView]:
    """Check everything at once: settings, profile, rules, sensors, workers, programs."""
    out: list[CheckView] = []
    if isinstance(config, LooopError):
        out.append(_check("config", "fail", str(config)))
    else:
        source = str(config.source) if config.source else "none; defaults apply"
        out.append(_check("config", "ok", source))
        if config.kept:
            kept = ", ".join(config.kept)
            out.append(_check("config", "warn", f"kept from config.json and not used: {kept}"))
        out.append(_runner(config, env))
        out += _worker(store, config, env)
    try:
        out += _sessions(fleet)
    except LooopError as error:
        out.append(_check("sessions", "fail", str(error)))
    for part in (_profile, _rules, _sensors):
        try:
            out += part(store)
        except LooopError as error:
            out.append(_check(part.__name__.strip("_"), "fail", str(error)))
    try:
        running = lock.held(store.paths)
        out.append(_check("pulse", "ok", "running" if running else "not running"))
    except LooopError as error:
        out.append(_check("pulse", "fail", str(error)))
    return out + _tools(env)
