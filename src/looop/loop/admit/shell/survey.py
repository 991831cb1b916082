"""Surveying: walks a script, and all scripts inside it, and gathers what there is to say."""

import re
from collections.abc import Iterable
from itertools import pairwise

from msgspec import Struct, field, structs

from looop.kit.text import one_line
from looop.loop.admit.shell.ast import Script, walk
from looop.loop.admit.shell.dangers import DANGEROUS, danger
from looop.loop.admit.shell.downloads import downloads, foreign_code, inline_code
from looop.loop.admit.shell.parse import Node, NotParsed, Unavailable, parse
from looop.loop.admit.shell.paths import is_sink, moved, protected
from looop.loop.admit.shell.reads import LISTED, asks_version, misplaced, objection
from looop.loop.admit.shell.rough import rough_calls
from looop.loop.admit.shell.tables import is_sensitive, may_export
from looop.loop.admit.shell.words import (
    HOME,
    SPLIT,
    UNKNOWNS,
    Assign,
    Call,
    Redirect,
    Scope,
    Word,
    basename,
    marked,
    readable,
)
from looop.loop.admit.shell.wrappers import WRAPPERS, peel
from looop.loop.admit.shell.writes import WRITERS, operands, written

__all__ = ["Survey", "worlds"]

_MOST_TREES = 40
_MOST_CHARS = 40_000
_MOST_DEPTH = 16
_MOST_WORLDS = 8
_MOST_VALUE = 400
_KNOWN = LISTED | DANGEROUS | WRAPPERS | WRITERS
_FD = re.compile(r"\d+-?|-")
_QUIET = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty")
_NET = ("/dev/tcp", "/dev/udp")


def _known(name: str) -> bool:
    return name in _KNOWN or name.startswith("mkfs")


