"""Checks: programs whose arguments need more than a table to tell whether they only read."""

import re
from collections.abc import Callable, Mapping, Sequence

from looop.loop.admit.shell.tables import is_sensitive
from looop.loop.admit.shell.words import Word

__all__ = ["CHECKS", "Check", "Words", "loose"]

Words = Sequence[Word]
Check = Callable[[Words], str]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SET = re.compile(r"[-+][efhmnouvxCET]+|pipefail|errexit|nounset|xtrace|noglob|noclobber|posix")
_SHOPT = frozenset(["-s", "-u", "-q", "nullglob", "globstar", "dotglob", "failglob", "nocaseglob"])
_SED_ADDRESS = r"(?:\d+(?:~\d+)?|\$|/(?:[^/\\\n]|\\[^\n])*/I?)"
_SED_COMMAND = re.compile(
    rf"\s*(?:{_SED_ADDRESS}(?:\s*,\s*(?:{_SED_ADDRESS}|[+~]\d+))?)?\s*!?\s*"
    r"(?:[pdqQDPNGgHhxl=]"
    r"|s(?P<d>[/|#,:@!%~_])(?:(?!(?P=d))[^\\\n]|\\[^\n])*(?P=d)"
    r"(?:(?!(?P=d))[^\\\n]|\\[^\n])*(?P=d)[gpiI0-9]*)?\s*(?:[;\n]|$)"
)
_SED_OPTIONS = re.compile(r"-[nErsuz]+|--(quiet|silent|regexp-extended|null-data|separate)")
_AWK_BAD = re.compile(r"\bsystem\b|[|>@]|\bgetline\b")
_TEST_UNARY = re.compile(r"-[a-hknoprstuwxzGLNOS]")
_TEST_BINARY = frozenset(
    ["=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"]
)
_FIND_WRITES = frozenset(["-delete", "-fprint", "-fprint0", "-fprintf", "-fls"])
_DATE_OPTION = re.compile(
    r"-[uRjn]+|-[dfr].*|-v.*|-I\w*|--(utc|universal|rfc-email|debug|(date|file|reference|iso-8601"
    r"|rfc-3339)(=.*)?)"
)


def loose(words: Words) -> str:
    """The first word before `--` that may turn into an option or into several words."""
    for word in words:
        if word.text == "--":
            return ""
        if word.loose:
            return f"unknown argument {word.source}"
    return ""


def _printf(words: Words) -> str:
    first = words[1] if len(words) > 1 else None
    if first is not None and (first.loose or (first.text.startswith("-") and first.text != "--")):
        return f"option {first.source}"
    return ""


def _test(words: Words) -> str:
    inner = list(words[1:])
    if words[0].text == "[" and inner and inner[-1].text == "]":
        inner.pop()
    for word in inner:
        if word.text in ("-v", "-R"):
            return f"option {word.source}"
    if all(word.literal for word in inner):
        return ""
    if inner[0].text == "!":
        inner.pop(0)
    for word in inner:
        if not word.single:
            return f"unknown argument {word.source}"
    shape = [word.text if word.literal else "" for word in inner]
    if len(shape) == 2 and not _TEST_UNARY.fullmatch(shape[0]):
        return f"unknown argument {inner[0].source}"
    if len(shape) == 3 and shape[1] not in _TEST_BINARY:
        return f"unknown argument {inner[1].source}"
    return "" if len(shape) <= 3 else f"unknown argument {inner[0].source}"


def _date(words: Words) -> str:
    skip = False
    for word in words[1:]:
        text = word.text
        if word.loose:
            return f"unknown argument {word.source}"
        if not skip and text.startswith("-") and not _DATE_OPTION.fullmatch(text):
            return f"option {word.source}"
        if not skip and not text.startswith(("-", "+")):
            return f"operand {word.source}"
        skip = text in ("-d", "--date", "-f", "--file", "-r", "--reference", "-v")
    return ""


