"""The verbs that prepare and check: init, doctor."""

import argparse
from collections.abc import Callable

from looop import app
from looop.cli import output, render

__all__ = ["CONFIGURE", "RUN"]


def _configure_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runner",
        default="",
        metavar="NAME",
        help="who decides: rules, claude, codex, pi, opencode, gemini, or one of yours",
    )
    parser.add_argument("--git", action="store_true", default=None, help="keep a history")
    parser.add_argument("--no-git", dest="git", action="store_false", help="keep no history")
    parser.add_argument("--yes", action="store_true", help="take the defaults; ask nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _init(args: argparse.Namespace) -> int:
    done = app.open_control().init(runner=args.runner, git=args.git)
    if args.json:
        output.json(done)
        return 0
    output.lines(done or ["The profile is laid already; nothing to do."])
    print("Next: `looop doctor` checks it, `looop` starts the loop.")
    return 0


def _configure_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _doctor(args: argparse.Namespace) -> int:
    views = app.open_control().doctor()
    if args.json:
        output.json(views)
    else:
        output.lines(render.checks(views, output.style()))
    return 1 if any(view.state == "fail" for view in views) else 0


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "init": _configure_init,
    "doctor": _configure_doctor,
}
RUN: dict[str, Callable[[argparse.Namespace], int]] = {"init": _init, "doctor": _doctor}
