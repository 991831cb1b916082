"""Walking: from a syntax tree to every simple command, redirect and assignment in it."""

import re
from typing import Any, cast

from msgspec import Struct, field, structs

from looop.loop.admit.shell.parse import Node, child, children, string
from looop.loop.admit.shell.spell import Speller
from looop.loop.admit.shell.words import (
    SOME,
    SPLIT,
    Assign,
    Call,
    Function,
    Redirect,
    Scope,
    Word,
    readable,
)

__all__ = ["Script", "walk"]

_NUMBER = re.compile(r"-?(\d+|0[xX][0-9A-Fa-f]+)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARITHMETIC_TESTS = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge"}
_INPUTS = {"<", "<<", "<<-", "<<<", "<>"}
_DECLARE_FLAGS = re.compile(r"[-+][xrgpaA]+")


class Script(Struct, kw_only=True):
    """
    All that one text would run, wherever it stands in it.

    `odd` are things that keep the text from being harmless, `obscure` those that keep it from
    being understood, `hidden` pieces of source that the parser does not look into.
    """

    calls: list[Call] = field(default_factory=list[Call])
    redirects: list[Redirect] = field(default_factory=list[Redirect])
    assigns: list[Assign] = field(default_factory=list[Assign])
    functions: list[Function] = field(default_factory=list[Function])
    odd: list[str] = field(default_factory=list[str])
    obscure: list[str] = field(default_factory=list[str])
    hidden: list[str] = field(default_factory=list[str])


def walk(tree: Node, text: str, scope: Scope | None) -> Script:
    """Every simple command, redirect and assignment of a tree. May raise `RecursionError`."""
    walker = _Walker(text.encode(), scope)
    walker.visit(tree)
    walker.script.calls.sort(key=lambda call: call.at)
    return walker.script


