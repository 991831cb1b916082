"""Claims against a model of them, and with real processes at them at the same moment."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from looop.errors import Conflict, Refused
from looop.kit import files
from looop.model.records import Claim
from looop.paths import Paths
from looop.state.claims import Claims, signal

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000.0
SESSIONS: tuple[str, ...] = ("w1", "w2", "w3")
NAMES = ("a", "b")


class Lease(NamedTuple):
    """What the model knows of a name: its holder, or debris (no session), and since when."""

    session: str
    generation: str
    since: float


Verdict = Literal["new", "kept", "reclaimed", "refused", "contended"]


class ClaimMachine(RuleBasedStateMachine):
    """Sessions start, die and come back under their ids; leases must follow them exactly."""

    def __init__(self) -> None:
        super().__init__()
        self._place = tempfile.TemporaryDirectory(prefix="looop-claims-")
        top = Path(self._place.name)
        self.paths = Paths(top, top / "config.toml")
        self.claims = Claims(self.paths)
        self.now = NOW
        self.blind = False
        self.living: dict[str, str] = {}
        self.born: dict[str, int] = dict.fromkeys(SESSIONS, 0)
        self.model: dict[str, Lease] = {}

    def teardown(self) -> None:
        self._place.cleanup()

    # -- the world ---------------------------------------------------------------------------

    def alive(self, session: str, generation: str, /) -> bool | None:
        return None if self.blind else self._lives(session, generation)

    def _lives(self, session: str, generation: str) -> bool:
        return session in self.living and generation in ("", self.living[session])

    @rule(session=st.sampled_from(SESSIONS))
    def start(self, session: str) -> None:
        self.born[session] += 1
        self.living[session] = f"g{self.born[session]}"

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        del self.living[data.draw(st.sampled_from(sorted(self.living)))]

    @rule(blind=st.booleans())
    def look_away(self, blind: bool) -> None:
        self.blind = blind

    @rule(seconds=st.sampled_from([1.0, 9.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=st.sampled_from(NAMES), data=st.sampled_from([b"", b"{", b'{"session": 1}']))
    def tear(self, name: str, data: bytes) -> None:
        """Another program writes half a lease over whatever is there."""
        self._write(name, data)
        self.model[name] = Lease("", "", self.now)

    @rule(name=st.sampled_from(NAMES), session=st.sampled_from(SESSIONS))
    def write_old_form(self, name: str, session: str) -> None:
        self._write(name, msgspec.json.encode({"session": session, "name": name}))
        self.model[name] = Lease(session, "", 0.0)

    def _write(self, name: str, data: bytes) -> None:
        files.ensure_dir(self.paths.claims)
        path = self.paths.claims / f"{name}.json"
        path.write_bytes(data)
        os.utime(path, (self.now, self.now))

    # -- what is tested ----------------------------------------------------------------------

    def _expected(self, lease: Lease | None, session: str, generation: str) -> Verdict:
        if lease is None:
            return "new"
        if not lease.session:
            return "contended" if self.now - lease.since < 10 else "reclaimed"
        lives = self.alive(lease.session, lease.generation)
        if lease.session == session:
            if lease.generation in ("", generation):
                return "kept"
            return "refused" if lives else "reclaimed"
        return "reclaimed" if lives is False else "refused"

    @rule(name=st.sampled_from(NAMES), session=st.sampled_from(SESSIONS), stale=st.booleans())
    def claim(self, name: str, session: str, stale: bool) -> None:
        """By the living generation, or by something that an earlier one left behind."""
        generation = self.living.get(session, "")
        if stale or not generation:
            generation = f"g{max(1, self.born[session] - 1)}"
        lease = self.model.get(name)
        expected = self._expected(lease, session, generation)
        try:
            won = self.claims.claim(name, session, generation, self.now, self.alive)
        except Conflict:
            assert expected == "contended"
        except Refused as error:
            words = str(error)
            assert expected == "refused"
            assert lease is not None
            assert words.startswith(f"{name} is held by {lease.session}")
        else:
            assert won.how == expected
            since = lease.since if lease and expected == "kept" and lease.since else self.now
            self.model[name] = Lease(session, generation, since)

    @rule(name=st.sampled_from(NAMES), session=st.sampled_from(SESSIONS))
    def unclaim(self, name: str, session: str) -> None:
        generation = self.living.get(session, f"g{self.born[session] + 1}")
        lease = self.model.get(name)
        allowed = (
            lease is None
            or not lease.session
            or self._expected(lease, session, generation) in ("kept", "reclaimed")
        )
        try:
            released = self.claims.unclaim(name, session, generation, self.alive)
        except Refused:
            assert not allowed
        else:
            assert allowed
            assert released == (lease is not None)
            self.model.pop(name, None)

    @rule()
    def reap(self) -> None:
        doomed = {
            name: lease
            for name, lease in self.model.items()
            if (self.alive(lease.session, lease.generation) is False and lease.session)
            or (not lease.session and self.now - lease.since >= 10)
        }
        reaped = self.claims.reap(self.alive, self.now)
        assert {c.name: Lease(c.session, c.generation, c.ts) for c in reaped} == {
            name: lease if lease.session else Lease("", "", 0.0) for name, lease in doomed.items()
        }
        for name, lease in doomed.items():
            assert not (lease.session and self._lives(lease.session, lease.generation))
            del self.model[name]

    @invariant()
    def the_disk_says_what_the_model_says(self) -> None:
        found, problems = self.claims.list()
        held = {name: lease for name, lease in self.model.items() if lease.session}
        assert {c.name: Lease(c.session, c.generation, c.ts) for c in found} == held
        assert len(problems) == len(self.model) - len(held)
        assert signal(found) == {name: lease.session for name, lease in held.items()}


ClaimMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestClaimMachine = ClaimMachine.TestCase


# -- real processes ------------------------------------------------------------------------------

# Each is told to go at the same moment as the others, and prints one value as JSON.
_HEAD = """
import json, os, sys
from pathlib import Path
from looop.errors import Refused
from looop.paths import Paths
from looop.state.claims import Claims

