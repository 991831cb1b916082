"""Terminal output to test with: what programs write, what hostile ones might, and its log."""

import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st
from msgspec import Struct

__all__ = [
    "STREAMS",
    "Resize",
    "Spawn",
    "calm",
    "escapes",
    "hostile",
    "pieces",
    "recorded",
    "session",
]

STREAMS = Path(__file__).parent.parent / "sessions" / "streams"


class Spawn(Struct, frozen=True):
    """A command was started on a terminal of this size."""

    columns: int = 80
    rows: int = 24
    generation: str = "g1"


class Resize(Struct, frozen=True):
    """The terminal got this size."""

    columns: int
    rows: int


def recorded(name: str) -> bytes:
    """What a real program wrote to a terminal of 80 x 24."""
    return (STREAMS / f"{name}.stream").read_bytes()


def session(directory: Path, *events: bytes | Spawn | Resize, segment: int = 1 << 40) -> Path:
    """
    Add to a session's directory what a supervisor would have written: output, and what it notes.

    A new segment of the log begins every `segment` bytes.
    """
    directory.mkdir(parents=True, exist_ok=True)
    logs = sorted(directory.glob("output.*.log"))
    start = int(logs[-1].name.split(".")[1]) if logs else 0
    end = start + (logs[-1].stat().st_size if logs else 0)
    for event in events:
        if isinstance(event, bytes):
            for at in range(0, len(event), segment):
                part = event[at : at + segment]
                if end - start >= segment:
                    start = end
                with open(directory / f"output.{start:016d}.log", "ab") as log:
                    log.write(part)
                end += len(part)
            continue
        row = {"at": 1.0, "offset": end, "columns": event.columns, "rows": event.rows}
        if isinstance(event, Spawn):
            row |= {"event": "spawned", "pid": os.getpid(), "generation": event.generation}
        else:
            row |= {"event": "resized"}
        with open(directory / "log.jsonl", "a", encoding="ascii") as journal:
            journal.write(json.dumps(row) + "\n")
    return directory


_words = st.sampled_from(
    [
        "a",
        "build ok",
        "日本語",
        "é",
        "e\u0301",
        "🚀",
        "👩\u200d🔧",
        "│",
        "─┐",
        "x" * 30,
        "<b>&amp;",
        "\u00a0",
    ]
)
_number = st.integers(0, 45).map(str)
_sgr = st.lists(
    st.sampled_from(
        ["0", "1", "2", "3", "4", "7", "9", "22", "31", "39", "44", "97", "38;5;200", "48;2;1;2;3"]
    ),
    max_size=3,
).map(lambda codes: f"\x1b[{';'.join(codes)}m")
_moves = st.tuples(_number, _number, st.sampled_from("Hfr")).map(
    lambda move: f"\x1b[{move[0]};{move[1]}{move[2]}"
)
_steps = st.tuples(_number, st.sampled_from("ABCDEFGJKLMPSTX@`dabZgI")).map(
    lambda step: f"\x1b[{step[0]}{step[1]}"
)
_modes = st.tuples(
    st.sampled_from(["1", "6", "7", "25", "47", "1047", "1048", "1049", "1000", "1006", "2004"]),
    st.sampled_from("hl"),
).map(lambda mode: f"\x1b[?{mode[0]}{mode[1]}")
_others = st.sampled_from(
    [
        *("\r\n", "\n", "\r", "\b", "\t", "\x0e", "\x0f"),
        *("\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bH", "\x1bc", "\x1b#8", "\x1b=", "\x1b>"),
        *("\x1b(0", "\x1b(B", "\x1b[4h", "\x1b[4l", "\x1b[!p", "\x1b[s", "\x1b[u", "\x1b[3 q"),
        *("\x1b]0;title\x07", "\x1b]2;two\x1b\\", "\x1b[>1u", "\x1b[<u", "\x1b[=3u", "\x1b[>4;2m"),
    ]
)
# What a full-screen program writes, more or less.
calm = st.lists(_words | _words | _sgr | _moves | _steps | _modes | _others, max_size=40).map(
    lambda parts: "".join(parts).encode()
)

escapes = st.sampled_from(
    [
        b"\x1b]52;c;cm0gLXJmIC8=\x07",  # fills the clipboard
        b"\x1b]52;c;?\x1b\\",  # asks for it
        b"\x1bP$qm\x1b\\",  # asks for the colours
        b"\x1bP+q544e\x1b\\",
        b"\x1b]0;\x1b]2;inner\x07",
        b"\x1b]2;</title><script>alert(1)</script>\x07",
        b"\x1b]2;\xc2\x9b31mred\x07",
        b"\x1b]8;;file:///etc/passwd\x1b\\link\x1b]8;;\x1b\\",
        b"\x1b]" + b"A" * 3000,
        b"\x1b[" + b"9;" * 600 + b"m",
        b"\x1b[99999999999999999999H",
        b"\x1b[99999999999999999999b",
        b"x\x1b[65535b",
        b"\x1b[8;1;1t",
        b"\x1b[3J\x1b[2J",
        b"\x1b[21t\x1b[c\x1b[6n\x1b[>q",
        b"\x1b_Gf=100;AAAA\x1b\\",
        b"\x1b^private\x1b\\\x1bXstart\x1b\\",
        b"\x1b\x1b[31m\x18\x1b]\x1a",
        b"\x1b[1$2x\x1b[?1;2$y\x1b%G\x1b )x",
        b"\x1b]0;never ended",
        b"\x1bPnever ended",
        "\x9b31mred\x9b0m\x9d0;title\x9c\x90q\x9c\x85\x84\x8d".encode(),
        "\u202eevil\u202c\u2066x\u2069\u200b\u200f\u2028\u2029\ufeff".encode(),
        "\u0301\u0301\u0301a\u0301\u200d\ufe0f\U000e0041".encode(),
        b"<script>alert(1)</script>&lt;\"'",
        b"\x00\x7f\x05\x07\x0e\x0f\x0b\x0c",
        b"\xff\xfe\xc3\x28\xed\xa0\x80\xf4\x90\x80\x80\x9b",
    ]
)
# Whatever: noise, half sequences, and what is meant to do harm.
hostile = st.lists(
    calm | escapes | st.binary(max_size=30) | st.binary(max_size=8).map(lambda b: b"\x1b" + b),
    max_size=12,
).map(b"".join)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`data` in parts, cut at those places, as far as they are within it."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]
