"""Headers: what a sensor declares in a comment of any language, and what cannot be meant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.loop.sense import headers
from looop.loop.sense.headers import HEADER_LINES, Header


@pytest.mark.parametrize(
    "line",
    [
        "# looop: interval=5m trust=own",
        "# looop:interval=5m trust=own",
        "#looop: interval=300 trust=own",
        "// looop: interval=300s trust=own",
        "-- looop: trust=own interval=5m",
        "; looop: trust=own interval=5m",
        "% looop: trust=own interval=5m",
        '" looop: trust=own interval=5m',
        "<!-- looop: trust=own interval=5m -->",
        "/* looop: trust=own interval=5m */",
        "REM looop: trust=own   interval=5m  ",
        "looop: trust=own interval=5m",
    ],
)
def test_a_header_stands_in_a_comment_of_any_language(line: str) -> None:
    found = headers.parse(f"#!/usr/bin/env whatever\n{line}\nrest\n")

    assert found == Header(interval_s=300.0, trust="own")


def test_nothing_declared_means_the_cautious_defaults() -> None:
    assert headers.parse("#!/bin/sh\necho hi\n") == Header(
        interval_s=0.0, timeout_s=None, trust="public", problems=()
    )
    assert headers.parse("") == Header()


def test_several_lines_add_up_and_the_last_word_counts() -> None:
    found = headers.parse("# looop: interval=5 trust=own\n# looop: timeout=3s interval=7\n")

    assert found == Header(interval_s=7.0, timeout_s=3.0, trust="own")


@pytest.mark.parametrize("zero", ["0", "off", "none"])
def test_zero_turns_a_deadline_off_and_is_not_the_default(zero: str) -> None:
    assert headers.parse(f"# looop: timeout={zero}").timeout_s == 0.0


@pytest.mark.parametrize(
    ("pair", "named"),
    [
        ("interval=soon", "interval"),
        ("interval=-5", "interval"),
        ("timeout=5x", "timeout"),
        ("trust=everyone", "trust=everyone"),
        ("trust=OWN", "trust=OWN"),
        ("colour=red", "colour=red"),
        ("trust=own*/", "trust=own*/"),
    ],
)
def test_what_cannot_be_meant_is_a_problem_and_the_default_stays_cautious(
    pair: str, named: str
) -> None:
    found = headers.parse(f"# looop: {pair}")

    assert (found.interval_s, found.timeout_s, found.trust) == (0.0, None, "public")
    assert len(found.problems) == 1
    assert named in found.problems[0]


def test_a_bad_value_spoils_only_itself() -> None:
    found = headers.parse("# looop: interval=never timeout=9 trust=repo")

    assert (found.interval_s, found.timeout_s, found.trust) == (0.0, 9.0, "repo")
    assert len(found.problems) == 1


def test_only_the_first_lines_count() -> None:
    late = "\n" * HEADER_LINES + "# looop: trust=own"
    last = "\n" * (HEADER_LINES - 1) + "# looop: trust=own"

    assert headers.parse(late).trust == "public"
    assert headers.parse(last).trust == "own"


@pytest.mark.parametrize(
    "line", ["# mylooop: trust=own", "# looop trust=own", "# looop:", "# LOOOP: trust=own"]
)
def test_what_only_looks_like_a_header_is_none(line: str) -> None:
    assert headers.parse(line) == Header()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet="#looop: =intervalrustown059mshé\n-", max_size=60))
def test_no_text_breaks_the_reader_or_gains_trust_without_saying_so(text: str) -> None:
    found = headers.parse(text)

    assert found.interval_s >= 0
    assert found.timeout_s is None or found.timeout_s >= 0
    assert found.trust == "public" or "trust=" in text
