"""What the hooks of Claude Code tell, and the answer that one of them may give."""

from collections.abc import Mapping
from typing import Any

from looop.kit import text
from looop.loop.decide.streams import fields
from looop.loop.workers.agents import limits, verbs
from looop.loop.workers.agents.base import AgentState, Permission, State

__all__ = ["EVENTS", "from_hook", "permission_answer"]

EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "Notification",
    "PermissionRequest",
    "Stop",
    "StopFailure",
    "SessionEnd",
)

_SHOWN = 200
_SUMMARY = 400
# A turn that a rate limit ended is over for now; every other failure needs somebody.
_LIMITS = ("rate_limit",)
# Their dialogs come with a PermissionRequest, unless nobody can answer them by a hook.
_NOTIFIED: dict[str, State] = {
    "elicitation_dialog": "asking",
    "agent_needs_input": "asking",
    "idle_prompt": "idle",
}
# A session that ends so goes on as another one in the same terminal.
_GOES_ON = ("clear", "resume")


def from_hook(payload: Mapping[str, Any], now: float) -> AgentState | None:
    """
    The state that a hook's JSON tells.

    None for one that tells none: a compaction in the middle of a turn, a login.
    """
    event = dict(payload)
    match fields.word(event, "hook_event_name"):
        case "SessionStart":
            begins = fields.word(event, "source") in ("startup", "resume")
            return _state(event, "starting") if begins else None
        case "UserPromptSubmit":
            return _state(event, "busy", fields.word(event, "prompt"))
        case "Notification":
            told = _NOTIFIED.get(fields.word(event, "notification_type"))
            return _state(event, told, fields.word(event, "message")) if told else None
        case "PermissionRequest":
            return _asking(event)
        case "Stop":
            return _stopped(event)
        case "StopFailure":
            return _failed(event, now)
        case "SessionEnd":
            why = fields.word(event, "reason")
            return None if why in _GOES_ON else _state(event, "ended", why)
        case _:
            return None


def _state(
    event: dict[str, Any],
    state: State,
    detail: str = "",
    until: float = 0.0,
    permission: Permission | None = None,
) -> AgentState:
    return AgentState(
        state=state,
        detail=text.one_line(detail, _SHOWN),
        until=until,
        transcript=fields.word(event, "transcript_path"),
        permission=permission,
    )


def _asking(event: dict[str, Any]) -> AgentState:
    tool = text.one_line(fields.word(event, "tool_name"), 80) or "a tool"
    wanted = fields.table(event, "tool_input")
    command = fields.word(wanted, "command")
    named = [fields.word(wanted, key) for key in ("file_path", "notebook_path", "url", "pattern")]
    summary = command or next(filter(None, named), "") or fields.as_json(wanted)
    permission = Permission(
        tool=tool,
        summary=text.one_line(summary, _SUMMARY),
        own=tool == "Bash" and verbs.is_own(command),
    )
    return _state(event, "asking", f"{tool}: {summary}", permission=permission)


def _stopped(event: dict[str, Any]) -> AgentState:
    """A turn is over; it goes on by itself when agents of its own still work behind it."""
    said = fields.word(event, "last_assistant_message")
    waiting = [
        task
        for task in fields.tables(event, "background_tasks")
        if "agent" in fields.word(task, "type") and fields.word(task, "status") == "running"
    ]
    if waiting:
        return _state(event, "busy", f"waits for {text.count(len(waiting), 'agent')} of its own")
    return _state(event, "idle", said)


def _failed(event: dict[str, Any], now: float) -> AgentState:
    error = fields.word(event, "error")
    said = fields.word(event, "last_assistant_message") or fields.word(event, "error_details")
    if error in _LIMITS:
        return _state(event, "limited", said or error, until=limits.ends_at(said, now))
    return _state(event, "failed", f"{error or 'unknown'}: {said}" if said else error)


def permission_answer(allow: bool, message: str) -> dict[str, Any]:
    """What a PermissionRequest hook prints; `message` tells the agent why not."""
    decision: dict[str, Any] = {"behavior": "allow" if allow else "deny"}
    if not allow and message:
        decision["message"] = text.plain(message)
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}
