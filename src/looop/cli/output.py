"""Where output goes and how it looks: width, colour, JSON."""

import os
import sys
from typing import Any

from looop.cli.layout import Style
from looop.errors import Usage
from looop.kit import text

__all__ = ["body", "end_like_interrupt", "json", "lines", "note", "style"]


def style() -> Style:
    """The style of this process's stdout: its width, and colour if a person sees it."""
    tty = sys.stdout.isatty()
    try:
        columns = os.get_terminal_size(1).columns if tty else 80
    except OSError:
        columns = 80
    if os.environ.get("COLUMNS", "").isdigit():
        columns = int(os.environ["COLUMNS"])
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    forced = bool(os.environ.get("FORCE_COLOR"))
    return Style(columns=max(40, columns), colour=(tty or forced) and not plain)


def lines(words: list[str]) -> None:
    for line in words:
        print(line)


def json(value: Any) -> None:
    """One value as JSON on stdout, readable and in the order of its fields."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    print(data.decode())


def end_like_interrupt() -> None:
    """TERM and HUP end this verb as Ctrl-C does: what it has running is ended first."""
    import signal

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)


def note(words: str) -> None:
    """A diagnostic: always on stderr, because stdout may be read by a program."""
    print(f"looop: {text.one_line(words)}", file=sys.stderr)


def body(words: list[str], what: str) -> str:
    """
    A text given as words, or on stdin for none or a lone `-`.

    A terminal that is read is told so, because a program that waits silently looks hung.
    """
    if words and words != ["-"]:
        return " ".join(words)
    if sys.stdin is None:
        raise Usage(f"stdin is closed: give the {what} as words, or on stdin")
    if sys.stdin.isatty():
        note(f"reading the {what} from the terminal; end it with Ctrl-D")
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise Usage(f"the {what} on stdin is not UTF-8: {error.reason}") from error
