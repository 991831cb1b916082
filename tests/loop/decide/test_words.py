"""The fixed words of the prompt: what every decider is told, whatever the PLAYBOOK says."""

import re

import msgspec
import pytest

from looop.loop.decide import decision
from looop.loop.decide.words import CONSTITUTION, INSTRUCTIONS
from looop.model.actions import ACTIONS


@pytest.mark.parametrize("tag", ACTIONS)
def test_the_instructions_show_every_action_with_its_required_fields(tag: str) -> None:
    (line,) = [line for line in INSTRUCTIONS.splitlines() if f'{{"action": "{tag}"' in line]

    for spec in msgspec.structs.fields(ACTIONS[tag][0]):
        if spec.required:
            assert f'"{spec.name}":' in line


def test_the_instructions_show_no_action_that_does_not_exist() -> None:
    assert set(re.findall(r'"action": "(\w+)"', INSTRUCTIONS)) == set(ACTIONS)


def test_the_examples_are_whole_json_objects_of_known_fields() -> None:
    for line in INSTRUCTIONS.splitlines():
        if not line.startswith('  {"action"'):
            continue
        text = line[: line.rindex("}") + 1] if "{" not in line[5:] else line[: line.index("}") + 1]
        shown = msgspec.json.decode(text.strip())
        known = decision.schema()["properties"]["move"]["anyOf"]
        (one,) = [m for m in known if m["properties"]["action"]["enum"] == [shown["action"]]]
        assert set(shown) <= set(one["properties"])


@pytest.mark.parametrize("text", [INSTRUCTIONS, CONSTITUTION])
def test_the_fixed_text_cannot_be_taken_for_a_heading_or_a_fence(text: str) -> None:
    assert not [line for line in text.splitlines() if line.startswith(("===", "<<<", ">>>"))]
    assert text.endswith("\n")
    assert "\n\n\n" not in text


def test_the_norms_outrank_the_playbook_and_name_what_is_the_humans_alone() -> None:
    assert "outrank the PLAYBOOK" in CONSTITUTION
    for name in ("admission.toml", "reflexes.toml", "config.toml"):
        assert name in CONSTITUTION
