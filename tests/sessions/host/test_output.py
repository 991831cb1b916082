"""Every byte that a program wrote is in the log, whatever anyone else does or does not."""

import contextlib
import ctypes
import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from looop.sessions import dial, seen, spawn
from looop.sessions.dial import Connection
from looop.sessions.host import rawlog
from tests.sessions.conftest import Start
from tests.sessions.host.support import ask, end, events, meta, output, said, status
from tests.support.program import wait_for

FLOOD = 8_000_000


def everything(connection: Connection) -> bytes:
    """All output until a connection is over."""
    os.set_blocking(connection.fileno(), True)
    try:
        pieces: list[bytes] = []
        while (data := connection.read()) is not None:
            pieces.append(data)
        return b"".join(pieces)
    finally:
        connection.close()


def test_a_flood_is_kept_to_the_byte(start: Start) -> None:
    one = start("sh", "-c", "stty -opost; seq 1 500000", name="one")
    # Without echo, because what is random asks questions, and the answers would be shown.
    two = start(
        "sh",
        "-c",
        f"stty raw -echo; head -c {FLOOD} /dev/urandom | tee kept",
        name="two",
    )

    assert end(one).code == 0
    assert output(one) == b"".join(b"%d\n" % number for number in range(1, 500001))
    assert status(one).bytes == len(output(one))
    assert end(two).code == 0
    kept = (Path(meta(two).cwd) / "kept").read_bytes()
    assert len(kept) == FLOOD
    assert hashlib.sha256(output(two)).digest() == hashlib.sha256(kept).digest()


@pytest.mark.parametrize("batch", range(4))
def test_the_last_words_are_kept_every_time(batch: int, start: Start, tmp_path: Path) -> None:
    """The end of a program and the end of its output are two things, and come in any order."""
    lines = b"".join(b"%d\r\n" % number for number in range(1, 2001))
    zygote = tmp_path / "zygote"
    spawn.start_zygote(zygote, version="1")
    names = [f"{batch}-{number}" for number in range(50)]
    found = [start("seq", "1", "2000", name=name, zygote=zygote) for name in names]
    assert all(end(directory).code == 0 for directory in found)
    assert all(output(directory) == lines for directory in found)


def test_output_of_what_a_command_left_behind_is_kept_too(start: Start) -> None:
    directory = start("sh", "-c", "trap '' HUP; (sleep 0.2; echo late) & echo early")

    assert end(directory).code == 0
    assert output(directory) == b"early\r\nlate\r\n"


def test_a_client_that_never_reads_holds_up_nobody(start: Start) -> None:
    directory = start("sh", "-c", f"stty -opost; read go; head -c {FLOOD} /dev/zero; read go")
    stuck = [dial.attach(directory, interactive=False) for _ in range(3)]
    reader = dial.attach(directory, interactive=False)
    try:
        ask(directory, "type", hex=b"\n".hex())
        assert not ask(directory, "more", offset=FLOOD)["ended"]
        assert ask(directory, "status")["watching"] == 4
        ask(directory, "type", hex=b"\n".hex())
        assert everything(reader).count(b"\0") == FLOOD
        assert reader.why == "ended"
        assert reader.ending is not None
        assert reader.ending.code == 0
        # They miss nothing either: what the supervisor did not wait for is in the log.
        assert all(everything(client).count(b"\0") == FLOOD for client in stuck)
        assert all(client.why == "ended" for client in stuck)
    finally:
        for client in (*stuck, reader):
            client.close()


def test_many_clients_see_the_same(start: Start) -> None:
    directory = start("sh", "-c", "stty -opost -echo; echo ready; read go; seq 1 20000")
    said(directory, b"ready")
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(contextlib.closing(dial.attach(directory, interactive=False)))
            for _ in range(60)
        ]
        ask(directory, "type", hex=b"\n".hex())
        whole = b"".join(b"%d\n" % number for number in range(1, 20001))
        for client in clients:
            assert everything(client).replace(b"\r", b"").lstrip() == whole


def test_more_clients_than_there_is_room_for_wait_their_turn(start: Start) -> None:
    directory = start("sleep", "600")
    with contextlib.ExitStack() as stack:
        clients = [dial.attach(directory, interactive=False) for _ in range(256)]
        for client in clients:
            stack.enter_context(contextlib.closing(client))
        with dial.connect(directory, "control.sock") as late:
            late.settimeout(0.2)
            late.sendall(b'{"op": "status"}\n')
            with pytest.raises(TimeoutError):
                late.recv(100)
            clients[7].close()
            late.settimeout(20)
            assert late.recv(100).startswith(b'{"v":1,"ok":true')


