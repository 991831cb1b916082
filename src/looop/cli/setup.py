"""The verbs that prepare and check: init, doctor."""

import argparse
import sys
from collections.abc import Callable

from looop import app
from looop.cli import layout, output, render
from looop.control.protocol import Control
from looop.errors import Usage

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


def _choose(control: Control) -> str:
    """Ask a person at a terminal who shall decide; Enter takes the first."""
    found = control.runners()
    print("Who decides? `rules` needs no model; the others ask an agent CLI, which costs money.")
    for number, name in enumerate(found, 1):
        print(f"  {number}  {name}")
    said = input(f"1-{len(found)} [1]: ").strip() or "1"
    if said in found:
        return said
    if not said.isdigit() or not 1 <= int(said) <= len(found):
        raise Usage(f"{said!r} is none of them; name one with --runner")
    return found[int(said) - 1]


def _init(args: argparse.Namespace) -> int:
    control = app.open_control()
    runner: str = args.runner
    if not runner and not args.yes and not args.json and sys.stdin.isatty():
        runner = _choose(control)
    done = control.init(runner=runner, git=args.git)
    if args.json:
        output.json(done)
        return 0
    columns = output.style().columns
    for line in done or ["The profile is laid already; nothing to do."]:
        output.lines(layout.wrap(line, columns))
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
