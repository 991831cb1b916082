"""The verbs that are the loop: the foreground pulse, tick, demo."""

import argparse
import gc
import os
from collections.abc import Callable
from typing import Any

from looop import app
from looop.cli import output
from looop.cli.stream import ENDS, Stream
from looop.kit.clock import SystemClock

__all__ = ["CONFIGURE", "RUN", "foreground"]


def _wants_json(flag: bool) -> bool:
    return flag or os.environ.get("LOOOP_LOG_FORMAT") == "json"


def foreground(*, as_json: bool, keep_workers: bool) -> int:
    """Be the pulse here, stream it, and end with the terminal; the workers end with it."""
    gc.enable()  # this verb lives for weeks
    stream = Stream(output.style(), SystemClock(), as_json=_wants_json(as_json))
    app.run_pulse(os.environ, stream, keep_workers=keep_workers)
    return 0


def _configure_tick(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="decide although nothing changed")
    parser.add_argument(
        "--dry-run", action="store_true", help="stop after the verdict: nothing acts"
    )
    parser.add_argument("--json", action="store_true", help="print the end of the beat as JSON")


def _tick(args: argparse.Namespace) -> int:
    def silent(_event: str, _fields: dict[str, Any]) -> None:
        return None

    stream = Stream(output.style(), SystemClock(), as_json=False)
    output.end_like_interrupt()
    end = app.run_tick(
        os.environ, silent if args.json else stream, forced=args.force, dry=args.dry_run
    )
    if args.json:
        output.json(end)
    else:
        stream.line(ENDS.get(end.kind, end.kind), end.said)
    return 1 if end.kind in ("failed", "blind") else 0


def _configure_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", metavar="DIR", help="put the profile there and keep it")


def _demo(args: argparse.Namespace) -> int:
    from looop.demo import show

    style = output.style()
    output.end_like_interrupt()
    return show.run(columns=style.columns, colour=style.colour, keep=args.keep)


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "tick": _configure_tick,
    "demo": _configure_demo,
}
RUN: dict[str, Callable[[argparse.Namespace], int]] = {"tick": _tick, "demo": _demo}