def test_a_full_log_gives_up_its_oldest_and_says_so(start: Start) -> None:
    directory = start(
        "sh",
        "-c",
        "stty -opost; head -c 3000000 /dev/zero",
        segment_bytes=300_000,
        kept_segments=3,
    )

    assert end(directory).bytes == 3_000_000
    found = rawlog.segments(str(directory))
    assert len(found) == 3
    gaps = [row for row in events(directory) if row["event"] == "gap"]
    assert gaps[0]["start"] == 0
    assert [row["end"] for row in gaps[:-1]] == [row["start"] for row in gaps[1:]]
    assert gaps[-1]["end"] == found[0][0]
    assert rawlog.read(str(directory), 0, 10) == (found[0][0], bytes(10))


def test_a_late_client_is_told_where_the_output_begins(start: Start) -> None:
    directory = start(
        "sh",
        "-c",
        "stty -opost; head -c 3000000 /dev/zero; read go",
        segment_bytes=300_000,
        kept_segments=2,
    )
    ask(directory, "more", offset=2_999_999)
    with contextlib.closing(dial.attach(directory, since=0, interactive=False)) as client:
        wait_for(lambda: client.read())
        assert 2_000_000 < client.offset <= 3_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, where this user may have one."""
    disk = tmp_path / "sessions"
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(disk), b"tmpfs", 0, b"size=1m") != 0:
        pytest.skip(f"no disk can be mounted: {os.strerror(ctypes.get_errno())}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), open(disk / ".fill", "wb", buffering=0) as handle:
        while True:
            handle.write(bytes(4096))


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_makes_the_program_wait_and_loses_nothing(start: Start, tmp_path: Path) -> None:
    disk = tmp_path / "sessions"
    directory = start("sh", "-c", "stty -opost; read go; seq 1 100000")
    fill(disk)
    ask(directory, "type", hex=b"\n".hex())
    wait_for(lambda: status(directory).stalled)
    assert status(directory).stalled == "No space left on device"
    assert seen.look(directory).stalled
    stalled = ask(directory, "status")
    assert stalled["stalled"]
    assert stalled["running"], "it waits for the terminal to take its output"

    (disk / ".fill").unlink()

    assert end(directory).code == 0
    whole = b"".join(b"%d\n" % number for number in range(1, 100001))
    assert output(directory).replace(b"\r", b"").lstrip() == whole
    assert not status(directory).stalled


@pytest.mark.usefixtures("small_disk")
def test_a_kill_does_not_wait_for_a_full_disk_for_ever(start: Start, tmp_path: Path) -> None:
    directory = start("sh", "-c", "stty -opost; read go; seq 1 100000")
    fill(tmp_path / "sessions")
    ask(directory, "type", hex=b"\n".hex())
    wait_for(lambda: status(directory).stalled)

    assert ask(directory, "kill")["killed"]

    assert status(directory).state == "killed"
    assert "bytes of output were lost: No space left" in status(directory).reason
    assert not seen.alive(directory)


def test_a_file_that_may_not_grow_is_like_a_full_disk(start: Start) -> None:
    """Where nothing can be mounted: the limit of a process on the size of its files."""
    directory = start("sh", "-c", "stty -opost; read go; seq 1 100000")
    pid = meta(directory).pid
    subprocess.run(["prlimit", "--pid", str(pid), "--fsize=65536:unlimited"], check=True)
    ask(directory, "type", hex=b"\n".hex())
    wait_for(lambda: status(directory).stalled)
    assert "too large" in status(directory).stalled
    assert rawlog.size(str(directory)) == 65536

    subprocess.run(["prlimit", "--pid", str(pid), "--fsize=unlimited:unlimited"], check=True)

    assert end(directory).code == 0
    whole = b"".join(b"%d\n" % number for number in range(1, 100001))
    assert output(directory).replace(b"\r", b"").lstrip() == whole


def test_a_journal_that_cannot_be_written_stops_nothing(start: Start) -> None:
    directory = start("true", name="one")
    end(directory)
    (directory / "log.jsonl").unlink()
    (directory / "log.jsonl").mkdir()

    start("echo", "still here", generation="g2")

    assert end(directory).state == "exited"
    assert output(directory) == b"still here\r\n"


def test_a_program_that_closes_its_terminal_is_not_over(start: Start) -> None:
    directory = start(
        "sh",
        "-c",
        "echo before; exec >/dev/null 2>&1 </dev/null; sleep 0.3; echo after > /dev/tty; sleep 600",
    )

    said(directory, b"after")

    assert ask(directory, "status")["running"]
    assert output(directory) == b"before\r\nafter\r\n"
    os.kill(status(directory).pid, signal.SIGKILL)
    assert end(directory).signal == signal.SIGKILL