class _Walker:
    """Visits every node; what it has no method for, it walks through."""

    def __init__(self, source: bytes, scope: Scope | None) -> None:
        self.script = Script()
        self._lines = source.decode().split("\n")
        self._speller = Speller(source, scope, self)
        self._stdin: tuple[Word | Call, ...] = ()
        self._forks = 0
        self._depth = 0
        self._methods = {
            "ArithmCmd": self._arithmetic_command,
            "BinaryCmd": self._pipeline,
            "CallExpr": self._call,
            "CoprocClause": self._coproc,
            "CStyleLoop": self._arithmetic_command,
            "DeclClause": self._declaration,
            "FuncDecl": self._function,
            "LetClause": self._let,
            "BinaryTest": self._test,
            "UnaryTest": self._test,
            "TestDecl": self._unknown,
            "WordIter": self._loop,
            "Word": self._word,
        }

    # ------------------------------------------------------------- what the speller tells

    def commands(self, node: Node) -> tuple[Call, ...]:
        before = len(self.script.calls)
        self._depth += 1
        self.visit(node.get("Stmts"))
        self._depth -= 1
        return tuple(self.script.calls[before:])

    def arithmetic(self, *nodes: Node) -> None:
        """Bash evaluates the *contents* of variables here, commands in subscripts included."""
        for leaf in _words_of(list(nodes)):
            word = self._speller.word(leaf)
            if not (word.literal and _NUMBER.fullmatch(word.text)):
                self.odd(f"does arithmetic with what is not a number: {word.source}")

    def odd(self, said: str) -> None:
        self.script.odd.append(said)

    def hidden(self, source: str) -> None:
        self.script.obscure.append(f"holds what the parser does not look into: {source}")
        self.script.hidden.append(source)

    def assigned(self, name: str, value: str) -> None:
        self.script.assigns.append(Assign(name=name, value=value))

    # ----------------------------------------------------------------------------- visits

    def visit(self, node: Any) -> None:
        if isinstance(node, list):
            for item in cast("list[Any]", node):
                self.visit(item)
        elif isinstance(node, dict):
            self._node(cast("Node", node))

    def _node(self, node: Node) -> None:
        kind = node.get("Type")
        method = self._methods.get(str(kind)) if kind else None
        if method is not None:
            method(node)
        elif kind is None and ("Cmd" in node or "Redirs" in node):
            self._statement(node)
        elif kind is None and "Parts" in node:
            self._word(node)
        else:
            top = kind == "File"
            self._depth += not top
            for value in node.values():
                self.visit(value)
            self._depth -= not top

    def _unknown(self, node: Node) -> None:
        self.hidden(self._speller.written(node))

    def _word(self, node: Node) -> None:
        self._speller.word(node)

    def _statement(self, node: Node) -> None:
        stdin, background = self._stdin, bool(node.get("Background") or node.get("Coprocess"))
        for raw in children(node, "Redirs"):
            redirect = self._redirect(raw)
            self.script.redirects.append(redirect)
            if redirect.op in _INPUTS and redirect.fd in ("", "0"):
                fed = redirect.body or redirect.word
                self._stdin = (
                    *self._stdin,
                    structs.replace(fed, source="<<" if redirect.body else redirect.op),
                )
        self._forks += background
        self._depth += background
        self.visit(node.get("Cmd"))
        self._depth -= background
        self._forks -= background
        self._stdin = stdin

    def _redirect(self, node: Node) -> Redirect:
        fd = string(child(node, "N"))
        if fd.startswith("{"):
            self.script.assigns.append(Assign(name=fd.strip("{}")))
        op, delimiter = string(node, "Op"), child(node, "Word")
        word = self._speller.word(delimiter)
        body: Word | None = None
        if op in ("<<", "<<-"):
            document = child(node, "Hdoc")
            quoted = self._speller.written(delimiter) != readable(word.text)
            body = self._speller.body(document, quoted=quoted)
            if not self._ends_there(node, readable(word.text), quoted=quoted):
                self.hidden("\n".join(self._lines[int(node["OpPos"]["Line"]) - 1 :]))
        return Redirect(op=op, word=word, fd=fd, body=body)

    def _ends_there(self, node: Node, delimiter: str, *, quoted: bool) -> bool:
        """
        Whether bash ends a heredoc where shfmt does.

        Bash looks for the delimiter line by line before anything else. Shfmt looks for the end
        of an open expansion first, and the two join continued lines in different ways.
        """
        document, start = child(node, "Hdoc"), int(node["OpPos"]["Line"])
        if not document or document["Pos"]["Line"] != start + 1:
            return False
        for number, line in enumerate(self._lines[start:], start + 1):
            if (line.lstrip("\t") if string(node, "Op") == "<<-" else line) == delimiter:
                return bool(document["End"]["Line"] == number)
            if not quoted and line.endswith("\\"):
                return False
        return False

    def _pipeline(self, node: Node) -> None:
        piped = node.get("Op") in ("|", "|&")
        stdin, before = self._stdin, len(self.script.calls)
        self._forks += piped
        self._depth += 1
        self.visit(node.get("X"))
        if piped:
            self._stdin = (*stdin, *self.script.calls[before:])
        self.visit(node.get("Y"))
        self._depth -= 1
        self._forks -= piped
        self._stdin = stdin

    def _call(self, node: Node) -> None:
        arguments = children(node, "Args")
        for raw in children(node, "Assigns"):
            self._assign(raw, exported=bool(arguments))
        words = [word for raw in arguments for word in self._speller.words(raw)]
        if words:
            self.script.calls.append(
                Call(
                    words=tuple(words),
                    at=int(node["Pos"]["Offset"]),
                    forked=self._forks > 0,
                    stdin=self._stdin,
                )
            )

    def _assign(self, node: Node, *, exported: bool) -> None:
        self.arithmetic(child(node, "Index"))
        value: str | None = None
        calls: tuple[Call, ...] = ()
        if "Array" in node:
            items: list[Word] = []
            for element in children(child(node, "Array"), "Elems"):
                self.arithmetic(child(element, "Index"))
                items += self._speller.words(child(element, "Value"))
            value = SPLIT.join(item.text for item in items)
            calls = tuple(call for item in items for call in item.calls)
        elif node.get("Value"):
            word = self._speller.word(child(node, "Value"))
            value, calls = word.text, word.calls
        elif not node.get("Naked"):
            value = ""
        if node.get("Append"):
            value = SOME
        name = string(child(node, "Name"))
        self.script.assigns.append(Assign(name=name, value=value, exported=exported, calls=calls))

    def _declaration(self, node: Node) -> None:
        variant = string(child(node, "Variant"))
        flags = ""
        for raw in children(node, "Args"):
            if raw.get("Name"):
                self._assign(raw, exported=variant == "export" or "x" in flags)
                continue
            word = self._speller.word(child(raw, "Value"))
            if word.literal and _DECLARE_FLAGS.fullmatch(word.text):
                flags += word.text
            elif not (word.literal and _NAME.fullmatch(word.text)):
                self.odd(f"{variant} with what is not a plain name: {word.source}")

    def _function(self, node: Node) -> None:
        name = string(child(node, "Name"))
        before, forks, depth = len(self.script.calls), self._forks, self._depth
        self._forks = 0
        self._depth += 1
        self.visit(node.get("Body"))
        self._forks, self._depth = forks, depth
        self.script.functions.append(
            Function(
                name=name,
                at=int(node["End"]["Offset"]),
                certain=depth == 0,
                calls=tuple(self.script.calls[before:]),
            )
        )

    def _coproc(self, node: Node) -> None:
        if name := child(node, "Name"):
            self.script.assigns.append(Assign(name=self._speller.word(name).text))
        self._forks += 1
        self._depth += 1
        self.visit(node.get("Stmt"))
        self._depth -= 1
        self._forks -= 1

    def _loop(self, node: Node) -> None:
        name = string(child(node, "Name"))
        items = [word for raw in children(node, "Items") for word in self._speller.words(raw)]
        for word in items:
            self.script.assigns.append(Assign(name=name, value=word.text, calls=word.calls))
        if not items:
            self.script.assigns.append(Assign(name=name))

    def _arithmetic_command(self, node: Node) -> None:
        self.arithmetic(*(child(node, key) for key in ("X", "Init", "Cond", "Post")))

    def _let(self, node: Node) -> None:
        self.arithmetic(*children(node, "Exprs"))

    def _test(self, node: Node) -> None:
        operator = string(node, "Op")
        operands = [child(node, "X"), child(node, "Y")]
        if operator in _ARITHMETIC_TESTS:
            self.arithmetic(*operands)
            return
        if operator in ("-v", "-R"):
            self.odd(f"{operator} evaluates a variable's name: {self._speller.written(node)}")
        self.visit(operands)


def _words_of(node: Any) -> list[Node]:
    if isinstance(node, list):
        return [word for item in cast("list[Any]", node) for word in _words_of(item)]
    if not isinstance(node, dict):
        return []
    this = cast("Node", node)
    if "Parts" in this:
        return [this]
    return [word for value in this.values() for word in _words_of(value)]
