"""The verbs that concern whole sessions: start-session, ls, kill, restart, prune, up, down."""

import argparse
import os
import sys
import time
from collections.abc import Callable

from looop import app
from looop.cli import named, output, render_crew
from looop.errors import AlreadyRuns, Usage
from looop.kit import durations, text
from looop.kit.clock import SystemClock

__all__ = ["CONFIGURE", "RUN"]


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


# -- starting ----------------------------------------------------------------------------------


def _configure_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="its name: letters, digits, dot, dash, underscore")
    parser.add_argument("prompt", nargs="*", help="the brief; - reads stdin")
    parser.add_argument("--runner", default="", help="which agent CLI (the configured one)")
    parser.add_argument(
        "--command",
        default="",
        metavar="CMD",
        help="run this instead; without a brief, any program as it is",
    )
    parser.add_argument(
        "--verify", default="", metavar="CMD", help="a check that looop runs once it has ended"
    )
    parser.add_argument("--goal", default="", help="which goal it serves")
    parser.add_argument(
        "--workspace",
        default="",
        metavar="W",
        help="worktree:REPO[@REF] for a git worktree of its own",
    )
    parser.add_argument(
        "--size", default="120x40", metavar="COLSxROWS", help="of a program's terminal (120x40)"
    )
    _json(parser)


def size(words: str) -> tuple[int, int]:
    """`120x40` as (columns, rows)."""
    columns, _, rows = words.lower().partition("x")
    if not (columns.isdigit() and rows.isdigit()):
        raise Usage(f"{words!r} is not a size: write COLUMNSxROWS, as in 120x40")
    return int(columns), int(rows)


def _start(args: argparse.Namespace) -> int:
    crew = app.open_control().crew
    if args.command and not args.prompt:
        for name in ("runner", "verify", "goal", "workspace"):
            if getattr(args, name):
                raise Usage(f"--{name} belongs to a worker, which needs a brief")
        columns, rows = size(args.size)
        session = crew.supervise(
            args.id, ("bash", "-c", args.command), cwd=os.getcwd(), columns=columns, rows=rows
        )
    else:
        session = crew.start(
            args.id,
            output.body(args.prompt, "brief"),
            runner=args.runner,
            command=args.command,
            verify=args.verify,
            goal=args.goal,
            workspace=args.workspace,
        )
    if args.json:
        output.json(session)
        return 0
    print(f"started {session.id}; watch it with `looop attach {session.id}`")
    return 0


# -- looking -----------------------------------------------------------------------------------


def _configure_ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="show this one whole")
    parser.add_argument("--all", action="store_true", help="the ended ones too")
    parser.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")
    parser.add_argument(
        "--interval", default="2s", metavar="DURATION", help="between two looks of --watch (2s)"
    )
    parser.add_argument("--workspaces", action="store_true", help="where workers left something")
    parser.add_argument("--claims", action="store_true", help="who holds which claim")
    _json(parser)


def _ls(args: argparse.Namespace) -> int:
    if args.id:
        return named.of_session(_ls_one)(args)
    crew = app.open_control().crew
    if args.workspaces:
        views = crew.workspaces()
        if args.json:
            output.json(views)
        else:
            output.lines(render_crew.workspaces(views, output.style()))
        return 0
    if args.claims:
        found, problems = crew.claims()
        for problem in problems:
            output.note(problem)
        if args.json:
            output.json(found)
        else:
            output.lines(render_crew.claims(found, SystemClock().wall(), output.style()))
        return 0
    if not args.watch:
        return _ls_once(args)
    pause = max(0.2, durations.parse(args.interval))
    while True:
        # Drawn over what was there, so that nothing flickers.
        sys.stdout.write("\x1b[H\x1b[J" if sys.stdout.isatty() else "")
        _ls_once(args)
        sys.stdout.flush()
        time.sleep(pause)  # noqa: TID251 - a person reads it at this pace


