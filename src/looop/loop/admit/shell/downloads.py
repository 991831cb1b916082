"""Downloads: whether a command runs, as code, what another command fetches or decodes."""

import re
from collections.abc import Iterable

from looop.loop.admit.shell.runners import SHELLS
from looop.loop.admit.shell.words import Call, Word, basename, names
from looop.loop.admit.shell.wrappers import WRAPPERS

__all__ = ["downloads", "foreign_code", "inline_code"]

_FETCHERS = names(
    """
    curl wget aria2c fetch http https xh lynx w3m lwp-request GET ftp nc ncat netcat socat
    """
)
_DECODERS = frozenset(["base64", "base32", "xxd", "openssl", "uudecode", "gpg"])
_INTERPRETER = re.compile(
    r"(python|pypy|perl|ruby|node|php|lua|tclsh)[\d.]*|nodejs|deno|bun|Rscript|osascript"
)
_INPUTS = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_CODE_OPTION = re.compile(r"-[A-Za-z]*[ceErR]|--eval|--print|-p")
_RUNS_TEXT = re.compile(
    r"\b(exec|eval|system|popen|subprocess|spawn|compile|child_process|Function|rmtree)\b"
)
_BY_TEXT = frozenset(["eval", "source", "."])


def _is_runner(name: str) -> bool:
    return name in SHELLS or name in _BY_TEXT or _INTERPRETER.fullmatch(name) is not None


def _names(call: Call) -> set[str]:
    """The programs that a command may run: its own, and any word's behind a wrapper."""
    name = basename(call.words[0])
    if name in SHELLS or name == "eval":
        return {name, *re.findall(r"[\w.-]+", " ".join(word.text for word in call.words[1:]))}
    words = call.words if name in WRAPPERS else call.words[:1]
    return {basename(word) for word in words}


def downloads(calls: Iterable[Call]) -> bool:
    """Whether any of these commands fetches something."""
    return any(_names(call) & _FETCHERS for call in calls)


def _code(call: Call) -> list[Word]:
    """The words that a runner takes for code, or for the file that code is in."""
    name = basename(call.words[0])
    if name == "eval":
        return list(call.words[1:])
    found: list[Word] = []
    behind = False
    for word in call.words[1:]:
        option = word.text.startswith(("-", "+")) and word.text != "-"
        if behind or not option:
            found.append(word)
        if not option:
            break
        behind = _CODE_OPTION.fullmatch(word.text) is not None
    return found


def _runs_input(call: Call) -> bool:
    """Whether a runner takes its standard input for code."""
    name = basename(call.words[0])
    texts = [word.text for word in call.words[1:]]
    places = [text for text in texts if text in _INPUTS or not text.startswith(("-", "+"))]
    if name in _BY_TEXT:
        return name != "eval" and places[:1] != [] and places[0] in _INPUTS
    if name in SHELLS:
        if any(re.match(r"-[a-z]*c", text) for text in texts):
            return False
        return not places or places[0] in _INPUTS or any(re.match(r"-[a-z]*s", t) for t in texts)
    if any(_CODE_OPTION.fullmatch(text) for text in texts):
        return any(_RUNS_TEXT.search(text) for text in texts)
    return "-m" not in texts and (not places or places[0] in _INPUTS)


def inline_code(call: Call) -> str:
    """The code that an interpreter is given as an argument, if it may run commands with it."""
    if _INTERPRETER.fullmatch(basename(call.words[0])) is None:
        return ""
    code = "\n".join(word.text for word in _code(call))
    return re.sub(r"[\[\],]", " ", code) if _RUNS_TEXT.search(code) else ""


def foreign_code(call: Call, fetched: frozenset[str]) -> str:
    """
    What is wrong if the command runs code from elsewhere, or nothing.

    `fetched` are variables that hold what was downloaded. An interpreter that is given its
    program as an argument, and the download as data, runs nothing foreign.
    """
    name = basename(call.words[0])
    if name == "parallel" and len(call.words) == 1 and downloads(_commands(call)):
        return "runs what it downloads"
    if not _is_runner(name):
        return ""
    code = _code(call)
    if any(downloads(word.calls) or _mentions(word, fetched) for word in code):
        return "runs what it downloads"
    upstream = _commands(call)
    if _runs_input(call) or any(not word.literal for word in code):
        if downloads(upstream):
            return "runs what it downloads"
        if any(_names(feeder) & _DECODERS for feeder in upstream):
            return "runs what it decodes"
    return ""


def _commands(call: Call) -> list[Call]:
    """The commands that feed a command: up the pipeline, or inside what is redirected to it."""
    found: list[Call] = []
    for feeder in call.stdin:
        found += feeder.calls if isinstance(feeder, Word) else [feeder]
    return found


def _mentions(word: Word, names: frozenset[str]) -> bool:
    return any(re.search(rf"\$\{{?{re.escape(name)}\b", word.source) for name in names)
