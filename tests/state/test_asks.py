"""Asks: answered once, asked once, and kept after they are closed."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from looop.errors import Conflict, NotFound, Refused
from looop.model.records import Answer, Ask
from looop.paths import Paths
from looop.state import asks as module
from looop.state.asks import NO, YES, Asks
from looop.state.store import Store
from tests.support.crowd import crowd


@pytest.fixture
def asks(store: Store) -> Asks:
    return store.asks


def new(**fields: Any) -> Ask:
    base: dict[str, Any] = {"id": "", "asker": "loop", "kind": "question", "created": 1.0}
    base["prompt"] = "?"
    return Ask(**(base | fields))


def said(text: str, at: float = 5.0) -> Answer:
    return Answer(text=text, by="ann", channel="cli", at=at)


# -- asking --------------------------------------------------------------------------------------


def test_ids_are_the_asker_and_a_number(asks: Asks) -> None:
    assert [asks.add(new()).id for _ in range(3)] == ["loop-1", "loop-2", "loop-3"]
    assert asks.add(new(asker="w1")).id == "w1-1"
    assert asks.names() == ["loop-1", "loop-2", "loop-3", "w1-1"]


def test_an_id_is_never_used_again(asks: Asks, paths: Paths) -> None:
    first = asks.add(new())
    asks.close(first, "seen")
    assert asks.add(new()).id == "loop-2"
    (paths.asks / "loop-7.json").write_text("{")
    (paths.ask_archive / "loop-9.json").mkdir()
    (paths.asks / "loop-x.json").write_text("{")
    assert asks.add(new()).id == "loop-10"
    assert asks.add(new(asker="lo")).id == "lo-1"


def test_a_name_that_appears_between_look_and_publish_is_not_overwritten(
    asks: Asks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks.add(new(prompt="first"))
    monkeypatch.setattr(asks._open, "names", list[str])
    assert asks.add(new(prompt="second")).id == "loop-2"
    first = asks.get("loop-1")
    assert first is not None
    assert first.prompt == "first"


def test_asks_are_shown_oldest_first(asks: Asks) -> None:
    for created in (3.0, 1.0, 2.0):
        asks.add(new(created=created))
    assert [ask.created for ask in asks.open()] == [1.0, 2.0, 3.0]


def test_asking_again_with_the_same_key_finds_the_open_ask(asks: Asks) -> None:
    first = asks.add(new(key="k", prompt="one"))
    assert asks.add(new(key="k", prompt="two")) == first
    assert asks.add(new(key="other")).id == "loop-2"
    assert asks.add(new(key="")).id == "loop-3"
    assert asks.add(new(key="")).id == "loop-4"

    asks.answer(first.id, said("fine"))
    assert asks.add(new(key="k")).id == "loop-5", "an answered ask is not asked any more"


def test_concurrent_askers_with_one_key_get_one_ask(paths: Paths, asks: Asks) -> None:
    ids = crowd("ask", [[str(paths.data), "k", 5]] * 4)
    assert ids == [["loop-1"] * 5] * 4
    assert asks.names() == ["loop-1"]


def test_concurrent_askers_without_a_key_get_an_ask_each(paths: Paths, asks: Asks) -> None:
    ids = crowd("ask", [[str(paths.data), "", 5]] * 4)
    flat = [ask_id for some in ids for ask_id in some]
    assert sorted(flat) == sorted(asks.names())
    assert len(set(flat)) == 20


# -- answering -----------------------------------------------------------------------------------


def test_an_answer_is_kept_with_who_when_and_through_which_door(asks: Asks) -> None:
    ask = asks.add(new())
    answered = asks.answer(ask.id, said("  do it\n"))
    assert answered.state == "answered"
    assert answered.answer == Answer(text="do it", by="ann", channel="cli", at=5.0)
    assert asks.get(ask.id) == answered
    assert asks.open() == [answered], "it is open until the loop has spent it"


def test_an_ask_is_answered_once(asks: Asks) -> None:
    ask = asks.add(new())
    asks.answer(ask.id, said("first"))
    with pytest.raises(Refused, match="loop-1 is answered already with 'first'"):
        asks.answer(ask.id, said("second"))
    answer = asks.open()[0].answer
    assert answer is not None
    assert answer.text == "first"


def test_of_concurrent_answers_exactly_one_wins(paths: Paths, asks: Asks) -> None:
    ask = asks.add(new())
    words = ["a", "b", "c", "d"]
    outcome = crowd("answer", [[str(paths.data), ask.id, word] for word in words])
    assert outcome.count("won") == 1
    assert set(outcome) <= {"won", "Conflict", "Refused"}
    answer = asks.open()[0].answer
    assert answer is not None
    assert answer.text == words[outcome.index("won")]


def test_an_answer_that_comes_between_look_and_swap_is_not_overwritten(
    asks: Asks, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asks.add(new())
    real = asks._pending

    def pending(ask_id: str) -> Ask:
        found = real(ask_id)
        monkeypatch.undo()
        asks.answer(ask_id, said("quicker"))
        return found

    monkeypatch.setattr(asks, "_pending", pending)
    with pytest.raises(Conflict, match="someone else answered loop-1 first"):
        asks.answer(ask.id, said("slower"))
    answer = asks.open()[0].answer
    assert answer is not None
    assert answer.text == "quicker"


def test_an_ask_that_never_was_is_not_found(asks: Asks) -> None:
    with pytest.raises(NotFound, match="there is no ask 'loop-9'"):
        asks.answer("loop-9", said("x"))
    assert asks.get("loop-9") is None


def test_a_closed_ask_says_how_it_ended(asks: Asks) -> None:
    asks.close(asks.add(new()), "delivered")
    with pytest.raises(Refused, match="loop-1 is delivered already"):
        asks.answer("loop-1", said("x"))


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_answer_needs_words(asks: Asks, text: str) -> None:
    with pytest.raises(Refused, match="needs an answer that is not empty"):
        asks.answer(asks.add(new()).id, said(text))


@pytest.mark.parametrize("text", [*YES, *NO, "YES", "Yes, go ahead", "no.", "No! never", " ok "])
def test_a_held_move_takes_a_clear_yes_or_no(asks: Asks, text: str) -> None:
    ask = asks.add(new(kind="approval"))
    assert asks.answer(ask.id, said(text)).state == "answered"


@pytest.mark.parametrize(
    "text", ["maybe", "yesterday", "not yet", "?", "...", "sure", "1", "oh no"]
)
def test_a_held_move_takes_nothing_else(asks: Asks, text: str) -> None:
    ask = asks.add(new(kind="approval"))
    with pytest.raises(Refused, match="begin the answer with yes or no"):
        asks.answer(ask.id, said(text))
    assert asks.open() == [ask]


def test_an_answer_is_one_of_the_options_if_there_are_any(asks: Asks) -> None:
    ask = asks.add(new(options=("main", "release 2")))
    with pytest.raises(Refused, match="loop-1 offers: main, release 2"):
        asks.answer(ask.id, said("Main"))
    assert asks.answer(ask.id, said(" release 2 ")).state == "answered"


# -- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "fine"), [(9.99, True), (10.0, False), (11.0, False)])
def test_the_moment_of_expiry_is_too_late(asks: Asks, at: float, fine: bool) -> None:
    ask = asks.add(new(expires=10.0))
    if fine:
        assert asks.expire(at) == []
        assert asks.answer(ask.id, said("x", at=at)).state == "answered"
        return
    with pytest.raises(Refused, match="loop-1 has expired"):
        asks.answer(ask.id, said("x", at=at))
    assert [gone.state for gone in asks.expire(at)] == ["expired"]


def test_expired_asks_are_archived_as_expired(asks: Asks) -> None:
    late, never, answered = (asks.add(new(expires=e)) for e in (10.0, 0.0, 10.0))
    asks.answer(answered.id, said("x"))

    assert [ask.id for ask in asks.expire(1e12)] == [late.id]
    assert asks.expire(1e12) == []
    assert asks.names() == [never.id, answered.id]
    (archived,) = asks.closed()
    assert (archived.id, archived.state, archived.closed) == (late.id, "expired", "expired")
    with pytest.raises(Refused, match="loop-1 is expired already"):
        asks.answer(late.id, said("x"))


def test_an_answer_beats_an_expiry_that_did_not_see_it(
    asks: Asks, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asks.add(new(expires=10.0))
    real: Callable[[], list[Ask]] = asks.open

    def look() -> list[Ask]:
        found = real()
        asks.answer(ask.id, said("just in time"))
        return found

    monkeypatch.setattr(asks, "open", look)
    assert asks.expire(10.0) == []
    monkeypatch.undo()
    assert [left.state for left in asks.open()] == ["answered"]
    assert asks.closed() == []


# -- the archive ---------------------------------------------------------------------------------


def test_a_closed_ask_is_kept_whole(asks: Asks) -> None:
    ask = asks.answer(asks.add(new(kind="approval", digest="d")).id, said("yes"))
    closed = asks.close(ask, "carried out")
    assert closed == msgspec.structs.replace(ask, state="closed", closed="carried out")
    assert asks.open() == []
    assert asks.get(ask.id) == closed
    assert asks.closed() == [closed]
    assert asks.close(ask, "carried out") == closed, "closing twice is fine"


def test_a_crash_between_the_two_steps_of_closing_leaves_the_ask_open(
    asks: Asks, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asks.answer(asks.add(new()).id, said("x"))

    def crash(_name: str) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(asks._open, "drop", crash)
        with pytest.raises(KeyboardInterrupt):
            asks.close(ask, "delivered")
    assert asks.open() == [ask]
    assert asks.get(ask.id) == ask
    assert asks.add(new()).id == "loop-2"
    asks.close(ask, "delivered")
    assert asks.names() == ["loop-2"]


def test_the_archive_is_bounded_and_keeps_the_newest(asks: Asks, paths: Paths) -> None:
    for created in range(7):
        asks.close(asks.add(new(created=float(created))), "seen")
    (paths.ask_archive / "bad.json").write_text("{")
    asks.prune(keep=4)
    assert len(asks.closed()) == 7, "twice as many may gather before the work is done"
    asks.prune(keep=3)
    assert [ask.created for ask in asks.closed()] == [4.0, 5.0, 6.0]
    assert asks.add(new()).id == "loop-8", "the numbers of the others are not free again"


def test_an_ask_that_makes_no_sense_costs_only_itself(asks: Asks, paths: Paths) -> None:
    good = asks.add(new(expires=10.0))
    (paths.asks / "bad.json").write_text("{")
    (paths.asks / "worse.json").mkdir()

    found, problems = asks.look()
    assert found == [good]
    assert asks.open() == [good]
    assert asks.problems() == problems
    assert [("bad.json" in one, "worse.json" in one) for one in problems] == [
        (True, False),
        (False, True),
    ]
    assert asks.add(new(key="k")).key == "k"
    assert [ask.id for ask in asks.expire(10.0)] == [good.id]


# -- against a model -----------------------------------------------------------------------------


# What a rule returns that adds nothing to its bundle.
NOTHING: Callable[[], Any] = multiple


class AskMachine(RuleBasedStateMachine):
    """Whatever is asked, answered, expired and closed in whatever order: a dict knows it too."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self._place = tempfile.TemporaryDirectory()
        self.paths = Paths(Path(self._place.name), Path(self._place.name) / "config.toml")
        for directory in self.paths.directories():
            directory.mkdir(exist_ok=True, parents=True)
        self.asks = Asks(self.paths)
        self.now = 0.0
        self.model: dict[str, Ask] = {}

    def teardown(self) -> None:
        self._place.cleanup()

    @rule(
        target=ids,
        key=st.sampled_from(["", "", "k", "l"]),
        kind=st.sampled_from(["question", "approval", "notice"]),
        options=st.sampled_from([(), (), ("yes", "no")]),
        lasts=st.sampled_from([0.0, 0.0, 3.0]),
    )
    def ask(
        self,
        key: str,
        kind: Literal["question", "approval", "notice"],
        options: tuple[str, ...],
        lasts: float,
    ) -> Any:
        expires = self.now + lasts if lasts else 0.0
        made = self.asks.add(
            new(key=key, kind=kind, options=options, expires=expires, created=self.now)
        )
        same = [a for a in self.model.values() if key and a.key == key and a.state == "pending"]
        if same:
            assert made == same[0]
            return NOTHING()
        assert made.id not in self.model
        self.model[made.id] = made
        return made.id

    @rule(ask_id=ids, text=st.sampled_from(["yes", "no", "maybe", " ", "yes please"]))
    def answer(self, ask_id: str, text: str) -> None:
        ask = self.model[ask_id]
        fine = (
            ask.state == "pending"
            and not (ask.expires and self.now >= ask.expires)
            and bool(text.strip())
            and not (ask.kind == "approval" and text == "maybe")
            and (not ask.options or text in ask.options)
        )
        try:
            after = self.asks.answer(ask_id, said(text, at=self.now))
        except Refused:
            assert not fine
            return
        assert fine
        assert after.answer == said(text, at=self.now)
        self.model[ask_id] = after

    @rule(seconds=st.sampled_from([1.0, 2.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        due = {
            ask.id
            for ask in self.model.values()
            if ask.state == "pending" and ask.expires and self.now >= ask.expires
        }
        gone = self.asks.expire(self.now)
        assert {ask.id for ask in gone} == due
        self.model.update({ask.id: ask for ask in gone})

    @rule(ask_id=consumes(ids), how=st.sampled_from(["seen", "delivered"]))
    def close(self, ask_id: str, how: str) -> None:
        if self.model[ask_id].state in ("pending", "answered"):
            self.model[ask_id] = self.asks.close(self.model[ask_id], how)
            assert self.model[ask_id].closed == how

    @invariant()
    def the_disk_says_what_the_model_says(self) -> None:
        live = {i: a for i, a in self.model.items() if a.state in ("pending", "answered")}
        assert {ask.id: ask for ask in self.asks.open()} == live
        assert {ask.id: ask for ask in self.asks.closed()} == {
            i: a for i, a in self.model.items() if i not in live
        }


AskMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestAskMachine = AskMachine.TestCase


def test_yes_and_no_are_told_apart() -> None:
    assert not set(module.YES) & set(module.NO)
