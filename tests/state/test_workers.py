"""Records of workers: changed by several at once, bound to a generation, absent only if proven."""

import msgspec
import pytest

from looop.errors import Conflict, Corrupt, NotFound, Unreadable
from looop.model.records import Activity, AgentNote, Checked, Done, Worker
from looop.paths import Paths
from looop.state.store import Store
from looop.state.workers import Workers
from tests.support.crowd import crowd

W = Worker(id="w", generation="g1", started=5.0, runner="rules")


@pytest.fixture
def workers(store: Store) -> Workers:
    return store.workers


def done(record: Worker, summary: str = "all of it") -> Worker:
    said = Done(outcome="done", summary=summary, at=6.0)
    return msgspec.structs.replace(record, done=said)


# -- one record --------------------------------------------------------------------------------


def test_a_record_comes_back_and_is_gone_when_it_is_dropped(workers: Workers) -> None:
    assert workers.get("w") is None
    workers.put(W)
    assert (workers.get("w"), workers.names()) == (W, ["w"])
    workers.drop("w")
    workers.drop("w")
    assert (workers.get("w"), workers.names()) == (None, [])


def test_a_new_generation_replaces_the_record(workers: Workers) -> None:
    workers.put(done(W))
    later = msgspec.structs.replace(W, generation="g2")
    workers.put(later)
    assert workers.get("w") == later


def test_who_needs_a_record_is_told_when_there_is_none(workers: Workers) -> None:
    with pytest.raises(NotFound, match="there is no worker 'w'; `looop ls` lists them"):
        workers.need("w")
    workers.put(W)
    assert workers.need("w") == workers.need("w", "g1") == W
    with pytest.raises(NotFound, match="this is generation g0 of w, which has been replaced"):
        workers.need("w", "g0")


def test_a_record_that_cannot_be_read_is_not_absent(workers: Workers, paths: Paths) -> None:
    (paths.workers / "w.json").write_text("{")
    with pytest.raises(Corrupt):
        workers.get("w")
    with pytest.raises(Corrupt):
        workers.need("w")
    with pytest.raises(Corrupt):
        workers.change("w", "g1", done)
    (paths.workers / "w.json").unlink()
    (paths.workers / "w.json").mkdir()
    with pytest.raises(Unreadable):
        workers.get("w")


def test_all_are_seen_and_what_makes_no_sense_is_named(workers: Workers, paths: Paths) -> None:
    workers.put(W)
    (paths.workers / "x.json").write_text('{"id": "x"}')
    found, problems = workers.look()
    assert found == {"w": W}
    assert len(problems) == 1
    assert "x.json makes no sense" in problems[0]


def test_records_that_cannot_be_listed_are_not_none(workers: Workers, paths: Paths) -> None:
    paths.workers.rmdir()
    paths.workers.write_text("")
    with pytest.raises(Unreadable):
        workers.look()


# -- changing it -------------------------------------------------------------------------------


def test_a_change_is_of_one_generation(workers: Workers) -> None:
    workers.put(W)
    assert workers.change("w", "g1", done) == done(W) == workers.get("w")
    with pytest.raises(NotFound, match="has been replaced"):
        workers.change("w", "g0", lambda old: msgspec.structs.replace(old, told=True))
    assert workers.get("w") == done(W)


def test_a_change_that_changes_nothing_writes_nothing(workers: Workers, paths: Paths) -> None:
    workers.put(W)
    before = (paths.workers / "w.json").stat().st_ino
    assert workers.change("w", "g1", lambda old: old) == W
    assert (paths.workers / "w.json").stat().st_ino == before


def test_what_another_writes_meanwhile_is_kept(workers: Workers) -> None:
    workers.put(W)
    tries: list[Worker] = []

    def judged(old: Worker) -> Worker:
        if not tries:
            workers.put(done(old))
        tries.append(old)
        return msgspec.structs.replace(old, checked=Checked(ok=True, output="", at=7.0))

    after = workers.change("w", "g1", judged)

    assert [t.done is None for t in tries] == [True, False]
    assert (after.done, after.checked) == (done(W).done, Checked(ok=True, output="", at=7.0))


def test_a_generation_that_goes_while_it_is_changed_is_not_brought_back(workers: Workers) -> None:
    workers.put(W)
    later = msgspec.structs.replace(W, generation="g2")

    def late(old: Worker) -> Worker:
        workers.put(later)
        return done(old)

    with pytest.raises(NotFound):
        workers.change("w", "g1", late)
    assert workers.get("w") == later


def test_a_record_that_never_stands_still_is_a_conflict(workers: Workers) -> None:
    workers.put(W)

    def chased(old: Worker) -> Worker:
        workers.put(msgspec.structs.replace(old, started=old.started + 1))
        return done(old)

    with pytest.raises(Conflict, match="never stood still"):
        workers.change("w", "g1", chased)


def test_of_many_who_change_it_at_once_nobody_is_overwritten(
    workers: Workers, paths: Paths
) -> None:
    workers.put(W)
    names = [f"n{i}" for i in range(6)]
    said = crowd("account", [[str(paths.data), "w", "g1", name] for name in names])
    assert said == [True] * len(names)
    found = workers.need("w")
    assert sorted(found.metered) == names


# -- what the agents say, and what was seen of them --------------------------------------------


def test_the_last_word_of_an_agent_is_kept_and_goes_with_its_worker(workers: Workers) -> None:
    note = AgentNote(generation="g1", state="busy", at=5.0, detail="x")
    assert workers.note("w") is None
    workers.keep_note("w", note)
    assert workers.note("w") == note
    workers.put(W)
    workers.drop("w")
    assert workers.note("w") is None


def test_a_note_that_cannot_be_read_is_as_good_as_none(workers: Workers, paths: Paths) -> None:
    (paths.agents / "w.json").write_text('{"generation": 1}')
    assert workers.note("w") is None


def test_a_note_needs_no_directory_to_be_there(workers: Workers, paths: Paths) -> None:
    paths.agents.rmdir()
    workers.keep_note("w", AgentNote(generation="g1", state="idle", at=5.0))
    assert paths.agents.stat().st_mode & 0o777 == 0o700


def test_what_was_seen_comes_back_and_is_nothing_where_it_is_unknown(
    workers: Workers, paths: Paths
) -> None:
    assert workers.activity() == {}
    seen = {"w": Activity(generation="g1", moved_at=5.0, last_line="é")}
    workers.keep_activity(seen)
    assert workers.activity() == seen
    paths.activity.write_text("[]")
    assert workers.activity() == {}
