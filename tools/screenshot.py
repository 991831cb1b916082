"""
Turn coloured terminal text into an SVG picture that is readable on light and on dark pages.

    FORCE_COLOR=1 COLUMNS=88 looop demo | python tools/screenshot.py \\
        --from 'A command that deletes' --lines 41 > docs/images/demo.svg

Only the colours that looop itself uses are known; everything else is shown plain.
"""

import argparse
import re
import sys
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

CELL = 8.4
LINE = 19.0
PAD = 16.0
BAR = 34.0
_SGR = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_CLASSES = {"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "36": "c"}
STYLE = """\
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
white-space:pre;fill:#1f2328}
.bg{fill:#ffffff;stroke:#d1d9e0}.dot{fill:#d1d9e0}.t{fill:#59636e}
.b{font-weight:bold}.d{fill:#59636e}.r{fill:#cf222e}.g{fill:#1a7f37}.y{fill:#8a5a00}.c{fill:#0f6a7d}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}
.bg{fill:#0d1117;stroke:#3d444d}.dot{fill:#3d444d}.t,.d{fill:#9198a1}
.r{fill:#ff7b72}.g{fill:#56d364}.y{fill:#e3b341}.c{fill:#6cd3e6}}"""


class Piece(NamedTuple):
    """Neighbouring characters that look the same; `style` holds class names."""

    text: str
    style: str


def pieces(line: str) -> list[Piece]:
    """One line, cut where its look changes."""
    found: list[Piece] = []
    now: list[str] = []
    at = 0
    for match in [*_SGR.finditer(line), None]:
        words = _OTHER.sub("", line[at : match.start() if match else None])
        if words:
            found.append(Piece(words, " ".join(now)))
        if match is None:
            break
        at = match.end()
        for code in (match[1] or "0").split(";"):
            if code == "0":
                now = []
            elif code in _CLASSES:
                now.append(_CLASSES[code])
    return found


def cut(lines: list[str], start: str, most: int) -> list[str]:
    """At most so many lines, from the first that holds `start`."""
    first = next((i for i, line in enumerate(lines) if start in _SGR.sub("", line)), 0)
    found = lines[first : first + most] if most else lines[first:]
    while found and not _SGR.sub("", found[-1]).strip():
        found.pop()
    return found


def picture(lines: list[str], title: str) -> str:
    """The whole SVG."""
    columns = max([*(len(_SGR.sub("", line)) for line in lines), 40])
    width = round(2 * PAD + columns * CELL)
    height = round(BAR + PAD + len(lines) * LINE)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label={quoteattr(title)}>',
        f"<style>{STYLE}</style>",
        f'<rect class="bg" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>',
    ]
    out += [f'<circle class="dot" cx="{18 + 16 * i}" cy="17" r="5"/>' for i in range(3)]
    out.append(
        f'<text class="t" x="{width / 2:g}" y="22" text-anchor="middle">{escape(title)}</text>'
    )
    for number, line in enumerate(lines):
        spans: list[str] = []
        column = 0
        for piece in pieces(line):
            bare = piece.text.strip(" ")
            indent = len(piece.text) - len(piece.text.lstrip(" "))
            if bare:
                # Every piece is put into its own columns, so that no font can shift the next.
                look = f' class="{piece.style}"' if piece.style else ""
                x = PAD + (column + indent) * CELL
                long = f' textLength="{len(bare) * CELL:.1f}"'
                spans.append(f'<tspan x="{x:.1f}"{look}{long}>{escape(bare)}</tspan>')
            column += len(piece.text)
        if spans:
            y = BAR + PAD / 2 + (number + 0.5) * LINE
            out.append(f'<text y="{y:g}">{"".join(spans)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="ANSI text on stdin to an SVG on stdout")
    parser.add_argument("--from", dest="start", default="", help="the first line holds this")
    parser.add_argument("--lines", type=int, default=0, help="at most so many lines")
    parser.add_argument("--title", default="looop demo")
    args = parser.parse_args()
    lines = cut(sys.stdin.read().rstrip("\n").split("\n"), args.start, args.lines)
    sys.stdout.write(picture(lines, args.title))
    return 0


if __name__ == "__main__":
    sys.exit(main())
