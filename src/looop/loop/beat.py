"""One pass of the loop: sense, diff, gates, decide, admit, act, log. At most one move."""

from typing import Literal

import msgspec

from looop.config import RULES
from looop.errors import LooopError
from looop.kit import canon, durations, text
from looop.loop import diff, gates, recover, stages
from looop.loop.admit import holds
from looop.loop.admit.holds import Answered
from looop.loop.book import BUDGET, OWN, Book
from looop.loop.decide import reflexes
from looop.loop.decide.reflexes import Match
from looop.loop.move import Choice, End, Move, failed
from looop.loop.parts import Parts
from looop.loop.sense.look import look
from looop.loop.stages import Sight
from looop.loop.workers import tend
from looop.model.actions import Decision, Noop
from looop.model.records import Ask, Fired, Memory, Origin
from looop.model.world import Trust
from looop.state import memory as memories

__all__ = ["End", "beat"]


async def beat(parts: Parts, *, forced: bool = False, dry: bool = False) -> End:
    """
    Look at the world once and make at most one move.

    `forced` decides although nothing changed; every other gate stands. `dry` stops after the
    policy's verdict: nothing acts, nothing is committed, but a launch of the runner is charged.
    Raises nothing for what the world does; a bug in the loop itself is the caller's to catch.
    """
    try:
        memory, aside = memories.load_or_recover(parts.store.paths, parts.clock.wall())
        if aside:
            parts.tell("corrupt", path=str(parts.store.paths.memory), aside=aside)
        return await _Beat(parts, memory, forced=forced, dry=dry).run()
    except (LooopError, OSError) as error:
        said = text.one_line(str(error), 500)
        parts.tell("warning", about="beat", text=said)
        return End(kind="blind", said=said)


