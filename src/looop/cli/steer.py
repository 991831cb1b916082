"""The verbs that steer: answer, goal, playbook, schedule, run, undo."""

import argparse
import getpass
import shlex
import sys
from collections.abc import Callable

from looop import app
from looop.cli import output, render
from looop.errors import Usage
from looop.kit import durations
from looop.kit.clock import SystemClock

__all__ = ["CONFIGURE", "RUN"]


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _done(words: str, *, as_json: bool) -> int:
    if as_json:
        output.json({"ok": True, "did": words})
    else:
        print(words)
    return 0


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "someone"


def _configure_answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="which ask")
    parser.add_argument("text", nargs="*", help="the answer; - or nothing reads stdin")
    _json(parser)


def _answer(args: argparse.Namespace) -> int:
    words = output.body(args.text, "answer")
    ask = app.open_control().answer(args.id, words, by=_who(), channel="cli")
    if args.json:
        output.json(ask)
        return 0
    tail = "; the next beat carries it out or tells the loop" if ask.kind == "approval" else ""
    print(f"answered {ask.id}{tail}")
    return 0


def _configure_goal(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    _json(sub.add_parser("list", help="all goals, and when each was served"))
    show = sub.add_parser("show", help="one goal")
    show.add_argument("id", help="which goal")
    _json(show)
    write = sub.add_parser("write", help="create or replace one goal")
    write.add_argument("id", help="its id, which is its file name without .md")
    write.add_argument("body", nargs="*", help="the text; - or nothing reads stdin")
    _json(write)
    archive = sub.add_parser("archive", help="move one goal to the archive")
    archive.add_argument("id", help="which goal")
    _json(archive)


def _goal(args: argparse.Namespace) -> int:
    control = app.open_control()
    if args.what == "list":
        views = control.goals()
        if args.json:
            output.json(views)
        else:
            output.lines(render.goals(views, output.style()))
        return 0
    if args.what == "show":
        view = control.goal(args.id)
        if args.json:
            output.json(view)
        else:
            output.lines(render.document(view.body))
        return 0
    if args.what == "write":
        return _done(control.write_goal(args.id, output.body(args.body, "goal")), as_json=args.json)
    return _done(control.archive_goal(args.id), as_json=args.json)


def _configure_playbook(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    _json(sub.add_parser("show", help="print it"))
    write = sub.add_parser("write", help="replace it; the previous one is kept")
    write.add_argument("body", nargs="*", help="the text; - or nothing reads stdin")
    _json(write)


def _playbook(args: argparse.Namespace) -> int:
    control = app.open_control()
    if args.what == "show":
        if args.json:
            output.json({"body": control.playbook()})
        else:
            output.lines(render.document(control.playbook()))
        return 0
    words = output.body(args.body, "PLAYBOOK")
    return _done(control.write_playbook(words), as_json=args.json)


def _configure_schedule(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    _json(sub.add_parser("list", help="all timers"))
    write = sub.add_parser("write", help="set a timer; exactly one of --in, --every, --cron")
    write.add_argument("name", help="its name")
    write.add_argument("--in", dest="in_s", metavar="DURATION", help="once, after this long")
    write.add_argument("--every", metavar="DURATION", help="again and again, at least 1m")
    write.add_argument("--cron", metavar="EXPR", help="five fields, local time")
    write.add_argument("--note", default="", help="what it is for")
    write.add_argument(
        "--catch-up",
        choices=("once", "skip"),
        default="once",
        help="what happens to moments that nothing ran at (once)",
    )
    _json(write)
    drop = sub.add_parser("drop", aliases=["rm"], help="remove a timer")
    drop.add_argument("name", help="which timer")
    _json(drop)


def _schedule(args: argparse.Namespace) -> int:
    control = app.open_control()
    if args.what == "list":
        views = control.schedules()
        if args.json:
            output.json(views)
        else:
            output.lines(render.schedules(views, SystemClock().wall(), output.style()))
        return 0
    if args.what == "write":
        did = control.write_schedule(
            args.name,
            in_s=None if args.in_s is None else durations.parse(args.in_s),
            every_s=None if args.every is None else durations.parse(args.every),
            cron=args.cron,
            note=args.note,
            catch_up=args.catch_up,
        )
        return _done(did, as_json=args.json)
    return _done(control.drop_schedule(args.name), as_json=args.json)


def _configure_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        help="one word is a shell command as it is; several are quoted and joined",
    )


def _run(args: argparse.Namespace) -> int:
    words: list[str] = args.command
    if words and words[0] == "--":
        words = words[1:]
    if not words:
        raise Usage("run needs a command, as in: looop run 'git -C ~/src/app fetch'")
    command = words[0] if len(words) == 1 else shlex.join(words)
    output.end_like_interrupt()
    code, out = app.open_control().run(command)
    sys.stdout.write(out if not out or out.endswith("\n") else out + "\n")
    if code:
        output.note(f"the command exited with code {code}")
    return code


def _configure_undo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("change", help="a change that `looop history` lists")
    _json(parser)


def _undo(args: argparse.Namespace) -> int:
    message = app.open_control().undo(args.change)
    return _done(f"undid {args.change}: {message}", as_json=args.json)


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "answer": _configure_answer,
    "goal": _configure_goal,
    "playbook": _configure_playbook,
    "schedule": _configure_schedule,
    "run": _configure_run,
    "undo": _configure_undo,
}
RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "answer": _answer,
    "goal": _goal,
    "playbook": _playbook,
    "schedule": _schedule,
    "run": _run,
    "undo": _undo,
}
