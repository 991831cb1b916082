"""The verbs that workers call: claim, unclaim, done, hook. Their stdout is a protocol."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from looop import app
from looop.cli import output
from looop.errors import Refused, Usage

__all__ = ["CONFIGURE", "RUN"]


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _configure_claim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what is claimed")
    parser.add_argument("--session", default="", help="for whom ($LOOOP_SESSION_ID)")
    _json(parser)


def _claim(args: argparse.Namespace) -> int:
    how = app.open_control().crew.claim(args.name, args.session)
    if args.json:
        output.json({"claim": args.name, "how": how})
    elif how != "kept":
        print(f"claimed {args.name}")
    return 0


def _unclaim(args: argparse.Namespace) -> int:
    app.open_control().crew.unclaim(args.name, args.session)
    if args.json:
        output.json({"claim": args.name, "how": "released"})
    return 0


def _configure_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", help="what to look at; - reads stdin")
    parser.add_argument("--session", default="", help="whose ($LOOOP_SESSION_ID)")
    _json(parser)


def _flag(args: argparse.Namespace) -> int:
    words = output.body(args.words, "flag") if args.words else "needs attention"
    ask = app.open_control().crew.flag(args.session, words)
    if args.json:
        output.json(ask)
    else:
        print(f"flagged as {ask.id}")
    return 0


def _configure_unflag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--session", default="", help="whose ($LOOOP_SESSION_ID)")
    _json(parser)


def _unflag(args: argparse.Namespace) -> int:
    there = app.open_control().crew.unflag(args.session)
    if args.json:
        output.json({"unflagged": there})
    return 0


def _configure_done(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("summary", nargs="*", help="one line of what was done; - reads stdin")
    parser.add_argument(
        "--outcome",
        default="done",
        choices=("done", "blocked", "failed"),
        help="blocked: a human must answer first (done)",
    )
    parser.add_argument("--session", default="", help="whose ($LOOOP_SESSION_ID)")
    parser.add_argument(
        "--stay", action="store_true", help="do not end the session; it ends by itself"
    )
    _json(parser)


def _done(args: argparse.Namespace) -> int:
    own = os.environ.get("LOOOP_SESSION_ID", "")
    who = args.session or own
    if not who:
        raise Usage("whose end? give --session, or run this inside a worker")
    summary = output.body(args.summary, "summary") if args.summary else ""
    generation = os.environ.get("LOOOP_GENERATION", "") if who == own else ""
    crew = app.open_control().crew
    session = crew.fleet.find(who)
    if session is not None and not session.alive:
        raise Refused(f"{who} has ended already")
    outcome = crew.done(who, generation, args.outcome, summary.strip()).outcome
    if args.json:
        output.json({"session": who, "outcome": outcome})
    else:
        print(f"{who}: {outcome}")
    sys.stdout.flush()
    if not args.stay:
        # This ends the terminal that we may be running in, and so perhaps ourselves.
        crew.fleet.kill(who)
    return 0


def _nothing(_parser: argparse.ArgumentParser) -> None:
    return None


def _hook(_args: argparse.Namespace) -> int:
    """
    An agent CLI tells what it does. Whatever goes wrong here, the agent must go on: its own
    work does not depend on our knowing of it.
    """
    import msgspec

    try:
        payload = msgspec.json.decode(sys.stdin.buffer.read())
        answer = app.open_control().crew.heard(payload)
    except Exception as error:  # noqa: BLE001 - an agent must not fail because we do
        output.note(f"hook: {error}")
        return 0
    if answer is not None:
        print(msgspec.json.encode(answer).decode())
    return 0


def _configure_shell_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt_file", help="the contract and brief")


def _shell_worker(args: argparse.Namespace) -> int:
    """The embedded worker: runs the shell block of its brief, and says how that went."""
    from looop.control import shell_worker

    outcome = shell_worker.run(Path(args.prompt_file), dict(os.environ))
    if outcome.code:
        # The terminal must tell what the record tells: nothing may have been printed yet.
        output.note(outcome.summary)
    own = os.environ.get("LOOOP_SESSION_ID", "")
    if own:
        word = "failed" if outcome.code else "done"
        # Whoever killed us has said so; an end by their signal is no outcome of the work.
        with contextlib.suppress(Refused):
            generation = os.environ.get("LOOOP_GENERATION", "")
            app.open_control().crew.done(own, generation, word, outcome.summary)
    return outcome.code


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "claim": _configure_claim,
    "unclaim": _configure_claim,
    "flag": _configure_flag,
    "unflag": _configure_unflag,
    "done": _configure_done,
    "hook": _nothing,
    "shell-worker": _configure_shell_worker,
}
RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "claim": _claim,
    "unclaim": _unclaim,
    "flag": _flag,
    "unflag": _unflag,
    "done": _done,
    "hook": _hook,
    "shell-worker": _shell_worker,
}
