"""Logs of JSON lines: the same objects from either end, whatever is torn."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.errors import Unreadable
from looop.kit import files, jsonl


def line(number: int, words: str) -> bytes:
    return json.dumps({"n": number, "s": words}, ensure_ascii=False).encode("utf-8", "replace")


good = st.builds(line, st.integers(0, 99), st.text(max_size=40))
torn = st.sampled_from(
    [b"", b"{", b'{"n": 1', b"[1]", b"7", b"null", b'"x"', b"\xff\xfe", b'{"s": "\xff"}', b"\0\0"]
)
logs = st.lists(good | good | torn, max_size=12).map(b"\n".join)


@settings(max_examples=100, deadline=None)
@given(older=logs | st.none(), newer=logs | st.none(), chunk=st.integers(1, 64), end=st.booleans())
def test_from_the_end_is_the_reverse_of_from_the_start(
    older: bytes | None, newer: bytes | None, chunk: int, end: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        path = Path(directory) / "log"
        if older is not None:
            path.with_name("log.1").write_bytes(older)
        if newer is not None:
            path.write_bytes(newer + b"\n" * end)
        patch.setattr(jsonl, "_CHUNK", chunk)
        patch.setattr(jsonl, "_FIRST_CHUNK", min(chunk, 3))

        forwards = list(jsonl.objects(path))

        assert list(jsonl.backwards(path)) == forwards[::-1]
        for count in (0, 1, 3, 100):
            assert jsonl.tail(path, count) == (forwards[-count:] if count else [])


def write(path: Path, *lines: bytes) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def test_only_whole_objects_count(tmp_path: Path) -> None:
    path = tmp_path / "log"
    deep = b"[" * 200_000
    write(path, b'{"n":1}', b"", b"[2]", b"3", b'{"n":', b'{"s":"\xff"}', deep, b'{"n":4}')
    assert list(jsonl.objects(path)) == [{"n": 1}, {"n": 4}]
    assert list(jsonl.backwards(path)) == [{"n": 4}, {"n": 1}]


def test_a_torn_last_line_is_skipped_and_the_one_before_it_is_the_last(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"n":1}\n{"n":2}\n{"n":3, "s": "cu')
    assert jsonl.tail(path, 1) == [{"n": 2}]


def test_a_line_larger_than_many_chunks_is_one_object(tmp_path: Path) -> None:
    path = tmp_path / "log"
    huge = {"s": "é" * 600_000}
    write(path, b'{"n":1}', json.dumps(huge).encode(), b'{"n":2}')
    assert list(jsonl.backwards(path)) == [{"n": 2}, huge, {"n": 1}]


def test_no_log_has_no_objects(tmp_path: Path) -> None:
    assert list(jsonl.objects(tmp_path / "log")) == []
    assert list(jsonl.backwards(tmp_path / "log")) == []
    assert jsonl.tail(tmp_path / "log", 5) == []


def test_the_rotated_generation_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, b'{"n":1}', b'{"n":2}')
    files.rotate(path, 1)
    write(path, b'{"n":3}')
    assert [row["n"] for row in jsonl.objects(path)] == [1, 2, 3]
    assert [row["n"] for row in jsonl.tail(path, 2)] == [2, 3]


def test_a_log_that_is_no_file_is_unreadable_and_not_empty(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.mkdir()
    with pytest.raises(Unreadable):
        list(jsonl.objects(path))
    with pytest.raises(Unreadable):
        list(jsonl.backwards(path))


def test_a_tail_does_not_read_the_whole_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    write(path, *(b'{"n":%d}' % n for n in range(200_000)))
    read = 0
    real = files.read_range

    def counting(path: Path, start: int, end: int) -> bytes:
        nonlocal read
        read += end - start
        return real(path, start, end)

    monkeypatch.setattr(files, "read_range", counting)
    assert [row["n"] for row in jsonl.tail(path, 2)] == [199_998, 199_999]
    assert read < path.stat().st_size / 4


def test_a_rotation_between_two_reads_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    write(path.with_name("log.1"), b'{"n":1}')
    write(path, b'{"n":2}')
    real = files.read_bytes
    left = 1

    def read(of: Path, limit: int | None = None) -> bytes | None:
        nonlocal left
        data = real(of, limit)
        if left:
            left = 0
            files.rotate(path, 1)
            write(path, b'{"n":3}')
        return data

    monkeypatch.setattr(files, "read_bytes", read)
    found: list[dict[str, Any]] = list(jsonl.objects(path))
    assert [row["n"] for row in found] == [2, 3]
