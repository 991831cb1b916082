"""Reads: whether one simple command, wrappers taken off, only reads; if not, why."""

import re
from collections.abc import Mapping

from looop.loop.admit.shell.checks import CHECKS, Check, Words, loose
from looop.loop.admit.shell.tables import (
    BUILTINS,
    HARMLESS,
    READERS,
    SAFE_DIRS,
    VERBS,
    VERSIONED,
    Reader,
    Verbs,
)
from looop.loop.admit.shell.words import Word, basename
from looop.loop.admit.shell.writes import operands

__all__ = ["LISTED", "asks_version", "misplaced", "objection"]

_GIT_PICKS = ("--list", "--contains", "--no-contains", "--merged", "--no-merged", "--points-at")
_GIT_LISTING = re.compile(
    r"-[arvl]+|-i|--(all|remotes|list|show-current|contains|no-contains|merged|no-merged|points-at"
    r"|verbose|ignore-case|no-color|color|column|no-column|sort|format|abbrev|no-abbrev)(=.*)?"
)
_GIT_TAG_LISTING = re.compile(
    r"-l|-i|-n\d*|--(list|contains|no-contains|merged|no-merged|points-at|ignore-case|color|column"
    r"|no-column|sort|format)(=.*)?"
)
_GIT_CONFIG = re.compile(
    r"--(global|local|system|worktree|show-origin|show-scope|name-only|includes|null|bool|int|path"
    r"|type=\w+|file=.*)|-z"
)
_GH_API = re.compile(
    r"--(paginate|slurp|include|silent|verbose|jq|template|cache|hostname|method=GET|(jq|template|cache)=.*)"
    r"|-[iqtHX]|-XGET|--(method|header)"
)


def _reader(words: Words, reader: Reader) -> str:
    """What among the arguments (of `words[0]`) keeps a reader from only reading."""
    if why := loose(words[1:]):
        return why
    for word in words[1:]:
        text = word.text
        if text == "--":
            break
        name = text.partition("=")[0]
        if text.startswith("--"):
            if any(deny.startswith(name) for deny in reader.deny):
                return f"option {word.source}"
        elif text in reader.deny:
            return f"option {word.source}"
        elif text.startswith("-"):
            cluster = re.split(f"[={reader.takes}]", text[1:])[0]
            if any(letter in cluster for letter in reader.letters):
                return f"option {word.source}"
    if reader.needs and not any(word.text in reader.needs for word in words[1:]):
        return f"without {' or '.join(reader.needs[:2])}"
    extra = operands(words)
    if reader.most is not None:
        extra = extra[reader.most :] or [word for word in extra if not word.single]
        return f"operand {extra[0].source}" if extra else ""
    return ""


def _verb(words: Words, known: Verbs) -> str:
    index = 1
    while index < len(words):
        text = words[index].text
        if text in known.valued:
            index += 1
            if index < len(words) and not words[index].single:
                return f"unknown argument {words[index].source}"
        elif text not in known.alone and text.partition("=")[0] not in known.valued:
            break
        index += 1
    rest = words[index:]
    if not rest:
        return "no verb"
    special = _SPECIAL.get((basename(words[0]), rest[0].text))
    if special is not None:
        return special(rest)
    pair = " ".join(word.text for word in rest[:2])
    if (reader := known.verbs.get(pair)) is not None:
        return _reader(rest[1:], reader)
    if (reader := known.verbs.get(rest[0].text)) is not None:
        return _reader(rest, reader)
    return f"verb {' '.join(word.source for word in rest[:2])}"


def _git_list(words: Words, flags: re.Pattern[str]) -> str:
    if why := loose(words[1:]):
        return why
    picks, skip = False, False
    for word in words[1:]:
        text = word.text
        name = text.partition("=")[0]
        if text.startswith("-") and not flags.fullmatch(text):
            return f"option {word.source}"
        picks = picks or name in _GIT_PICKS or (text == "-l" and flags is _GIT_TAG_LISTING)
        if not text.startswith("-") and not picks and not skip:
            return f"operand {word.source}"
        skip = text in ("--sort", "--format")
    return ""


