"""Adding up what several attempts used."""

import pytest

from looop.loop.decide.streams import Usage


@pytest.mark.parametrize(
    ("one", "other", "cost"),
    [
        (Usage(cost_usd=1.0), Usage(cost_usd=0.5), 1.5),
        (Usage(cost_usd=1.0), Usage(), 1.0),
        (Usage(cost_usd=1.0), Usage(output_tokens=1), None),
        (Usage(), Usage(), None),
        (Usage(cost_usd=0.0), Usage(), 0.0),
    ],
)
def test_a_sum_has_a_price_only_if_every_part_with_tokens_has_one(
    one: Usage, other: Usage, cost: float | None
) -> None:
    assert one.plus(other).cost_usd == cost
    assert other.plus(one).cost_usd == cost


def test_tokens_are_added_by_kind() -> None:
    part = Usage(input_tokens=1, cached_tokens=2, cache_write_tokens=3, output_tokens=4)

    assert part.plus(part) == Usage(
        input_tokens=2, cached_tokens=4, cache_write_tokens=6, output_tokens=8
    )
