"""What real CLIs left behind, and briefs to ask about it with."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from looop.loop.workers.agents import Brief, transcript_id

__all__ = ["FIXTURES", "NOW", "brief_in", "hooks", "screen"]

FIXTURES = Path(__file__).parent / "fixtures"
# Shortly after the fixtures were recorded: they speak of times of day.
NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC).timestamp()


def screen(case: str) -> list[str]:
    return (FIXTURES / f"{case}.screen.txt").read_text("utf-8").split("\n")


def hooks(case: str) -> list[dict[str, Any]]:
    raw = (FIXTURES / f"{case}.hooks.jsonl").read_text("utf-8")
    return [json.loads(line) for line in raw.splitlines()]


def brief_in(root: Path, text: str = "Say hello.\n", **env: str) -> Brief:
    """A brief of worker `w1`, whose files, home and data dir lie in `root`."""
    for name in ("work", "prompts/w1.d", "home", "data"):
        (root / name).mkdir(parents=True, exist_ok=True)
    prompt = root / "prompts" / "w1.md"
    prompt.write_text(text, "utf-8")
    return Brief(
        worker="w1",
        generation="g1",
        prompt_file=str(prompt),
        work_dir=str(root / "work"),
        files_dir=str(root / "prompts" / "w1.d"),
        env={"HOME": str(root / "home"), "LOOOP_DATA_DIR": str(root / "data"), **env},
        hook_command="'/opt/looop' hook",
        transcript_id=transcript_id("w1", "g1"),
    )
