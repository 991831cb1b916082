"""A bell: rung by whoever has news, heard by one listener, and no loss if nobody listens."""

import contextlib
import os
import stat
from pathlib import Path

from looop.errors import Unreadable

__all__ = ["Bell", "ring"]


class Bell:
    """The listener's side. `fileno` is readable once it was rung, until it is `heard`."""

    def __init__(self, path: Path) -> None:
        """Raises `Unreadable` when it cannot be hung up."""
        try:
            if not _is_bell(path):
                path.unlink(missing_ok=True)
                os.mkfifo(path, 0o600)
            # Open for writing too, or the end of every ringer would look like the end of all.
            self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Unreadable(f"cannot listen at {path}: {error.strerror}") from error

    def fileno(self) -> int:
        return self._fd

    def heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._fd, 4096):
                pass

    def close(self) -> None:
        os.close(self._fd)


def _is_bell(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISFIFO(path.lstat().st_mode)
    return False


def ring(path: Path) -> bool:
    """Ring; False when nobody listens. Never waits, and never fails for want of a listener."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return False
        os.write(fd, b".")
    except BlockingIOError:
        # Rung so often that it holds no more: it will be heard.
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
