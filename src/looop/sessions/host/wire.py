"""
The protocol between a session's supervisor and its clients: a line of JSON, or frames.

A client sends one line and gets one line back, `{"v": 1, "ok": true, ...}` or `{"v": 1, "ok":
false, "error": "...", "refused": bool}`. After the answer to `attach` both sides go on with
frames. Fields and frames that a side does not know are ignored; `v` grows when that is not enough.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

__all__ = [
    "DETACHED",
    "ENDED",
    "INPUT",
    "MAX_FRAME",
    "MAX_LINE",
    "OFFSET",
    "OUTPUT",
    "RESIZE",
    "SIZE",
    "VERSION",
    "Frames",
    "decode",
    "encode",
    "frame",
]

VERSION = 1
# Of a request: as much input as a program is ever kept waiting for, in hex.
MAX_LINE = (2 << 20) + 4096
MAX_FRAME = 1 << 20

# Supervisor to client. OUTPUT begins with the absolute offset of its bytes; ENDED is the answer
# to `end`, as JSON; DETACHED is empty.
OUTPUT, ENDED, DETACHED = b"O", b"E", b"D"
OFFSET = struct.Struct(">Q")
# Client to supervisor: bytes as typed; columns and rows.
INPUT, RESIZE = b"I", b"R"
SIZE = struct.Struct(">HH")

_HEAD = struct.Struct(">cI")


def encode(message: dict[str, Any]) -> bytes:
    """One message as a line."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """The message of a line; None if it is none."""
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if _is_object(value) else None


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def frame(tag: bytes, payload: bytes) -> bytes:
    """One frame as bytes."""
    return _HEAD.pack(tag, len(payload)) + payload


class Frames:
    """Cuts a byte stream into frames, however it was chunked."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """The frames (tag, payload) that `chunk` completes. Raises `ValueError` for nonsense."""
        self._data += chunk
        found: list[tuple[bytes, bytes]] = []
        while len(self._data) >= _HEAD.size:
            tag, length = _HEAD.unpack_from(self._data)
            if length > MAX_FRAME:
                raise ValueError(f"a frame of {length} bytes")
            if len(self._data) < _HEAD.size + length:
                break
            found.append((tag, bytes(self._data[_HEAD.size : _HEAD.size + length])))
            del self._data[: _HEAD.size + length]
        return found
