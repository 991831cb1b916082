"""
A stand-in for the model APIs that agent CLIs talk to, on a free port of 127.0.0.1.

It speaks just enough of four protocols for one decision: Anthropic messages, OpenAI responses,
OpenAI chat completions and Gemini generateContent, streamed as server-sent events. Every answer
is `text`; where the request offers a tool for structured output, that tool is called with it.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from looop.kit.shapes import is_object

__all__ = ["Asked", "Fault", "MockApi"]

Fault = Literal["", "401", "429", "500", "529", "hang"]
Event = tuple[str, dict[str, Any]]

# What one answer costs: tokens that came fresh, from the cache, into the cache, and out.
FRESH, CACHED, WRITTEN, OUT = 700, 250, 50, 40

_STATUS = {
    "401": ("authentication_error", "invalid_api_key", "invalid x-api-key", "UNAUTHENTICATED"),
    "429": ("rate_limit_error", "rate_limit_exceeded", "rate limit reached", "RESOURCE_EXHAUSTED"),
    "500": ("api_error", "server_error", "Internal server error", "INTERNAL"),
    "529": ("overloaded_error", "server_is_overloaded", "Overloaded", "UNAVAILABLE"),
}


class Asked(NamedTuple):
    """One request that came in: its path and its decoded body."""

    path: str
    body: dict[str, Any]


def _anthropic(body: dict[str, Any], text: str) -> Iterator[Event]:
    model = str(body.get("model", "mock"))
    tools: list[dict[str, Any]] = body.get("tools") or []
    offered = {str(tool.get("name")) for tool in tools}
    usage = {
        "input_tokens": FRESH,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": WRITTEN,
        "output_tokens": 1,
    }
    message: dict[str, Any] = {
        "id": "msg_mock",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield "message_start", {"type": "message_start", "message": message}
    if "StructuredOutput" in offered:
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": "toolu_mock",
            "name": "StructuredOutput",
            "input": {},
        }
        delta = {"type": "input_json_delta", "partial_json": text}
        stop = "tool_use"
    else:
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": text}
        stop = "end_turn"
    yield (
        "content_block_start",
        {"type": "content_block_start", "index": 0, "content_block": block},
    )
    yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": 0}
    ended = {"stop_reason": stop, "stop_sequence": None}
    yield (
        "message_delta",
        {"type": "message_delta", "delta": ended, "usage": {**usage, "output_tokens": OUT}},
    )
    yield "message_stop", {"type": "message_stop"}


def _responses(body: dict[str, Any], text: str) -> Iterator[Event]:
    item: dict[str, Any] = {
        "type": "message",
        "id": "item_mock",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    response: dict[str, Any] = {
        "id": "resp_mock",
        "object": "response",
        "model": body.get("model"),
        "output": [],
    }
    usage = {
        "input_tokens": FRESH + CACHED + WRITTEN,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens": OUT,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": FRESH + CACHED + WRITTEN + OUT,
    }
    yield "response.created", {"type": "response.created", "response": response}
    yield (
        "response.output_item.added",
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
    )
    yield (
        "response.output_text.delta",
        {"type": "response.output_text.delta", "item_id": "item_mock", "delta": text},
    )
    yield (
        "response.output_item.done",
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    )
    done = {**response, "status": "completed", "output": [item], "usage": usage}
    yield "response.completed", {"type": "response.completed", "response": done}


def _chat(body: dict[str, Any], text: str) -> Iterator[Event]:
    def chunk(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {
            "id": "chat_mock",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": body.get("model"),
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    yield "", chunk({"role": "assistant", "content": text}, None)
    yield "", chunk({}, "stop")
    usage = {
        "prompt_tokens": FRESH + CACHED,
        "prompt_tokens_details": {"cached_tokens": CACHED},
        "completion_tokens": OUT,
        "total_tokens": FRESH + CACHED + OUT,
    }
    yield "", {**chunk({}, None), "choices": [], "usage": usage}


def _gemini(path: str, text: str) -> dict[str, Any]:
    return {
        "candidates": [
            {
                "index": 0,
                "content": {"role": "model", "parts": [{"text": text}]},
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {
            "promptTokenCount": FRESH + CACHED,
            "cachedContentTokenCount": CACHED,
            "candidatesTokenCount": OUT,
            "thoughtsTokenCount": 5,
            "totalTokenCount": FRESH + CACHED + OUT + 5,
        },
        "modelVersion": path.rpartition("/")[2].partition(":")[0],
    }


class _Handler(BaseHTTPRequestHandler):
    api: "MockApi"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is inherited
        pass

    def do_GET(self) -> None:
        self._json(200, {"data": [], "models": []})

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            decoded: Any = json.loads(raw)
        except ValueError:
            decoded = {}
        body: dict[str, Any] = decoded if is_object(decoded) else {}
        path = self.path.partition("?")[0]
        self.api.asked.append(Asked(path, body))
        fault = self.api.next_fault()
        if fault == "hang":
            self.api.over.wait()
            return
        if fault:
            self._fail(path, fault)
        else:
            self._answer(path, body)

    def _answer(self, path: str, body: dict[str, Any]) -> None:
        text = self.api.text
        if path.endswith("/count_tokens"):
            self._json(200, {"input_tokens": FRESH})
        elif path.endswith("/messages"):
            self._events(_anthropic(body, text))
        elif path.endswith("/responses"):
            self._events(_responses(body, text))
        elif path.endswith("/chat/completions"):
            self._events(_chat(body, text), end=b"data: [DONE]\n\n")
        elif path.endswith(":streamGenerateContent"):
            self._events(iter([("", _gemini(path, text))]))
        elif path.endswith(":generateContent"):
            self._json(200, _gemini(path, text))
        else:
            self._json(404, {"error": {"message": f"the mock does not know {path}"}})

    def _fail(self, path: str, fault: str) -> None:
        kind, code, message, status = _STATUS[fault]
        number = int(fault)
        if path.endswith("/messages"):
            body = {"type": "error", "error": {"type": kind, "message": message}}
        elif "enerateContent" in path:
            body = {"error": {"code": number, "message": message, "status": status}}
        else:
            body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
        self._json(number, body)

    def _json(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _events(self, events: Iterator[Event], end: bytes = b"") -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for name, data in events:
            head = f"event: {name}\n" if name else ""
            self.wfile.write(f"{head}data: {json.dumps(data)}\n\n".encode())
        self.wfile.write(end)


class MockApi:
    """
    The server, for a `with` block: `url`, and `asked` for what came in.

    `fault` is answered to the first `times` requests, to every one if `times` is 0. `hang`
    keeps a request open until the block ends.
    """

    def __init__(self, text: str, fault: Fault = "", times: int = 0) -> None:
        self.text = text
        self.fault: Fault = fault
        self.times = times
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._faults = 0
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_fault(self) -> Fault:
        with self._lock:
            if not self.fault or (self.times and self._faults >= self.times):
                return ""
            self._faults += 1
            return self.fault

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
