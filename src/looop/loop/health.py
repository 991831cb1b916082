"""How a worker is: one word from its session, its agent's own word, and what was seen of it."""

from typing import Literal

from msgspec import Struct

from looop.model.records import Activity, AgentNote
from looop.sessions.records import Session

__all__ = ["IDLE_AFTER_S", "Basis", "Health", "Word", "classify"]

Word = Literal["dead", "waiting", "limited", "stuck", "idle", "busy"]
# What a word rests on: the agent's own hooks, its screen, its output, or the session itself.
Basis = Literal["session", "ask", "hook", "screen", "output"]

IDLE_AFTER_S = 60.0


class Health(Struct, frozen=True, kw_only=True):
    """
    `waiting` is a human's turn; `limited` ends at `until` (wall seconds, 0 for unknown).
    `still_s` is how long nothing has been seen to move, None where nobody looked.
    """

    word: Word
    basis: Basis
    detail: str = ""
    until: float = 0.0
    still_s: float | None = None


def classify(
    session: Session,
    *,
    note: AgentNote | None,
    activity: Activity | None,
    waiting: bool,
    now: float,
    stuck_after: float,
) -> Health:
    """
    The first of these that holds: dead, waiting, limited, stuck, idle, busy.

    What an agent says through its hooks outranks what its screen looks like; both must be of
    this very generation. What cannot be told counts as busy: nobody is killed on a guess.
    """
    if not session.alive:
        return Health(word="dead", basis="session", detail=session.reason)
    if note is not None and note.generation != session.generation:
        note = None
    if activity is not None and activity.generation != session.generation:
        activity = None
    if waiting:
        return Health(word="waiting", basis="ask")
    if note is not None and note.state == "asking":
        return Health(word="waiting", basis="hook", detail=note.detail)
    if activity is not None and activity.dialog:
        return Health(word="waiting", basis="screen", detail=activity.dialog)
    limit = _limit(note, activity, now)
    if limit is not None:
        return limit
    still = None if activity is None else max(0.0, now - activity.moved_at)
    if stuck_after and still is not None and still >= stuck_after:
        return Health(word="stuck", basis="output", still_s=still)
    if note is not None and note.state in ("idle", "ended", "failed"):
        return Health(word="idle", basis="hook", detail=note.detail, still_s=still)
    if note is not None and note.state in ("busy", "starting"):
        return Health(word="busy", basis="hook", still_s=still)
    return _by_screen(activity, still, now)


def _limit(note: AgentNote | None, activity: Activity | None, now: float) -> Health | None:
    """A usage limit that is reported and not known to be over."""
    if note is not None and note.state == "limited" and not 0 < note.until <= now:
        return Health(word="limited", basis="hook", detail=note.detail, until=note.until)
    if note is not None and note.state == "busy":
        # It works: what stands on its screen is an old message.
        return None
    if activity is None or not activity.limit or 0 < activity.limit_until <= now:
        return None
    return Health(word="limited", basis="screen", detail=activity.limit, until=activity.limit_until)


def _by_screen(activity: Activity | None, still: float | None, now: float) -> Health:
    if activity is None:
        return Health(word="busy", basis="session")
    if activity.screen and now - activity.still_since >= IDLE_AFTER_S:
        return Health(word="idle", basis="screen", still_s=still)
    if not activity.screen and still is not None and still >= IDLE_AFTER_S:
        return Health(word="idle", basis="output", still_s=still)
    return Health(word="busy", basis="screen" if activity.screen else "output", still_s=still)
