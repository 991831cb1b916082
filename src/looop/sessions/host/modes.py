"""What a program told its terminal, found by a cheap scan: modes, title, questions to answer."""

import re

__all__ = ["CARRY_BYTES", "Modes", "Scanner", "hush"]

# Only what is of interest, so that colours and cursor moves, which are most of what a program
# says, never become a match. Every repetition is bounded, and so is what is kept of a sequence
# that has not ended yet.
# Most sequences are colours and moves of the cursor: what comes after their first number tells
# them, at five times the speed of trying all that follows.
_COMMON = rb"(?!\[[0-9]*+[;mHABCDEFGJKLMPSTX@dfr])"
_SEQUENCE = re.compile(
    rb"\x1b" + _COMMON + rb"(?:"
    rb"\[\?(?P<modes>[0-9;]{1,64})(?P<set>[hl])"
    rb"|\[(?P<private>\??)(?P<asked>[0-9]{1,8})\$p"
    rb"|\[(?P<query>[>?=]?[0-9]{0,4}[cnqtu])"
    rb"|\](?:[02];(?P<title>[^\x07\x1b]{0,512})|(?P<colour>1[012]);\?)(?:\x07|\x1b\\)"
    rb"|(?P<reset>c|\[!p)"
    rb")"
)
_UNFINISHED = re.compile(
    rb"\x1b" + _COMMON + rb"(?:"
    rb"\[(?:\?[0-9;]{0,64}|\??[0-9]{0,8}\$?|[>?=]?[0-9]{0,4}|!)"
    rb"|\](?:[02](?:;[^\x07\x1b]{0,512}\x1b?)?|1(?:[012](?:;(?:\?\x1b?)?)?)?)?"
    rb")?\Z"
)
# No unfinished sequence is longer.
CARRY_BYTES = 520

_TRACKED = {
    b"1": "cursor_keys",
    b"25": "cursor",
    b"47": "alternate",
    b"1047": "alternate",
    b"1049": "alternate",
    b"2004": "paste",
}
# Light words on a dark ground: what most agents are drawn for.
_COLOURS = {
    b"10": b"d0d0/d0d0/d0d0",
    b"11": b"1c1c/1c1c/1c1c",
    b"12": b"d0d0/d0d0/d0d0",
}
# The cursor is not followed here, which would take a whole terminal. Home is true of a fresh
# screen, which is when programs ask, and it answers those that only want to know whether there
# is a terminal at all.
_ANSWERS = {
    b"c": b"\x1b[?62;22c",
    b"0c": b"\x1b[?62;22c",
    b">c": b"\x1b[>1;10;0c",
    b">0c": b"\x1b[>1;10;0c",
    b"5n": b"\x1b[0n",
    b"6n": b"\x1b[1;1R",
    b"?6n": b"\x1b[?1;1R",
    b"?u": b"\x1b[?0u",
    b">q": b"\x1bP>|looop\x1b\\",
    b">0q": b"\x1bP>|looop\x1b\\",
}
# A cell is taken to be as large as in most terminals.
_CELL_WIDTH, _CELL_HEIGHT = 8, 16
_SIZE_QUERIES = (b"14t", b"18t")


def _asks(match: re.Match[bytes]) -> bool:
    """Whether a sequence is one that a terminal answers."""
    if match.lastgroup == "query":
        return match["query"] in _ANSWERS or match["query"] in _SIZE_QUERIES
    return match.lastgroup in ("asked", "colour")


def _hushed(match: re.Match[bytes]) -> bytes:
    return bytes(len(match[0])) if _asks(match) else match[0]


def hush(data: bytes, *, last: bool) -> bytes:
    """
    Old output for a terminal that would answer: each question in it replaced by as many NULs.

    It was answered when it was asked; a terminal ignores a NUL, and offsets stay true. Unless
    it is the `last` piece, what may become a question with the next one is left off its end.
    """
    if b"\x1b" not in data:
        return data
    if not last:
        found = _UNFINISHED.search(data, max(1, len(data) - CARRY_BYTES))
        data = data[: found.start()] if found else data
    return _SEQUENCE.sub(_hushed, data)


class Modes:
    """The modes that a client must know of. `title` is bytes as the program sent them."""

    __slots__ = ("alternate", "cursor", "cursor_keys", "paste", "title")

    def __init__(self) -> None:
        self.alternate = False
        self.cursor = True
        self.cursor_keys = False
        self.paste = False
        self.title = b""

    def as_dict(self) -> dict[str, object]:
        """As an answer to a client tells them."""
        return {
            "alternate": self.alternate,
            "cursor": self.cursor,
            "cursor_keys": self.cursor_keys,
            "paste": self.paste,
            "title": self.title.decode("utf-8", "replace"),
        }

    def reset(self, *, hard: bool) -> None:
        """What the program did to its terminal's modes by resetting it."""
        self.cursor = True
        self.cursor_keys = False
        if hard:
            self.alternate = self.paste = False


class Scanner:
    """
    Feeds on output in any chunking; gives back the answers that a terminal would send.

    `unfinished` is how many bytes at the end of the output begin a sequence that may still
    become one of interest.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.modes = Modes()
        self.columns = columns
        self.rows = rows
        self._carry = b""

    @property
    def unfinished(self) -> int:
        return len(self._carry)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Track modes in `chunk`; the answers to its questions, in the order they were asked."""
        if not self._carry and b"\x1b" not in chunk:
            return []
        data = self._carry + chunk
        answers = [answer for match in _SEQUENCE.finditer(data) if (answer := self._take(match))]
        found = _UNFINISHED.search(data, max(0, len(data) - CARRY_BYTES))
        self._carry = data[found.start() :] if found else b""
        return answers

    def _take(self, match: re.Match[bytes]) -> bytes:
        kind = match.lastgroup
        if kind == "set":
            for number in match["modes"].split(b";"):
                name = _TRACKED.get(number)
                if name is not None:
                    setattr(self.modes, name, match["set"] == b"h")
        elif kind == "title":
            self.modes.title = match["title"]
        elif kind == "reset":
            self.modes.reset(hard=match["reset"] == b"c")
        else:
            return self._answer(match)
        return b""

    def _answer(self, match: re.Match[bytes]) -> bytes:
        """What a terminal says to this sequence; b"" if it is no question."""
        if not _asks(match):
            return b""
        if match.lastgroup == "colour":
            number = match["colour"]
            return b"\x1b]" + number + b";rgb:" + _COLOURS[number] + b"\x1b\\"
        if match.lastgroup == "asked":
            state = self._mode_state(match["asked"]) if match["private"] else 0
            return b"\x1b[%b%b;%d$y" % (match["private"], match["asked"], state)
        query = match["query"]
        if query == b"18t":
            return b"\x1b[8;%d;%dt" % (self.rows, self.columns)
        if query == b"14t":
            return b"\x1b[4;%d;%dt" % (self.rows * _CELL_HEIGHT, self.columns * _CELL_WIDTH)
        return _ANSWERS[query]

    def _mode_state(self, number: bytes) -> int:
        """1 set, 2 reset, 0 for a mode that is not known here."""
        name = _TRACKED.get(number)
        return 0 if name is None else 1 if getattr(self.modes, name) else 2
