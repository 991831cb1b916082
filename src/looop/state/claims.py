"""Claims: leases on names, which workers take before work that must not be done twice."""

import datetime
import os
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from looop.errors import Conflict, Corrupt, LooopError, Refused, Unreadable
from looop.kit import clock as clocks
from looop.kit import files, names
from looop.model.records import Claim
from looop.paths import Paths
from looop.state import table
from looop.state.table import Table

__all__ = ["Claims", "Liveness", "Won", "signal"]

# A file that makes no sense may be one that another program is writing right now.
_YOUNG_S = 10.0
# A round is lost only to someone else's success, so this many means that something is wrong.
_ROUNDS = 32
# The year 9999: what is later cannot be shown as a date.
_LAST = 253_402_300_799.0
_UNTOLD = "whether that one still lives could not be told, so it counts as alive"


class Liveness(Protocol):
    """
    Whether a session lives, as of the moment of asking: an answer that was remembered would let
    the reaper take a lease from a session that started since.

    `generation` "" asks for the session in whatever generation. None, or raising `Unreadable`,
    says that nobody could look, which counts as alive. A holder need not be a session at all
    (`looop claim NAME --session me` by a human): True or None then keeps the lease until it is
    released by hand, False gives it away at the next beat.
    """

    def __call__(self, session: str, generation: str, /) -> bool | None: ...


class Won(Struct, frozen=True, kw_only=True):
    """
    A claim that succeeded: `new`, `kept` (it was the caller's already) or `reclaimed`.

    `before` is the lease that was replaced; None for a new one and for a file that made no sense.
    """

    how: Literal["new", "kept", "reclaimed"]
    claim: Claim
    before: Claim | None = None


class _Standing(Enum):
    """What a lease is to whoever asks for its name."""

    OURS = 1
    HELD = 2
    UNKNOWN = 3
    DEAD = 4


class _Stored(Struct, frozen=True):
    """A lease as any version wrote it; only who holds it must make sense."""

    session: str
    generation: Any = ""
    ts: Any = 0.0
    nonce: Any = ""


class Claims:
    """The leases of a profile."""

    def __init__(self, paths: Paths) -> None:
        self._table = Table(paths.claims, Claim)

    def claim(self, name: str, session: str, generation: str, now: float, alive: Liveness) -> Won:
        """
        Take the lease on `name` for `session` in its `generation`, "" if it has none.

        Taking it again is fine and keeps since when it is held. Raises `Refused` naming a live
        holder, or one of whom nobody can tell; `Conflict` when another is at it this moment;
        `Usage` for a name that is none; `Unreadable` when the file cannot be looked at.
        """
        path = self._path(name)
        _check_holder(session, generation)
        files.ensure_dir(path.parent)
        for _ in range(_ROUNDS):
            data = files.read_bytes(path)
            if data is None:
                won = Won(how="new", claim=_lease(name, session, generation, now))
                done = files.create_exclusive(path, table.encode(won.claim))
            else:
                won = self._over(name, data, _lease(name, session, generation, now), alive)
                done = files.replace_if_equal(path, data, table.encode(won.claim))
            if done:
                return won
        raise Conflict(f"{name} cannot be claimed: {path} changes all the time, or is a dead link")

    def _over(self, name: str, data: bytes, new: Claim, alive: Liveness) -> Won:
        """What replaces the lease that is there. Raises `Refused` when nothing may."""
        path = self._table.path(name)
        try:
            old = _parse(name, data, path)
        except Corrupt as error:
            if _young(path, new.ts):
                raise Conflict(f"someone else is claiming {name} just now; try again") from error
            return Won(how="reclaimed", claim=new)
        match _stand(old, new.session, new.generation, alive):
            case _Standing.OURS:
                kept = msgspec.structs.replace(
                    new, ts=old.ts or new.ts, generation=new.generation or old.generation
                )
                return Won(how="kept", claim=kept, before=old)
            case _Standing.DEAD:
                return Won(how="reclaimed", claim=new, before=old)
            case _Standing.HELD:
                raise Refused(_held(old, new.session))
            case _Standing.UNKNOWN:
                raise Refused(f"{_held(old, new.session)}; {_UNTOLD}")

    def unclaim(self, name: str, session: str, generation: str, alive: Liveness) -> bool:
        """
        Release the lease on `name`: True if this call did, False if there was none.

        Whoever holds it may, whether or not anyone can look at the fleet. What a dead holder
        left, or makes no sense, goes too. Raises `Refused` naming another holder, and otherwise
        as `claim` does.
        """
        path = self._path(name)
        _check_holder(session, generation)
        for _ in range(_ROUNDS):
            data = files.read_bytes(path)
            if data is None:
                return False
            self._may_release(name, data, session, generation, alive)
            if files.remove_if_equal(path, data):
                return True
        raise Conflict(f"{name} cannot be released: {path} changes all the time")

    def _may_release(
        self, name: str, data: bytes, session: str, generation: str, alive: Liveness
    ) -> None:
        try:
            old = _parse(name, data, self._table.path(name))
        except Corrupt:
            return
        match _stand(old, session, generation, alive):
            case _Standing.OURS | _Standing.DEAD:
                return
            case _Standing.HELD:
                raise Refused(_held(old, session))
            case _Standing.UNKNOWN:
                raise Refused(f"{_held(old, session)}; {_UNTOLD}")

    def reap(self, alive: Liveness, now: float) -> list[Claim]:
        """
        Release what dead holders left, and return it.

        Each lease is read, then its holder looked up, then removed only while it is still those
        very bytes. A holder of whom nobody can tell keeps it, as does a file that cannot be
        read. A file that made no sense for ten seconds goes too, as a claim without a session.
        """
        reaped: list[Claim] = []
        for name in self._table.names():
            try:
                gone = self._reap_one(name, alive, now)
            except Unreadable:
                continue
            if gone is not None:
                reaped.append(gone)
        return reaped

    def _reap_one(self, name: str, alive: Liveness, now: float) -> Claim | None:
        path = self._table.path(name)
        data = files.read_bytes(path)
        if data is None:
            return None
        try:
            claim = _parse(name, data, path)
        except Corrupt:
            if _young(path, now):
                return None
            claim = Claim(name=name, session="")
        else:
            if _ask(alive, claim) is not False:
                return None
        return claim if files.remove_if_equal(path, data) else None

    def list(self) -> tuple[list[Claim], list[str]]:
        """
        Every lease by name, and one line for each file that cannot be read or makes no sense.

        Whether a holder still lives is not looked at. Raises `Unreadable` when the directory
        cannot be.
        """
        found: list[Claim] = []
        problems: list[str] = []
        for name in self._table.names():
            path = self._table.path(name)
            try:
                data = files.read_bytes(path)
                if data is not None:
                    found.append(_parse(name, data, path))
            except LooopError as error:
                problems.append(str(error))
        return found, problems

    def _path(self, name: str) -> Path:
        return self._table.path(names.checked("claim", name))


