"""The bookkeeping of one beat: its record, its memory, and the asks that the loop itself raises."""

from typing import Any, Literal

import msgspec

from looop.kit import identity, text
from looop.loop import gates, recover, remember
from looop.loop.parts import Parts
from looop.loop.stages import Sight
from looop.model.records import Ask, BeatRecord, Memory, Notice, Origin, Outcome
from looop.state import memory as memories
from looop.state.logs import Journal

__all__ = ["BUDGET", "FAILING", "OWN", "Book"]

FAILING = "loop:failing"
BUDGET = "loop:budget"
OWN = (FAILING, BUDGET)
_CHANGES_KEPT = 200
# How long a no stands where held moves never expire.
_REFUSAL_S = 86400.0


class Book:
    """
    What one beat writes down. `memory` is the newest that is known, stored or about to be.

    A dry beat keeps its records and commits nothing.
    """

    def __init__(self, parts: Parts, memory: Memory, *, dry: bool) -> None:
        self._parts = parts
        self._store = parts.store
        self.dry = dry
        self.memory = memory
        self.run = ""
        self.closed: tuple[str, ...] = ()

    def keep(self, memory: Memory) -> None:
        """Store a memory that differs; an idle loop writes nothing."""
        if memory != self.memory:
            self.memory = memory
            if not self.dry:
                memories.store(self._store.paths, memory)

    def open_run(self, sight: Sight, origin: Origin, woke: str) -> None:
        """Make a directory for everything that this beat sees, thinks and does."""
        now = self._parts.clock.wall()
        self.run = self._store.runs.create("tick", now)
        readings = {n: r.as_json() for n, r in sight.world.readings.items()}
        world = {"hash": sight.world.hash, "items": sight.world.items, "readings": readings}
        self._store.runs.keep(self.run, "world.json", msgspec.json.encode(world) + b"\n")
        self.record = BeatRecord(
            run=self.run,
            phase="sensed",
            origin=origin,
            owner=identity.mine(),
            began=now,
            hash=sight.world.hash,
            changes=tuple(change.item for change in sight.changes[:_CHANGES_KEPT]),
            woke=woke,
        )
        self._store.runs.write(self.record)

    def note(self, **fields: Any) -> None:
        """Change the record without publishing it; the next `advance` does."""
        self.record = msgspec.structs.replace(self.record, **fields)

    def advance(self, **fields: Any) -> None:
        """Publish how far the run got."""
        self.note(**fields)
        self._store.runs.write(self.record)

    def remember(self, kind: Literal["denied", "expired"], words: str, run: str) -> None:
        """Tell the next decision something; the newest few are enough, whoever insists."""
        if any(notice.text == words for notice in self.memory.notices):
            return
        notice = Notice(at=self._parts.clock.wall(), kind=kind, text=words, run=run)
        notices = (*self.memory.notices, notice)[-5:]
        self.keep(msgspec.structs.replace(self.memory, notices=notices))

    def refuse(self, digest: str) -> None:
        """Remember a human's no for as long as a yes would have been waited for."""
        now = self._parts.clock.wall()
        refused = {d: at for d, at in self.memory.refused.items() if self._stands(at, now)}
        self.keep(msgspec.structs.replace(self.memory, refused=refused | {digest: now}))

    def refused(self, digest: str) -> bool:
        """Whether a human's no to this very move still stands."""
        at = self.memory.refused.get(digest)
        return at is not None and self._stands(at, self._parts.clock.wall())

    def _stands(self, at: float, now: float) -> bool:
        return now - at < (self._parts.config.approval_ttl or _REFUSAL_S)

    def finish(self, memory: Memory, outcome: Outcome, words: str) -> None:
        """The move is over: one record makes it true, and the rest can be made up for."""
        now = self._parts.clock.wall()
        line = Journal.line(now, words)
        self.advance(phase="acted", outcome=outcome, line=line, memory=memory, ended=now)
        recover.conclude(self._parts, self.record)
        self.memory = memory

    def fail(self, sight: Sight, code: str, error: str, memory: Memory | None = None) -> float:
        """The beat came to nothing: remember why, and back off; seconds until the next try."""
        parts = self._parts
        now = parts.clock.wall()
        new = remember.after_failure(
            memory or self.memory, sight, now, run=self.run, code=code, error=error
        )
        wait_s = gates.backoff_s(new.fails)
        if self.dry:
            self.advance(phase="done", ended=now, error="dry run")
            return wait_s
        self.advance(phase="acted", memory=new, ended=now, error=error)
        recover.conclude(parts, self.record)
        self.memory = new
        parts.tell(
            "beat_failed",
            run=self.run,
            code=code,
            error=error,
            fails=new.fails,
            retry_at=now + wait_s,
        )
        if new.fails >= gates.ESCALATE_AFTER:
            words = f"The loop failed {new.fails} times in a row. The last time: {error}"
            self.escalate(FAILING, words, "high")
        return wait_s

    # -- asks of the loop itself -------------------------------------------------------------

    def close(self, ask: Ask, how: str) -> None:
        self._store.asks.close(ask, how)
        self.closed = (*self.closed, ask.id)
        self._parts.tell("ask_closed", ask=ask.id, kind=ask.kind, how=how)

    def escalate(self, key: str, words: str, severity: Literal["normal", "high"]) -> None:
        """Tell a human once, until it is over."""
        if self.dry or any(ask.key == key for ask in self._store.asks.open()):
            return
        ask = self._store.asks.add(
            Ask(
                id="",
                asker="loop",
                kind="notice",
                prompt=text.one_line(words, 1000),
                created=self._parts.clock.wall(),
                severity=severity,
                key=key,
            )
        )
        self._parts.tell(
            "asked", ask=ask.id, kind=ask.kind, severity=ask.severity, prompt=ask.prompt
        )

    def over(self, heard: tuple[str, ...], *keys: str) -> list[tuple[Ask, str]]:
        """The asks that a success ends, and how: answers that were told, notices of `keys`."""
        found: list[tuple[Ask, str]] = []
        for ask in self._store.asks.open():
            if ask.id in heard:
                found.append((ask, "delivered"))
            elif ask.kind == "notice" and ask.key in keys:
                found.append((ask, "resolved"))
        return found
