"""
Record anew what real workers leave: `python -m tests.runners.record_workers [CASE ...]`.

Each case is one worker on the mock. Its transcript, hooks and screen go, shortened and without
this machine's paths, to `tests/loop/workers/agents/fixtures/<case>.*`.
"""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.runners.clis import install
from tests.runners.record import short
from tests.runners.worker_api import WorkerApi
from tests.runners.workers import RealWorker, until

FIXTURES = Path(__file__).parents[1] / "loop" / "workers" / "agents" / "fixtures"
ANSWER = "All is done as you said."
COMMAND = "curl http://127.0.0.1:1/ && touch made"
LIMIT = "limit"
# What a transcript is full of, and nobody reads.
DROPPED = ("attachment", "api-request", "api-request-shape", "api-request-blob", "world_state")


def _answered(worker: RealWorker) -> None:
    worker.shows(ANSWER)
    until(lambda: worker.transcripts() and worker.agent.tally(worker.transcripts()[0]))
    if worker.agent.name == "claude":
        until(lambda: any(one.state == "idle" for one in worker.states()))
    else:
        until(lambda: _state(worker) == "idle")


def _state(worker: RealWorker) -> str:
    found = [worker.agent.told(path, time.time()) for path in worker.transcripts()]
    return "".join(state.state for state in found if state)


def _asking(worker: RealWorker) -> None:
    until(lambda: worker.agent.asks_permission(worker.rows()), worker.screen)


def _limited(worker: RealWorker) -> None:
    until(lambda: worker.agent.limited(worker.rows(), time.time()), worker.screen)
    if worker.agent.name == "pi":
        until(lambda: _state(worker) == "limited", worker.screen)


def _ended(worker: RealWorker) -> None:
    _answered(worker)
    worker.end()


CASES: dict[str, tuple[str, str, Callable[[RealWorker], None]]] = {
    "claude-ok": ("claude", "", _answered),
    "claude-closed": ("claude", "", _ended),
    "claude-asks": ("claude", COMMAND, _asking),
    "claude-limit": ("claude", LIMIT, _limited),
    "claude-trust": ("claude", "untrusted", _asking),
    "codex-ok": ("codex", "", _answered),
    "codex-asks": ("codex", COMMAND, _asking),
    "codex-limit": ("codex", LIMIT, _limited),
    "codex-trust": ("codex", "untrusted", _asking),
    "pi-ok": ("pi", "", _answered),
    "pi-limit": ("pi", LIMIT, _limited),
    "pi-trust": ("pi", "untrusted", _asking),
}


def record(case: str) -> None:
    cli, what, seen = CASES[case]
    command = what if what == COMMAND else ""
    ends = time.time() + 9000 if what == LIMIT else 0.0
    with (
        tempfile.TemporaryDirectory() as directory,
        WorkerApi(ANSWER, command, ends) as api,
    ):
        worker = RealWorker(cli, Path(directory) / "user", api, **_env(cli, what))
        _prepare(worker, cli, what)
        worker.start(*(("-a", "on-request") if case == "codex-asks" else ()))
        try:
            seen(worker)
            _keep(case, worker, directory)
        finally:
            worker.end()
    print(case)  # noqa: T201 - a tool for a person


def _env(cli: str, what: str) -> dict[str, str]:
    limited = cli == "claude" and what == LIMIT
    return {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "dummy"} if limited else {}


def _prepare(worker: RealWorker, cli: str, what: str) -> None:
    if cli == "claude":
        worker.trust()
    if what == "untrusted":
        worker.untrust()
    if cli == "pi" and what == LIMIT:
        settings = Path(worker.brief.env["HOME"]) / ".pi" / "agent" / "settings.json"
        settings.write_text(
            json.dumps(json.loads(settings.read_text()) | {"retry": {"enabled": False}})
        )


def _keep(case: str, worker: RealWorker, directory: str) -> None:
    programs = str(install(worker.agent.name).resolve().parents[1])
    places = {f"{directory}/user": "/home/user", directory: "/home", programs: "/opt"}
    places[f"{directory}/user".replace("/", "-").replace(".", "-").replace("_", "-")] = "-home-user"

    def scrubbed(raw: str) -> str:
        for place, name in places.items():
            raw = raw.replace(place, name)
        return re.sub(r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:8080", raw)

    for path in worker.transcripts():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        kept = [short(row) for row in rows if row.get("type") not in DROPPED]
        body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
        (FIXTURES / f"{case}.jsonl").write_text(scrubbed(body), "utf-8")
    if worker.told():
        body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in worker.told())
        (FIXTURES / f"{case}.hooks.jsonl").write_text(scrubbed(body), "utf-8")
    body = "".join(f"{row}\n" for row in worker.rows())
    (FIXTURES / f"{case}.screen.txt").write_text(scrubbed(body), "utf-8")


if __name__ == "__main__":
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or CASES:
        record(name)
