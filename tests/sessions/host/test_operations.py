"""What is asked of a supervisor is answered, and nonsense is, and neither ends the session."""

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from looop.errors import Failed
from looop.sessions import dial
from looop.sessions.host import wire
from tests.sessions.conftest import Start
from tests.sessions.host.support import LIMIT_S, ask, events, meta, output, raw, said
from tests.support.program import wait_for

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
# Not kill and restart, which would do it.
OPS = ["status", "type", "resize", "attach", "detach", "more", "quiet", "end", "", "answer"]
FIELDS = ["hex", "columns", "rows", "since", "interactive", "offset", "settle_s", "grace_s"]


def request_line(op: str, fields: dict[str, Any]) -> bytes:
    return json.dumps({"op": op, **fields}).encode() + b"\n"


@pytest.fixture
def session(start: Start) -> Path:
    directory = start("cat")
    ask(directory, "status")
    return directory


def test_a_request_of_an_older_protocol_is_answered(session: Path) -> None:
    for line in (b'{"op":"status"}\n', b'{"op": "status", "v": 0, "new": [1]}\r\n'):
        (answer,) = raw(session, line)
        assert answer["ok"]
        assert answer["v"] == wire.VERSION
        assert answer["generation"] == "g1"
        assert answer["running"]
        assert answer["bytes"] == 0
        assert answer["columns"] == 80
    (answer,) = raw(session, b'{"op":"quiet"}\n')
    assert not answer["ended"]


def test_what_it_does_not_know_is_said_and_is_no_end(session: Path) -> None:
    (answer,) = raw(session, b'{"op":"fly"}\n')
    assert answer == {"v": 1, "ok": False, "error": "unknown operation 'fly'", "refused": False}
    for line in (b"{}\n", b"[]\n", b"hello\n", b"\xff\xfe\n", b"\n", b'{"op":["status"]}\n'):
        (answer,) = raw(session, line)
        assert not answer["ok"]
    assert ask(session, "status")["running"]


@pytest.mark.parametrize(
    "fields",
    [
        {"op": "type"},
        {"op": "type", "hex": "zz"},
        {"op": "type", "hex": 7},
        {"op": "resize", "columns": "wide", "rows": 5},
        {"op": "resize", "columns": float("inf"), "rows": 5},
        {"op": "more", "offset": -1},
        {"op": "more", "timeout_s": float("nan")},
        {"op": "quiet", "settle_s": -1},
        {"op": "kill", "grace_s": "soon"},
        {"op": "kill", "grace_s": -1},
        {"op": "attach", "since": -5},
        {"op": "attach", "columns": 5},
    ],
    ids=str,
)
def test_a_field_that_makes_no_sense_is_said(session: Path, fields: dict[str, Any]) -> None:
    (answer,) = raw(session, json.dumps(fields).encode() + b"\n")
    assert not answer["ok"]
    assert answer["error"].startswith(f"{fields['op']}: ")
    assert ask(session, "status")["running"]
    assert ask(session, "status")["attached"] == 0


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=200)
    | st.builds(
        request_line,
        st.sampled_from(OPS),
        st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    )
)
def test_garbage_ends_nothing(session: Path, data: bytes) -> None:
    with dial.connect(session, "control.sock") as sock:
        sock.sendall(data)
    assert ask(session, "status")["running"]


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=100))
def test_garbage_behind_an_attach_ends_nothing(session: Path, data: bytes) -> None:
    with dial.connect(session, "control.sock") as sock, contextlib.suppress(OSError):
        sock.sendall(b'{"op":"attach"}\n' + data)
        sock.sendall(wire.frame(b"?", b"unknown") + wire.frame(b"R", b"odd"))
    assert ask(session, "status")["running"]


def test_a_line_that_never_ends_is_hung_up_on(session: Path) -> None:
    assert raw(session, b"x" * (wire.MAX_LINE + 1)) == []
    assert ask(session, "status")["running"]


def test_a_request_may_come_in_pieces(session: Path) -> None:
    with dial.connect(session, "control.sock") as sock:
        sock.settimeout(LIMIT_S)
        for byte in b'{"op":"status"}\n':
            sock.sendall(bytes([byte]))
        assert json.loads(sock.recv(65536))["ok"]


def test_an_answer_names_nothing_of_what_was_asked_at_length(session: Path) -> None:
    (answer,) = raw(session, json.dumps({"op": "x" * 10**6}).encode() + b"\n")
    assert len(answer["error"]) < 200


