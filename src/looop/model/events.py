"""The names of all events, and what each one tells: the table behind `reference/events.md`."""

__all__ = ["EVENTS"]

# Event -> (what happened, its fields besides seq, ts and event).
EVENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pulse_started": ("A pulse took the lock of this profile.", ("pid", "runner", "autonomy")),
    "pulse_stopped": ("It let go, on a signal.", ("reason",)),
    "beat_started": ("A beat began: the world is looked at.", ("forced",)),
    "sensed": ("Every due sensor has run.", ("ok", "failed", "ran", "took_s")),
    "sensor_flapping": ("A reading changes too often to be a signal.", ("sensor", "streak")),
    "warning": ("Something could not be read or makes no sense.", ("about", "text")),
    "gate_closed": ("A gate stopped the beat.", ("gate", "reason", "until")),
    "decide_started": ("The runner was launched.", ("run", "runner", "changes")),
    "decided": ("One action was chosen.", ("run", "decider", "action", "journal", "goal")),
    "admitted": ("The policy let the move run.", ("run", "action", "rule", "taint", "shadow")),
    "held": ("The policy holds the move for a human.", ("run", "action", "rule", "reason", "ask")),
    "denied": ("The policy refused the move.", ("run", "action", "rule", "reason")),
    "acted": ("The move was carried out.", ("run", "action", "summary", "cost_usd")),
    "beat_failed": (
        "The beat came to nothing; its reason reaches the next prompt.",
        ("run", "code", "error", "fails", "retry_at"),
    ),
    "interrupted": ("A crash cut a move off; it is not repeated.", ("run", "action", "probe")),
    "recovered": ("A beat that was cut off after its act was finished.", ("run", "action")),
    "reflex_broken": ("A rule of reflexes.toml does not work.", ("reflex", "reason")),
    "asked": ("Something waits for a human.", ("ask", "kind", "severity", "prompt")),
    "answered": ("A human answered.", ("ask", "kind", "by", "channel")),
    "ask_closed": ("An ask came to its end.", ("ask", "kind", "how")),
    "config_changed": ("The settings were read again.", ("source",)),
    "config_broken": ("The settings cannot be read; the last good ones stay.", ("error",)),
    "steered": ("A human changed policy or ran a move.", ("action", "summary", "run")),
    "notified": ("The loop told the human something.", ("id", "message", "severity")),
    "budget": ("What a run cost.", ("run", "runner", "cost_usd", "tokens")),
    "worker_started": (
        "A worker was started.",
        ("worker", "generation", "runner", "goal", "run"),
    ),
    "worker_ended": (
        "A worker's session is over.",
        ("worker", "generation", "state", "code", "outcome", "summary"),
    ),
    "worker_killed": (
        "A worker and all it started were ended.",
        ("worker", "by", "why", "escalated", "survivors"),
    ),
    "worker_restarted": ("A worker was started again.", ("worker", "generation")),
    "worker_done": ("A worker said that it is done.", ("worker", "outcome", "summary")),
    "worker_removed": ("What an ended session left was removed.", ("worker", "generation")),
    "verified": (
        "A worker's declared check was run.",
        ("worker", "ok", "code", "took_s", "output"),
    ),
    "verify_deferred": ("No time was left in this beat to run a check.", ("worker",)),
    "claim_reaped": ("A claim of a dead worker was released.", ("claim", "worker")),
    "corrupt": ("A state file was put aside because it makes no sense.", ("path", "aside")),
}
