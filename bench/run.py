"""
Run every benchmark and print the table of targets.

    python bench/run.py [--only NAME ...] [--json FILE] [--write-baseline]

With BENCH_SMOKE=1 in the environment each is run once and quickly: that they work is then all
that is shown. Ratios are compared with `baseline.json`; one that grew by more than a quarter is a
note, because it asks for an explanation, and not an error. The exit code is 1 only if a script
fails.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

import harness
from harness import Row

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
GROWTH = 1.25
SCRIPTS = (
    "beat_unchanged",
    "beat_acting",
    "beat_deciding",
    "pulse_idle",
    "pulse_growth",
    "sensors_parallel",
    "hash_diff",
    "prompt_build",
    "policy_shell",
    "policy_rules",
    "read_verbs",
    "session_throughput",
    "session_memory",
    "session_start",
    "session_ls",
    "session_shot",
    "wake_latency",
    "log_events",
    "log_journal",
    "ledger_spent",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run every benchmark and print the table.")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, metavar="NAME", default=SCRIPTS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="store the table there as well")
    parser.add_argument(
        "--write-baseline", action="store_true", help=f"store the ratios in {BASELINE.name}"
    )
    return parser.parse_args()


def _row(script: str) -> Row:
    """One script in a process of its own; raises `CalledProcessError` when it fails."""
    done = subprocess.run(
        [sys.executable, str(HERE / f"{script}.py"), "--json"],
        env={k: v for k, v in os.environ.items() if not k.startswith(("LOOOP_", "PYTHON"))},
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Row)


def _baseline() -> dict[str, float]:
    if not BASELINE.exists():
        return {}
    return msgspec.json.decode(BASELINE.read_bytes(), type=dict[str, float])


def _notes(rows: dict[str, Row], known: dict[str, float]) -> list[str]:
    found = [f"target missed: {row.figure}" for row in rows.values() if row.met is False]
    for script, row in rows.items():
        before = known.get(script)
        if row.ratio is not None and before and row.ratio > before * GROWTH:
            grown = row.ratio / before - 1
            found.append(
                f"slower than the baseline: {script}, ratio {row.ratio:.3g} where "
                f"{before:.3g} is committed ({grown:+.0%})"
            )
    return found


def _machine() -> str:
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        + (", smoke run" if harness.smoke_run() else "")
    )


def _store(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Run what was asked for; the exit code."""
    args = _arguments()
    machine = _machine()
    began = time.monotonic()
    rows: dict[str, Row] = {}
    broken: list[str] = []
    print("\n".join(harness.header()), flush=True)
    for script in args.only:
        try:
            rows[script] = _row(script)
        except subprocess.CalledProcessError as error:
            broken.append(f"broken: {script}: exit code {error.returncode}")
            continue
        print("\n".join(harness.lines(rows[script])), flush=True)
    notes = _notes(rows, _baseline())
    print(f"\n{machine}; took {time.monotonic() - began:.0f} s")
    for line in (*notes, *broken):
        print(line)
    if args.json:
        table = [{"name": name, **msgspec.to_builtins(row)} for name, row in rows.items()]
        _store(args.json, {"machine": machine, "rows": table, "notes": notes, "broken": broken})
    if args.write_baseline:
        ratios = {s: round(row.ratio, 3) for s, row in rows.items() if row.ratio is not None}
        _store(BASELINE, _baseline() | ratios)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
