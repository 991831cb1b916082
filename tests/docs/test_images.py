"""The picture of the demonstration: well formed, small, and made by the tool."""

import subprocess
import sys
import xml.etree.ElementTree as ET

from tests.docs.pages import DOCS, ROOT

SVG = "{http://www.w3.org/2000/svg}"
TOOL = ROOT / "tools" / "screenshot.py"
MOST_BYTES = 60_000


def drawn(text: str, *words: str) -> ET.Element:
    done = subprocess.run(
        [sys.executable, str(TOOL), *words], input=text, capture_output=True, text=True, check=True
    )
    return ET.fromstring(done.stdout)


def texts(picture: ET.Element) -> list[str]:
    return ["".join(element.itertext()) for element in picture.iter(f"{SVG}text")]


def test_the_picture_is_small_and_well_formed() -> None:
    data = (DOCS / "images" / "demo.svg").read_bytes()
    assert len(data) < MOST_BYTES
    shown = texts(ET.fromstring(data.decode("utf-8")))
    assert any("held as loop-1" in line for line in shown)
    assert any("denied" in line for line in shown)


def test_colours_become_classes_and_markup_is_escaped() -> None:
    picture = drawn("\x1b[36m$ a < b && c\x1b[0m  \x1b[1;31mno\x1b[0m\n")
    spans = [(span.text, span.get("class")) for span in picture.iter(f"{SVG}tspan")]
    assert spans == [("$ a < b && c", "c"), ("no", "b r")]


def test_other_control_codes_are_left_out() -> None:
    assert texts(drawn("a\x1b[2Kb\x07c\n"))[1:] == ["abc"]


def test_a_part_is_cut_out() -> None:
    picture = drawn("one\ntwo\nthree\nfour\n", "--from", "two", "--lines", "2")
    assert texts(picture)[1:] == ["two", "three"]
