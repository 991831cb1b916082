"""Children: every way to end, and nothing left behind."""

import asyncio
import contextlib
import os
import secrets
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from looop.kit import proc
from looop.kit.child import Done, End, Limits
from tests.support.fakeclock import FakeClock

ENV = {"PATH": os.environ["PATH"]}
# Long enough that no machine is so slow; a test that waits for it has failed.
LONG_S = 50.0


@pytest.fixture
def mark() -> str:
    return f"test-{secrets.token_hex(6)}-"


@pytest.fixture(autouse=True)
def nothing_is_left(mark: str) -> Iterator[None]:
    """No child of ours lives on, not even as a zombie, and no descriptor stays open."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    left = proc.marked(mark)
    proc.sweep(mark)
    assert not left
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert set(os.listdir("/proc/self/fd")) <= before


def run(*argv: str, limits: Limits | None = None, env: Mapping[str, str] = ENV, **how: Any) -> Done:
    how.setdefault("cwd", Path("/"))
    limits = limits or Limits(wall_s=LONG_S)
    return asyncio.run(proc.run(argv, env=env, limits=limits, **how))


def shell(script: str, **how: Any) -> Done:
    return run("/bin/sh", "-c", script, **how)


def python(script: str, *args: str, **how: Any) -> Done:
    return run(sys.executable, "-u", "-S", "-c", script, *args, **how)


def ended(pid: int) -> bool:
    """Whether that process has ended; waits for it, because a kill takes a moment."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], 5.0)[0])
    finally:
        os.close(fd)


# -- how it ended --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 3, 126, 143, 255])
def test_an_exit_code_is_an_exit_code_even_when_it_looks_like_a_signal(code: int) -> None:
    done = shell(f"exit {code}")
    assert (done.end, done.code, done.signal) == (End.EXITED, code, None)
    assert done.ok is (code == 0)
    assert done.took_s >= 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_is_a_signal(number: signal.Signals) -> None:
    done = shell(f"kill -{number.value} $$")
    assert (done.end, done.code, done.signal) == (End.EXITED, None, number)
    assert done.shell_code == 128 + number


def test_both_outputs_are_kept_apart() -> None:
    done = shell("printf out; printf err >&2")
    assert (done.out, done.err, done.out_total) == (b"out", b"err", 3)


def test_merged_outputs_come_in_the_order_they_were_written() -> None:
    done = shell("printf 1; printf 2 >&2; printf 3", merge=True)
    assert (done.out, done.err) == (b"123", b"")


def test_output_that_is_no_text_comes_through_unchanged() -> None:
    done = shell(r"printf '\377\376\000\200'")
    assert done.out == b"\xff\xfe\0\x80"


def test_the_child_runs_where_and_with_what_it_is_told(tmp_path: Path) -> None:
    done = shell('pwd; printf "%s" "$A$HOME"', cwd=tmp_path, env={**ENV, "A": "b\nc"})
    assert done.out.decode() == f"{tmp_path}\nb\nc"


class Talk:
    """A child says `words` lines and waits for an answer to each, so that none comes late."""

    def __init__(self, fifo: Path, words: int, answer: Callable[[], None]) -> None:
        os.mkfifo(fifo)
        again = " ".join("x" * words)
        self.script = f"exec 3<>{fifo}; for i in {again}; do echo $i; read y <&3; done"
        self.seen: list[bytes] = []
        self._fifo = fifo
        self._answer = answer

    def note(self, chunk: bytes) -> None:
        self.seen.append(chunk)
        self._answer()
        self._fifo.write_bytes(b"go\n")


def test_every_chunk_is_seen_as_it_comes(tmp_path: Path) -> None:
    talk = Talk(tmp_path / "fifo", 3, lambda: None)
    done = shell(talk.script, on_out=talk.note)
    assert done.ok
    assert talk.seen == [b"x\n"] * 3


# -- stdin ---------------------------------------------------------------------------------------


def test_without_input_a_reader_sees_the_end_at_once() -> None:
    done = shell("cat; printf done")
    assert (done.end, done.out) == (End.EXITED, b"done")


