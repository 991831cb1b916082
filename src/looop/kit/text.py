"""Untrusted text made safe to show: control characters out, lines folded, lengths bounded."""

import re
import unicodedata

__all__ = ["clip", "clip_middle", "count", "ended", "one_line", "plain", "tail", "width"]

# C0 and C1 controls but newline and tab, what reorders or hides text, other line separators,
# and lone surrogates: a reader must see that they were there.
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def plain(text: str) -> str:
    """
    `text` with every control, bidi and separator character shown as `\\xNN` or `\\uNNNN`.

    Newline and tab stay; CR LF and lone CR become newlines. What comes out cannot move a
    cursor, change a colour, or hide a line from the person or the model that reads it.
    """
    return _HOSTILE.sub(_shown, text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, limit: int = 0) -> str:
    """`plain` text on one line: breaks and runs of blanks become one blank; clipped if limited."""
    flat = " ".join(plain(text).split())
    return clip(flat, limit) if limit else flat


def clip(text: str, limit: int) -> str:
    """The first `limit` characters, the last of them an ellipsis when something was cut."""
    if len(text) <= limit:
        return text
    return text[: max(limit - 1, 0)] + "…"


def clip_middle(text: str, limit: int) -> str:
    """Head and tail of `text` with a note of how much is missing between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[len(text) - half :]}"


def count(number: int, thing: str) -> str:
    """`1 sensor`, `2 sensors`."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def ended(body: str) -> str:
    """A body that ends in exactly one newline, as every file that we write does."""
    return body.rstrip("\n") + "\n"


def tail(data: bytes, limit: int) -> str:
    """The last `limit` bytes of a program's output as text, never torn in a character."""
    return data[-limit:].decode("utf-8", "replace").lstrip("\ufffd") if limit else ""


def width(text: str) -> int:
    """Terminal cells that `text` takes: wide characters count two, combining ones none."""
    cells = 0
    for char in text:
        if unicodedata.combining(char):
            continue
        cells += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return cells
