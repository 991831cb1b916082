"""Options may stand anywhere among the words of a verb."""

import argparse

import pytest

from looop.cli.words import options_first, unmask

PARSER = argparse.ArgumentParser()
PARSER.add_argument("-n", action="store_true")
PARSER.add_argument("-f", "--follow", action="store_true")
PARSER.add_argument("-o", "--output")
PARSER.add_argument("id")
PARSER.add_argument("text", nargs="*")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["w", "one", "two"], ["one", "two"]),
        (["w", "-n", "one", "two"], ["one", "two"]),
        (["w", "one", "-n", "two"], ["one", "two"]),
        (["w", "-o", "x", "one", "--follow", "two"], ["one", "two"]),
        (["-o", "x", "w", "one"], ["one"]),
        (["w", "-fo", "x", "one"], ["one"]),
        (["w", "-nf", "one"], ["one"]),
        (["w", "-ox", "one"], ["one"]),
        (["w", "--output=x", "one"], ["one"]),
        (["w", "-n", "-"], ["-"]),
        (["w", "-n", "--", "-n", "--", "--output"], ["-n", "--", "--output"]),
        (["w", "--", "--output=y", "-5"], ["--output=y", "-5"]),
        (["w", "-5", "-.5", "-n"], ["-5", "-.5"]),
        (["w", "- a list", "-n"], ["- a list"]),
        (["w", "-n"], []),
        (["w", "--", "-o"], ["-o"]),
        (["w", "-n", "", "x"], ["", "x"]),
    ],
)
def test_what_is_no_option_stays_in_its_order_and_as_it_was_typed(
    words: list[str], text: list[str]
) -> None:
    found = unmask(PARSER.parse_args(options_first(words, PARSER._option_string_actions)))

    assert (found.id, found.text) == ("w", text)


@pytest.mark.parametrize("words", [["w", "one", "--folow", "two"], ["w", "-z", "x"]])
def test_a_mistyped_option_is_never_taken_for_a_word_of_the_text(words: list[str]) -> None:
    ordered = options_first(words, PARSER._option_string_actions)

    _, unknown = PARSER.parse_known_args(ordered)

    assert unknown
    assert all(word.startswith("-") for word in unknown)


@pytest.mark.parametrize("words", [["w", "x", "-o"], ["w", "-o", "--", "x"]])
def test_an_option_that_lacks_its_value_takes_no_other_word_for_it(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        PARSER.parse_args(options_first(words, PARSER._option_string_actions))

    assert "expected one argument" in capsys.readouterr().err
