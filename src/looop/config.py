"""Settings: one file, an environment override for each scalar key, read once into one value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from looop import settings
from looop.errors import BadConfig, Unreadable, Usage
from looop.kit import files, names
from looop.kit.shapes import is_object
from looop.settings import Autonomy

__all__ = [
    "RULES",
    "Autonomy",
    "Config",
    "CostSpec",
    "RetrySpec",
    "RunnerSpec",
    "load",
    "parse",
]

PROMPT_PLACEHOLDER = "{{prompt_file}}"
# The runner that is no program: reflexes decide, and its workers run the script of their brief.
RULES = "rules"


class CostSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where a custom runner's stream tells the price of a run.

    `type` is the `type` of the JSON line, `pointer` a JSON pointer to the USD number in it;
    `mode` says whether the last such number is the total or all of them are summed.
    """

    type: str
    pointer: str
    mode: Literal["total", "sum"] = "total"


class RetrySpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which output of a custom runner is transient, and how often and after what to retry."""

    match: str
    times: int = 2
    wait: float | str = 3.0


class RunnerSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One runner: two shell commands and what is said about them.

    `tick` decides; `{{prompt_file}}` in it is replaced by the quoted path of the prompt, and
    without it the prompt comes on stdin. `worker` and `resume` belong to workers. `model` is
    handed to a preset's CLI, and prices tokens of a CLI that does not name its model.
    """

    tick: str = ""
    worker: str = ""
    resume: str = ""
    model: str = ""
    env: dict[str, str] = field(default_factory=dict[str, str])
    cost: CostSpec | None = None
    retry: RetrySpec | None = None


class Config(Struct, frozen=True, kw_only=True):
    """
    Every setting, resolved: durations in seconds, sizes in bytes, 0 for off or unlimited.

    What each key means is said once, in `SETTINGS`. `source` is the file that was read, or
    None; `kept` names keys of an original `config.json` that are kept and not used.
    """

    runner: str = RULES
    autonomy: Autonomy = "guarded"
    interval: float = 60.0
    busy_interval: float = 60.0
    max_next_interval: float = 300.0
    tick_timeout: float = 1800.0
    silence_timeout: float = 600.0
    shell_timeout: float = 300.0
    sensor_timeout: float = 60.0
    sensor_max_bytes: int = 8192
    sensor_concurrency: int = 16
    prompt_max_bytes: int = 262144
    max_decides_per_hour: int = 120
    max_daily_usd: float = 0.0
    max_goal_usd: float = 0.0
    max_worker_usd: float = 0.0
    max_workers: int = 8
    stuck_after: float = 900.0
    session_ttl: float = 259200.0
    verify_timeout: float = 60.0
    verify_retries: int = 0
    noop_ttl: float = 21600.0
    flap_streak: int = 5
    approval_ttl: float = 86400.0
    runs_keep: int = 50
    playbook_keep: int = 20
    log_max_bytes: int = 5 * 1024 * 1024
    git: bool = True
    runners: dict[str, RunnerSpec] = field(default_factory=dict[str, RunnerSpec])
    source: Path | None = None
    kept: tuple[str, ...] = ()


def _scalar(where: str, key: str, value: object) -> Any:
    setting = settings.SETTINGS[key]
    try:
        return settings.read(setting, value)
    except (ValueError, Usage) as error:
        raise BadConfig(
            f"{where}: {key} = {value!r} is not accepted; use {settings.accepted(setting)}"
        ) from error


def _runners(where: str, tables: object) -> dict[str, RunnerSpec]:
    if not is_object(tables):
        raise BadConfig(f"{where}: [runners] must hold tables, one for each runner")
    out: dict[str, RunnerSpec] = {}
    for name, table in tables.items():
        if not names.is_name(name):
            raise BadConfig(f"{where}: [runners.{name}] is not a name")
        try:
            spec = msgspec.convert(table, RunnerSpec)
        except msgspec.ValidationError as error:
            raise BadConfig(f"{where}: [runners.{name}]: {error}") from error
        if spec.worker and PROMPT_PLACEHOLDER not in spec.worker:
            raise BadConfig(f"{where}: [runners.{name}] worker must contain {PROMPT_PLACEHOLDER}")
        if spec.cost and not spec.cost.pointer.startswith("/"):
            raise BadConfig(f"{where}: [runners.{name}] cost.pointer must start with a slash")
        out[name] = spec
    return out


