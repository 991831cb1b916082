"""Goals: a short header, then prose; nothing in them is an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.model import goal
from looop.model.goal import Goal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "goal: ship it\npriority: high\nevery: 1d\nready: test -f x\n\nNotes.\n",
            Goal(id="g", title="ship it", priority="high", every="1d", ready="test -f x"),
            id="plain header",
        ),
        pytest.param(
            "---\ngoal: ship it\nevery: 1d\n---\npriority: not a header\n",
            Goal(id="g", title="ship it", every="1d"),
            id="fenced header",
        ),
        pytest.param("# Ship it\n\nNotes.\n", Goal(id="g", title="Ship it"), id="prose alone"),
        pytest.param("\n\n  Ship it  \n", Goal(id="g", title="Ship it"), id="blank lines first"),
        pytest.param("", Goal(id="g", title="g"), id="empty"),
        pytest.param("---\n", Goal(id="g", title="g"), id="a fence alone"),
        pytest.param("---\n---\nShip it\n", Goal(id="g", title="g"), id="an empty header"),
        pytest.param("\ufeffgoal: ship it\r\n", Goal(id="g", title="ship it"), id="from Windows"),
        pytest.param("goal:\n", Goal(id="g", title="g"), id="a key without a value"),
        pytest.param("goal: one\ngoal: two\n", Goal(id="g", title="one"), id="said twice"),
        pytest.param("Goal: one\n", Goal(id="g", title="Goal: one"), id="a capital"),
        pytest.param("goal one\n", Goal(id="g", title="goal one"), id="no colon"),
        pytest.param(
            "owner: ann\ngoal: x\n", Goal(id="g", title="owner: ann"), id="an unknown key is prose"
        ),
        pytest.param(
            "Ship it\npriority: high\n", Goal(id="g", title="Ship it"), id="prose ends the header"
        ),
        pytest.param("goal: a: b\n", Goal(id="g", title="a: b"), id="a colon in the value"),
        pytest.param(
            "priority: low\n\nShip it\n",
            Goal(id="g", title="Ship it", priority="low"),
            id="a header without a title",
        ),
    ],
)
def test_a_goal_is_read_as_it_is_meant(text: str, expected: Goal) -> None:
    assert goal.parse("g", text) == expected


@settings(max_examples=100)
@given(st.text(alphabet="goal:-# \n\r\u2028é\0", max_size=40) | st.text(max_size=40))
def test_any_text_is_a_goal_with_a_title(text: str) -> None:
    found = goal.parse("g", text)
    assert found.id == "g"
    assert found.title.strip()
