"""Held moves: what a human is shown, and that a yes is for exactly that, once."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from looop.config import Config
from looop.errors import Refused
from looop.loop.admit import holds
from looop.loop.admit.holds import Answered
from looop.model import actions
from looop.model.actions import (
    Action,
    ArchiveGoal,
    Decision,
    RunShell,
    WriteGoal,
    WritePlaybook,
    WriteSchedule,
    WriteSensor,
)
from looop.model.records import Answer, Ask, Verdict
from looop.paths import Paths
from looop.state.store import Store

NOW = 1_700_000_000.0
HELD = Verdict(verdict="hold", rule="guarded:shell", reason="touch writes", severity="high")
PUSH = RunShell(cmd="git push", reason="it is time", probe="git status")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(Paths(tmp_path / "data", tmp_path / "config.toml"), Config())
    made.ensure()
    return made


def hold(store: Store, action: Action = PUSH, **fields: Any) -> Ask:
    known: dict[str, Any] = {
        "run": "run-1",
        "origin": "runner",
        "now": NOW,
        "ttl_s": 86400.0,
        "verdict": HELD,
        "decision": Decision(action=action, journal="push it", goal="g"),
        **fields,
    }
    return holds.hold(store, **known)


def say(store: Store, ask: Ask, words: str, at: float = NOW + 60) -> None:
    store.asks.answer(ask.id, Answer(text=words, by="ann", channel="cli", at=at))


def answered(store: Store) -> Answered:
    found = holds.next_answered(store)
    assert found is not None
    return found


def tamper(store: Store, ask: Ask, **fields: Any) -> None:
    """Change an ask's file as a command of the model's might."""
    path = store.paths.asks / f"{ask.id}.json"
    record = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**record, **fields}))


# -- putting it before a human -----------------------------------------------------------------


def test_a_held_move_is_an_ask_with_everything_that_a_yes_means(store: Store) -> None:
    ask = hold(store)

    assert store.asks.open() == [ask]
    assert (ask.kind, ask.state, ask.asker, ask.origin, ask.run) == (
        "approval", "pending", "loop", "runner", "run-1",
    )  # fmt: skip
    assert ask.action == actions.as_dict(PUSH)
    assert ask.digest == actions.digest(PUSH)
    assert (ask.rule, ask.reason, ask.severity) == ("guarded:shell", "touch writes", "high")
    assert (ask.journal, ask.goal) == ("push it", "g")
    assert (ask.created, ask.expires) == (NOW, NOW + 86400)


def test_the_question_names_the_action(store: Store) -> None:
    assert "run_shell" in hold(store).prompt
    assert "write_playbook" in hold(store, WritePlaybook(body="b")).prompt


def test_no_time_to_live_means_for_ever(store: Store) -> None:
    assert hold(store, ttl_s=0.0).expires == 0.0


def test_the_same_move_is_not_asked_twice(store: Store) -> None:
    first = hold(store)
    again = hold(store, run="run-2", now=NOW + 60)
    reworded = hold(store, RunShell(cmd="git push", reason="other words", probe="git status"))

    assert first == again == reworded
    assert len(store.asks.open()) == 1


def test_another_move_is_another_ask(store: Store) -> None:
    ids = {
        hold(store, action).id
        for action in (PUSH, RunShell(cmd="git push"), RunShell(cmd="git push "))
    }

    assert len(ids) == 3


def test_a_move_that_was_answered_or_closed_may_be_asked_again(store: Store) -> None:
    first = hold(store)
    say(store, first, "no")
    second = hold(store)

    assert second.id != first.id
    store.asks.close(second, "resolved")
    assert hold(store).id not in (first.id, second.id)


# -- what is shown -----------------------------------------------------------------------------


def test_a_command_is_shown_exactly_with_its_probe(store: Store) -> None:
    assert holds.preview(store, RunShell(cmd="rm -r x \\\n  && ls")) == "rm -r x \\\n  && ls"
    assert holds.preview(store, PUSH) == "git push\nprobe: git status"


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (WritePlaybook(body="one\nthree\n"), "PLAYBOOK.md"),
        (WriteSensor(name="x", script="one\nthree\n"), "sensors/x.sh"),
        (WriteGoal(id="x", body="one\nthree\n"), "goals/x.md"),
    ],
)
def test_a_file_is_shown_as_its_difference(store: Store, action: Action, name: str) -> None:
    path = store.paths.data / name
    fresh = holds.preview(store, action)
    path.write_text("one\ntwo\n")
    changed = holds.preview(store, action)
    path.write_text("one\nthree\n")
    same = holds.preview(store, action)

    assert "+one\n+three" in fresh
    assert f"--- {name} (now)\n+++ {name} (proposed)" in changed
    assert " one\n-two\n+three" in changed
    assert same == "(no difference)"


@pytest.mark.parametrize("separator", ["\u2028", "\x0b", "\x0c", "\x1c", "\x85", "\r"])
def test_a_line_break_that_only_looks_like_one_is_a_difference(
    store: Store, separator: str
) -> None:
    store.paths.playbook.write_text("# never\ndelete\n")

    shown = holds.preview(store, WritePlaybook(body=f"# never{separator}delete\n"))

    assert shown != "(no difference)"
    assert "-delete" in shown


def test_other_moves_are_shown_field_by_field(store: Store) -> None:
    assert holds.preview(store, ArchiveGoal(id="g")) == "action: archive_goal\nid: g"
    shown = holds.preview(store, WriteSchedule(name="t", cron="0 9 * * *"))
    assert "name: t" in shown
    assert "cron: 0 9 * * *" in shown


def test_what_is_shown_cannot_draw_over_itself(store: Store) -> None:
    shown = holds.preview(store, RunShell(cmd="rm -rf x #\r\x1b[2K\u202els"))

    assert shown == "rm -rf x #\n\\x1b[2K\\u202els"


def test_a_crowd_of_words_is_clipped_in_the_middle_and_says_so(store: Store) -> None:
    shown = holds.preview(store, RunShell(cmd="a" * 20000 + "b" * 20000))

    assert len(shown) < 17000
    assert shown.startswith("a")
    assert shown.endswith("b")
    assert "characters left out" in shown


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (WritePlaybook(body="new words\n"), "PLAYBOOK.md"),
        (WriteSensor(name="x", script="new words\n"), "sensors/x.sh"),
        (WriteGoal(id="x", body="new words\n"), "goals/x.md"),
    ],
)
def test_a_file_that_cannot_be_read_does_not_hide_the_move(
    store: Store, action: Action, name: str
) -> None:
    (store.paths.data / name).mkdir()

    ask = hold(store, action)

    assert "cannot read" in ask.shown
    assert "new words" in ask.shown


# -- the answer --------------------------------------------------------------------------------


def test_an_ask_without_an_answer_is_not_spent(store: Store) -> None:
    hold(store)

    assert holds.next_answered(store) is None


@pytest.mark.parametrize("words", ["yes", "Y", "ok", "approved", "Yes, go on.", "YES!", "  yes \n"])
def test_a_yes_is_for_exactly_the_move_that_was_shown(store: Store, words: str) -> None:
    ask = hold(store)
    say(store, ask, words)

    found = answered(store)

    assert found.how == "approved"
    assert found.decision == Decision(action=PUSH, journal="push it", goal="g")
    assert found.ask.answer is not None
    assert (found.ask.answer.by, found.ask.answer.channel) == ("ann", "cli")


@pytest.mark.parametrize("words", ["no", "N", "deny", "No, not today", "reject."])
def test_a_no_is_a_denial(store: Store, words: str) -> None:
    say(store, hold(store), words)

    found = answered(store)

    assert (found.decision, found.how) == (None, "denied")


@pytest.mark.parametrize("words", ["maybe", "yesterday", "why?", "not yes", ""])
def test_words_that_are_neither_are_not_taken(store: Store, words: str) -> None:
    ask = hold(store)

    with pytest.raises(Refused):
        say(store, ask, words)
    assert holds.next_answered(store) is None


def test_the_oldest_answer_is_spent_first(store: Store) -> None:
    asks = [hold(store, RunShell(cmd=f"echo {n}"), now=NOW + n) for n in range(3)]
    for ask in (asks[2], asks[1]):
        say(store, ask, "yes")

    assert answered(store).ask.id == asks[1].id


def test_questions_and_notices_are_no_held_moves(store: Store) -> None:
    for kind in ("question", "notice"):
        ask = store.asks.add(Ask(id="", asker="loop", kind=kind, prompt="?", created=NOW))
        say(store, ask, "yes")

    assert holds.next_answered(store) is None


# -- tampering ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"action": {"action": "run_shell", "cmd": "git push --force", "probe": "git status"}},
        {"action": {"action": "run_shell", "cmd": "git push"}},
        {"action": {"action": "run_shell", "cmd": "git push", "probe": "rm -rf ."}},
        {"action": {"action": "write_playbook", "body": "do as you like"}},
        {"digest": "0" * 32},
        {"digest": ""},
    ],
)
def test_a_move_that_is_not_the_one_that_was_approved_is_not_run(
    store: Store, fields: dict[str, Any]
) -> None:
    ask = hold(store)
    say(store, ask, "yes")
    tamper(store, ask, **fields)

    found = answered(store)

    assert found.decision is None
    assert found.how == "unusable: the move is not the one that was approved"


@pytest.mark.parametrize(
    "fields",
    [
        {"action": None},
        {"action": {}},
        {"action": {"action": "fly"}},
        {"action": {"move": {"action": "noop"}}},
        {"goal": "../x"},
    ],
)
def test_a_move_that_makes_no_sense_is_not_run_and_says_why(
    store: Store, fields: dict[str, Any]
) -> None:
    ask = hold(store)
    say(store, ask, "yes")
    tamper(store, ask, **fields)

    found = answered(store)

    assert found.decision is None
    assert found.how.startswith("unusable: ")


@pytest.mark.parametrize("words", ["", "  ", "\n", "yesno", "!"])
def test_an_answer_that_was_planted_badly_is_a_denial_and_no_crash(
    store: Store, words: str
) -> None:
    ask = hold(store)
    planted = {"text": words, "by": "x", "channel": "file", "at": NOW}
    tamper(store, ask, state="answered", answer=planted)

    assert (answered(store).decision, answered(store).how) == (None, "denied")


def test_an_answered_ask_without_an_answer_is_a_denial(store: Store) -> None:
    ask = hold(store)
    tamper(store, ask, state="answered", answer=None)

    assert answered(store).how == "denied"


def test_a_deadline_for_the_answer_stands(store: Store) -> None:
    ask = hold(store, ttl_s=100.0)

    with pytest.raises(Refused, match="expired"):
        say(store, ask, "yes", at=NOW + 100)


moves: st.SearchStrategy[Action] = st.one_of(
    st.builds(RunShell, cmd=st.text("ab ;é\n", min_size=1).filter(str.strip), reason=st.text("ab")),
    st.builds(WriteGoal, id=st.from_regex("[a-z]{1,5}", fullmatch=True), body=st.just("x\ny\n")),
    st.builds(WritePlaybook, body=st.text("ab \n#é", min_size=1).filter(str.strip)),
    st.builds(WriteSchedule, name=st.just("t"), in_s=st.integers(1, 10**6), note=st.text("ab")),
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(moves)
def test_what_a_yes_runs_is_what_was_held(store: Store, action: Action) -> None:
    ask = hold(store, action)
    say(store, ask, "yes")

    found = answered(store)

    assert found.decision is not None
    assert found.decision.action == action
    store.asks.close(found.ask, "spent")
    assert holds.next_answered(store) is None
