"""What a supervisor writes of its session: records that are replaced whole, and a journal."""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Costs more memory at run time than all the modules of this package.
    from typing import Any

__all__ = ["Journal", "Records"]

_SPARE = ".spare"
_SPARE_BYTES = 4096
_NEW = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def _encode(record: dict[str, Any]) -> bytes:
    # Names that are no UTF-8 come as lone surrogates, which no other reader would take.
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


class Records:
    """
    Publishes `meta.json` and `status.json` so that a reader sees the old one or the new one.

    The next record's blocks are kept in a spare file, so that a full disk can still be told of.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._spare = os.path.join(directory, _SPARE)
        self._reserve()

    def _reserve(self) -> None:
        try:
            fd = os.open(self._spare, _NEW | os.O_TRUNC, 0o600)
            try:
                os.write(fd, bytes(_SPARE_BYTES))
            finally:
                os.close(fd)
        except OSError:
            return

    def publish(self, name: str, record: dict[str, Any], *, durable: bool = False) -> None:
        """
        Replace the record `name`. Raises `OSError`.

        A power cut leaves the old one or the new one; with `durable`, the new one.
        """
        data = _encode(record)
        fd = os.open(self._spare, _NEW, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.ftruncate(fd, len(data))
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(self._spare, os.path.join(self._directory, name))
        if durable:
            self._sync()
        self._reserve()

    def _sync(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError:
            # Not every file system can; the record is there all the same.
            return
        finally:
            os.close(fd)

    def close(self) -> None:
        """Remove the spare."""
        try:
            os.unlink(self._spare)
        except OSError:
            return


class Journal:
    """`log.jsonl`: one line for each thing that happened to a session. Its failure stops nothing."""

    def __init__(self, directory: str) -> None:
        self._torn = False
        path = os.path.join(directory, "log.jsonl")
        try:
            self._fd = os.open(path, _NEW | os.O_APPEND, 0o600)
        except OSError:
            self._fd = -1

    def note(self, event: str, offset: int, **fields: Any) -> None:
        """Add a line: what happened when the output was `offset` bytes long."""
        if self._fd < 0:
            return
        data = _encode({"at": time.time(), "offset": offset, "event": event, **fields})
        if self._torn:
            data = b"\n" + data
        try:
            self._torn = os.write(self._fd, data) < len(data)
        except OSError:
            return

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
