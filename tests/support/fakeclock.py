"""A clock that a test owns."""

import secrets
import time

__all__ = ["FakeClock"]


class FakeClock:
    """
    Both clocks of `looop.kit.clock.Clock`, standing still until `forward` moves them.

    With `ticking`, the monotonic side is the machine's own, for tests in which a real child runs
    into a real deadline. The start of the monotonic side is random, because marks of processes
    are made from it and tests run side by side.
    """

    def __init__(self, wall: float = 1_780_000_000.0, *, ticking: bool = False) -> None:
        self.now = wall
        self.mono = secrets.randbelow(10**9) / 7
        self._ticking = ticking

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return time.monotonic() if self._ticking else self.mono

    def forward(self, seconds: float) -> None:
        self.now += seconds
        self.mono += seconds