def test_a_wait_for_more_ends_with_the_first_byte_of_it(session: Path) -> None:
    answers: list[dict[str, Any]] = []
    waiter = threading.Thread(target=lambda: answers.append(ask(session, "more", offset=0)))
    waiter.start()
    assert ask(session, "type", hex=b"hello\n".hex())["offset"] == 0
    waiter.join()
    assert not answers[0]["ended"]
    assert answers[0]["bytes"] > 0
    assert ask(session, "more", offset=0, timeout_s=30)["bytes"] > 0


def test_a_wait_is_over_in_time(session: Path) -> None:
    for op, fields in (("more", {"offset": 10**9}), ("quiet", {"settle_s": 10**6}), ("end", {})):
        answer = ask(session, op, timeout_s=0.05, **fields)
        assert answer["timeout"]
        assert not answer["ended"]


def test_a_wait_for_quiet_is_for_quiet(start: Start) -> None:
    directory = start("sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done; sleep 600")
    assert ask(directory, "quiet", settle_s=0.5)["bytes"] == len(b"1\r\n" * 5)
    assert ask(directory, "quiet", settle_s=0.01)["ended"] is False


def test_a_wait_for_more_ends_with_the_session(start: Start) -> None:
    directory = start("sh", "-c", "read go; exit 5")
    answers: list[dict[str, Any]] = []

    def wait(op: str, **fields: Any) -> None:
        answers.append(ask(directory, op, **fields))

    waiters = [
        threading.Thread(target=wait, args=("more",), kwargs={"offset": 10**6}),
        threading.Thread(target=wait, args=("quiet",), kwargs={"settle_s": 600}),
    ]
    for waiter in waiters:
        waiter.start()
    ask(directory, "type", hex=b"\n".hex())
    for waiter in waiters:
        waiter.join()
    assert [(answer["ended"], answer["code"]) for answer in answers] == [(True, 5)] * 2


def test_who_stops_waiting_is_forgotten(session: Path) -> None:
    for _ in range(20):
        with dial.connect(session, "control.sock") as sock:
            sock.sendall(b'{"op":"end"}\n')
    sockets = Path(f"/proc/{json.loads((session / 'meta.json').read_text())['pid']}/fd")
    wait_for(lambda: len(os.listdir(sockets)) < 20)
    with pytest.raises(Failed, match="does not answer"):
        dial.request(session, "end", 0.05)


def test_who_is_attached_can_be_parted(session: Path) -> None:
    one, two = dial.attach(session), dial.attach(session)
    watcher = dial.attach(session, interactive=False)
    try:
        assert ask(session, "status")["attached"] == 2
        assert ask(session, "status")["watching"] == 1
        assert ask(session, "detach")["detached"] == 2
        wait_for(lambda: one.read() is None and two.read() is None)
        assert one.why == two.why == "detached"
        assert watcher.read() == b""
        assert ask(session, "status")["attached"] == 0
        found = [row["event"] for row in events(session)]
        assert found.count("attached") == found.count("detached") == 2
    finally:
        for client in (one, two, watcher):
            client.close()


def test_who_only_watches_has_no_say(session: Path) -> None:
    watcher = dial.attach(session, columns=10, rows=10, interactive=False)
    try:
        watcher.write(b"typed\n")
        watcher.resize(20, 20)
        ask(session, "type", hex=b"mine\n".hex())
        said(session, b"mine")
        assert b"typed" not in output(session)
        assert ask(session, "status")["columns"] == 80
    finally:
        watcher.close()


def test_who_attaches_sets_the_size(session: Path) -> None:
    client = dial.attach(session, columns=70, rows=20)
    try:
        assert ask(session, "status")["columns"] == 70
        client.resize(71, 21)
        wait_for(lambda: ask(session, "status")["columns"] == 71)
    finally:
        client.close()


def _private_kb(pid: int) -> int:
    """What a process has of memory that nobody shares with it."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_"))


def test_many_requests_leave_no_memory_behind(session: Path) -> None:
    pid = meta(session).pid
    for _ in range(300):
        ask(session, "status")
    before = _private_kb(pid)
    for _ in range(1000):
        ask(session, "status")
    # As little as 200 bytes of each request would be more.
    assert _private_kb(pid) - before < 100
