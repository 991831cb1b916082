"""The stages of a beat that need more than a line: what is known, what is charged, what is kept."""

import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from looop.config import Config
from looop.errors import LooopError
from looop.kit import files
from looop.loop import diff, gates, steering
from looop.loop.admit import rules as admission
from looop.loop.admit import shell as shells
from looop.loop.admit.policy import Request
from looop.loop.decide import decider, prompt, reflexes
from looop.loop.decide.decider import Choice, Surroundings
from looop.loop.decide.prompt import Prompt
from looop.loop.gates import Gate, Moment, Spending
from looop.loop.parts import Parts
from looop.loop.sense.peek import Look
from looop.loop.workers import embedded
from looop.loop.workers.agents import AGENTS
from looop.model.actions import (
    Action,
    Decision,
    KillWorker,
    RestartSession,
    RunShell,
    SendKey,
    StartWorker,
    SteerSession,
    WriteSensor,
)
from looop.model.records import (
    UNMETERED_LIMIT,
    Ask,
    Memory,
    Origin,
    Spend,
    Unmetered,
    Verdict,
)
from looop.model.world import Change, Trust, World
from looop.state import memory as memories
from looop.state.logs import day_start

__all__ = [
    "Charge",
    "Sight",
    "admit",
    "ask_runner",
    "assemble",
    "build_prompt",
    "load_reflexes",
    "pending",
    "runner_gates",
    "spending",
]

JOURNAL_LINES = 20


class Sight(Struct, frozen=True, kw_only=True):
    """The world of this beat, what changed since the last decision, and the moment."""

    world: World
    changes: list[Change]
    moment: Moment


def assemble(parts: Parts, look: Look, memory: Memory, *, forced: bool) -> Sight:
    """From a look to the world, with everything that humans steer with."""
    world = diff.assemble(
        playbook=look.playbook,
        goals=look.goals,
        readings=look.readings,
        unseen=look.unseen,
        steering=steering.digests(parts.store.paths, parts.config, look.readings),
        problems=look.problems,
    )
    moment = Moment(hash=world.hash, policy=world.policy, now=parts.clock.wall(), forced=forced)
    return Sight(world=world, changes=diff.changes(memory.items, world.items), moment=moment)


def pending(sight: Sight, memory: Memory) -> list[Change]:
    """The changes that no reflex has dealt with yet."""
    return [c for c in sight.changes if c.new is None or memory.handled.get(c.item) != c.new]


def load_reflexes(parts: Parts) -> reflexes.Rules:
    """The profile's rules; a file that cannot be read is a problem, and no rules."""
    try:
        text = files.read_text(parts.store.paths.reflexes)
    except LooopError as error:
        return reflexes.Rules(problems=(str(error),))
    return reflexes.load(text) if text and text.strip() else reflexes.Rules()


def spending(parts: Parts, now: float) -> Spending:
    """What the money gates need to know. Raises `Unreadable` when the ledger cannot be read."""
    config = parts.config
    today = parts.store.ledger.spent_since(day_start(now)) if config.max_daily_usd else 0.0
    return Spending(
        today_usd=today, day_ends=day_start(now, -1), signature=steering.runner_signature(config)
    )


def runner_gates(parts: Parts, sight: Sight, memory: Memory) -> Gate | None:
    """The first closed gate before a launch; a ledger that cannot be read closes the budget."""
    config = parts.config
    cap = gates.decide_cap(memory, sight.moment, config)
    if cap.closed:
        return cap
    try:
        spent = spending(parts, sight.moment.now)
    except LooopError as error:
        return Gate(name="daily-budget", closed=True, reason=str(error))
    for gate in (gates.daily_budget(spent, config), gates.unmetered(memory, spent, config)):
        if gate.closed:
            return gate
    return None


def build_prompt(parts: Parts, sight: Sight, memory: Memory, asks: list[Ask], woke: str) -> Prompt:
    flapping = [
        name
        for name, state in memory.flaps.items()
        if parts.config.flap_streak and state.streak >= parts.config.flap_streak
    ]
    return prompt.build(
        prompt.Inputs(
            world=sight.world,
            changes=sight.changes,
            asks=asks,
            journal=parts.store.journal.tail(JOURNAL_LINES),
            served=memory.served,
            notices=memory.notices,
            failure=memory.failure,
            fails=memory.fails,
            shell=memory.shell,
            flapping=flapping,
            dropped=memory.dropped,
            woke=woke,
            now=sight.moment.now,
            budget=parts.config.prompt_max_bytes,
            secret=parts.secret(),
            nonce=secrets.token_hex(8),
        )
    )


