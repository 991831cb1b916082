"""
Write the reference pages from the program itself, or check that they have not drifted.

    python tools/reference.py            writes docs/reference/*.md
    python tools/reference.py --check    exits with 1 and names every page that differs

What a page says of a verb, a setting, an action, an event, an error or a record comes from the
code. Only what the code cannot say stands here, in tables that fail when they are incomplete.
"""

import argparse
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, UnsetType

from looop import config as configs
from looop import errors
from looop.cli.main import parser_of
from looop.cli.render import toml_value
from looop.cli.table import GROUPS, VERBS
from looop.config import Config, CostSpec, RetrySpec, RunnerSpec
from looop.control.power import Down
from looop.control.views import SessionView, WorkspaceView
from looop.loop.admit import rules as admission
from looop.loop.decide import reflexes
from looop.loop.decide.presets import PRESETS
from looop.model import records
from looop.model.actions import ACTIONS
from looop.model.events import EVENTS
from looop.paths import Paths
from looop.sessions import keys
from looop.sessions import records as session_records
from looop.sessions.port import Match, Sent
from looop.settings import SETTINGS, accepted

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
WIDTH = 80
GENERATED = (
    "<!-- Written by tools/reference.py from the program; edit the program, not this page. -->"
)

# ------------------------------------------------------------------------------- markdown


def page(title: str, *parts: str) -> str:
    body = "\n\n".join(part.strip("\n") for part in parts if part.strip())
    return f"# {title}\n\n{GENERATED}\n\n{body}\n"


def cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    lines += ["| " + " | ".join(cell(part) for part in row) + " |" for row in rows]
    return "\n".join(lines)


def code(words: str) -> str:
    return f"`{words}`" if words else ""


