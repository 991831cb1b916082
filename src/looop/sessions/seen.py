"""What can be seen of a session without its help: its files, and whether its lock is held."""

import fcntl
import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

from looop.errors import Corrupt, LooopError, NotFound, Unreadable
from looop.kit import files, identity
from looop.kit.identity import Identity
from looop.kit.names import is_name
from looop.sessions.host import rawlog
from looop.sessions.records import Meta, Session, State, Status

__all__ = ["alive", "look", "names"]

_Record = TypeVar("_Record", Meta, Status)
# More looks than a session can begin and end between two of them.
_LOOKS = 8


def names(root: Path) -> tuple[list[str], list[str]]:
    """
    The names of all sessions below `root`, and one line for each thing there that is none.

    Raises `Unreadable` when nobody can tell what is there: that is not an empty fleet.
    """
    found: list[str] = []
    problems: list[str] = []
    for name in files.list_names(root):
        if name.startswith("."):
            continue
        path = root / name
        if not is_name(name) or path.is_symlink() or not path.is_dir():
            problems.append(f"{path} is no session: it is not a directory with a fitting name")
        elif (path / "lock").exists():
            found.append(name)
        elif files.list_names(path):
            problems.append(f"{path} is no session: nothing was ever started in it")
        # An empty one is being made, or being removed.
    return found, problems


def alive(directory: Path) -> bool:
    """
    Whether the session in `directory` has a living supervisor, or is being started.

    Raises `NotFound` when there is no session, `Unreadable` when nobody can tell.
    """
    _must_be_there(directory)
    path = directory / "lock"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no session {directory.name}") from error
    except OSError as error:
        raise Unreadable(f"cannot look at {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unreadable(f"cannot look at {path}: it is not a regular file")
        # Shared, and gone at once: those who look never see each other, and whoever starts a
        # session tells them from an owner.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        return _alive_by_name(directory, error)
    else:
        return False
    finally:
        os.close(fd)


def _must_be_there(directory: Path) -> None:
    if files.stat_or_none(directory) is None:
        raise NotFound(f"there is no session {directory.name}")


def _alive_by_name(directory: Path, error: OSError) -> bool:
    """Where locks cannot be looked at, whether the process of the record is the one that runs."""
    meta = _load(directory / "meta.json", Meta)
    if meta is None:
        raise Unreadable(f"cannot look at the lock of {directory}: {error.strerror}") from error
    return identity.alive(Identity(meta.pid, meta.started, meta.boot))


def _load(path: Path, kind: type[_Record]) -> _Record | None:
    """A record, or None if it is proven absent. Raises `Unreadable`, of which `Corrupt` is one."""
    data = files.read_bytes(path)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Corrupt(f"{path} makes no sense: {error}") from error


def look(directory: Path) -> Session:
    """
    One session as it is now. Raises `NotFound` when there is none in `directory`, `Unreadable`
    when nobody can tell; records that cannot be read make a session `unreadable` instead.
    """
    _must_be_there(directory)
    seen = _look(directory)
    # A session may have begun after its lock was found free and before its status was read.
    for _ in range(_LOOKS):
        if seen.state != "dead" or (again := _look(directory)) == seen:
            break
        seen = again
    return seen


def _look(directory: Path) -> Session:
    try:
        lives = alive(directory)
    except Unreadable as error:
        # What cannot be told apart from a living one must be treated like it.
        return Session(id=directory.name, state="unreadable", alive=True, reason=str(error))
    try:
        meta = _load(directory / "meta.json", Meta)
        status = _load(directory / "status.json", Status)
        briefed = files.stat_or_none(directory / "start.json") is not None
        end, wrote_at = _output(directory)
    except LooopError as error:
        return Session(id=directory.name, state="unreadable", alive=lives, reason=str(error))
    if meta is None:
        reason = "" if lives else "its start was cut off"
        state: State = "starting" if lives else "dead"
        return Session(id=directory.name, state=state, alive=lives, reason=reason)
    state, reason = _state(meta, status, alive=lives, briefed=briefed)
    seen = Session(
        id=directory.name,
        state=state,
        alive=lives,
        generation=meta.generation,
        reason=reason,
        argv=meta.argv,
        cwd=meta.cwd,
        labels=meta.labels,
        columns=meta.columns,
        rows=meta.rows,
        supervisor=meta.pid,
        started_at=meta.at,
        wrote_at=wrote_at,
        bytes=end,
        log_start=meta.log_start,
        version=meta.version,
    )
    if status is None or status.generation != meta.generation:
        return seen
    ended = status.state != "running"
    return msgspec.structs.replace(
        seen,
        code=status.code,
        signal=status.signal,
        columns=status.columns or meta.columns,
        rows=status.rows or meta.rows,
        pid=status.pid,
        ended_at=status.at if ended else 0.0,
        stalled=status.stalled,
    )


def _state(meta: Meta, status: Status | None, *, alive: bool, briefed: bool) -> tuple[State, str]:
    """The state of a session whose records can be read, and the reason for it."""
    if alive and (briefed or status is None or status.generation != meta.generation):
        return "starting", ""
    if status is None or status.generation != meta.generation:
        return "dead", "its supervisor died while it started"
    if status.state == "running" and not alive:
        return "dead", "its supervisor died"
    return status.state, status.reason


def _output(directory: Path) -> tuple[int, float]:
    """Where the output ends, and the wall time of the last of it; 0 for none."""
    try:
        found = rawlog.segments(str(directory))
        if not found:
            return 0, 0.0
        last = os.lstat(found[-1][1])
    except FileNotFoundError:
        # Given up between the two looks, by a session that writes very much.
        return rawlog.size(str(directory)), 0.0
    except OSError as error:
        raise Unreadable(f"cannot look at the output of {directory}: {error.strerror}") from error
    return found[-1][0] + last.st_size, last.st_mtime if last.st_size else 0.0
