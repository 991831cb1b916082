"""
A person's program on a terminal of its own: joins a session, and says how that ended.

Run by path with a directory of sessions, the name of one, and `attach`, `watch` or `break`.
"""

import fcntl
import os
import sys
import termios
from pathlib import Path

from looop.kit.clock import SystemClock
from looop.sessions import attach
from looop.sessions.local import LocalFleet


def size() -> tuple[int, int]:
    columns, rows = os.get_terminal_size(0)
    return columns, rows


def broken() -> tuple[int, int]:
    raise ValueError("this is a fault of ours")


def main() -> int:
    root, session, how = sys.argv[1:]
    # The terminal of this process, so that its signals come here.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    columns, rows = size()
    terminal = LocalFleet(Path(root), version="1").attach(
        session, columns=columns, rows=rows, interactive=how != "watch"
    )
    try:
        outcome = attach.run(
            terminal,
            stdin_fd=0,
            stdout_fd=1,
            size=broken if how == "break" else size,
            clock=SystemClock(),
            interactive=how != "watch",
        )
    finally:
        terminal.close()
    os.write(1, f"left: {outcome.reason}\r\n".encode())
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