def prose(text: str | None) -> str:
    """A docstring as prose: one sentence a line, lines of its own rewrapped."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text or ""))
    return "\n\n".join(sentences(" ".join(part.split())) for part in paragraphs)


def sentences(words: str) -> str:
    return re.sub(r"(?<=[a-z0-9`)\"][.!?]) (?=[A-Z`])", "\n", words)


def first(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def incomplete(what: str, wanted: Iterable[str], found: Iterable[str]) -> None:
    """Fail when a hand-written table and the code name different things."""
    missing, surplus = sorted({*wanted} - {*found}), sorted({*found} - {*wanted})
    if missing or surplus:
        sys.exit(
            f"tools/reference.py: the table of {what} lacks {missing} and has too much {surplus}"
        )


def type_of(kind: Any) -> str:
    """A type as a reader of JSON or TOML thinks of it."""
    origin: Any = get_origin(kind)
    args: tuple[Any, ...] = get_args(kind)
    if origin is Literal:
        return " or ".join(f'`"{arg}"`' for arg in args)
    if origin in (Union, UnionType):
        return " or ".join(type_of(arg) for arg in args if arg not in (UnsetType, NoneType))
    if origin in (tuple, list):
        return f"list of {type_of(args[0])}"
    if origin is dict:
        return f"table of {type_of(args[1])}"
    known = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any"}
    if kind in known:
        return known[kind]
    return str(getattr(kind, "__name__", kind))


def default_of(spec: msgspec.structs.FieldInfo) -> str:
    if spec.required:
        return "required"
    if spec.default is UNSET or spec.default is None:
        return "left out"
    if spec.default is msgspec.NODEFAULT:
        return "empty"
    if isinstance(spec.default, bool):
        return "`true`" if spec.default else "`false`"
    return {"": "empty", (): "empty"}.get(spec.default, f"`{spec.default!r}`".replace("'", '"'))


def field_rows(kind: type[Struct], docs: dict[str, str] | None = None) -> list[list[str]]:
    rows: list[list[str]] = []
    for spec in msgspec.structs.fields(kind):
        row = [f"`{spec.encode_name}`", type_of(spec.type), default_of(spec)]
        rows.append([*row, docs[spec.name]] if docs is not None else row)
    return rows


# ------------------------------------------------------------------------------------ cli

VERB_NOTES = {
    "init": "Run again, it keeps every other key and every comment of `config.toml`, and lays no "
    "file that was laid before.\n"
    "On a terminal it asks who decides, unless `--runner`, `--yes` or `--json` is given.\n"
    "Otherwise it keeps the runner that is set, else takes the first agent CLI that it finds on "
    "`PATH`, else `rules`.",
    "tick": "Exits with 1 when the beat failed or could not look at what it must know.\n"
    "Refused while a pulse holds the profile.",
    "demo": "Exits with 1 when a beat did not end as the script says.\n"
    "It watches the git checkout that it is started in, or makes a small one.",
    "asks": "Asks that could not be read are named on stderr; the others are still shown.",
    "events": "With `--json` it prints one object a line.",
    "cost": "`cost record USD` is for a worker whose runner has no transcript that looop reads; for "
    "others it says so on stderr and writes nothing.",
    "up": "Succeeds once the loop holds the profile; refused while one does.\n"
    "The loop is the session `pulse`: `looop watch pulse` and `looop log pulse` show it.",
    "down": "The loop goes first, so that it starts nothing anew, then every worker and program.\n"
    "Exits with 1 when something is still alive, and names it.",
    "service": "A systemd user unit, or a launchd agent on macOS; the service runs "
    "`looop --keep-workers`.\n"
    "`status` exits with 1 when the service is not installed or not active.",
    "ls": "The first row is the loop itself.\n"
    "Without `--all` a session that has ended is shown until a decision has been told of its end.\n"
    "A star after the health says that it was told from the screen or the output alone, not by "
    "the agent.",
    "start-session": "The brief is the words of the call, or stdin for none or `-`.\n"
    "With `--command` and no brief, any program is supervised as it is: no contract, no record, "
    "in the directory of the call.\n"
    "With both, the command is the worker's, and must contain `{{prompt_file}}`.",
    "attach": "Exits with the code of the program when it ends, else with 0.\n"
    "Refused for the loop itself, and without a terminal.",
    "watch": "On a terminal it shows the screen and types nothing; Ctrl-C leaves.\n"
    "Otherwise it is `looop log -f`.",
    "log": "`--json` gives `text`, `offset` (give it to `--since` for what comes after) and `done`.",
    "shot": "The screen of a session that has ended is shown as it was, at its last size.",
    "send": "Refused while a dialog of the agent waits, unless `--force` is given.\nA text that begins with a dash stands after `--`.\n"
    "Exits with 1 when the program was seen not to take it.",
    "key": "See [named keys](#named-keys).",
    "expect": "Exits with 0 for a match, 124 out of time, 1 when the session ended first.",
    "wait": "Exits with the code of the program (128 and the number of a signal), 130 when it was "
    "killed, 137 when its supervisor died, 124 out of time.\n"
    "A worker that said how it ended: 0 for `done`, 1 for `blocked` or `failed`.",
    "wait-idle": "Exits with 0 once it is quiet or has ended, 124 out of time.",
    "restart": "A session that was killed is never restarted; start it anew.",
    "kill": "A worker that kills itself has said that it is done.\n"
    "A worker that was waiting for an answer is named on stderr.\n"
    "Exits with 1 when something of it is still alive.",
    "prune": "A worker is kept until its end was seen, its check was run, and a decision was told "
    "of it.\nReports and work of value are never removed.",
    "claim": "Prints `claimed NAME` on a new claim, and nothing when the session has it already.\n"
    "Exits with 1 while a living session holds it, which is named.\n"
    "A claim of a session that has ended is taken over.",
    "unclaim": "Giving back what is free is no error.",
    "done": "The first word about an end stands; it is printed.",
    "hook": "looop puts this into the settings of the agents that it starts.\n"
    "It never fails: an agent must not stumble over it.",
    "shell-worker": "The worker of the runner `rules`.",
    "doctor": "Exits with 1 when any line says `fail`.",
    "answer": "The first answer wins; a second one is refused.",
    "sensor": "`sensor run` exits with 1 when the reading is a failure.",
    "run": "Exits with the code of the command.\n"
    "The command is refused when it has a catastrophic shape or touches a protected file.",
    "help": "`looop help config` prints every setting.",
    "undo": "Needs a profile with a history (`looop init --git`).",
    "history": "Needs a profile with a history (`looop init --git`).",
}


def shown_values(action: argparse.Action) -> str:
    """How the value of an argument is written in a usage line."""
    if action.nargs == 0:
        return ""
    if action.choices is not None and action.metavar is None:
        return "{" + ",".join(str(choice) for choice in action.choices) + "}"
    return str(action.metavar or (action.dest.upper() if action.option_strings else action.dest))


def invocation(action: argparse.Action) -> str:
    value = shown_values(action)
    if action.option_strings:
        return ", ".join(f"{flag} {value}".strip() for flag in action.option_strings)
    return value


def usage(parser: argparse.ArgumentParser) -> str:
    """The usage line, built here because argparse words it differently in every version."""
    words: list[str] = []
    for action in own_actions(parser):
        if action.option_strings:
            words.append(f"[{f'{action.option_strings[-1]} {shown_values(action)}'.strip()}]")
            continue
        value = shown_values(action)
        words.append(
            {
                "?": f"[{value}]",
                "*": f"[{value} ...]",
                "+": f"{value} ...",
                argparse.REMAINDER: f"{value} ...",
            }.get(str(action.nargs), value)
        )
    lead = f"usage: {parser.prog} "
    lines = textwrap.wrap(
        " ".join(word.replace(" ", "\0") for word in words), WIDTH - len(lead)
    ) or [""]
    shown = ("\n" + " " * len(lead)).join(lines).replace("\0", " ")
    return f"{lead}{shown}".rstrip()


def own_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Everything but `-h`, positional arguments last, as a user writes them."""
    found = [a for a in parser._actions if "--help" not in a.option_strings]
    return [a for a in found if a.option_strings] + [a for a in found if not a.option_strings]


