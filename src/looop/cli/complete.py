"""Shell completion: static scripts, and the live words that they ask for."""

from looop.cli.table import VERBS
from looop.errors import LooopError

__all__ = ["script", "words"]

_SUB = {
    "goal": ("list", "show", "write", "archive"),
    "playbook": ("show", "write"),
    "sensor": ("list", "run", "write"),
    "schedule": ("list", "write", "drop"),
    "cost": ("today", "week", "all"),
    "config": ("bash", "zsh", "fish"),
    "schema": ("decision",),
}

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


def _live(typed: list[str]) -> list[str]:
    """Ids from the profile, where the next word is one."""
    from looop import app

    control = app.open_control()
    first, second = typed[0], typed[1] if len(typed) > 2 else ""
    if first in ("answer", "asks"):
        return [view.ask.id for view in control.asks(archived=False)[0]]
    if first == "goal" and second in ("show", "write", "archive"):
        return [view.id for view in control.goals()]
    if first == "sensor" and second in ("run", "write"):
        return [view.name for view in control.sensors()[0]]
    if first == "schedule" and second in ("drop", "rm", "write"):
        return [view.name for view in control.schedules()]
    if first in ("undo", "history"):
        return [view.commit for view in control.history(20)]
    return []


def words(typed: list[str]) -> int:
    """Print what may stand where the last of `typed` stands; silent when nothing is known."""
    if len(typed) <= 1 or typed[0] == "help":
        found = list(VERBS)
    elif len(typed) == 2 and typed[0] in _SUB:
        found = list(_SUB[typed[0]])
    else:
        try:
            found = _live(typed)
        except (LooopError, OSError):
            found = []
    print("\n".join(found))
    return 0
