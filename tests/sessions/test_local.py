"""A fleet in a directory: every verb, on sessions that live, have ended, or never were."""

import asyncio
import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from looop.errors import Conflict, Failed, NotFound, Refused, Unreadable, Usage
from looop.sessions.local import LocalFleet
from looop.sessions.port import Fleet
from looop.sessions.records import Session, Spec
from tests.sessions.conftest import Start
from tests.support.leftovers import gone
from tests.support.program import wait_for

LIMIT_S = 20.0
Begin = Callable[..., Session]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return LocalFleet(tmp_path / "sessions", version="1.2.3")


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **more}


@pytest.fixture
def begin(fleet: Fleet, tmp_path: Path, start: Start) -> Begin:
    """Start a session of `argv` through the fleet; the `start` fixture ends it with the test."""

    def started(*argv: str, name: str = "one", generation: str = "", goal: str = "") -> Session:
        return fleet.start(
            Spec(
                id=name,
                argv=argv,
                cwd=str(tmp_path),
                env=environment(tmp_path),
                columns=80,
                rows=24,
                labels={"goal": goal} if goal else {},
                generation=generation,
            )
        )

    return started


def ended(fleet: Fleet, session: str = "one") -> Session:
    ending = fleet.wait(session, LIMIT_S)
    assert ending.ended
    return fleet.get(session)


# ------------------------------------------------------------------------------- which there are


def test_a_fleet_that_nobody_made_is_empty(fleet: Fleet) -> None:
    assert fleet.list() == ([], [])
    assert fleet.find("one") is None
    with pytest.raises(NotFound):
        fleet.get("one")


def test_a_fleet_lists_its_sessions_by_name_and_what_is_none(
    fleet: Fleet, begin: Begin, tmp_path: Path
) -> None:
    begin("sleep", "600", name="two")
    begin("true", name="one")
    (tmp_path / "sessions" / "stray").write_text("no session")

    sessions, problems = fleet.list()

    assert [session.id for session in sessions] == ["one", "two"]
    assert len(problems) == 1
    assert "stray" in problems[0]


def test_a_fleet_that_cannot_be_looked_at_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("a file")
    fleet = LocalFleet(tmp_path / "sessions", version="1")

    with pytest.raises(Unreadable):
        fleet.list()
    with pytest.raises(Unreadable):
        fleet.endings()


@pytest.mark.parametrize("name", ["", "..", "../one", "a/b", ".hidden", "x" * 65, "bad\x1bname"])
def test_a_word_that_cannot_be_a_name_names_no_session(fleet: Fleet, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        fleet.get(name)
    assert "\x1b" not in str(caught.value)
    assert fleet.find(name) is None
    with pytest.raises(NotFound):
        fleet.type(name, b"x")


def test_every_verb_on_a_session_that_never_was_says_so(fleet: Fleet) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: fleet.live("none"),
        lambda: fleet.restart("none"),
        lambda: fleet.kill("none"),
        lambda: fleet.remove("none"),
        lambda: fleet.read("none", 0, 10),
        lambda: fleet.type("none", b"x"),
        lambda: fleet.submit("none", "x"),
        lambda: fleet.paste("none", "x"),
        lambda: fleet.keys("none", ("Enter",)),
        lambda: fleet.resize("none", 80, 24),
        lambda: fleet.shot("none", "plain"),
        lambda: fleet.screen_lines("none"),
        lambda: fleet.last_line("none"),
        lambda: fleet.more("none", 0, 1.0),
        lambda: fleet.wait("none", 1.0),
        lambda: fleet.wait_idle("none", settle_s=0.1, timeout_s=1.0, screen=False),
        lambda: fleet.wait_idle("none", settle_s=0.1, timeout_s=1.0, screen=True),
        lambda: fleet.expect("none", "x", since=None, timeout_s=1.0, screen=False),
        lambda: fleet.expect("none", "x", since=3, timeout_s=1.0, screen=True),
        lambda: fleet.attach("none", columns=80, rows=24),
        lambda: fleet.detach("none"),
    ]
    for verb in verbs:
        with pytest.raises(NotFound):
            verb()


