"""The built-in policy: what each level of autonomy lets run, and the floors below all of them."""

from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from looop.config import Autonomy
from looop.loop.admit.shell import ShellFacts
from looop.model.actions import (
    Action,
    ArchiveGoal,
    AskHuman,
    DropSchedule,
    KillWorker,
    Noop,
    RestartSession,
    RunShell,
    SendKey,
    SendNotification,
    Severity,
    StartWorker,
    SteerSession,
    WriteGoal,
    WritePlaybook,
    WriteSchedule,
    WriteSensor,
    tag_of,
)
from looop.model.records import Origin, Verdict
from looop.model.world import Trust

__all__ = ["PROTECTED", "Request", "builtin", "floor", "strictness"]

# Files that no move may write: they are how a human holds the loop.
PROTECTED = ("admission.toml", "config.toml", "config.json", "reflexes.toml")

Word = Literal["allow", "hold", "deny"]
_STRICTNESS: dict[Word, int] = {"allow": 0, "hold": 1, "deny": 2}


class Request(Struct, frozen=True, kw_only=True):
    """
    One move before the policy. `shells` judges every piece of shell that the move carries, by
    the name of its field (`cmd`, `probe`, `script`, `command`, `verify`, `prompt`). `agent` says that the
    worker it concerns is an agent CLI as it is known, and no program of somebody's choice.
    """

    action: Action
    origin: Origin
    autonomy: Autonomy
    taint: Trust = "own"
    goal: str = ""
    shells: dict[str, ShellFacts] = {}
    agent: bool = False


def strictness(word: Word) -> int:
    """0 for allow, 1 for hold, 2 for deny."""
    return _STRICTNESS[word]


def _say(
    request: Request, word: Word, rule: str, reason: str = "", severity: Severity = "normal"
) -> Verdict:
    return Verdict(verdict=word, rule=rule, reason=reason, severity=severity, taint=request.taint)


def floor(request: Request) -> Verdict | None:
    """The verdict that no rule, approval or level can lift; None where there is none."""
    if isinstance(request.action, SteerSession) and not request.agent:
        # What is typed into a program may be a command to it.
        for file_name in PROTECTED:
            if file_name in request.action.input:
                reason = f"it may have a program write {file_name}, which no move may do"
                return _say(request, "deny", "floor:policy-files", reason, "high")
    for name, facts in request.shells.items():
        if facts.read_only:
            continue
        written = {word.rpartition("/")[2] for word in facts.touches}
        for file_name in PROTECTED:
            # A dynamic word may hide where a command writes, so naming the file is enough.
            named = any(fnmatchcase(file_name, w) or fnmatchcase(w, file_name) for w in written)
            if named or file_name in str(getattr(request.action, name, "")):
                reason = f"{name} may write {file_name}, which no move may do"
                return _say(request, "deny", "floor:policy-files", reason, "high")
    return None


def _catastrophic(request: Request) -> str:
    return "; ".join(shape for facts in request.shells.values() for shape in facts.catastrophic)


def _not_read_only(request: Request) -> str:
    """Why the move's shell is not known to be read-only; an empty string if it is."""
    if not request.shells:
        return "the command was not analysed"
    for name, facts in request.shells.items():
        if not facts.read_only:
            why = facts.why or "it is not known to only read"
            return why if name == "cmd" else f"{name}: {why}"
    return ""


def builtin(request: Request) -> Verdict:
    """
    What a level of autonomy says of a move.

    Never laxer at a stricter level: for every move, supervised is at least as strict as
    guarded, and guarded as trusted.
    """
    shape = _catastrophic(request)
    if request.origin == "human":
        if shape:
            return _say(
                request,
                "deny",
                "human:catastrophic",
                f"{shape}; if you mean it, run it in a shell of your own",
            )
        return _say(request, "allow", "human")
    level = request.autonomy
    match request.action:
        case Noop() | AskHuman() | SendNotification():
            return _say(request, "allow", f"{level}:harmless")
        case WriteSchedule() | DropSchedule():
            return _say(request, "allow", f"{level}:timer")
        case _:
            pass
    if shape:
        word: Word = "hold" if level == "trusted" else "deny"
        return _say(request, word, f"{level}:catastrophic", shape, "high")
    if level == "trusted":
        return _say(request, "allow", "trusted:default")
    if level == "supervised":
        return _say(request, "hold", "supervised:default", "every move of consequence is held")
    return _guarded(request)


def _guarded(request: Request) -> Verdict:
    match request.action:
        case WriteGoal() | ArchiveGoal():
            return _say(request, "allow", "guarded:goal")
        case RunShell():
            if reason := _not_read_only(request):
                return _say(request, "hold", "guarded:shell", reason)
        case WritePlaybook():
            return _say(request, "hold", "guarded:playbook", "it changes how the loop judges")
        case WriteSensor():
            return _say(request, "hold", "guarded:sensor", "it runs at every look from now on")
        case StartWorker() | SteerSession() | SendKey() | RestartSession() | KillWorker():
            if reason := _worker_risk(request):
                return _say(request, "hold", "guarded:worker", reason)
        case _:
            # A move that nobody wrote a rule for waits for a human.
            return _say(request, "hold", "guarded:default", f"{tag_of(request.action)} has no rule")
    if request.taint == "public":
        return _say(
            request,
            "hold",
            "guarded:taint",
            "text that strangers can write reached this decision",
        )
    if isinstance(request.action, RunShell):
        return _say(request, "allow", "guarded:read-only")
    return _say(request, "allow", "guarded:worker")


# Keys that can only stop something, never agree to it.
_HARMLESS_KEYS = frozenset({"esc", "escape", "c-c", "ctrl-c", "^c"})


def _worker_risk(request: Request) -> str:
    """Why a move that concerns a worker needs a human's yes; "" if it does not."""
    match request.action:
        case StartWorker(command=command):
            if command.strip():
                return "it replaces the command that workers are started with"
            for name in ("verify", "prompt"):
                facts = request.shells.get(name)
                if facts is not None and not facts.read_only:
                    what = "the brief is run as it is" if name == "prompt" else name
                    return f"{what}: {facts.why or 'it is not known to only read'}"
        case SteerSession(input=words):
            if not request.agent:
                return "it types into a program that is no known agent"
            if words.lstrip()[:1] in ("!", "/"):
                return "what begins with ! or / is a command to the agent, and no message"
        case SendKey(keys=keys):
            if not all(key.lower() in _HARMLESS_KEYS for key in keys):
                return "a key may agree to what the agent asks for"
        case _:
            pass
    return ""
