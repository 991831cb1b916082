"""Reflexes: rules that a human wrote, evaluated before any model, at no cost."""

import re
import shlex
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from looop.errors import Usage
from looop.kit import canon, durations
from looop.kit.expr import Engine, ExprError, Expression, engine
from looop.kit.shapes import is_array, is_object
from looop.loop.decide import decision
from looop.loop.decide.decision import BadDecision
from looop.model import actions
from looop.model.actions import Decision
from looop.model.records import Fired
from looop.model.world import Trust, World, worst

__all__ = ["VARIABLES", "Match", "Reflex", "Rules", "choose", "facts", "fired", "load"]

VARIABLES = (
    "sensors",
    "sessions",
    "claims",
    "asks",
    "goals",
    "schedules",
    "budget",
    "changed",
    "now",
)
_HOLE = re.compile(r"\$\{([^{}]*)\}")
_NAMED = re.compile(r"\bsensors\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(?:'([^'\\]+)'|\"([^\"\\]+)\")\s*\])")
_KEYS = {"name", "when", "do", "once_per"}
_SHELL_FIELDS = ("cmd", "probe", "script", "command", "verify")
_INT64 = 1 << 63
# Here-documents, arithmetic, $'...', and expansions within expansions.
_UNQUOTABLE = re.compile(r"(?<!<)<<(?!<)|\(\(|\$'|\$\[|\[\$\{|\$\{[^}]*\$\{")


class Reflex(Struct, frozen=True, kw_only=True):
    """One rule; `once_s` is None for once a change. `holes` are the compiled `${...}` of `do`."""

    name: str
    when: Expression
    do: dict[str, Any]
    once_s: float | None
    holes: dict[str, Expression]
    source: str


class Rules(Struct, frozen=True, kw_only=True):
    """The rules that work, in file order, and one line for each that does not."""

    reflexes: tuple[Reflex, ...] = ()
    problems: tuple[str, ...] = ()


class Match(Struct, frozen=True, kw_only=True):
    """
    A rule's decision, the digest to remember it by, and the trust of what went into it.

    `covers` are the items of the world that the rule looks at: what it has dealt with. `more`
    says that a later rule would fire as well, at the next beat.
    """

    reflex: str
    decision: Decision
    digest: str
    taint: Trust
    covers: frozenset[str]
    more: bool = False


def _lines(text: str) -> list[int]:
    """The line on which each `[[reflex]]` table begins."""
    return [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if re.match(r"\s*\[\[\s*reflex\s*\]\]", line)
    ]