def test_input_comes_from_a_file_however_large(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt"
    prompt.write_bytes(b"x" * 300_000)
    done = shell("wc -c", stdin=prompt)
    assert int(done.out) == 300_000


def test_a_child_may_ignore_its_input(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt"
    prompt.write_bytes(b"x" * 300_000)
    assert shell("exit 0", stdin=prompt).ok


# -- deadlines -------------------------------------------------------------------------------------


def test_a_deadline_ends_the_child_politely() -> None:
    done = shell(
        "trap 'printf bye; exit 7' TERM; printf hi; while :; do sleep 0.01; done",
        limits=Limits(wall_s=0.3, grace_s=LONG_S),
    )
    assert (done.end, done.code) == (End.DEADLINE, 7)
    assert done.out == b"hibye"
    assert done.shell_code == 124


def test_a_child_that_ignores_the_polite_word_is_killed() -> None:
    done = python(
        "import signal,time; signal.signal(15, signal.SIG_IGN); print('hi'); time.sleep(600)",
        limits=Limits(wall_s=0.4, grace_s=0.1),
    )
    assert (done.end, done.code, done.signal) == (End.DEADLINE, None, signal.SIGKILL)


def test_the_polite_word_can_be_another_signal() -> None:
    done = shell(
        "trap 'exit 9' INT; while :; do sleep 0.01; done",
        limits=Limits(wall_s=0.2, grace_s=LONG_S),
        stop_signal=signal.SIGINT,
    )
    assert (done.end, done.code) == (End.DEADLINE, 9)


def test_a_child_that_closed_its_outputs_still_has_a_deadline() -> None:
    done = shell("exec >&- 2>&-; sleep 600", limits=Limits(wall_s=0.2, grace_s=LONG_S))
    assert (done.end, done.signal) == (End.DEADLINE, signal.SIGTERM)


def test_silence_ends_a_child_that_has_time_left() -> None:
    done = shell("printf hi; sleep 600", limits=Limits(wall_s=LONG_S, silence_s=0.2))
    assert (done.end, done.out) == (End.SILENT, b"hi")


def test_silence_is_counted_from_the_last_word(tmp_path: Path) -> None:
    clock = FakeClock()
    talk = Talk(tmp_path / "fifo", 5, lambda: clock.forward(LONG_S - 1))
    done = shell(talk.script, on_out=talk.note, limits=Limits(silence_s=LONG_S), clock=clock)
    assert done.ok
    assert done.took_s == pytest.approx(5 * (LONG_S - 1))


def test_zero_means_no_deadline() -> None:
    assert shell("sleep 0.05", limits=Limits()).ok


# -- size ----------------------------------------------------------------------------------------


def test_output_that_never_ends_is_stopped_while_it_runs() -> None:
    done = run("yes", limits=Limits(wall_s=LONG_S, out_bytes=1000, stop_when_large=True))
    assert done.end is End.TOO_LARGE
    assert done.out == b"y\n" * 500
    assert done.out_total > 1000


def test_too_much_output_of_a_child_that_has_ended_is_too_large_as_well() -> None:
    limits = Limits(wall_s=LONG_S, out_bytes=10, stop_when_large=True)
    done = shell("printf 12345678901", limits=limits)
    assert (done.end, done.out, done.out_total) == (End.TOO_LARGE, b"1234567890", 11)
    assert shell("printf 1234567890", limits=limits).end is End.EXITED


def test_else_the_tail_of_the_output_is_kept_and_all_of_it_is_counted() -> None:
    done = python(
        "import sys; [sys.stdout.write(f'{n:06}\\n') for n in range(60_000)]; sys.exit(2)",
        limits=Limits(wall_s=LONG_S, out_bytes=21, err_bytes=5),
    )
    assert (done.end, done.code) == (End.EXITED, 2)
    assert done.out == b"059997\n059998\n059999\n"
    assert done.out_total == 420_000


def test_the_tail_of_the_errors_is_kept() -> None:
    done = shell("printf 0123456789 >&2", limits=Limits(wall_s=LONG_S, err_bytes=4))
    assert done.err == b"6789"


def stop_when_ready(chunk: bytes) -> bool:
    return b"ready" in chunk


def test_a_listener_can_stop_the_child() -> None:
    done = shell(
        "printf ready; sleep 600",
        limits=Limits(wall_s=LONG_S),
        on_out=stop_when_ready,
    )
    assert (done.end, done.signal, done.out) == (End.STOPPED, signal.SIGTERM, b"ready")


# -- what it leaves ------------------------------------------------------------------------------


def test_a_grandchild_that_holds_the_output_open_does_not_delay_the_end(
    tmp_path: Path, mark: str
) -> None:
    """The grandchild waits on a FIFO that nobody opens before the run is over."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # Left alive on purpose: its own session, and the mark is not that of the run.
    hold = "import sys; open(sys.argv[1]).read(); print('late')"
    script = (
        f"import subprocess,sys; p=subprocess.Popen([sys.executable,'-u','-S','-c',{hold!r},"
        "sys.argv[1]],start_new_session=True); open(sys.argv[1]+'.pid','w').write(str(p.pid))"
    )
    done = python(script, str(fifo), env={**ENV, **proc.mark_variable(mark)})
    pid = int(Path(f"{fifo}.pid").read_text())
    try:
        assert (done.end, done.code) == (End.EXITED, 0)
        assert b"late" not in done.out
        assert list(proc.marked(mark)) == [pid], "it lives, and holds the pipe"
    finally:
        os.kill(pid, signal.SIGKILL)
        assert ended(pid)


def test_what_is_left_of_the_group_is_gone_after_a_normal_end() -> None:
    done = shell("sleep 600 & printf %s $!")
    assert done.ok
    assert ended(int(done.out))


def test_what_is_left_of_the_group_is_gone_after_a_deadline() -> None:
    done = shell(
        "sleep 600 & echo $!; sleep 600 & echo $!; wait",
        limits=Limits(wall_s=0.3, grace_s=LONG_S),
    )
    assert done.end is End.DEADLINE
    pids = [int(word) for word in done.out.split()]
    assert len(pids) == 2
    assert all(ended(pid) for pid in pids)


ESCAPE = (
    "import os,sys,time\n"
    "r,w = os.pipe()\n"
    "if os.fork():\n"
    "    os.close(w); os.read(r,1); os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "print(os.getpid()); os.close(1); os.close(2); os.write(w,b'x'); time.sleep(600)\n"
)


def test_descendants_in_sessions_of_their_own_are_found_by_their_mark(mark: str) -> None:
    done = python(ESCAPE, mark=mark)
    assert done.ok
    assert ended(int(done.out))
    assert not proc.marked(mark)


def test_a_sweep_ends_exactly_what_carries_the_mark(mark: str) -> None:
    import subprocess

    def child(value: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(["sleep", "600"], env={**ENV, **proc.mark_variable(value)})

    mine, other = child(f"{mark}1"), child(f"x{mark}")
    try:
        assert proc.marked(mark) == {mine.pid: f"{mark}1"}
        assert proc.sweep(mark) == 1
        assert mine.wait() == -signal.SIGKILL
        assert other.poll() is None
        assert proc.sweep(mark) == 0
    finally:
        other.kill()
        other.wait()
        mine.kill()
        mine.wait()


def test_the_mark_is_the_runs_and_not_one_that_was_inherited(mark: str) -> None:
    done = shell(f'printf %s "${proc.MARK}"', mark=f"{mark}in", env={**ENV, proc.MARK: "other"})
    assert done.out.decode() == f"{mark}in"


# -- what cannot be started ------------------------------------------------------------------------


def lay_no_exec_bit(path: Path) -> None:
    path.write_text("#!/bin/sh\nexit 0\n")


def lay_no_shebang(path: Path) -> None:
    path.write_text("exit 0\n")
    path.chmod(0o755)


def lay_missing_interpreter(path: Path) -> None:
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)


def lay_directory(path: Path) -> None:
    path.mkdir()


def lay_nothing(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    "lay",
    [lay_nothing, lay_no_exec_bit, lay_no_shebang, lay_missing_interpreter, lay_directory],
)
def test_what_cannot_be_started_is_told_and_not_raised(
    tmp_path: Path, lay: Callable[[Path], None]
) -> None:
    program = tmp_path / "program"
    lay(program)
    done = run(str(program))
    assert (done.end, done.code, done.signal) == (End.UNSPAWNABLE, None, None)
    assert str(program) in done.why
    assert done.shell_code == 127
    assert not done.ok


def test_a_missing_directory_or_input_is_told_and_not_raised(tmp_path: Path) -> None:
    done = shell("true", cwd=tmp_path / "gone")
    assert done.end is End.UNSPAWNABLE
    assert "gone" in done.why
    done = shell("true", stdin=tmp_path / "no-prompt")
    assert done.end is End.UNSPAWNABLE
    assert "no-prompt" in done.why


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "x" * 3_000_000])
def test_an_argument_that_no_program_can_be_given_is_told_and_not_raised(word: str) -> None:
    done = run("/bin/echo", word)
    assert done.end is End.UNSPAWNABLE
    assert done.why


def test_an_environment_that_no_program_can_be_given_is_told_and_not_raised() -> None:
    assert run("/bin/true", env={"A": "b\0c"}).end is End.UNSPAWNABLE


# -- cancelling ------------------------------------------------------------------------------------


async def cancelled(
    script: str, limits: Limits, *, times: int = 1, **how: Any
) -> tuple[bytes, bool]:
    """Cancel a run, `times` times, once its child has said something; what it said."""
    said: list[bytes] = []
    ready = asyncio.Event()

    def note(chunk: bytes) -> None:
        said.append(chunk)
        ready.set()

    argv = [sys.executable, "-u", "-S", "-c", script]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(
            proc.run(argv, cwd=Path("/"), env=ENV, limits=limits, on_out=note, **how)
        )
        async with asyncio.timeout(LONG_S):
            await ready.wait()
        for _ in range(times):
            task.cancel()
            # Let it get as far as it gets before the next one.
            for _ in range(5):
                await asyncio.sleep(0)
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return b"".join(said), task.cancelled()


PID = "import os,signal,time; "


def test_cancelling_stops_the_child_politely_first(tmp_path: Path) -> None:
    left = tmp_path / "left"
    script = (
        PID + f"signal.signal(15, lambda *a: (open({str(left)!r}, 'w').close(), os._exit(0))); "
        "print(os.getpid()); time.sleep(600)"
    )
    said, was = asyncio.run(cancelled(script, Limits(grace_s=LONG_S)))
    assert was
    assert left.exists()
    assert ended(int(said))


def test_a_second_cancel_ends_the_grace_and_not_the_kill() -> None:
    script = PID + "signal.signal(15, signal.SIG_IGN); print(os.getpid()); time.sleep(600)"
    said, was = asyncio.run(cancelled(script, Limits(grace_s=LONG_S), times=2))
    assert was
    assert ended(int(said))


def test_cancelling_sweeps_what_carries_the_mark(mark: str) -> None:
    script = ESCAPE.replace("os._exit(0)\nos.setsid", "time.sleep(600)\nos.setsid")
    said, was = asyncio.run(cancelled(script, Limits(grace_s=LONG_S), mark=mark))
    assert was
    assert ended(int(said))


# -- over and over ---------------------------------------------------------------------------------


def test_many_runs_leave_no_descriptor_and_no_zombie() -> None:
    async def many() -> tuple[int, int]:
        limits = Limits(wall_s=LONG_S)
        before = 0
        for number in range(50):
            argv = ["/bin/echo", "x"] if number % 5 else ["/no/such/program"]
            await proc.run(argv, cwd=Path("/"), env=ENV, limits=limits)
            if number == 4:
                before = len(os.listdir("/proc/self/fd"))
        return before, len(os.listdir("/proc/self/fd"))

    before, after = asyncio.run(many())
    assert after == before


def test_runs_side_by_side_do_not_disturb_each_other() -> None:
    async def side_by_side() -> list[Done]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    proc.run(
                        ["/bin/sh", "-c", f"printf {n}; exit {n}"],
                        cwd=Path("/"),
                        env=ENV,
                        limits=Limits(wall_s=LONG_S),
                    )
                )
                for n in range(12)
            ]
        return [task.result() for task in tasks]

    results = asyncio.run(side_by_side())
    assert [(done.code, done.out) for done in results] == [(n, str(n).encode()) for n in range(12)]


def test_without_pidfds_the_end_is_noticed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", refuse)
        done = shell("printf hi; sleep 0.05; exit 3")
        assert (done.end, done.code, done.out) == (End.EXITED, 3, b"hi")
        done = shell("sleep 600", limits=Limits(wall_s=0.1))
        assert (done.end, done.signal) == (End.DEADLINE, signal.SIGTERM)


def test_a_child_inherits_nothing_but_its_three_descriptors(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w"):
        done = shell("ls /proc/self/fd")
    # The fourth is that of `ls` itself.
    assert done.out.split() == [b"0", b"1", b"2", b"3"]


def test_without_a_proc_directory_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str) -> list[str]:
        raise FileNotFoundError

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", refuse)
        assert proc.marked("") == {}
        assert proc.sweep("anything") == 0
