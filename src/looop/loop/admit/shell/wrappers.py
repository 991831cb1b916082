"""Wrappers: programs whose arguments are another command, and the command that they run."""

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from looop.loop.admit.shell.runners import RUNNERS, Peeled, fed_text, stdin_script
from looop.loop.admit.shell.words import MAYBE, Call, Word, basename, joined, marked, names, respelt

__all__ = ["WRAPPERS", "peel"]

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_CODE_OPTION = re.compile(r"-[A-Za-z]*c|--command|--run|--session-command")


class _Options(Struct, frozen=True, kw_only=True):
    """
    The options of a wrapper: the harmless ones, and those of them that take a value.

    Whatever `plain` does not match is not harmless, and may take a value for all we know.
    """

    plain: str
    valued: str = ""
    long_valued: tuple[str, ...] = ()
    operands: int = 0  # words between the options and the command
    script: bool = False  # the command is joined and given to a shell


_TIMEOUT = _Options(
    plain=r"-[fpvks].*|--(foreground|preserve-status|verbose|kill-after(=.*)?|signal(=.*)?)",
    valued="ks",
    long_valued=("--kill-after", "--signal"),
    operands=1,
)
_SIMPLE: Mapping[str, _Options] = {
    "timeout": _TIMEOUT,
    "gtimeout": _TIMEOUT,
    "nice": _Options(
        plain=r"-n.*|-{1,2}\d+|--adjustment(=.*)?", valued="n", long_valued=("--adjustment",)
    ),
    "ionice": _Options(
        plain=r"-[cnt].*|--(class|classdata)(=.*)?|--ignore",
        valued="cn",
        long_valued=("--class", "--classdata"),
    ),
    "nohup": _Options(plain=r"(?!)"),
    "setsid": _Options(plain=r"-[cfw]+|--(ctty|fork|wait)"),
    "stdbuf": _Options(
        plain=r"-[ioe].*|--(input|output|error)(=.*)?",
        valued="ioe",
        long_valued=("--input", "--output", "--error"),
    ),
    "time": _Options(
        plain=r"-[pvqlh]+|-f.*|--(portability|verbose|quiet|format(=.*)?)",
        valued="fo",
        long_valued=("--format", "--output"),
    ),
    "builtin": _Options(plain=r"(?!)"),
    "exec": _Options(plain=r"-[cla].*", valued="a"),
    "busybox": _Options(plain=r"(?!)"),
    "toybox": _Options(plain=r"(?!)"),
    "caffeinate": _Options(plain=r"-[dimsutw].*", valued="tw"),
    "watch": _Options(
        plain=r"-[bcdegtwn].*|--(interval(=.*)?|no-title|color|differences|errexit|chgexit|beep)",
        valued="nqs",
        long_valued=("--interval", "--equexit", "--shotsdir"),
        script=True,
    ),
}

# Wrappers with grammars of their own: what they run is looked for, and they are never harmless.
_EXOTIC = names(
    """
    bwrap chroot chrt dbus-run-session direnv docker doas entr expect fakeroot firejail flock
    gosu kubectl ltrace mise nerdctl nix-shell npm npx nsenter numactl oc parallel pipenv
    pkexec pnpm podman poetry prlimit proot rbenv pyenv run0 runuser script setarch setpriv sg
    strace su su-exec sudo systemd-run taskset tmux screen unbuffer unshare uv uvx xvfb-run
    yarn docker-compose sshpass at batch
    """
)
# Of those, the ones that wrap only by these verbs.
_EXOTIC_VERBS = {
    **dict.fromkeys(("docker", "podman", "nerdctl", "docker-compose"), ("exec", "run")),
    **dict.fromkeys(("kubectl", "oc"), ("exec", "run", "debug")),
    **dict.fromkeys(("npm", "pnpm", "yarn"), ("exec", "x", "dlx")),
    **dict.fromkeys(("uv", "poetry", "pipenv"), ("run",)),
    **dict.fromkeys(("direnv", "mise", "rbenv", "pyenv"), ("exec", "x")),
    "tmux": (
        "new-session",
        "new",
        "new-window",
        "neww",
        "send-keys",
        "send",
        "split-window",
        "splitw",
        "run-shell",
        "run",
        "respawn-pane",
        "if-shell",
        "pipe-pane",
        "popup",
    ),
}
_CODE_BEHIND_C = frozenset(["flock", "nix-shell", "runuser", "script", "sg", "su"])
_CODE_AS_WORD = frozenset(["entr", "expect", "nix-shell", "parallel", "screen", "tmux"])
_CODE_AS_INPUT = frozenset(["at", "batch", "parallel"])
_SSH = _Options(plain=r".*", valued="BbcDEeFIiJLlmOopQRSWw")


