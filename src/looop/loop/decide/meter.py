"""What a run cost: as its CLI told it, else tokens times a price table, else unknown."""

from looop.config import RunnerSpec
from looop.loop.decide import launch
from looop.loop.decide.presets import PRESETS
from looop.loop.decide.streams import Usage
from looop.model.records import Spend

__all__ = ["is_metered", "price", "recovered", "spend"]


def price(runner: str, model: str, usage: Usage) -> float | None:
    """USD for the tokens by the price table, or None for a model that it does not have."""
    if not model or not usage.tokens:
        return None
    # Nine megabytes of tables: loaded only where tokens have no price yet.
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    tokens = Tokens(
        # The table wants the whole input, and its cached parts once more.
        input_tokens=usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens,
        cache_read_tokens=usage.cached_tokens or None,
        cache_write_tokens=usage.cache_write_tokens or None,
        output_tokens=usage.output_tokens,
    )
    for provider, reference in _names(runner, model):
        try:
            return float(calc_price(tokens, reference, provider_id=provider).total_price)
        except (LookupError, ValueError):
            continue
    return None


def _names(runner: str, model: str) -> list[tuple[str | None, str]]:
    """Under which provider and name a model may be listed, the most exact first."""
    preset = PRESETS.get(runner)
    if preset and preset.provider:
        return [(preset.provider, model)]
    provider, slash, reference = model.partition("/")
    if slash:
        return [(provider, reference), (None, reference)]
    return [(None, model)]


def is_metered(runner: str, model: str, usage: Usage | None) -> bool:
    """Whether anybody can tell what the run cost."""
    if usage is None:
        return False
    return usage.cost_usd is not None or price(runner, model, usage) is not None


def recovered(
    stream: bytes, *, ts: str, run: str, runner: str, spec: RunnerSpec | None
) -> Spend | None:
    """The row of a run that was cut off, from the stream it left; None if it told nothing."""
    reader = launch.reader_of(runner, spec or RunnerSpec())
    for line in stream.split(b"\n"):
        reader.feed(line)
    verdict = reader.verdict
    if verdict.usage is None:
        return None
    return spend(
        ts=ts, kind="tick", run=run, runner=runner, goal="", model=verdict.model,
        usage=verdict.usage,
    )  # fmt: skip


def spend(
    *, ts: str, kind: str, run: str, runner: str, goal: str, model: str, usage: Usage | None
) -> Spend:
    """The ledger row of one run. A price that nobody can tell is None, never 0."""
    usage = usage or Usage()
    cost = usage.cost_usd
    priced = "" if cost is None else "cli"
    if cost is None:
        cost = price(runner, model, usage)
        priced = "" if cost is None else "table"
    return Spend(
        ts=ts,
        kind=kind,
        id=run,
        runner=runner,
        goal=goal,
        model=model,
        cost_usd=cost,
        priced=priced,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
