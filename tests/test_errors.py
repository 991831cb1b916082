"""Errors: named for what the caller should do, with the exit code of the command line."""

import inspect
import re

import pytest

from looop import errors
from looop.errors import LooopError

KINDS = [getattr(errors, name) for name in errors.__all__]


def test_every_error_is_one_that_can_be_caught_together() -> None:
    assert all(issubclass(kind, LooopError) for kind in KINDS)
    defined = {
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and kind.__module__ == errors.__name__
    }
    assert defined == set(errors.__all__)


def test_the_table_of_exit_codes_is_true() -> None:
    table = dict(re.findall(r"^[ |+-]*(\w+) +(\d) ", errors.__doc__ or "", re.MULTILINE))
    table |= dict(re.findall(r"^ +(LooopError) +(\d)$", errors.__doc__ or "", re.MULTILINE))
    assert table == {kind.__name__: str(kind.exit_code) for kind in KINDS}


@pytest.mark.parametrize(
    ("kind", "general"),
    [
        ("BadConfig", "Usage"),
        ("Conflict", "Refused"),
        ("NotFound", "Refused"),
        ("AlreadyRuns", "Refused"),
        ("Corrupt", "Unreadable"),
    ],
)
def test_a_special_error_is_caught_as_the_general_one(kind: str, general: str) -> None:
    assert issubclass(getattr(errors, kind), getattr(errors, general))


def test_what_could_not_be_seen_is_never_taken_for_absent() -> None:
    assert not issubclass(errors.Unreadable, errors.NotFound)
    assert not issubclass(errors.NotFound, errors.Unreadable)