def test_what_needs_a_living_session_is_refused_for_one_that_ended(
    fleet: Fleet, begin: Begin
) -> None:
    begin("true")
    ended(fleet)
    verbs: list[Callable[[], object]] = [
        lambda: fleet.live("one"),
        lambda: fleet.kill("one"),
        lambda: fleet.type("one", b"x"),
        lambda: fleet.submit("one", "x"),
        lambda: fleet.paste("one", "x"),
        lambda: fleet.keys("one", ("Enter",)),
        lambda: fleet.resize("one", 80, 24),
        lambda: fleet.attach("one", columns=80, rows=24),
        lambda: fleet.attach("one", columns=80, rows=24, interactive=False),
        lambda: fleet.detach("one"),
    ]
    for verb in verbs:
        with pytest.raises(Refused, match="has ended"):
            verb()


# ------------------------------------------------------------------------------- the beginning


def test_a_session_starts_with_a_generation_of_its_own(fleet: Fleet, begin: Begin) -> None:
    first = begin("sleep", "600", name="one", goal="tidy")
    second = begin("sleep", "600", name="two", generation="chosen")

    assert (first.state, first.alive, first.version) == ("running", True, "1.2.3")
    assert first.labels == {"goal": "tidy"}
    assert len(first.generation) == 16
    assert second.generation == "chosen"


def test_a_name_that_is_taken_is_told_apart_by_whether_it_lives(fleet: Fleet, begin: Begin) -> None:
    begin("sleep", "600", name="alive")
    begin("true", name="over")
    ended(fleet, "over")

    with pytest.raises(Conflict, match="is alive"):
        begin("true", name="alive")
    with pytest.raises(Refused, match="remove it, or restart it") as caught:
        begin("true", name="over")
    assert not isinstance(caught.value, Conflict)


def test_of_two_starts_of_one_name_at_once_one_wins(fleet: Fleet, begin: Begin) -> None:
    said: list[object] = []

    def attempt() -> None:
        try:
            said.append(begin("sleep", "600"))
        except Conflict as error:
            said.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(one, Session) for one in said) == 1
    assert sum(isinstance(one, Conflict) for one in said) == 3


def test_a_command_that_cannot_run_is_a_failure_that_is_kept(fleet: Fleet, begin: Begin) -> None:
    with pytest.raises(Failed, match="No such file"):
        begin("/no/such/program")

    assert fleet.get("one").state == "failed"
    fleet.remove("one")
    assert begin("true").id == "one"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (Spec(id="../up", argv=("true",), cwd="/", env={}), "cannot name a session"),
        (Spec(id="one", argv=(), cwd="/", env={}), "no command"),
        (Spec(id="one", argv=("true",), cwd="/", env={}, columns=1), "is no size"),
        (Spec(id="one", argv=("true",), cwd="/", env={}, rows=1001), "is no size"),
    ],
)
def test_nonsense_is_not_started(fleet: Fleet, spec: Spec, said: str) -> None:
    with pytest.raises(Usage, match=said):
        fleet.start(spec)
    assert fleet.list() == ([], [])


# ------------------------------------------------------------------------------- again


def test_a_living_session_is_restarted_in_place(fleet: Fleet, begin: Begin) -> None:
    before = begin("sh", "-c", "echo begun; exec sleep 600", goal="tidy")
    fleet.expect("one", "begun", since=None, timeout_s=LIMIT_S, screen=False)
    fleet.resize("one", 90, 30)

    after = fleet.restart("one", generation="second", grace_s=1.0)

    assert (after.state, after.generation, after.labels) == ("running", "second", {"goal": "tidy"})
    assert (after.columns, after.rows) == (90, 30)
    assert after.supervisor == before.supervisor
    assert after.pid != before.pid
    again = fleet.expect("one", "begun", since=None, timeout_s=LIMIT_S, screen=False)
    assert again.outcome == "match"
    assert again.offset > after.log_start > 0


def test_what_has_ended_is_restarted_with_the_environment_of_the_caller(
    fleet: Fleet, begin: Begin, tmp_path: Path
) -> None:
    before = begin("sh", "-c", "echo word=$WORD; exit 3")
    assert ended(fleet).code == 3

    after = fleet.restart("one", env=environment(tmp_path, WORD="new"))

    assert after.generation != before.generation
    assert after.argv == before.argv
    found = fleet.expect("one", "word=new", since=None, timeout_s=LIMIT_S, screen=False)
    assert found.outcome == "match"


def test_a_session_whose_supervisor_died_is_restarted(
    fleet: Fleet, begin: Begin, tmp_path: Path
) -> None:
    session = begin("sleep", "600")
    os.kill(session.supervisor, signal.SIGKILL)
    assert ended(fleet).state == "dead"

    assert fleet.restart("one", env=environment(tmp_path)).state == "running"