def load(text: str) -> Rules:
    """Compile `reflexes.toml`. A broken rule is a problem with its line; the others work on."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Rules(problems=(f"reflexes.toml: {error}; no reflex works until it is mended",))
    problems = [f"reflexes.toml: unknown key {key!r}" for key in table if key != "reflex"]
    entries: Any = table.get("reflex", [])
    if not is_array(entries):
        return Rules(problems=("reflexes.toml: rules are [[reflex]] tables",))
    compiler = engine(VARIABLES)
    lines = _lines(text)
    found: list[Reflex] = []
    names: set[str] = set()
    for index, entry in enumerate(entries):
        where = f"reflexes.toml:{lines[index] if index < len(lines) else '?'}"
        try:
            reflex = _compile(entry, compiler)
        except (Usage, ExprError) as error:
            problems.append(f"{where}: {error}")
            continue
        if reflex.name in names:
            problems.append(f"{where}: the name {reflex.name!r} is taken by an earlier rule")
            continue
        names.add(reflex.name)
        found.append(reflex)
    return Rules(reflexes=tuple(found), problems=tuple(problems))


def _compile(entry: Any, compiler: Engine) -> Reflex:
    if not is_object(entry):
        raise Usage("a reflex is a table")
    if unknown := sorted(set(entry) - _KEYS):
        raise Usage(f"unknown key {unknown[0]!r}; a reflex has name, when, do, once_per")
    name, when, do = entry.get("name"), entry.get("when"), entry.get("do")
    if not isinstance(name, str) or not name:
        raise Usage("name is missing")
    if not isinstance(when, str):
        raise Usage(f"{name}: when is missing; it is a CEL expression")
    if not is_object(do):
        raise Usage(f"{name}: do is missing; it is an action, such as {{ action = 'noop' }}")
    once = entry.get("once_per", "change")
    if not isinstance(once, str | int | float) or isinstance(once, bool):
        raise Usage(f"{name}: once_per is 'change' or a duration")
    try:
        condition = compiler.compile(when)
    except ExprError as error:
        raise Usage(f"{name}: when: {error}") from error
    holes = _compile_holes(name, do, compiler)
    reflex = Reflex(
        name=name,
        when=condition,
        do=do,
        once_s=None if once == "change" else durations.parse(once),
        holes=holes,
        source=" ".join([when, *holes]),
    )
    if not holes:
        try:
            decision.from_value(do)
        except BadDecision as error:
            raise Usage(f"{name}: do: {error}") from error
    return reflex


def _compile_holes(name: str, do: dict[str, Any], compiler: Engine) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    for source in sorted(_holes(do)):
        try:
            found[source] = compiler.compile(source)
        except ExprError as error:
            raise Usage(f"{name}: ${{{source}}}: {error}") from error
    for code in _shell_texts(do):
        if trouble := _unquotable(code):
            raise Usage(f"{name}: {trouble}")
    return found


def _holes(value: Any) -> set[str]:
    if isinstance(value, str):
        return {match.strip() for match in _HOLE.findall(value)}
    if is_object(value):
        return set[str]().union(*(_holes(v) for v in value.values()))
    if is_array(value):
        return set[str]().union(*(_holes(v) for v in value))
    return set()


def _shell_texts(value: Any) -> list[str]:
    """Every piece of shell in `do`."""
    if not is_object(value):
        return []
    found = [v for k, v in value.items() if k in _SHELL_FIELDS and isinstance(v, str)]
    return found + [code for v in value.values() for code in _shell_texts(v)]


def _unquotable(code: str) -> str:
    """
    Why a hole of this shell text cannot become one literal word; an empty string if each can.

    The value is put in quotes of its own. Those would end the quotes that a hole stands in, and
    in a here-document, a comment or arithmetic they mean something else.
    """
    if not _HOLE.search(code):
        return ""
    if bad := _UNQUOTABLE.search(code):
        return f"a value cannot be put into shell text that has {bad[0]}"
    inside = ""
    at = 0
    while at < len(code):
        char = code[at]
        hole = _HOLE.match(code, at)
        if hole and (inside or code[at - 1 : at] in ("$", "\\")):
            return f"{hole[0]} must stand outside of quotes: it becomes one quoted word by itself"
        if inside == '"' and not hole and (char == "`" or code.startswith(("$(", "${"), at)):
            return "a value cannot be put into shell text that has a command inside of quotes"
        if inside:
            inside = "" if char == inside else inside
        elif char in "'\"`":
            inside = char
        elif char == "#" and (not at or code[at - 1] in " \t\n;&|("):
            inside = "\n"
        escaped = char == "\\" and inside not in ("'", "\n") and not _HOLE.match(code, at + 1)
        at = hole.end() if hole else at + 1 + escaped
    return ""


def _held(value: Any) -> Any:
    """
    `value` as expressions can hold it: an integer beyond 64 bits would spoil all of the world,
    and a NUL character would cut its text off.
    """
    if is_object(value):
        return {_held(k): _held(v) for k, v in value.items()}
    if is_array(value):
        return [_held(v) for v in value]
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return float(value) if abs(value) < 1 << 1000 else str(value)
    return value


def facts(world: World, now: float, changed: list[str]) -> dict[str, Any]:
    """The world as expressions see it; see `VARIABLES`."""
    sensors: dict[str, Any] = {}
    for name, reading in world.readings.items():
        if name.startswith("sensor-"):
            sensors[name.removeprefix("sensor-")] = {
                "signal": _held(reading.signal),
                "detail": _held(reading.detail),
                "ok": reading.ok,
                "trust": reading.trust,
            }

    def system(name: str, part: str) -> Any:
        reading = world.readings.get(f"sys-{name}")
        return {} if reading is None else getattr(reading, part) or {}

    return {
        "sensors": sensors,
        "sessions": _sessions(system("sessions", "signal"), system("sessions", "detail")),
        "claims": system("claims", "signal"),
        "asks": system("asks", "signal"),
        "goals": system("goals", "detail").get("goals", {}),
        "schedules": system("schedules", "signal"),
        "budget": {**system("budget", "detail"), **system("budget", "signal")},
        "changed": changed,
        "now": int(now),
    }


def _sessions(signal: dict[str, Any], detail: dict[str, Any]) -> dict[str, Any]:
    """Each session's signal and detail as one map."""
    return {
        name: {**_held(detail.get(name) or {}), **said}
        for name, said in signal.items()
        if is_object(said)
    }


def _text(value: Any) -> str:
    try:
        return value if isinstance(value, str) else canon.canonical(value)
    except (TypeError, ValueError):
        return str(value)


