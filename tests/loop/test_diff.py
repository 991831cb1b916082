"""Diff: the one hash, the named items, and what counts as a change."""

import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.loop import diff
from looop.model.world import UNREADABLE, Change, Reading, World

few = settings(max_examples=60, deadline=None, derandomize=True)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
# Names and values that try to look like the frame around them.
tricky = st.text(alphabet="01239 :ab\n\0é", max_size=6)
item_maps = st.dictionaries(tricky, tricky, max_size=4)


def reading(signal: Any, detail: Any = None, **fields: Any) -> Reading:
    return Reading(name="sensor-x", signal=signal, detail=detail, **fields)


def world(
    *,
    playbook: str | None = "be careful\n",
    goals: dict[str, str] | None = None,
    readings: dict[str, Reading] | None = None,
    unseen: tuple[str, ...] = (),
    steering: dict[str, str] | None = None,
) -> World:
    return diff.assemble(
        playbook=playbook,
        goals={"a": "goal: a\n"} if goals is None else goals,
        readings={"sensor-x": reading({"n": 1})} if readings is None else readings,
        unseen=unseen,
        steering=steering,
    )


# -- the hash ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({}, "cae66941d9efbd404e4d88758ea67670"),
        ({"playbook": "x"}, "bc869a053b469b40e0695dbcbc0c4a6b"),
        ({"goal:a": "1", "snap:sensor-x": '{"n":1}'}, "1fb46d2152f0bb36770f38989280be8b"),
        ({"snap:sensor-é": '"ü\\n"'}, "cc4fc8d2e67dccadcb3e29ed70d2c4cf"),
    ],
)
def test_the_hash_of_a_world_never_changes_between_versions(
    items: dict[str, str], expected: str
) -> None:
    assert diff.fingerprint(items) == expected


def test_the_hash_does_not_depend_on_the_order_of_items() -> None:
    assert diff.fingerprint({"a": "1", "b": "2"}) == diff.fingerprint({"b": "2", "a": "1"})


@few
@given(item_maps, item_maps)
def test_only_equal_items_have_equal_hashes(one: dict[str, str], other: dict[str, str]) -> None:
    assert (diff.fingerprint(one) == diff.fingerprint(other)) is (one == other)


@few
@given(tricky, tricky, tricky, tricky, st.integers(0, 12))
def test_moving_a_boundary_between_names_and_values_changes_the_hash(
    a: str, b: str, c: str, d: str, cut: int
) -> None:
    whole = a + b + c + d
    moved = {whole[:cut]: whole[cut:]}

    assert (diff.fingerprint({a: b + c + d}) == diff.fingerprint(moved)) is (a == whole[:cut])


def test_two_items_are_never_one_item_that_spells_them_out() -> None:
    one_pair = {"a": "1 1 b 1 2"}
    spelled = {"a": "1", "b": "2"}

    assert diff.fingerprint(one_pair) != diff.fingerprint(spelled)
    assert diff.fingerprint({"a": "11"}) != diff.fingerprint({"a1": "1"})


# -- what counts -------------------------------------------------------------------------------


@few
@given(json_values, json_values)
def test_detail_never_wakes_the_loop(one: Any, other: Any) -> None:
    before = world(readings={"sensor-x": reading({"n": 1}, one, took_s=1.0, at=5.0)})
    after = world(readings={"sensor-x": reading({"n": 1}, other, took_s=2.0, at=6.0)})

    assert before.hash == after.hash
    assert diff.changes(before.items, after.items) == []


@few
@given(json_values, json_values)
def test_a_different_signal_is_a_different_world(one: Any, other: Any) -> None:
    before, after = (world(readings={"sensor-x": reading(s)}) for s in (one, other))
    same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")

    assert (before.hash == after.hash) is same


def test_the_order_of_keys_in_a_signal_does_not_matter() -> None:
    assert diff.signal_of(reading({"a": 1, "b": [2]})) == diff.signal_of(
        reading({"b": [2], "a": 1})
    )


def test_text_of_the_same_length_is_still_a_change() -> None:
    assert world(playbook="aaaa").hash != world(playbook="aaab").hash
    assert world(goals={"a": "x"}).hash != world(goals={"a": "y"}).hash


def test_a_missing_playbook_differs_from_an_empty_one() -> None:
    assert world(playbook=None).hash != world(playbook="").hash
    assert "playbook" not in world(playbook=None).items


def test_a_failing_sensor_wakes_once_and_again_when_it_works() -> None:
    good = world(readings={"sensor-x": reading({"n": 1})})
    broken = [
        world(readings={"sensor-x": reading({"error": True}, {"stderr": s}, ok=False)})
        for s in ("line 1", "line 2")
    ]

    assert good.hash != broken[0].hash
    assert broken[0].hash == broken[1].hash


@pytest.mark.parametrize(
    "signal",
    [10**6000, -(10**6000), float("nan"), float("inf"), {"deep": float("nan")}, "\ud800"],
    ids=["huge", "very negative", "nan", "infinity", "nan inside", "lone surrogate"],
)
def test_a_signal_that_is_no_proper_json_has_a_stable_value(signal: Any) -> None:
    values = {diff.signal_of(reading(signal)) for _ in range(2)}

    assert len(values) == 1
    assert diff.fingerprint({"snap:x": values.pop()})


