"""A program finds a terminal of its own: size, environment, signals, and answers to its questions."""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from looop.errors import Refused
from looop.sessions import dial, seen
from tests.sessions.conftest import Start
from tests.sessions.host.support import ask, end, events, output, said, status
from tests.support.program import wait_for


def typed(directory: Path, data: bytes) -> int:
    return ask(directory, "type", hex=data.hex())["offset"]


def test_the_size_is_there_before_the_program(start: Start) -> None:
    directory = start("stty", "size", columns=132, rows=50)
    assert end(directory).code == 0
    assert output(directory) == b"50 132\r\n"


def test_a_program_hears_of_a_new_size(start: Start) -> None:
    directory = start(
        "bash", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"
    )
    said(directory, b"ready")

    assert ask(directory, "resize", columns=100, rows=33)["columns"] == 100

    said(directory, b"33 100")
    assert [row["columns"] for row in events(directory) if row["event"] == "resized"] == [100]
    wait_for(lambda: status(directory).columns == 100)
    assert (seen.look(directory).columns, seen.look(directory).rows) == (100, 33)
    ask(directory, "resize", columns=100, rows=33)
    assert len([row for row in events(directory) if row["event"] == "resized"]) == 1


@pytest.mark.parametrize("size", [(0, 0), (1, -5), (10**9, 10**9)])
def test_an_impossible_size_is_the_nearest_possible_one(
    start: Start, size: tuple[int, int]
) -> None:
    directory = start("sleep", "600")
    answer = ask(directory, "resize", columns=size[0], rows=size[1])
    assert 2 <= answer["columns"] <= 1000
    assert 1 <= answer["rows"] <= 1000


def test_the_environment_is_as_asked_and_true_of_this_terminal(start: Start) -> None:
    stale = {
        "COLUMNS": "1",
        "LINES": "1",
        "TMUX": "/tmp/x",
        "STY": "1.x",
        "LOOOP_MARK": "m",
        "LOOOP_SUPERVISOR": "1",
    }
    directory = start(
        "env",
        env={"TERM": "dumb", "MINE": "a b\nc", **stale},
        id_variable="WHO",
        generation_variable="GEN",
    )
    end(directory)
    lines = output(directory).decode().replace("\r\n", "\n")
    assert "TERM=xterm-256color\n" in lines
    assert "COLORTERM=truecolor\n" in lines
    assert "MINE=a b\nc\n" in lines
    assert "WHO=one\nGEN=g1\n" in lines
    assert not any(f"{name}=" in lines for name in stale)
    assert set(json.loads((directory / "meta.json").read_text())["env_names"]) >= {"MINE", "PATH"}
    assert "a b" not in (directory / "meta.json").read_text(), "values may be secrets"


def test_a_terminal_that_was_asked_for_is_kept(start: Start) -> None:
    directory = start("env", env={"TERM": "vt220", "COLORTERM": "no"})
    end(directory)
    assert b"TERM=vt220\r\n" in output(directory)
    assert b"COLORTERM=no\r\n" in output(directory)


