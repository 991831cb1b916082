"""Which descriptors are ready, and who is called for each."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["READ", "WRITE", "Poller"]

READ, WRITE = select.POLLIN, select.POLLOUT


class Poller:
    """
    What is awaited of each descriptor, and the handler that is told which of it has come.

    A handler is called with the descriptor and `READ`, `WRITE` or both. The module `selectors`
    does the same for 70 KiB more in each forked supervisor.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._awaited: dict[int, tuple[int, Callable[[int, int], None]]] = {}

    def watch(self, fd: int, mask: int, handler: Callable[[int, int], None]) -> None:
        """Await `mask` of `fd` from now on, instead of what was; 0 for nothing."""
        if mask:
            self._poll.register(fd, mask)
            self._awaited[fd] = mask, handler
        else:
            self.forget(fd)

    def forget(self, fd: int) -> None:
        """Await nothing of `fd`. Must come before it is closed."""
        if self._awaited.pop(fd, None):
            self._poll.unregister(fd)

    def serve(self, pause: float | None) -> None:
        """Wait until something has come, for up to `pause` seconds, and call its handlers."""
        # Rounded up, or the last millisecond would be spent asking again and again.
        for fd, events in self._poll.poll(None if pause is None else int(pause * 1000) + 1):
            # A handler that was called before this one may have forgotten it.
            mask, handler = self._awaited.get(fd, (0, None))
            # A hang-up or an error is told by the next read or write, whichever is awaited.
            ready = mask if events & ~(READ | WRITE) else mask & events
            if handler and ready:
                handler(fd, ready)
