"""Claims and the life of their holders: who is alive, and which leases the dead still hold."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from looop.errors import LooopError, NotFound
from looop.sessions.port import Fleet

if TYPE_CHECKING:
    from looop.loop.parts import Parts

__all__ = ["BY_HAND", "liveness", "reap"]

# The generation of a claim by someone who is no session: only an `unclaim` by hand ends it.
BY_HAND = "by-hand"


def liveness(fleet: Fleet) -> Callable[[str, str], bool | None]:
    """
    Whether that generation of a session lives; None when it cannot be told.

    A record from before generations counts for whoever has the id now.
    """

    def alive(session: str, generation: str) -> bool | None:
        if generation == BY_HAND:
            return True
        try:
            found = fleet.find(session)
        except (LooopError, OSError):
            return None
        if found is None:
            return False
        if found.state == "unreadable":
            return None if found.alive else False
        return found.alive and generation in ("", found.generation)

    return alive


def reap(parts: "Parts") -> None:
    """Release the claims of the dead; those of whom nobody can tell are left."""
    try:
        released = parts.store.claims.reap(liveness(parts.fleet), parts.clock.wall())
    except (LooopError, OSError, NotFound) as error:
        parts.tell("warning", about="claims", text=str(error))
        return
    for claim in released:
        parts.tell("claim_reaped", claim=claim.name, worker=claim.session)
