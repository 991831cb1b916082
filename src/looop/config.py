"""Settings: one file, an environment override for each scalar key, read once into one value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from msgspec import Struct, field

from looop.errors import BadConfig, Unreadable, Usage
from looop.kit import durations, files, names
from looop.kit.shapes import is_object

__all__ = [
    "SETTINGS",
    "Autonomy",
    "Config",
    "CostSpec",
    "RetrySpec",
    "RunnerSpec",
    "Setting",
    "accepted",
    "load",
    "parse",
]

Autonomy = Literal["supervised", "guarded", "trusted"]
PROMPT_PLACEHOLDER = "{{prompt_file}}"


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

    runner: str = "rules"
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


class Setting(NamedTuple):
    """
    One scalar key: how it is written, what it means, other environment names for it.

    `accepted` is what is said of its values where the kind's own words would be wrong.
    """

    kind: Literal["name", "choice", "duration", "size", "count", "usd", "flag"]
    doc: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    accepted: str = ""


SETTINGS: dict[str, Setting] = {
    "runner": Setting(
        "name", "Who decides: a preset, a `[runners.NAME]` of yours, or `rules` (reflexes alone)."
    ),
    "autonomy": Setting(
        "choice",
        "Which built-in admission rules apply below `admission.toml`.",
        choices=get_args(Autonomy),
    ),
    "interval": Setting(
        "duration",
        "Time between two looks at the world while nothing moves.",
        accepted='seconds, or "90s", "5m", "2h"; at least 1 s',
    ),
    "busy_interval": Setting(
        "duration",
        "Time to the next look after a move; the same as `interval` unless set.",
        accepted='seconds, or "90s", "5m", "2h"; at least 1 s, 0 for `interval`',
    ),
    "max_next_interval": Setting(
        "duration", "The longest sleep that a decision may ask for with `next_interval_s`."
    ),
    "tick_timeout": Setting(
        "duration", "Deadline of one decision.", aliases=("LOOOP_TICK_TIMEOUT_SECS",)
    ),
    "silence_timeout": Setting(
        "duration", "A decision whose runner prints nothing for this long is stopped."
    ),
    "shell_timeout": Setting(
        "duration", "Deadline of one `run_shell` command.", aliases=("LOOOP_SHELL_TIMEOUT_SECS",)
    ),
    "sensor_timeout": Setting(
        "duration", "Deadline of one sensor, unless its header declares another."
    ),
    "sensor_max_bytes": Setting(
        "size", "A sensor that prints more is stopped, and its reading says `too-large`."
    ),
    "sensor_concurrency": Setting(
        "count", "How many sensors run at once.", accepted="a whole number, at least 1"
    ),
    "prompt_max_bytes": Setting(
        "size", "Budget of one prompt; what does not fit is named, and rotates."
    ),
    "max_decides_per_hour": Setting("count", "Launches of the runner in any hour."),
    "max_daily_usd": Setting(
        "usd",
        "Spend of one local day, every row of the ledger together; reached, no runner is launched "
        "until midnight. With it set, three runs in a row whose cost nobody can tell close the "
        "gate too.",
    ),
    "noop_ttl": Setting("duration", "A `noop` older than this is reconsidered once."),
    "flap_streak": Setting(
        "count", "A reading that changes this often in a row is named as flapping."
    ),
    "approval_ttl": Setting("duration", "How long a held move waits for its yes."),
    "runs_keep": Setting("count", "Archived runs that are kept."),
    "playbook_keep": Setting("count", "Previous PLAYBOOK bodies that are kept."),
    "log_max_bytes": Setting(
        "size",
        "Journal, events and cost rotate at this size; one old generation is kept.",
        aliases=("LOOOP_JOURNAL_MAX_BYTES", "LOOOP_EVENTS_MAX_BYTES"),
    ),
    "git": Setting("flag", "Keep the history of policy files in a git repository in the data dir."),
}

_ACCEPTED = {
    "name": "a name",
    "duration": 'seconds, or "500ms", "90s", "5m", "2h", "3d", "1w"; 0 for off',
    "size": 'bytes, or "64KiB", "5MiB"; 0 for unlimited',
    "count": "a whole number; 0 for off",
    "usd": "US dollars; 0 for off",
    "flag": "true or false",
}
_SIZES = {"kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word.isdigit():
            return int(word)
        for unit, factor in _SIZES.items():
            if word.endswith(unit) and word[: -len(unit)].strip().isdigit():
                return int(word[: -len(unit)]) * factor
    raise ValueError


def _count(value: object) -> int:
    if isinstance(value, str) and value.strip().isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise ValueError


def _usd(value: object) -> float:
    if isinstance(value, bool):
        raise ValueError
    try:
        number = float(value) if isinstance(value, int | float | str) else -1.0
    except OverflowError:
        raise ValueError from None
    if not 0 <= number < float("inf"):
        raise ValueError
    return number


def _word(setting: Setting, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    if setting.kind == "choice" and value not in setting.choices:
        raise ValueError
    return names.checked("runner", value) if setting.kind == "name" else value


def _read(setting: Setting, value: object) -> Any:
    """One scalar by its kind; raises ValueError or `Usage` when it cannot be meant."""
    match setting.kind:
        case "duration":
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise ValueError
            return durations.parse(value)
        case "size":
            return _size(value)
        case "count":
            return _count(value)
        case "usd":
            return _usd(value)
        case "flag":
            return _flag(value)
        case "name" | "choice":
            return _word(setting, value)


def accepted(setting: Setting) -> str:
    """What a value of this key may look like, for errors and the manual."""
    return setting.accepted or " | ".join(setting.choices) or _ACCEPTED[setting.kind]


def _scalar(where: str, key: str, value: object) -> Any:
    setting = SETTINGS[key]
    try:
        return _read(setting, value)
    except (ValueError, Usage) as error:
        raise BadConfig(
            f"{where}: {key} = {value!r} is not accepted; use {accepted(setting)}"
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
        elif key in SETTINGS:
            values[key] = _scalar(where, key, value)
        else:
            known = ", ".join(sorted([*SETTINGS, "runners"]))
            raise BadConfig(f"{where}: unknown key {key!r}; known keys: {known}")
    for key, setting in SETTINGS.items():
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
    "session_ttl": None,
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
