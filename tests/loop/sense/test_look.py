"""Looking: what is run, what is kept, what is pruned, and what could not be seen."""

import msgspec
import pytest

from looop.loop import diff
from looop.loop.sense.peek import Look
from looop.model.world import UNREADABLE
from tests.loop.sense.support import NOW, Profile

COUNT = "echo >> ran.log; printf '{\"runs\": %d}' $(wc -l < ran.log)\n"


def runs(seen: Look, name: str = "sensor-x") -> int:
    return seen.readings[name].signal["runs"]


def items(seen: Look) -> dict[str, str]:
    return diff.assemble(
        playbook=seen.playbook, goals=seen.goals, readings=seen.readings, unseen=seen.unseen
    ).items


# -- cadence -----------------------------------------------------------------------------------


def test_without_a_cadence_a_sensor_runs_at_every_look(profile: Profile) -> None:
    profile.sensor("x.sh", COUNT)

    assert [runs(profile.look()) for _ in range(3)] == [1, 2, 3]


def test_a_fresh_reading_is_not_taken_again_until_its_time_has_come(profile: Profile) -> None:
    profile.sensor("x.sh", "# looop: interval=1m trust=repo\n" + COUNT)
    assert profile.look().ran == ("x",)

    profile.clock.now += 59
    kept = profile.look()
    assert (kept.ran, runs(kept)) == ((), 1)
    reading = kept.readings["sensor-x"]
    assert (reading.at, reading.fresh, reading.trust, reading.ok) == (NOW, False, "repo", True)

    profile.clock.now += 1
    assert runs(profile.look()) == 2


def test_a_failed_reading_is_never_fresh(profile: Profile) -> None:
    profile.sensor("x.sh", "# looop: interval=1h\nexit 3\n")

    assert profile.look().ran == ("x",)
    assert profile.look().ran == ("x",)


def test_an_edited_script_runs_whatever_its_cadence(profile: Profile) -> None:
    profile.sensor("x.sh", "# looop: interval=1h\n" + COUNT)
    profile.look()
    profile.sensor("x.sh", "# looop: interval=1h\n# edited\n" + COUNT)

    assert runs(profile.look()) == 2


def test_a_reading_from_the_future_is_not_believed(profile: Profile) -> None:
    profile.sensor("x.sh", "# looop: interval=1h\n" + COUNT)
    profile.look()
    profile.clock.now -= 86400

    assert runs(profile.look()) == 2
    assert profile.look().ran == ()


@pytest.mark.parametrize("damage", ["gone", "torn", "a directory"])
def test_a_kept_reading_that_is_lost_is_taken_again(profile: Profile, damage: str) -> None:
    profile.sensor("x.sh", "# looop: interval=1h\n" + COUNT)
    profile.look()
    snapshot = profile.paths.snapshot("sensor-x")
    snapshot.unlink()
    if damage == "torn":
        snapshot.write_text('{"runs"')
    elif damage == "a directory":
        snapshot.mkdir()

    seen = profile.look()

    assert seen.ran == ("x",)
    assert (seen.failed == ("x",)) is (damage == "a directory")


def test_lost_stamps_only_cost_a_run(profile: Profile) -> None:
    profile.sensor("x.sh", "# looop: interval=1h\n" + COUNT)
    profile.look()
    profile.paths.stamps.write_text("{broken")

    assert runs(profile.look()) == 2
    assert profile.look().ran == ()


def test_the_stamp_tells_how_it_went(profile: Profile) -> None:
    profile.sensor("x.sh", "# looop: trust=own\nprintf 'long words'; exit 7\n")
    profile.look()

    stamp = profile.store.stamps()["x"]
    assert (stamp.at, stamp.ok, stamp.code, stamp.size, stamp.trust) == (NOW, False, 7, 10, "own")


def test_stamps_of_sensors_that_are_gone_are_dropped(profile: Profile) -> None:
    profile.sensor("x.sh", COUNT)
    gone = profile.sensor("y.sh", COUNT)
    profile.look()
    gone.unlink()
    profile.look()

    assert list(profile.store.stamps()) == ["x"]


# -- snapshots ---------------------------------------------------------------------------------


def test_the_snapshot_of_a_deleted_sensor_is_pruned(profile: Profile) -> None:
    path = profile.sensor("x.sh", "echo words >&2; echo '{}'\n")
    profile.look()
    path.unlink()
    (profile.paths.snapshots / "note.txt").write_text("mine")

    seen = profile.look()

    assert "sensor-x" not in seen.readings
    assert [n for n in profile.snapshots() if not n.startswith("sys-")] == ["note.txt"]


def test_a_cached_reading_is_not_pruned(profile: Profile) -> None:
    profile.sensor("x.sh", "# looop: interval=1h\n" + COUNT)
    profile.look()
    profile.look()

    assert "sensor-x.json" in profile.snapshots()


def test_a_sensors_directory_that_cannot_be_listed_prunes_nothing(profile: Profile) -> None:
    profile.sensor("x.sh", COUNT)
    before = items(profile.look())
    profile.block(profile.paths.sensors)

    blind = profile.look()

    assert blind.unseen == ("dir:sensors",)
    assert any("cannot list" in problem for problem in blind.problems)
    assert "sensor-x.json" in profile.snapshots()
    assert [c.item for c in diff.changes(before, items(blind))] == ["dir:sensors"]
    profile.unblock(profile.paths.sensors)
    assert "sensor-x" in profile.look().readings


