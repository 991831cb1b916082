"""The verbs about the program itself: help, version, schema, config."""

import argparse
import sys
from collections.abc import Callable

from looop import __version__
from looop.cli.table import GROUPS, VERBS
from looop.errors import Usage

__all__ = ["CONFIGURE", "RUN", "manual"]

INTRO = """\
looop: a small control loop for agent work, shaped like Kubernetes.

  sense -> diff -> decide -> admit -> act -> log

Sensors print the world as JSON. If nothing that matters changed, nothing
happens and nothing is spent. If something did, the PLAYBOOK, the goals and the
readings go to a model once (or to your reflexes), and one typed move comes
back. A policy lets it run, refuses it, or holds it for you. One line is logged.

  looop              run the loop here; Ctrl-C ends it and its workers
                     (--keep-workers leaves them, --json is for programs)"""

OUTRO = """\
Every profile is one directory: $LOOOP_DATA_DIR, else ~/.local/state/looop.
Exit codes: 0 done, 1 refused or failed, 2 wrong words, 124 out of time; `run`
and `wait` give that of the command.
`looop help VERB` explains one verb, `looop help config` every setting."""


def manual() -> str:
    """The manual's first page, made from the table of verbs."""
    out = [INTRO]
    room = max(map(len, VERBS))
    for group, title in GROUPS.items():
        out += ["", f"{title}:"]
        out += [f"  {n:<{room}}  {v.summary}" for n, v in VERBS.items() if v.group == group]
    return "\n".join([*out, "", OUTRO])


def settings() -> str:
    """Every key of config.toml, its default, and what it means."""
    from looop.cli import layout, render
    from looop.config import Config
    from looop.settings import SETTINGS

    default = Config()
    out = ["Keys of config.toml; each has an environment override LOOOP_<KEY>.", ""]
    for key, setting in SETTINGS.items():
        out.append(f"{key} = {render.toml_value(getattr(default, key), setting)}")
        out += [f"    {line}" for line in layout.wrap(setting.doc, 74)]
        if setting.choices:
            out.append(f"    one of: {', '.join(setting.choices)}")
    return "\n".join(out)


def _configure_help(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", nargs="?", help="a verb, or `config` for every setting")


def _help(args: argparse.Namespace) -> int:
    from looop.cli.main import parser_of

    if args.verb is None:
        print(manual())
    elif args.verb == "config":
        print(parser_of("config").format_help())
        print(settings())
    elif args.verb in VERBS:
        print(parser_of(args.verb).format_help().rstrip())
    else:
        raise Usage(f"there is no verb {args.verb!r}; `looop help` lists them")
    return 0


def _configure_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _version(args: argparse.Namespace) -> int:
    if args.json:
        from looop.cli import output

        python = ".".join(str(part) for part in sys.version_info[:3])
        output.json({"looop": __version__, "python": python})
    else:
        print(f"looop {__version__}")
    return 0


def _configure_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("decision",), help="which schema")


def _schema(args: argparse.Namespace) -> int:
    from looop.app import decision_schema
    from looop.cli import output

    output.json(decision_schema())
    return 0


def _configure_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell",
        choices=("bash", "zsh", "fish"),
        help="print its completion script; put it where your shell looks for one",
    )


def _config(args: argparse.Namespace) -> int:
    from looop.cli import complete

    print(complete.script(args.shell))
    return 0


CONFIGURE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "help": _configure_help,
    "version": _configure_version,
    "schema": _configure_schema,
    "config": _configure_config,
}
RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "help": _help,
    "version": _version,
    "schema": _schema,
    "config": _config,
}
