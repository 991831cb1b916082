"""Every scalar setting: how it is written, what it means, and how its value is read."""

from typing import Any, Literal, NamedTuple, get_args

from looop.kit import durations, names

__all__ = ["SETTINGS", "Autonomy", "Setting", "accepted", "read"]

Autonomy = Literal["supervised", "guarded", "trusted"]


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
    "max_goal_usd": Setting(
        "usd",
        "Spend of one goal, ever; reached, its workers are stopped and no further one is started.",
    ),
    "max_worker_usd": Setting("usd", "Spend of one worker; reached, its whole tree is stopped."),
    "max_workers": Setting("count", "Workers that may live at once."),
    "stuck_after": Setting(
        "duration",
        "A worker that neither prints nor computes for this long is called stuck.",
        aliases=("LOOOP_WORKER_STUCK_SECS",),
    ),
    "session_ttl": Setting(
        "duration",
        "How long an ended session is kept; one whose verify is not judged yet stays longer.",
    ),
    "verify_timeout": Setting(
        "duration", "Deadline of one verify command.", aliases=("LOOOP_VERIFY_TIMEOUT_SECS",)
    ),
    "verify_retries": Setting(
        "count", "How often a verify that failed for want of the network is run again."
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


def read(setting: Setting, value: object) -> Any:
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