def test_no_look_leaves_a_temporary_file(profile: Profile) -> None:
    profile.sensor("x.sh", "echo words >&2; echo '{}'\n")
    profile.look()
    profile.look()

    assert not list(profile.paths.data.rglob("*.tmp"))


def test_an_idle_look_writes_no_probe_again(profile: Profile) -> None:
    profile.store.documents.write_goal("a", "goal: a\n")
    profile.look()
    before = {p.name: p.stat().st_mtime_ns for p in profile.paths.snapshots.glob("sys-*.json")}
    profile.clock.now += 500

    profile.look()

    assert before
    assert before == {
        p.name: p.stat().st_mtime_ns for p in profile.paths.snapshots.glob("sys-*.json")
    }


def test_a_probe_that_cannot_be_published_is_seen_all_the_same(profile: Profile) -> None:
    profile.paths.snapshot("sys-goals").mkdir()

    assert profile.look().readings["sys-goals"].ok


# -- policy ------------------------------------------------------------------------------------


def test_a_look_reads_playbook_and_goals(profile: Profile) -> None:
    profile.paths.playbook.write_text("be careful\n")
    for name in ("a.md", "b.md", "notes.txt", ".c.md", "d.md~", "#e.md"):
        (profile.paths.goals / name).write_text(f"goal: {name}\n")
    (profile.paths.goal_archive / "old.md").write_text("done")

    seen = profile.look()

    assert seen.playbook == "be careful\n"
    assert seen.goals == {"a": "goal: a.md\n", "b": "goal: b.md\n"}
    assert (seen.unseen, seen.problems) == ((), ())


def test_a_missing_playbook_is_a_fact_and_no_problem(profile: Profile) -> None:
    seen = profile.look()

    assert (seen.playbook, seen.unseen, seen.problems) == (None, (), ())


def test_a_goal_with_a_strange_name_is_told(profile: Profile) -> None:
    (profile.paths.goals / "a\nb.md").write_text("x")

    seen = profile.look()

    assert seen.goals == {}
    assert "breaks the grammar" in seen.problems[0]
    assert "\n" not in seen.problems[0]


def test_texts_that_cannot_be_read_are_unseen_and_the_others_are_seen(profile: Profile) -> None:
    profile.paths.playbook.mkdir()
    (profile.paths.goals / "bad.md").mkdir()
    (profile.paths.goals / "good.md").write_text("x")

    seen = profile.look()

    assert seen.unseen == ("playbook", "goal:bad")
    assert len(seen.problems) == 2
    assert seen.goals == {"good": "x"}
    assert items(seen)["playbook"] == items(seen)["goal:bad"] == UNREADABLE


def test_goals_that_cannot_be_listed_are_not_gone(profile: Profile) -> None:
    profile.paths.playbook.write_text("p\n")
    profile.store.documents.write_goal("a", "x")
    before = items(profile.look())
    profile.block(profile.paths.goals)

    seen = profile.look()

    assert (seen.playbook, seen.goals, seen.unseen) == ("p\n", {}, ("dir:goals",))
    assert [c.item for c in diff.changes(before, items(seen))] == ["dir:goals"]


def test_bytes_that_are_not_text_are_read_all_the_same(profile: Profile) -> None:
    profile.paths.playbook.write_bytes(b"caf\xe9\n")

    assert profile.look().playbook == "caf\N{REPLACEMENT CHARACTER}\n"


# -- peeking -----------------------------------------------------------------------------------


def test_a_peek_runs_nothing_and_agrees_with_the_last_look(profile: Profile) -> None:
    profile.paths.playbook.write_text("p\n")
    profile.store.documents.write_goal("a", "goal: a\n")
    profile.sensor("x.sh", COUNT)
    profile.sensor("raw.sh", "# looop: trust=own\necho '{\"n\": 1}'\n")
    profile.sensor("bad.sh", "exit 3\n")
    seen = profile.look()

    peeked = profile.peek()

    assert items(peeked) == items(seen)
    assert (peeked.ran, peeked.failed) == ((), ())
    assert (peeked.playbook, peeked.goals) == (seen.playbook, seen.goals)
    for name, reading in seen.readings.items():
        other = peeked.readings[name]
        assert (other.ok, other.trust, other.signal) == (reading.ok, reading.trust, reading.signal)
    assert runs(profile.look()) == 2


def test_a_peek_before_the_first_look_knows_only_what_is_ours(profile: Profile) -> None:
    profile.sensor("x.sh", COUNT)

    peeked = profile.peek()

    assert all(name.startswith("sys-") for name in peeked.readings)
    assert profile.snapshots() == []


@pytest.mark.parametrize("what", ["sensors", "goals"])
def test_a_peek_is_as_blind_as_a_look(profile: Profile, what: str) -> None:
    profile.block(profile.paths.data / what)

    assert profile.peek().unseen == profile.look().unseen == (f"dir:{what}",)


def test_a_peek_with_unreadable_stamps_says_so(profile: Profile) -> None:
    profile.sensor("x.sh", COUNT)
    profile.look()
    profile.paths.stamps.write_text("[")

    peeked = profile.peek()

    assert "dir:sensors" in peeked.unseen
    assert peeked.problems


def test_what_is_published_can_be_decoded_by_anyone(profile: Profile) -> None:
    profile.sensor("x.sh", 'echo \'{"signal": "\\\\u00e9", "detail": {"a": [1]}}\'\n')
    profile.look()

    for path in profile.paths.snapshots.glob("*.json"):
        assert isinstance(msgspec.json.decode(path.read_bytes()), dict)
