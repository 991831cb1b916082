"""Expressions: one contract, kept by both engines."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from looop.kit import expr
from looop.kit.expr import Engine, ExprError
from looop.kit.shapes import is_array, is_object

NAMES = ["world", "now"]
DATA: dict[str, Any] = {
    "world": {
        "ci": {
            "red": True,
            "count": 3,
            "load": 1.5,
            "whole": 2.0,
            "name": "hé",
            "tags": ["a", "b"],
            "none": None,
            "deep": {"a": [1, {"b": False}]},
        }
    },
    "now": 1000,
}

Make = Callable[[Iterable[str]], Engine]


@pytest.fixture(params=["_GoogleEngine", "_PureEngine"], scope="module")
def cel(request: pytest.FixtureRequest) -> Engine:
    make: Make = getattr(expr, request.param)
    return make(NAMES)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 1", 2),
        ("now - 10", 990),
        ("world.ci.red", True),
        ("!world.ci.red", False),
        ("world.ci.count > 2 && world.ci.load < 2.0", True),
        ("world.ci.load * 2.0", 3.0),
        ("world.ci.whole", 2.0),
        ("world.ci.name", "hé"),
        ("world.ci.name + '!'", "hé!"),
        ("size(world.ci.name)", 2),
        ("world.ci.name.startsWith('h')", True),
        ("world.ci.name.contains('é')", True),
        ("world.ci.name.matches('^h.$')", True),
        ("world['ci'].count", 3),
        ("'ci' in world", True),
        ("'b' in world.ci.tags", True),
        ("size(world.ci.tags)", 2),
        ("world.ci.tags", ["a", "b"]),
        ("world.ci.tags.exists(t, t == 'b')", True),
        ("world.ci.tags.all(t, t != 'c')", True),
        ("world.ci.tags.filter(t, t != 'a')", ["b"]),
        ("world.ci.tags.map(t, t + t)", ["aa", "bb"]),
        ("world.ci.none", None),
        ("world.ci.none == null", True),
        ("has(world.ci.nope)", False),
        ("has(world.ci.red)", True),
        ("has(world.ci.nope) && world.ci.nope > 1", False),
        ("world.ci.nope > 1 || true", True),
        ("world.ci.red ? 'red' : 'green'", "red"),
        ("world.ci.deep", {"a": [1, {"b": False}]}),
        ("{'k': world.ci.count}", {"k": 3}),
        ("{1: 'a'}", {"1": "a"}),
        ("[1, 2.5, 'a', true, null]", [1, 2.5, "a", True, None]),
        ("int('3') + int(2.0)", 5),
        ("string(3)", "3"),
        ("1u", 1),
    ],
    ids=str,
)
def test_a_value_is_plain_data(cel: Engine, source: str, value: Any) -> None:
    found = cel.compile(source).value(DATA)
    assert found == value
    assert plain_types(found)


def plain_types(value: Any) -> bool:
    if is_object(value):
        return type(value) is dict and all(plain_types(inner) for inner in value.values())
    if is_array(value):
        return type(value) is list and all(plain_types(inner) for inner in value)
    return value is None or type(value) in (bool, int, float, str)


@pytest.mark.parametrize("source", ["", "1 +", "foo(", "a b", "world.", "\0", "'", "😀"])
def test_what_is_no_expression_is_refused_when_it_is_compiled(cel: Engine, source: str) -> None:
    with pytest.raises(ExprError) as caught:
        cel.compile(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "world.nope",
        "world.ci.tags[5]",
        "1 / 0",
        "1 % 0",
        "9223372036854775807 + now",
        "int('x')",
        "world.ci.count < 'x'",
        "world.ci.name + 1",
        "unknown",
        "unknown.field == 1",
        "nofunction(1)",
        "b'bytes'",
        "duration('60s')",
        "timestamp('2026-01-01T00:00:00Z')",
        "type(1)",
    ],
)
def test_what_has_no_value_says_so_on_one_line(cel: Engine, source: str) -> None:
    with pytest.raises(ExprError) as caught:
        cel.compile(source).value(DATA)
    assert str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 200


def test_an_expression_can_be_asked_again_about_another_world(cel: Engine) -> None:
    red = cel.compile("world.ci.red && now > 5")
    assert red.value(DATA) is True
    assert red.value({"world": {"ci": {"red": False}}, "now": 9}) is False
    with pytest.raises(ExprError):
        red.value({"world": {}, "now": 9})
    assert red.value(DATA) is True


def test_asking_does_not_change_the_world(cel: Engine) -> None:
    before = repr(DATA)
    cel.compile("world.ci.tags.map(t, t + t)").value(DATA)
    assert repr(DATA) == before


def test_googles_engine_knows_the_names_when_it_compiles() -> None:
    with pytest.raises(ExprError, match="undeclared reference to 'wrold"):
        expr._GoogleEngine(NAMES).compile("wrold.ci")


def test_the_engine_at_hand_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(expr.engine(NAMES), expr._GoogleEngine)
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    fallback = expr.engine(iter(NAMES))
    assert isinstance(fallback, expr._PureEngine)
    assert fallback.compile("now").value(DATA) == 1000
    monkeypatch.setitem(sys.modules, "celpy", None)
    with pytest.raises(ImportError):
        expr.engine(NAMES)
