"""From the terminal to the log: nothing is lost, and a disk that takes nothing is a brake."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from looop.sessions.host.rawlog import RawLog
    from looop.sessions.host.records import Journal

__all__ = ["Intake"]

_RETRY_S = 0.5


class Intake:
    """
    Appends output to the log. `stalled` says why nothing can be written now, "" if all is well.

    While it is stalled the terminal must not be read, so that the program has to wait.
    """

    def __init__(self, log: RawLog, journal: Journal) -> None:
        self._log = log
        self._journal = journal
        self._held = b""
        self._rest = b""
        self.stalled = ""
        self.retry_at = 0.0

    @property
    def unwritten(self) -> int:
        """How many bytes wait for the disk."""
        return len(self._rest)

    def take(self, data: bytes, now: float) -> bytes:
        """
        Append `data` and give it back, once it is all in the log; b"" and it is held if not.

        Must not be called while it is stalled.
        """
        self._held = self._rest = data
        return self.retry(now)

    def retry(self, now: float) -> bytes:
        """Append what is held: as `take`."""
        before, kept = self._log.end, self._log.start
        try:
            self._log.add(self._rest)
        except OSError as error:
            self.stalled = error.strerror or "it cannot be written"
            self.retry_at = now + _RETRY_S
        else:
            self.stalled = ""
            self.retry_at = 0.0
        self._rest = self._rest[self._log.end - before :]
        if self._log.start > kept:
            self._journal.note("gap", self._log.end, start=kept, end=self._log.start)
        if self.stalled:
            return b""
        held, self._held = self._held, b""
        return held
