"""Names: one grammar, safe as a file name, an argument and a word."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looop.errors import Usage
from looop.kit import names


@pytest.mark.parametrize("name", ["a", "A1", "0", "a.b-c_d", "x" * 64, "goal-2026.01"])
def test_a_plain_word_is_a_name(name: str) -> None:
    assert names.is_name(name)
    assert names.checked("goal", name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", ".hidden", "-rf", "--help", "_x", "a/b", "../a", "a\\b", "a b", "a\n",
        "a\0", "é", "a\u0300", "\uff41", "\u0663", "x" * 65, "a:b", "a*", "$(a)", "a;b", "~", "a'b",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_grammar(name: str) -> None:
    assert not names.is_name(name)
    with pytest.raises(Usage, match="cannot name a goal: use letters, digits") as caught:
        names.checked("goal", name)
    assert "\n" not in str(caught.value)


@settings(max_examples=100)
@given(st.text(max_size=70))
@example("a/../../b")
def test_a_name_never_leaves_its_directory_and_never_looks_like_an_option(text: str) -> None:
    if names.is_name(text):
        assert text.isascii()
        assert not {"/", "\\", "\0", "\n", " "} & set(text)
        assert not text.startswith((".", "-"))
        assert len(text) <= 64
