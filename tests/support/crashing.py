"""
Kill a beat at every point at which it writes, and see what the next ones make of it.

A program of its own, because it forks: `python -m tests.support.crashing KIND DIRECTORY`. For
n = 1, 2, ... it lays a profile, lets a child run one beat that is killed (SIGKILL) at its n-th
write, rename or removal, runs three beats more and checks every promise, until a beat
comes to its end. Each write is also cut off half way, for some kinds. Prints what it did, or what was broken.
"""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from looop.loop.beat import End, beat
from looop.loop.sense import discover
from looop.state import memory as memories
from tests.support.leftovers import living
from tests.support.profile import NOOP, Profile, shell_move

__all__ = ["KINDS", "main"]

MARK = "the mark of the move"
EFFECT = 'echo once >> "$SIDE/effect"'
# Far more calls than any beat makes.
_ENOUGH = 500
# Not fsync: a kill there leaves the same files as one at the rename that follows it.
# A write that is cut off half way looks the same whatever the beat was about.
_HALVES = {"noop", "shell", "approval", "recovery"}
_CALLS = ("write", "replace", "unlink", "rename", "mkdir")
_LINE = re.compile(r"- \d{4}-\d\d-\d\d \d\d:\d\d \S.*")


def _shell(profile: Profile) -> None:
    profile.configure(autonomy="trusted")
    profile.decides(shell_move(EFFECT, journal=MARK))


def _goal(profile: Profile) -> None:
    profile.decides({"action": "write_goal", "id": "ours", "body": "goal: x", "journal": MARK})


def _held(profile: Profile) -> None:
    profile.decides(shell_move(EFFECT, journal=MARK))


def _held_before(profile: Profile) -> None:
    profile.decides(shell_move(EFFECT, journal=MARK))
    assert profile.beat().kind == "held"
    (profile.data / "journal.md").unlink()
    profile.decides(NOOP | {"journal": MARK})


def _approval(profile: Profile) -> None:
    _held_before(profile)
    profile.answer("loop-1", "yes")


def _denial(profile: Profile) -> None:
    _held_before(profile)
    profile.answer("loop-1", "no, never")


def _expiry(profile: Profile) -> None:
    profile.configure(approval_ttl=100)
    _held_before(profile)
    profile.clock.forward(100)


def _asks(profile: Profile) -> None:
    profile.decides({"action": "ask_human", "prompt": "which colour?", "journal": MARK})


def _answered(profile: Profile) -> None:
    profile.decides({"action": "ask_human", "prompt": "which colour?"})
    profile.beat()
    (profile.data / "journal.md").unlink()
    profile.answer("loop-1", "blue")
    profile.decides(NOOP | {"journal": MARK})


def _failing(profile: Profile) -> None:
    profile.breaks()


def _noop(profile: Profile) -> None:
    profile.decides(NOOP | {"journal": MARK})


def _reflex(profile: Profile) -> None:
    profile.configure(autonomy="trusted")
    profile.reading("hot", 2)
    profile.reflexes(
        '[[reflex]]\nname = "hot"\nwhen = "sensors.hot.signal > 1"\n[reflex.do]\n'
        f"action = 'run_shell'\ncmd = '{EFFECT}'\njournal = '{MARK}'\n"
    )


def _recovery(profile: Profile) -> None:
    """A beat that was killed while its command ran; the beat under test is the one after it."""
    _shell(profile)
    profile.decides(shell_move(f"{EFFECT}; kill -9 $PPID; exec sleep 600", journal=MARK))
    assert _in_child(profile) == "itself"
    profile.decides(NOOP | {"journal": MARK})


KINDS: dict[str, Callable[[Profile], None]] = {
    "noop": _noop,
    "shell": _shell,
    "goal": _goal,
    "held": _held,
    "approval": _approval,
    "denial": _denial,
    "expiry": _expiry,
    "asks": _asks,
    "answered": _answered,
    "failing": _failing,
    "reflex": _reflex,
    "recovery": _recovery,
}