def test_names_that_are_no_text_arrive_as_they_are(start: Start, tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    (tmp_path / odd).mkdir()
    directory = start("sh", "-c", 'printf %s "$ODD" | od -An -tx1; pwd | od -An -tx1', odd,
                      cwd=tmp_path / odd, env={"ODD": odd})  # fmt: skip
    end(directory)
    assert output(directory).count(b"ff fe") == 2
    assert seen.look(directory).state == "exited", "and the records can be read"


def test_a_program_inherits_nothing_but_its_terminal(start: Start) -> None:
    script = (
        "import os, signal; print(sorted(os.listdir('/proc/self/fd'))[:3], "
        "len(os.listdir('/proc/self/fd')), os.getpid() == os.getsid(0) == os.getpgrp() == "
        "os.tcgetpgrp(0), os.ttyname(0) == os.ttyname(2), oct(os.umask(0)))\n"
        "print([n for n in range(1, 32) if n not in (9, 19) and signal.getsignal(n) is "
        "signal.SIG_IGN and n not in (13, 25)], signal.pthread_sigmask(0, []))"
    )
    before = os.umask(0o027)
    read, write = os.pipe()
    os.set_inheritable(write, True)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    old = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        directory = start(sys.executable, "-c", script)
    finally:
        os.umask(before)
        os.close(read)
        os.close(write)
        signal.signal(signal.SIGQUIT, old)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    assert end(directory).code == 0
    # One more is the directory that it lists.
    assert output(directory) == b"['0', '1', '2'] 4 True True 0o27\r\n[] set()\r\n"


def test_what_is_typed_arrives_as_it_is(start: Start) -> None:
    directory = start("sh", "-c", "stty raw -echo; echo ready; head -c 300000 | sha256sum; cat")
    said(directory, b"ready")
    assert not ask(directory, "status")["canonical"]
    data = bytes(range(256)) * 1172

    offset = typed(directory, data[:300000])

    assert offset == len(output(directory)[:offset])
    said(directory, hashlib.sha256(data[:300000]).hexdigest().encode())


def test_lines_are_known_to_be_collected(start: Start) -> None:
    directory = start("cat")
    assert ask(directory, "status")["canonical"]
    typed(directory, "grün\x7f\x7f\x7f\x7fweiß\n".encode())
    # Erasing takes characters, not bytes, or half a character would be left.
    assert said(directory, b"wei\xc3\x9f\r\n").decode()


def test_input_that_nobody_reads_is_refused_in_the_end(start: Start) -> None:
    directory = start("sh", "-c", "stty raw -echo; echo ready; sleep 600")
    said(directory, b"ready")
    typed(directory, bytes(1 << 20))
    with pytest.raises(Refused, match="does not read"):
        typed(directory, bytes(1 << 19))
    assert ask(directory, "status")["waiting"] > 1 << 19


def test_an_attached_client_that_types_too_much_is_told_and_nothing_is_lost(
    start: Start, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "go")
    directory = start(
        "sh", "-c", "stty raw -echo; echo ready; read go < go; head -c 3000000 | sha256sum"
    )
    said(directory, b"ready")
    client = dial.attach(directory)
    data = os.urandom(3_000_000)
    sent, refused = 0, 0
    try:
        while sent < len(data):
            try:
                client.write(data[sent : sent + 60_000])
            except Refused:
                if not refused:
                    # Only now does anyone read.
                    (tmp_path / "go").write_text("\n")
                refused += 1
                client.read()
            else:
                sent += 60_000
        assert refused
        digest = hashlib.sha256(data).hexdigest().encode()
        wait_for(lambda: (client.read() or b"") and digest in output(directory))
    finally:
        client.close()


ASKS = r"""
import os, sys, termios, tty
tty.setraw(0)
asked = [(b'\x1b[c', b'c'), (b'\x1b[>c', b'c'), (b'\x1b[5n', b'n'), (b'\x1b[6n', b'R'),
         (b'\x1b[?2026$p', b'y'), (b'\x1b]10;?\x07', b'\\'), (b'\x1b]11;?\x1b\\', b'\\'),
         (b'\x1b[?u', b'u'), (b'\x1b[>0q', b'\\'), (b'\x1b[14t', b't'), (b'\x1b[18t', b't')]
for query, last in asked:
    for i in range(len(query)):
        os.write(1, query[i:i + 1])
    answer = b''
    while not answer.endswith(last):
        answer += os.read(0, 1)
    os.write(1, repr(answer).encode().replace(b'\\x1b', b'E') + b' ')
os.write(1, b'done.')
import select
assert not select.select([0], [], [], 0.2)[0], 'answered twice'
os.write(1, b'once.')
"""


def test_a_program_that_asks_everything_of_its_terminal_is_answered(start: Start) -> None:
    directory = start(sys.executable, "-c", ASKS, columns=90, rows=30)
    out = said(directory, b"once.").decode()
    for answer in ("'E[?62;22c'", "'E[0n'", "'E[1;1R'", "'E[?0u'", "'E[8;30;90t'", "looop"):
        assert answer in out


def test_a_client_with_a_terminal_answers_itself(start: Start) -> None:
    directory = start(
        "sh", "-c", "stty raw -echo; echo ready; read go; printf 'ask\\033[6nasked'; cat -v"
    )
    said(directory, b"ready")
    client = dial.attach(directory)
    watcher = dial.attach(directory, interactive=False)
    try:
        client.write(b"\n")
        said(directory, b"asked")
        came = b""
        while b"asked" not in came:
            came += client.read() or b""
        assert b"\x1b[6n" in came
        client.write(b"mine.")
        assert b"R" not in said(directory, b"mine.").partition(b"asked")[2]
    finally:
        client.close()
        watcher.close()
    wait_for(lambda: ask(directory, "status")["attached"] == 0)
    again = dial.attach(directory, since=0)
    try:
        came = b""
        while b"mine." not in came:
            came += again.read() or b""
        # It is a question of the past; a terminal ignores what is there instead.
        assert b"ask\0\0\0\0asked" in came
    finally:
        again.close()


def test_a_question_that_is_half_said_goes_to_whoever_attaches(start: Start) -> None:
    directory = start(
        "sh", "-c", "stty raw -echo; printf 'half\\033['; read go; printf '6nwhole'; cat"
    )
    said(directory, b"half\x1b[")
    client = dial.attach(directory)
    try:
        client.write(b"\n")
        came = b""
        while b"whole" not in came:
            came += client.read() or b""
        assert came.startswith(b"\x1b[6n")
    finally:
        client.close()


def test_the_state_of_the_screen_is_known(start: Start) -> None:
    directory = start(
        "sh", "-c", "printf '\\033[?2004h\\033[?1049h\\033[?1h\\033]0;at work\\007ready'; cat"
    )
    said(directory, b"ready")
    found = ask(directory, "status")
    assert found["paste"]
    assert found["alternate"]
    assert found["cursor_keys"]
    assert found["title"] == "at work"
    assert found["quiet_s"] >= 0


def test_work_is_seen_as_processor_time(start: Start) -> None:
    directory = start("sh", "-c", "while :; do :; done")
    wait_for(lambda: ask(directory, "status")["cpu_s"] > 0.1)
