"""The order of a verb's words: options may stand anywhere, also between words of one text."""

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

__all__ = ["options_first", "unmask", "unmasked"]

# A word that begins with a dash and is no option is marked with what no command line can hold.
_MARK = "\0"
_NUMBER = re.compile(r"-\d+(\.\d+)?|-\.\d+")


def options_first(words: Sequence[str], known: Mapping[str, argparse.Action]) -> list[str]:
    """
    The same words with every option, and its value, before all others.

    argparse gives an argument of any length what stands before the first option, and takes the
    rest for a mistake. `known` are the options by their flags. Words after `--` are no options;
    `unmask` takes the mark off those that look like some.
    """
    options: list[str] = []
    others: list[str] = []
    bare: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            others += [_masked(after) for after in rest]
            break
        if not _is_option(word, known):
            others.append(_masked(word))
            continue
        if not _wants_value(word, known):
            options.append(word)
        elif rest and rest[0] != "--":
            options += [word, rest.pop(0)]
        else:
            # At the end, where it takes no other word for the value that it lacks.
            bare.append(word)
    return options + others + bare


def _is_option(word: str, known: Mapping[str, argparse.Action]) -> bool:
    """Whether a word is meant as an option, be it a mistyped one."""
    if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
        return False
    return " " not in word or word.partition("=")[0] in known or word[:2] in known


def _masked(word: str) -> str:
    plain = not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word)
    return word if plain else _MARK + word


def _wants_value(word: str, known: Mapping[str, argparse.Action]) -> bool:
    """Whether the next word belongs to this option."""
    if word.startswith("--"):
        return word in known and known[word].nargs != 0
    for at, letter in enumerate(word[1:], 2):
        option = known.get(f"-{letter}")
        if option is None:
            return False
        if option.nargs != 0:
            return at == len(word)
    return False


def unmask(found: argparse.Namespace) -> argparse.Namespace:
    """The same, with the words that were marked as they were typed."""
    for name, value in list(vars(found).items()):
        setattr(found, name, unmasked(value))
    return found


def unmasked(value: Any) -> Any:
    """A word, or each of a list of words, without its mark; anything else as it is."""
    if isinstance(value, str):
        return value.removeprefix(_MARK)
    if isinstance(value, list):
        return [unmasked(part) for part in cast("list[Any]", value)]
    return value
