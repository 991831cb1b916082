"""Runners: shells, and builtins such as `eval`, that run a piece of text as a script."""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from looop.loop.admit.shell.words import Call, Word, basename, joined, names, respelt

__all__ = ["RUNNERS", "SHELLS", "Peeled", "fed_text", "stdin_script"]

SHELLS = names(
    """
    sh bash dash ash ksh mksh zsh fish rbash csh tcsh
    """
)
# Shells that read a script as bash does; for the others the judgement of the script is a guess.
_BASH_LIKE = frozenset(["sh", "bash", "dash", "ash"])


class Peeled(Struct, frozen=True, kw_only=True):
    """
    What a wrapper runs: commands, scripts, or both.

    `why` says what keeps the wrapper itself from being harmless; `assigns` are the variables
    that it sets for the command.
    """

    commands: tuple[tuple[Word, ...], ...] = ()
    scripts: tuple[Word, ...] = ()
    why: str = ""
    assigns: tuple[str, ...] = ()


def fed_text(feeder: Word | Call) -> Word | None:
    """The text that a heredoc, a here-string, or an `echo` up the pipe gives as input."""
    if isinstance(feeder, Word):
        return feeder if feeder.source in ("<<", "<<<") else None
    name = basename(feeder.words[0])
    if name in ("cat", "tee"):
        texts = [text for each in feeder.stdin if (text := fed_text(each)) is not None]
        return joined(texts) if texts else None
    if name not in ("echo", "printf"):
        return None
    said = [word for word in feeder.words[1:] if not re.fullmatch(r"-[neE]+", word.text)]
    if not said:
        return None
    whole = joined(said)
    return respelt(whole, whole.text.replace("\\n", "\n"))


def stdin_script(call: Call) -> tuple[tuple[Word, ...], str]:
    """What a shell that reads its commands from its input is given, and why that is not known."""
    texts = tuple(text for feeder in call.stdin if (text := fed_text(feeder)) is not None)
    sure = len(call.stdin) == len(texts) == 1 and isinstance(call.stdin[0], Word)
    return texts, "" if sure else "reads commands from its input"


_SHELL_PLAIN = re.compile(r"[-+][celuxfnvo]+|--(norc|noprofile|posix|login)")


def _shell(call: Call) -> Peeled:
    words = call.words
    why = "" if basename(words[0]) in _BASH_LIKE else "does not read scripts as bash does"
    index, code, stdin = 1, False, False
    while index < len(words):
        word, text = words[index], words[index].text
        if word.loose:
            return Peeled(scripts=words[index:], why=why or f"unknown argument {word.source}")
        if text in ("--", "-") or not text.startswith(("-", "+")):
            index += text in ("--", "-")
            break
        if not _SHELL_PLAIN.fullmatch(text):
            why = why or f"option {word.source}"
        if text.startswith("--"):
            index += text in ("--rcfile", "--init-file")
        else:
            code = code or (text.startswith("-") and "c" in text)
            stdin = stdin or "s" in text
            index += text.count("o") + text.count("O")
        index += 1
    rest = words[index:]
    if code:
        return Peeled(scripts=rest[:1], why=why)
    if rest and not stdin and rest[0].text not in ("/dev/stdin", "/dev/fd/0"):
        return Peeled(why=why or f"runs the file {rest[0].source}")
    scripts, unknown = stdin_script(call)
    return Peeled(scripts=scripts, why=why or unknown)


def _arguments(call: Call) -> tuple[Word, ...]:
    return call.words[2:] if [word.text for word in call.words[1:2]] == ["--"] else call.words[1:]


def _eval(call: Call) -> Peeled:
    rest = _arguments(call)
    return Peeled(scripts=(joined(rest),) if rest else ())


def _trap(call: Call) -> Peeled:
    rest = _arguments(call)
    if len(rest) < 2 or rest[0].text in ("-", "-p", "-l"):
        return Peeled(why=f"unknown argument {rest[0].source}" if rest and rest[0].loose else "")
    return Peeled(scripts=(rest[0],))


def _source(call: Call) -> Peeled:
    rest = call.words[1:]
    scripts: tuple[Word, ...] = ()
    if rest and rest[0].text in ("/dev/stdin", "/dev/fd/0"):
        scripts = stdin_script(call)[0]
    return Peeled(scripts=scripts, why="runs the file " + (rest[0].source if rest else ""))


def _alias(call: Call) -> Peeled:
    values = [respelt(w, w.text.partition("=")[2]) for w in call.words[1:] if "=" in w.text]
    return Peeled(scripts=tuple(values), why="renames commands")


RUNNERS: Mapping[str, Callable[[Call], Peeled]] = {
    ".": _source,
    "source": _source,
    "alias": _alias,
    "eval": _eval,
    "trap": _trap,
    **dict.fromkeys(SHELLS, _shell),
}