def _ls_one(args: argparse.Namespace) -> int:
    view, record = app.open_control().crew.one(args.id)
    if args.json:
        output.json({"session": view, "worker": record})
    else:
        output.lines(render_crew.one(view, record, SystemClock().wall(), output.style()))
    return 0


def _ls_once(args: argparse.Namespace) -> int:
    views, problems = app.open_control().crew.sessions(ended=args.all)
    for problem in problems:
        output.note(problem)
    if args.json:
        output.json(views)
    else:
        output.lines(render_crew.sessions(views, output.style(), ended=args.all))
    return 0


# -- ending ------------------------------------------------------------------------------------


def _configure_kill(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    parser.add_argument("--reason", default="", help="why, for the record")
    _json(parser)


def _kill(args: argparse.Namespace) -> int:
    crew = app.open_control().crew
    views, _ = crew.sessions(ended=True)
    waiting = [ask for view in views if view.id == args.id for ask in view.asks]
    killed = crew.kill(args.id, why=args.reason)
    for ask in waiting:
        output.note(f"{args.id} was waiting for {ask}; an answer reaches nobody now")
    if args.json:
        output.json(killed)
    elif killed.survivors or not killed.killed:
        pids = ", ".join(map(str, killed.survivors))
        output.note(f"not all of {args.id} went{': ' if pids else ''}{pids}")
    else:
        print(f"killed {args.id}")
    return 0 if killed.killed else 1


def _configure_restart(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    _json(parser)


def _restart(args: argparse.Namespace) -> int:
    session = app.open_control().crew.restart(args.id)
    if args.json:
        output.json(session)
    else:
        print(f"restarted {session.id} as generation {session.generation[:8]}")
    return 0


def _prune(args: argparse.Namespace) -> int:
    removed, kept = app.open_control().crew.prune()
    if args.json:
        output.json({"removed": removed, "kept": kept})
        return 0
    for name in removed:
        print(f"removed {name}")
    for line in kept:
        print(f"kept {text.one_line(line)}")
    if not removed and not kept:
        print("There is no ended session.")
    return 0


# -- the pulse ---------------------------------------------------------------------------------


def _up(args: argparse.Namespace) -> int:
    # What is wanted is a loop that runs; one that does already is as good.
    words, look = "the loop runs", "`looop watch pulse` shows it"
    try:
        pid = app.up(os.environ)
    except AlreadyRuns:
        words, look = "the loop runs already", "`looop status` shows it"
        pid = app.open_control().status().pulse.pid
    if args.json:
        output.json({"pid": pid, "session": "pulse"})
    else:
        print(f"{words} (pid {pid}); {look}, `looop down` ends it")
    return 0


def _configure_down(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep-workers", action="store_true", help="leave workers alone")
    parser.add_argument(
        "--drain", default="0", metavar="DURATION", help="let workers end by themselves this long"
    )
    _json(parser)


def _down(args: argparse.Namespace) -> int:
    did = app.down(os.environ, keep=args.keep_workers, drain_s=durations.parse(args.drain))
    if args.json:
        output.json(did)
    else:
        if did.workers:
            print(f"ended {', '.join(did.workers)}")
        print("the loop has stopped" if did.pulse else "no loop was running")
    if did.survivors:
        output.note(f"still alive: {', '.join(did.survivors)}; try `looop kill ID`")
        return 1
    return 0


def _configure_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("install", "uninstall", "status"))
    _json(parser)


def _service(args: argparse.Namespace) -> int:
    found = app.service(os.environ, args.what)
    if args.json:
        output.json({"ok": found.ok, "lines": found.lines})
    else:
        output.lines([text.one_line(line) for line in found.lines])
    return 0 if found.ok else 1


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "start-session": _configure_start,
    "ls": _configure_ls,
    "kill": _configure_kill,
    "restart": _configure_restart,
    "prune": _json,
    "up": _json,
    "down": _configure_down,
    "service": _configure_service,
}
RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "start-session": _start,
    "ls": _ls,
    "kill": named.of_session(_kill),
    "restart": named.of_session(_restart),
    "prune": _prune,
    "up": _up,
    "down": _down,
    "service": _service,
}
