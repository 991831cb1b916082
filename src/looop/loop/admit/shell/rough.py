"""Rough reading: likely commands of a text that the parser refuses, for the sake of dangers."""

import re
from collections.abc import Callable

from looop.loop.admit.shell.words import HOME, MAYBE, STAR, Call, Word

__all__ = ["rough_calls"]

_BORDER = re.compile(r"&&|\|\||;|\n|&(?!>)(?<!>&)|[(){}`]")
_HOME = re.compile(r"(?<![^\s\"'=])~[\w.-]{0,64}(?=[/\s\"']|$)|\$HOME\b|\$\{HOME\}")
_VARIABLE = re.compile(r"\$\{[^}\n]{0,99}\}|\$[\w@*#?$!-]")
_TARGET = re.compile(r">[>|&]?\s*([^\s;|&<>()]+)")
_QUOTES = str.maketrans("", "", "\"'\\")
_LEADING = re.compile(r"then|do|else|elif|if|while|until|time|!|coproc|\w+=.*")
_MOST = 4000


def _word(text: str) -> Word:
    spelt = text.translate(_QUOTES).replace("*", STAR)
    return Word(text=spelt, source=text.replace(HOME, "~").replace(MAYBE, "$_"), literal=False)


def rough_calls(text: str, known: Callable[[str], bool]) -> tuple[list[Call], list[Word]]:
    """
    What look like commands of known programs, and files that are written.

    Quotes are not respected, so words in quotes may be taken for commands.
    """
    text = "".join(" " if "\ud800" <= char <= "\udfff" else char for char in text)
    text = text.replace("\\\n", "").replace("\0", "").replace("\r", "\n")
    text = _VARIABLE.sub(MAYBE, _HOME.sub(HOME, text))
    calls: list[Call] = []
    targets = [_word(found[1]) for found in _TARGET.finditer(text)][:_MOST]
    for statement in _BORDER.split(text):
        upstream: tuple[Call, ...] = ()
        for stage in statement.split("|"):
            words = [_word(piece) for piece in stage.split()]
            while words and _LEADING.fullmatch(words[0].text):
                words.pop(0)
            if not words:
                continue
            call = Call(words=tuple(words), stdin=upstream)
            upstream = (*upstream, call)
            if known(words[0].text.rpartition("/")[2]) and len(calls) < _MOST:
                calls.append(call)
    return calls, targets
