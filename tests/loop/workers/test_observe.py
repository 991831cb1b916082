"""What a living worker is seen to do: dated by output and CPU, and by its screen."""

from typing import Any

import pytest

from looop.errors import Failed, Missing
from looop.loop.workers import observe
from looop.model.records import Activity, Worker
from looop.sessions.local import LocalFleet
from looop.sessions.port import Live
from tests.loop.workers.support import Profile
from tests.support.crew import program
from tests.support.leftovers import nothing_left, unsynced

__all__ = ["nothing_left", "unsynced"]

NOW = 1_000_000.0
SAYS = "echo first; while read -r line; do printf '%s' \"$line\"; done"


def see(
    profile: Profile, before: Activity | None = None, now: float = NOW, **fields: Any
) -> Activity:
    return observe.observe(profile.fleet, profile.fleet.get("w"), fields.get("worker"), before, now)


def say(profile: Profile, words: str) -> None:
    """Type a line that the program repeats, and see it on the screen."""
    profile.fleet.type("w", words.encode() + b"\r")
    found = profile.fleet.expect(
        "w", f"{words}\\r?\\n.*{words}", since=None, timeout_s=20, screen=False, raw=True
    )
    assert found.outcome == "match", found


@pytest.fixture
def running(profile: Profile) -> Profile:
    program(profile, "w", SAYS, generation="g1")
    assert profile.fleet.expect("w", "first", since=None, timeout_s=20, screen=False)
    return profile


def test_a_first_look_dates_everything_from_now(running: Profile) -> None:
    seen = see(running)

    assert (seen.generation, seen.moved_at, seen.still_since) == ("g1", NOW, NOW)
    assert seen.bytes == running.fleet.get("w").bytes > 0
    assert seen.screen
    assert (seen.last_line, seen.limit, seen.dialog) == ("first", "", "")


def test_one_that_stands_still_keeps_its_dates(running: Profile) -> None:
    first = see(running)

    later = see(running, first, NOW + 500)

    assert (later.moved_at, later.still_since) == (NOW, NOW)


def test_output_moves_it_and_a_change_on_the_screen_dates_that_too(running: Profile) -> None:
    first = see(running)
    say(running, "more")

    later = see(running, first, NOW + 500)

    assert (later.moved_at, later.still_since) == (NOW + 500, NOW + 500)
    assert later.screen != first.screen
    assert "more" in later.last_line


def test_output_that_changes_nothing_on_the_screen_moves_it_without_dating_that(
    profile: Profile,
) -> None:
    program(profile, "w", "stty -echo; echo first; read -r x; printf '\\033[m'; echo -n; read -r y")
    profile.fleet.expect("w", "first", since=None, timeout_s=20, screen=False)
    first = see(profile)
    begun = profile.fleet.get("w").bytes
    profile.fleet.type("w", b"\r")
    profile.fleet.more("w", begun, 20)

    later = see(profile, first, NOW + 500)

    assert (later.moved_at, later.still_since) == (NOW + 500, NOW)


def test_cpu_alone_moves_it(profile: Profile) -> None:
    program(profile, "w", "i=0; while ((i < 300000)); do ((i++)); done; read x", generation="g1")
    idle = Activity(
        generation="g1", bytes=0, seen_at=NOW - 5, moved_at=NOW - 500, still_since=NOW - 500
    )
    seen = see(profile, idle)
    # It burns as long as this takes, which depends on the machine.
    while seen.moved_at < NOW:
        profile.fleet.more("w", 1 << 40, 0.05)
        seen = see(profile, idle)

    assert seen.bytes == 0
    assert seen.cpu_s > 0.15


def test_a_little_cpu_is_standing_still(running: Profile) -> None:
    first = see(running)
    almost = Activity(
        generation="g1", bytes=first.bytes, cpu_s=first.cpu_s, seen_at=NOW, moved_at=NOW, still_since=NOW,
        screen=first.screen,
    )  # fmt: skip

    assert see(running, almost, NOW + 60).moved_at == NOW


def test_another_generation_begins_anew(running: Profile) -> None:
    before = Activity(generation="g0", bytes=9, moved_at=1.0, still_since=1.0, limit="limit")

    seen = see(running, before)

    assert (seen.generation, seen.moved_at, seen.still_since, seen.limit) == ("g1", NOW, NOW, "")


class _Blind(LocalFleet):
    """Nobody can ask its supervisors."""

    def live(self, session: str) -> Live:
        raise Failed("it does not answer")


class _Screenless(LocalFleet):
    def screen_lines(self, session: str) -> list[str]:
        raise Missing("no terminal emulator here")


def test_one_that_cannot_be_looked_at_counts_as_moving(running: Profile) -> None:
    first = see(running)
    running.fleet = _Blind(running.paths.sessions, version="test")

    assert see(running, first, NOW + 500).moved_at == NOW + 500


def test_without_screens_the_rest_is_seen(running: Profile) -> None:
    running.fleet = _Screenless(running.paths.sessions, version="test")

    first = see(running)

    assert (first.screen, first.last_line, first.moved_at) == ("", "", NOW)
    assert see(running, first, NOW + 500).moved_at == NOW


class _Shows(LocalFleet):
    """Its screens show what the test says."""

    rows: tuple[str, ...] = ()

    def screen_lines(self, session: str) -> list[str]:
        return list(self.rows)


def test_a_limit_on_the_screen_is_noted_for_the_agent_that_knows_it(running: Profile) -> None:
    fleet = _Shows(running.paths.sessions, version="test")
    running.fleet = fleet
    fleet.rows = ("You've hit your session limit · resets 8:50am (UTC)", "", "> ")
    claude = Worker(id="w", generation="g1", started=1.0, runner="claude")

    seen = see(running, worker=claude)

    assert "limit" in seen.limit
    assert seen.limit_until > NOW
    say(running, "on")
    fleet.rows = ("Working on it", "> ")
    after = see(running, seen, worker=claude)
    assert (after.limit, after.limit_until) == ("", 0.0)


@pytest.mark.parametrize(
    "row", ["\x1b[31mred\x1b[m", "a\x07b", "x" * 500, "\u202eb", "\ud800", "é 漢"]
)
def test_what_stands_on_the_screen_is_kept_clean_and_short(running: Profile, row: str) -> None:
    fleet = _Shows(running.paths.sessions, version="test")
    running.fleet = fleet
    fleet.rows = ("first", row, "   ")

    seen = see(running)

    assert seen.last_line.isprintable()
    assert 0 < len(seen.last_line) <= 200
    running.store.workers.keep_activity({"w": seen})
    assert running.store.workers.activity() == {"w": seen}
