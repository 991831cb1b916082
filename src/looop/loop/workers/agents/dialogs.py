"""Dialogs of terminal programs: a list of choices with one marked, and what it is about."""

import re
from collections.abc import Sequence

from looop.kit import text

__all__ = ["question"]

_SHOWN = 240
_ABOVE = 24
_RULE = re.compile(r"\s*[─━▔▁╌═]{8,}\s*$")


def question(
    rows: Sequence[str], *, mark: str, footer: re.Pattern[str], skip: re.Pattern[str] | None = None
) -> str:
    """
    What the dialog at the foot of a screen asks, on one line; "" when there is none.

    The last row that says anything must match `footer`, which says with which keys to answer, and
    a choice marked with `mark` must stand above it: a program that merely shows such a text does
    not look like this. Rows that match `skip` are left out.
    """
    shown = [text.plain(row).rstrip() for row in rows]
    while shown and (not shown[-1] or _RULE.match(shown[-1])):
        shown.pop()
    if not shown or not footer.search(shown[-1]):
        return ""
    choice = _marked(shown, mark)
    if choice < 0:
        return ""
    about: list[str] = []
    for row in reversed(shown[max(0, choice - _ABOVE) : choice]):
        if _RULE.match(row):
            # A dotted rule frames what is asked about; a full one is the edge of the dialog.
            if "╌" in row:
                continue
            if about:
                break
            continue
        if row.strip() and not (skip and skip.search(row)):
            about.append(row.strip())
    words = " · ".join(reversed(about)) or shown[choice].strip()
    return text.one_line(words, _SHOWN)


def _marked(rows: Sequence[str], mark: str) -> int:
    """The lowest row with the marked choice, near the foot; -1 when there is none."""
    for at in range(len(rows) - 1, max(-1, len(rows) - _ABOVE), -1):
        if rows[at].strip().startswith(mark + " "):
            return at
    return -1