class Sub(NamedTuple):
    """One sub-verb: its parser, its line of help, and its other names."""

    parser: argparse.ArgumentParser
    about: str
    also: list[str]


def subparsers(parser: argparse.ArgumentParser) -> dict[str, Sub]:
    """Sub-verbs by name; an alias is the same parser under another name."""
    found: dict[str, Sub] = {}
    for action in parser._actions:
        if action.nargs != argparse.PARSER:
            continue
        known: Any = action
        helps = {str(c.dest): str(c.help or "") for c in known._choices_actions}
        for name, sub in known.choices.items():
            same = [other for other in found.values() if other.parser is sub]
            if same:
                same[0].also.append(str(name))
            else:
                found[str(name)] = Sub(sub, helps.get(str(name), ""), [])
    return found


def meaning(action: argparse.Action) -> str:
    """What an argument's help says; one without a help is named by what it takes."""
    if action.help:
        return action.help
    chosen = f"default: `{action.default}`" if isinstance(action.default, str) else ""
    return chosen or "which one"


def arguments(parser: argparse.ArgumentParser) -> str:
    """All arguments but `--json`, which means the same everywhere."""
    rows = [
        (code(invocation(action)), meaning(action))
        for action in own_actions(parser)
        if action.help != "print JSON"
    ]
    return table(("argument", "meaning"), rows) if rows else ""


def verb_part(verb: str) -> str:
    parser = parser_of(verb)
    subs = subparsers(parser)
    summary = VERBS[verb].summary
    out = [f"### {verb}", f"{summary[0].upper()}{summary[1:]}."]
    if not subs:
        out += [f"```text\n{usage(parser)}\n```", arguments(parser)]
    for name, (sub, about, other) in subs.items():
        also = f"\nAlso: {', '.join(code(word) for word in other)}." if other else ""
        out += [
            f"#### {verb} {name}",
            f"{about[0].upper()}{about[1:]}.{also}" if about else also,
            f"```text\n{usage(sub)}\n```",
            arguments(sub),
        ]
    out.append(sentences(VERB_NOTES.get(verb, "")))
    return "\n\n".join(part for part in out if part)


# Verb -> what its JSON is: fields of a record, or their names.
JSON_OF: dict[str, type[Struct] | tuple[str, ...]] = {
    "ls (a list)": SessionView,
    "ls ID": ("session", "worker"),
    "ls --workspaces (a list)": WorkspaceView,
    "ls --claims (a list)": records.Claim,
    "start-session, restart": session_records.Session,
    "kill": session_records.Killed,
    "prune": ("removed", "kept"),
    "log": ("text", "offset", "done"),
    "send": Sent,
    "key": ("offset",),
    "expect": Match,
    "wait, wait-idle": session_records.Ending,
    "resize": ("columns", "rows"),
    "detach": ("detached",),
    "claim, unclaim": ("claim", "how"),
    "done": ("session", "outcome"),
    "up": ("pid", "session"),
    "down": Down,
    "service": ("ok", "lines"),
}


def json_rows() -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for verb, kind in JSON_OF.items():
        names = kind if isinstance(kind, tuple) else kind.__struct_fields__
        rows.append((verb, ", ".join(code(name) for name in names)))
    return rows


def cli() -> str:
    incomplete("verb notes", (), set(VERB_NOTES) - set(VERBS))
    out = [
        "Every verb has `-h`, and `looop help VERB` prints the same.\n"
        "`--json`, where a verb has it, prints the result as JSON.\n"
        "Diagnostics go to stderr, one line each; stdout is for results.\n"
        "Colour is used on a terminal only; see [environment](environment.md).",
        "Options may stand anywhere; what follows `--` is none.\n"
        "A session is named by its id; the verbs that only look take `pulse`, the detached loop, "
        "too.\nA duration is written as in [settings](config.md); 0, `none` or `off` is no limit.",
        "## The bare command",
        "```text\nusage: looop [--json] [--keep-workers]\n```",
        "Is the pulse in the foreground: it takes the profile's lock and beats until INT, TERM or "
        "HUP.\nIts workers end with it, unless `--keep-workers` is given.\nWith `--json` (or `LOOOP_LOG_FORMAT=json`) every event is one JSON object on a "
        "line.\n`looop --version` and `looop -V` print the version, `looop --help` and `looop -h` "
        "the manual.",
    ]
    for group, title in GROUPS.items():
        out.append(f"## {title}")
        out += [verb_part(name) for name, verb in VERBS.items() if verb.group == group]
    out += [
        "## Named keys",
        "For `looop key` and the action `send_key`. Upper and lower case are the same.",
        ", ".join(code(name) for name in keys.names() if not name.startswith("C-")) + ".",
        "A single character is itself.\n"
        "`S-`, `M-` and `C-` before either are Shift, Alt and Ctrl, as in `S-Tab`, `M-x`, `C-c`, `C-Up`.",
        "## JSON of sessions",
        "What `--json` gives; what is not known is `null` or empty.",
        table(("verb", "fields"), json_rows()),
        "## Exit codes",
        table(
            ("code", "meaning"),
            (
                ("0", "done"),
                ("1", "refused, failed, or could not look; see [errors](errors.md)"),
                ("2", "the words of the call or of a configuration file are wrong"),
                ("124", "`expect`, `wait` or `wait-idle` ran out of time"),
                ("130", "ended by Ctrl-C; of `wait`: the session was killed"),
                ("137", "of `wait`: the session's supervisor died"),
                ("141", "the reader of stdout has gone"),
                ("any", "`run`, `wait` and `attach` exit with the code of their program"),
            ),
        ),
    ]
    return page("Command line", *out)


