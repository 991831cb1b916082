"""
Files that are never half there: atomic publish, exclusive create, compare-and-swap, append.

A read has three outcomes and they are kept apart: bytes, `None` for proven absence, and
`Unreadable` for every failure to look. Writers of one directory take its lock for any step
that looks and then acts; readers never lock, because everything is published by rename.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Generator
from pathlib import Path

from looop.errors import Conflict, Unreadable

__all__ = [
    "append_line",
    "create_exclusive",
    "dir_lock",
    "ensure_dir",
    "list_names",
    "move_aside",
    "read_bytes",
    "read_range",
    "read_tail",
    "read_text",
    "remove",
    "remove_if_equal",
    "remove_tree",
    "replace_if_equal",
    "rotate",
    "stat_or_none",
    "write_atomic",
]

PRIVATE = 0o600
PRIVATE_DIR = 0o700
_LOCK_NAME = ".dirlock"


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__


def read_bytes(path: Path, limit: int | None = None) -> bytes | None:
    """
    The bytes of `path` (the first `limit` of them), or None if it is proven absent.

    Raises `Unreadable` for anything else, a directory or a device included.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {_said(error)}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unreadable(f"cannot read {path}: not a regular file")
        chunks: list[bytes] = []
        left = limit
        while left is None or left > 0:
            chunk = os.read(fd, 1 << 20 if left is None else min(left, 1 << 20))
            if not chunk:
                break
            chunks.append(chunk)
            if left is not None:
                left -= len(chunk)
        return b"".join(chunks)
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {_said(error)}") from error
    finally:
        os.close(fd)


def read_text(path: Path) -> str | None:
    """As `read_bytes`, decoded; bytes that are not UTF-8 become replacement characters."""
    data = read_bytes(path)
    return None if data is None else data.decode("utf-8", "replace")


def _opener(path: str, flags: int) -> int:
    # Nothing at the other end of a FIFO may keep a reader waiting.
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def read_tail(path: Path, limit: int) -> bytes | None:
    """The last `limit` bytes of `path` without reading the rest; None if absent."""
    try:
        with open(path, "rb", opener=_opener) as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - limit))
            return handle.read(limit)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {_said(error)}") from error


def read_range(path: Path, start: int, end: int) -> bytes:
    """The bytes from `start` up to `end`, fewer if the file is shorter; b"" if it is absent."""
    try:
        with open(path, "rb", opener=_opener) as handle:
            handle.seek(start)
            return handle.read(end - start)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {_said(error)}") from error


def stat_or_none(path: Path) -> os.stat_result | None:
    """What the path leads to, or None if it is proven absent; raises `Unreadable`."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"cannot look at {path}: {_said(error)}") from error


def list_names(directory: Path) -> list[str]:
    """Sorted names in a directory; [] if it is proven absent; raises `Unreadable`."""
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreadable(f"cannot list {directory}: {_said(error)}") from error


def ensure_dir(directory: Path) -> None:
    """Make a private directory and its parents; one that is there keeps its mode."""
    directory.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR)


@contextlib.contextmanager
def dir_lock(directory: Path) -> Generator[None]:
    """
    Hold the writers' lock of one directory, waiting for it.

    Not re-entrant: code that holds it must not call what takes it. The lock file is never
    removed, because a lock is held on an inode and a second file would admit a second owner.
    """
    fd = os.open(directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _sync_dir(directory: Path) -> None:
    # Some file systems refuse to sync a directory; the rename is still atomic there.
    with contextlib.suppress(OSError):
        fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _publish(path: Path, data: bytes, mode: int, *, durable: bool) -> None:
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    temp = target.parent / f".{target.name[:80]}.{os.urandom(6).hex()}.tmp"
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        try:
            os.fchmod(fd, mode)
            _write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temp, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        raise
    if durable:
        _sync_dir(target.parent)


def write_atomic(path: Path, data: bytes, mode: int = PRIVATE, *, durable: bool = True) -> None:
    """
    Replace `path` with `data`, so that a reader sees the old bytes or the new ones.

    A symlink is written through. With `durable`, the new contents survive a power cut once
    this returns. The directory's lock is taken, so that no compare-and-swap of another writer
    is overtaken.
    """
    with dir_lock(path.parent):
        _publish(path, data, mode, durable=durable)


def create_exclusive(path: Path, data: bytes, mode: int = PRIVATE) -> bool:
    """Publish `path` only if nothing is there: True if this call made it."""
    with dir_lock(path.parent):
        if stat_or_none(path) is not None or path.is_symlink():
            return False
        _publish(path, data, mode, durable=True)
        return True


def replace_if_equal(path: Path, old: bytes, new: bytes, mode: int = PRIVATE) -> bool:
    """Replace `path` only while it holds exactly `old`: True if this call did."""
    with dir_lock(path.parent):
        if read_bytes(path) != old:
            return False
        _publish(path, new, mode, durable=True)
        return True


def remove_if_equal(path: Path, old: bytes) -> bool:
    """Remove `path` only while it holds exactly `old`: True if this call did."""
    with dir_lock(path.parent):
        if read_bytes(path) != old:
            return False
        path.unlink(missing_ok=True)
        return True


def remove(path: Path) -> bool:
    """Remove a file: True if it was there."""
    with dir_lock(path.parent):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        return True


def remove_tree(directory: Path) -> None:
    """Remove a directory of ours and what is in it, without following links."""
    if directory.is_symlink():
        directory.unlink()
        return
    for name in list_names(directory):
        entry = directory / name
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
        else:
            entry.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        directory.rmdir()


def move_aside(source: Path, directory: Path) -> Path:
    """
    Move a file into `directory` under its own name, or that name with `-1`, `-2` ...

    Nothing there is ever overwritten. Raises `Conflict` if the source has gone.
    """
    ensure_dir(directory)
    with dir_lock(directory):
        number = 0
        while True:
            suffix = f"-{number}" if number else ""
            target = directory / f"{source.stem}{suffix}{source.suffix}"
            if stat_or_none(target) is None and not target.is_symlink():
                break
            number += 1
        try:
            os.rename(source, target)
        except FileNotFoundError as error:
            raise Conflict(f"{source} has gone") from error
        _sync_dir(directory)
        _sync_dir(source.parent)
        return target


def append_line(path: Path, line: str, *, durable: bool = False) -> None:
    """
    Add one line with one write, so that lines of concurrent writers never mix.

    A line break inside `line` becomes a blank, so that one line never forges a second. If a
    crash left a torn last line, it is closed first, so that it cannot swallow this one.
    """
    data = line.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace") + b"\n"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE)
    try:
        # Its own lock, not the directory's: a long write of another grows page by page, and
        # looks torn until it is whole.
        fcntl.flock(fd, fcntl.LOCK_EX)
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        _write_all(fd, data)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def rotate(path: Path, cap: int) -> bool:
    """Move a log that has reached `cap` bytes to `<name>.1`, replacing it; 0 never rotates."""
    if not cap:
        return False
    found = stat_or_none(path)
    if found is None or found.st_size < cap:
        return False
    with dir_lock(path.parent):
        found = stat_or_none(path)
        if found is None or found.st_size < cap:
            return False
        os.replace(path, path.with_name(path.name + ".1"))
    return True