def _options(words: Sequence[Word], known: _Options) -> tuple[int, str]:
    """How many leading words are options, and the first of them that is not harmless."""
    index, why = 0, ""
    while index < len(words):
        text = words[index].text
        if text == "--":
            return index + 1, why
        if not text.startswith("-") or text == "-":
            break
        if not re.fullmatch(known.plain, text):
            why = why or f"option {words[index].source}"
        if text.startswith("--"):
            index += text in known.long_valued
        else:
            place = next((i for i, char in enumerate(text) if char in known.valued), 0)
            index += place == len(text) - 1 and place > 0
        index += 1
    return index, why


def _simple(words: Sequence[Word], options: _Options, known: Callable[[str], bool]) -> Peeled:
    count, why = _options(words[1:], options)
    start = 1 + count + options.operands
    rest = tuple(words[start:])
    for word in words[1:start]:
        if word.loose or not word.single:
            why = why or f"unknown argument {word.source}"
    if options.script:
        return Peeled(scripts=(joined(rest),) if rest else (), why=why)
    commands = (rest,) if rest else ()
    if why:
        commands += _first_known(words[1:], known)
    return Peeled(commands=commands, why=why)


def _first_known(
    words: Sequence[Word], known: Callable[[str], bool]
) -> tuple[tuple[Word, ...], ...]:
    """The command that starts with the first word that names a program, or may."""
    for index, word in enumerate(words):
        if not word.text.startswith("-") and (marked(word.text) or known(basename(word))):
            return (tuple(words[index:]),)
    return ()


_ENV_PLAIN = re.compile(r"-|-[i0v]+|--(ignore-environment|null|debug|unset=.*|chdir=.*)")


def _env(words: Sequence[Word]) -> Peeled:
    names: list[str] = []
    why, index = "", 1
    while index < len(words):
        text = words[index].text
        if text in ("-S", "--split-string") or text.startswith(("-S", "--split-string=")):
            inline = text.removeprefix("--split-string").removeprefix("-S").removeprefix("=")
            script = joined([respelt(words[index], inline), *words[index + 1 :]])
            return Peeled(scripts=(script,), why="option -S", assigns=tuple(names))
        if text in ("-u", "--unset", "-C", "--chdir"):
            index += 1
        elif found := _ASSIGNMENT.match(text):
            names.append(found[1])
            if not words[index].single:
                why = why or f"unknown argument {words[index].source}"
        elif words[index].loose:
            why = why or f"unknown argument {words[index].source}"
        elif text == "--":
            pass
        elif not text.startswith("-"):
            break
        elif not _ENV_PLAIN.fullmatch(text):
            why = why or f"option {words[index].source}"
        index += 1
    rest = tuple(words[index:])
    return Peeled(commands=(rest,) if rest else (), why=why, assigns=tuple(names))


def _command(words: Sequence[Word]) -> Peeled | None:
    for index, word in enumerate(words[1:], 1):
        if word.text in ("-v", "-V", "-pv", "-pV", "-vp", "-Vp"):
            return Peeled()
        if word.text not in ("-p", "--"):
            return Peeled(commands=(tuple(words[index:]),))
    return Peeled()


_XARGS_VALUED = re.compile(
    r"-[0rtx]*[nPLdasERSJ]|--(max-(args|procs|lines|chars)|delimiter|arg-file)"
)
_XARGS_PLAIN = re.compile(
    r"-[0rtx]+|-[0rtx]*[nPLdasEle].*"
    r"|--(null|no-run-if-empty|verbose|exit|(max-\w+|delimiter|arg-file|eof)(=.*)?)"
)
_XARGS_MARK = re.compile(r"(?:-[0rtx]*[Ii]|--replace=?)(.*)")


