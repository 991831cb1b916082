"""What today has cost, out of a ledger of 5 MiB."""

import json
from functools import partial
from pathlib import Path

from msgspec import json as encoder

import harness
from harness import Row
from looop.kit import clock
from looop.model.records import Spend
from looop.state.logs import day_start

SIZE = 5 * 1024 * 1024 - 1024
NOW = 1_800_000_000.0


def _fill(path: Path, step_s: float) -> int:
    """Rows up to `SIZE`, the newest now, each `step_s` before the next; how many."""
    sample = _row(NOW, 1)
    count = SIZE // len(sample)
    with path.open("wb") as handle:
        for number in range(count):
            handle.write(_row(NOW - (count - number) * step_s, number))
    return count


def _row(at: float, number: int) -> bytes:
    spend = Spend(
        ts=clock.utc_iso(at),
        kind="tick",
        id=f"tick-20270115-080000-{number:06x}",
        runner="claude",
        goal="goal-0001",
        model="some-model-of-today",
        cost_usd=0.0123,
        priced="cli",
        input_tokens=12000,
        cached_tokens=9000,
        output_tokens=400,
    )
    return encoder.encode(spend) + b"\n"


def _plain(path: Path) -> None:
    with path.open("rb") as handle:
        sum(json.loads(line)["cost_usd"] for line in handle)


def measure(smoke: bool) -> Row:
    """CPU when all rows are of today and when a thirtieth is; reference: json over the file."""
    start = day_start(NOW)
    with harness.profile() as busy, harness.profile() as usual:
        count = _fill(busy / "cost.jsonl", (NOW - start) / 50_000)
        _fill(usual / "cost.jsonl", 30 * 86400 / count)
        ledgers = [harness.open_profile(data).store.ledger for data in (busy, usual)]
        assert ledgers[0].spent_since(start) > count * 0.012
        here, fast, reference = harness.interleaved(
            2 if smoke else 10,
            *(partial(harness.cpu_ms, partial(ledger.spent_since, start)) for ledger in ledgers),
            partial(harness.cpu_ms, partial(_plain, busy / "cost.jsonl")),
        )
    return Row(
        figure=f"spend of today, {count:,} rows (5 MiB)",
        target="",
        here=f"{harness.median(here):.3g} ms all of today, {harness.median(fast):.3g} ms of 30 days",
        reference=f"{harness.median(reference):.3g} ms",
        ratio=harness.median(here) / harness.median(reference),
        method="json.loads of each line",
        met=None,
    )


if __name__ == "__main__":
    harness.main(measure)
