"""Real agent CLIs as workers: started with a brief in a session, with a home of their own."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from looop.loop.workers.agents import AGENTS, Agent, AgentState, Brief, transcript_id
from looop.sessions.local import LocalFleet
from looop.sessions.records import Spec
from tests.runners.clis import surroundings
from tests.runners.worker_api import WorkerApi

__all__ = ["LIMIT_S", "RealWorker", "until"]

LIMIT_S = 30.0

# What a hook does here: it keeps what it was told, and answers what it finds prepared.
_HOOK = """#!/bin/bash
told=$(cat)
printf '%s\\n' "$told" >> '{log}'
case $told in
  *'"hook_event_name":"PermissionRequest"'*) cat '{answer}' 2>/dev/null ;;
esac
exit 0
"""


def until(what: Callable[[], Any], shown: Callable[[], str] = str) -> Any:
    """Wait for something to be true, and give it back; `shown` says what is there instead."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"this never came\n{shown()}")


class RealWorker:
    """One worker of one CLI in `root`; `start` starts it, `end` ends it and all it left."""

    def __init__(
        self, cli: str, root: Path, api: WorkerApi, brief: str = "Say hello.\n", **env: str
    ) -> None:
        self.agent: Agent = AGENTS[cli]
        self.root = root
        self.api = api
        self.work = root / "work"
        self.log = root / "hooks.jsonl"
        self.answer = root / "answer.json"
        self.fleet = LocalFleet(root / "sessions", version="1")
        files_dir = root / "prompts" / "w1.d"
        for place in (self.work, files_dir, root / "data"):
            place.mkdir(parents=True)
        (root / "prompts" / "w1.md").write_text(brief)
        hook = root / "hook.sh"
        hook.write_text(_HOOK.format(log=self.log, answer=self.answer))
        hook.chmod(0o700)
        around = surroundings(cli, root / "home", api.url)
        self.brief = Brief(
            worker="w1",
            generation="g1",
            prompt_file=str(root / "prompts" / "w1.md"),
            work_dir=str(self.work),
            files_dir=str(files_dir),
            env=around | {"LOOOP_DATA_DIR": str(root / "data")} | env,
            hook_command=str(hook),
            transcript_id=transcript_id("w1", "g1"),
        )
        self.since = time.time()

    def trust(self) -> None:
        """Answer beforehand what claude would ask at its first start."""
        seeded = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": ["dummy"], "rejected": []},
            "projects": {str(self.work): {"hasTrustDialogAccepted": True}},
        }
        home = Path(self.brief.env["HOME"])
        (home / ".claude.json").write_text(json.dumps(seeded))

    def untrust(self) -> None:
        """Make the CLI meet what it would ask about at its first start, and nothing else."""
        match self.agent.name:
            case "claude":
                seeded: dict[str, Any] = {"hasCompletedOnboarding": True}
                seeded["customApiKeyResponses"] = {"approved": ["dummy"]}
                (Path(self.brief.env["HOME"]) / ".claude.json").write_text(json.dumps(seeded))
            case "codex":
                subprocess.run(["git", "init", "-q", str(self.work)], check=True)
            case _:
                (self.work / ".pi").mkdir()
                (self.work / ".pi" / "settings.json").write_text("{}")

    def start(self, *more: str) -> None:
        """Start it with its own command; `more` is put before the CLI's own arguments."""
        for name, body in self.agent.files(self.brief).items():
            (Path(self.brief.files_dir) / name).write_text(body)
        program = self.agent.program
        command = self.agent.command(self.brief).replace(
            f"exec {program} ", f"exec {program} {' '.join(more)} "
        )
        env = self.brief.env | self.agent.env(self.brief)
        session = self.fleet.find("w1")
        if session is not None:
            self.fleet.remove("w1")
        self.fleet.start(
            Spec(
                id="w1",
                argv=("bash", "-c", command),
                cwd=self.brief.work_dir,
                env=env,
                columns=120,
                rows=40,
            )
        )

    def rows(self) -> list[str]:
        return self.fleet.screen_lines("w1")

    def screen(self) -> str:
        return "\n".join(row for row in self.rows() if row.strip())

    def shows(self, words: str) -> None:
        until(lambda: words in self.screen(), self.screen)

    def told(self) -> list[dict[str, Any]]:
        """What its hooks were given so far."""
        raw = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in raw.splitlines()]

    def states(self) -> list[AgentState]:
        found = [self.agent.from_hook(row, time.time()) for row in self.told()]
        return [state for state in found if state is not None]

    def transcripts(self) -> list[Path]:
        return self.agent.transcripts(self.brief, self.since)

    def end(self) -> None:
        session = self.fleet.find("w1")
        if session is not None and session.alive:
            self.fleet.kill("w1", grace_s=3.0)
