"""The one grammar of ids: safe as a file name, an argument and a word in a sentence."""

import re

from looop.errors import Usage

__all__ = ["GRAMMAR", "checked", "is_name"]

GRAMMAR = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_PATTERN = re.compile(GRAMMAR)


def is_name(text: str) -> bool:
    """Whether `text` may name something of ours."""
    return _PATTERN.fullmatch(text) is not None


def checked(kind: str, text: str) -> str:
    """Return `text` if it may name a `kind`; raise `Usage` with the grammar if not."""
    if not is_name(text):
        raise Usage(
            f"{text!r} cannot name {'an' if kind[0] in 'aeiou' else 'a'} {kind}: use letters, digits, dot, dash and underscore, "
            "start with a letter or digit, at most 64"
        )
    return text
