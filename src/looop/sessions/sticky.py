"""What a program set on its terminal that no cell shows: title, mouse, paste, keys, cursor shape."""

import re

__all__ = ["Sticky"]

# One literal to search for, and a look ahead that dismisses most sequences at once.
_ASKED = re.compile(
    "\x1b(?=\\[[?<>=]|\\[[0-9]? q|[\\]=>c])(?:"
    r"\[\?(?P<modes>[0-9;]{1,64})(?P<set>[hl])"
    r"|\](?P<icon>[02]);(?P<title>[^\x00-\x1f\x7f-\x9f]{0,512})(?:[\x07\x9c]|(?=\x1b))"
    r"|\[(?P<kitty>[<>=])(?P<flags>[0-9]{0,4})(?:;[0-9])?u"
    r"|\[>4(?:;(?P<other>[0-3]))?m"
    r"|\[(?P<shape>[0-9]?) q"
    r"|(?P<keypad>[=>])"
    r"|(?P<reset>c)"
    ")"
)
# What may still become one of these: unfinished, at the end, and no longer than the longest.
_UNFINISHED = re.compile(
    r"\x1b(?:\[(?:\?[0-9;]{0,64}|[<>=][0-9;]{0,8}|[0-9]? ?)?|\](?:[02](?:;[^\x00-\x1f\x7f-\x9f]{0,512})?)?)?\Z"
)
_CARRY = 600
# Cursor keys, mouse reports and their encodings, focus reports, wheel as keys, bracketed paste.
_MODES = ("1", "9", "1000", "1002", "1003", "1004", "1005", "1006", "1007", "1015", "1016", "2004")
_STACK = 8


class Sticky:
    """Feeds on decoded output in any chunking; `modes` is what sets a fresh terminal the same."""

    def __init__(self) -> None:
        self._reset()
        self._carry = ""
        self.title = ""

    def _reset(self) -> None:
        self._modes: set[str] = set()
        self._kitty: list[str] = []
        self._other = ""
        self._shape = ""
        self._keypad = False

    def feed(self, text: str) -> None:
        """Note what `text` sets."""
        data = self._carry + text
        if "\x1b" not in data:
            return
        for match in _ASKED.finditer(data):
            self._note(match)
        rest = _UNFINISHED.search(data, max(0, len(data) - _CARRY))
        self._carry = data[rest.start() :] if rest else ""

    def _note(self, match: re.Match[str]) -> None:
        kind = match.lastgroup
        if kind == "set":
            for mode in match["modes"].split(";"):
                if mode in _MODES:
                    (self._modes.add if match["set"] == "h" else self._modes.discard)(mode)
        elif kind == "title":
            self.title = match["title"]
        elif kind in ("kitty", "flags"):
            self._keys(match["kitty"], match["flags"])
        elif kind == "shape":
            self._shape = match["shape"]
        elif kind == "keypad":
            self._keypad = match["keypad"] == "="
        elif kind == "reset":
            self._reset()
        else:
            # `CSI > 4 m` without a value turns it off.
            self._other = match["other"] or ""

    def _keys(self, how: str, number: str) -> None:
        """The stack of keyboard flags: `>` pushes, `<` pops, `=` replaces the top."""
        if how == ">":
            self._kitty = [*self._kitty[1 - _STACK :], number or "0"]
        elif how == "<":
            count = int(number or "1")
            self._kitty = self._kitty[: max(0, len(self._kitty) - count)] if count else self._kitty
        else:
            self._kitty = [*self._kitty[:-1], number or "0"]

    def modes(self) -> str:
        """The sequences that set a fresh terminal to this."""
        out = [f"\x1b]2;{self.title}\x07"] if self.title else []
        out += [f"\x1b[?{mode}h" for mode in _MODES if mode in self._modes]
        out += [f"\x1b[>{flags}u" for flags in self._kitty]
        if self._other:
            out.append(f"\x1b[>4;{self._other}m")
        if self._shape:
            out.append(f"\x1b[{self._shape} q")
        if self._keypad:
            out.append("\x1b=")
        return "".join(out)

    def dump(self) -> str:
        """What makes a fresh `Sticky` go on where this one is."""
        return self.modes() + self._carry
