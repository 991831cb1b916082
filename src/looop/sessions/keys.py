"""Names of keys to the bytes that an xterm would send for them."""

import re

from looop.errors import Usage

__all__ = ["encode", "names", "strokes"]

_SHIFT, _META, _CTRL = 1, 2, 4
_PREFIXES = {
    "s": _SHIFT,
    "shift": _SHIFT,
    "m": _META,
    "meta": _META,
    "alt": _META,
    "c": _CTRL,
    "ctrl": _CTRL,
    "control": _CTRL,
    "^": _CTRL,
}
_PREFIX = re.compile(
    r"(?:(s|shift|m|meta|alt|c|ctrl|control)-|(\^))(?=.)", re.IGNORECASE | re.DOTALL
)

# Keys whose plain form is one byte, and that byte.
_SINGLE = {
    "Enter": b"\r",
    "Tab": b"\t",
    "Esc": b"\x1b",
    "Space": b" ",
    "Backspace": b"\x7f",
}
# Keys that end in a letter, as CSI 1 ; modifiers LETTER; plain ones follow the cursor key mode.
_CURSOR = {"Up": "A", "Down": "B", "Right": "C", "Left": "D", "Home": "H", "End": "F"}
_LETTER = {"F1": "P", "F2": "Q", "F3": "R", "F4": "S"}
# Keys that have a number, as CSI NUMBER ; modifiers ~.
_NUMBER = {
    "Insert": 2,
    "Delete": 3,
    "PageUp": 5,
    "PageDown": 6,
    "F5": 15,
    "F6": 17,
    "F7": 18,
    "F8": 19,
    "F9": 20,
    "F10": 21,
    "F11": 23,
    "F12": 24,
}
_ALIASES = {"return": "Enter", "cr": "Enter", "escape": "Esc", "bs": "Backspace"} | {
    "ins": "Insert",
    "del": "Delete",
    "pgup": "PageUp",
    "pgdn": "PageDown",
    "pgdown": "PageDown",
    " ": "Space",
    "backtab": "S-Tab",
    "btab": "S-Tab",
}
_NAMED = (*_SINGLE, *_CURSOR, *_LETTER, *_NUMBER)
_KNOWN = {name.lower(): name for name in _NAMED} | _ALIASES
# What Ctrl makes of a character besides the letters.
_CONTROL = {"@": 0x00, "[": 0x1B, "\\": 0x1C, "]": 0x1D, "^": 0x1E, "_": 0x1F, "/": 0x1F, "?": 0x7F}


def encode(names: tuple[str, ...] | list[str], *, cursor_keys: bool) -> bytes:
    """
    The bytes of some keys, one after another; `cursor_keys` when that mode is on.

    A name is case-insensitive (`Enter`, `pgup`), a single character is itself, and either takes
    `S-`, `M-` and `C-` (`C-Up`, `M-x`, `^c`). Raises `Usage` naming what is not a key.
    """
    return b"".join(strokes(names, cursor_keys=cursor_keys))


def strokes(names: tuple[str, ...] | list[str], *, cursor_keys: bool) -> list[bytes]:
    """
    As `encode`, in pieces to be sent apart.

    A lone Esc ends its piece, because Esc with another key right behind it means that key with
    Meta.
    """
    pieces = [b""]
    for name in names:
        stroke = _stroke(name, cursor_keys=cursor_keys)
        pieces[-1] += stroke
        if stroke == b"\x1b":
            pieces.append(b"")
    return [piece for piece in pieces if piece]


def names() -> tuple[str, ...]:
    """What there is to name, for a help text and for completion; every character is a key too."""
    controls = tuple(f"C-{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
    return (*_NAMED, "S-Tab", "C-Space", *controls, "C-[", "C-\\", "C-]", "C-^", "C-_")


def _stroke(name: str, *, cursor_keys: bool) -> bytes:
    rest, modifiers = name, 0
    while len(rest) > 1 and (match := _PREFIX.match(rest)):
        modifiers |= _PREFIXES[(match[1] or match[2]).lower()]
        rest = rest[match.end() :]
    known = _KNOWN.get(rest.lower())
    if known == "S-Tab":
        known, modifiers = "Tab", modifiers | _SHIFT
    if known is not None:
        return _named(known, modifiers, cursor_keys=cursor_keys)
    if len(rest) == 1 and rest.isprintable():
        found = _character(rest, modifiers)
        if found is not None:
            return found
    raise Usage(
        f"{name!r} is not a key: use a character, or {', '.join(_NAMED)}, with S-, M- or C- "
        "before it as in S-Tab, C-c, M-x or C-Up"
    )


def _named(name: str, modifiers: int, *, cursor_keys: bool) -> bytes:
    if name in _SINGLE:
        return _single(name, modifiers)
    if name in _NUMBER:
        tail = f";{modifiers + 1}~" if modifiers else "~"
        return f"\x1b[{_NUMBER[name]}{tail}".encode()
    letter = _CURSOR.get(name) or _LETTER[name]
    if modifiers:
        return f"\x1b[1;{modifiers + 1}{letter}".encode()
    return f"\x1b{'O' if name in _LETTER or cursor_keys else '['}{letter}".encode()


def _single(name: str, modifiers: int) -> bytes:
    """Keys of one byte: what old terminals could say, they say; the rest as CSI 27 ; m ; code ~."""
    code = _SINGLE[name]
    plain = modifiers & ~_META
    old = {
        ("Tab", _SHIFT): b"\x1b[Z",
        ("Space", _SHIFT): b" ",
        ("Space", _CTRL): b"\x00",
        ("Backspace", _SHIFT): b"\x7f",
        ("Backspace", _CTRL): b"\x08",
    }.get((name, plain), b"" if plain else code)
    if not old:
        return b"\x1b[27;%d;%d~" % (modifiers + 1, code[0])
    return b"\x1b" + old if modifiers & _META else old


def _character(char: str, modifiers: int) -> bytes | None:
    if modifiers & _SHIFT:
        # Shift is part of every other character; with Ctrl no old terminal could tell it.
        if not char.isalpha() or modifiers & _CTRL:
            return None
        char = char.upper()
    data = char.encode()
    if modifiers & _CTRL:
        if char.isascii() and char.isalpha():
            data = bytes([ord(char) & 0x1F])
        elif char in _CONTROL:
            data = bytes([_CONTROL[char]])
        else:
            return None
    return b"\x1b" + data if modifiers & _META else data
