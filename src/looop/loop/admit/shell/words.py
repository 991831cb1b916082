"""
Words: simple commands as values, and the marks for what is not known in a word.

The spelling of a word is what the shell makes of it, as far as that is known: ordinary text
with marks where it is not. Marks are lone surrogates, which no text that reaches the parser
can hold, so no input imitates one.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

__all__ = [
    "CLASS",
    "CLOSE",
    "COMMA",
    "DECODED",
    "GLOBS",
    "HOME",
    "MANY",
    "MAYBE",
    "ONE",
    "OPEN",
    "SOME",
    "SPLIT",
    "STAR",
    "UNKNOWNS",
    "Assign",
    "Call",
    "Function",
    "Redirect",
    "Scope",
    "Word",
    "basename",
    "joined",
    "marked",
    "names",
    "readable",
    "respelt",
]

HOME = "\ud800"  # a home directory
MAYBE = "\ud801"  # any text, possibly none
SOME = "\ud802"  # any text but none
STAR = "\ud803"  # a glob's *
ONE = "\ud804"  # a glob's ?
CLASS = "\ud805"  # a glob's [
SPLIT = "\ud806"  # a border between two words
MANY = "\ud807"  # takes no room: what is unknown here may become no word, or several
OPEN = "\ud808"  # an unquoted {
COMMA = "\ud809"  # an unquoted comma
CLOSE = "\ud80a"  # an unquoted }
DECODED = "\ud80b"  # takes no room: the text beside it was decoded, so it is not called literal

GLOBS = STAR + ONE + CLASS
UNKNOWNS = MAYBE + SOME

_SHOWN = {
    HOME: "~",
    MAYBE: "${_}",
    SOME: "${_:?}",
    STAR: "*",
    ONE: "?",
    CLASS: "[",
    SPLIT: " ",
    MANY: "",
    OPEN: "{",
    COMMA: ",",
    CLOSE: "}",
    DECODED: "",
}
_SHOW = str.maketrans(_SHOWN)
_MARKED = re.compile("[" + "".join(_SHOWN) + "]")

Scope = Mapping[str, str]


class Word(Struct, frozen=True, kw_only=True):
    """
    One word: how it is spelt, how it was written, and what is certain about it.

    `literal`: it is exactly `text` and nothing was expanded. `single`: it is always exactly
    one word. `loose`: what is unknown in it may become an option, or other words.
    `calls` are the commands that run inside it, in `$(...)` and the like.
    """

    text: str
    source: str
    literal: bool = True
    single: bool = True
    loose: bool = False
    calls: "tuple[Call, ...]" = ()


class Call(Struct, frozen=True, kw_only=True):
    """
    One simple command.

    `stdin` is what feeds it: words (a heredoc's body, a here-string, a file that is read)
    and the commands before it in the pipeline. `forked` says that it stands in a pipeline or
    in the background. `at` is its place in the source.
    """

    words: tuple[Word, ...]
    at: int = 0
    forked: bool = False
    stdin: "tuple[Word | Call, ...]" = ()


class Redirect(Struct, frozen=True, kw_only=True):
    """One redirection; `fd` is what stands before the operator, `body` a heredoc's text."""

    op: str
    word: Word
    fd: str = ""
    body: Word | None = None


class Assign(Struct, frozen=True, kw_only=True):
    """A variable that is set, to what if that is known, and whether programs then see it."""

    name: str
    value: str | None = None
    exported: bool = False
    calls: tuple[Call, ...] = ()


class Function(Struct, frozen=True, kw_only=True):
    """A function that is defined; `certain` if every command after `at` sees it."""

    name: str
    at: int
    certain: bool
    calls: tuple[Call, ...]


def names(text: str) -> frozenset[str]:
    """The words of a text, for tables."""
    return frozenset(text.split())


def marked(text: str) -> bool:
    """Whether anything in this spelling is not known."""
    return _MARKED.search(text) is not None


def readable(text: str) -> str:
    """A spelling as shell source that a person, or the parser, can read."""
    return text.translate(_SHOW)


def basename(word: Word) -> str:
    """The program that a word names, without its directory."""
    return word.text.rstrip("/").rpartition("/")[2] or word.text


def respelt(word: Word, text: str) -> Word:
    """The word with another spelling, as certain as it was."""
    return Word(text=text, source=word.source, literal=word.literal, calls=word.calls)


def joined(words: Sequence[Word]) -> Word:
    """The one text that `eval` or a remote shell makes of several words."""
    return Word(
        text=" ".join(word.text for word in words),
        source=" ".join(word.source for word in words),
        literal=all(word.literal for word in words),
        calls=tuple(call for word in words for call in word.calls),
    )
