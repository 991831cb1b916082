"""
Record anew what the real CLIs print: `python -m tests.runners.record [NAME ...]`.

Each case is one run of the preset against the mock; its stream goes, shortened and without this
machine's paths, to `tests/loop/decide/fixtures/<cli>-<case>.ndjson`.
"""

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from looop.config import RetrySpec, RunnerSpec
from looop.kit.clock import SystemClock
from looop.kit.shapes import is_array, is_object
from looop.loop.decide.runner import RunnerResult, run_runner
from tests.runners.clis import PACKAGES, install, surroundings
from tests.runners.mock_api import Fault, MockApi

ANSWER = '{"move": {"action": "noop", "reason": "nothing to do"}}'
FIXTURES = Path(__file__).parents[1] / "loop" / "decide" / "fixtures"
CASES: dict[str, tuple[Fault, ...]] = {
    "claude": ("", "401", "429", "529", "hang"),
    "codex": ("", "401", "429", "500"),
    "pi": ("", "401", "529"),
    "opencode": ("", "401"),
    "gemini": ("", "401"),
}
TEXT, ITEMS = 160, 6


def short(value: Any, key: str = "") -> Any:
    """Long texts and lists cut: what a reader reads is never among them."""
    if is_object(value):
        return {name: short(inner, name) for name, inner in value.items()}
    if is_array(value):
        return [short(inner) for inner in value[:ITEMS]]
    if isinstance(value, str) and len(value) > TEXT and key not in ("message", "errorMessage"):
        return value[:TEXT] + "..."
    return value


def trimmed(raw: bytes, places: dict[str, str]) -> str:
    text = raw.decode("utf-8", "replace")
    for place, name in places.items():
        text = text.replace(place, name)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", text).replace("/tmp/", "/home/user/")
    return "".join(f"{_cut(line)}\n" for line in text.split("\n") if line)


def _cut(line: str) -> str:
    if not line.startswith("{"):
        return line
    return json.dumps(short(json.loads(line)), ensure_ascii=False, separators=(",", ":"))


async def once(name: str, url: str, home: Path, run_dir: Path, *, hang: bool) -> RunnerResult:
    prompt = run_dir.parent / "prompt.md"
    prompt.write_text("Decide one move.\n")
    return await run_runner(
        name=name,
        spec=RunnerSpec(
            model="gemini-2.5-flash" if name == "gemini" else "",
            retry=RetrySpec(match="(?!)", times=0),
        ),
        run_dir=run_dir,
        prompt=prompt,
        schema={"type": "object", "properties": {"move": {"type": "object"}}},
        env=surroundings(name, home, url),
        mark=f"record-{name}",
        wall_s=180.0,
        silence_s=4.0 if hang else 60.0,
        clock=SystemClock(),
        sleep=asyncio.sleep,
        jitter=lambda: 1.0,
        on_line=lambda _line: None,
    )


def record(name: str, fault: Fault) -> None:
    with tempfile.TemporaryDirectory() as directory, MockApi(ANSWER, fault=fault) as api:
        run_dir = Path(directory) / "run"
        run_dir.mkdir()
        home = Path(directory) / "home"
        result = asyncio.run(once(name, api.url, home, run_dir, hang=fault == "hang"))
        raw = (run_dir / "stream.ndjson").read_bytes()
    places = {str(run_dir): "/home/user/run", str(home): "/home/user"}
    places |= {directory: "/home/user", str(Path.home()): "/home/user"}
    places[str(install(name).resolve().parents[1])] = "/home/user"
    places[directory.replace("/", "-")] = "-home-user"
    target = FIXTURES / f"{name}-{fault or 'ok'}.ndjson"
    target.write_text(trimmed(raw, places))
    print(f"{target.name}: {result.code} {result.error}")  # noqa: T201 - a tool for a person


if __name__ == "__main__":
    for cli in sys.argv[1:] or PACKAGES:
        for case in CASES[cli]:
            record(cli, case)