def _git_config(words: Words) -> str:
    if why := loose(words[1:]):
        return why
    rest = [word for word in words[1:] if not _GIT_CONFIG.fullmatch(word.text)]
    if not rest:
        return "no verb"
    if rest[0].text in ("--get", "--get-all", "--get-regexp", "--get-urlmatch", "get", "list"):
        odd = [word for word in rest[1:] if word.text.startswith("-")]
        return f"option {odd[0].source}" if odd else ""
    if rest[0].text in ("--list", "-l"):
        return f"operand {rest[1].source}" if rest[1:] else ""
    if rest[0].text.startswith("-") or len(rest) > 1 or "." not in rest[0].text:
        return f"operand {rest[0].source}"
    return ""


def _git_remote(words: Words) -> str:
    rest = words[1:]
    if not rest or [word.text for word in rest] in (["-v"], ["--verbose"]):
        return ""
    if rest[0].text == "get-url":
        return _reader(rest, Reader())
    return f"operand {rest[0].source}"


def _git_remote_list(words: Words) -> str:
    why = _reader(words, Reader(deny=("--upload-pack", "--exec", "--server-option"), letters="o"))
    places = operands(words)
    if not why and places and not re.fullmatch(r"[A-Za-z0-9_.-]+", places[0].text):
        why = f"operand {places[0].source}"
    return why


def _git_stash(words: Words) -> str:
    if len(words) > 1 and words[1].text in ("list", "show"):
        return _reader(words[1:], Reader(deny=("--output", "--ext-diff", "--textconv")))
    return f"verb {' '.join(word.source for word in words[:2])}"


def _gh_api(words: Words) -> str:
    if why := loose(words[1:]):
        return why
    previous = ""
    for word in words[1:]:
        text = word.text
        if previous in ("-X", "--method"):
            if text != "GET":
                return f"method {word.source}"
        elif previous in ("-H", "--header"):
            if not text.lower().startswith(("accept:", "x-github-api-version:")):
                return f"header {word.source}"
        elif text.startswith("-") and not _GH_API.fullmatch(text):
            return f"option {word.source}"
        previous = text
    return "" if "graphql" not in [word.text for word in words] else "operand graphql"


_SPECIAL: Mapping[tuple[str, str], Check] = {
    ("git", "branch"): lambda words: _git_list(words, _GIT_LISTING),
    ("git", "tag"): lambda words: _git_list(words, _GIT_TAG_LISTING),
    ("git", "config"): _git_config,
    ("git", "remote"): _git_remote,
    ("git", "ls-remote"): _git_remote_list,
    ("git", "stash"): _git_stash,
    ("gh", "api"): _gh_api,
}
LISTED = frozenset([*HARMLESS, *READERS, *VERBS, *VERSIONED, *BUILTINS, *CHECKS])


def asks_version(words: Words) -> bool:
    """Whether a well-known program is only asked for its version."""
    return basename(words[0]) in VERSIONED and [w.text for w in words[1:]] == ["--version"]


def misplaced(program: Word) -> bool:
    """Whether a program is given by a path that is not one of the system's."""
    return "/" in program.text and program.text.rpartition("/")[0] not in SAFE_DIRS


def objection(words: Words) -> str:
    """Why a command does not only read; empty if it does. Its name must be literal."""
    name = basename(words[0])
    if name in HARMLESS:
        return ""
    if check := CHECKS.get(name):
        return check(words)
    if name in READERS:
        return _reader(words, READERS[name])
    if name in VERBS:
        return _verb(words, VERBS[name])
    shown = " ".join(word.source for word in words[1:])
    return f"it is not known to only read ({shown})" if shown else "it is not known to only read"
