"""Asks: what waits for a human, answered once, and kept after it is closed."""

import msgspec

from looop.errors import Conflict, LooopError, NotFound, Refused
from looop.kit import files
from looop.model.records import Answer, Ask
from looop.paths import Paths
from looop.state.table import Table

__all__ = ["NO", "YES", "Asks"]

YES = ("yes", "y", "approve", "approved", "ok")
NO = ("no", "n", "deny", "denied", "reject")


class Asks:
    """The open asks of a profile, and the archive of closed ones."""

    def __init__(self, paths: Paths) -> None:
        self._locks = paths.locks
        self._open = Table(paths.asks, Ask)
        self._archive = Table(paths.ask_archive, Ask)

    def names(self) -> list[str]:
        return self._open.names()

    def open(self) -> list[Ask]:
        """
        Every ask that is not closed, oldest first; `problems` tells of those that cannot be read.

        An ask that cannot be read is as good as unanswered: nothing runs because of it.
        """
        return self.look()[0]

    def problems(self) -> list[str]:
        """One line for each open ask that cannot be read."""
        return self.look()[1]

    def look(self) -> tuple[list[Ask], list[str]]:
        """The readable open asks, and one line for each other. Raises `Unreadable`."""
        return _look(self._open)

    def closed(self) -> list[Ask]:
        """Archived asks, oldest first; those that cannot be read are left out."""
        return _look(self._archive)[0]

    def get(self, ask_id: str) -> Ask | None:
        """An ask, open or archived."""
        return self._open.get(ask_id) or self._archive.get(ask_id)

    def add(self, ask: Ask) -> Ask:
        """
        Publish an ask under a fresh id, or return the open one that has the same key.

        `ask.id` is ignored; the id is the asker and a number.
        """
        files.ensure_dir(self._locks)
        # Two askers with one key must see each other, whichever process they are in.
        with files.dir_lock(self._locks):
            return self._add(ask)

    def _add(self, ask: Ask) -> Ask:
        if ask.key:
            for other in self.open():
                if other.key == ask.key and other.state == "pending":
                    return other
        taken = {*self._open.names(), *self._archive.names()}
        parts = [name.rpartition("-") for name in taken]
        numbers = [int(n) for asker, _, n in parts if asker == ask.asker and n.isdigit()]
        # Above the highest, not in a gap: the numbers of asks that were pruned are not free.
        number = 1 + max(numbers, default=0)
        while True:
            named = msgspec.structs.replace(ask, id=f"{ask.asker}-{number}")
            if self._open.add(named.id, named):
                return named
            number += 1

    def _pending(self, ask_id: str) -> Ask:
        ask = self._open.get(ask_id)
        if ask is None:
            closed = self._archive.get(ask_id)
            if closed is not None:
                raise Refused(f"{ask_id} is {closed.closed or closed.state} already")
            raise NotFound(f"there is no ask {ask_id!r}; `looop asks` lists them")
        if ask.state != "pending":
            said = f" with {ask.answer.text!r}" if ask.answer else ""
            raise Refused(f"{ask_id} is {ask.state} already{said}")
        return ask

    def answer(self, ask_id: str, answer: Answer) -> Ask:
        """
        Record an answer; of several at once the first wins.

        Raises `NotFound`, or `Refused` when it is answered or expired already, or when the
        words are not among what it offers.
        """
        ask = self._pending(ask_id)
        if ask.expires and answer.at >= ask.expires:
            raise Refused(f"{ask_id} has expired; the loop will ask again if it still matters")
        text = answer.text.strip()
        if not text:
            raise Refused(f"{ask_id} needs an answer that is not empty")
        if ask.kind == "approval" and text.split()[0].lower().strip(".,!") not in YES + NO:
            raise Refused(f"{ask_id} is a held move: begin the answer with yes or no")
        if ask.options and text not in ask.options:
            raise Refused(f"{ask_id} offers: {', '.join(ask.options)}")
        new = msgspec.structs.replace(
            ask, state="answered", answer=msgspec.structs.replace(answer, text=text)
        )
        if not self._open.swap(ask_id, ask, new):
            raise Conflict(f"someone else answered {ask_id} first; `looop asks` shows it")
        return new

    def expire(self, now: float) -> list[Ask]:
        """Close every pending ask whose time is over, as expired, and return them."""
        out: list[Ask] = []
        for ask in self.open():
            if ask.state == "pending" and ask.expires and now >= ask.expires:
                new = msgspec.structs.replace(ask, state="expired")
                if self._open.swap(ask.id, ask, new):
                    out.append(self.close(new, "expired"))
        return out

    def close(self, ask: Ask, how: str) -> Ask:
        """Move an ask to the archive with the word for its end; closing twice is fine."""
        state = "expired" if ask.state == "expired" else "closed"
        new = msgspec.structs.replace(ask, state=state, closed=how)
        self._archive.put(ask.id, new)
        self._open.drop(ask.id)
        return new

    def prune(self, keep: int = 500) -> None:
        """Keep the newest closed asks; the archive is bounded."""
        archived = self._archive.names()
        if len(archived) <= keep * 2:
            return
        for ask in self.closed()[:-keep]:
            self._archive.drop(ask.id)


def _look(table: Table[Ask]) -> tuple[list[Ask], list[str]]:
    found: list[Ask] = []
    problems: list[str] = []
    for name in table.names():
        try:
            ask = table.get(name)
        except LooopError as error:
            problems.append(str(error))
            continue
        if ask is not None:
            found.append(ask)
    return sorted(found, key=lambda ask: (ask.created, ask.id)), problems