def _hostname(words: Words) -> str:
    odd = [
        w
        for w in words[1:]
        if not re.fullmatch(r"-[fsiIdA]|--(fqdn|long|short|ip-address)", w.text)
    ]
    return f"argument {odd[0].source}" if odd else ""


def _all_match(pattern: Callable[[str], object]) -> Check:
    def check(words: Words) -> str:
        odd = [word for word in words[1:] if not (word.literal and pattern(word.text))]
        return f"argument {odd[0].source}" if odd else ""

    return check


def _read(words: Words) -> str:
    skip = False
    for word in words[1:]:
        text = word.text
        if skip:
            skip = False
        elif not word.literal:
            return f"unknown argument {word.source}"
        elif text.startswith("-"):
            found = re.fullmatch(r"-[rse]*(?:[dnNputi](?P<value>.*))?", text)
            if found is None:
                return f"option {word.source}"
            skip = found["value"] == ""
        elif not _NAME.fullmatch(text) or is_sensitive(text):
            return f"variable {word.source}"
    return ""


def _array(words: Words) -> str:
    odd = [
        word
        for word in words[1:]
        if not (word.literal and (word.text == "-t" or _NAME.fullmatch(word.text)))
        or is_sensitive(word.text)
    ]
    return f"argument {odd[0].source}" if odd else ""


def _kill(words: Words) -> str:
    first = words[1].text if len(words) > 1 else ""
    return "" if first in ("-0", "-l", "-L") else "sends a signal"


def _sed(words: Words) -> str:
    if why := loose(words[1:]):
        return why
    scripts: list[Word] = []
    rest: list[Word] = []
    takes = False
    for word in words[1:]:
        if takes:
            scripts.append(word)
            takes = False
        elif word.text in ("-e", "-ne", "-En", "-nE", "-Ee", "-nEe", "--expression"):
            takes = word.text.endswith("e") or word.text == "--expression"
        elif word.text.startswith("-") and word.text != "-":
            if not _SED_OPTIONS.fullmatch(word.text):
                return f"option {word.source}"
        else:
            rest.append(word)
    scripts = scripts or rest[:1]
    for script in scripts:
        if not script.literal or not _sed_reads(script.text):
            return f"script {script.source}"
    return ""


def _sed_reads(script: str) -> bool:
    place = 0
    while place < len(script):
        found = _SED_COMMAND.match(script, place)
        if found is None or found.end() == place:
            return False
        # Seds differ on whether a bracket hides the delimiter, so a torn one is not judged.
        if any(
            piece.count("[") != piece.count("]") for piece in re.split(r"[/|#,:@!%~_]", found[0])
        ):
            return False
        place = found.end()
    return True


def _awk(words: Words) -> str:
    if why := loose(words[1:]):
        return why
    rest = list(words[1:])
    while rest and rest[0].text.startswith("-"):
        option = rest.pop(0)
        if not re.fullmatch(r"-[Fv].*|--", option.text):
            return f"option {option.source}"
        if option.text in ("-F", "-v") and rest:
            rest.pop(0)
    if not rest:
        return "no script"
    script = rest[0]
    if not script.literal or _AWK_BAD.search(script.text.replace("||", "")):
        return f"script {script.source} may write or run something"
    return ""


def _find(words: Words) -> str:
    for word in words[1:]:
        if word.loose:
            return f"unknown argument {word.source}"
        if word.text in _FIND_WRITES:
            return f"option {word.source}"
    return ""


CHECKS: Mapping[str, Check] = {
    "[": _test,
    "test": _test,
    "printf": _printf,
    "date": _date,
    "hostname": _hostname,
    "set": _all_match(_SET.fullmatch),
    "shopt": _all_match(_SHOPT.__contains__),
    "read": _read,
    "mapfile": _array,
    "readarray": _array,
    "kill": _kill,
    "sed": _sed,
    "gsed": _sed,
    "awk": _awk,
    "gawk": _awk,
    "mawk": _awk,
    "find": _find,
    "gfind": _find,
}