class Survey(Struct, kw_only=True):
    """
    What was found so far.

    `trees` are parsed texts, shared between surveys of the same command. `scope` are the
    values of variables, None when none is taken for known. `odd` are the reasons why the
    command does not only read, `obscure` those why it is not understood.
    """

    trees: dict[str, Node | NotParsed]
    scope: Scope | None = None
    odd: list[str] = field(default_factory=list[str])
    obscure: list[str] = field(default_factory=list[str])
    dangers: dict[str, None] = field(default_factory=dict[str, None])
    programs: dict[str, None] = field(default_factory=dict[str, None])
    touches: dict[str, None] = field(default_factory=dict[str, None])
    assigns: list[Assign] = field(default_factory=list[Assign])
    unavailable: bool = False
    walked: int = 0
    cwd: str | None = None
    fetched: frozenset[str] = frozenset()

    def script(self, text: str, depth: int = 0) -> None:
        """Survey the text of a script."""
        self.walked += len(text)
        try:
            script = walk(self._tree(text, depth), text, self.scope)
        except NotParsed as error:
            self.unavailable = self.unavailable or isinstance(error, Unavailable)
            self.obscure.append(str(error))
            self._rough(text, depth)
            return
        except RecursionError:
            self.obscure.append("is nested too deeply")
            self._rough(text, depth)
            return
        self._take(script, depth)

    def _tree(self, text: str, depth: int) -> Node:
        if text not in self.trees:
            inner = sum([*map(len, self.trees), len(text)][1:])
            if depth > _MOST_DEPTH or len(self.trees) >= _MOST_TREES or inner > _MOST_CHARS:
                raise NotParsed("holds too many scripts within scripts")
            try:
                self.trees[text] = parse(text)
            except NotParsed as error:
                self.trees[text] = error
        tree = self.trees[text]
        if isinstance(tree, NotParsed):
            raise tree
        return tree

    def _rough(self, text: str, depth: int) -> None:
        """Look for dangers in what cannot be parsed: bash may run the part before the error."""
        if depth > _MOST_DEPTH:
            return
        calls, targets = rough_calls(text, _known)
        for target in targets:
            self._touch(target, target.source)
        for call in calls:
            self._call(call, Script(), depth + 1)

    def _take(self, script: Script, depth: int) -> None:
        self.odd += script.odd
        self.obscure += script.obscure
        for source in script.hidden:
            self._rough(source, depth + 1)
        for assign in script.assigns:
            self._assign(assign)
        for function in script.functions:
            if _known(function.name.rpartition("/")[2]):
                self.odd.append(f"a function takes the name of the program {function.name}")
            if any(c.forked and basename(c.words[0]) == function.name for c in function.calls):
                self._danger("a function that multiplies itself", function.name)
        for redirect in script.redirects:
            self._redirect(redirect)
        for call in script.calls:
            self._call(call, script, depth)

    def _assign(self, assign: Assign) -> None:
        self.assigns.append(assign)
        if assign.calls and downloads(assign.calls):
            self.fetched |= {assign.name}
        fine = may_export(assign.name) if assign.exported else not is_sensitive(assign.name)
        if not fine:
            self.odd.append(f"sets the variable {assign.name}")

    def _redirect(self, redirect: Redirect) -> None:
        word, text = redirect.word, redirect.word.text
        if redirect.op in ("<<", "<<-", "<<<") or (
            redirect.op in (">&", "<&") and word.literal and _FD.fullmatch(text)
        ):
            return
        if redirect.op == "<":
            fixed = re.split(f"[{UNKNOWNS}]", text)[0]
            sure = fixed and not fixed.startswith(_NET) and not "/dev/tcp/".startswith(fixed)
            if not (sure or word.source.startswith("<(")):
                self.odd.append(f"reads from {redirect.op} {word.source}")
            return
        if not (word.literal and text in _QUIET):
            self.odd.append(f"writes {redirect.fd}{redirect.op} {word.source}")
        self._touch(word, f"{redirect.op} {word.source}")

    def _touch(self, word: Word, source: str) -> None:
        if protected(word.text, self.cwd):
            self._danger("writes what must never be written", source)
        if (
            word.text not in ("", "-")
            and not is_sink(word.text)
            and not any(u in word.text for u in UNKNOWNS)
        ):
            self.touches[readable(word.text)] = None

    def _danger(self, what: str, source: str) -> None:
        self.dangers[one_line(f"{what}: {source}", 200)] = None

    def _call(self, call: Call, script: Script, depth: int) -> None:
        program = call.words[0]
        name = basename(program)
        source = " ".join(word.source for word in call.words)
        if not program.literal:
            self.obscure.append(f"runs a program that is not named literally: {source}")
        if depth > _MOST_DEPTH:
            self.obscure.append(f"holds too many commands within commands: {source}")
            self._deep(call)
            return
        if what := danger(call, self.cwd) or foreign_code(call, self.fetched):
            self._danger(what, source)
        if code := inline_code(call):
            self._rough(code, depth)
        if marked(program.text):
            for option, word in pairwise(call.words):
                if option.text == "-c":
                    self.script(readable(word.text), depth + 1)
            return
        self.programs[name] = None
        for word in written(call.words):
            self._touch(word, source)
        if misplaced(program):
            self.odd.append(f"runs a program by its path: {source}")
        if any(f.certain and f.name == program.text and f.at <= call.at for f in script.functions):
            self._positional(call)
            return
        self._judge(call, name, depth)

    def _deep(self, call: Call) -> None:
        """Past the limit, any word that may be a dangerous program is taken for one."""
        for index, word in enumerate(call.words[:500]):
            if basename(word) in DANGEROUS:
                inner = structs.replace(call, words=call.words[index:])
                if what := danger(inner, self.cwd):
                    self._danger(what, " ".join(each.source for each in inner.words))

    def _judge(self, call: Call, name: str, depth: int) -> None:
        if asks_version(call.words):
            return
        peeled = peel(call, _known)
        why = "" if peeled is not None and name not in ("find", "gfind") else objection(call.words)
        if why := why or (peeled.why if peeled is not None else ""):
            self.odd.append(f"{name}: {why}")
        cwd = self.cwd
        if peeled is not None:
            self.odd += [f"{name} sets {var}" for var in peeled.assigns if not may_export(var)]
            for words in peeled.commands:
                # A wrapper starts a program, even where a function has its name.
                self._call(structs.replace(call, words=words), Script(), depth + 1)
            for word in peeled.scripts:
                if not word.literal:
                    self.obscure.append(f"{name} runs a script that is not literal: {word.source}")
                self.script(readable(word.text), depth + 1)
        if name in ("cd", "pushd"):
            places = operands(call.words)
            self.cwd = moved(cwd, places[0].text if places else HOME)
        elif name not in ("eval", ".", "source", "builtin", "command"):
            self.cwd = cwd

    def _positional(self, call: Call) -> None:
        """Arguments of a function: what its body may see as `$1`."""
        values = [word.text for word in call.words[1:]]
        for index, value in enumerate(values[:9], 1):
            self.assigns.append(Assign(name=str(index), value=value))
        for name in ("@", "*"):
            self.assigns.append(Assign(name=name, value=SPLIT.join(values)))


def worlds(assigns: Iterable[Assign]) -> list[Scope]:
    """Scopes in which every variable has, once at least, each value that it is ever given."""
    values: dict[str, dict[str, None]] = {}
    for assign in assigns:
        if assign.value is not None and len(assign.value) <= _MOST_VALUE:
            values.setdefault(assign.name, {})[assign.value] = None
    lists = {name: list(found)[:_MOST_WORLDS] for name, found in values.items()}
    count = max((len(found) for found in lists.values()), default=0)
    return [
        {name: found[turn % len(found)] for name, found in lists.items()} for turn in range(count)
    ]
