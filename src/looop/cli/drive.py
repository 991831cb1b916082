"""The verbs that drive one terminal: log, shot, send, key, expect, wait, attach and the rest."""

import argparse
import os
import re
import sys
from collections.abc import Callable

from looop import app
from looop.cli import named, output
from looop.cli.crew import size
from looop.errors import Refused, Usage
from looop.kit import durations, text
from looop.kit.clock import SystemClock
from looop.sessions.port import Fleet, Sent
from looop.sessions.records import Ending

__all__ = ["CONFIGURE", "RUN"]

TIMEOUT = 124
ENDED = 1
KILLED = 130
SUPERVISOR_DIED = 137


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _timeout(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--timeout", default=default, metavar="DURATION", help=f"0 for no limit ({default})"
    )


def _fleet() -> Fleet:
    return app.open_control().crew.fleet


# -- reading -----------------------------------------------------------------------------------


def _configure_log(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    parser.add_argument("--tail", type=int, metavar="N", help="the last N lines")
    parser.add_argument("--grep", metavar="RE", help="only lines that match")
    parser.add_argument("--since", type=int, metavar="OFFSET", help="from this byte of the log on")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the session ends")
    parser.add_argument(
        "--raw", action="store_true", help="the bytes as they came, control sequences included"
    )
    _json(parser)


def _log(args: argparse.Namespace) -> int:
    from looop.sessions import transcript

    if args.tail is not None and args.tail < 0:
        raise Usage(f"--tail {args.tail} is no number of lines")
    fleet = _fleet()
    session = fleet.get(args.id)
    try:
        pattern = re.compile(args.grep) if args.grep else None
    except re.error as error:
        raise Usage(f"--grep {args.grep!r} is not a regular expression: {error}") from error
    if args.raw:
        return _raw(fleet, args.id, args.since or 0, follow=args.follow)
    reader = transcript.Reader(fleet, args.id, since=args.since or 0, tail=args.tail)
    if args.json:
        lines = [line for line in reader.lines(follow=False) if not pattern or pattern.search(line)]
        output.json({"text": "\n".join(lines), "offset": reader.offset, "done": not session.alive})
        return 0
    for line in reader.lines(follow=args.follow):
        if pattern is None or pattern.search(line):
            print(line, flush=args.follow)
    return 0


def _raw(fleet: Fleet, session: str, offset: int, *, follow: bool) -> int:
    while True:
        chunk = fleet.read(session, offset, 1 << 16)
        if chunk.data:
            sys.stdout.buffer.write(chunk.data)
            offset = chunk.end
            continue
        sys.stdout.buffer.flush()
        if not follow:
            return 0
        ending = fleet.more(session, offset, 0.0)
        if ending.ended and ending.offset <= offset:
            return 0


def _configure_shot(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    form = parser.add_mutually_exclusive_group()
    for name, words in (
        ("plain", "text alone (the default)"),
        ("ansi", "with colours"),
        ("json", "rows, style spans, cursor"),
        ("html", "a page of its own"),
        ("png", "a picture; needs -o or a pipe"),
    ):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=words)
    parser.add_argument("--no-trim", action="store_true", help="keep blank ends of rows")
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there")
    parser.set_defaults(form="plain")


def _shot(args: argparse.Namespace) -> int:
    fleet = _fleet()
    if args.form == "png" and not args.output and sys.stdout.isatty():
        raise Usage("a picture is no text: give -o FILE, or a pipe")
    shot = fleet.shot(args.id, args.form, trim=not args.no_trim)
    body = shot.body if isinstance(shot.body, bytes) else shot.body.encode("utf-8", "replace")
    if args.form != "png" and not body.endswith(b"\n"):
        body += b"\n"
    if args.output:
        with open(args.output, "wb") as handle:
            handle.write(body)
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(body)
    return 0


# -- typing ------------------------------------------------------------------------------------


def _configure_send(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    parser.add_argument("text", nargs="*", help="what to type; - or nothing reads stdin")
    parser.add_argument(
        "-n", "--no-submit", action="store_true", help="type it, and do not submit it"
    )
    parser.add_argument(
        "--force", action="store_true", help="type although a dialog of the agent waits"
    )
    _json(parser)


def _send(args: argparse.Namespace) -> int:
    named.no_loop(args.id)
    words = output.body(args.text, "text")
    crew = app.open_control().crew
    if not args.force and (dialog := crew.dialog(args.id)):
        raise Refused(
            f"{args.id} shows a dialog, which typing could answer: {dialog}; press its keys with "
            f"`looop key {args.id} ...`, or type all the same with --force"
        )
    fleet = crew.fleet
    sent = fleet.paste(args.id, words) if args.no_submit else fleet.submit(args.id, words)
    return _sent(sent, as_json=args.json)


def _sent(sent: Sent, *, as_json: bool) -> int:
    if as_json:
        output.json(sent)
    elif sent.submitted is False:
        output.note(f"not seen to be taken after {sent.attempts} tries: {sent.why}")
    elif sent.submitted is None and sent.why:
        output.note(f"sent; whether it was taken cannot be told: {sent.why}")
    return 1 if sent.submitted is False else 0


def _configure_key(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    parser.add_argument("keys", nargs="+", help="Enter, Tab, S-Tab, Esc, Up, C-c, M-x, F5 ...")
    _json(parser)


def _key(args: argparse.Namespace) -> int:
    named.no_loop(args.id)
    offset = _fleet().keys(args.id, tuple(args.keys))
    if args.json:
        output.json({"offset": offset})
    return 0


def _configure_resize(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    parser.add_argument("size", help="COLUMNSxROWS, as in 120x40")
    _json(parser)


def _resize(args: argparse.Namespace) -> int:
    named.no_loop(args.id)
    columns, rows = size(args.size)
    _fleet().resize(args.id, columns, rows)
    if args.json:
        output.json({"columns": columns, "rows": rows})
    return 0


# -- waiting -----------------------------------------------------------------------------------


def _configure_expect(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    parser.add_argument("pattern", help="a regular expression")
    _timeout(parser, "30s")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--since", type=int, metavar="OFFSET", help="from this byte of the log on")
    start.add_argument("--from-now", action="store_true", help="only what comes from now on")
    parser.add_argument("--screen", action="store_true", help="match the screen, not the log")
    parser.add_argument("--raw", action="store_true", help="match the bytes as they came")
    _json(parser)


def _expect(args: argparse.Namespace) -> int:
    fleet = _fleet()
    since = fleet.get(args.id).bytes if args.from_now else (args.since or 0)
    match = fleet.expect(
        args.id,
        args.pattern,
        since=since,
        timeout_s=durations.parse(args.timeout),
        screen=args.screen,
        raw=args.raw,
    )
    if args.json:
        output.json(match)
    elif match.outcome == "match":
        # What was matched raw may hold anything.
        print(text.plain(match.text))
    elif match.outcome == "timeout":
        output.note(f"{args.id} did not show {args.pattern!r} within {args.timeout}")
    else:
        output.note(f"{args.id} ended and had not shown {args.pattern!r}")
    return {"match": 0, "timeout": TIMEOUT, "ended": ENDED}[match.outcome]


def _configure_wait(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    _timeout(parser, "0")
    _json(parser)


def code_of(ending: Ending) -> int:
    """The exit code of a verb that waited for a session's end."""
    if not ending.ended:
        return TIMEOUT
    if ending.state == "dead":
        return SUPERVISOR_DIED
    if ending.state == "killed":
        return KILLED
    if ending.code is not None:
        return max(0, min(ending.code, 255))
    return 128 + ending.signal if ending.signal else 1


def _wait(args: argparse.Namespace) -> int:
    crew = app.open_control().crew
    ending = crew.fleet.wait(args.id, durations.parse(args.timeout))
    if args.json:
        output.json(ending)
    if ending.state == "killed":
        # A worker that says how it ended is ended then: its word is what was waited for.
        outcome = crew.one(args.id)[0].outcome
        return {"": KILLED, "done": 0}.get(outcome, 1)
    return code_of(ending)


def _configure_idle(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    parser.add_argument(
        "--settle", default="500ms", metavar="DURATION", help="quiet for this long (500ms)"
    )
    _timeout(parser, "30s")
    parser.add_argument(
        "--screen", action="store_true", help="quiet means an unchanged screen, not no output"
    )
    _json(parser)


def _idle(args: argparse.Namespace) -> int:
    ending = _fleet().wait_idle(
        args.id,
        settle_s=durations.parse(args.settle),
        timeout_s=durations.parse(args.timeout),
        screen=args.screen,
    )
    if args.json:
        output.json(ending)
    return TIMEOUT if ending.timeout else 0


# -- a human's own terminal --------------------------------------------------------------------


def _attach(args: argparse.Namespace) -> int:
    named.no_loop(args.id)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Usage("attach needs a terminal; `looop watch` and `looop log -f` do not")
    return _terminal(args.id, interactive=True)


def _watch(args: argparse.Namespace) -> int:
    if not sys.stdout.isatty():
        args.since, args.tail, args.grep = None, None, None
        args.follow, args.raw, args.json = True, False, False
        return _log(args)
    return _terminal(args.id, interactive=False)


def _terminal(session: str, *, interactive: bool) -> int:
    from looop.sessions import attach

    fleet = _fleet()
    if not fleet.get(session).alive:
        raise Refused(f"{session} has ended; `looop log {session}` shows what it printed")
    columns, rows = _own_size()
    terminal = fleet.attach(session, columns=columns, rows=rows, interactive=interactive)
    outcome = attach.run(
        terminal,
        stdin_fd=0,
        stdout_fd=1,
        size=_own_size,
        clock=SystemClock(),
        interactive=interactive,
    )
    how = {
        "ended": "has ended",
        "detached": "goes on without you",
        "parted": "goes on; somebody parted you from it",
        "lost": "does not answer any more",
        "signal": "goes on",
    }
    output.note(f"{session} {how[outcome.reason]}")
    if outcome.ending is not None:
        return code_of(outcome.ending) if interactive else 0
    return outcome.code


def _own_size() -> tuple[int, int]:
    shown = os.get_terminal_size(1)
    return shown.columns, shown.lines


def _configure_detach(parser: argparse.ArgumentParser) -> None:
    named.argument(parser)
    _json(parser)


def _detach(args: argparse.Namespace) -> int:
    count = _fleet().detach(args.id)
    if args.json:
        output.json({"detached": count})
    elif count:
        print(f"parted {text.count(count, 'terminal')} from {args.id}")
    else:
        print(f"nobody was at {args.id}")
    return 0


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "log": _configure_log,
    "shot": _configure_shot,
    "send": _configure_send,
    "key": _configure_key,
    "resize": _configure_resize,
    "expect": _configure_expect,
    "wait": _configure_wait,
    "wait-idle": _configure_idle,
    "attach": named.argument,
    "watch": named.argument,
    "detach": _configure_detach,
}
_VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "log": _log,
    "shot": _shot,
    "send": _send,
    "key": _key,
    "resize": _resize,
    "expect": _expect,
    "wait": _wait,
    "wait-idle": _idle,
    "attach": _attach,
    "watch": _watch,
    "detach": _detach,
}
RUN = {name: named.of_session(run) for name, run in _VERBS.items()}