class Charge:
    """Counts launches in the memory before they happen, so that a crash cannot hide one."""

    def __init__(self, parts: Parts, memory: Memory) -> None:
        self._parts = parts
        self.memory = memory

    def launch(self) -> bool:
        """Charge one launch durably; False when the hour's cap is reached."""
        now = self._parts.clock.wall()
        recent = gates.recent_decides(self.memory, now)
        cap = self._parts.config.max_decides_per_hour
        if cap and len(recent) >= cap:
            return False
        self.memory = msgspec.structs.replace(self.memory, decides=(*recent, now))
        memories.store(self._parts.store.paths, self.memory)
        return True

    def account(self, spend: Spend) -> None:
        """Write a launch's row, and count runs that nobody can price while a budget is set."""
        parts = self._parts
        parts.store.ledger.add(spend)
        tokens = spend.input_tokens + spend.cached_tokens + spend.output_tokens
        parts.tell(
            "budget", run=spend.id, runner=spend.runner, cost_usd=spend.cost_usd, tokens=tokens
        )
        if not parts.config.max_daily_usd:
            return
        signature = steering.runner_signature(parts.config)
        count = 0
        if spend.cost_usd is None:
            before = self.memory.unmetered
            count = 1 + (before.count if before and before.signature == signature else 0)
            if count <= UNMETERED_LIMIT:
                text = f"{spend.runner} told no cost ({count} of {UNMETERED_LIMIT} runs)"
                parts.tell("warning", about="unmetered", text=text)
        counted = Unmetered(signature=signature, count=count) if count else None
        self.memory = msgspec.structs.replace(self.memory, unmetered=counted)


async def ask_runner(
    parts: Parts, run: str, text: str, charge: Charge, on_line: Callable[[str], None]
) -> Choice:
    """One decision by the configured runner."""
    around = Surroundings(
        run=run,
        directory=parts.store.runs.directory(run),
        config=parts.config,
        env=parts.store.paths.child_env(parts.env) | {"LOOOP_RUN_ID": run},
        clock=parts.clock,
        sleep=parts.sleep,
        jitter=parts.jitter,
        on_line=on_line,
    )
    return await decider.decide(text, around, charge.launch, charge.account)


def _shell_of(action: Action, config: Config) -> dict[str, str]:
    """Every piece of shell that a move carries, by its field."""
    match action:
        case RunShell(cmd=cmd, probe=probe):
            return {"cmd": cmd} | ({"probe": probe} if isinstance(probe, str) else {})
        case WriteSensor(script=script):
            return {"script": script}
        case StartWorker(prompt=prompt, command=command, verify=verify):
            pieces = {"command": command, "verify": verify}
            if embedded.is_embedded(action, config):
                pieces["prompt"] = embedded.script_of(prompt)
            return {name: code for name, code in pieces.items() if code.strip()}
        case _:
            return {}


def _is_agent(parts: Parts, action: Action) -> bool:
    """Whether the worker of a move runs a known agent CLI; what cannot be told is none."""
    if not isinstance(action, SteerSession | SendKey | RestartSession | KillWorker):
        return False
    try:
        record = parts.store.workers.get(action.id)
    except LooopError:
        return False
    return record is not None and not record.override and record.runner in AGENTS


def admit(
    parts: Parts, decision: Decision, origin: Origin, taint: Trust, facts: dict[str, Any]
) -> Verdict:
    """The policy's word on one move; rules that cannot be read hold it."""
    try:
        text = files.read_text(parts.store.paths.admission)
        loaded = admission.load(text) if text and text.strip() else admission.Rules()
    except LooopError as error:
        loaded = admission.Rules(broken=str(error))
    pieces = _shell_of(decision.action, parts.config)
    request = Request(
        action=decision.action,
        origin=origin,
        autonomy=parts.config.autonomy,
        taint=taint,
        goal=decision.goal,
        shells={name: shells.analyse(code) for name, code in pieces.items()},
        agent=_is_agent(parts, decision.action),
    )
    return admission.admit(request, loaded, facts)
