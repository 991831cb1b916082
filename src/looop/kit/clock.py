"""Time as a value that is passed in, so that tests own it."""

import time
from typing import Protocol

__all__ = [
    "Clock",
    "SystemClock",
    "local_clock",
    "local_minute",
    "local_offset",
    "local_stamp",
    "utc_iso",
]


class Clock(Protocol):
    """`wall` for schedules and display, `monotonic` for waiting; both in seconds."""

    def wall(self) -> float: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def utc_iso(at: float) -> str:
    """`2026-01-31T08:15:00.123Z`: a wall time in UTC with milliseconds."""
    whole, micros = divmod(round(at * 1e6), 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{micros // 1000:03d}Z"


def local_minute(at: float) -> str:
    """`2026-01-31 09:15`: a wall time in local time, as the journal shows it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def local_clock(at: float) -> str:
    """`09:15:30`: the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def local_stamp(at: float) -> str:
    """`20260131-091500`: a wall time in local time, safe in a file name."""
    return time.strftime("%Y%m%d-%H%M%S", time.localtime(at))


def local_offset(at: float) -> str:
    """`2026-01-31 09:15:00 +0100`: local time with its offset, as the prompt shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))
