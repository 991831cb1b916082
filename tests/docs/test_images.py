"""
The pictures of the demonstration: well formed, small, and made by the tool.

    FORCE_COLOR=1 COLUMNS=88 looop demo > shown
    python tools/screenshot.py --from 'A command that deletes' --lines 41 < shown > demo.svg
    python tools/screenshot.py --from 'Work that takes hands' --lines 59 < shown > workers.svg
"""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.docs.pages import DOCS, ROOT

SVG = "{http://www.w3.org/2000/svg}"
TOOL = ROOT / "tools" / "screenshot.py"
MOST_BYTES = 60_000
# What each picture is there to show.
SHOWN = {
    "demo.svg": ("held as loop-1", "loop-1 is approved and run", "The build output is gone."),
    "workers.svg": ("held as loop-2", "Under which title?", "looop send summarise", "pass"),
}


def drawn(text: str, *words: str) -> ET.Element:
    done = subprocess.run(
        [sys.executable, str(TOOL), *words], input=text, capture_output=True, text=True, check=True
    )
    return ET.fromstring(done.stdout)


def texts(picture: ET.Element) -> list[str]:
    return ["".join(element.itertext()) for element in picture.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_is_small_and_shows_what_it_should(name: str) -> None:
    data = (DOCS / "images" / name).read_bytes()
    assert len(data) < MOST_BYTES
    lines = texts(ET.fromstring(data.decode("utf-8")))
    assert [words for words in SHOWN[name] if not any(words in line for line in lines)] == []


def test_every_picture_is_looked_at() -> None:
    assert {path.name for path in (DOCS / "images").iterdir()} == set(SHOWN)


def test_colours_become_classes_and_markup_is_escaped() -> None:
    picture = drawn("\x1b[36m$ a < b && c\x1b[0m  \x1b[1;31mno\x1b[0m\n")
    spans = [(span.text, span.get("class")) for span in picture.iter(f"{SVG}tspan")]
    assert spans == [("$ a < b && c", "c"), ("no", "b r")]


def test_other_control_codes_are_left_out() -> None:
    assert texts(drawn("a\x1b[2Kb\x07c\n"))[1:] == ["abc"]


def test_a_part_is_cut_out() -> None:
    picture = drawn("one\ntwo\nthree\nfour\n", "--from", "two", "--lines", "2")
    assert texts(picture)[1:] == ["two", "three"]
