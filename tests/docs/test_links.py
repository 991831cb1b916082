"""No page leads nowhere, and every page can be reached."""

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchors, links, pages

OUTSIDE = ("http://", "https://", "mailto:")


def target(page: Path, link: str) -> tuple[Path, str]:
    where, _, anchor = link.partition("#")
    return (page.parent / where if where else page), anchor


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    dead: list[str] = []
    for link in links(page):
        if link.startswith(OUTSIDE):
            continue
        path, anchor = target(page, link)
        lives = path.exists() and (not anchor or anchor in anchors(path))
        if not lives:
            dead.append(link)
    assert not dead


def test_every_page_is_reached_from_the_index() -> None:
    seen: set[Path] = set()
    left = [DOCS / "index.md"]
    while left:
        page = left.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        left += [
            target(page, link)[0].resolve() for link in links(page) if not link.startswith(OUTSIDE)
        ]
    assert [page for page in DOCS.rglob("*.md") if page not in seen] == []


def test_no_page_names_a_place_of_one_machine() -> None:
    found = [
        f"{page.relative_to(ROOT)}: {word}"
        for page in pages()
        for word in ("/tmp/tmp.", "/root/")
        if word in page.read_text(encoding="utf-8")
    ]
    assert found == []
