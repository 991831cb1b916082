"""The world of one beat, and how far its texts are trusted."""

import pytest

from looop.model.world import Reading, Trust, worst


@pytest.mark.parametrize(
    ("trusts", "least"),
    [
        ([], "own"),
        (["own"], "own"),
        (["own", "repo"], "repo"),
        (["public", "own", "repo"], "public"),
        (["repo", "repo"], "repo"),
    ],
)
def test_the_least_trusted_text_decides(trusts: list[Trust], least: Trust) -> None:
    assert worst(trusts) == least
    assert worst(reversed(trusts)) == least


def test_a_reading_is_written_as_its_sensor_meant_it() -> None:
    signal = {"n": 1}
    assert Reading(name="s", signal=signal).as_json() == {"signal": signal}
    assert Reading(name="s", signal=signal, detail="d").as_json() == {
        "signal": signal,
        "detail": "d",
    }
    assert Reading(name="s", signal=signal, split=False).as_json() == signal
    assert Reading(name="s", signal=None).as_json() == {"signal": None}


def test_a_reading_is_mistrusted_unless_said_otherwise() -> None:
    assert Reading(name="s", signal=1).trust == "public"