def signal(claims: Iterable[Claim]) -> dict[str, str]:
    """Who holds what: the part of the claims that wakes the loop, so without times and nonces."""
    return {claim.name: claim.session for claim in claims}


def _check_holder(session: str, generation: str) -> None:
    names.checked("session", session)
    if generation:
        names.checked("generation", generation)


def _lease(name: str, session: str, generation: str, now: float) -> Claim:
    nonce = os.urandom(8).hex()
    return Claim(name=name, session=session, generation=generation, ts=now, nonce=nonce)


def _parse(name: str, data: bytes, path: Path) -> Claim:
    """The lease in a file, of this or an earlier version. Raises `Corrupt` if it names nobody."""
    stored = table.decode(data, _Stored, path)
    if not names.is_name(stored.session):
        raise Corrupt(f"{path} makes no sense: its session is not a name")
    return Claim(
        # The file's name is what is leased, whatever a copied file says inside.
        name=name,
        session=stored.session,
        generation=_word(stored.generation) if names.is_name(_word(stored.generation)) else "",
        ts=_moment(stored.ts),
        nonce=_word(stored.nonce),
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: Any) -> float:
    """Wall seconds from a number or an RFC 3339 text (UTC if it does not say); 0 for neither."""
    try:
        if isinstance(value, str):
            moment = datetime.datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.UTC)
            seconds = moment.timestamp()
        else:
            seconds = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return seconds if 0.0 < seconds <= _LAST else 0.0


def _young(path: Path, now: float) -> bool:
    """
    Whether a file was written just now; True also if it has gone meanwhile.

    To be asked after its bytes were read: they are then at least as old as this says. A time
    far in the future is some other clock's, not just now.
    """
    found = files.stat_or_none(path)
    return found is None or abs(now - found.st_mtime) < _YOUNG_S


def _ask(alive: Liveness, claim: Claim) -> bool | None:
    try:
        return alive(claim.session, claim.generation)
    except Unreadable:
        return None


def _stand(old: Claim, session: str, generation: str, alive: Liveness) -> _Standing:
    if old.session == session and old.generation in ("", generation):
        return _Standing.OURS
    living = _ask(alive, old)
    if old.session == session:
        # A caller without a generation speaks for the session as it is.
        if not generation:
            return _Standing.DEAD if living is False else _Standing.OURS
        # A session has one generation at a time, so that of the lease is over, unless it was seen
        # alive: then the caller is what is left of an earlier one.
        return _Standing.HELD if living else _Standing.DEAD
    if living is None:
        return _Standing.UNKNOWN
    return _Standing.HELD if living else _Standing.DEAD


def _held(claim: Claim, session: str) -> str:
    # Between generations of one session, the name alone would not say who is meant.
    which = f" of generation {claim.generation}" if claim.session == session else ""
    since = f" since {clocks.local_minute(claim.ts)}" if claim.ts else ""
    return f"{claim.name} is held by {claim.session}{which}{since}"