def test_a_signal_nested_beyond_the_stack_does_not_stop_the_look() -> None:
    deep: Any = []
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]

    # How deep JSON can be written differs between versions of Python; readings are cut off far
    # above that depth, so the hash never depends on it.
    value = diff.signal_of(reading(deep))

    assert value == "!not-canonical" or value.startswith("[[[")


@few
@given(json_values)
def test_the_value_of_a_signal_survives_being_published(value: Any) -> None:
    again = msgspec.json.decode(msgspec.json.encode(value))

    assert diff.signal_of(reading(again)) == diff.signal_of(reading(value))


# -- policy ------------------------------------------------------------------------------------


def test_readings_are_no_part_of_the_policy() -> None:
    one, other = (world(readings={"sensor-x": reading(n)}) for n in (1, 2))

    assert one.hash != other.hash
    assert one.policy == other.policy


@pytest.mark.parametrize(
    "steered",
    [
        {"playbook": "other"},
        {"goals": {"a": "other"}},
        {"goals": {}},
        {"goals": {"a": "goal: a\n", "b": ""}},
        {"steering": {"config.toml": "1"}},
        {"unseen": ("dir:goals",)},
    ],
)
def test_everything_that_a_human_steers_with_changes_the_policy(steered: dict[str, Any]) -> None:
    assert world(**steered).policy != world().policy


def test_steering_ends_a_wait_but_does_not_wake() -> None:
    one, other = (world(steering={"answers": s}) for s in ("[]", '["loop-1"]'))

    assert one.hash == other.hash
    assert one.policy != other.policy


def test_goals_and_items_stand_in_the_order_of_their_names() -> None:
    seen = world(goals={"b": "", "a": ""}, readings={"sensor-x": reading(1), "sys-a": reading(2)})

    assert list(seen.goals) == ["a", "b"]
    assert list(seen.items) == sorted(seen.items)


# -- what could not be seen --------------------------------------------------------------------


def test_an_unreadable_text_is_a_value_of_its_own() -> None:
    blind = world(playbook=None, goals={}, unseen=("playbook", "goal:a"))

    assert blind.items["playbook"] == blind.items["goal:a"] == UNREADABLE
    assert {c.item for c in diff.changes(world().items, blind.items)} == {"playbook", "goal:a"}
    assert all(c.new == UNREADABLE for c in diff.changes(world().items, blind.items))


def test_losing_sight_and_seeing_again_are_both_changes() -> None:
    clear, blind = world(), world(playbook=None, unseen=("playbook",))

    assert [c.item for c in diff.changes(clear.items, blind.items)] == ["playbook"]
    assert [c.item for c in diff.changes(blind.items, clear.items)] == ["playbook"]


def test_the_members_of_a_directory_that_cannot_be_listed_are_not_gone() -> None:
    readings = {"sensor-x": reading(1), "sys-asks": reading({})}
    clear = world(goals={"a": "", "b": ""}, readings=readings)
    no_goals = world(goals={}, readings=readings, unseen=("dir:goals",))
    no_sensors = world(
        goals={"a": "", "b": ""}, readings={"sys-asks": reading({})}, unseen=("dir:sensors",)
    )

    assert [c.item for c in diff.changes(clear.items, no_goals.items)] == ["dir:goals"]
    assert [c.item for c in diff.changes(clear.items, no_sensors.items)] == ["dir:sensors"]


def test_a_blind_directory_hides_nothing_else() -> None:
    clear = world(readings={"sensor-x": reading(1), "sys-asks": reading({})})
    blind = world(playbook="other", goals={}, readings={}, unseen=("dir:goals",))

    assert [c.item for c in diff.changes(clear.items, blind.items)] == [
        "dir:goals",
        "playbook",
        "snap:sensor-x",
        "snap:sys-asks",
    ]


def test_a_goal_that_is_really_gone_is_reported() -> None:
    assert diff.changes(world(goals={"a": ""}).items, world(goals={}).items) == [
        Change(item="goal:a", old=diff.content(""), new=None)
    ]


# -- changes -----------------------------------------------------------------------------------

names = st.sampled_from(["playbook", "goal:a", "goal:b", "snap:sensor-x", "snap:sys-asks"])
looks = st.dictionaries(names, st.sampled_from(["1", "2", UNREADABLE]))


@few
@given(looks)
def test_a_world_does_not_differ_from_itself(items: dict[str, str]) -> None:
    assert diff.changes(items, dict(items)) == []


@few
@given(looks, looks)
def test_changes_one_way_mirror_changes_the_other_way(
    one: dict[str, str], other: dict[str, str]
) -> None:
    there, back = diff.changes(one, other), diff.changes(other, one)

    assert [(c.item, c.old, c.new) for c in there] == [(c.item, c.new, c.old) for c in back]
    assert [c.item for c in there] == sorted({c.item for c in there})


@few
@given(looks, looks)
def test_the_hash_differs_exactly_when_there_are_changes(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert bool(diff.changes(one, other)) is (diff.fingerprint(one) != diff.fingerprint(other))


@few
@given(looks, looks)
def test_applying_the_changes_gives_the_new_world(
    one: dict[str, str], other: dict[str, str]
) -> None:
    applied = dict(one)
    for change in diff.changes(one, other):
        if change.new is None:
            del applied[change.item]
        else:
            applied[change.item] = change.new

    assert applied == other
