"""`admission.toml`: a human's own rules, in front of the built-in policy; first match wins."""

import re
import tomllib
from typing import Any, Literal

import msgspec
from msgspec import Struct

from looop.errors import Usage
from looop.kit.expr import Engine, ExprError, Expression, engine
from looop.kit.shapes import is_array, is_object
from looop.loop.admit import policy
from looop.loop.admit.policy import Request
from looop.model.actions import ACTIONS, AskHuman, Noop, SendNotification, Severity, as_dict
from looop.model.records import Verdict

__all__ = ["VARIABLES", "Rule", "Rules", "admit", "load"]

VARIABLES = (
    "action",
    "origin",
    "goal",
    "taint",
    "autonomy",
    "shell",
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


# Moves that change nothing but what a human is told.
HARMLESS = (Noop, AskHuman, SendNotification)

# Every field of every action, so that a rule about one action has a value for all others.
_FIELDS: dict[str, Any] = {
    spec.name: "" for kind, _ in ACTIONS.values() for spec in msgspec.structs.fields(kind)
}


class Rule(Struct, frozen=True, kw_only=True):
    """One rule. In mode `shadow` it is only noted, in `warn` it is shown, in `enforce` it bites."""

    name: str
    when: Expression
    verdict: Literal["allow", "hold", "deny"]
    reason: str = ""
    severity: Severity = "normal"
    mode: Literal["shadow", "warn", "enforce"] = "enforce"


class _Written(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[rule]]` table as it stands in the file."""

    name: str
    when: str
    verdict: Literal["allow", "hold", "deny"]
    reason: str = ""
    severity: Severity = "normal"
    mode: Literal["shadow", "warn", "enforce"] = "enforce"


class Rules(Struct, frozen=True, kw_only=True):
    """
    The rules of a file. `broken` says why the file cannot be trusted as a whole; then every move
    that does anything is held, because a rule that cannot be read may have been a refusal.
    """

    rules: tuple[Rule, ...] = ()
    broken: str = ""


def load(text: str) -> Rules:
    """Compile `admission.toml`; the first thing that is wrong with it breaks it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Rules(broken=f"admission.toml: {error}")
    if unknown := [key for key in table if key != "rule"]:
        return Rules(
            broken=f"admission.toml: unknown key {unknown[0]!r}; rules are [[rule]] tables"
        )
    entries: Any = table.get("rule", [])
    if not is_array(entries):
        return Rules(broken="admission.toml: rules are [[rule]] tables")
    lines = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if re.match(r"\s*\[\[\s*rule\s*\]\]", line)
    ]
    compiler = engine(VARIABLES)
    found: list[Rule] = []
    for index, entry in enumerate(entries):
        try:
            found.append(_compile(entry, compiler))
        except (Usage, ExprError) as error:
            line = lines[index] if index < len(lines) else "?"
            return Rules(broken=f"admission.toml:{line}: {error}")
    return Rules(rules=tuple(found))


def _compile(entry: Any, compiler: Engine) -> Rule:
    if not is_object(entry):
        raise Usage("a rule is a table")
    try:
        written = msgspec.convert(entry, _Written)
    except msgspec.ValidationError as error:
        raise Usage(f"{entry.get('name', 'a rule')}: {error}") from error
    return Rule(
        name=written.name,
        when=compiler.compile(written.when),
        verdict=written.verdict,
        reason=written.reason,
        severity=written.severity,
        mode=written.mode,
    )


def _shell(request: Request) -> dict[str, Any]:
    """All the shell of a move as one map: read-only only if every piece is."""
    facts = list(request.shells.values())
    return {
        "understood": all(f.understood for f in facts),
        "read_only": bool(facts) and all(f.read_only for f in facts),
        "catastrophic": [shape for f in facts for shape in f.catastrophic],
        "programs": [program for f in facts for program in f.programs],
        "why": "; ".join(f.why for f in facts if f.why),
    }


def _broken(request: Request, why: str) -> Verdict:
    """The cautious verdict where a human's rules cannot be read."""
    if isinstance(request.action, HARMLESS) or request.origin == "human":
        return policy.builtin(request)
    own = policy.builtin(request)
    if own.verdict == "deny":
        return own
    return Verdict(
        verdict="hold", rule="broken-rules", reason=why, severity="high", taint=request.taint
    )


def admit(request: Request, rules: Rules, facts: dict[str, Any]) -> Verdict:
    """
    The verdict on one move: floors, then the human's rules in order, then the built-in policy.

    `facts` is the world as expressions see it. A rule that cannot be evaluated is passed over if
    it would allow, and holds the move if it would hold or deny. A move that was approved by a
    human passes everything but the floors.
    """
    if (hard := policy.floor(request)) is not None:
        return hard
    if request.origin == "approval":
        return Verdict(verdict="allow", rule="approved", taint=request.taint)
    if rules.broken:
        return _broken(request, rules.broken)
    data = {
        **facts,
        "action": {**_FIELDS, **as_dict(request.action)},
        "origin": request.origin,
        "goal": request.goal,
        "taint": request.taint,
        "autonomy": request.autonomy,
        "shell": _shell(request),
    }
    notes: list[str] = []
    for rule in rules.rules:
        said = _apply(rule, request, data)
        if said is None:
            continue
        if rule.mode == "enforce":
            return msgspec.structs.replace(said, shadow=tuple(notes))
        notes.append(f"{rule.mode}: {rule.name} would {said.verdict}")
    return msgspec.structs.replace(policy.builtin(request), shadow=tuple(notes))


def _apply(rule: Rule, request: Request, data: dict[str, Any]) -> Verdict | None:
    holds: Any = None
    why = "`when` is neither true nor false"
    try:
        holds = rule.when.value(data)
    except ExprError as error:
        why = str(error)
    if not isinstance(holds, bool):
        if rule.verdict == "allow" or isinstance(request.action, HARMLESS):
            return None
        reason = f"{rule.name} cannot be evaluated: {why}"
        return Verdict(verdict="hold", rule=rule.name, reason=reason, taint=request.taint)
    if not holds:
        return None
    return Verdict(
        verdict=rule.verdict,
        rule=rule.name,
        reason=rule.reason or f"a rule of admission.toml says {rule.verdict}",
        severity=rule.severity,
        taint=request.taint,
    )
