"""Readings: from what was printed to a signal, and from every failure to a stable one."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.kit.child import Done, End
from looop.loop import diff
from looop.loop.sense import readings
from looop.model.world import Reading


def done(out: bytes = b"", err: bytes = b"", **fields: Any) -> Done:
    known: dict[str, Any] = {
        "end": End.EXITED,
        "code": 0,
        "signal": None,
        "out_total": len(out),
        "took_s": 0.12345,
        **fields,
    }
    return Done(out=out, err=err, **known)


def judge(run: Done) -> Reading:
    return readings.from_run("sensor-x", run, at=5.0, trust="repo", cap=8192, limit_s=60.0)


@pytest.mark.parametrize(
    ("out", "signal", "detail", "split"),
    [
        (b'{"signal": {"n": 1}, "detail": {"t": 2}}', {"n": 1}, {"t": 2}, True),
        (b'\n {"signal": "up"} \n', "up", None, True),
        (b'{"signal": null}', None, None, True),
        (b'{"signal": [1], "other": 2}', [1], None, True),
        (b'{"n": 1}', {"n": 1}, None, False),
        (b"{}", {}, None, False),
        (b'{"detail": 1}', {"detail": 1}, None, False),
    ],
)
def test_what_a_sensor_printed_becomes_signal_and_detail(
    out: bytes, signal: Any, detail: Any, split: bool
) -> None:
    reading = judge(done(out))

    assert (reading.ok, reading.signal, reading.detail) == (True, signal, detail)
    assert (reading.split, reading.trust, reading.at, reading.took_s) == (split, "repo", 5.0, 0.123)


@pytest.mark.parametrize(
    ("run", "code", "message"),
    [
        pytest.param(done(code=3), 3, "exited with code 3", id="code"),
        pytest.param(done(b"{}", code=1), 1, "exited with code 1", id="code despite output"),
        pytest.param(done(code=143), 143, "exited with code 143", id="143 by itself"),
        pytest.param(done(code=None, signal=15), 143, "ended by signal 15", id="by a signal"),
        pytest.param(done(code=130), 130, "exited with code 130", id="130 by itself"),
        pytest.param(
            done(end=End.DEADLINE, code=None, signal=15), 124, "after 60 s", id="deadline"
        ),
        pytest.param(
            done(end=End.UNSPAWNABLE, code=None, why="no shell"), 127, "no shell", id="unspawnable"
        ),
        pytest.param(done(b"  \n"), 0, "printed nothing", id="empty"),
        pytest.param(done(b"hello"), 0, "did not print JSON", id="no JSON"),
        pytest.param(done(b'{"a": 1} trailing'), 0, "did not print JSON", id="prose around"),
        pytest.param(done(b'{"a": NaN}'), 0, "did not print JSON", id="NaN"),
        pytest.param(done(b'{"a": 1e999}'), 0, "did not print JSON", id="infinite"),
        pytest.param(done(b'{"a": "\xff"}'), 0, "did not print JSON", id="not UTF-8"),
        pytest.param(done(b"[1]"), 0, "not an object", id="array"),
        pytest.param(done(b"3"), 0, "not an object", id="number"),
    ],
)
def test_every_failure_has_a_stable_signal_and_says_what_it_was(
    run: Done, code: int, message: str
) -> None:
    reading = judge(run)

    assert not reading.ok
    assert reading.signal == {"error": True, "exit_code": code}
    assert message in reading.detail["message"]


def test_the_size_of_a_reading_that_is_too_large_is_detail() -> None:
    sizes = [judge(done(b"{", end=End.TOO_LARGE, out_total=n)) for n in (9000, 900_000)]

    assert sizes[0].signal == sizes[1].signal == {"error": "too-large", "cap": 8192}
    assert [r.detail["bytes"] for r in sizes] == [9000, 900_000]
    assert not any(r.ok for r in sizes)


def test_the_words_of_a_failure_are_detail() -> None:
    one, other = (judge(done(code=1, err=words)) for words in (b"at 10:00", b"at 10:01"))

    assert diff.signal_of(one) == diff.signal_of(other)
    assert one.detail["stderr"] != other.detail["stderr"]


def test_stderr_is_its_last_kilobyte_without_control_characters() -> None:
    reading = judge(done(code=1, err=b"lost" + b"x" * 2000 + b"\x1b[31mred\x07\r\nend\xff\n"))

    said = reading.detail["stderr"]
    assert said.endswith("\\x1b[31mred\\x07\nend\N{REPLACEMENT CHARACTER}")
    assert "lost" not in said
    assert len(said) <= 1024 + 20


@pytest.mark.parametrize("depth", [63, 64, 65, 500, 993, 994, 4000])
def test_deep_nesting_is_refused_before_it_can_exhaust_a_stack(depth: int) -> None:
    out = b'{"signal":' + b"[" * depth + b"]" * depth + b"}"

    reading = judge(done(out))

    assert reading.ok is (depth < 64)
    assert diff.signal_of(reading)
    assert msgspec.json.encode(reading.as_json())


@pytest.mark.parametrize("digits", [18, 19, 20, 4000, 5000])
def test_huge_numbers_are_kept_or_refused_and_never_raise(digits: int) -> None:
    reading = judge(done(b'{"signal":' + b"9" * digits + b"}"))

    assert diff.signal_of(reading) != "!not-canonical"
    assert readings.from_snapshot(
        "x", msgspec.json.encode(reading.as_json()), at=0, trust="own", ok=True
    )


@pytest.mark.parametrize(
    "out",
    [b'{"signal": {"n": 1}, "detail": {"t": 2}}', b'{"signal": null}', b'{"n": 1}', b"{}"],
)
def test_a_published_reading_says_the_same_when_it_is_read_back(out: bytes) -> None:
    fresh = judge(done(out))

    again = readings.from_snapshot(
        "sensor-x", msgspec.json.encode(fresh.as_json()), at=5.0, trust="repo", ok=True
    )

    assert again == msgspec.structs.replace(fresh, fresh=False, took_s=0.0)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff"])
def test_a_snapshot_that_makes_no_sense_is_no_reading(data: bytes) -> None:
    assert readings.from_snapshot("x", data, at=0, trust="own", ok=True) is None


def test_what_could_not_be_looked_at_is_neither_empty_nor_absent() -> None:
    reading = readings.unreadable("sys-asks", "cannot list it", trust="own", at=1.0)

    assert not reading.ok
    assert reading.signal == {"error": "unreadable"}
    assert reading.detail == {"message": "cannot list it"}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0e.-signaldt\\ u', max_size=40))
def test_no_output_breaks_the_judge(out: bytes | str) -> None:
    reading = judge(done(out if isinstance(out, bytes) else out.encode()))

    assert diff.signal_of(reading)
    assert msgspec.json.encode(reading.as_json())
