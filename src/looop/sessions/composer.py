"""Whether a text that was typed still waits to be submitted, judged from screens alone."""

import re

from msgspec import Struct

from looop.sessions.screen import Screen

__all__ = ["Mark", "held", "mark"]

# Vertical lines and blocks.
_SIDES = re.compile("[\u2502\u2503\u2506\u2507\u250a\u250b\u254e\u254f\u2551\u2580-\u259f]")
_MARK = 24
_AFTER = 16


class Mark(Struct, frozen=True):
    """
    How a text that waits to be submitted is known on the screen, blanks and frames left out.

    The screen up to the cursor ends with `text`; or, where the cursor is elsewhere, `text` is
    somewhere and `after` follows its last occurrence.
    """

    text: str
    after: str | None = None


def held(mark: Mark, screen: Screen) -> bool:
    """Whether the text still stands where it was typed."""
    if mark.after is None:
        return _squeeze(_up_to_cursor(screen)).endswith(mark.text)
    return _following(screen, mark.text) == mark.after


def mark(before: Screen, after: Screen, body: str) -> Mark | None:
    """
    How to know `body`, typed between two screens; None when nothing of it is to be seen.

    A program may show a long text as a note of its own, so the row that came with it will do.
    """
    typed = _squeeze(body)[-_MARK:]
    ahead = _squeeze(_up_to_cursor(after))
    row = _cursor_row(after)
    if typed and ahead.endswith(typed):
        # With what stands before it in its row, as a prompt does, a short text is told from
        # the same words elsewhere.
        return Mark(max(typed, row[-_MARK:], key=len))
    following = _following(after, typed) if typed else None
    if following is not None:
        return Mark(typed, following)
    # Agents draw a cursor of their own and hide the real one, but keep it in place. One that is
    # parked elsewhere stands in a row that the text did not change.
    return Mark(row[-_MARK:]) if row and row != _cursor_row(before) else None


def _squeeze(text: str) -> str:
    """
    Text without blanks and without the sides of a frame.

    Its top and bottom stay: one that comes between a text and the cursor is a new, empty place.
    """
    return "".join(c for c in text if not c.isspace() and not _SIDES.match(c))


def _rows(screen: Screen) -> list[str]:
    return [_squeeze("".join(run.text for run in line)) for line in screen.lines]


def _following(screen: Screen, text: str) -> str | None:
    """What comes after the last occurrence of a text; None where there is none."""
    _, found, rest = "".join(_rows(screen)).rpartition(text)
    return rest[:_AFTER] if found else None


def _up_to_cursor(screen: Screen) -> str:
    above = screen.lines[: screen.cursor.row]
    return "".join(run.text for line in above for run in line) + _left_of_cursor(screen)


def _cursor_row(screen: Screen) -> str:
    """The text of the cursor's row, up to the cursor."""
    return _squeeze(_left_of_cursor(screen))


def _left_of_cursor(screen: Screen) -> str:
    left, out = screen.cursor.column, ""
    line = screen.lines[screen.cursor.row] if screen.cursor.row < len(screen.lines) else ()
    for run in line:
        cells = 2 if run.wide else 1
        out += run.text[: max(0, left) // cells]
        left -= run.columns
    return out
