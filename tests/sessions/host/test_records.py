"""Records are whole or the old ones, also on a full disk; a journal that fails harms nobody."""

import errno
import json
import os
from pathlib import Path

import pytest

from looop.kit import jsonl
from looop.sessions.host.records import Journal, Records


def test_a_record_is_replaced(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    for value in ({"a": "x" * 10000}, {"a": "ü"}, {}):
        records.publish("status.json", value)
        assert json.loads((tmp_path / "status.json").read_bytes()) == value
    assert (tmp_path / "status.json").stat().st_mode & 0o777 == 0o600
    records.close()
    assert os.listdir(tmp_path) == ["status.json"]


def test_text_that_is_no_text_can_still_be_read(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.publish("meta.json", {"argv": ["\udcff"]})
    assert json.loads((tmp_path / "meta.json").read_bytes()) == {"argv": ["?"]}


def test_there_is_room_for_the_next_record_before_it_is_needed(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    assert (tmp_path / ".spare").stat().st_size == 4096
    records.publish("status.json", {"a": 1})
    assert (tmp_path / ".spare").stat().st_size == 4096


def test_a_record_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records(str(tmp_path))
    records.publish("status.json", {"a": 1})

    def full(*_args: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="full"):
        records.publish("status.json", {"a": 2})
    monkeypatch.undo()
    assert json.loads((tmp_path / "status.json").read_bytes()) == {"a": 1}
    records.publish("status.json", {"a": 2})
    assert json.loads((tmp_path / "status.json").read_bytes()) == {"a": 2}


def test_a_journal_has_a_line_for_each_event(tmp_path: Path) -> None:
    for number in range(2):
        journal = Journal(str(tmp_path))
        journal.note("spawned", 7, pid=number)
        journal.close()
        journal.note("too late", 0)
    rows = list(jsonl.objects(tmp_path / "log.jsonl"))
    assert [(row["event"], row["offset"], row["pid"]) for row in rows] == [
        ("spawned", 7, 0),
        ("spawned", 7, 1),
    ]
    assert rows[0]["at"] <= rows[1]["at"]


def test_a_line_that_was_torn_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(str(tmp_path))
    write = os.write

    def half(fd: int, data: bytes) -> int:
        return write(fd, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    journal.note("torn", 0)
    monkeypatch.undo()
    journal.note("whole", 0)
    journal.close()
    assert [row["event"] for row in jsonl.objects(tmp_path / "log.jsonl")] == ["whole"]


def test_a_journal_that_cannot_be_had_is_none(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    journal = Journal(str(tmp_path))
    journal.note("spawned", 0)
    journal.close()
