"""One word for one idea: each is used, and its rivals are not."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, headings, pages, prose

GLOSSARY = DOCS / "explain" / "glossary.md"
WORDS = [word for word in headings(GLOSSARY)[1:] if not word.startswith("Words that")]
BANNED = (
    "daemon",
    "iteration",
    "ticket",
    "plugin",
    "whitelist",
    "blacklist",
    "state machine",
    "task",
    "job",
    # Words that sell, and words that tell a reader how easy it was.
    "blazing",
    "seamless",
    "effortless",
    "powerful",
    "robust",
    "simply",
)


def words_of(page: Path) -> str:
    return prose(page).lower()


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_the_glossary_is_used(word: str) -> None:
    pattern = re.compile(rf"\b{re.escape(word.lower())}s?\b")
    users = [p for p in pages() if p != GLOSSARY and pattern.search(words_of(p))]
    assert users


@pytest.mark.parametrize("word", BANNED)
def test_a_rival_of_a_word_is_not_used(word: str) -> None:
    pattern = re.compile(rf"\b{re.escape(word)}s?\b")
    users = [
        str(p.relative_to(ROOT)) for p in pages() if p != GLOSSARY and pattern.search(words_of(p))
    ]
    assert users == []


def test_the_glossary_is_in_order() -> None:
    assert sorted(WORDS, key=str.lower) == WORDS
