"""Output is found under the offset that it was written at, in however many files it lies."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.sessions.host import rawlog
from looop.sessions.host.rawlog import RawLog


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def everything(directory: Path, since: int = 0) -> bytes:
    found = b""
    offset = since
    while True:
        begin, data = rawlog.read(str(directory), offset, 7)
        if not data:
            return found
        assert begin >= offset
        found += data
        offset = begin + len(data)


def test_nothing_is_nothing(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "absent"):
        assert rawlog.segments(str(directory)) == []
        assert rawlog.size(str(directory)) == 0
        assert rawlog.read(str(directory), 5, 10) == (5, b"")


def test_what_cannot_be_listed_is_not_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        rawlog.segments(str(tmp_path / "file"))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8), st.integers(1, 30))
def test_segments_are_invisible_to_a_reader(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], size: int
) -> None:
    directory = tmp_path_factory.mktemp("log")
    log = RawLog(str(directory), size, 1000)
    for piece in pieces:
        log.add(piece)
    whole = b"".join(pieces)
    assert log.end == rawlog.size(str(directory)) == len(whole)
    assert everything(directory) == whole
    assert log.start == 0
    for offset in range(len(whole) + 1):
        assert rawlog.read(str(directory), offset, 5) == log.read(offset, 5)
        assert whole[offset:].startswith(log.read(offset, 5)[1])
    log.close()
    shutil.rmtree(directory)


def test_old_segments_are_given_up_and_a_reader_is_told_where_it_begins(tmp_path: Path) -> None:
    log = RawLog(str(tmp_path), 10, 3)
    for number in range(8):
        log.add(b"%d" % number * 10)
    assert names(tmp_path) == [f"output.{start:016d}.log" for start in (50, 60, 70)]
    assert log.start == 50
    for offset, found in (
        (0, (50, b"5" * 10)),
        (65, (65, b"6" * 5)),
        (80, (80, b"")),
        (1000, (1000, b"")),
    ):
        assert log.read(offset, 100) == rawlog.read(str(tmp_path), offset, 100) == found
    log.close()


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    for piece in (b"one ", b"two ", b"three"):
        log = RawLog(str(tmp_path), 6, 5)
        log.add(piece)
        log.close()
    assert everything(tmp_path) == b"one two three"
    assert len(names(tmp_path)) == 2


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("output.log", "output.x.log", "output.٣.log", "output.12.log.bak"):
        (tmp_path / name).write_text("mine")
    log = RawLog(str(tmp_path), 1, 1)
    for _ in range(3):
        log.add(b"ab")
    log.close()
    assert len(rawlog.segments(str(tmp_path))) == 1
    assert len(names(tmp_path)) == 5


def test_a_file_that_someone_removed_is_a_gap(tmp_path: Path) -> None:
    log = RawLog(str(tmp_path), 4, 10)
    for piece in (b"aaaa", b"bbbb", b"cccc"):
        log.add(piece)
    os.unlink(rawlog.segments(str(tmp_path))[1][1])
    assert log.read(4, 10) == rawlog.read(str(tmp_path), 4, 10) == (8, b"cccc")
    log.close()


def test_short_and_empty_writes_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RawLog(str(tmp_path), 1000, 10)
    write = os.write
    plan = [3, 0, 2, 100]

    def part(fd: int, data: bytes) -> int:
        size = plan.pop(0)
        return write(fd, bytes(data)[:size]) if size else 0

    monkeypatch.setattr(os, "write", part)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        log.add(b"0123456789")
    assert log.end == 3
    log.add(b"3456789")
    monkeypatch.undo()
    assert everything(tmp_path) == b"0123456789"
    log.close()


def test_a_segment_that_cannot_be_made_stops_the_log_before_a_byte_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RawLog(str(tmp_path), 4, 10)
    log.add(b"aaaa")

    def full(*_args: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="full"):
        log.add(b"bbbb")
    assert log.end == 4
    monkeypatch.undo()
    log.add(b"bbbb")
    assert everything(tmp_path) == b"aaaabbbb"
    log.close()
