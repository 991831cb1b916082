"""The entry point: find the verb, import only it, turn errors into lines and exit codes."""

import argparse
import contextlib
import gc
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol, cast

from looop import __version__
from looop.cli.table import VERBS
from looop.cli.words import options_first, unmask, unmasked
from looop.errors import LooopError, Usage

__all__ = ["VerbModule", "main", "parser_of", "script"]

# What takes every word that is left: the words of a sub-verb, or of a command.
_WHOLE = (argparse.PARSER, argparse.REMAINDER)


class VerbModule(Protocol):
    """A module of verbs: how each is parsed and what it does."""

    CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]]
    RUN: dict[str, Callable[[argparse.Namespace], int]]


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help of one width, so that the manual is the same everywhere."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=78)


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line that say where help is, and options anywhere."""

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        into = namespace or argparse.Namespace()
        if any(action.nargs in _WHOLE for action in self._actions):
            return super().parse_known_args(args, into)
        ordered = options_first(args, self._option_string_actions)
        found, unknown = super().parse_known_args(ordered, into)
        return unmask(found), [unmasked(word) for word in unknown]

    def error(self, message: str) -> NoReturn:
        verb = self.prog.removeprefix("looop").strip()
        raise Usage(f"{message}; see `looop help{' ' + verb.split()[0] if verb else ''}`")


def module_of(verb: str) -> VerbModule:
    return cast(VerbModule, importlib.import_module(f"looop.cli.{VERBS[verb].module}"))


def parser_of(verb: str) -> argparse.ArgumentParser:
    """The parser of one verb, also the source of its manual page."""
    module = module_of(verb)
    parser = _Parser(
        prog=f"looop {verb}",
        description=VERBS[verb].summary[0].upper() + VERBS[verb].summary[1:] + ".",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    module.CONFIGURE[verb](parser)
    return parser


def _bare(words: list[str]) -> int:
    """`looop`, with `--json` or `--keep-workers`: be the pulse in the foreground."""
    from looop.cli import loop

    unknown = [word for word in words if word not in ("--json", "--keep-workers")]
    if unknown:
        raise Usage(f"{unknown[0]!r} is neither a verb nor an option; see `looop help`")
    return loop.foreground(as_json="--json" in words, keep_workers="--keep-workers" in words)


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["_"]:
        # The original program's workers called back with this word in front.
        words = words[1:]
    first = words[0] if words else ""
    if first in ("--version", "-V"):
        print(f"looop {__version__}")
        return 0
    if first in ("--help", "-h"):
        words = ["help", *words[1:]]
        first = "help"
    if first == "__complete":
        from looop.cli import complete

        return complete.words(words[1:])
    if not first or first.startswith("-"):
        return _bare(words)
    if first not in VERBS:
        near = _nearest(first)
        hint = f"; did you mean `looop {near}`?" if near else ""
        raise Usage(f"there is no verb {first!r}{hint}; see `looop help`")
    parser = parser_of(first)
    args = parser.parse_args(words[1:])
    return module_of(first).RUN[first](args)


def _nearest(word: str) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(word, VERBS, 1, 0.6)), "")


def _say(error: str) -> None:
    """One line on stderr, whatever words of whomever an error quotes."""
    from looop.kit import text

    # A terminal that has been closed takes no words any more, and that is no second error.
    with contextlib.suppress(OSError):
        print(f"looop: {text.one_line(error)}", file=sys.stderr, flush=True)


def _streams() -> None:
    """Streams that are closed lead nowhere, and a character that one cannot hold is escaped."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        # Else the next file that is opened would take the number of the missing stream.
        while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(fd)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(argv: list[str] | None = None) -> int:
    """Run one command line; the exit code."""
    words = sys.argv[1:] if argv is None else argv
    _streams()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except LooopError as error:
        _say(str(error))
        return error.exit_code
    except BrokenPipeError:
        # The reader has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _say(f"{error.strerror or error}{where}")
        return 1
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 2
    return code


def script() -> NoReturn:
    """
    The `looop` command: `main`, without what a process of a tenth of a second has no use for.

    Workers and scripts call verbs all day. Collecting garbage that nobody will miss, and taking
    the interpreter apart at the end, would cost each call as much again as its own work.
    """
    gc.disable()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
