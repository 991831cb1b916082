"""Writes: which of a command's words name files that it changes, as far as that can be told."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from looop.loop.admit.shell.words import Word, basename, names, respelt

__all__ = ["WRITERS", "flagged", "git_verb", "operands", "written"]

_ALL = names(
    """
    rm unlink shred srm truncate touch tee sponge chattr ed ex gunzip gzip patch vi vim nano
    emacs dos2unix rmdir
    """
)
_COPIES = frozenset(["cp", "mv", "ln", "install", "rsync", "scp", "link"])
_GIT_VALUED = frozenset(
    ["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"]
)


def operands(words: Sequence[Word]) -> list[Word]:
    """The words of a command that are not options."""
    found: list[Word] = []
    ended = False
    for word in words[1:]:
        if word.text == "--" and not ended:
            ended = True
        elif ended or not word.text.startswith("-") or word.text == "-":
            found.append(word)
    return found


def flagged(words: Sequence[Word], letters: str, *longs: str) -> bool:
    """Whether one of these short options, or a long one or its abbreviation, is given."""
    for word in words[1:]:
        text = word.text
        if text == "--":
            return False
        if text.startswith("--"):
            name = text.partition("=")[0]
            if len(name) > 2 and any(long.startswith(name) for long in longs):
                return True
        elif text.startswith("-") and any(letter in text for letter in letters):
            return True
    return False


def git_verb(words: Sequence[Word]) -> tuple[str, Sequence[Word]]:
    """The verb of a git command, and the command from its verb on."""
    index = 1
    while index < len(words):
        text = words[index].text
        if not text.startswith("-"):
            return text, words[index:]
        index += 2 if text in _GIT_VALUED else 1
    return "", ()


def _values(words: Sequence[Word], *options: str) -> list[Word]:
    """The values of options, whether they follow or are attached."""
    found: list[Word] = []
    for word, following in zip(words, (*words[1:], None), strict=True):
        for option in options:
            if word.text == option:
                found += [following] if following is not None else []
            elif word.text.startswith(option + "="):
                found.append(respelt(word, word.text[len(option) + 1 :]))
            elif not option.startswith("--") and word.text.startswith(option):
                found.append(respelt(word, word.text[len(option) :]))
    return found


def _copied(words: Sequence[Word]) -> list[Word]:
    paths = operands(words)
    into = _values(words, "-t", "--target-directory")
    sources, targets = (paths, into) if into else (paths[:-1], paths[-1:])
    inside = [
        respelt(source, f"{target.text.rstrip('/')}/{basename(source)}")
        for target in targets
        for source in sources
    ]
    gone = sources if basename(words[0]) == "mv" else []
    return [*targets, *inside, *gone]


def _edited(words: Sequence[Word]) -> list[Word]:
    in_place = any(re.match(r"-[a-zA-Z]*i|--in-?place", word.text) for word in words[1:])
    return operands(words) if in_place else []


def _git(words: Sequence[Word]) -> list[Word]:
    verb, rest = git_verb(words)
    return operands(rest) if verb in ("checkout", "restore", "rm", "mv", "apply", "clean") else []


def _dd(words: Sequence[Word]) -> list[Word]:
    return [respelt(word, word.text[3:]) for word in words if word.text.startswith("of=")]


def _found(words: Sequence[Word]) -> list[Word]:
    wanted = ("-name", "-iname", "-path", "-wholename")
    removes = any(re.fullmatch(r"-(delete|(exec|ok)(dir)?)", word.text) for word in words)
    found = _values(words, "-fprint", "-fprint0", "-fprintf", "-fls")
    return [*found, *_exactly(words, *wanted)] if removes else found


def _exactly(words: Sequence[Word], *options: str) -> list[Word]:
    return [after for word, after in pairwise(words) if word.text in options]


_WRITERS: Mapping[str, Callable[[Sequence[Word]], list[Word]]] = {
    **dict.fromkeys(_ALL, operands),
    **dict.fromkeys(_COPIES, _copied),
    **dict.fromkeys(("sed", "gsed", "perl", "ruby", "yq", "awk", "gawk"), _edited),
    "git": _git,
    "dd": _dd,
    "sort": lambda words: _values(words, "-o", "--output"),
    "tree": lambda words: _values(words, "-o", "--output"),
    "curl": lambda words: _values(words, "-o", "--output"),
    "wget": lambda words: _values(words, "-O", "--output-document"),
    "uniq": lambda words: operands(words)[1:],
    "find": _found,
}


WRITERS = frozenset(_WRITERS)


def written(words: Sequence[Word]) -> list[Word]:
    """The words that name files which the command writes, replaces or removes."""
    writer = _WRITERS.get(basename(words[0]))
    return writer(words) if writer else []
