"""Where everything of a profile lives: the only module that spells a file name."""

import sys
from collections.abc import Mapping
from pathlib import Path

from looop.errors import Usage

__all__ = ["Paths", "resolve"]


class Paths:
    """The files and directories of one profile."""

    def __init__(self, data: Path, config: Path) -> None:
        self.data = data
        self.config = config
        self.playbook = data / "PLAYBOOK.md"
        self.goals = data / "goals"
        self.goal_archive = self.goals / "archive"
        self.sensors = data / "sensors"
        self.reflexes = data / "reflexes.toml"
        self.admission = data / "admission.toml"
        self.journal = data / "journal.md"
        self.events = data / "events.jsonl"
        self.cost = data / "cost.jsonl"
        self.asks = data / "asks"
        self.ask_archive = self.asks / "archive"
        self.schedules = data / "schedules"
        self.claims = data / "claims"
        self.reports = data / "reports"
        self.sessions = data / "sessions"
        self.workers = data / "workers"
        self.prompts = data / "prompts"
        self.work = data / "work"
        self.playbook_history = data / "playbook.d"
        self.snapshots = data / "snapshots"
        self.runs = data / "runs"
        self.state = data / ".state"
        self.memory = self.state / "memory.json"
        self.stamps = self.state / "sensors.json"
        self.seeded = self.state / "seeded"
        self.pulse_note = self.state / "pulse.json"
        self.activity = self.state / "activity.json"
        self.agents = self.state / "agents"
        self.zygote = self.state / "zygote"
        self.service_errors = self.state / "service.err"
        self.secret = self.state / "secret"
        self.locks = data / ".lock"
        self.pulse_lock = self.locks / "lock"
        self.bell = self.locks / "bell"
        self.workers_lock = self.locks / "workers"

    def goal(self, goal_id: str) -> Path:
        return self.goals / f"{goal_id}.md"

    def sensor(self, name: str) -> Path:
        """Where `write_sensor` puts a script of that name."""
        return self.sensors / f"{name}.sh"

    def snapshot(self, name: str) -> Path:
        return self.snapshots / f"{name}.json"

    def snapshot_err(self, name: str) -> Path:
        return self.snapshots / f"{name}.err"

    def run(self, run_id: str) -> Path:
        return self.runs / run_id

    def prompt(self, worker: str) -> Path:
        """The contract and brief that a worker was started with."""
        return self.prompts / f"{worker}.md"

    def prompt_files(self, worker: str) -> Path:
        """What its agent CLI was given besides: settings, hooks."""
        return self.prompts / f"{worker}.d"

    def work_dir(self, worker: str) -> Path:
        """Where a worker stands: a git worktree of its own, or an empty directory."""
        return self.work / worker

    def directories(self) -> tuple[Path, ...]:
        """All that must exist before a beat."""
        return (
            self.data,
            self.goals,
            self.goal_archive,
            self.sensors,
            self.asks,
            self.ask_archive,
            self.schedules,
            self.claims,
            self.reports,
            self.sessions,
            self.workers,
            self.prompts,
            self.work,
            self.playbook_history,
            self.snapshots,
            self.runs,
            self.state,
            self.agents,
            self.locks,
            self.workers_lock,
        )

    def child_env(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment of every child: the caller's, plus where this profile is."""
        return {
            **env,
            "LOOOP_BIN": _own_command(),
            "LOOOP_DATA_DIR": str(self.data),
            "LOOOP_CONFIG": str(self.config),
            "LOOOP_CLAIMS_DIR": str(self.claims),
            "LOOOP_REPORTS_DIR": str(self.reports),
            "LOOOP_COST_LEDGER": str(self.cost),
        }


def _own_command() -> str:
    """The command that runs this very program, for scripts that call back."""
    beside = Path(sys.executable).with_name("looop")
    if beside.exists():
        return str(beside)
    return str(Path(sys.argv[0]).absolute()) if sys.argv[0] else "looop"


def resolve(env: Mapping[str, str]) -> Paths:
    """
    The profile that the environment names, made absolute once.

    `LOOOP_DATA_DIR`, else `$XDG_STATE_HOME/looop`, else `~/.local/state/looop`; `LOOOP_CONFIG`,
    else `config.toml` in it. An empty variable counts as unset. Raises `Usage` without a home.
    """
    if env.get("LOOOP_DATA_DIR"):
        data = Path(env["LOOOP_DATA_DIR"])
    elif env.get("XDG_STATE_HOME"):
        data = Path(env["XDG_STATE_HOME"]) / "looop"
    elif env.get("HOME"):
        data = Path(env["HOME"]) / ".local" / "state" / "looop"
    else:
        raise Usage("cannot tell where the data dir is: set LOOOP_DATA_DIR, or HOME")
    try:
        data = data.expanduser().absolute()
        config = Path(env["LOOOP_CONFIG"]).expanduser() if env.get("LOOOP_CONFIG") else None
    except RuntimeError as error:
        raise Usage(f"cannot tell where the profile is: {error}") from error
    return Paths(data, config.absolute() if config else data / "config.toml")
