"""
Readers of what runners print: pure, fed line by line, never surprised.

A stream is another program's, of any version: unknown events, any order of keys, lines that
are no JSON and lines of any length must all be survived. Nothing here reads a clock or a file.
"""

from looop.config import CostSpec, RetrySpec
from looop.loop.decide.streams.base import Reader, StreamVerdict, Usage
from looop.loop.decide.streams.claude import ClaudeReader
from looop.loop.decide.streams.codex import CodexReader
from looop.loop.decide.streams.custom import CustomReader
from looop.loop.decide.streams.gemini import GeminiReader
from looop.loop.decide.streams.opencode import OpencodeReader
from looop.loop.decide.streams.pi import PiReader

__all__ = ["READERS", "Reader", "StreamVerdict", "Usage", "reader_for"]

READERS = {
    "claude": ClaudeReader,
    "codex": CodexReader,
    "gemini": GeminiReader,
    "opencode": OpencodeReader,
    "pi": PiReader,
}


def reader_for(
    name: str, *, cost: CostSpec | None = None, retry: RetrySpec | None = None
) -> Reader:
    """A fresh reader for the CLI of that name; any other name is a command of the user's own."""
    made = READERS.get(name)
    return made() if made else CustomReader(cost, retry)