# --------------------------------------------------------------------------------- config

SPEC_DOCS: dict[type[Struct], dict[str, str]] = {
    RunnerSpec: {
        "tick": "The shell command that decides; `{{prompt_file}}` in it becomes the quoted path of "
        "the prompt, and without it the prompt comes on stdin.",
        "worker": "The shell command of a worker; `{{prompt_file}}` in it becomes the quoted path of "
        "its contract and brief. Without it, a preset starts its agent CLI in its own way.",
        "resume": "Read; nothing uses it yet.",
        "model": "Handed to a preset's CLI, and used to price tokens of a CLI that names no model.",
        "env": "Variables added to the environment of this runner only.",
        "cost": "Where a custom runner's stream tells what it cost.",
        "retry": "Which output of a runner is transient.",
    },
    CostSpec: {
        "type": "The `type` of the JSON line that tells the price.",
        "pointer": "A JSON pointer to the US dollars in it.",
        "mode": "`total`: the last number counts; `sum`: all of them are added.",
    },
    RetrySpec: {
        "match": "A regular expression, compared without regard to case with each line of output.",
        "times": "How many further tries, at most 10.",
        "wait": "The pause before each, a duration; it is varied by up to a quarter.",
    },
}
FLOORS = {
    "interval": "Never less than 1 s.",
    "busy_interval": "Never less than 1 s.",
    "sensor_concurrency": "Never less than 1.",
    "max_next_interval": "What a decision asks for is kept between 5 s and this; 0 allows an hour.",
    "runner": "`looop init` writes the first agent CLI that it finds, else `rules`.",
    "git": "It matters only in a profile that has a history; `looop init` starts one where git is "
    "installed.",
}


def setting_part(key: str) -> str:
    setting = SETTINGS[key]
    default = toml_value(getattr(Config(), key), setting)
    if key == "busy_interval":
        default = "the same as `interval`"
    values = accepted(setting)
    variables = ", ".join(code(v) for v in (f"LOOOP_{key.upper()}", *setting.aliases))
    return "\n\n".join(
        (
            f"### {key}",
            sentences(setting.doc) + (f"\n{FLOORS[key]}" if key in FLOORS else ""),
            f"- default: {default if '`' in default else code(default)}\n"
            f"- accepts: {values}\n"
            f"- environment: {variables}",
        )
    )


def spec_part(kind: type[Struct], title: str) -> str:
    docs = SPEC_DOCS[kind]
    fields = [spec.name for spec in msgspec.structs.fields(kind)]
    incomplete(title, fields, docs)
    rows = field_rows(kind, docs)
    return f"### {title}\n\n" + table(("key", "type", "default", "meaning"), rows)


def original_part() -> str:
    rows = [
        (code(theirs), code(ours) if ours else "kept in the file, and not used")
        for theirs, ours in configs._ORIGINAL_KEYS.items()
    ]
    rows += [
        ("`tick_command`, `tick`", '`runners.original.tick`, and `runner = "original"`'),
        ("`worker_command`, `interactive`", "`runners.original.worker`, when it has a placeholder"),
    ]
    return "\n\n".join(
        (
            "## config.json of the original looop",
            "It is read when there is no `config.toml` beside it.\n"
            "`looop init` carries its values over into a new `config.toml` and leaves the file "
            "where it is.\nA key that is not in this table is kept and not used; `looop doctor` "
            "names it.",
            table(("its key", "here"), rows),
            "In a runner's table `tick`, `interactive` (or `worker`), `resume` and `cost` are "
            "read.\nA trailing `| looop _ fmt` of the earliest versions is cut off.",
        )
    )