def test_a_killed_session_is_started_anew_only(fleet: Fleet, begin: Begin) -> None:
    begin("sleep", "600")
    fleet.kill("one", grace_s=1.0)

    with pytest.raises(Refused, match="was killed"):
        fleet.restart("one")
    fleet.remove("one")
    assert begin("true").id == "one"


# ------------------------------------------------------------------------------- the end


def test_a_kill_ends_the_whole_tree_and_says_so(fleet: Fleet, begin: Begin) -> None:
    begin("sh", "-c", "sleep 600 & (trap '' HUP TERM; echo ready; sleep 600); wait")
    fleet.expect("one", "ready", since=None, timeout_s=LIMIT_S, screen=False)

    killed = fleet.kill("one", grace_s=0.2)

    assert (killed.killed, killed.escalated, killed.survivors) == (True, True, ())
    assert fleet.get("one").state == "killed"
    assert fleet.wait("one", LIMIT_S).state == "killed"


def test_a_supervisor_that_does_not_answer_is_named_with_what_to_do(
    fleet: Fleet, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begin("sleep", "600")
    monkeypatch.setattr("looop.sessions.local._SWEEP_S", 0.1)
    monkeypatch.setattr("looop.sessions.reach.ANSWER_S", 0.1)
    os.kill(session.supervisor, signal.SIGSTOP)
    try:
        with pytest.raises(Failed, match=f"kill -9 {session.supervisor}"):
            fleet.kill("one", grace_s=0.1)
        with pytest.raises(Failed, match="does not answer"):
            fleet.wait("one", 0.1)
        assert fleet.get("one").alive
    finally:
        os.kill(session.supervisor, signal.SIGCONT)


def test_only_what_has_ended_is_removed(fleet: Fleet, begin: Begin, tmp_path: Path) -> None:
    begin("sleep", "600")

    with pytest.raises(Refused, match="is alive"):
        fleet.remove("one")
    fleet.kill("one", grace_s=1.0)
    fleet.remove("one")

    assert fleet.find("one") is None
    assert not (tmp_path / "sessions" / "one").exists()


def test_an_unreadable_session_is_told_from_a_dead_one_and_can_be_removed(
    fleet: Fleet, begin: Begin, tmp_path: Path
) -> None:
    begin("true")
    ended(fleet)
    (tmp_path / "sessions" / "one" / "meta.json").write_text("{")

    assert fleet.get("one").state == "unreadable"
    with pytest.raises(Unreadable):
        fleet.restart("one")
    with pytest.raises(Refused):
        begin("true")
    fleet.remove("one")
    assert fleet.find("one") is None


def test_sessions_outlive_the_fleet_that_started_them(
    fleet: Fleet, begin: Begin, tmp_path: Path
) -> None:
    begin("sleep", "600")

    other = LocalFleet(tmp_path / "sessions", version="2")

    assert other.get("one").alive
    assert other.kill("one", grace_s=1.0).killed


# ------------------------------------------------------------------------------- in and out


def test_output_is_read_from_any_offset_of_living_and_ended_sessions(
    fleet: Fleet, begin: Begin
) -> None:
    begin("printf", "0123456789")
    ended(fleet)

    assert fleet.read("one", 0, 100).data == b"0123456789"
    assert fleet.read("one", 4, 3).data == b"456"
    assert fleet.read("one", 4, 3).end == 7
    assert fleet.read("one", 10, 100).data == b""
    assert fleet.last_line("one") == "0123456789"
    with pytest.raises(Usage):
        fleet.read("one", -1, 10)


def test_a_screen_is_drawn_at_the_size_it_had(fleet: Fleet, begin: Begin) -> None:
    begin("sh", "-c", "read line; stty size; read line")
    fleet.resize("one", 61, 17)
    fleet.keys("one", ("Enter",))
    fleet.expect("one", "17 61", since=None, timeout_s=LIMIT_S, screen=True)
    fleet.keys("one", ("Enter",))
    assert ended(fleet).state == "exited"

    shot = fleet.shot("one", "plain")

    assert (shot.columns, shot.rows) == (61, 17)
    assert "17 61" in str(shot.body)
    assert any("17 61" in line for line in fleet.screen_lines("one"))


@pytest.mark.parametrize("size", [(1, 24), (80, 1), (1001, 24), (80, 1001), (-5, 24)])
def test_a_size_that_is_none_is_a_usage_error(fleet: Fleet, size: tuple[int, int]) -> None:
    with pytest.raises(Usage, match="is no size"):
        fleet.resize("one", *size)


def test_raw_bytes_are_typed_as_they_are(fleet: Fleet, begin: Begin) -> None:
    begin("sh", "-c", "stty raw -echo; echo ready; exec od -An -tx1 -N4 -w4")
    fleet.expect("one", "ready", since=None, timeout_s=LIMIT_S, screen=False)

    offset = fleet.type("one", b"\x00\x1b\xff\r")

    assert offset >= len("ready")
    found = fleet.expect("one", "00 1b ff 0d", since=offset, timeout_s=LIMIT_S, screen=False)
    assert found.outcome == "match"


def test_what_a_supervisor_knows_is_told(fleet: Fleet, begin: Begin) -> None:
    begin("sh", "-c", r"printf '\033]0;busy\007\033[?2004hready'; exec sleep 600")
    fleet.expect("one", "ready", since=None, timeout_s=LIMIT_S, screen=False)

    live = fleet.live("one")

    assert (live.title, live.paste, live.alternate, live.attached) == ("busy", True, False, 0)


def test_attached_clients_are_counted_and_parted(fleet: Fleet, begin: Begin) -> None:
    begin("sleep", "600")
    human = fleet.attach("one", columns=90, rows=30)
    watcher = fleet.attach("one", columns=50, rows=10, interactive=False)
    with contextlib.closing(human), contextlib.closing(watcher):
        assert fleet.live("one").attached == 1
        # Its size is written down a moment later.
        wait_for(lambda: fleet.get("one").columns == 90)
        assert fleet.detach("one") == 1
        while human.read() is not None:
            select.select([human.fileno()], [], [], LIMIT_S)
        assert (human.why, human.ending) == ("detached", None)
        assert watcher.read() == b""


# ------------------------------------------------------------------------------- endings


def readable(fd: int, limit_s: float) -> bool:
    return bool(select.select([fd], [], [], limit_s)[0])


def test_an_end_is_told_once_through_one_descriptor(fleet: Fleet, begin: Begin) -> None:
    begin("sleep", "600", name="one")
    begin("sleep", "600", name="two")
    begin("true", name="over")
    ended(fleet, "over")
    with contextlib.closing(fleet.endings()) as endings:
        assert endings.drain() == ()
        assert not readable(endings.fileno(), 0)

        fleet.kill("one", grace_s=1.0)

        assert readable(endings.fileno(), LIMIT_S)
        assert endings.drain() == ("one",)
        assert endings.drain() == ()
        assert not readable(endings.fileno(), 0)


def test_a_supervisor_that_dies_ends_its_session_too(fleet: Fleet, begin: Begin) -> None:
    session = begin("sleep", "600")
    with contextlib.closing(fleet.endings()) as endings:
        os.kill(session.supervisor, signal.SIGKILL)
        assert readable(endings.fileno(), LIMIT_S)
        assert endings.drain() == ("one",)
    assert gone(session.supervisor)


def test_sessions_that_were_started_since_are_followed(fleet: Fleet, begin: Begin) -> None:
    with contextlib.closing(fleet.endings()) as endings:
        begin("sleep", "600", name="long")
        begin("true", name="short")
        ended(fleet, "short")

        endings.refresh()

        assert readable(endings.fileno(), LIMIT_S)
        assert endings.drain() == ("short",)
        fleet.kill("long", grace_s=1.0)
        assert readable(endings.fileno(), LIMIT_S)
        assert endings.drain() == ("long",)
        fleet.remove("long")
        endings.refresh()
        assert endings.drain() == ()


def test_a_restart_is_an_end_and_the_next_generation_is_followed(
    fleet: Fleet, begin: Begin
) -> None:
    begin("sleep", "600")
    with contextlib.closing(fleet.endings()) as endings:
        fleet.restart("one", grace_s=1.0)
        assert readable(endings.fileno(), LIMIT_S)
        assert endings.drain() == ("one",)
        endings.refresh()
        assert endings.drain() == ()
        fleet.kill("one", grace_s=1.0)
        assert readable(endings.fileno(), LIMIT_S)


def test_an_end_wakes_an_asyncio_program(fleet: Fleet, begin: Begin) -> None:
    begin("sh", "-c", "read line")

    async def program() -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        with contextlib.closing(fleet.endings()) as endings:
            loop.add_reader(endings.fileno(), woken.set)
            try:
                await asyncio.to_thread(fleet.keys, "one", ("Enter",))
                async with asyncio.timeout(LIMIT_S):
                    await woken.wait()
                return endings.drain()
            finally:
                loop.remove_reader(endings.fileno())

    assert asyncio.run(program()) == ("one",)


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before
