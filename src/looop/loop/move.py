"""One chosen move, from the policy to the journal: admitted, held or denied, done once, logged."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from looop.config import RULES
from looop.errors import LooopError
from looop.kit import canon, durations, text
from looop.loop import recover, remember, stages
from looop.loop.act import execute, expected
from looop.loop.admit import holds
from looop.loop.book import FAILING, OWN, Book
from looop.loop.decide import reflexes
from looop.loop.decide.reflexes import Match
from looop.loop.parts import Parts
from looop.loop.stages import Sight
from looop.model import actions
from looop.model.actions import Decision, RunShell
from looop.model.records import Ask, Fired, Memory, Origin, Outcome, Shell, Spend, Verdict
from looop.model.world import Trust
from looop.state.logs import Journal

__all__ = ["Choice", "End", "Move", "failed"]

_UNTOUCHED: dict[str, dict[str, str]] = {}


class End(Struct, frozen=True, kw_only=True):
    """
    How a beat ended: `rested` (nothing to do), `gated`, `acted`, `held`, `failed`, or `blind`
    (it could not look at what it must know). `said` is one line for a person.
    """

    kind: Literal["rested", "gated", "acted", "held", "failed", "blind"]
    said: str
    run: str = ""
    action: str = ""


class Choice(Struct, frozen=True, kw_only=True):
    """A decision on its way to the policy, whoever made it."""

    decision: Decision
    origin: Origin
    decider: str
    taint: Trust
    match: Match | None = None
    ask: str = ""
    dropped: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    spend: Spend | None = None


class Move:
    """One choice on its way; the run's record says at every point how far it got."""

    def __init__(
        self, parts: Parts, book: Book, choice: Choice, sight: Sight, fired: dict[str, Fired]
    ) -> None:
        self.parts = parts
        self.store = parts.store
        self.book = book
        self.choice = choice
        self.sight = sight
        self.fired = fired
        self.over: list[tuple[Ask, str]] = []

    # -- 5. admit ----------------------------------------------------------------------------

    async def carry_out(self) -> End:
        """Ask the policy, and do what it says."""
        run, choice, sight = self.book.run, self.choice, self.sight
        made, action = choice.decision, choice.decision.action
        tag = actions.tag_of(action)
        self.parts.tell(
            "decided",
            run=run,
            decider=choice.decider,
            action=tag,
            journal=made.journal,
            goal=made.goal,
        )
        self.book.advance(
            phase="decided",
            decider=choice.decider,
            action=actions.as_dict(action),
            digest=actions.digest(action),
            journal=made.journal,
            goal=made.goal,
            next_interval_s=made.next_interval_s,
            spend=choice.spend,
            ask=choice.ask,
        )
        facts = reflexes.facts(sight.world, sight.moment.now, [c.item for c in sight.changes])
        verdict = stages.admit(self.parts, made, choice.origin, choice.taint, facts)
        if verdict.verdict == "hold" and self.book.refused(actions.digest(action)):
            said = "a human said no to this very move, and the no still stands"
            verdict = msgspec.structs.replace(verdict, verdict="deny", rule="refused", reason=said)
        self.book.advance(phase="admitted", verdict=verdict)
        for note in verdict.shadow:
            if note.startswith("warn:"):
                self.parts.tell("warning", about="admission", text=note)
        if self.book.dry:
            self.book.advance(phase="done", ended=self.parts.clock.wall(), error="dry run")
            words = f"{tag}: {verdict.verdict} by {verdict.rule}"
            why = f": {verdict.reason}" if verdict.reason else ""
            return End(kind="rested", said=f"dry run: {words}{why}", run=run, action=tag)
        if verdict.verdict == "allow":
            self.parts.tell(
                "admitted",
                run=run,
                action=tag,
                rule=verdict.rule,
                taint=verdict.taint,
                shadow=list(verdict.shadow),
            )
            return await self.act()
        if verdict.verdict == "hold":
            return self.hold(verdict)
        return self.deny(verdict)

    def hold(self, verdict: Verdict) -> End:
        parts, choice = self.parts, self.choice
        made = choice.decision
        ask = holds.hold(
            self.store,
            made,
            verdict,
            run=self.book.run,
            origin=choice.origin,
            now=parts.clock.wall(),
            ttl_s=parts.config.approval_ttl,
            generation=parts.generation_of(made.action),
        )
        word = actions.word_of(made.action)
        tag = actions.tag_of(made.action)
        parts.tell(
            "held",
            run=self.book.run,
            action=tag,
            rule=verdict.rule,
            reason=verdict.reason,
            ask=ask.id,
        )
        if ask.run == self.book.run:
            parts.tell("asked", ask=ask.id, kind=ask.kind, severity=ask.severity, prompt=ask.prompt)
        what = made.journal.strip() or f"{word} · {text.one_line(ask.shown, 120)}"
        said = f"held as {ask.id} · {what}"
        outcome = Outcome(ok=True, summary=said)
        memory = self.succeeded(raised=ask.id, shell=None, nudge=False, happened=False)
        self.finish(memory, outcome, f"held as {ask.id} ({verdict.rule}) · {what}")
        return End(kind="held", said=f"{said}: {verdict.reason}", run=self.book.run, action=tag)

    def deny(self, verdict: Verdict) -> End:
        choice = self.choice
        tag = actions.tag_of(choice.decision.action)
        run = self.book.run
        self.parts.tell("denied", run=run, action=tag, rule=verdict.rule, reason=verdict.reason)
        if choice.ask:
            ask = self.store.asks.get(choice.ask)
            if ask is not None:
                self.book.close(ask, f"denied by {verdict.rule}")
        words = f"{tag} was denied by {verdict.rule}: {verdict.reason}"
        what = canon.canonical(actions.as_dict(choice.decision.action))[:800]
        self.book.remember("denied", f"{words} -- {what}", run)
        # A rule that was refused has had its say; it fires again when something changes.
        memory = msgspec.structs.replace(self.book.memory, reflexes=self.fired)
        return self.failed("denied", words, memory if choice.match else None)

    # -- 6. act ------------------------------------------------------------------------------

    async def act(self) -> End:
        parts, choice = self.parts, self.choice
        action = choice.decision.action
        word = actions.word_of(action)
        if recover.is_policy_write(action):
            recover.keep_history(parts, "changes by hand")
        # From here on an unfinished record means: it may have happened.
        self.book.advance(phase="acting")
        try:
            effect = await execute.execute(
                action, parts, run_id=self.book.run, goal=choice.decision.goal, by="loop"
            )
        except (LooopError, OSError) as error:
            effect = execute.Effect(
                outcome=Outcome(ok=False, summary=text.one_line(str(error), 500))
            )
        if not effect.outcome.ok:
            return self.act_failed(effect)
        memory = self.succeeded(
            raised=effect.ask,
            shell=effect.shell,
            sessions=effect.sessions,
            nudge=isinstance(action, RunShell) and choice.origin != "reflex",
        )
        # A summary begins with the word of its action, which every line that shows it says too.
        words = choice.decision.journal.strip() or effect.outcome.summary.removeprefix(f"{word} · ")
        words = words or word
        if choice.ask:
            words = f"{words} (approved as {choice.ask})"
        self.finish(memory, effect.outcome, words)
        cost = choice.spend.cost_usd if choice.spend else None
        tag = actions.tag_of(action)
        parts.tell(
            "acted",
            run=self.book.run,
            action=tag,
            summary=effect.outcome.summary,
            cost_usd=cost,
        )
        said = f"{word} · {text.one_line(words, 200)}" + (f" · ${cost:.4f}" if cost else "")
        return End(kind="acted", said=said, run=self.book.run, action=tag)

    def act_failed(self, effect: execute.Effect) -> End:
        choice = self.choice
        summary = effect.outcome.summary
        if not effect.outcome.known and effect.outcome.probe:
            summary += f" -- {effect.outcome.probe}"
        memory = self.book.memory
        if effect.shell is not None:
            memory = msgspec.structs.replace(memory, shell=effect.shell)
        if choice.match is not None:
            memory = msgspec.structs.replace(memory, reflexes=self.fired)
        word = actions.word_of(choice.decision.action)
        line = Journal.line(self.parts.clock.wall(), f"failed · {word} · {summary}")
        self.book.note(outcome=effect.outcome, line=line)
        return self.failed("act-failed", summary, memory=memory)

    # -- 7. log ------------------------------------------------------------------------------

    def succeeded(
        self,
        *,
        raised: str,
        shell: Shell | None,
        nudge: bool,
        sessions: Mapping[str, Mapping[str, str]] = _UNTOUCHED,
        happened: bool = True,
    ) -> Memory:
        """What to remember after a move of this origin; a held one has not `happened`."""
        choice, book = self.choice, self.book
        now = self.parts.clock.wall()
        action = choice.decision.action
        self.over = book.over(choice.heard, *(OWN if choice.origin == "runner" else [FAILING]))
        closed = [ask.id for ask, _ in self.over] + list(book.closed)
        closed += [choice.ask] if choice.ask else []
        if choice.origin == "approval":
            return remember.after_approval(
                book.memory,
                now,
                action=action,
                closed=closed,
                shell=shell,
                sessions=sessions,
                nudge=nudge,
            )
        items = self.sight.world.items
        if happened:
            items = expected.sessions_after(expected.after(action, items, now), sessions)
        items = expected.asks_after(items, raised=[raised] if raised else [], closed=closed)
        # With a model behind them, reflexes deal with what they look at and leave it the rest.
        partial = choice.match is not None and (
            choice.match.more or self.parts.config.runner != RULES
        )
        if partial and choice.match is not None:
            memory = remember.after_reflex(
                book.memory,
                self.sight,
                now,
                decision=choice.decision,
                covers=choice.match.covers,
                items=items,
                shell=shell,
            )
        else:
            memory = remember.after_success(
                book.memory,
                self.sight,
                now,
                decision=choice.decision,
                items=items,
                shell=shell,
                nudge=nudge,
                config=self.parts.config,
                dropped=choice.dropped,
            )
        return msgspec.structs.replace(memory, reflexes=self.fired)

    def finish(self, memory: Memory, outcome: Outcome, words: str) -> None:
        """Commit, and only then close what the move has ended: an answer must not be lost."""
        self.book.finish(memory, outcome, words)
        for ask, how in self.over:
            self.book.close(ask, how)

    def failed(self, code: str, error: str, memory: Memory | None = None) -> End:
        return failed(self.book, self.sight, code, error, memory)


def failed(book: Book, sight: Sight, code: str, error: str, memory: Memory | None = None) -> End:
    """The beat came to nothing, and backs off."""
    left = durations.short(book.fail(sight, code, error, memory))
    return End(kind="failed", said=f"{code}: {error}; next try in {left}", run=book.run)
