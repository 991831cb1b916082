"""Which session a verb is about: its argument, and the words for one that will not do."""

import argparse
from collections.abc import Callable

from looop import app
from looop.errors import NotFound, Refused
from looop.kit import text

__all__ = ["PULSE", "argument", "no_loop", "of_session"]

# The session that the detached loop itself is.
PULSE = "pulse"

Run = Callable[[argparse.Namespace], int]


def argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="which session")


def no_loop(session: str) -> None:
    """Raise `Refused` for the loop itself: it is looked at, and nobody types at it."""
    if session == PULSE:
        raise Refused(
            "`pulse` is the loop itself, which takes no input; `looop watch pulse` shows it"
        )


def of_session(run: Run) -> Run:
    """A verb about the session `id` that says what to do when there is none of that name."""

    def named(args: argparse.Namespace) -> int:
        try:
            return run(args)
        except NotFound as error:
            if app.open_control().crew.fleet.find(args.id) is not None:
                raise
            if args.id == PULSE:
                mend = "`looop up` starts the loop in one"
            else:
                mend = "`looop ls --all` lists them"
            shown = text.one_line(args.id, 80)
            raise NotFound(f"there is no session {shown!r}; {mend}") from error

    return named
