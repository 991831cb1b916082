"""Spelling: what a word of source becomes when the shell has expanded it, as far as known."""

import re
from typing import Protocol

from looop.loop.admit.shell.parse import Node, child, children, string
from looop.loop.admit.shell.words import (
    CLASS,
    CLOSE,
    COMMA,
    DECODED,
    GLOBS,
    HOME,
    MANY,
    MAYBE,
    ONE,
    OPEN,
    SOME,
    SPLIT,
    STAR,
    UNKNOWNS,
    Call,
    Scope,
    Word,
    marked,
)

__all__ = ["Hooks", "Speller"]

_GLOB = str.maketrans({"*": STAR, "?": ONE, "[": CLASS})
_LIVE = _GLOB | str.maketrans({"{": OPEN, ",": COMMA, "}": CLOSE})
_DEAD = str.maketrans({OPEN: "{", COMMA: ",", CLOSE: "}"})
_INNER = re.compile(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")
_RANGE = re.compile(r"-?\w+\.\.-?\w+(\.\.-?\d+)?")
_TILDE = re.compile(r"~([A-Za-z0-9._-]*|\+)(?=/|$)")
_ANSI = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|[0-7]{1,3}|.)", re.DOTALL)
_ANSI_NAMED = dict(zip("ntrabfveE\\'\"?", "\n\t\r\a\b\f\v\x1b\x1b\\'\"?", strict=True))
_PROCESS = re.compile(r"[<>]\(")
_MOST_WORDS = 64
_MOST_EXPANDED = 100_000


class Hooks(Protocol):
    """What spelling tells the walker of commands about."""

    def commands(self, node: Node) -> tuple[Call, ...]:
        """Walk the commands inside a substitution."""
        ...

    def arithmetic(self, *nodes: Node) -> None:
        """An arithmetic expression was met."""
        ...

    def odd(self, said: str) -> None:
        """Something that is not harmless was met."""
        ...

    def hidden(self, source: str) -> None:
        """Source was met that the parser does not look into."""
        ...

    def assigned(self, name: str, value: str) -> None:
        """A variable was set by an expansion."""
        ...


def _unescape(text: str, escapable: str) -> str:
    out: list[str] = []
    rest = iter(text)
    for char in rest:
        if char != "\\":
            out.append(char)
            continue
        following = next(rest, "")
        if following != "\n":
            out.append(following if following and following in escapable else "\\" + following)
    return "".join(out)


def _bare(text: str) -> str:
    """An unquoted literal: escapes taken away, live characters marked."""
    out: list[str] = []
    rest = iter(text)
    for char in rest:
        if char == "\\":
            following = next(rest, "\\")
            out.append("" if following == "\n" else following)
        else:
            out.append(char.translate(_LIVE))
    return "".join(out)