def _xargs(call: Call, known: Callable[[str], bool]) -> Peeled:
    words, index, why, mark = call.words, 1, "", ""
    while index < len(words):
        text = words[index].text
        if text == "--":
            index += 1
            break
        if not text.startswith("-"):
            break
        if found := _XARGS_MARK.fullmatch(text):
            if text.endswith("I") and index + 1 < len(words):
                index += 1
                mark = words[index].text
            else:
                mark = found[1] or "{}"
        elif not _XARGS_PLAIN.fullmatch(text):
            why = why or f"option {words[index].source}"
        index += _XARGS_VALUED.fullmatch(text) is not None
        index += 1
    for word in words[1:index]:
        if word.loose or not word.single:
            why = why or f"unknown argument {word.source}"
    rest, fed = words[index:], _fed_words(call)
    if not rest:
        return Peeled(why=why)
    tail = Word(text=MAYBE, source="the input of xargs", literal=False, single=False, loose=True)
    commands = ((*rest, *fed, tail),)
    if mark:
        commands = tuple(_replaced(rest, mark, by) for by in (MAYBE, *(w.text for w in fed[:4])))
    return Peeled(commands=commands + (_first_known(rest, known) if why else ()), why=why)


def _fed_words(call: Call) -> list[Word]:
    """Words that are known to come down the pipe: what is echoed, and where `find` starts."""
    found: list[Word] = []
    for feeder in call.stdin:
        if isinstance(feeder, Word):
            text = fed_text(feeder)
            found += [respelt(feeder, piece) for piece in (text.text if text else "").split()]
            continue
        name = basename(feeder.words[0])
        for word in feeder.words[1:]:
            if name == "find" and word.text.startswith("-"):
                break
            if name in ("echo", "printf", "find", "ls") and not word.text.startswith("-"):
                found.append(word)
    return found


def _replaced(words: Sequence[Word], mark: str, by: str = MAYBE) -> tuple[Word, ...]:
    """The words with `{}` made unknown, or known."""
    return tuple(
        word
        if mark not in word.text
        else Word(
            text=word.text.replace(mark, by),
            source=word.source,
            literal=False,
            loose=word.loose or word.text.startswith(mark),
            calls=word.calls,
        )
        for word in words
    )


_FIND_EXEC = ("-exec", "-execdir", "-ok", "-okdir")


def _find(words: Sequence[Word]) -> Peeled | None:
    commands: list[tuple[Word, ...]] = []
    index = 1
    while index < len(words):
        if words[index].text in _FIND_EXEC:
            end = index + 1
            while end < len(words) and words[end].text not in (";", "+"):
                end += 1
            if inner := words[index + 1 : end]:
                commands.append(_replaced(inner, "{}"))
            index = end
        index += 1
    return Peeled(commands=tuple(commands)) if commands else None


def _ssh(words: Sequence[Word]) -> Peeled:
    count, _ = _options(words[1:], _SSH)
    rest = words[2 + count :]
    return Peeled(scripts=(joined(rest),) if rest else (), why="runs on another machine")


def _exotic(call: Call, known: Callable[[str], bool]) -> Peeled | None:
    """Look for the command among the words: behind `-c`, or from the first program known."""
    name = basename(call.words[0])
    rest = call.words[1:]
    if name in _EXOTIC_VERBS:
        verbs = _EXOTIC_VERBS[name]
        place = next((i for i, word in enumerate(rest) if word.text in verbs), None)
        if place is None:
            return None
        rest = rest[place + 1 :]
    scripts: list[Word] = []
    if name in _CODE_BEHIND_C:
        for word, following in zip(rest, (*rest[1:], None), strict=True):
            option, equals, value = word.text.partition("=")
            if _CODE_OPTION.fullmatch(option) and (equals or following is not None):
                scripts.append(respelt(word, value) if following is None or equals else following)
    if name in _CODE_AS_WORD:
        scripts += [word for word in rest if re.search(r"[\s;|&]", word.text)]
    if name in _CODE_AS_INPUT:
        scripts += stdin_script(call)[0]
    return Peeled(
        commands=_first_known(rest, known), scripts=tuple(scripts), why="runs another command"
    )


_BY_WORDS: Mapping[str, Callable[[Sequence[Word]], Peeled | None]] = {
    "env": _env,
    "command": _command,
    "find": _find,
    "gfind": _find,
    "ssh": _ssh,
}


WRAPPERS = frozenset([*RUNNERS, *_BY_WORDS, *_SIMPLE, *_EXOTIC, "xargs", "gxargs"])


def peel(call: Call, known: Callable[[str], bool]) -> Peeled | None:
    """What the command runs, if it is a wrapper; `known` tells names of programs."""
    name = basename(call.words[0])
    if runner := RUNNERS.get(name):
        return runner(call)
    if by_words := _BY_WORDS.get(name):
        return by_words(call.words)
    if simple := _SIMPLE.get(name):
        return _simple(call.words, simple, known)
    if name in ("xargs", "gxargs"):
        return _xargs(call, known)
    if name in _EXOTIC:
        return _exotic(call, known)
    return None
