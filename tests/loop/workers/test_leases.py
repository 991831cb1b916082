"""Claims and the life of their holders: the dead lose them, and nobody of whom nobody can tell."""

import os
import signal

from looop.loop.workers import leases, start
from looop.loop.workers.leases import BY_HAND
from tests.loop.workers.support import Profile
from tests.support.crew import end, ended, program
from tests.support.leftovers import nothing_left, unsynced

__all__ = ["nothing_left", "unsynced"]


def claim(profile: Profile, name: str, session: str, generation: str) -> None:
    profile.store.claims.claim(name, session, generation, profile.clock.now, _always)


def _always(_session: str, _generation: str) -> bool:
    return True


def held(profile: Profile) -> list[str]:
    return [claim.name for claim in profile.store.claims.list()[0]]


def test_a_session_lives_in_one_generation(profile: Profile) -> None:
    alive = leases.liveness(profile.fleet)
    first = profile.start().generation

    assert alive("w", first) is True
    assert alive("w", "") is True
    assert alive("w", "g0") is False
    assert alive("nobody", "") is False

    second = start.restart(profile.opened, "w").generation
    assert (alive("w", first), alive("w", second)) == (False, True)

    end(profile.fleet)
    assert (alive("w", second), alive("w", "")) == (False, False)


def test_a_claim_by_hand_lives_until_it_is_given_back(profile: Profile) -> None:
    alive = leases.liveness(profile.fleet)

    assert alive("nobody", BY_HAND) is True
    profile.hide_fleet()
    assert alive("nobody", BY_HAND) is True


def test_what_cannot_be_seen_is_neither_dead_nor_alive(profile: Profile) -> None:
    alive = leases.liveness(profile.fleet)
    generation = profile.start().generation
    meta = profile.paths.sessions / "w" / "meta.json"
    kept = meta.read_bytes()
    meta.write_text("{")
    assert alive("w", generation) is None
    meta.write_bytes(kept)
    end(profile.fleet)
    meta.write_text("{")
    # Its lock is free: whatever its generation was, it does not live.
    assert alive("w", generation) is False
    profile.hide_fleet()
    assert alive("w", generation) is None


def test_a_supervisor_that_died_holds_nothing(profile: Profile) -> None:
    session = profile.start()
    os.kill(session.supervisor, signal.SIGKILL)
    ended(profile.fleet)

    assert leases.liveness(profile.fleet)("w", session.generation) is False


def test_the_claims_of_the_dead_are_released_and_told(profile: Profile) -> None:
    generation = profile.start().generation
    claim(profile, "mine", "w", generation)
    claim(profile, "old", "w", "g0")
    claim(profile, "gone", "nobody", "g1")
    claim(profile, "hand", "ann", BY_HAND)

    leases.reap(profile.opened)

    assert held(profile) == ["hand", "mine"]
    assert sorted((f["claim"], f["worker"]) for f in profile.heard("claim_reaped")) == [
        ("gone", "nobody"), ("old", "w"),
    ]  # fmt: skip
    end(profile.fleet)
    leases.reap(profile.opened)
    assert held(profile) == ["hand"]


def test_a_restart_gives_up_what_the_earlier_generation_held(profile: Profile) -> None:
    claim(profile, "mine", "w", profile.start().generation)
    start.restart(profile.opened, "w")

    leases.reap(profile.opened)

    assert held(profile) == []


def test_a_program_may_hold_a_claim_like_a_worker(profile: Profile) -> None:
    program(profile, "p", "read x", generation="g1")
    claim(profile, "mine", "p", "g1")

    leases.reap(profile.opened)
    assert held(profile) == ["mine"]

    profile.fleet.kill("p")
    leases.reap(profile.opened)
    assert held(profile) == []


def test_a_fleet_that_cannot_be_seen_releases_nothing(profile: Profile) -> None:
    claim(profile, "gone", "nobody", "g1")
    profile.hide_fleet()

    leases.reap(profile.opened)

    assert held(profile) == ["gone"]


def test_claims_that_cannot_be_seen_are_told_and_stop_nobody(profile: Profile) -> None:
    profile.paths.claims.rmdir()
    profile.paths.claims.write_text("")

    leases.reap(profile.opened)

    (told,) = profile.heard("warning")
    assert told["about"] == "claims"
