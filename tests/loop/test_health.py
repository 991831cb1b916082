"""Health: one word for each worker, from what is known, and never worse than what is known."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.loop import health
from looop.loop.health import IDLE_AFTER_S, Health, Word
from looop.model.records import Activity, AgentNote
from looop.sessions.records import Session, State

NOW = 1_000_000.0
STUCK_S = 900.0


def session(state: State = "running", **fields: Any) -> Session:
    known: dict[str, Any] = {"alive": state in ("starting", "running"), "generation": "g1"}
    return Session(id="w", state=state, **known | fields)


def note(state: Any, **fields: Any) -> AgentNote:
    known: dict[str, Any] = {"generation": "g1", "at": NOW - 5, **fields}
    return AgentNote(state=state, **known)


def activity(**fields: Any) -> Activity:
    """A worker that moves and whose screen has just changed."""
    known: dict[str, Any] = {"generation": "g1", "moved_at": NOW, "still_since": NOW}
    known |= {"screen": "s1"}
    return Activity(**known | fields)


def classify(**fields: Any) -> Health:
    known: dict[str, Any] = {
        "session": session(),
        "note": None,
        "activity": None,
        "waiting": False,
        "now": NOW,
        "stuck_after": STUCK_S,
    }
    known |= fields
    return health.classify(known.pop("session"), **known)


def said(**fields: Any) -> tuple[str, str]:
    found = classify(**fields)
    return found.word, found.basis


# -- one cause at a time -----------------------------------------------------------------------


@pytest.mark.parametrize("state", ["exited", "killed", "failed", "dead"])
def test_what_does_not_live_is_dead_whatever_else_was_seen(state: State) -> None:
    found = classify(
        session=session(state, reason="why"),
        note=note("busy"),
        activity=activity(),
        waiting=True,
    )

    assert (found.word, found.basis, found.detail) == ("dead", "session", "why")


def test_a_session_that_cannot_be_read_lives_as_its_lock_says() -> None:
    assert said(session=session("unreadable", alive=True))[0] == "busy"
    assert said(session=session("unreadable", alive=False))[0] == "dead"


def test_nothing_known_counts_as_busy() -> None:
    assert said() == ("busy", "session")
    assert said(session=session("starting")) == ("busy", "session")


def test_a_worker_with_a_question_waits_for_a_human() -> None:
    assert said(waiting=True) == ("waiting", "ask")
    assert said(note=note("asking", detail="rm?")) == ("waiting", "hook")
    assert said(activity=activity(dialog="Do you trust it?")) == ("waiting", "screen")
    assert classify(note=note("asking", detail="rm?")).detail == "rm?"
    assert classify(activity=activity(dialog="trust?")).detail == "trust?"


def test_a_limit_is_told_with_its_end() -> None:
    by_hook = classify(note=note("limited", detail="5-hour limit", until=NOW + 60))
    by_screen = classify(activity=activity(limit="weekly limit", limit_until=NOW + 60))

    assert (by_hook.word, by_hook.basis, by_hook.detail) == ("limited", "hook", "5-hour limit")
    assert (by_screen.word, by_screen.basis, by_screen.detail) == (
        "limited",
        "screen",
        "weekly limit",
    )
    assert by_hook.until == by_screen.until == NOW + 60


@pytest.mark.parametrize(("until", "word"), [(0.0, "limited"), (NOW + 1, "limited"), (NOW, "busy")])
def test_a_limit_lasts_until_its_end_and_without_one_until_more_is_known(
    until: float, word: str
) -> None:
    assert said(activity=activity(limit="limit", limit_until=until))[0] == word
    assert (said(note=note("limited", until=until))[0] == "limited") == (word == "limited")


def test_an_agent_that_works_is_not_limited_by_an_old_message_on_its_screen() -> None:
    seen = activity(limit="limit reached")

    assert said(note=note("busy"), activity=seen) == ("busy", "hook")
    assert said(note=note("idle"), activity=seen) == ("limited", "screen")


@pytest.mark.parametrize(("still", "word"), [(STUCK_S - 1, "busy"), (STUCK_S, "stuck")])
def test_stuck_is_neither_output_nor_cpu_for_that_long(still: float, word: str) -> None:
    seen = activity(moved_at=NOW - still, still_since=NOW, screen="")
    found = classify(note=note("busy"), activity=seen)

    assert (found.word, found.still_s) == (word, still)


def test_nobody_is_stuck_where_that_is_off_or_where_nobody_looked() -> None:
    seen = activity(moved_at=0.0, still_since=0.0)

    assert said(activity=seen, stuck_after=0.0) == ("idle", "screen")
    assert said(activity=None, stuck_after=1.0) == ("busy", "session")


@pytest.mark.parametrize("state", ["idle", "ended", "failed"])
def test_an_agent_whose_turn_is_over_is_idle(state: str) -> None:
    found = classify(note=note(state, detail="overloaded"), activity=activity())

    assert (found.word, found.basis, found.detail) == ("idle", "hook", "overloaded")


@pytest.mark.parametrize("state", ["busy", "starting"])
def test_an_agent_that_says_it_works_is_busy_however_still_its_screen(state: str) -> None:
    seen = activity(still_since=NOW - 3 * IDLE_AFTER_S, moved_at=NOW - 2 * IDLE_AFTER_S)

    assert said(note=note(state), activity=seen) == ("busy", "hook")


@pytest.mark.parametrize(
    ("still", "word"), [(IDLE_AFTER_S - 1, "busy"), (IDLE_AFTER_S, "idle"), (899.0, "idle")]
)
def test_without_hooks_a_screen_that_stands_still_is_idle(still: float, word: str) -> None:
    assert said(activity=activity(still_since=NOW - still)) == (word, "screen")
    unseen = activity(screen="", still_since=NOW, moved_at=NOW - still)
    assert said(activity=unseen) == (word, "output")


def test_output_that_leaves_the_screen_as_it_is_is_no_work() -> None:
    seen = activity(moved_at=NOW, still_since=NOW - IDLE_AFTER_S)

    assert said(activity=seen) == ("idle", "screen")


def test_what_is_of_an_earlier_generation_does_not_count() -> None:
    old_note = note("asking", generation="g0")
    old_seen = activity(generation="g0", dialog="trust?", moved_at=0.0)

    assert said(note=old_note, activity=old_seen) == ("busy", "session")


def test_a_clock_that_went_back_makes_no_negative_stillness() -> None:
    assert classify(activity=activity(moved_at=NOW + 100)).still_s == 0.0


# -- which comes first -------------------------------------------------------------------------

RANKED: list[tuple[Word, dict[str, Any]]] = [
    ("dead", {"session": session("exited")}),
    ("waiting", {"waiting": True}),
    ("limited", {"activity": {"limit": "limit"}}),
    ("stuck", {"activity": {"moved_at": NOW - STUCK_S}}),
    ("idle", {"activity": {"still_since": NOW - IDLE_AFTER_S}}),
    ("busy", {}),
]


def test_the_order_above_names_every_word() -> None:
    assert [word for word, _ in RANKED] == list(get_args(Word))


@pytest.mark.parametrize("first", range(len(RANKED)))
def test_the_first_that_holds_is_the_word(first: int) -> None:
    fields: dict[str, Any] = {}
    seen: dict[str, Any] = {}
    for _, cause in RANKED[first:]:
        fields |= {key: value for key, value in cause.items() if key != "activity"}
        seen |= cause.get("activity", {})

    assert classify(activity=activity(**seen), **fields).word == RANKED[first][0]


moments = st.sampled_from([0.0, NOW - STUCK_S, NOW - IDLE_AFTER_S, NOW, NOW + 60])


@settings(max_examples=200, deadline=None)
@given(
    state=st.sampled_from(get_args(State)),
    alive=st.booleans(),
    of=st.sampled_from(["g1", "g0"]),
    told=st.none() | st.sampled_from(get_args(AgentNote.__annotations__["state"])),
    until=moments,
    moved=moments,
    still=moments,
    screen=st.sampled_from(["", "s"]),
    limit=st.sampled_from(["", "limit"]),
    dialog=st.sampled_from(["", "trust?"]),
    waiting=st.booleans(),
    stuck=st.sampled_from([0.0, STUCK_S]),
)
def test_whatever_is_known_dead_is_exactly_not_alive_and_a_question_is_never_missed(
    state: State,
    alive: bool,
    of: str,
    told: Any,
    until: float,
    moved: float,
    still: float,
    screen: str,
    limit: str,
    dialog: str,
    waiting: bool,
    stuck: float,
) -> None:
    found = classify(
        session=session(state, alive=alive),
        note=note(told, generation=of, until=until) if told else None,
        activity=activity(
            generation=of,
            moved_at=moved,
            still_since=still,
            screen=screen,
            limit=limit,
            limit_until=until,
            dialog=dialog,
        ),
        waiting=waiting,
        stuck_after=stuck,
    )

    assert (found.word == "dead") is not alive
    asked = waiting or (of == "g1" and (told == "asking" or bool(dialog)))
    assert (found.word == "waiting") is (alive and asked)
    assert found.word != "stuck" or (stuck and NOW - moved >= stuck)
    assert found.still_s is None or found.still_s >= 0
