"""How a running command comes to its end: by itself or on request, with all that it started."""

import os
import signal

from looop.sessions.host import tree

__all__ = ["DRAIN_S", "GRACE_S", "Ending"]

# After the command, its terminal is read this long for what it left behind and still writes.
DRAIN_S = 1.0
# What a kill grants when it does not say, and what the leftovers of a command are granted.
GRACE_S = 5.0
_LEFTOVER_S = 1.0
# How often the tree is looked at while it is ending, and how long after KILL.
_LOOK_S = 0.05
_SWEEP_S = 2.0
# A time that is over, and not the 0 that means never.
_AT_ONCE = 1e-9


class Ending:
    """
    The end of one generation. All times are monotonic seconds.

    `status` is what waitpid gave for the command, None while it lives; `killed` whether its end
    was asked for before it came; `escalated` whether that took force; `survivors` what even
    force did not end.
    """

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.status: int | None = None
        self.killed = False
        self.escalated = False
        self.survivors: list[int] = []
        self._exited_at = 0.0
        self._kill_at = 0.0
        self._give_up_at = 0.0
        self._look_at = _AT_ONCE

    @property
    def due(self) -> float:
        """When `gone` has to be asked again; 0 while nothing is ending."""
        return self._look_at if self.status is not None or self._kill_at else 0.0

    @property
    def _group(self) -> int:
        # Once the leader is reaped its number may be given to anyone.
        return self.leader if self.status is None else 0

    def exited(self, status: int, now: float) -> None:
        """The command itself has ended."""
        self.status = status
        self._exited_at = now

    def hurry(self) -> None:
        """Something ended, or the terminal did: look at once."""
        self._look_at = _AT_ONCE

    def kill(self, grace_s: float, now: float) -> None:
        """End the whole tree: TERM now, and KILL what is left after the grace."""
        self.killed = self.killed or self.status is None
        self._stop(grace_s, now)

    def _stop(self, grace_s: float, now: float) -> None:
        if not self._kill_at:
            tree.signal_tree(os.getpid(), self._group, signal.SIGTERM)
            # What is stopped could not even hear that.
            tree.wake(os.getpid())
            self._kill_at = now + grace_s
        self._kill_at = min(self._kill_at, now + grace_s)
        self.hurry()

    def gone(self, now: float, *, drained: bool) -> bool:
        """
        Whether nothing is left of the command and of all that it started, or all was tried.

        `drained` tells that nobody holds its terminal any more.
        """
        if not self.due or now < self._look_at:
            return False
        self._look_at = now + _LOOK_S
        if not (self._kill_at or drained or now >= self._exited_at + DRAIN_S):
            return False
        left = tree.descendants(os.getpid())
        if self.status is None and not left:
            # Not collected yet, or there is no way to look.
            left = [self.leader]
        if not left:
            return True
        if not self._kill_at:
            self._stop(_LEFTOVER_S, now)
        elif now >= self._kill_at:
            return self._force(left, now)
        return False

    def _force(self, left: list[int], now: float) -> bool:
        self.escalated = True
        tree.signal_tree(os.getpid(), self._group, signal.SIGKILL)
        if not self._give_up_at:
            self._give_up_at = now + _SWEEP_S
        if now < self._give_up_at:
            return False
        self.survivors = left
        return True
