"""Tables: one record a file, absence proven, nonsense named."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from looop.errors import Corrupt, Unreadable
from looop.model.records import Schedule
from looop.state import table
from looop.state.table import Table

ONE = Schedule(at=1.0, note="one")
TWO = Schedule(every_s=60.0, note="two")


@pytest.fixture
def timers(tmp_path: Path) -> Table[Schedule]:
    return Table(tmp_path, Schedule)


def test_what_is_put_can_be_got(timers: Table[Schedule]) -> None:
    assert timers.get("a") is None
    timers.put("a", ONE)
    assert timers.get("a") == ONE
    timers.put("a", TWO)
    assert timers.get("a") == TWO
    assert timers.path("a").read_bytes().count(b"\n") == 1


def test_a_record_is_added_once(timers: Table[Schedule]) -> None:
    assert timers.add("a", ONE)
    assert not timers.add("a", TWO)
    assert timers.get("a") == ONE


def test_a_swap_needs_the_record_that_was_read(timers: Table[Schedule]) -> None:
    assert not timers.swap("a", ONE, TWO), "nothing is there"
    assert timers.get("a") is None
    timers.put("a", ONE)
    assert not timers.swap("a", TWO, ONE)
    assert timers.swap("a", ONE, TWO)
    assert timers.get("a") == TWO


def test_a_swap_compares_meaning_so_a_record_written_by_hand_can_be_swapped(
    timers: Table[Schedule],
) -> None:
    timers.path("a").write_text('{ "note": "one",\n  "at": 1 }\n')
    assert timers.swap("a", ONE, TWO)
    assert timers.get("a") == TWO


def test_a_change_between_the_look_and_the_swap_is_not_lost(
    timers: Table[Schedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    timers.put("a", ONE)
    real = table.decode

    def decode(*args: Any) -> Any:
        found = real(*args)
        timers.path("a").write_bytes(table.encode(TWO))
        return found

    monkeypatch.setattr(table, "decode", decode)
    assert not timers.swap("a", ONE, Schedule(at=3.0))
    monkeypatch.undo()
    assert timers.get("a") == TWO


def test_dropping_tells_whether_there_was_anything(timers: Table[Schedule]) -> None:
    timers.put("a", ONE)
    assert timers.drop("a")
    assert not timers.drop("a")
    assert timers.get("a") is None


def test_names_that_break_the_grammar_are_nobodys(timers: Table[Schedule]) -> None:
    timers.put("b", ONE)
    timers.put("a", TWO)
    for name in (
        "a b.json", "..json", "...json", "-x.json", "_y.json", ".hidden.json", "é.json",
        "a\\b.json", "x" * 65 + ".json", ".json", "a.json.tmp", "a.txt", "a.json~", "a\nb.json",
    ):  # fmt: skip
        (timers.directory / name).write_bytes(table.encode(ONE))
    (timers.directory / "archive").mkdir()

    assert timers.names() == ["a", "b"]
    assert timers.all() == {"a": TWO, "b": ONE}


def test_a_table_without_a_directory_is_empty(tmp_path: Path) -> None:
    timers = Table(tmp_path / "never-made", Schedule)
    assert timers.names() == []
    assert timers.all() == {}
    assert timers.get("a") is None


def test_a_table_that_cannot_be_listed_is_not_empty(
    timers: Table[Schedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: object) -> list[str]:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(Unreadable, match="Permission denied"):
        timers.names()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b'{"at": "soon"}', b'{"at": 1} {"at": 2}', b"\xff\xfe",
        b'{"note": "\xff"}', b"[" * 200_000, b'{"at": 1e999}', b'{"note": "\\ud800"}', b"\0" * 64,
    ],
    ids=range(12),
)  # fmt: skip
def test_a_record_that_makes_no_sense_is_corrupt_and_names_its_file(
    timers: Table[Schedule], data: bytes
) -> None:
    timers.path("a").write_bytes(data)
    acts: list[Callable[[], object]] = [
        lambda: timers.get("a"),
        timers.all,
        lambda: timers.swap("a", ONE, TWO),
    ]
    for act in acts:
        with pytest.raises(Corrupt, match=r"a\.json makes no sense: ") as caught:
            act()
        assert "\n" not in str(caught.value)
    assert timers.path("a").read_bytes() == data, "the evidence stays"


def test_what_is_unreadable_is_not_absent(timers: Table[Schedule]) -> None:
    timers.path("a").mkdir()
    with pytest.raises(Unreadable) as caught:
        timers.get("a")
    assert not isinstance(caught.value, Corrupt)


def test_fields_of_a_later_version_are_no_reason_to_refuse_a_record(
    timers: Table[Schedule],
) -> None:
    timers.path("a").write_text('{"v": 2, "at": 1.0, "colour": "red"}')
    assert timers.get("a") == Schedule(v=2, at=1.0)


def test_text_that_has_no_bytes_is_kept_as_far_as_it_goes(timers: Table[Schedule]) -> None:
    """Arguments of the command line that are not UTF-8 arrive as halves of surrogate pairs."""
    timers.put("a", Schedule(at=1.0, note="caf\udcff é"))
    assert timers.get("a") == Schedule(at=1.0, note="caf? é")
