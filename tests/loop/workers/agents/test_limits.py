"""When a limit ends, in the words of those who report it; and what is no report of one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.kit import text
from looop.loop.workers.agents import AGENTS, agent_of, limits
from tests.loop.workers.agents.support import NOW

BOX = ["", "─" * 100, "\u276f ", "─" * 100, "  ⏵⏵ accept edits on (shift+tab to cycle)"]


def at(day: int, hour: int, minute: int = 0, month: int = 11, year: int = 2026) -> float:
    return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ("You've hit your 5-hour limit · resets 5:19pm (UTC)", at(21, 17, 19)),
        ("You've hit your session limit · resets 8:50am (UTC)", at(22, 8, 50)),
        ("You've hit your weekly limit · resets Nov 24, 2:07pm (UTC)", at(24, 14, 7)),
        ("You've hit your weekly limit · resets Nov 24 at 2pm (UTC)", at(24, 14)),
        ("Opus limit reached ∙ resets 3pm (Europe/Berlin)", at(22, 14)),
        ("5-hour limit reached · resets 11pm (America/New_York)", at(22, 4)),
        ("5-hour limit reached ∙ resets 12am", at(22, 0)),
        ("5-hour limit reached ∙ resets 12pm", at(22, 12)),
        ("Usage limit reached · continuing automatically at 5:19pm · esc", at(21, 17, 19)),
        ("Claude AI usage limit reached|1795280400", 1795280400.0),
        ("■ You\u2019ve hit your usage limit. Upgrade or try again at 5:19 PM.", at(21, 17, 19)),
        ("You've hit your usage limit. Try again at Nov 23rd, 2026 9:49 PM.", at(23, 21, 49)),
        ("You've hit your usage limit. Try again at Jan 2nd 9:49 AM.", at(2, 9, 49, 1, 2027)),
        ("or try again in 2 hours 5 minutes.", NOW + 7500),
        ("or try again in 5 days 22 hours 11\nminutes.", NOW + 5 * 86400 + 22 * 3600 + 660),
        ("Rate limit reached. Please try again in 45s", NOW + 45),
        ("try again in 1h 30m", NOW + 5400),
        ("quota exceeded, resets at 2026-11-22T03:00:00Z", at(22, 3)),
        ("quota exceeded, resets at 2026-11-22T03:00:00+02:00", at(22, 1)),
        ("resets at 16:45", at(21, 16, 45)),
    ],
)
def test_the_end_of_a_limit_is_understood(words: str, ends: float) -> None:
    assert limits.ends_at(words, NOW) == ends


@pytest.mark.parametrize(
    "words",
    [
        "",
        "You've hit your limit",
        "resets soon",
        "resets 5",
        "resets 13pm (UTC)",
        "resets 25:99",
        "resets 3pm (Mars/Olympus)",
        "resets 3pm (../../etc/passwd)",
        "resets Feb 31, 3pm",
        "resets Foo 3, 3pm",
        "try again at 2026-99-99T00:00:00Z",
        "Claude AI usage limit reached|9999999999",
        "try again in 99999 days",
        "resets Nov 24, 9999 3pm",
    ],
)
def test_what_cannot_be_understood_has_no_known_end(words: str) -> None:
    assert limits.ends_at(words, NOW) == 0.0


def test_a_time_of_day_in_a_zone_with_a_summer_is_that_of_the_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    night = datetime(2026, 10, 24, 22, 30, tzinfo=UTC).timestamp()
    assert limits.ends_at("resets 8am", night) == at(25, 7, month=10)
    assert limits.ends_at("resets 8am (Europe/Berlin)", night) == at(25, 7, month=10)


@pytest.mark.parametrize(
    ("runner", "row"),
    [
        ("claude", "  ⎿  You've hit your 5-hour limit · resets 5:19pm (UTC)"),
        ("claude", "  ⎿  You've hit your weekly limit · resets Nov 24, 2:07pm (UTC)"),
        ("claude", "● API Error: Request rejected (429) · This request would exceed the limit"),
        ("claude", "  ⎿  Claude usage limit reached. Your limit will reset at 3pm (UTC)."),
        ("claude", "  ⚠ Usage limit reached · limit resets 4:34pm"),
        ("claude", "  ⎿  You're out of extra usage · resets 3pm (UTC)"),
        ("codex", "■ You\u2019ve hit your usage limit. Try again at 5:19 PM."),
        ("codex", "■ exceeded retry limit, last status: 429 Too Many Requests"),
        ("pi", ' Error: 429 {"type":"error"}'),
        ("", "Error: You've hit your usage limit. Try again in 2 hours."),
        ("some-cli", "Rate limit reached · try again in 5 minutes"),
    ],
)
def test_a_known_wording_is_a_limit(runner: str, row: str) -> None:
    found = agent_of(runner).limited(["", row, *([] if runner == "pi" else BOX)], NOW)
    assert found is not None
    assert found.text in " ".join(row.split())


@pytest.mark.parametrize(
    "row",
    [
        "● I have added a message for when a rate limit is reached by the client.",
        "● Rate limit reached handling is in client.py, and resets 5:19pm are parsed.",
        '● The text is "You\'ve hit your 5-hour limit · resets 5:19pm (UTC)".',
        "● You've hit your limiter with a new test, and it holds.",
        "  ⎿  grep: You've hit your usage limit",
        "• Usage limit reached is what codex prints then",
        "• You've hit your usage limit handling with a bug: see below",
        '    assert text == "You\'ve hit your usage limit."',
        "- the usage limit resets at 5:19pm",
        "\u276f what does `You've hit your usage limit` mean?",
        " An error 429 means that the usage limit is reached.",
    ],
)
@pytest.mark.parametrize("runner", ["", *AGENTS])
def test_talk_of_limits_is_no_limit(runner: str, row: str) -> None:
    assert agent_of(runner).limited(["", row, *BOX], NOW) is None


def test_an_agent_that_works_again_is_not_limited() -> None:
    limited = ["\u276f go on", "  ⎿  You've hit your 5-hour limit · resets 5:19pm (UTC)"]
    claude = AGENTS["claude"]
    assert claude.limited([*limited, *BOX], NOW) is not None
    again = [*limited, "", "\u276f go on", "", "● I go on with the tests."]
    assert claude.limited([*again, *BOX], NOW) is None
    codex = ["■ You've hit your usage limit. Try again at 5:19 PM.", "", "• Ran tests"]
    assert AGENTS["codex"].limited(codex, NOW) is None


def test_pi_that_tries_again_by_itself_is_not_limited() -> None:
    rule = "─" * 60
    rows = [" Error: 429 {}", "", "── Retrying (2/3) in 1s... (escape to cancel) ──", rule]
    assert AGENTS["pi"].limited([*rows, "0.7%/200k (auto)"], NOW) is None


def test_a_limit_far_up_has_been_scrolled_past() -> None:
    rows = ["  ⎿  You've hit your 5-hour limit · resets 5:19pm (UTC)"]
    rows += [f"row {number}" for number in range(60)]
    assert AGENTS["claude"].limited(rows, NOW) is None


def test_a_limit_is_one_clean_line() -> None:
    row = "  ⎿  You've hit your \x1b[31m5-hour\u202e limit · " + "x" * 500
    found = agent_of("claude").limited([row], NOW)
    assert found is not None
    assert found.text == text.one_line(found.text)
    assert len(found.text) <= 200


@settings(deadline=None)
@given(
    st.text(max_size=80),
    st.floats(min_value=0, max_value=4e9),
    st.sampled_from(["resets ", "try again at ", "try again in ", "limit reached|", ""]),
)
def test_no_words_are_too_strange(words: str, now: float, lead: str) -> None:
    ends = limits.ends_at(lead + words, now)
    assert ends == 0.0 or abs(ends - now) <= 400 * 86400


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=50), st.sampled_from(["", *AGENTS]))
def test_no_screen_is_too_strange(rows: list[str], runner: str) -> None:
    agent = agent_of(runner)
    agent.limited(rows, NOW)
    asked = agent.asks_permission(rows)
    assert asked == text.one_line(asked)
    agent.ready(rows)
