"""The verb `sensor`: list, run, write."""

import argparse
from collections.abc import Callable

from looop import app
from looop.cli import output, render
from looop.kit.clock import SystemClock

__all__ = ["CONFIGURE", "RUN"]


def _configure(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    listing = sub.add_parser("list", help="all sensors: state, cadence, what would wake the loop")
    listing.add_argument("--json", action="store_true", help="print JSON")
    run = sub.add_parser("run", help="run one now and show its reading; nothing is published")
    run.add_argument("name", help="which sensor")
    run.add_argument("--json", action="store_true", help="print JSON")
    write = sub.add_parser("write", help="create or replace a script")
    write.add_argument("name", help="its name, which is its file name without the ending")
    write.add_argument("script", nargs="*", help="the script; - or nothing reads stdin")
    write.add_argument("--json", action="store_true", help="print JSON")


def _sensor(args: argparse.Namespace) -> int:
    control = app.open_control()
    if args.what == "list":
        views, problems = control.sensors()
        for problem in problems:
            output.note(problem)
        if args.json:
            output.json(views)
        else:
            output.lines(render.sensors(views, SystemClock().wall(), output.style()))
        return 0
    if args.what == "run":
        output.end_like_interrupt()
        view = control.run_sensor(args.name)
        if args.json:
            output.json(view)
        else:
            output.lines(render.sensor_run(view, output.style()))
        return 0 if view.ok else 1
    did = control.write_sensor(args.name, output.body(args.script, "script"))
    if args.json:
        output.json({"ok": True, "did": did})
    else:
        print(did)
    return 0


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {"sensor": _configure}
RUN: dict[str, Callable[[argparse.Namespace], int]] = {"sensor": _sensor}
