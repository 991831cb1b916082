"""Where a runner's output goes as it comes: the raw stream, the rendered log, the reader."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from looop.loop.decide.streams import Reader

__all__ = ["OUTPUT_FILE", "STREAM_FILE", "Tee"]

STREAM_FILE = "stream.ndjson"
OUTPUT_FILE = "output.log"
STREAM_CAP = 32 << 20
OUTPUT_CAP = 8 << 20
LINE_CAP = 8 << 20
_LEFT_OUT = b'{"type":"looop","note":"the rest of the stream is left out"}\n'


class _Log:
    """A private file that grows to a cap and then says so; it never stops the run."""

    def __init__(self, path: Path, cap: int, note: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = -1
        self._note = note
        # A log that cannot be written costs the log, not the decision.
        with contextlib.suppress(OSError):
            self._fd = os.open(path, flags | os.O_NONBLOCK, 0o600)
            self._left = cap - os.fstat(self._fd).st_size

    def add(self, data: bytes) -> None:
        if self._fd < 0:
            return
        self._left -= len(data)
        try:
            if self._left < 0:
                os.write(self._fd, self._note)
                self.close()
            else:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._fd, view) :]
        except OSError:
            self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Tee:
    """
    Takes chunks, cuts them into lines at newlines only, and hands them on.

    A line over the cap is left out of the reading. `feed` returns True when the reader has
    seen that the run cannot succeed any more.
    """

    def __init__(self, run_dir: Path, reader: Reader, on_line: Callable[[str], None]) -> None:
        self._reader = reader
        self._on_line = on_line
        self._stream = _Log(run_dir / STREAM_FILE, STREAM_CAP, _LEFT_OUT)
        self._output = _Log(run_dir / OUTPUT_FILE, OUTPUT_CAP, b"[the rest is left out]\n")
        self._line = bytearray()
        self._too_long = False

    def feed(self, chunk: bytes) -> bool:
        self._stream.add(chunk)
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._gather(line)
            self._end_line()
        self._gather(rest)
        return bool(lines) and self._reader.verdict.permanent

    def note(self, line: str) -> None:
        """A line of our own in the rendered log."""
        self._output.add(line.encode("utf-8", "replace") + b"\n")
        self._on_line(line)

    def close(self) -> None:
        """The last line may have no newline."""
        self._end_line()
        self._stream.close()
        self._output.close()

    def _gather(self, piece: bytes) -> None:
        if self._too_long or len(self._line) + len(piece) > LINE_CAP:
            self._too_long = True
            self._line.clear()
        else:
            self._line += piece

    def _end_line(self) -> None:
        if self._too_long:
            self.note(f"[a line of more than {LINE_CAP >> 20} MiB is left out]")
        elif self._line:
            said = self._reader.feed(bytes(self._line))
            if said is not None:
                self.note(said)
        self._line.clear()
        self._too_long = False
