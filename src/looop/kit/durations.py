"""Durations: `90`, `"90s"`, `"1h30m"`, `"500ms"`; and back, for people."""

import re

from looop.errors import Usage

__all__ = ["parse", "short"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_OFF = {"0", "none", "off"}


def parse(text: str | float) -> float:
    """
    Seconds meant by `text`: a number of seconds, or pieces such as `1h30m`.

    `0`, `none` and `off` are 0.0, which always means off or unlimited.
    Raises `Usage` with the accepted forms.
    """
    seconds = _number(text) if isinstance(text, int | float) else _words(text.strip().lower())
    if not 0 <= seconds < float("inf"):
        raise Usage(f"{text!r} is not a duration: use seconds, or 500ms 90s 5m 2h 3d")
    return seconds


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _words(word: str) -> float:
    """Seconds, or -1 if the words mean none."""
    if word in _OFF:
        return 0.0
    if re.fullmatch(r"\d+(\.\d+)?", word):
        return float(word)
    pieces = _PIECE.findall(word)
    if not pieces or "".join(number + unit for number, unit in pieces) != word:
        return -1.0
    return sum(float(number) * _UNITS[unit] for number, unit in pieces)


def short(seconds: float) -> str:
    """The two largest units that matter: `45s`, `5m`, `2h10m`, `3d4h`; below a second, ms."""
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)}ms"
    left = round(seconds)
    words: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not words):
            words.append(f"{count}{unit}")
        if len(words) == 2 or (words and left == 0):
            break
    return "".join(words)