def _fill(value: Any, values: Mapping[str, Any], *, shell: bool = False) -> Any:
    """Put the values of holes into `do`; inside a shell command each one is a quoted word."""
    if isinstance(value, str):
        whole = _HOLE.fullmatch(value)
        if whole and not shell:
            return values[whole[1].strip()]
        return _HOLE.sub(
            lambda match: (
                shlex.quote(_text(values[match[1].strip()]))
                if shell
                else _text(values[match[1].strip()])
            ),
            value,
        )
    if is_object(value):
        return {k: _fill(v, values, shell=k in _SHELL_FIELDS) for k, v in value.items()}
    if is_array(value):
        return [_fill(v, values) for v in value]
    return value


def _taint(reflex: Reflex, world: World) -> Trust:
    """The least trusted reading whose words a rule puts into its move; literals are our own."""
    used: list[Trust] = ["own"]
    for source in reflex.holes:
        crew = world.readings.get("sys-sessions")
        if crew is not None and re.search(r"\bsessions\b", source):
            used.append(crew.trust)
        if "sensors" not in source and "changed" not in source:
            continue
        named = {next(part for part in match if part) for match in _NAMED.findall(source)}
        # A mention that is not a plain `sensors.NAME` may lead to any of them.
        everything = len(_NAMED.findall(source)) != source.count("sensors") or "changed" in source
        for name, reading in world.readings.items():
            if everything or name.removeprefix("sensor-") in named:
                used.append(reading.trust)
    return worst(used)


def _covers(reflex: Reflex, world: World) -> frozenset[str]:
    """The items of the world that a rule's expressions mention; all of them when unsure."""
    source = reflex.source
    if re.search(r"\bchanged\b", source) or len(_NAMED.findall(source)) != len(
        re.findall(r"\bsensors\b", source)
    ):
        return frozenset(world.items)
    named = {next(part for part in match if part) for match in _NAMED.findall(source)}
    found = {f"snap:sensor-{name}" for name in named}
    for word in ("asks", "schedules", "budget", "sessions", "claims"):
        if re.search(rf"\b{word}\b", source):
            found.add(f"snap:sys-{word}")
    if re.search(r"\bgoals\b", source):
        found |= {"snap:sys-goals", *(item for item in world.items if item.startswith("goal:"))}
    return frozenset(found & set(world.items))


def _once(reflex: Reflex, fired: Fired | None, digest: str, now: float) -> bool:
    """Whether the rule may fire (again)."""
    if fired is None:
        return True
    if reflex.once_s is None:
        return fired.digest != digest
    return now - fired.at >= reflex.once_s or fired.at > now


def choose(
    rules: Rules, world: World, fired: Mapping[str, Fired], now: float, changed: list[str]
) -> tuple[Match | None, dict[str, Fired], list[str]]:
    """
    The first rule that matches and may fire, what to remember of the others, and problems.

    A rule fires when its condition becomes true, and again when what it would do has changed
    (or after its `once_per`). One whose condition is false again is forgotten, so that the next
    time counts as new. A condition without a value in this world is false.
    """
    data = facts(world, now, changed)
    kept: dict[str, Fired] = {}
    problems: list[str] = []
    chosen: Match | None = None
    for reflex in rules.reflexes:
        try:
            holds = reflex.when.value(data)
        except ExprError:
            holds = False
        if not isinstance(holds, bool):
            problems.append(f"{reflex.name}: when is {_text(holds)[:40]}, not true or false")
            holds = False
        before = fired.get(reflex.name)
        if not holds:
            # Within its duration a rule stays remembered even while its condition is false.
            if before and reflex.once_s is not None and now - before.at < reflex.once_s:
                kept[reflex.name] = before
            continue
        if before is not None:
            kept[reflex.name] = before
        if chosen is not None and chosen.more:
            continue
        try:
            values = {source: hole.value(data) for source, hole in reflex.holes.items()}
            made = decision.from_value(_fill(reflex.do, values))
        except (ExprError, BadDecision, ValueError) as error:
            problems.append(f"{reflex.name}: {error}")
            continue
        digest = actions.digest(made.action)
        if not _once(reflex, before, digest, now):
            continue
        if chosen is not None:
            chosen = msgspec.structs.replace(chosen, more=True)
            continue
        chosen = Match(
            reflex=reflex.name,
            decision=made,
            digest=digest,
            taint=_taint(reflex, world),
            covers=_covers(reflex, world),
        )
    return chosen, kept, problems


def fired(match: Match, now: float) -> Fired:
    """What to remember of a rule that has fired."""
    return Fired(digest=match.digest, at=now)
