"""Shell completion: static scripts, and the live words that they ask for."""

import argparse
from typing import TYPE_CHECKING, Any

from looop.cli.named import PULSE
from looop.cli.table import VERBS
from looop.errors import LooopError

if TYPE_CHECKING:
    from looop.control.protocol import Control

__all__ = ["script", "words"]

_SUB = {
    "goal": ("list", "show", "write", "archive"),
    "playbook": ("show", "write"),
    "sensor": ("list", "run", "write"),
    "schedule": ("list", "write", "drop"),
    "cost": ("today", "week", "all", "record"),
    "service": ("install", "uninstall", "status"),
    "config": ("bash", "zsh", "fish"),
    "schema": ("decision",),
}
# Verbs that only look work for what has ended and for the loop itself; others need it alive.
_ANY = {"ls", "log", "shot", "wait", "expect"}
_ALIVE = {"wait-idle", "watch", "detach"}
_ALIVE_NO_LOOP = {"attach", "send", "key", "resize", "kill"}
_NOT_KILLED = {"restart"}

_BASH = """\
# looop completion for bash: looop config bash > ~/.local/share/bash-completion/completions/looop
_looop() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(looop __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" \\
    -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _looop looop"""

_ZSH = """\
#compdef looop
# looop completion for zsh: looop config zsh > "${fpath[1]}/_looop"
_looop() {
  local -a found
  found=(${(f)"$(looop __complete "${words[@]:1:$((CURRENT-1))}" 2>/dev/null)"})
  compadd -a found
}
compdef _looop looop"""

_FISH = """\
# looop completion for fish: looop config fish > ~/.config/fish/completions/looop.fish
complete -c looop -f -a \\
  '(looop __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'"""


def script(shell: str) -> str:
    """The completion script of a shell."""
    return {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell]


def _sessions(control: "Control", verb: str) -> list[str]:
    """The sessions that a verb takes."""
    found, _ = control.crew.fleet.list()
    if verb in _ANY:
        return [session.id for session in found]
    if verb in _ALIVE:
        return [session.id for session in found if session.alive]
    workers = [session for session in found if session.id != PULSE]
    if verb in _NOT_KILLED:
        return [session.id for session in workers if session.state != "killed"]
    return [session.id for session in workers if session.alive]


def _value(control: "Control", option: str) -> list[str] | None:
    """What may follow an option; None where its next word is no value that we know of."""
    if option == "--session":
        return _sessions(control, "done")
    if option == "--goal":
        return [view.id for view in control.goals()]
    if option == "--runner":
        return control.runners()
    return None


def _named(control: "Control", first: str) -> list[str]:
    """What a verb takes as its first word."""
    if first in _ANY | _ALIVE | _ALIVE_NO_LOOP | _NOT_KILLED:
        return _sessions(control, first)
    if first == "unclaim":
        return [claim.name for claim in control.crew.claims()[0]]
    if first in ("answer", "asks"):
        return [view.ask.id for view in control.asks(archived=False)[0]]
    if first in ("undo", "history"):
        return [view.commit for view in control.history(20)]
    return []


def _of_part(control: "Control", first: str, second: str) -> list[str]:
    """What a verb takes after its second word, which mostly is a sub-verb."""
    if first == "key":
        from looop.sessions import keys

        return list(keys.names())
    if first == "goal" and second in ("show", "write", "archive"):
        return [view.id for view in control.goals()]
    if first == "sensor" and second in ("run", "write"):
        return [view.name for view in control.sensors()[0]]
    if first == "schedule" and second in ("drop", "rm", "write"):
        return [view.name for view in control.schedules()]
    return []


def _live(typed: list[str]) -> list[str]:
    """Ids from the profile, where the next word is one."""
    from looop import app

    control = app.open_control()
    values = _value(control, typed[-2])
    if values is not None:
        return values
    first, *rest = [word for word in typed[:-1] if not word.startswith("-")]
    if not rest:
        return _named(control, first)
    return _of_part(control, first, rest[0]) if len(rest) == 1 or first == "key" else []


def _flags(typed: list[str]) -> list[str]:
    """The long options of a verb, or of its sub-verb."""
    from looop.cli.main import parser_of

    parser = parser_of(typed[0])
    for action in parser._actions:
        known: Any = action.choices
        if action.nargs == argparse.PARSER and typed[1] in known:
            parser = known[typed[1]]
    return [flag for flag in parser._option_string_actions if flag.startswith("--")]


def words(typed: list[str]) -> int:
    """Print what may stand where the last of `typed` stands; silent when nothing is known."""
    if len(typed) <= 1 or typed[0] == "help":
        found = list(VERBS)
    elif typed[0] in VERBS and typed[-1].startswith("-"):
        found = _flags(typed)
    elif len(typed) == 2 and typed[0] in _SUB:
        found = list(_SUB[typed[0]])
    else:
        try:
            found = _live(typed)
        except (LooopError, OSError):
            found = []
    print("\n".join(found))
    return 0
