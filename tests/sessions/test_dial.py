"""A supervisor is reached wherever it is, and its absence is told from its silence."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from looop.errors import Failed, NotFound, Refused, Unreadable
from looop.sessions import dial, spawn
from looop.sessions.records import Ending
from tests.sessions.conftest import Start
from tests.sessions.host.support import ask, end, meta, output, supervisor_killed
from tests.support.program import wait_for


def test_who_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no session one"):
        dial.request(tmp_path / "one", "status", 5)
    with pytest.raises(NotFound):
        dial.attach(tmp_path / "one")
    (tmp_path / "file").touch()
    with pytest.raises(Unreadable):
        dial.request(tmp_path / "file" / "one", "status", 5)


def test_who_has_ended_or_died_is_refused(start: Start) -> None:
    ended, dead = start("true", name="ended"), start("sleep", "600", name="dead")
    end(ended)
    supervisor_killed(dead)
    for directory in (ended, dead):
        with pytest.raises(Refused, match="has ended"):
            dial.request(directory, "status", 5)
        with pytest.raises(Refused, match="has ended"):
            dial.attach(directory)


def test_who_ends_meanwhile_is_refused(start: Start) -> None:
    """Whatever the moment: between the look and the call, and between the call and the answer."""
    for number in range(8):
        directory = start("true", generation=f"g{number}")
        with contextlib.suppress(Refused):
            while True:
                dial.request(directory, "status", 20)


def test_who_does_not_answer_is_said_so(start: Start) -> None:
    directory = start("sleep", "600")
    os.kill(meta(directory).pid, signal.SIGSTOP)
    with pytest.raises(Failed, match="does not answer"):
        dial.request(directory, "status", 0.1)
    os.kill(meta(directory).pid, signal.SIGCONT)
    assert ask(directory, "status")["running"]


def test_who_dies_while_asked_is_refused(start: Start) -> None:
    directory = start("sleep", "600")
    errors: list[Exception] = []

    def wait() -> None:
        try:
            dial.request(directory, "end", 20)
        except Refused as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    supervisor_killed(directory)
    waiter.join()
    assert "has ended" in str(errors[0])


@contextlib.contextmanager
def impostor(tmp_path: Path, answer: bytes) -> Generator[Path]:
    """Someone who holds the lock, listens, and says whatever it is."""
    directory = tmp_path / "one"
    lock = spawn.reserve(directory)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "control.sock"))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as sock:
                sock.recv(1000)
                with contextlib.suppress(BrokenPipeError):
                    sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield directory
        finally:
            thread.join()
            os.close(lock)


@pytest.mark.parametrize("answer", [b"hello\n", b"[]\n", b"{}\n", b'{"ok": 1}\n', b"\xff\n"])
def test_an_answer_that_makes_no_sense_is_said_so(tmp_path: Path, answer: bytes) -> None:
    with impostor(tmp_path, answer) as directory, pytest.raises(Failed, match="makes no sense"):
        dial.request(directory, "status", 5)


@pytest.mark.parametrize("answer", [b"", b'{"ok": tr', b"x" * (1 << 21)])
def test_half_an_answer_is_none(tmp_path: Path, answer: bytes) -> None:
    with impostor(tmp_path, answer) as directory, pytest.raises(Failed, match="gave no answer"):
        dial.request(directory, "status", 5)


def test_a_refusal_of_another_version_is_still_one(tmp_path: Path) -> None:
    with (
        impostor(tmp_path, b'{"v":9,"ok":false,"error":"no\\u001b[2J\\nway","more":[]}\n') as one,
        pytest.raises(Failed, match=r"session one: no\\x1b\[2J way"),
    ):
        dial.request(one, "status", 5)


def test_an_answer_of_another_version_has_what_it_has(tmp_path: Path) -> None:
    with impostor(tmp_path, b'{"ok":true,"state":"sublimated","new":1}\n') as directory:
        answer = dial.request(directory, "end", 5)
    assert dial.ending(answer) == Ending(ended=False)


def test_one_that_is_about_to_listen_is_waited_for(tmp_path: Path) -> None:
    directory = tmp_path / "one"
    lock = spawn.reserve(directory)
    answers: list[dict[str, object]] = []
    thread = threading.Thread(target=lambda: answers.append(dial.request(directory, "status", 20)))
    thread.start()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "control.sock"))
        listener.listen()
        with listener.accept()[0] as sock:
            sock.recv(1000)
            sock.sendall(b'{"ok":true}\n')
        thread.join()
    os.close(lock)
    assert answers == [{"ok": True}]


def test_one_that_never_listens_is_said_so(tmp_path: Path) -> None:
    lock = spawn.reserve(tmp_path / "one")
    with pytest.raises(Failed, match="does not listen"):
        dial.request(tmp_path / "one", "status", 0.05)
    os.close(lock)


def test_a_long_path_is_reached_without_a_proc_directory(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("cat")
    far = tmp_path / ("x" * 120)
    (tmp_path / "sessions").rename(far)
    assert dial.request(far / "one", "status", 20)["running"]

    def absent(_path: str) -> bool:
        return False

    monkeypatch.setattr(os.path, "exists", absent)
    assert dial.request(far / "one", "status", 20)["running"]


def test_an_ending_is_told(start: Start) -> None:
    directory = start("sh", "-c", "read go; exit 9")
    timeout = dial.ending(ask(directory, "end", timeout_s=0.01))
    assert timeout == Ending(ended=False, timeout=True)
    answers: list[Ending] = []
    waiter = threading.Thread(target=lambda: answers.append(dial.ending(ask(directory, "end"))))
    waiter.start()
    ask(directory, "type", hex=b"\n".hex())
    waiter.join()
    expected = Ending(ended=True, state="exited", code=9, offset=len(output(directory)))
    assert answers == [expected]


def test_a_connection_gives_output_and_then_the_end(start: Start) -> None:
    directory = start("sh", "-c", "stty raw -echo; echo ready; read go; echo $go; exit 4")
    ask(directory, "more", offset=0)
    client = dial.attach(directory, since=0)
    try:
        out = b""
        while b"ready" not in out:
            out += client.read() or b""
        assert client.read() == b""
        client.write(b"typed\n")
        while (data := client.read()) is not None:
            out += data
        assert out == output(directory)
        assert client.offset == len(out)
        assert client.why == "ended"
        assert client.ending == Ending(ended=True, state="exited", code=4, offset=len(out))
        assert client.read() is None
        client.write(b"too late")
        client.resize(10, 10)
    finally:
        client.close()


def test_a_connection_to_one_that_dies_is_lost_after_its_last_words(start: Start) -> None:
    directory = start("sh", "-c", "stty -opost; seq 1 20000; exec sleep 600")
    ask(directory, "quiet", settle_s=0.3)
    client = dial.attach(directory, since=0)
    supervisor_killed(directory)
    out = b""
    while (data := client.read()) is not None:
        out += data
    client.close()
    assert out == output(directory)
    assert client.why == "lost"
    assert client.ending is not None
    assert client.ending.state == "dead"


def test_a_connection_is_readable_exactly_when_it_has_something(start: Start) -> None:
    import select

    directory = start("cat")
    client = dial.attach(directory)
    try:
        assert not select.select([client], [], [], 0)[0]
        client.write(b"x\n")
        assert select.select([client], [], [], 20)[0]
        wait_for(lambda: output(directory) == b"x\r\nx\r\n")
        wait_for(lambda: client.read() == b"" and client.offset == 6)
        assert not select.select([client], [], [], 0)[0]
        ask(directory, "detach")
        wait_for(lambda: client.read() is None)
        assert client.why == "detached"
        assert select.select([client], [], [], 20)[0]
    finally:
        client.close()