class _Beat:
    """The state of one pass; each method is a stage, in the order in which they stand here."""

    def __init__(self, parts: Parts, memory: Memory, *, forced: bool, dry: bool) -> None:
        self.parts = parts
        self.store = parts.store
        self.book = Book(parts, memory, dry=dry)
        self.forced = forced
        self.dry = dry
        self.changed: list[str] = []
        self.fired: dict[str, Fired] = {}

    @property
    def memory(self) -> Memory:
        return self.book.memory

    async def run(self) -> End:
        self.parts.tell("beat_started", forced=self.forced)
        self.store.ensure()
        if not self.dry:
            await self.keep_house()
        sight = await self.sense()
        answered = holds.next_answered(self.store, self.parts.generation_of)
        if answered is not None and not self.dry:
            return await self.spend_answer(answered, sight)
        return await self.decide_and_act(sight)

    # -- 0. housekeeping ---------------------------------------------------------------------

    async def keep_house(self) -> None:
        self.book.memory = await recover.unfinished(self.parts, self.memory)
        await self.tend_crew()
        now = self.parts.clock.wall()
        asks, problems = self.store.asks.look()
        for problem in problems:
            self.parts.tell("warning", about="asks", text=problem)
        for ask in asks:
            # Told before it is closed, so that a crash between the two loses nothing.
            due = ask.state == "pending" and ask.expires and now >= ask.expires
            if due and ask.kind == "approval":
                self.book.remember("expired", f"held move {ask.id} expired unanswered", ask.run)
            if ask.state == "expired":
                # A crash came between the mark and the archive.
                self.book.close(ask, "expired")
        for ask in self.store.asks.expire(now):
            self.parts.tell("ask_closed", ask=ask.id, kind=ask.kind, how="expired")
        for ask in asks:
            # The loop's own notices stay until what they are about is over, or an answer would
            # only make it ask again.
            if ask.kind == "notice" and ask.state == "answered" and ask.key not in OWN:
                self.book.close(ask, "seen")
        self.store.runs.prune(self.parts.config.runs_keep)
        self.store.asks.prune()

    async def tend_crew(self) -> None:
        items = await tend.tend(self.parts, self.memory.items)
        if items != self.memory.items:
            known = diff.fingerprint(items) if self.memory.hash else ""
            self.book.keep(msgspec.structs.replace(self.memory, items=items, hash=known))

    # -- 1. sense, 2. diff -------------------------------------------------------------------

    async def sense(self) -> Sight:
        parts = self.parts
        seen = await look(
            self.store, parts.fleet, parts.config, self.memory, parts.env, parts.clock
        )
        parts.tell(
            "sensed",
            ok=len(seen.readings) - sum(not r.ok for r in seen.readings.values()),
            failed=list(seen.failed),
            ran=len(seen.ran),
            took_s=round(seen.took_s, 3),
        )
        for problem in seen.problems:
            parts.listener("warning", {"about": "sense", "text": problem})
        sight = stages.assemble(parts, seen, self.memory, forced=self.forced)
        flaps, flagged = gates.flap(self.memory.flaps, sight.world.items, parts.config.flap_streak)
        for name in flagged:
            parts.tell("sensor_flapping", sensor=name, streak=flaps[name].streak)
        self.book.keep(msgspec.structs.replace(self.memory, flaps=flaps))
        self.changed = [change.item for change in sight.changes]
        return sight

    # -- a held move whose answer has come ---------------------------------------------------

    async def spend_answer(self, answered: Answered, sight: Sight) -> End:
        ask, made = answered.ask, answered.decision
        if made is None:
            said = ask.answer.text if ask.answer else ""
            words = f"held move {ask.id} was refused by a human: {said}"
            if answered.how != "denied":
                words = f"held move {ask.id} was not run: {answered.how}"
            words += f" -- {canon.canonical(ask.action)[:800]}"
            # Told before it is closed, so that a crash between the two loses nothing.
            self.book.remember("denied", words, ask.run)
            if answered.how == "denied":
                self.book.refuse(ask.digest)
            self.book.close(ask, answered.how)
            return await self.decide_and_act(sight)
        choice = Choice(
            decision=made, origin="approval", decider=f"approval {ask.id}", taint="own", ask=ask.id
        )
        self.book.open_run(sight, "approval", ask.id)
        return await Move(self.parts, self.book, choice, sight, self.fired).carry_out()

    # -- 3. gates ----------------------------------------------------------------------------

    def closed(self, gate: gates.Gate) -> End:
        kind: Literal["rested", "gated"] = "rested" if gate.name == "unchanged" else "gated"
        self.parts.tell("gate_closed", gate=gate.name, reason=gate.reason, until=gate.until)
        left = "" if gate.until is None else durations.short(gate.until - self.parts.clock.wall())
        wait = f"; opens in {left}" if left else ""
        self.book.keep(msgspec.structs.replace(self.memory, moved=False))
        return End(kind=kind, said=f"{gate.name}: {gate.reason}{wait}")

    async def decide_and_act(self, sight: Sight) -> End:
        config = self.parts.config
        first = gates.unchanged(self.memory, sight.moment, config)
        for gate in (first, gates.backoff(self.memory, sight.moment)):
            if gate.closed:
                return self.closed(gate)
        choice, end = await self.decide(sight, first.reason)
        if choice is None:
            return end
        if not self.book.run:
            self.book.open_run(sight, choice.origin, first.reason)
        return await Move(self.parts, self.book, choice, sight, self.fired).carry_out()

    # -- 4. decide ---------------------------------------------------------------------------

    async def decide(self, sight: Sight, woke: str) -> tuple[Choice | None, End]:
        match, kept = self.reflex(sight)
        if match is not None:
            self.fired = kept | {match.reflex: reflexes.fired(match, self.parts.clock.wall())}
            return self.chosen(match.decision, "reflex", match.reflex, match.taint, match), _NONE
        self.fired = kept
        left = stages.pending(sight, self.memory)
        if not left and sight.changes and not self.memory.notices and not self.forced:
            return None, self.settle(sight)
        if self.parts.config.runner == RULES:
            made = Decision(action=Noop(reason="no reflex matched"), journal="")
            return self.chosen(made, "reflex", "rules", "own"), _NONE
        gate = stages.runner_gates(self.parts, sight, self.memory)
        if gate is not None:
            if gate.name in ("daily-budget", "unmetered"):
                self.book.escalate(
                    BUDGET, f"The {gate.name} gate is closed: {gate.reason}", "normal"
                )
            return None, self.closed(gate)
        return await self.ask_runner(sight, woke)

    def reflex(self, sight: Sight) -> tuple[Match | None, dict[str, Fired]]:
        rules = stages.load_reflexes(self.parts)
        now = sight.moment.now
        match, kept, problems = reflexes.choose(
            rules, sight.world, self.memory.reflexes, now, self.changed
        )
        for problem in (*rules.problems, *problems):
            self.parts.tell("reflex_broken", reflex=problem.partition(":")[0], reason=problem)
        # A rule whose condition ended is forgotten at once, whatever becomes of this beat.
        self.book.keep(msgspec.structs.replace(self.memory, reflexes=kept))
        return match, kept

    def settle(self, sight: Sight) -> End:
        """Every change was dealt with by a reflex: commit without another decision."""
        self.book.keep(
            msgspec.structs.replace(
                self.memory,
                hash=sight.world.hash,
                items=sight.world.items,
                handled={},
                reflexes=self.fired,
                moved=False,
            )
        )
        return End(kind="rested", said="reflexes have dealt with every change")

    def chosen(
        self,
        made: Decision,
        origin: Origin,
        decider: str,
        taint: Trust,
        match: Match | None = None,
    ) -> Choice:
        heard: tuple[str, ...] = ()
        if self.parts.config.runner == RULES:
            heard = _answered(self.store.asks.open())
        return Choice(
            decision=made, origin=origin, decider=decider, taint=taint, match=match, heard=heard
        )

    async def ask_runner(self, sight: Sight, woke: str) -> tuple[Choice | None, End]:
        parts = self.parts
        self.book.open_run(sight, "runner", woke)
        run = self.book.run
        asks = self.store.asks.open()
        built = stages.build_prompt(parts, sight, self.memory, asks, woke)
        parts.tell("decide_started", run=run, runner=parts.config.runner, changes=self.changed[:50])
        charge = stages.Charge(parts, self.memory)

        def line(words: str) -> None:
            parts.listener("runner_line", {"run": run, "text": words})

        choice = await stages.ask_runner(parts, run, built.text, charge, line)
        self.book.memory = charge.memory
        spend = choice.spends[-1] if choice.spends else None
        if choice.decision is None:
            self.book.note(spend=spend)
            return None, failed(self.book, sight, choice.code, choice.error)
        return Choice(
            decision=choice.decision,
            origin="runner",
            decider=parts.config.runner,
            taint=built.taint,
            dropped=built.dropped,
            heard=_answered(asks),
            spend=spend,
        ), _NONE


def _answered(asks: list[Ask]) -> tuple[str, ...]:
    """The questions whose answers a decision has been told."""
    return tuple(a.id for a in asks if a.state == "answered" and a.kind == "question")


_NONE = End(kind="rested", said="")
