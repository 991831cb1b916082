"""The benchmarks run: not how fast, which no test judges."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "bench" / "run.py"


@pytest.mark.timeout(180)
def test_every_benchmark_runs_once_and_is_in_the_table(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--json", str(tmp_path / "table.json")],
        env={**os.environ, "BENCH_SMOKE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))

    scripts = {p.stem for p in RUN.parent.glob("*.py")} - {"run", "harness", "live"}
    assert {row["name"] for row in table["rows"]} == scripts
    assert all(row["here"] and row["method"] for row in table["rows"])
    assert max(map(len, done.stdout.splitlines())) <= 100
