"""The prompt of one decision: stable text first, data in fenced blocks, filled by priority."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from looop.kit import canon, clock, durations, text
from looop.loop.decide.words import CONSTITUTION, INSTRUCTIONS
from looop.model import goal as goals
from looop.model.records import Ask, Failure, Notice, Shell
from looop.model.world import UNREADABLE, Change, Reading, Trust, World, worst

__all__ = ["Inputs", "Prompt", "build", "policy_marker"]

PLAYBOOK_LIMIT = 32768
GOAL_LIMIT = 8192
READING_LIMIT = 16384
ASK_LIMIT = 2048
SIGNAL_LIMIT = 240
CHANGE_LINES = 200
JOURNAL_LIMIT = 500
FAILURE_LIMIT = 2048
SHELL_LIMIT = 4096
NAMED_LIMIT = 60
LABEL_LIMIT = 200
# No block takes more than this part of the room.
SHARE = 4
# Goals that waited longest have room before readings that did not change.
NEGLECTED = 10


class Inputs(Struct, frozen=True, kw_only=True):
    """
    Everything that a prompt is made of; `now` in wall seconds, `budget` in bytes (0: unlimited).

    `secret` belongs to the profile and makes the markers of policy blocks, `nonce` to this run
    and makes the markers of all others. `dropped` names what the last prompt had no room for.
    """

    world: World
    changes: list[Change]
    asks: list[Ask]
    journal: list[str]
    served: Mapping[str, float]
    notices: tuple[Notice, ...]
    failure: Failure | None
    fails: int
    shell: Shell | None
    flapping: list[str]
    dropped: tuple[str, ...]
    woke: str
    now: float
    budget: int
    secret: str
    nonce: str
    answer_file: str = ""


class Prompt(Struct, frozen=True, kw_only=True):
    """
    The text, the items it had no room for (first who shall have room first the next time), and
    the least trusted text in it.
    """

    text: str
    dropped: tuple[str, ...]
    taint: Trust
    sections: tuple[str, ...]


class _Block(Struct, frozen=True, kw_only=True):
    """One fenced piece of data; `rank` orders what gets room first, smaller first."""

    section: str
    key: str
    body: str
    rank: tuple[int, float, str]
    trust: Trust = "own"


def policy_marker(secret: str, world: World) -> str:
    """
    The marker of PLAYBOOK and GOALS: unguessable, and the same until one of them changes, so
    that a provider's prefix cache holds.
    """
    policy = [item for item in sorted(world.items.items()) if not item[0].startswith("snap:")]
    return canon.digest(canon.framed([("secret", secret), *policy]))[:16]


def _fenced(marker: str, label: str, body: str) -> str:
    """
    One block. A body can neither close it nor imitate a heading: the marker is unguessable, and
    lines that look like ours get a backslash. A label is one line, whatever it was made of.
    """
    lines = [
        "\\" + line if line.startswith(("===", "<<<", ">>>")) else line
        for line in text.plain(body).rstrip("\n").split("\n")
    ]
    return (
        f"<<< {marker} {text.one_line(label, LABEL_LIMIT)}\n"
        + "\n".join(lines)
        + f"\n>>> {marker}\n"
    )


def _section(title: str, body: str) -> str:
    return f"=== {title}\n{body.rstrip()}\n\n"


def _goal_blocks(given: Inputs, changed: set[str], waiting: Mapping[str, int]) -> Iterable[_Block]:
    by_neglect = sorted(given.world.goals, key=lambda g: (given.served.get(g, 0.0), g))
    neglected = set(by_neglect[:NEGLECTED])
    for goal_id, body in given.world.goals.items():
        item = f"goal:{goal_id}"
        base = 4 if goal_id in neglected else 6
        yield _Block(
            section="GOALS",
            key=item,
            body=text.clip_middle(body, GOAL_LIMIT),
            rank=_rank(item, changed, waiting, base=base, order=given.served.get(goal_id, 0.0)),
        )


def _rank(
    item: str, changed: set[str], waiting: Mapping[str, int], *, base: int, order: float
) -> tuple[int, float, str]:
    """Changed items first; of the rest, what waits for room, longest first; then by `order`."""
    if item in changed:
        return (2, 0.0, item)
    if item in waiting:
        return (3, float(waiting[item]), item)
    return (base, order, item)


def _reading_body(reading: Reading) -> str:
    parts = [f"signal: {_safe(reading.signal)}"]
    if reading.detail not in (None, {}, []):
        parts.append(f"detail: {_safe(reading.detail)}")
    return text.clip_middle("\n".join(parts), READING_LIMIT)


def _safe(value: object) -> str:
    try:
        return canon.canonical(value)
    except (ValueError, RecursionError):
        return "(cannot be shown)"


def _trust_of(item: str, world: World) -> Trust:
    reading = world.readings.get(item.removeprefix("snap:"))
    if reading is not None:
        return reading.trust
    return "own" if item.startswith("snap:sys-") else "public"


def _reading_blocks(
    given: Inputs, changed: set[str], waiting: Mapping[str, int]
) -> Iterable[_Block]:
    for name, reading in given.world.readings.items():
        item = f"snap:{name}"
        ours = name.startswith("sys-")
        rank = (1, 0.0, item) if ours else _rank(item, changed, waiting, base=5, order=0.0)
        yield _Block(
            section="READINGS",
            key=item,
            body=_reading_body(reading),
            rank=rank,
            trust=reading.trust,
        )


def _ask_blocks(given: Inputs) -> Iterable[_Block]:
    for ask in given.asks:
        age = durations.short(max(0.0, given.now - ask.created))
        lines = [f"{ask.kind} of {age} ago, {ask.state}", ask.prompt]
        if ask.options:
            lines.append("options: " + " | ".join(ask.options))
        if ask.answer:
            lines.append(f"ANSWERED by {ask.answer.by}: {ask.answer.text}")
        yield _Block(
            section="PENDING ASKS",
            key=f"ask:{ask.id}",
            body=text.clip_middle("\n".join(lines), ASK_LIMIT),
            rank=(0, ask.created, ask.id),
        )


def _fairness(given: Inputs) -> str:
    """Goals by how long ago they were served, the most neglected first."""
    ids = sorted(given.world.goals, key=lambda g: (given.served.get(g, 0.0), g))
    lines: list[str] = []
    for goal_id in ids[:20]:
        at = given.served.get(goal_id)
        when = f"{durations.short(max(0.0, given.now - at))} ago" if at else "never"
        parsed = goals.parse(goal_id, given.world.goals[goal_id])
        extra = "".join(
            f", {word} {text.one_line(value, 40)}"
            for word, value in (("priority", parsed.priority), ("every", parsed.every))
            if value
        )
        lines.append(f"- {goal_id}: last served {when}{extra}")
    if len(ids) > 20:
        lines.append(f"- and {len(ids) - 20} goals served more recently")
    return "\n".join(lines)


def _shown_value(item: str, value: str | None) -> str:
    if value is None:
        return "(not there)"
    if value == UNREADABLE:
        return "(could not be read)"
    return text.one_line(value, SIGNAL_LIMIT) if item.startswith("snap:") else "text"


def _change_lines(changes: list[Change]) -> str:
    lines: list[str] = []
    for change in changes[:CHANGE_LINES]:
        sign = "+" if change.old is None else "-" if change.new is None else "~"
        if UNREADABLE in (change.old, change.new) or change.item.startswith("snap:"):
            old, new = (_shown_value(change.item, v) for v in (change.old, change.new))
            lines.append(f"{sign} {change.item}: {old} -> {new}")
        else:
            lines.append(f"{sign} {change.item}")
    if len(changes) > CHANGE_LINES:
        lines.append(f"... and {len(changes) - CHANGE_LINES} more")
    return "\n".join(lines)


def _named(keys: Iterable[str]) -> str:
    names = sorted(keys)
    shown = ", ".join(names[:NAMED_LIMIT])
    return shown + (f", and {len(names) - NAMED_LIMIT} more" if len(names) > NAMED_LIMIT else "")


def _head(given: Inputs) -> str:
    """Instructions, constitution and PLAYBOOK: the prefix that hardly ever changes."""
    out = _section("INSTRUCTIONS", INSTRUCTIONS) + _section("CONSTITUTION", CONSTITUTION)
    if given.world.playbook is not None:
        body = text.clip_middle(given.world.playbook, PLAYBOOK_LIMIT)
        body = _fenced(policy_marker(given.secret, given.world), "playbook", body)
    elif given.world.items.get("playbook") == UNREADABLE:
        body = "PLAYBOOK.md could not be read. Do not write a new one."
    else:
        body = "There is no PLAYBOOK.md."
    return out + _section("PLAYBOOK", body)


def _tail(given: Inputs) -> list[tuple[str, str]]:
    """What follows the data: (title, body), in order, without those that have nothing to say."""
    nonce = given.nonce
    found: list[tuple[str, str]] = []
    if given.world.goals:
        found.append(("FAIRNESS", _fenced(nonce, "goals", _fairness(given))))
    lines = "\n".join(text.clip(line, JOURNAL_LIMIT) for line in given.journal)
    if lines:
        found.append(("JOURNAL", _fenced(nonce, "journal", lines)))
    changed = _change_lines(given.changes) or f"nothing; this look is because {given.woke}"
    found.append(("WHAT CHANGED", _fenced(nonce, "changes", changed)))
    if given.shell:
        head = f"$ {text.one_line(given.shell.cmd, 512)}\nexit code {given.shell.code}\n"
        body = head + text.clip_middle(given.shell.output, SHELL_LIMIT)
        found.append(("LAST SHELL OUTPUT", _fenced(nonce, "shell", body)))
    for title, kinds in (
        ("HELD OR DENIED MOVE", ("held", "denied", "expired")),
        ("INTERRUPTED MOVE", ("interrupted",)),
    ):
        said = [notice.text for notice in given.notices if notice.kind in kinds]
        if said:
            body = text.clip_middle("\n".join(said), FAILURE_LIMIT)
            found.append((title, _fenced(nonce, "notice", body)))
    if given.flapping:
        names = _named(given.flapping)
        words = "change at nearly every look, so their signal is not one; mend or slow them"
        found.append(("FLAPPING SENSORS", _fenced(nonce, "sensors", f"{names} {words}")))
    if given.failure:
        head = f"{given.fails} in a row. The last: {given.failure.code}\n"
        body = head + text.clip_middle(given.failure.error, FAILURE_LIMIT)
        found.append(("LAST FAILURE", _fenced(nonce, "failure", body)))
    closing = clock.local_offset(given.now) + "\nChoose the one move now and answer with it."
    if given.answer_file:
        closing += f" If you can write files, writing the answer to {given.answer_file} is as good."
    found.append(("NOW", closing))
    return found


def build(given: Inputs) -> Prompt:
    """
    The prompt, at most `budget` bytes long unless its fixed parts alone are longer.

    Data gets room by rank: asks, looop's own state, changed items, then the rest, where what was
    left out last time comes first. Everything left out is named.
    """
    changed = {change.item for change in given.changes}
    waiting = {item: place for place, item in enumerate(given.dropped)}
    blocks = [
        *_ask_blocks(given),
        *_goal_blocks(given, changed, waiting),
        *_reading_blocks(given, changed, waiting),
    ]
    head = _head(given)
    tail = _tail(given)
    ending = "".join(_section(title, body) for title, body in tail)
    stable = policy_marker(given.secret, given.world)
    room = given.budget - len(head.encode()) - len(ending.encode()) - 2048
    share = max(1024, room // SHARE)
    kept: dict[str, list[tuple[str, str]]] = {}
    dropped: list[str] = []
    trusts: list[Trust] = []
    full = False
    for block in sorted(blocks, key=lambda b: b.rank):
        marker = stable if block.section == "GOALS" else given.nonce
        kind, _, name = block.key.partition(":")
        label = f"{kind} {name}" + (f" trust={block.trust}" if kind == "snap" else "")
        written = _fenced(marker, label, block.body)
        size = len(written.encode())
        if given.budget and size > share:
            # No single block may keep all others out for ever; a character has up to four bytes.
            body = text.clip_middle(text.plain(block.body), share // 4)
            written = _fenced(marker, label, body)
            size = len(written.encode())
        # The first block without room ends the filling, so that what survives depends on its
        # rank and never on its size.
        full = full or (bool(given.budget) and size > room)
        if full:
            dropped.append(block.key)
            continue
        room -= size
        kept.setdefault(block.section, []).append((block.key, written))
        trusts.append(block.trust)
    parts = [head]
    sections = ["INSTRUCTIONS", "CONSTITUTION", "PLAYBOOK"]
    for title in ("GOALS", "READINGS", "PENDING ASKS"):
        written = "".join(body for _, body in sorted(kept.get(title, [])))
        if written:
            parts.append(_section(title, written))
            sections.append(title)
    if dropped:
        note = f"No room for: {text.clip(_named(dropped), 1500)}"
        parts.append(_section("LEFT OUT", _fenced(given.nonce, "names", note)))
        sections.append("LEFT OUT")
    if given.shell:
        trusts.append("public")
    # A signal's change is quoted even when its reading had no room, or is gone.
    changed_trust: list[Trust] = [
        _trust_of(item, given.world) for item in changed if item.startswith("snap:")
    ]
    sections += [title for title, _ in tail]
    return Prompt(
        text="".join(parts) + ending,
        dropped=tuple(dropped),
        taint=worst(trusts + changed_trust),
        sections=tuple(sections),
    )
