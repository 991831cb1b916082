"""Claims: one holder each, live holders left alone, and what the dead left taken over."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looop.errors import Conflict, Refused, Unreadable, Usage
from looop.kit import files
from looop.model.records import Answer, Ask, Claim
from looop.paths import Paths
from looop.state import claims as module
from looop.state.asks import Asks
from looop.state.claims import Claims
from looop.state.store import Store
from looop.state.table import encode

NOW = 1_800_000_000.0


class Fleet:
    """Which sessions live, in which generation; `blind` when nobody can look."""

    def __init__(self, **living: str) -> None:
        self.living = living
        self.blind = False
        self.asked: list[tuple[str, str]] = []

    def __call__(self, session: str, generation: str, /) -> bool | None:
        self.asked.append((session, generation))
        if self.blind:
            return None
        return session in self.living and generation in ("", self.living[session])


@pytest.fixture
def claims(store: Store) -> Claims:
    return Claims(store.paths)


@pytest.fixture
def place(paths: Paths) -> Callable[..., Path]:
    """Put bytes where a lease belongs, last written so many seconds ago."""

    def put(data: bytes, *, name: str = "a", age_s: float = 60.0) -> Path:
        path = paths.claims / f"{name}.json"
        path.write_bytes(data)
        os.utime(path, (NOW - age_s, NOW - age_s))
        return path

    return put


def only(claims: Claims) -> Claim:
    (found,), problems = claims.list()
    assert not problems
    return found


# -- taking --------------------------------------------------------------------------------------


def test_a_free_name_is_won_and_the_file_says_by_whom(claims: Claims, paths: Paths) -> None:
    won = claims.claim("repo-a", "w1", "g1", NOW, Fleet(w1="g1"))
    assert (won.how, won.before) == ("new", None)
    assert only(claims) == won.claim
    stored = msgspec.json.decode((paths.claims / "repo-a.json").read_bytes())
    nonce = stored.pop("nonce")
    assert len(nonce) == 16
    assert stored == {"v": 1, "session": "w1", "generation": "g1", "name": "repo-a", "ts": NOW}
    assert (paths.claims / "repo-a.json").stat().st_mode & 0o777 == 0o600


def test_a_free_name_is_won_without_a_look_at_the_fleet(claims: Claims) -> None:
    fleet = Fleet()
    fleet.blind = True
    assert claims.claim("a", "w1", "g1", NOW, fleet).how == "new"
    assert fleet.asked == []


def test_a_claim_needs_no_directory(paths: Paths) -> None:
    assert not paths.claims.exists()
    assert Claims(paths).list() == ([], [])
    assert Claims(paths).reap(Fleet(), NOW) == []
    assert Claims(paths).unclaim("a", "w1", "g1", Fleet()) is False
    assert Claims(paths).claim("a", "w1", "g1", NOW, Fleet()).how == "new"


def test_who_holds_a_name_may_take_it_again(claims: Claims) -> None:
    fleet = Fleet(w1="g1")
    first = claims.claim("a", "w1", "g1", NOW, fleet).claim
    again = claims.claim("a", "w1", "g1", NOW + 60, fleet)
    assert (again.how, again.before) == ("kept", first)
    assert again.claim == msgspec.structs.replace(first, nonce=again.claim.nonce)
    assert again.claim.nonce != first.nonce
    assert fleet.asked == []


def test_taking_it_again_changes_nothing_in_the_signal(claims: Claims) -> None:
    claims.claim("b", "w2", "g9", NOW, Fleet())
    claims.claim("a", "w1", "g1", NOW, Fleet())
    before = module.signal(claims.list()[0])
    claims.claim("a", "w1", "g1", NOW + 99, Fleet())
    assert module.signal(claims.list()[0]) == before == {"a": "w1", "b": "w2"}


def test_a_live_holder_is_named_with_since_when(claims: Claims, paths: Paths) -> None:
    fleet = Fleet(w1="g1", w2="g2")
    claims.claim("a", "w1", "g1", NOW, fleet)
    before = (paths.claims / "a.json").read_bytes()
    with pytest.raises(Refused, match=r"^a is held by w1 since 2027-01-1\d \d\d:\d\d$"):
        claims.claim("a", "w2", "g2", NOW + 60, fleet)
    assert (paths.claims / "a.json").read_bytes() == before


def test_what_a_dead_holder_left_is_taken_over(claims: Claims) -> None:
    dead = claims.claim("a", "w1", "g1", NOW, Fleet()).claim
    won = claims.claim("a", "w2", "g2", NOW + 60, Fleet(w2="g2"))
    assert (won.how, won.before) == ("reclaimed", dead)
    assert (won.claim.session, won.claim.ts) == ("w2", NOW + 60)
    assert only(claims) == won.claim


def test_a_holder_of_whom_nobody_can_tell_keeps_its_lease(claims: Claims) -> None:
    held = claims.claim("a", "w1", "g1", NOW, Fleet()).claim
    blind = Fleet()
    blind.blind = True
    with pytest.raises(Refused, match=r"a is held by w1 since .*; whether .* could not be told"):
        claims.claim("a", "w2", "g2", NOW, blind)
    assert only(claims) == held


def test_a_look_that_fails_counts_as_alive(claims: Claims) -> None:
    def broken(session: str, generation: str, /) -> bool:
        raise Unreadable(f"cannot look at {session} {generation}")

    held = claims.claim("a", "w1", "g1", NOW, Fleet()).claim
    with pytest.raises(Refused, match="could not be told"):
        claims.claim("a", "w2", "g2", NOW, broken)
    with pytest.raises(Refused, match="could not be told"):
        claims.unclaim("a", "w2", "g2", broken)
    assert claims.reap(broken, NOW) == []
    assert only(claims) == held


# -- generations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("blind", [False, True])
def test_a_session_that_was_started_again_takes_over_from_itself(
    claims: Claims, *, blind: bool
) -> None:
    old = claims.claim("a", "w1", "g1", NOW, Fleet()).claim
    fleet = Fleet(w1="g2")
    fleet.blind = blind
    won = claims.claim("a", "w1", "g2", NOW + 5, fleet)
    assert (won.how, won.before) == ("reclaimed", old)
    assert (won.claim.generation, won.claim.ts) == ("g2", NOW + 5)


def test_what_is_left_of_an_earlier_generation_takes_nothing_from_the_living(
    claims: Claims,
) -> None:
    fleet = Fleet(w1="g2")
    held = claims.claim("a", "w1", "g2", NOW, fleet).claim
    with pytest.raises(Refused, match="a is held by w1 of generation g2 since"):
        claims.claim("a", "w1", "g1", NOW, fleet)
    with pytest.raises(Refused, match="a is held by w1 of generation g2 since"):
        claims.unclaim("a", "w1", "g1", fleet)
    assert only(claims) == held


def test_who_speaks_for_a_session_without_a_generation_holds_what_it_holds(
    claims: Claims,
) -> None:
    claims.claim("a", "w1", "g1", NOW, Fleet())
    blind = Fleet()
    blind.blind = True
    for fleet in (Fleet(w1="g1"), blind):
        won = claims.claim("a", "w1", "", NOW, fleet)
        assert (won.how, won.claim.generation) == ("kept", "g1")
    won = claims.claim("a", "w1", "", NOW, Fleet())
    assert (won.how, won.claim.generation) == ("reclaimed", "")
    assert claims.claim("a", "w1", "g2", NOW, Fleet()).claim.generation == "g2"
    assert claims.unclaim("a", "w1", "", Fleet())


def test_a_human_without_a_session_holds_as_long_as_the_fleet_says(claims: Claims) -> None:
    held = claims.claim("a", "me", "", NOW, Fleet()).claim
    blind = Fleet()
    blind.blind = True
    assert claims.reap(blind, NOW) == []
    assert blind.asked == [("me", "")]
    assert claims.reap(Fleet(), NOW) == [held]


# -- releasing -----------------------------------------------------------------------------------


def test_a_release_is_idempotent(claims: Claims) -> None:
    claims.claim("a", "w1", "g1", NOW, Fleet())
    assert claims.unclaim("a", "w1", "g1", Fleet(w1="g1")) is True
    assert claims.unclaim("a", "w1", "g1", Fleet(w1="g1")) is False
    assert claims.list() == ([], [])
    assert claims.claim("a", "w2", "g2", NOW, Fleet(w1="g1")).how == "new"


def test_a_release_by_another_is_refused_and_names_the_holder(claims: Claims) -> None:
    fleet = Fleet(w1="g1", w2="g2")
    held = claims.claim("a", "w1", "g1", NOW, fleet).claim
    with pytest.raises(Refused, match="a is held by w1 since"):
        claims.unclaim("a", "w2", "g2", fleet)
    assert only(claims) == held


def test_anyone_may_release_what_a_dead_holder_left(claims: Claims) -> None:
    claims.claim("a", "w1", "g1", NOW, Fleet())
    assert claims.unclaim("a", "w2", "g2", Fleet(w2="g2"))


@pytest.mark.parametrize("age_s", [0.0, 60.0])
@pytest.mark.parametrize("data", [b"", b"{", b'{"session": ""}'])
def test_anyone_may_release_what_makes_no_sense(
    claims: Claims, place: Callable[..., Path], data: bytes, age_s: float
) -> None:
    path = place(data, age_s=age_s)
    assert claims.unclaim("a", "w2", "g2", Fleet(w2="g2"))
    assert not path.exists()


def test_nobody_can_look_and_a_foreign_release_is_refused_but_not_the_holders(
    claims: Claims,
) -> None:
    blind = Fleet()
    blind.blind = True
    claims.claim("a", "w1", "g1", NOW, blind)
    with pytest.raises(Refused, match="could not be told"):
        claims.unclaim("a", "w2", "g2", blind)
    assert claims.reap(blind, NOW) == []
    assert claims.unclaim("a", "w1", "g1", blind)


# -- the reaper ----------------------------------------------------------------------------------


def test_the_reaper_releases_what_the_dead_hold_and_says_so(claims: Claims) -> None:
    dead = claims.claim("a", "w1", "g1", NOW, Fleet()).claim
    live = claims.claim("b", "w2", "g2", NOW, Fleet()).claim
    reborn = claims.claim("c", "w3", "g3", NOW, Fleet()).claim
    assert claims.reap(Fleet(w2="g2", w3="g4"), NOW) == [dead, reborn]
    assert claims.list() == ([live], [])
    assert claims.reap(Fleet(w2="g2"), NOW) == []


def test_the_reaper_asks_for_each_holder_after_it_has_read_the_lease(
    claims: Claims, paths: Paths
) -> None:
    """A session that takes over between the look at the old lease and its removal keeps it."""
    claims.claim("a", "w1", "g1", NOW, Fleet())
    taken: list[Claim] = []

    def alive(session: str, generation: str, /) -> bool:
        assert (session, generation) == ("w1", "g1")
        taken.append(claims.claim("a", "w1", "g2", NOW, Fleet(w1="g2")).claim)
        return False

    assert claims.reap(alive, NOW) == []
    assert [only(claims)] == taken
    assert claims.reap(Fleet(w1="g2"), NOW) == []


def test_a_removal_keyed_to_old_bytes_loses_against_the_same_lease_taken_again(
    claims: Claims, paths: Paths
) -> None:
    """Same holder, same generation, same moment: only the nonce tells the leases apart."""
    path = paths.claims / "a.json"
    claims.claim("a", "w1", "g1", NOW, Fleet())
    judged = path.read_bytes()
    claims.claim("a", "w1", "g1", NOW, Fleet(w1="g1"))
    assert not files.remove_if_equal(path, judged)

    judged = path.read_bytes()
    claims.unclaim("a", "w1", "g1", Fleet())
    claims.claim("a", "w1", "g1", NOW, Fleet())
    assert not files.remove_if_equal(path, judged)
    assert only(claims).session == "w1"


def test_a_reap_that_was_overtaken_by_a_renewal_takes_nothing(claims: Claims) -> None:
    claims.claim("a", "w1", "g1", NOW, Fleet())

    def alive(session: str, generation: str, /) -> bool:
        claims.claim("a", "w1", "g1", NOW, Fleet(w1="g1"))
        return False

    assert claims.reap(alive, NOW) == []
    assert only(claims).session == "w1"


def test_of_two_that_find_a_dead_holder_the_second_meets_the_first(claims: Claims) -> None:
    claims.claim("a", "w1", "g1", NOW, Fleet())
    fleet = Fleet(w2="g2", w3="g3")

    def slow(session: str, generation: str, /) -> bool | None:
        if session == "w1":
            assert claims.claim("a", "w2", "g2", NOW, fleet).how == "reclaimed"
        return fleet(session, generation)

    with pytest.raises(Refused, match="a is held by w2"):
        claims.claim("a", "w3", "g3", NOW, slow)
    assert only(claims).session == "w2"


def test_a_release_that_finds_the_lease_gone_meanwhile_is_fine(claims: Claims) -> None:
    claims.claim("a", "w1", "g1", NOW, Fleet())

    def alive(session: str, generation: str, /) -> bool:
        claims.unclaim("a", "w1", "g1", Fleet())
        return False

    assert claims.unclaim("a", "w2", "g2", alive) is False


def test_a_file_that_never_stands_still_ends_in_a_conflict(claims: Claims) -> None:
    claims.claim("a", "w1", "g1", NOW, Fleet())

    def restless(session: str, generation: str, /) -> bool:
        claims.claim("a", "w1", "g1", NOW, Fleet())
        return False

    with pytest.raises(Conflict, match=r"a cannot be claimed: .* changes all the time"):
        claims.claim("a", "w2", "g2", NOW, restless)
    with pytest.raises(Conflict, match=r"a cannot be released: .* changes all the time"):
        claims.unclaim("a", "w2", "g2", restless)


# -- files that are not ours ---------------------------------------------------------------------


@pytest.mark.parametrize("old", [{}, {"name": "a"}, {"name": "other", "extra": [1]}])
def test_an_old_lease_is_read_and_upgraded_when_it_is_taken_again(
    claims: Claims, place: Callable[..., Path], old: dict[str, Any]
) -> None:
    path = place(msgspec.json.encode({"session": "w1"} | old))
    assert only(claims) == Claim(name="a", session="w1")
    with pytest.raises(Refused, match=r"^a is held by w1$"):
        claims.claim("a", "w2", "g2", NOW, Fleet(w1="g1", w2="g2"))

    won = claims.claim("a", "w1", "g1", NOW, Fleet(w1="g1"))
    assert won.how == "kept"
    assert msgspec.json.decode(path.read_bytes(), type=Claim) == won.claim
    assert (won.claim.generation, won.claim.ts) == ("g1", NOW)
    assert won.claim.nonce


def test_the_holder_of_an_old_lease_is_looked_up_in_any_generation(
    claims: Claims, place: Callable[..., Path]
) -> None:
    place(b'{"session": "w1", "name": "a"}')
    assert claims.reap(Fleet(w1="g7"), NOW) == []
    assert claims.reap(Fleet(), NOW) == [Claim(name="a", session="w1")]


@pytest.mark.parametrize(
    ("ts", "seconds"),
    [
        ("1700000000", 1_700_000_000.0),
        ("1700000000.5", 1_700_000_000.5),
        ('"2023-11-14T22:13:20Z"', 1_700_000_000.0),
        ('"2023-11-14T23:13:20.250+01:00"', 1_700_000_000.25),
        ('"2023-11-14T22:13:20"', 1_700_000_000.0),
        ('"yesterday"', 0.0),
        ('"9999-12-31T23:59:59-23:59"', 0.0),
        ("1e300", 0.0),
        ("1" * 400, 0.0),
        ("-5", 0.0),
        ("null", 0.0),
        ("true", 0.0),
        ("[1]", 0.0),
    ],
)
def test_since_when_is_a_number_or_a_date_and_unknown_otherwise(
    claims: Claims, place: Callable[..., Path], ts: str, seconds: float
) -> None:
    place(b'{"session": "w1", "ts": %s}' % ts.encode())
    assert only(claims).ts == seconds
    with pytest.raises(Refused, match="a is held by w1"):
        claims.claim("a", "w2", "g2", NOW, Fleet(w1="g1"))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"session": 5}', b"\xff" * 9])
def test_a_file_that_makes_no_sense_is_left_alone_while_it_is_young(
    claims: Claims, place: Callable[..., Path], data: bytes
) -> None:
    path = place(data, age_s=9)
    with pytest.raises(Conflict, match="someone else is claiming a just now; try again"):
        claims.claim("a", "w1", "g1", NOW, Fleet(w1="g1"))
    assert claims.reap(Fleet(), NOW) == []
    assert path.read_bytes() == data
    found, (problem,) = claims.list()
    assert found == []
    assert str(path) in problem


@pytest.mark.parametrize("age_s", [10.0, 1e6, -1e6])
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"session": "../x"}', b"\xff" * 9])
def test_a_file_that_makes_no_sense_is_debris_once_it_is_old(
    claims: Claims, place: Callable[..., Path], data: bytes, age_s: float
) -> None:
    path = place(data, age_s=age_s)
    assert claims.reap(Fleet(), NOW) == [Claim(name="a", session="")]
    assert not path.exists()

    place(data, age_s=age_s)
    won = claims.claim("a", "w1", "g1", NOW, Fleet(w1="g1"))
    assert (won.how, won.before) == ("reclaimed", None)
    assert only(claims) == won.claim


def test_a_file_that_goes_while_it_is_judged_counts_as_somebodys(
    claims: Claims, place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place(b"", age_s=0)
    look = files.stat_or_none

    def removed(asked: Path) -> os.stat_result | None:
        if asked == path:
            path.unlink(missing_ok=True)
        return look(asked)

    monkeypatch.setattr(files, "stat_or_none", removed)
    with pytest.raises(Conflict, match="just now"):
        claims.claim("a", "w1", "g1", NOW, Fleet())
    monkeypatch.undo()
    assert claims.claim("a", "w1", "g1", NOW, Fleet()).how == "new"


def test_what_cannot_be_read_is_neither_taken_nor_reaped(claims: Claims, paths: Paths) -> None:
    (paths.claims / "a.json").mkdir()
    os.mkfifo(paths.claims / "b.json")
    dead = claims.claim("c", "w1", "g1", NOW, Fleet()).claim
    for name in ("a", "b"):
        with pytest.raises(Unreadable, match="not a regular file"):
            claims.claim(name, "w1", "g1", NOW, Fleet())
        with pytest.raises(Unreadable, match="not a regular file"):
            claims.unclaim(name, "w1", "g1", Fleet())
    found, problems = claims.list()
    assert (found, len(problems)) == ([dead], 2)
    assert claims.reap(Fleet(), NOW) == [dead]


def test_a_dead_link_ends_in_words(claims: Claims, paths: Paths) -> None:
    (paths.claims / "a.json").symlink_to("/nowhere/at/all")
    with pytest.raises(Conflict, match="or is a dead link"):
        claims.claim("a", "w1", "g1", NOW, Fleet())
    assert claims.list() == ([], [])


def test_a_disk_error_is_not_a_free_name(
    claims: Claims, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims.claim("a", "w1", "g1", NOW, Fleet())
    opened = os.open

    def fail(path: Any, *rest: Any, **words: Any) -> int:
        if str(path).endswith("a.json"):
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *rest, **words)

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(Unreadable, match="Input/output error"):
        claims.claim("a", "w2", "g2", NOW, Fleet())
    assert claims.reap(Fleet(), NOW) == []
    found, problems = claims.list()
    assert (found, len(problems)) == ([], 1)
    monkeypatch.undo()
    assert only(claims).session == "w1"


def test_a_file_in_the_place_of_the_directory_is_told_and_asks_still_answer(
    store: Store, paths: Paths
) -> None:
    (paths.claims / ".dirlock").unlink(missing_ok=True)
    paths.claims.rmdir()
    paths.claims.write_text("")
    claims = Claims(paths)
    with pytest.raises(Unreadable, match="cannot list"):
        claims.list()
    with pytest.raises(Unreadable, match="cannot list"):
        claims.reap(Fleet(), NOW)
    with pytest.raises(OSError, match="exists"):
        claims.claim("a", "w1", "g1", NOW, Fleet())
    asks = Asks(paths)
    ask = asks.add(Ask(id="", asker="w1", kind="question", prompt="?", created=NOW))
    said = Answer(text="fine", by="ann", channel="cli", at=NOW)
    assert asks.answer(ask.id, said).answer == said


def test_files_of_other_kinds_are_nobodys(claims: Claims, paths: Paths) -> None:
    for name in (".a.json.1234.tmp", "a.txt", "-a.json", "a b.json", ".json", "\u202e.json"):
        (paths.claims / name).write_text("{")
    assert claims.list() == ([], [])
    assert claims.reap(Fleet(), NOW + 1e6) == []
    assert (paths.claims / "a.txt").exists()


# -- names ---------------------------------------------------------------------------------------

BAD = ["", ".", "..", ".a", "a/b", "/a", "../a", "-x", "--session", "a b", "a\n", "a\0b", "x" * 65]


@pytest.mark.parametrize("bad", BAD)
def test_a_name_that_is_none_is_refused_and_nothing_is_written(
    claims: Claims, paths: Paths, bad: str
) -> None:
    fleet = Fleet(w1="g1")
    for name, session, generation in ((bad, "w1", "g1"), ("a", bad, "g1"), ("a", "w1", bad)):
        if not bad and name == "a" and session == "w1":
            continue
        with pytest.raises(Usage, match=r"cannot name a (claim|session|generation)"):
            claims.claim(name, session, generation, NOW, fleet)
        with pytest.raises(Usage, match=r"cannot name a (claim|session|generation)"):
            claims.unclaim(name, session, generation, fleet)
    assert [p.name for p in paths.claims.iterdir() if p.name != ".dirlock"] == []
    assert not (paths.data / "a.json").exists()


# -- hostile contents ----------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
session = st.sampled_from(["w1", "w2", "", "\x1b[2J", "..", "x" * 70]) | values
leases = st.fixed_dictionaries(
    {"session": session},
    optional={"generation": values, "name": values, "ts": values, "nonce": values, "v": values},
).map(encode)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40) | values.map(encode) | leases, st.sampled_from([0.0, 60.0]))
@example(b"[" * 100_000, 60.0)
@example(b'{"session": "w1", "ts": ' + b"9" * 5000 + b"}", 60.0)
@example(b'{"session": "w1", "ts": "%s"}' % (b"9" * 5000), 60.0)
@example(b'{"session": "\\ud800"}', 60.0)
def test_nothing_that_a_file_can_hold_breaks_anything(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, age_s: float
) -> None:
    top = tmp_path_factory.mktemp("claims")
    paths = Paths(top, top / "config.toml")
    claims = Claims(paths)
    paths.claims.mkdir()
    path = paths.claims / "a.json"

    def put() -> None:
        path.write_bytes(data)
        os.utime(path, (NOW - age_s, NOW - age_s))

    put()
    found, problems = claims.list()
    assert len(found) + len(problems) == 1
    for claim in found:
        assert claim.session in ("w1", "w2") or claim.session.isalnum()
        msgspec.json.encode(module.signal(found))
    for problem in problems:
        assert len(problem.splitlines()) == 1

    reaped = claims.reap(Fleet(w1="g1"), NOW)
    assert path.exists() == (not reaped)
    if found:
        assert bool(reaped) == (not Fleet(w1="g1")(found[0].session, found[0].generation))
    else:
        assert bool(reaped) == (age_s > 10)

    put()
    try:
        won = claims.claim("a", "w9", "g9", NOW, Fleet(w1="g1"))
    except Refused as error:
        said = str(error)
    else:
        said = ""
        assert claims.list() == ([won.claim], [])
    assert (path.read_bytes() == data) == bool(said)
    assert len(said.splitlines()) <= 1
    assert said.isprintable()

    put()
    try:
        claims.unclaim("a", "w9", "g9", Fleet(w1="g1"))
    except Refused:
        assert path.read_bytes() == data
    else:
        assert not path.exists()
