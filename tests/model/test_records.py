"""Records: what is kept on disk comes back as it was, and older files can be read."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from looop.model import records
from looop.model.records import (
    Activity,
    AgentNote,
    Answer,
    Ask,
    BeatRecord,
    Checked,
    Claim,
    Done,
    Ended,
    Failure,
    Fired,
    Flap,
    Memory,
    Notice,
    Outcome,
    PulseNote,
    Schedule,
    SensorStamp,
    Shell,
    Spend,
    Tombstone,
    Unmetered,
    Verdict,
    Worker,
)

KINDS: list[type[msgspec.Struct]] = [
    Activity, AgentNote, Answer, Ask, BeatRecord, Checked, Claim, Done, Ended, Failure, Fired, Flap,
    Memory, Notice, Outcome, PulseNote, Schedule, SensorStamp, Shell, Spend, Tombstone, Unmetered,
    Verdict, Worker,
]  # fmt: skip

# Text without lone surrogates, which have no bytes; numbers that JSON holds.
text = st.text(max_size=6)
number = st.floats(allow_nan=False, allow_infinity=False, width=32)


def of(kind: Any) -> st.SearchStrategy[Any]:
    """A strategy for what msgspec says a field holds."""
    info = msgspec.inspect.type_info(kind) if not isinstance(kind, msgspec.inspect.Type) else kind
    match info:
        case msgspec.inspect.StructType():
            members = {field.name: of(field.type) for field in info.fields}
            return st.fixed_dictionaries(members).map(lambda values: info.cls(**values))
        case msgspec.inspect.UnionType():
            return st.one_of([of(part) for part in info.types])
        case msgspec.inspect.LiteralType():
            return st.sampled_from(info.values)
        case msgspec.inspect.DictType():
            return st.dictionaries(of(info.key_type), of(info.value_type), max_size=2)
        case msgspec.inspect.VarTupleType():
            return st.lists(of(info.item_type), max_size=2).map(tuple)
        case msgspec.inspect.StrType():
            return text
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.IntType():
            return st.integers(-(2**53), 2**53)
        case msgspec.inspect.FloatType():
            return number
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.AnyType():
            return st.none() | st.booleans() | text | st.lists(text, max_size=2)
        case _:
            raise AssertionError(info)


def test_every_record_is_tested() -> None:
    named = {getattr(records, name) for name in records.__all__}
    structs = {kind for kind in named if isinstance(kind, type)}
    assert structs == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_comes_back_as_it_was(kind: type[msgspec.Struct]) -> None:
    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(of(kind))
    def identity(record: Any) -> None:
        data = msgspec.json.encode(record)
        assert b"\n" not in data
        assert msgspec.json.decode(data, type=kind) == record

    identity()


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_cannot_be_changed_by_whoever_holds_it(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen


def test_a_memory_of_the_first_beat_is_empty_and_shares_nothing() -> None:
    one, other = Memory(), Memory()
    assert one == msgspec.json.decode(b"{}", type=Memory)
    assert one.items is not other.items


def test_fields_of_a_later_version_are_ignored() -> None:
    assert msgspec.json.decode(b'{"v": 2, "hash": "h", "new": 1}', type=Memory) == Memory(
        v=2, hash="h"
    )


@pytest.mark.parametrize(
    "data", [b'{"fails": "1"}', b'{"fails": 1.5}', b'{"items": []}', b'{"noop_at": null}', b"[]"]
)
def test_a_wrong_type_is_not_guessed_at(data: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=Memory)