def config() -> str:
    incomplete("setting notes", (), set(FLOORS) - set(SETTINGS))
    presets = table(
        ("preset", "program", "schema held by the CLI", "pauses before further tries"),
        (
            (
                code(preset.name),
                code(preset.program),
                "yes" if preset.structured else "no",
                ", ".join(f"{wait:g} s" for wait in preset.waits) or "none",
            )
            for preset in PRESETS.values()
        ),
    )
    return page(
        "Settings",
        "One file: `config.toml` in the profile, or the one that `LOOOP_CONFIG` names.\n"
        "Every key has an environment variable, which wins over the file.\n"
        "A duration is a number of seconds or `500ms`, `90s`, `5m`, `2h`, `1h30m`, `3d`, `1w`.\n"
        "`0` means off or unlimited, except where a key says otherwise.\n"
        "An unknown key or an ill-typed value is an error that names the file, the key, the value "
        "and what is accepted.\n"
        "A running pulse reads the file again before the next beat when it has changed, and keeps "
        "the last good settings when it makes no sense.",
        "## Keys",
        *(setting_part(key) for key in SETTINGS),
        "## Runners",
        "`[runners.NAME]` defines a runner, or changes a preset of that name key by key.\n"
        "With a `tick` the command is yours; without one, NAME must be a preset.",
        spec_part(RunnerSpec, "[runners.NAME]"),
        spec_part(CostSpec, "[runners.NAME.cost]"),
        spec_part(RetrySpec, "[runners.NAME.retry]"),
        "### Presets",
        "`rules` is built in and launches nothing: reflexes decide, and no match is a `noop`.",
        presets,
        original_part(),
    )


# -------------------------------------------------------------------------------- actions

RIDERS = (
    ("`journal`", "text", "one line for a human: what and why"),
    ("`goal`", "id", "which goal the move serves"),
    (
        "`next_interval_s`",
        "whole number",
        "look again after so many seconds, once, although nothing changed",
    ),
)


def action_part(tag: str) -> str:
    kind, word = ACTIONS[tag]
    fields = table(("field", "type", "default"), field_rows(kind))
    return f"## {tag}\n\n{prose(kind.__doc__)}\nIts word in output is `{word}`.\n\n{fields}"


# Name in an expression -> (what it holds, whether reflexes see it).
SEEN: dict[str, tuple[str, bool]] = {
    "sensors": ("by name: `signal`, `detail`, `ok`, `trust`", True),
    "sessions": (
        "by id, signal and detail in one: `generation`, `health`, `state`, `outcome`, "
        "`killed_by`, `verify`; `age_s`, `still_s`, `runner`, `goal`, `branch`, `summary`, "
        "`last_line`, `health_detail`, `until_s`, `verify_output`, `killed_why`, each where it is "
        "known",
        True,
    ),
    "claims": ("by name: who holds it", True),
    "asks": ("`pending` and `answered`: lists of ids", True),
    "goals": ("by id: `title`, `age_s` since it was served, `priority`, `every`", True),
    "schedules": ("by name: its state", True),
    "budget": ("`state`, `unmetered_runs`, and with a limit `spent_usd`, `max_daily_usd`", True),
    "changed": ("list of the items that changed since the last decision", True),
    "now": ("seconds since 1970", True),
    "action": (
        "the move: `action` and every field of every action, empty where it has none",
        False,
    ),
    "origin": (type_of(records.Origin), False),
    "goal": ("which goal the move serves, or empty", False),
    "taint": ("the least trusted reading that it rests on", False),
    "autonomy": ("the setting", False),
    "shell": (
        "all shell of the move: `understood`, `read_only`, `catastrophic`, `programs`, `why`",
        False,
    ),
}


def seen() -> str:
    incomplete("variables of admission", admission.VARIABLES, SEEN)
    both = {name for name, (_, reflexes_too) in SEEN.items() if reflexes_too}
    incomplete("variables of reflexes", reflexes.VARIABLES, both)
    rows = [
        (code(name), what, "both" if name in both else "`admission.toml`")
        for name, (what, _) in SEEN.items()
    ]
    return table(("variable", "what it holds", "in"), rows)


def actions() -> str:
    return page(
        "Actions",
        "A decision is one JSON object with an `action` and that action's fields; nothing else "
        "can be asked for.\n"
        "It may stand alone or under one `move` key, with one Markdown fence around it.\n"
        "A field that an action does not have is ignored; one that is missing, empty or ill-typed "
        "is named, and the answer goes back once for correction.\n"
        "`looop schema decision` prints the JSON Schema.",
        "An id is a letter or digit, then at most 63 letters, digits, dots, dashes and "
        "underscores.",
        "These ride along with every action, and all may be left out:",
        table(("field", "type", "meaning"), RIDERS),
        *(action_part(tag) for tag in ACTIONS),
        "## What rules see",
        "Expressions in `reflexes.toml` and `admission.toml` have these variables.\n"
        "A move by a human's own hand is judged with an empty world.",
        seen(),
    )