def parse(table: Mapping[str, Any], where: str, env: Mapping[str, str]) -> Config:
    """
    A `Config` from a decoded file and the environment, which wins.

    Raises `BadConfig` naming the file or variable, the key, the value and what is accepted.
    """
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "runners":
            values["runners"] = _runners(where, value)
        elif key in settings.SETTINGS:
            values[key] = _scalar(where, key, value)
        else:
            known = ", ".join(sorted([*settings.SETTINGS, "runners"]))
            raise BadConfig(f"{where}: unknown key {key!r}; known keys: {known}")
    for key, setting in settings.SETTINGS.items():
        for variable in (*setting.aliases, f"LOOOP_{key.upper()}"):
            if env.get(variable):
                values[key] = _scalar(f"${variable}", key, env[variable])
    # A loop that never sleeps is a busy loop: the pulse's own interval has a floor, not an off.
    values["interval"] = max(1.0, values.get("interval", 60.0))
    values["busy_interval"] = max(1.0, values.get("busy_interval") or values["interval"])
    values["sensor_concurrency"] = max(1, values.get("sensor_concurrency", 16))
    return Config(**values)


# Keys of the original program's config.json -> ours; None: kept in the file, and not used here.
_ORIGINAL_KEYS: dict[str, str | None] = {
    "default": "runner",
    "interval": "interval",
    "busy_interval": "busy_interval",
    "active_interval": None,
    "max_next_interval": "max_next_interval",
    "max_daily_usd": "max_daily_usd",
    "session_ttl": "session_ttl",
    "notification": None,
    "runners": "runners",
}


def _original_runner(spec: object) -> object:
    if not is_object(spec):
        return spec
    tick = str(spec.get("tick") or "")
    # Configurations of the earliest versions piped the decider through a formatter of theirs.
    tick = tick.partition("| looop _ fmt")[0].rstrip()
    out: dict[str, Any] = {"tick": tick, "resume": str(spec.get("resume") or "")}
    worker = str(spec.get("interactive") or spec.get("worker") or "")
    if PROMPT_PLACEHOLDER in worker:
        out["worker"] = worker
    cost = spec.get("cost")
    if is_object(cost):
        out["cost"] = {k: v for k, v in cost.items() if k in ("type", "pointer", "mode")}
    return out


def _from_original(table: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Our keys from an original `config.json`, and the names of those that have no use here."""
    out: dict[str, Any] = {}
    kept: list[str] = []
    tick = table.get("tick_command") or table.get("tick")
    if isinstance(tick, str):
        worker = table.get("worker_command") or table.get("interactive") or ""
        out["runner"] = "original"
        out["runners"] = {"original": _original_runner({"tick": tick, "interactive": worker})}
    for key, value in table.items():
        ours = _ORIGINAL_KEYS.get(key)
        if ours == "runners" and is_object(value):
            out.setdefault("runners", {}).update(
                {name: _original_runner(spec) for name, spec in value.items()}
            )
        elif ours and value is not None:
            out[ours] = value
        elif key not in ("tick_command", "worker_command", "tick", "interactive"):
            kept.append(key)
    return out, tuple(kept)


def _decoded(path: Path, raw: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    text = raw.decode("utf-8", "replace")
    if path.suffix != ".json":
        import tomllib

        try:
            return tomllib.loads(text), ()
        except (ValueError, RecursionError) as error:
            raise BadConfig(f"{path}: {error}") from error
    try:
        table: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadConfig(f"{path}: {error}") from error
    if not is_object(table):
        raise BadConfig(f"{path}: must hold one JSON object")
    return _from_original(table)


def load(path: Path, env: Mapping[str, str]) -> Config:
    """
    The settings of a profile: `path`, else the original's `config.json` beside it, else defaults.

    Raises `BadConfig` for what cannot be meant and `Unreadable` when a file cannot be looked at:
    an unreadable configuration is never the default one.
    """
    for candidate in (path, path.with_name("config.json")):
        raw = files.read_bytes(candidate)
        if raw is None:
            continue
        table, kept = _decoded(candidate, raw)
        config = parse(table, str(candidate), env)
        return msgspec.structs.replace(config, source=candidate, kept=kept)
    if path.is_symlink():
        raise Unreadable(f"{path} is a link that leads nowhere")
    return parse({}, "defaults", env)
