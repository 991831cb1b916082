"""The verbs that look: status, state, asks, journal, events, cost, history."""

import argparse
import sys
from collections.abc import Callable

from looop import app
from looop.cli import output, render
from looop.errors import Usage
from looop.kit import text
from looop.kit.clock import SystemClock

__all__ = ["CONFIGURE", "RUN"]


def as_json(parser: argparse.ArgumentParser) -> None:
    """The option that every verb has."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def _count(asked: int) -> int:
    """How many rows to read: no log holds more than this."""
    return max(0, min(asked, 1_000_000))


def _status(args: argparse.Namespace) -> int:
    view = app.open_control().status()
    if args.json:
        output.json(view)
    else:
        output.lines(render.status(view, SystemClock().wall(), output.style()))
    return 0


def _state(args: argparse.Namespace) -> int:
    view = app.open_control().state()
    if args.json:
        output.json(view)
    else:
        output.lines(render.state(view, output.style()))
    return 0


def _configure_asks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="show this one whole")
    parser.add_argument("--all", action="store_true", help="the closed ones instead")
    as_json(parser)


def _asks(args: argparse.Namespace) -> int:
    control = app.open_control()
    if args.id:
        found = control.ask(args.id)
        if args.json:
            output.json(found)
        else:
            output.lines(render.ask(found, SystemClock().wall(), output.style()))
        return 0
    views, problems = control.asks(archived=args.all)
    for problem in problems:
        output.note(problem)
    if args.json:
        output.json(views)
    else:
        output.lines(render.asks(views, output.style()))
    return 0


def _configure_journal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=int, default=20, metavar="COUNT", help="how many (20)")
    as_json(parser)


def _journal(args: argparse.Namespace) -> int:
    found = app.open_control().journal(_count(args.n))
    if args.json:
        output.json(found)
    elif not found:
        print("No move has been made yet.")
    else:
        output.lines([text.one_line(line) for line in found])
    return 0


def _configure_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=int, default=20, metavar="COUNT", help="how many (20)")
    parser.add_argument(
        "--since", type=int, metavar="SEQ", help="every event after this number instead"
    )
    as_json(parser)


def _events(args: argparse.Namespace) -> int:
    found = app.open_control().events(_count(args.n), args.since)
    if args.json:
        import msgspec

        for row in found:
            sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
        return 0
    style = output.style()
    output.lines([render.event(row, style) for row in found] or ["Nothing has happened yet."])
    return 0


def _configure_cost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "window",
        nargs="?",
        default="today",
        choices=("today", "week", "all", "record"),
        help="today (the default), the last seven days, everything that is kept; or `record`",
    )
    parser.add_argument(
        "usd", nargs="?", type=float, help="with `record`: what a worker has cost, in US dollars"
    )
    parser.add_argument("--session", default="", help="with `record`: whose ($LOOOP_SESSION_ID)")
    parser.add_argument("--model", default="", help="with `record`: of which model")
    parser.add_argument(
        "--by",
        default="runner",
        choices=("goal", "kind", "runner", "model", "day"),
        help="what a row stands for (runner)",
    )
    as_json(parser)


def _record_cost(args: argparse.Namespace) -> int:
    if args.usd is None:
        raise Usage("say how much, as in: looop cost record 0.42")
    row = app.open_control().crew.record_cost(args.usd, session=args.session, model=args.model)
    if args.json:
        output.json(row)
    elif row is None:
        output.note("not recorded: looop reads what this agent costs from its own transcript")
    return 0


def _cost(args: argparse.Namespace) -> int:
    if args.window == "record":
        return _record_cost(args)
    if args.usd is not None:
        raise Usage("an amount goes with `record`, as in: looop cost record 0.42")
    view = app.open_control().cost(args.window, args.by)
    if args.json:
        output.json(view)
    else:
        output.lines(render.cost(view, output.style()))
    return 0


def _configure_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("change", nargs="?", help="show what this change did")
    parser.add_argument("-n", type=int, default=20, metavar="COUNT", help="how many (20)")
    as_json(parser)


def _history(args: argparse.Namespace) -> int:
    control = app.open_control()
    if args.change:
        diff = control.history_diff(args.change)
        if args.json:
            output.json({"change": args.change, "diff": diff})
        else:
            output.lines(render.document(diff))
        return 0
    views = control.history(max(1, _count(args.n)))
    if args.json:
        output.json(views)
    else:
        output.lines(render.history(views, output.style()))
    return 0


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "status": as_json,
    "state": as_json,
    "asks": _configure_asks,
    "journal": _configure_journal,
    "events": _configure_events,
    "cost": _configure_cost,
    "history": _configure_history,
}
RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "status": _status,
    "state": _state,
    "asks": _asks,
    "journal": _journal,
    "events": _events,
    "cost": _cost,
    "history": _history,
}
