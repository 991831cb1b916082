"""The contract: whole, true to how it was started, and nothing in it left to be filled in."""

import re
import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from looop.loop.workers import contract
from looop.loop.workers.agents import verbs


def render(**fields: str) -> str:
    known = {
        "worker": "fix-1",
        "brief": "Mend it.\n",
        "work_dir": "/data/work/fix-1",
        "branch": "",
        "verify": "",
        "looop": "/opt/looop",
    }
    return contract.render(**known | fields)


def test_nothing_is_left_to_be_filled_in() -> None:
    for text in (render(), render(branch="looop/fix-1", verify="make test")):
        assert "{{" not in text
        assert "}}" not in text


def test_it_says_who_the_worker_is_and_ends_with_the_brief() -> None:
    text = render()

    assert text.startswith("# You are the worker `fix-1`\n")
    assert text.endswith("\n## Your brief\n\nMend it.\n")
    assert text.count("\n## Your brief\n") == 1
    assert "$LOOOP_REPORTS_DIR/fix-1.md" in text


@pytest.mark.parametrize("brief", ["x", "x\n", "x\n\n\n"])
def test_a_brief_ends_with_one_line_break(brief: str) -> None:
    assert render(brief=brief).endswith("\n\nx\n")


def test_a_worktree_is_named_with_its_branch() -> None:
    assert "`/data/work/fix-1`. Of looop's data dir" in render()
    assert (
        "`/data/work/fix-1`, a git worktree of your own on the branch `looop/fix-2`; commit there"
        in render(branch="looop/fix-2")
    )


def test_a_check_is_shown_word_for_word_and_without_one_the_worker_is_to_name_one() -> None:
    text = render(verify="make test &&\n  make lint")

    assert "       make test &&\n         make lint\n" in text
    assert "only that counts" in text
    assert "only that counts" not in render()
    assert "Say how your work can be checked." in render()


def test_every_verb_that_it_names_is_one_that_its_agent_may_call() -> None:
    named = re.findall(r"`/opt/looop ((?:cost )?[a-z]+)", render())

    assert set(named) == set(verbs.VERBS)


def test_a_program_with_an_odd_path_is_named_so_that_a_shell_takes_it() -> None:
    text = render(looop="/o p/it's/looop")

    (call,) = re.findall(r"`(.+) cost record USD`", text)
    assert shlex.split(call) == ["/o p/it's/looop"]


WORDS = st.text(alphabet="{}i d\n", min_size=1, max_size=12)


@example(text="{{{id}}}")
@example(text="{{verify}}{{place}}")
@given(text=WORDS)
def test_what_is_put_in_is_never_filled_in_itself(text: str) -> None:
    """A check for a template engine is full of braces."""
    filled = render(brief=text, work_dir=text, branch=text, verify=text.strip(), looop=text)

    assert filled.endswith("\n## Your brief\n\n" + text.rstrip("\n") + "\n")
    assert f"`{text}`, a git worktree of your own on the branch `{text}`" in filled
    for line in text.strip().splitlines():
        assert f"       {line}" in filled
