"""Examples in the pages mean something to the program that they are written for."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from looop import config
from looop.cli.table import VERBS
from looop.loop.admit import rules as admission
from looop.loop.decide import reflexes
from tests.docs.pages import DOCS, ROOT, blocks, pages

EXAMPLES = [
    pytest.param(block.text, id=f"{page.relative_to(ROOT)}-{number}")
    for page in pages()
    for number, block in enumerate(blocks(page))
    if block.language == "toml"
]
SHELL = [
    (page, block.text)
    for page in pages()
    for block in blocks(page)
    if block.language in ("sh", "console")
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_toml_block_is_accepted(text: str) -> None:
    table = tomllib.loads(text)
    if "reflex" in table:
        loaded = reflexes.load(text)
        assert loaded.problems == ()
        assert len(loaded.reflexes) == len(table["reflex"])
    elif "rule" in table:
        assert admission.load(text).broken == ""
    else:
        assert config.parse(table, "the page", {})


def test_every_verb_in_a_shell_block_exists() -> None:
    wrong = [
        f"{page.relative_to(ROOT)}: {word}"
        for page, text in SHELL
        for word in re.findall(r"^\s*(?:\$ )?looop ([a-z][\w-]*)", text, flags=re.MULTILINE)
        if word not in VERBS
    ]
    assert wrong == []


def test_the_sensor_of_the_guide_prints_one_object(tmp_path: Path) -> None:
    script = tmp_path / "sensor.sh"
    first = next(b for b in blocks(DOCS / "guides" / "write-a-sensor.md") if b.language == "sh")
    script.write_text(first.text, encoding="utf-8")
    done = subprocess.run(["sh", str(script)], capture_output=True, check=True, timeout=20)
    assert set(json.loads(done.stdout)) == {"signal", "detail"}
