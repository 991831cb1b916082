"""The Markdown files of this checkout, cut into the parts that the tests look at."""

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["DOCS", "ROOT", "Block", "anchors", "blocks", "headings", "links", "pages", "prose"]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


class Block(NamedTuple):
    """One fenced block: its language and its text."""

    language: str
    text: str


def pages() -> list[Path]:
    """Every page that a reader of the repository can open; not those of installed packages."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def blocks(page: Path) -> list[Block]:
    return [Block(m[1], m[2]) for m in _FENCE.finditer(page.read_text(encoding="utf-8"))]


def unfenced(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def prose(page: Path) -> str:
    """The words of a page: no code, no comments, no link targets."""
    words = re.sub(r"<!--.*?-->", "", unfenced(page), flags=re.DOTALL)
    words = re.sub(r"`[^`\n]*`", "", words)
    return re.sub(r"\]\([^)]*\)", "]", words)


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", unfenced(page), flags=re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    plain = [re.sub(r"[`*]", "", heading).strip().lower() for heading in headings(page)]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def links(page: Path) -> list[str]:
    found = _LINK.findall(re.sub(r"`[^`\n]*`", "", unfenced(page)))
    return [first or second for first, second in found]
