"""What a run cost: told, priced, or unknown."""

import pytest

from looop.loop.decide import meter
from looop.loop.decide.streams import Usage
from looop.model.records import Spend

TOKENS = {"input_tokens": 1_000_000, "output_tokens": 100_000}


def spent(runner: str, model: str, usage: Usage | None) -> Spend:
    return meter.spend(
        ts="2026-01-31T08:15:00.000Z",
        kind="tick",
        run="r1",
        runner=runner,
        goal="",
        model=model,
        usage=usage,
    )


@pytest.mark.parametrize(
    ("runner", "model", "usage", "cost", "priced"),
    [
        ("claude", "m", Usage(cost_usd=0.25), 0.25, "cli"),
        ("claude", "claude-sonnet-4-5", Usage(cost_usd=0.25, **TOKENS), 0.25, "cli"),
        ("mine", "", Usage(cost_usd=0.0), 0.0, "cli"),
        ("codex", "gpt-5", Usage(**TOKENS), 2.25, "table"),
        ("gemini", "gemini-2.5-flash", Usage(**TOKENS), 0.55, "table"),
        ("opencode", "openai/gpt-5", Usage(**TOKENS), 2.25, "table"),
        ("pi", "gpt-5", Usage(**TOKENS), 2.25, "table"),
        ("codex", "no-such-model", Usage(**TOKENS), None, ""),
        ("opencode", "nobody/no-such-model", Usage(**TOKENS), None, ""),
        ("codex", "", Usage(**TOKENS), None, ""),
        ("codex", "gpt-5", Usage(), None, ""),
        ("codex", "gpt-5", None, None, ""),
    ],
)
def test_who_tells_the_price(
    runner: str, model: str, usage: Usage | None, cost: float | None, priced: str
) -> None:
    row = spent(runner, model, usage)

    assert (row.cost_usd, row.priced) == (pytest.approx(cost) if cost else cost, priced)
    assert meter.is_metered(runner, model, usage) == (cost is not None)


def test_cached_tokens_are_cheaper() -> None:
    fresh = spent("codex", "gpt-5", Usage(input_tokens=1_000_000)).cost_usd
    cached = spent("codex", "gpt-5", Usage(cached_tokens=1_000_000)).cost_usd

    assert fresh is not None
    assert cached is not None
    assert 0 < cached < fresh


def test_a_row_has_every_kind_of_token() -> None:
    usage = Usage(
        cost_usd=1.5, input_tokens=1, cached_tokens=2, cache_write_tokens=3, output_tokens=4
    )

    assert spent("claude", "m", usage) == Spend(
        ts="2026-01-31T08:15:00.000Z",
        kind="tick",
        id="r1",
        runner="claude",
        model="m",
        cost_usd=1.5,
        priced="cli",
        input_tokens=1,
        cached_tokens=2,
        cache_write_tokens=3,
        output_tokens=4,
    )
