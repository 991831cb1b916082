"""Parsing: from the text of a script to shfmt's syntax tree, and safe looks into its nodes."""

import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import msgspec

from looop.kit import tool

__all__ = ["Node", "NotParsed", "Unavailable", "child", "children", "parse", "string"]

LIMIT_CHARS = 65_536
LIMIT_S = 5.0

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TOO_DEEP = re.compile(rb"\n\t{400}")

Node = dict[str, Any]


class NotParsed(Exception):
    """The text is not something that the parser understands; the message says why."""


class Unavailable(NotParsed):
    """The parser is missing or was too slow: the same text may be understood another time."""


def child(node: Node, key: str) -> Node:
    """A part of a node; empty if it is not there."""
    value = node.get(key)
    return cast("Node", value) if isinstance(value, dict) else {}


def children(node: Node, key: str) -> list[Node]:
    """The parts that a node lists under a key; none if it is not there."""
    value = node.get(key)
    return cast("list[Node]", value) if isinstance(value, list) else []


def string(node: Node, key: str = "Value") -> str:
    """A piece of text in a node; empty if it is not there."""
    value = node.get(key)
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=1)
def _shfmt() -> str | None:
    beside = Path(sys.executable).with_name("shfmt")
    return str(beside) if beside.is_file() else tool.find("shfmt")


def parse(text: str) -> Node:
    """
    The syntax tree of a text. Raises `NotParsed` with the reason.

    Control characters are refused, because bash and shfmt do not read all of them alike: bash
    takes a carriage return for a part of a word, shfmt skips it.
    """
    if len(text) > LIMIT_CHARS:
        raise NotParsed(f"longer than {LIMIT_CHARS} characters")
    if found := _CONTROL.search(text):
        raise NotParsed(f"holds the control character \\x{ord(found[0]):02x}")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise NotParsed("is not valid Unicode") from error
    program = _shfmt()
    if program is None:
        raise Unavailable("cannot be judged: shfmt is not installed")
    try:
        code, out, err = tool.capture(
            [program, "-ln", "bash", "--to-json"], stdin=data, limit_s=LIMIT_S
        )
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"cannot be judged: {error}") from error
    if code != 0:
        said = err.decode("utf-8", "replace").strip().partition("\n")[0]
        raise NotParsed(f"does not parse: {said.removeprefix('<standard input>:')[:120]}")
    # The output is indented by a tab a level. A bound of our own gives the same answer in every
    # version of Python, whose stacks differ.
    if _TOO_DEEP.search(out):
        raise NotParsed("is nested too deeply")
    try:
        tree: Any = msgspec.json.decode(out)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotParsed("is nested too deeply") from error
    return cast("Node", tree)
