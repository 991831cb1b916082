"""Objects and arrays are told apart from all other decoded values."""

import json

import pytest

from looop.kit import shapes


@pytest.mark.parametrize("source", ["{}", "[]", "1", "1.5", '"x"', "true", "null"])
def test_an_object_is_an_object_and_an_array_an_array(source: str) -> None:
    value = json.loads(source)
    assert shapes.is_object(value) is (source == "{}")
    assert shapes.is_array(value) is (source == "[]")
