"""What the hooks of Claude Code tell, as the real one told it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.kit import text
from looop.loop.workers.agents import AGENTS, AgentState
from looop.loop.workers.agents.verbs import is_own
from tests.loop.workers.agents.support import NOW, hooks

CLAUDE = AGENTS["claude"]
ANSWER = "All is done as you said."


def told(event: str, **fields: Any) -> AgentState | None:
    return CLAUDE.from_hook({"hook_event_name": event, **fields}, NOW)


def test_a_turn_from_its_start_to_its_end() -> None:
    states = [CLAUDE.from_hook(payload, NOW) for payload in hooks("claude-closed")]
    assert [(one.state, one.detail) for one in states if one] == [
        ("starting", ""),
        ("busy", "Your brief: Say hello."),
        ("idle", ANSWER),
        ("ended", "other"),
    ]
    for one in states:
        assert one is not None
        assert one.transcript.startswith("/home/user/home/.claude/projects/-home-user-work/")


def test_a_request_for_a_permission_says_for_what() -> None:
    state = CLAUDE.from_hook(hooks("claude-asks")[-1], NOW)
    assert state is not None
    assert (state.state, state.detail) == ("asking", "Bash: curl http://127.0.0.1:1/ && touch made")
    assert state.permission is not None
    assert state.permission.tool == "Bash"
    assert state.permission.summary == "curl http://127.0.0.1:1/ && touch made"
    assert not state.permission.own


def test_a_limit_says_when_it_ends() -> None:
    state = CLAUDE.from_hook(hooks("claude-limit")[-1], NOW)
    assert state is not None
    assert state.state == "limited"
    assert state.detail == "You've hit your 5-hour limit · resets 5:19pm (UTC)"
    assert state.until == 1795281540.0


@pytest.mark.parametrize(
    ("error", "said", "state", "detail"),
    [
        ("rate_limit", "API Error: Request rejected (429)", "limited", "API Error: Request"),
        ("rate_limit", "", "limited", "rate_limit"),
        ("billing_error", "Credit balance is too low", "failed", "billing_error: Credit balance"),
        ("server_error", "API Error: 529 Overloaded.", "failed", "server_error: API Error: 529"),
        ("authentication_failed", "", "failed", "authentication_failed"),
        ("", "Something", "failed", "unknown: Something"),
    ],
)
def test_a_failed_turn_says_why(error: str, said: str, state: str, detail: str) -> None:
    found = told("StopFailure", error=error, last_assistant_message=said)
    assert found is not None
    assert found.state == state
    assert found.detail.startswith(detail)
    assert found.until == 0.0


def test_a_turn_that_waits_for_agents_of_its_own_is_not_over() -> None:
    agent = {"type": "subagent", "status": "running", "description": "look"}
    shell = {"type": "shell", "status": "running", "command": "serve"}
    busy = told("Stop", background_tasks=[shell, agent])
    assert busy is not None
    assert (busy.state, busy.detail) == ("busy", "waits for 1 agent of its own")
    for tasks in ([], [shell], [agent | {"status": "completed"}]):
        idle = told("Stop", background_tasks=tasks, last_assistant_message="x")
        assert idle is not None
        assert idle.state == "idle"


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("SessionStart", {"source": "compact"}),
        ("SessionEnd", {"reason": "clear"}),
        ("Notification", {"notification_type": "auth_success"}),
        # Its request has been told already, and may have been answered since.
        ("Notification", {"notification_type": "permission_prompt"}),
        ("PreToolUse", {"tool_name": "Bash"}),
        ("SomethingNew", {}),
    ],
)
def test_what_says_nothing_of_the_state(event: str, fields: dict[str, Any]) -> None:
    assert told(event, **fields) is None


@pytest.mark.parametrize(
    ("kind", "state"), [("idle_prompt", "idle"), ("elicitation_dialog", "asking")]
)
def test_a_notification_may_tell_the_state(kind: str, state: str) -> None:
    found = told("Notification", notification_type=kind, message="It waits")
    assert found == AgentState(state=state, detail="It waits")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tool_input", "summary"),
    [
        ({"file_path": "/etc/passwd", "content": "x"}, "/etc/passwd"),
        ({"url": "http://x"}, "http://x"),
        ({"other": [1]}, '{"other":[1]}'),
        ({"command": "a\n\x1b[2Jb"}, "a \\x1b[2Jb"),
    ],
)
def test_what_a_tool_would_do_is_one_clean_line(tool_input: dict[str, Any], summary: str) -> None:
    found = told("PermissionRequest", tool_name="Tool", tool_input=tool_input)
    assert found is not None
    assert found.permission is not None
    assert found.permission.summary == summary


def test_an_answer_is_what_the_cli_reads() -> None:
    assert CLAUDE.permission_answer(True, "ignored") == {
        "hookSpecificOutput": {
            "hookEventName": "PermissionRequest",
            "decision": {"behavior": "allow"},
        }
    }
    assert CLAUDE.permission_answer(False, "no\x1b") == {
        "hookSpecificOutput": {
            "hookEventName": "PermissionRequest",
            "decision": {"behavior": "deny", "message": "no\\x1b"},
        }
    }
    assert AGENTS["pi"].permission_answer(True, "") is None


# -- the verbs of the contract -------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        '"$LOOOP_BIN" done',
        '"$LOOOP_BIN" done "it is, isn\'t it"',
        "$LOOOP_BIN done --outcome blocked 'May I; really?'",
        '"${LOOOP_BIN}" claim issue-7',
        '"$LOOOP_BIN" unclaim issue-7\n',
        '"$LOOOP_BIN" cost record 0.25',
    ],
)
def test_a_verb_of_the_contract_is_our_own(command: str) -> None:
    assert is_own(command)


@pytest.mark.parametrize(
    "command",
    [
        '"$LOOOP_BIN" answer w1-1 yes',
        '"$LOOOP_BIN" done; rm -rf /',
        '"$LOOOP_BIN" done && rm -rf /',
        '"$LOOOP_BIN" done "$(rm -rf /)"',
        '"$LOOOP_BIN" done "`rm -rf /`"',
        '"$LOOOP_BIN" done `id`',
        '"$LOOOP_BIN" done > /etc/passwd',
        '"$LOOOP_BIN" done\nrm -rf /',
        '"$LOOOP_BIN" done & sleep 9',
        '"$LOOOP_BIN" done | sh',
        '"$LOOOP_BIN" done "\\"; rm -rf /',
        '"$LOOOP_BIN" done $SECRET',
        '"$LOOOP_BIN" donee',
        'LOOOP_BIN=/bin/sh "$LOOOP_BIN" done',
        "/opt/looop done",
        "looop done",
        "",
        '"$LOOOP_BIN" done ' + "a " * 9000,
    ],
)
def test_anything_more_than_that_is_asked_for(command: str) -> None:
    assert not is_own(command)


# -- hostile payloads ----------------------------------------------------------------------------

NASTY: list[Any] = [
    None, True, -1, 1e300, [], [{}], [[]], {}, {"command": 1}, {"command": "a\x00\u2028b"},
    [{"type": "subagent", "status": "running"}], "\ud800", "\x1b[2J", "x\n" * 2000, "resets 99pm",
]  # fmt: skip
JSON = st.sampled_from(NASTY) | st.text(max_size=60)
EVENTS = ("SessionStart", "UserPromptSubmit", "Notification", "PermissionRequest", "Stop")
FIELDS = ("source", "prompt", "tool_name", "tool_input", "error", "background_tasks", "reason")


@settings(deadline=None)
@given(
    st.sampled_from([*EVENTS, "StopFailure", "SessionEnd", ""]),
    st.dictionaries(st.sampled_from([*FIELDS, "message", "last_assistant_message"]), JSON),
)
def test_no_payload_is_too_strange(event: str, fields: dict[str, Any]) -> None:
    state = told(event, **fields)
    if state is not None:
        assert state.detail == text.one_line(state.detail)
        assert len(state.detail) <= 200
        msgspec.json.encode(state)