# --------------------------------------------------------------------------------- events


def events() -> str:
    out = [
        "`events.jsonl` holds one JSON object a line, and `looop events` reads it.\n"
        "Every event has `seq` (a number that only grows), `ts` (UTC, with milliseconds) and "
        "`event` (its name).\n"
        "`looop events --since SEQ --json` gives a program everything after the last number that "
        "it has seen.\n"
        "An event is a report, never a condition: a log that cannot be written does not stop the "
        "loop.",
        "The stream of `looop --json` has the same events, without `seq`, and three that are not "
        "kept: `beat_ended` (`kind`, `said`, `action`, `next_at`), `runner_line` (`run`, `text`) "
        "and `seeded` (`file`).",
    ]
    for name, (what, fields) in EVENTS.items():
        out.append(f"## {name}\n\n{what}\n\nFields: {', '.join(code(field) for field in fields)}.")
    return page("Events", *out)


# ---------------------------------------------------------------------------------- files

# Attribute of Paths -> (what it is, who writes it).
FILES: dict[str, tuple[str, str]] = {
    "data": ("the profile; mode 0700, and every file that looop writes in it is 0600", "init"),
    "config": ("settings; see [settings](config.md). No move can write it", "human, init"),
    "playbook": ("judgment in prose: priorities and guardrails", "human, admitted moves"),
    "goals": ("desired state, one `ID.md` each", "human, admitted moves"),
    "goal_archive": ("archived goals; `-1`, `-2` ... when the name is taken", "moves"),
    "sensors": ("executables that each print one JSON object", "human, admitted moves"),
    "reflexes": ("rules that decide before any model. No move can write it", "human"),
    "admission": ("rules about what may run. No move can write it", "human"),
    "journal": ("one line for each move, in local time; rotates", "loop"),
    "events": ("every event; see [events](events.md); rotates", "loop"),
    "cost": ("one row for each launch of a runner (`Spend`); rotates", "loop"),
    "asks": ("open asks, one `ID.json` each (`Ask`)", "loop, `looop answer`"),
    "ask_archive": ("closed asks; the newest 500 to 1000 are kept", "loop"),
    "schedules": ("timers, one `NAME.json` each (`Schedule`)", "human, moves"),
    "claims": ("leases, one `NAME.json` each (`Claim`)", "workers, `looop claim`"),
    "reports": ("what workers deliver; never pruned", "workers"),
    "sessions": ("one directory for each session, kept for `session_ttl`", "supervisors"),
    "workers": ("one `ID.json` for each worker (`Worker`)", "loop, workers"),
    "prompts": ("the contract and brief of each worker, `ID.md`", "loop, `looop start-session`"),
    "work": ("where workers stand: a git worktree or a directory each", "loop, workers"),
    "playbook_history": ("previous PLAYBOOK bodies; `playbook_keep` of them", "loop"),
    "snapshots": ("the last reading of every sensor and probe, as JSON", "loop"),
    "runs": ("one directory for each run; `runs_keep` of them", "loop"),
    "state": ("what the loop keeps for itself", "loop"),
    "memory": ("what one beat leaves for the next; storing it commits the beat (`Memory`)", "loop"),
    "stamps": ("when each sensor last ran and how it went (`SensorStamp`)", "loop"),
    "seeded": ("the mark that the starter files were laid; they never are again", "init"),
    "activity": ("what was seen of each living worker, by id (`Activity`)", "loop"),
    "agents": ("what agent CLIs said of themselves, one `ID.json` each (`AgentNote`)", "hooks"),
    "zygote": ("where the process listens that forks supervisors for a running loop", "pulse"),
    "service_errors": ("stderr of the service at boot, where nothing else keeps it", "service"),
    "pulse_note": ("what the pulse says of itself, for `looop status` (`PulseNote`)", "pulse"),
    "secret": ("random; makes the markers of policy blocks in prompts", "loop"),
    "locks": ("locks; the files in it are never removed", "loop"),
    "bell": ("a pipe: whoever has news for a resting loop writes to it", "pulse"),
    "workers_lock": ("held while a worker is started or restarted", "loop, `looop start-session`"),
    "pulse_lock": ("held with `flock` by the process that beats", "pulse, `looop tick`"),
}
# Patterns that stand below one of those.
BELOW = (
    ("snapshots/sensor-NAME.json", "the reading of a sensor; `.err` beside it holds its stderr"),
    ("snapshots/sys-NAME.json", "the reading of a system probe"),
    ("runs/RUN/world.json", "the world that the run saw: hash, items, readings"),
    ("runs/RUN/beat.json", "how far the run got (`BeatRecord`)"),
    ("runs/RUN/prompt.md", "the prompt, when the runner was asked"),
    ("runs/RUN/correction.md", "the second prompt, when the first answer could not be used"),
    ("runs/RUN/schema.json", "the JSON Schema, for a preset that takes a file"),
    ("runs/RUN/stream.ndjson", "what the runner printed, raw; up to 32 MiB"),
    ("runs/RUN/output.log", "the same, rendered; up to 8 MiB"),
    ("runs/RUN/answer.json", "the text of the answer that was used"),
    ("runs/RUN/.decision.json", "the answer, when the runner wrote a file"),
    ("sessions/ID/lock", "held with `flock` by its supervisor for as long as it lives"),
    ("sessions/ID/meta.json", "what the session is; environment variables by name only (`Meta`)"),
    ("sessions/ID/status.json", "how far its command got (`Status`)"),
    ("sessions/ID/output.OFFSET.log", "raw output; segments of 64 MiB, the newest 16 are kept"),
    ("sessions/ID/log.jsonl", "rows of `at`, `offset`, `event`: sizes, visits, gaps, the end"),
    ("sessions/ID/control.sock", "where its supervisor listens"),
    ("sessions/ID/input.lock", "held by whoever types"),
    ("prompts/ID.d/", "what its agent CLI was given besides: settings, hooks"),
    (".git/, .gitignore", "the history of policy files, when the profile keeps one"),
    (".state/memory.corrupt-TIME.json", "a memory that made no sense, put aside"),
    ("FILE.refused-TIME", "what a command tried to put into a protected file"),
    ("journal.md.1, events.jsonl.1, cost.jsonl.1", "the previous generation of a log"),
    (".dirlock", "the writers' lock of a directory"),
)
KEPT = (
    "Ask",
    "Answer",
    "Schedule",
    "Spend",
    "Claim",
    "Worker",
    "Done",
    "Tombstone",
    "Ended",
    "Checked",
    "SensorStamp",
    "PulseNote",
)
INNER = (
    "Meta",
    "Status",
    "AgentNote",
    "Activity",
    "Memory",
    "BeatRecord",
    "Verdict",
    "Outcome",
    "Shell",
    "Failure",
    "Notice",
)