def _arm(nth: int, calls: Path, *, half: bool) -> None:
    """
    From now on the n-th of these calls ends this process, before it is made or half way through.

    The last call that was made is noted in `calls`.
    """
    count = 0
    note = os.open(calls, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
    for name in _CALLS:
        real = getattr(os, name)

        def call(*args: Any, real: Any = real, name: str = name, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == nth:
                if half:
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.pwrite(note, name.encode(), 0)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        setattr(os, name, call)


def _in_child(profile: Profile, nth: int = 0, *, half: bool = False) -> str:
    """One beat in a child; the call at which it was killed, or an empty string."""
    profile.clock.forward(1)
    calls = profile.base / "calls"
    pid = os.fork()
    if pid == 0:
        if nth:
            _arm(nth, calls, half=half)
        try:
            asyncio.run(beat(profile.parts))
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - the parent must hear of it
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), code
    return (calls.read_text() if nth else "itself") if code else ""


class _Check:
    """What was promised, looked at after a crash and three more beats."""

    def __init__(self, profile: Profile, kind: str, killed: set[Path]) -> None:
        self.profile = profile
        self.kind = kind
        self.lines = (profile.data / "journal.md").read_text().splitlines()
        self.marks = sum(_LINE.fullmatch(x) is not None and x.endswith(MARK) for x in self.lines)
        self.marks += sum(f"{MARK} (approved as loop-1)" in line for line in self.lines)
        cut = [x for x in self.lines if "interrupted · {" in x and x.endswith("}")]
        # The beat that recovers may be killed in a move of its own, which is another one.
        self.cut = sum(kind != "recovery" or "echo once" in line for line in cut)
        self.effects = profile.effect().count("once")
        # What the beat that was killed had been told counts only if its decision does.
        prompts = set(profile.paths.runs.glob("*/prompt.md")) - (set() if self.marks else killed)
        self.prompts = "".join(path.read_text() for path in sorted(prompts))

    def everything(self, ends: list[End], *, half: bool) -> None:
        profile = self.profile
        assert all(end.kind != "blind" for end in ends), ends
        assert ends[-1].kind == "rested", ends
        assert memories.load(profile.paths).fails == 0
        assert profile.store.runs.unfinished() == []
        self.logs(half=half)
        self.records()
        self.move()

    def logs(self, *, half: bool) -> None:
        torn = [line for line in self.lines if not _LINE.fullmatch(line)]
        assert half or not torn, torn
        assert len(torn) <= 1, torn
        rows = [row["seq"] for row in self.profile.store.events.since(0)]
        assert rows == sorted(set(rows)), "sequence numbers repeat"

    def records(self) -> None:
        profile = self.profile
        goals, strange = profile.store.documents.goal_ids()
        assert (set(goals) <= {"ours", "watched"}, strange) == (True, [])
        assert all(s.name == "hot" for s in discover.discover(profile.paths)[0])
        opened = {ask.id for ask in profile.open_asks()}
        closed = {ask.id for ask in profile.store.asks.closed()}
        assert not opened & closed, "an ask is open and closed"
        assert profile.store.asks.problems() == []
        assert len(opened | closed) <= 1, "an ask was doubled"
        if self.kind in ("approval", "denial", "expiry", "answered"):
            assert (opened, closed) == (set(), {"loop-1"})

    def move(self) -> None:
        """The move happened at most once, and whoever decides next knows of it."""
        assert self.effects <= 1, "an effect happened twice"
        assert self.marks <= 1, self.lines
        assert self.cut <= 1, self.lines
        if self.cut:
            assert "a crash cut this move off" in self.prompts, "nobody was told of the crash"
        match self.kind:
            case "shell" | "reflex":
                assert not (self.marks and self.cut), self.lines
                assert self.effects <= self.marks + self.cut, "an effect was forgotten"
                assert self.effects >= self.marks, "an effect was made up"
            case "goal":
                there = self.profile.paths.goal("ours").exists()
                assert there <= self.marks + self.cut, "a goal was forgotten"
            case "approval":
                assert (self.effects and self.marks) or self.cut, "a yes was lost"
            case "held":
                assert self.effects == 0
                asks = self.profile.open_asks()
                assert all(ask.state == "pending" for ask in asks)
                assert len(asks) >= self.held_lines(), "a held move was lost"
            case "asks":
                assert len(self.profile.open_asks()) >= self.marks, "a question was lost"
            case "answered":
                assert "ANSWERED by me: blue" in self.prompts, "an answer was lost"
            case "denial":
                assert "was refused by a human: no, never" in self.prompts, "a no was lost"
            case "expiry":
                assert "loop-1 expired unanswered" in self.prompts, "an expiry was lost"
            case "recovery":
                assert (self.effects, self.cut) == (1, 1), self.lines
            case _:
                pass

    def held_lines(self) -> int:
        return len({line for line in self.lines if "held as loop-1" in line and MARK in line})


class _Cases:
    """One kind of beat, laid once, and put back before every crash."""

    def __init__(self, kind: str, base: Path) -> None:
        self.kind = kind
        self.place = base / "case"
        self.template = base / "template"
        self.profile = Profile(self.place)
        self.profile.goal("watched")
        KINDS[kind](self.profile)
        self.wall = self.profile.clock.wall()
        self.profile.base.rename(self.template)

    def one(self, nth: int, *, half: bool) -> str:
        """One crash and what follows; the call it came at, "" when the beat came to its end."""
        profile, kind = self.profile, self.kind
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.template, self.place)
        profile.clock.now = self.wall
        profile.reopen()
        known = set(profile.paths.runs.glob("*/prompt.md"))
        cut_at = _in_child(profile, nth, half=half)
        killed = set(profile.paths.runs.glob("*/prompt.md")) - known
        profile.decides(NOOP | {"journal": "after"})
        ends = [profile.beat(after=wait) for wait in (1, 400, 1)]
        assert "sensed" in {name for name, _ in profile.told}
        # A kill at a write finds no child running; only what was cut off before leaves one.
        if kind == "recovery" or nth % 10 == 0:
            assert living(profile.base) == []
        _Check(profile, kind, killed if cut_at else set()).everything(ends, half=half)
        return cut_at


def _no_sync(_fd: int) -> None:
    """Only the order of steps is under test here, not the disk."""


def main(kind: str, base: Path) -> int:
    """Every crash point of one kind of beat; the exit code."""
    os.fsync = _no_sync
    base.mkdir(parents=True)
    cases = _Cases(kind, base)
    crashes = 0
    for nth in range(1, _ENOUGH):
        for half in (False, True):
            try:
                cut_at = cases.one(nth, half=half)
            except AssertionError:
                sys.stderr.write(f"{kind}, call {nth}, {half=}; left in {cases.place}\n")
                raise
            if not cut_at:
                sys.stdout.write(f"{crashes}\n")
                return 0
            crashes += 1
            if cut_at != "write" or kind not in _HALVES:
                break
    sys.stderr.write("the beat never ends\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
