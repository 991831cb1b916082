"""Canonical JSON and digests: what is compared over restarts must never silently change."""

import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looop.kit import canon
from looop.kit.shapes import is_array, is_object

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
# Texts that try to look like the frame around them, a lone surrogate among them.
tricky = st.text(alphabet="0123 9ab\n\0é\ud800", max_size=6)
pairs = st.lists(st.tuples(tricky, tricky), max_size=3)


def shuffled(value: Any, order: random.Random) -> Any:
    if is_object(value):
        members = list(value.items())
        order.shuffle(members)
        return {key: shuffled(inner, order) for key, inner in members}
    return [shuffled(inner, order) for inner in value] if is_array(value) else value


@settings(max_examples=100)
@given(value=json_values, order=st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(value: Any, order: random.Random) -> None:
    assert canon.canonical(shuffled(value, order)) == canon.canonical(value)


@settings(max_examples=100)
@given(one=json_values, other=json_values)
def test_different_values_are_told_apart(one: Any, other: Any) -> None:
    if canon.canonical(one) == canon.canonical(other):
        assert one == other


def test_canonical_json_is_compact_and_readable() -> None:
    assert canon.canonical({"b": [1, 2.5, None], "a": {"z": "é\n", "y": True}}) == (
        '{"a":{"y":true,"z":"é\\n"},"b":[1,2.5,null]}'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canon.canonical(value)


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "cae66941d9efbd404e4d88758ea67670"),
        (b"abc", "cf4ab791c62b8d2b2109c90275287816"),
        ("é".encode(), "d4b1b0202b21bb84e60a3d272ecab0db"),
    ],
)
def test_a_digest_is_the_same_for_ever(data: bytes, digest: str) -> None:
    assert canon.digest(data) == digest


@settings(max_examples=100)
@given(one=pairs, other=pairs)
@example(one=[("a", "1 b 1 c")], other=[("a", ""), ("b", "c")])
@example(one=[("", "")], other=[])
@example(one=[("a", "b"), ("c", "d")], other=[("ab", "cd")])
def test_different_lists_never_give_the_same_bytes(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    assert (canon.framed(one) == canon.framed(other)) == (one == other)


@settings(max_examples=100)
@given(items=pairs, name=tricky, value=tricky, cut=st.integers(0, 3))
def test_a_value_cannot_imitate_what_follows_it(
    items: list[tuple[str, str]], name: str, value: str, cut: int
) -> None:
    """A whole frame as the text of a value is still a value."""
    frame = canon.framed([*items, (name, value)]).decode("utf-8", "surrogatepass")
    forged = [*items[:cut], (name, value + frame)]
    assert canon.framed(forged) != canon.framed([*items[:cut], (name, value), *items[cut:]])


def test_the_frame_is_the_same_for_ever() -> None:
    assert canon.framed([("é", "a b"), ("", "")]) == b"2 \xc3\xa9 3 a b0  0 "