def path_rows() -> list[tuple[str, str, str]]:
    root = Path("/p")
    place = Paths(root, root / "config.toml")
    found: dict[str, Path] = {k: v for k, v in vars(place).items() if isinstance(v, Path)}
    incomplete("paths", found, FILES)
    rows: list[tuple[str, str, str]] = []
    for name, path in found.items():
        inside = str(path.relative_to(root)) if path != root else "the data dir"
        folder = "/" if path in place.directories() else ""
        what, who = FILES[name]
        rows.append((inside if name == "data" else code(inside + folder), what, who))
    return rows


def record_part(name: str) -> str:
    kind: type[Struct] = getattr(records, name, None) or getattr(session_records, name)
    fields = table(("field", "type", "default"), field_rows(kind))
    return f"### {name}\n\n{prose(kind.__doc__)}\n\n{fields}"


def files() -> str:
    return page(
        "Files",
        "A profile is one directory: `LOOOP_DATA_DIR`, else `$XDG_STATE_HOME/looop`, else "
        "`~/.local/state/looop`.\n"
        "Everything about it is inside it, so copying the directory copies the loop.\n"
        "Files are published by rename: a reader sees the old bytes or the new ones.",
        table(("path", "what", "written by"), path_rows()),
        "Below them:",
        table(("path", "what"), [(code(path), what) for path, what in BELOW]),
        "Hidden files, `#x`, `x~`, `.swp`, `.tmp`, `.orig` and `.rej` are never goals or sensors.\n"
        "A name that breaks the grammar of ids is reported and ignored.",
        "## Records to build on",
        "These are JSON objects in files of their own, or lines of a log.\n"
        "Times are seconds since 1970 unless a field says otherwise; a reader must ignore fields "
        "that it does not know.",
        *(record_part(name) for name in KEPT),
        "## Records of the loop itself",
        "These may change between versions; they are here so that you can read a run.",
        *(record_part(name) for name in INNER),
    )


# ---------------------------------------------------------------------------- environment


