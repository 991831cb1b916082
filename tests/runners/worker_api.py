"""The mock as a worker's model: answers of their own ids, a command to run first, usage limits."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from tests.runners import mock_api
from tests.runners.mock_api import Event, MockApi

__all__ = ["WorkerApi"]


class _Handler(mock_api._Handler):
    worker: "WorkerApi"

    def _answer(self, path: str, body: dict[str, Any]) -> None:
        if self.worker.limited_until:
            self._limited(path)
        elif path.endswith("/messages"):
            self._events(self.worker.messages(body))
        elif path.endswith("/responses"):
            self._events(self.worker.responses(body))
        else:
            super()._answer(path, body)

    def _limited(self, path: str) -> None:
        """A usage limit, in the words and headers of the provider."""
        until = int(self.worker.limited_until)
        headers: dict[str, str] = {}
        error: dict[str, Any] = {"message": "The usage limit has been reached"}
        if path.endswith("/messages"):
            error["type"] = "rate_limit_error"
            prefix = "anthropic-ratelimit-unified"
            headers = {
                f"{prefix}-status": "rejected",
                f"{prefix}-reset": str(until),
                f"{prefix}-representative-claim": "five_hour",
                f"{prefix}-5h-status": "rejected",
                f"{prefix}-5h-reset": str(until),
            }
        else:
            error |= {"type": "usage_limit_reached", "plan_type": "plus", "resets_at": until}
            error["resets_in_seconds"] = max(0, until - int(time.time()))
        data = json.dumps({"type": "error", "error": error}).encode()
        self.send_response(429)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _tools(body: dict[str, Any]) -> set[str]:
    tools: list[dict[str, Any]] = body.get("tools") or []
    return {str(tool.get("name")) for tool in tools}


class WorkerApi(MockApi):
    """
    As `MockApi`. With `command`, the model first has that command run by the CLI's own tool;
    with `limited_until` (wall seconds), every request meets a usage limit that ends then.
    """

    def __init__(self, text: str, command: str = "", limited_until: float = 0.0) -> None:
        super().__init__(text)
        self.command = command
        self.limited_until = limited_until
        self._numbers = itertools.count(1)
        self._server.RequestHandlerClass = type(
            "Handler", (_Handler,), {"api": self, "worker": self}
        )

    def messages(self, body: dict[str, Any]) -> Iterator[Event]:
        number = next(self._numbers)
        tool = next(iter(_tools(body) & {"Bash", "bash"}), "")
        runs = self.command and tool and "tool_result" not in json.dumps(body.get("messages"))
        words = json.dumps({"command": self.command, "description": "try"}) if runs else self.text
        # The mock calls one tool only, that of structured output: it lends its form.
        tools: list[dict[str, str]] = [{"name": "StructuredOutput"}] if runs else []
        for name, data in mock_api._anthropic(body | {"tools": tools}, words):
            if name == "message_start":
                data["message"]["id"] = f"msg_{number}"
            if runs and name == "content_block_start":
                data["content_block"] |= {"id": f"toolu_{number}", "name": tool}
            yield name, data

    def responses(self, body: dict[str, Any]) -> Iterator[Event]:
        number = next(self._numbers)
        sent = json.dumps(body.get("input"))
        if not (
            self.command and "exec_command" in _tools(body) and "function_call_output" not in sent
        ):
            for name, data in mock_api._responses(body, self.text):
                yield name, json.loads(json.dumps(data).replace("_mock", f"_{number}"))
            return
        arguments = {
            "cmd": self.command,
            "sandbox_permissions": "require_escalated",
            "justification": "May I?",
        }
        call: dict[str, Any] = {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "name": "exec_command",
            "arguments": json.dumps(arguments),
            "status": "completed",
        }
        for name, data in mock_api._responses(body, ""):
            match name:
                case "response.output_item.added" | "response.output_item.done":
                    yield name, data | {"item": call}
                case "response.completed":
                    data["response"] |= {"id": f"resp_{number}", "output": [call]}
                    yield name, data
                case "response.created":
                    yield name, data
                case _:
                    pass
