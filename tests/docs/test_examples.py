"""Examples in the pages mean something to the program that they are written for."""

import contextlib
import functools
import itertools
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from looop import config
from looop.cli.main import parser_of
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


@functools.cache
def usage(verb: str) -> str:
    """The help of a verb, without that of its sub-verbs."""
    return parser_of(verb).format_help()


def options(text: str) -> Iterator[tuple[str, str]]:
    """(verb, long option) of the commands of ours in a shell block; words of quotes are none."""
    for line in text.replace("\\\n", " ").splitlines():
        if not re.match(r"\s*(?:\$ )?looop [a-z]", line):
            continue
        lexer = shlex.shlex(line.lstrip(" $"), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        with contextlib.suppress(ValueError):  # the first line of a text that goes on
            words = list(itertools.takewhile(lambda word: word[:1] not in "|&;<>", lexer))
            yield from ((words[1], word) for word in words if word.startswith("--"))


def test_every_option_in_a_shell_block_exists() -> None:
    wrong = [
        f"{page.relative_to(ROOT)}: looop {verb} {option}"
        for page, text in SHELL
        for verb, option in options(text)
        if option != "--" and option not in usage(verb)
    ]
    assert wrong == []


def test_the_sensor_of_the_guide_prints_one_object(tmp_path: Path) -> None:
    script = tmp_path / "sensor.sh"
    first = next(b for b in blocks(DOCS / "guides" / "write-a-sensor.md") if b.language == "sh")
    script.write_text(first.text, encoding="utf-8")
    done = subprocess.run(["sh", str(script)], capture_output=True, check=True, timeout=20)
    assert set(json.loads(done.stdout)) == {"signal", "detail"}
