"""A real profile in a temporary directory, with a decider that is a real shell command."""

import asyncio
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from looop import config as configs
from looop.control.local import LocalControl
from looop.kit import files
from looop.kit.clock import Clock
from looop.loop.beat import End, beat
from looop.loop.parts import Parts
from looop.model.records import Ask, BeatRecord, Memory
from looop.paths import Paths
from looop.sessions.local import LocalFleet
from looop.state import memory as memories
from looop.state.store import Store
from tests.support.fakeclock import FakeClock

__all__ = ["NOOP", "Profile", "shell_move"]

NOOP: dict[str, Any] = {"action": "noop", "reason": "all is well"}

# What the decider does: count the launch, say what it costs, fail if it shall, else decide.
_TICK = """
printf . >> "$SIDE/launches"
[ -e "$SIDE/cost" ] && cat "$SIDE/cost"
[ -e "$SIDE/fail" ] && { cat "$SIDE/fail" >&2; exit 3; }
cat "$SIDE/decision" > "$LOOOP_DECISION_FILE"
"""


def shell_move(cmd: str, **more: Any) -> dict[str, Any]:
    """A decision to run one command."""
    return {"action": "run_shell", "cmd": cmd, "reason": "to see what happens", **more}


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        table = cast("Mapping[str, Any]", value)
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in table.items()) + "}"
    return json.dumps(value)


class Profile:
    """
    One profile, and what a test does to its world.

    `data` is the data dir, `side` holds what the fake decider and the sensors read. Every beat
    is a second later than the last one, so that nothing depends on two things at one moment.
    """

    def __init__(
        self, base: Path, *, runner: str = "fake", clock: FakeClock | None = None, **settings: Any
    ) -> None:
        self.base = base
        self.data = base / "data"
        self.side = base / "side"
        self.side.mkdir(parents=True)
        self.data.mkdir(mode=0o700)
        self.clock = clock or FakeClock()
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.side), "SIDE": str(self.side)}
        self.paths = Paths(self.data, self.data / "config.toml")
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.settings: dict[str, Any] = {"runner": runner, "git": False}
        self.fake: dict[str, Any] = {"tick": _TICK}
        self.configure(**settings)
        self.decides(NOOP)

    # -- settings ----------------------------------------------------------------------------

    def configure(self, **settings: Any) -> None:
        """Change settings in the file, and read it again, as the pulse would."""
        self.settings |= settings
        lines = [f"{key} = {_toml(value)}" for key, value in self.settings.items()]
        lines += ["[runners.fake]", *(f"{k} = {_toml(v)}" for k, v in self.fake.items())]
        self.paths.config.write_text("\n".join(lines) + "\n")
        if hasattr(self, "parts"):
            self.parts.config = configs.load(self.paths.config, self.env)
        else:
            self.reopen()

    def runner(self, **spec: Any) -> None:
        """Change what is said about the fake runner."""
        self.fake |= spec
        self.configure()

    def reopen(self, clock: Clock | None = None) -> None:
        """As after a restart: nothing in memory survives."""
        config = configs.load(self.paths.config, self.env)
        self.store = Store(self.paths, config)
        self.fleet = LocalFleet(self.paths.sessions, version="test")

        async def pause(_seconds: float) -> None:
            return None

        self.parts = Parts(
            self.store,
            config,
            self.env,
            self.fleet,
            clock=clock or self.clock,
            listener=lambda event, fields: self.told.append((event, fields)),
            sleep=pause,
            jitter=lambda: 1.0,
        )

    @property
    def control(self) -> LocalControl:
        config = configs.load(self.paths.config, self.env)
        return LocalControl(self.paths, config, self.env, lambda: self.fleet, self.clock)

    # -- the world ---------------------------------------------------------------------------

    def goal(self, goal_id: str, body: str = "goal: keep it so\n") -> None:
        self.paths.goals.mkdir(exist_ok=True)
        (self.paths.goals / f"{goal_id}.md").write_text(body)

    def playbook(self, body: str) -> None:
        self.paths.playbook.write_text(body)

    def script(self, name: str, body: str) -> Path:
        """A sensor that is this shell script."""
        self.paths.sensors.mkdir(exist_ok=True)
        path = self.paths.sensor(name)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o700)
        return path

    def reading(
        self, name: str, signal: Any, detail: Any = None, *, header: str = "trust=own"
    ) -> None:
        """A sensor that says this, from now on."""
        source = self.side / f"reading-{name}.json"
        source.write_text(json.dumps({"signal": signal, "detail": detail}))
        if not self.paths.sensor(name).exists():
            self.script(name, f"# looop: {header}\ncat {shlex.quote(str(source))}")

    def reflexes(self, text: str) -> None:
        self.paths.reflexes.write_text(text)

    def admission(self, text: str) -> None:
        self.paths.admission.write_text(text)

    # -- the decider -------------------------------------------------------------------------

    def decides(self, decision: Mapping[str, Any] | str) -> None:
        """What the runner will answer, from now on."""
        text = decision if isinstance(decision, str) else json.dumps(dict(decision))
        (self.side / "decision").write_text(text)
        (self.side / "fail").unlink(missing_ok=True)

    def breaks(self, words: str = "the provider is down") -> None:
        """The runner fails from now on, with these last words."""
        (self.side / "fail").write_text(words)

    def costs(self, usd: float | None) -> None:
        """What each launch says that it cost; None says nothing."""
        if usd is None:
            (self.side / "cost").unlink(missing_ok=True)
            return
        (self.side / "cost").write_text(json.dumps({"type": "bill", "usd": usd}) + "\n")

    @property
    def launches(self) -> int:
        path = self.side / "launches"
        return path.stat().st_size if path.exists() else 0

    # -- beats -------------------------------------------------------------------------------

    def beat(self, *, after: float = 1.0, forced: bool = False, dry: bool = False) -> End:
        self.clock.forward(after)
        self.told.clear()
        return asyncio.run(beat(self.parts, forced=forced, dry=dry))

    def answer(self, ask_id: str, text: str) -> Ask:
        return self.control.answer(ask_id, text, by="me", channel="test")

    # -- what is left ------------------------------------------------------------------------

    def memory(self) -> Memory:
        return memories.load(self.paths)

    def journal(self) -> list[str]:
        """The journal without its times."""
        body = files.read_text(self.paths.journal) or ""
        return [line[len("- 2026-01-31 09:15 ") :] for line in body.splitlines()]

    def prompt(self, run: str) -> str:
        return (self.paths.run(run) / "prompt.md").read_text()

    def record(self, run: str) -> BeatRecord:
        found = self.store.runs.read(run)
        assert found is not None
        return found

    def open_asks(self) -> list[Ask]:
        return self.store.asks.open()

    def heard(self, event: str) -> list[dict[str, Any]]:
        """What the listener was told of one event during the last beat."""
        return [fields for name, fields in self.told if name == event]

    def events(self, event: str) -> list[dict[str, Any]]:
        return [row for row in self.store.events.since(0) if row["event"] == event]

    def effect(self) -> str:
        """What moves have written to the file that they are given as `$SIDE/effect`."""
        return files.read_text(self.side / "effect") or ""

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the data dir but the logs that grow with each look."""
        skipped = {"events.jsonl", ".dirlock"}
        return {
            str(path.relative_to(self.data)): path.read_bytes()
            for path in sorted(self.data.rglob("*"))
            if path.is_file() and path.name not in skipped
        }
