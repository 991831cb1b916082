"""What is asked of a child process and what came of it: plain data, cheap to import."""

from enum import Enum

from msgspec import Struct

__all__ = ["Done", "End", "Limits"]


class End(Enum):
    """Why a run ended."""

    EXITED = "exited"
    DEADLINE = "deadline"
    SILENT = "silent"
    TOO_LARGE = "too-large"
    STOPPED = "stopped"
    UNSPAWNABLE = "unspawnable"


class Limits(Struct, frozen=True, kw_only=True):
    """Seconds and bytes; 0 means unlimited, except for `out_bytes` and `err_bytes`."""

    wall_s: float = 0.0
    silence_s: float = 0.0
    grace_s: float = 2.0
    out_bytes: int = 65536
    err_bytes: int = 4096
    # With `stop_when_large`, output over `out_bytes` ends the run; else its tail is kept.
    stop_when_large: bool = False


class Done(Struct, frozen=True, kw_only=True):
    """
    What came of a run.

    `code` is the exit code, `signal` the number that ended it (one of them is None, or both
    when it never started). `out` and `err` are bounded by the limits, `out_total` counts all
    that was read.
    """

    end: End
    code: int | None
    signal: int | None
    out: bytes
    err: bytes
    out_total: int
    took_s: float
    why: str = ""

    @property
    def ok(self) -> bool:
        """Exited by itself with code 0."""
        return self.end is End.EXITED and self.code == 0

    @property
    def shell_code(self) -> int:
        """One number in the habit of shells: 124 deadline, 127 not started, 128+N signal."""
        if self.end in (End.DEADLINE, End.SILENT):
            return 124
        if self.end is End.UNSPAWNABLE:
            return 127
        if self.code is not None:
            return self.code
        return 128 + (self.signal or 0)