def environment() -> str:
    settings = table(
        ("variable", "setting"),
        (
            (
                ", ".join(code(v) for v in (f"LOOOP_{key.upper()}", *setting.aliases)),
                f"[{key}](config.md#{key})",
            )
            for key, setting in SETTINGS.items()
        ),
    )
    children = table(
        ("variable", "who gets it", "value"),
        (
            ("`LOOOP_BIN`", "all", "the command that runs this looop"),
            ("`LOOOP_DATA_DIR`", "all", "the profile, absolute"),
            ("`LOOOP_CONFIG`", "all", "the settings file, absolute"),
            ("`LOOOP_CLAIMS_DIR`, `LOOOP_REPORTS_DIR`", "all", "directories of the profile"),
            ("`LOOOP_COST_LEDGER`", "all", "the file `cost.jsonl`"),
            (
                "`LOOOP_MARK`",
                "all but sessions",
                "finds what a child leaves running, so that it can be ended",
            ),
            ("`LOOOP_SENSOR`", "sensors", "the name of the sensor"),
            ("`LOOOP_RUN_ID`", "runners, `run_shell`, workers", "the run, as an idempotency key"),
            ("`LOOOP_SESSION_ID`", "sessions", "which session this is"),
            ("`LOOOP_GENERATION`", "sessions", "which start of it; a restart is a new one"),
            ("`LOOOP_DECISION_FILE`", "runners", "where an answer may be written"),
        ),
    )
    return page(
        "Environment",
        "A variable that is empty counts as not set.",
        "## Places",
        table(
            ("variable", "meaning"),
            (
                ("`LOOOP_DATA_DIR`", "the profile"),
                ("`XDG_STATE_HOME`, `HOME`", "where the profile is without it"),
                ("`LOOOP_CONFIG`", "the settings file; else `config.toml` in the profile"),
                ("`PATH`", "where agent CLIs, bash and git are looked for"),
            ),
        ),
        "## Settings",
        "Each wins over the key in the file.\n"
        "Where there are several names, the first in the row wins over the others.",
        settings,
        "## Output",
        table(
            ("variable", "meaning"),
            (
                ("`NO_COLOR`", "no colour, on a terminal too"),
                ("`FORCE_COLOR`", "colour, without a terminal too; `NO_COLOR` wins"),
                ("`TERM`", "`dumb` means no colour"),
                ("`COLUMNS`", "the width of output, at least 40; else the terminal's, else 80"),
                ("`LOOOP_LOG_FORMAT`", "`json` makes the stream of `looop` NDJSON"),
            ),
        ),
        "## What children get",
        "Sensors, runners, commands and sessions inherit the environment of whoever starts them, "
        "and these:",
        children,
        "The presets set a few variables of their own CLIs, and `[runners.NAME] env` adds yours.",
    )


# --------------------------------------------------------------------------------- errors


def error_classes() -> list[type[errors.LooopError]]:
    """Every class in the order of the tree, parents first."""
    found: list[type[errors.LooopError]] = []

    def walk(kind: type[errors.LooopError]) -> None:
        found.append(kind)
        order = {name: index for index, name in enumerate(vars(errors))}
        for child in sorted(kind.__subclasses__(), key=lambda c: order.get(c.__name__, 1 << 20)):
            if child.__module__ == errors.__name__:
                walk(child)

    walk(errors.LooopError)
    return found


def error_part(kind: type[errors.LooopError]) -> str:
    parent = kind.__mro__[1].__name__
    under = f"\nA kind of `{parent}`." if kind is not errors.LooopError else ""
    return f"## {kind.__name__}\n\n{prose(kind.__doc__)}{under}\n\nExit code: {kind.exit_code}."


def errors_page() -> str:
    return page(
        "Errors",
        "An error is one line on stderr that begins with `looop:` and says what is wrong and how "
        "to mend it.\n"
        "The classes are for programs that use looop as a library; the exit code is what a script "
        "sees.",
        *(error_part(kind) for kind in error_classes()),
        "## Ends of a beat",
        "A beat that comes to nothing is not an error of the program.\n"
        "It ends as `failed` or `blind`, its reason is in `looop status` and in the event "
        "`beat_failed`, and the next prompt is told.",
        table(
            ("code", "meaning"),
            (
                ("`denied`", "the policy refused the move"),
                ("`act-failed`", "the move was tried and did not work"),
                ("`deadline`, `silent`", "the runner took too long, or printed nothing too long"),
                ("`spawn`", "the runner could not be started"),
                ("`permanent`", "the model's API will never say yes: login, money, model name"),
                ("`failed`", "the runner failed otherwise"),
                ("`stopped`", "somebody else's signal ended the runner"),
                ("`no-decision`", "the runner ended well and left no answer"),
                ("`bad-decision`", "the answer could not be used, twice"),
                ("`decide-cap`", "the hour's cap was reached before a second launch"),
                ("`corrupt-memory`", "the memory made no sense and was put aside"),
            ),
        ),
    )


# ----------------------------------------------------------------------------------- main

ALL: dict[str, Callable[[], str]] = {
    "cli.md": cli,
    "config.md": config,
    "actions.md": actions,
    "events.md": events,
    "files.md": files,
    "environment.md": environment,
    "errors.md": errors_page,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=first(__doc__))
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when a page drifted")
    args = parser.parse_args()
    drifted = False
    for name, make in ALL.items():
        path = PAGES / name
        wanted = make()
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        if found == wanted:
            continue
        if args.check:
            drifted = True
            print(f"docs/reference/{name} has drifted; write it anew with: make docs")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
