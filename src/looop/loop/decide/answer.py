"""The decision file of a run: read as data from a stranger."""

import errno
import os
import stat
from pathlib import Path

from looop.errors import Unreadable

__all__ = ["read"]

_CAP = 1 << 20


def read(path: Path) -> str | None:
    """
    The decision file's text, or None if the run left none or an empty one.

    Raises `Unreadable` for one that is there and cannot be taken: a link, a device, too large,
    not UTF-8.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        is_link = error.errno == errno.ELOOP
        why = "it is a symbolic link" if is_link else error.strerror
        raise Unreadable(f"cannot read the decision file {path}: {why}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unreadable(f"cannot read the decision file {path}: it is not a regular file")
        data = b""
        while len(data) <= _CAP and (piece := os.read(fd, _CAP + 1)):
            data += piece
    except OSError as error:
        raise Unreadable(f"cannot read the decision file {path}: {error.strerror}") from error
    finally:
        os.close(fd)
    if len(data) > _CAP:
        raise Unreadable(f"the decision file {path} is larger than {_CAP} bytes")
    try:
        return data.decode("utf-8-sig").strip() or None
    except UnicodeDecodeError as error:
        raise Unreadable(f"the decision file {path} is not UTF-8: {error}") from error