def _ansi(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        code = found[1]
        if code in _ANSI_NAMED:
            return _ANSI_NAMED[code]
        if code[0] in "xu" and len(code) > 1:
            value = int(code[1:], 16)
        elif code.isdigit() and code < "8":
            value = int(code, 8) & 0xFF
        else:
            return MAYBE
        return MAYBE if 0xD800 <= value <= 0xDFFF or value == 0 else chr(value)

    return _ANSI.sub(one, text)


def _alternatives(text: str) -> list[str]:
    """The words that brace expansion makes of a spelling, each at least once."""
    done: list[str] = []
    todo = [text]
    while todo and len(done) + len(todo) <= _MOST_WORDS:
        this = todo.pop(0)
        found = _INNER.search(this)
        if found is None:
            done.append(this)
            continue
        head, body, end = this[: found.start()], found[1], this[found.end() :]
        if COMMA in body:
            todo[:0] = [head + choice + end for choice in body.split(COMMA)]
        elif _RANGE.fullmatch(body):
            todo.insert(0, head + SOME + end)
        else:
            todo.insert(0, f"{head}{{{body}}}{end}")
    return done + todo


class Speller:
    """Spells the words of one text; `scope` None means that no variable's value is known."""

    def __init__(self, source: bytes, scope: Scope | None, hooks: Hooks) -> None:
        self._source = source
        self._scope = scope
        self._hooks = hooks
        self._calls: list[Call] = []
        self._budget = _MOST_EXPANDED
        self._inside = 0

    def written(self, node: Node) -> str:
        """A node's own source text."""
        piece = self._source[node["Pos"]["Offset"] : node["End"]["Offset"]]
        return piece.decode("utf-8", "replace")

    def words(self, node: Node) -> list[Word]:
        """The words that an argument becomes; it is expanded and split."""
        text, calls = self._spelt(node)
        texts = _alternatives(text)
        pieces = [piece for each in texts for piece in each.split(SPLIT)]
        braced = texts != [text] and not (len(texts) == 1 and SOME not in texts[0])
        sure = len(pieces) == 1 and not braced
        return [_word(piece, self.written(node), calls, sure=sure) for piece in pieces]

    def word(self, node: Node) -> Word:
        """The word of a redirect, an assignment or a test: never split, never brace-expanded."""
        text, calls = self._spelt(node)
        return _word(text, self.written(node), calls)

    def body(self, node: Node, *, quoted: bool) -> Word:
        """The text of a heredoc."""
        parts = children(node, "Parts")
        if quoted and all(string(part, "Type") == "Lit" for part in parts):
            return Word(text="".join(string(part) for part in parts), source="<<")
        before, self._calls = self._calls, []
        text = "".join(self._part(part, quoted=True, escapable="$`\\") for part in parts)
        calls, self._calls = tuple(self._calls), before
        text = text.replace(MANY, "")
        return Word(text=text, source="<<", literal=not marked(text), calls=calls)

    def _spelt(self, node: Node) -> tuple[str, tuple[Call, ...]]:
        before, self._calls = self._calls, []
        text = self._parts(node)
        calls, self._calls = tuple(self._calls), before
        self._calls += calls
        return text, calls

    def _parts(self, node: Node, *, quoted: bool = False) -> str:
        parts = children(node, "Parts")
        spelt = [self._part(part, quoted=quoted) for part in parts]
        if parts and not quoted and string(parts[0], "Type") == "Lit":
            found = _TILDE.match(string(parts[0]))
            if found is not None:
                mark = MAYBE if found[1] in ("+", "-") else HOME
                spelt[0] = mark + _bare(string(parts[0])[found.end() :])
        return "".join(spelt)

    def _part(self, part: Node, *, quoted: bool, escapable: str = '$`"\\') -> str:
        match part.get("Type"):
            case "Lit":
                # In ${x:-<(...)} bash starts the command, and shfmt takes it for text.
                if (self._inside or not quoted) and _PROCESS.search(string(part)):
                    self._hooks.hidden(self.written(part))
                return _unescape(string(part), escapable) if quoted else _bare(string(part))
            case "SglQuoted":
                # Inside "${x:-'...'}" bash takes single quotes literally, and shfmt does not.
                if quoted and any(char in string(part) for char in "$`\\"):
                    self._hooks.hidden(self.written(part))
                return DECODED + _ansi(string(part)) if part.get("Dollar") else string(part)
            case "DblQuoted":
                return (DECODED if part.get("Dollar") else "") + self._parts(part, quoted=True)
            case "ParamExp":
                return self._parameter(part, quoted)
            case "ArithmExp":
                self._hooks.arithmetic(child(part, "X"))
                return SOME
            case "CmdSubst":
                if part.get("Backquotes") and "\\" in self.written(part):
                    self._hooks.hidden(self.written(part))
                self._calls += self._hooks.commands(part)
                return MAYBE if quoted else MAYBE + MANY
            case "ProcSubst":
                self._calls += self._hooks.commands(part)
                return SOME
            case _:  # an extended glob, whose patterns shfmt keeps as text, or something new
                self._hooks.hidden(self.written(part))
                return MAYBE + MANY

    def _parameter(self, node: Node, quoted: bool) -> str:
        name = string(child(node, "Param"))
        index = child(node, "Index")
        every = name in ("@", "*") or bool(index and self.written(index) in ("@", "*"))
        if index and not every:
            self._hooks.arithmetic(index)
        self._hooks.arithmetic(*child(node, "Slice").values())
        self._inside += 1
        for pattern in child(node, "Repl").values():
            self._parts(pattern, quoted=quoted)
        other = self._parts(child(child(node, "Exp"), "Word"), quoted=quoted)
        self._inside -= 1
        operator = string(child(node, "Exp"), "Op")
        value = self._value(name, quoted)
        many = MANY if every or not quoted else ""
        if node.get("Excl") or operator == "@":
            self._hooks.odd(f"expands a variable in a way that can run code: {self.written(node)}")
            return MAYBE + many
        if node.get("Length") or (name in ("?", "#", "$") and not operator):
            return SOME
        if node.get("Slice") or node.get("Repl"):
            return MAYBE + many
        if operator in ("=", ":="):
            self._hooks.assigned(name, other)
        return self._operated(operator, value, other, many)

    def _operated(self, operator: str, value: str | None, other: str, many: str) -> str:
        """What `${name<operator>other}` gives when the variable's value is this."""
        if operator in ("", "?", ":?", "-", ":-", "=", ":=") and value is not None:
            return value
        if operator in ("?", ":?"):
            return SOME + many
        if operator in ("-", ":-", "=", ":=") and self._scope is not None and other:
            return other
        if operator in ("%", "%%") and value == HOME:
            return HOME
        return MAYBE + many

    def _value(self, name: str, quoted: bool) -> str | None:
        value = (self._scope or {}).get(name)
        self._budget -= len(value or "")
        if value is None or self._budget < 0:
            return HOME if name == "HOME" else None
        if quoted:
            return value
        return SPLIT.join(value.split()).translate(_GLOB) or MANY


def _word(text: str, source: str, calls: tuple[Call, ...], *, sure: bool = True) -> Word:
    text = text.translate(_DEAD)
    if "]" not in text:
        text = text.replace(CLASS, "[")
    many = MANY in text
    literal = sure and not marked(text)
    text = text.replace(MANY, "").replace(DECODED, "")
    return Word(
        text=text,
        source=source,
        literal=literal,
        single=sure and not many and not any(glob in text for glob in GLOBS),
        loose=many or text[:1] in tuple(UNKNOWNS + GLOBS),
        calls=calls,
    )