top = Path(sys.argv[1])
me = sys.argv[2]
rounds = int(sys.argv[3])
claims = Claims(Paths(top, top / "config.toml"))
living = lambda session, generation: True
print("ready", flush=True)
sys.stdin.readline()
"""

_ONCE = """
try:
    said = claims.claim("a", me, "g1", 1.8e9, living).how
except Refused as error:
    said = str(error)
print(json.dumps(said))
"""

# A lease is worth something if two holders never meet: the mark is made by the holder alone.
_TURNS = """
turns = 0
for _ in range(rounds):
    try:
        claims.claim("a", me, "g1", 1.8e9, living)
    except Refused:
        continue
    os.close(os.open(top / "mark", os.O_CREAT | os.O_EXCL))
    os.unlink(top / "mark")
    assert claims.unclaim("a", me, "g1", living)
    turns += 1
print(json.dumps(turns))
"""

# Everyone finds the same dead holder.
_HEIRS = """
try:
    said = claims.claim("a", me, "g1", 1.8e9, lambda session, generation: session != "dead").how
except Refused as error:
    said = str(error)
print(json.dumps(said))
"""

# One session that is started over and over, and takes its lease each time.
_REBORN = """
for number in range(rounds):
    new = top / "new"
    new.write_text(f"g{number}")
    os.rename(new, top / "generation")
    alive = lambda session, generation: generation == f"g{number}"
    won = claims.claim("a", me, f"g{number}", 1.8e9, alive)
    found, problems = claims.list()
    assert (found, problems) == ([won.claim], []), (number, found, problems)
print(json.dumps(rounds))
"""


@contextmanager
def started(body: str, top: Path, who: str, rounds: int) -> Generator["subprocess.Popen[str]"]:
    """A child that stands ready to run `body`; it is gone when the block ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", _HEAD + body, str(top), who, str(rounds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def go(children: Sequence["subprocess.Popen[str]"]) -> None:
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()


def said(child: "subprocess.Popen[str]") -> Any:
    assert child.stdout is not None
    line = child.stdout.readline()
    assert child.wait() == 0
    return json.loads(line)


def all_at_once(body: str, top: Path, who: Sequence[str], rounds: int = 1) -> list[Any]:
    with ExitStack() as stack:
        children = [stack.enter_context(started(body, top, one, rounds)) for one in who]
        go(children)
        return [said(child) for child in children]


@pytest.fixture
def shared(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path, tmp_path / "config.toml")
    paths.claims.mkdir()
    return paths


def nobody(session: str, generation: str, /) -> bool:
    return False


def test_of_many_processes_exactly_one_wins_and_the_others_are_told_who(shared: Paths) -> None:
    who = [f"w{n}" for n in range(6)]
    answers = all_at_once(_ONCE, shared.data, who)
    ((held,), problems) = Claims(shared).list()
    assert not problems
    assert answers[who.index(held.session)] == "new"
    others = [answer for answer in answers if answer != "new"]
    assert len(others) == 5
    assert all(answer.startswith(f"a is held by {held.session} since") for answer in others)


def test_of_many_heirs_of_one_dead_holder_exactly_one_inherits(shared: Paths) -> None:
    Claims(shared).claim("a", "dead", "g0", NOW, nobody)
    answers = all_at_once(_HEIRS, shared.data, [f"w{n}" for n in range(5)])
    assert answers.count("reclaimed") == 1
    (held,) = Claims(shared).list()[0]
    assert sum(f"held by {held.session}" in answer for answer in answers) == 4


def test_two_never_hold_one_name_and_every_read_finds_it_whole_or_absent(shared: Paths) -> None:
    who = ["w1", "w2", "w3"]
    path = shared.claims / "a.json"
    with ExitStack() as stack:
        children = [stack.enter_context(started(_TURNS, shared.data, one, 60)) for one in who]
        go(children)
        reads = 0
        while any(child.poll() is None for child in children):
            data = files.read_bytes(path)
            if data is not None:
                lease = msgspec.json.decode(data, type=Claim)
                assert lease.session in who
                assert lease.nonce
            reads += 1
        assert reads
        assert sum(said(child) for child in children) > 0
    assert Claims(shared).list() == ([], [])


def test_a_reaper_never_takes_a_lease_from_a_session_that_was_just_started_again(
    shared: Paths,
) -> None:
    (shared.data / "generation").write_text("none")
    claims = Claims(shared)

    def alive(session: str, generation: str, /) -> bool:
        return generation == (shared.data / "generation").read_text()

    with started(_REBORN, shared.data, "w1", 150) as child:
        go([child])
        reaped: list[Claim] = []
        while child.poll() is None:
            reaped += claims.reap(alive, NOW)
        assert said(child) == 150
    assert "g149" not in {claim.generation for claim in reaped}
    (held,), _ = claims.list()
    assert held.generation == "g149"
    assert claims.reap(alive, NOW) == []
