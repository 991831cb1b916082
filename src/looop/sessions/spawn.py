"""Starting a session: reserve its directory, start its supervisor, hear how that went."""

import contextlib
import fcntl
import json
import os
import select
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from looop.errors import Conflict, Failed, LooopError, Unreadable
from looop.kit import files, text
from looop.kit.clock import SystemClock
from looop.sessions import dial
from looop.sessions.host import door, wire
from looop.sessions.host.brief import SUPERVISOR_MARK
from looop.sessions.host.rawlog import KEPT_SEGMENTS, SEGMENT_BYTES
from looop.sessions.records import Spec

__all__ = ["HOST", "reserve", "start", "start_zygote", "stop_zygote"]

HOST = Path(__file__).parent / "host" / "main.py"

# A supervisor answers within milliseconds; a machine on its knees is given this long.
_START_S = 60.0
# A zygote says its version at once.
_ZYGOTE_S = 1.0
_REASON_BYTES = 4096
_PROBES = 2000
# Above the numbers that a supervisor is given its descriptors under.
_HIGH = 10


def reserve(directory: Path) -> int:
    """
    Own the directory of a session that is not alive, made if need be: a descriptor of its lock.

    The reservation ends when the last copy of the descriptor is closed. Raises `Conflict` when
    the session is alive or someone else is starting it, `Unreadable` when nobody can tell.
    """
    path = directory / "lock"
    while True:
        try:
            files.ensure_dir(directory.parent)
            files.ensure_dir(directory)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Unreadable(f"cannot open {path}: {error.strerror}") from error
        try:
            _own(fd, directory.name)
            if _is_at(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        # Someone removed the whole session meanwhile: this lock is of a file that is gone.
        os.close(fd)


def _own(fd: int, name: str) -> None:
    """Take the lock, past everyone who only looks whether it is held."""
    try:
        for _ in range(_PROBES):
            if _locked(fd, fcntl.LOCK_EX):
                return
            if not _locked(fd, fcntl.LOCK_SH):
                break
            fcntl.flock(fd, fcntl.LOCK_UN)
            select.select([], [], [], 0.001)
    except OSError as error:
        raise Unreadable(f"cannot lock session {name}: {error.strerror}") from error
    raise Conflict(f"session {name} is alive")


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(fd: int, path: Path) -> bool:
    found = files.stat_or_none(path)
    return found is not None and os.path.samestat(found, os.fstat(fd))


def start(
    directory: Path,
    spec: Spec,
    *,
    generation: str,
    version: str,
    zygote: Path | None = None,
    segment_bytes: int = SEGMENT_BYTES,
    kept_segments: int = KEPT_SEGMENTS,
) -> None:
    """
    Start `spec` in `directory` and return once its command runs.

    A directory that holds an ended session gets another generation, and its log goes on.
    Its supervisor is forked from the zygote in the directory `zygote` if one of this `version`
    answers there. Raises `Conflict` when the session is alive or being started, `Failed` with the
    reason when the command or its supervisor cannot run, `Unreadable` when the directory cannot
    be had.
    """
    lock = reserve(directory)
    try:
        _brief(directory, spec, generation, version, segment_bytes, kept_segments)
        said = _through(zygote, directory, lock, version) if zygote is not None else None
        if said is None:
            said = _direct(directory, lock)
    finally:
        os.close(lock)
    if said != "ok":
        raise Failed(f"session {spec.id} cannot start: {said}")


def _brief(
    directory: Path,
    spec: Spec,
    generation: str,
    version: str,
    segment_bytes: int,
    kept_segments: int,
) -> None:
    """Write down what the supervisor is to do; it removes this when it has read it."""
    mask = os.umask(0o077)
    os.umask(mask)
    brief = {
        "id": spec.id,
        "generation": generation,
        "argv": spec.argv,
        "cwd": spec.cwd,
        "env": spec.env,
        "columns": spec.columns,
        "rows": spec.rows,
        "labels": spec.labels,
        "id_variable": spec.id_variable,
        "generation_variable": spec.generation_variable,
        "version": version,
        "segment_bytes": segment_bytes,
        "kept_segments": kept_segments,
        "umask": mask,
    }
    path = directory / "start.json"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(path, flags, 0o600), "wb") as handle:
            os.fchmod(handle.fileno(), 0o600)
            # Escaped, so that a name that is no UTF-8 arrives as the bytes that it is.
            handle.write(json.dumps(brief).encode("ascii"))
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror}") from error


def _direct(directory: Path, lock: int) -> str:
    """Start a supervisor as a process of its own; what it says."""
    ready, tell = os.pipe()
    try:
        try:
            _launch([str(directory.absolute())], (tell, lock))
        finally:
            os.close(tell)
        return _hear(ready) or "its supervisor died"
    finally:
        os.close(ready)


def _launch(words: Sequence[str], descriptors: Sequence[int]) -> None:
    """
    Run the host program, detached, with `descriptors` as 3, 4 ... and nothing else of ours.

    It forks at once and its parent ends, so that no one here has a child to wait for.
    """
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH) for fd in descriptors]
    try:
        numbers = range(3, 3 + len(high))
        python = [sys.executable, "-S", "-E", "-I", str(HOST)]
        pid = os.posix_spawn(
            sys.executable,
            [*python, words[0], *map(str, numbers), *words[1:]],
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
                *(
                    (os.POSIX_SPAWN_DUP2, fd, number)
                    for fd, number in zip(high, numbers, strict=True)
                ),
            ],
            setsigmask=(),
        )
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    except OSError as error:
        raise Failed(f"cannot start {sys.executable}: {error.strerror}") from error
    finally:
        for fd in high:
            os.close(fd)


def _environment() -> dict[str, str]:
    """
    What a supervisor is started with: how to find its libraries, and a mark that says what it is.

    Nothing else, so that whoever sweeps by a variable of its own environment misses it.
    """
    kept = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {SUPERVISOR_MARK: "1"} | {key: os.environ[key] for key in kept if key in os.environ}


def _hear(ready: int) -> str:
    """What a starting supervisor says, as one line: `ok`, or why not; "" if it is gone."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    clock = SystemClock()
    end = clock.monotonic() + _START_S
    said = b""
    while poll.poll(max(0.0, end - clock.monotonic()) * 1000):
        chunk = os.read(ready, _REASON_BYTES)
        if not chunk:
            return text.one_line(said.decode("utf-8", "replace"))
        said = (said + chunk)[:_REASON_BYTES]
    return f"its supervisor did not answer in {_START_S:g} s"


# -- the zygote ----------------------------------------------------------------------------------


def start_zygote(directory: Path, *, version: str, idle_s: float = 0.0) -> bool:
    """
    Start a process in `directory`, which is made for it, that forks supervisors of this version.

    It ends when nobody asked it anything for `idle_s`, 0 for never. False if one runs already.
    Raises `Failed` when it cannot run, `Unreadable` when nobody can tell.
    """
    try:
        lock = reserve(directory)
    except Conflict:
        return False
    try:
        ready, tell = os.pipe()
        try:
            _launch([str(directory.absolute()), "--zygote", version, repr(idle_s)], (tell, lock))
        finally:
            os.close(tell)
        with open(ready, "rb", buffering=0):
            said = _hear(ready)
    finally:
        os.close(lock)
    if said != "ok":
        raise Failed(f"no zygote can start: {said or 'it died'}")
    return True


def stop_zygote(directory: Path) -> bool:
    """Ask the zygote in `directory` to end; False if there is none. Its sessions stay."""
    with contextlib.suppress(OSError, LooopError), dial.connect(directory, door.ZYGOTE) as sock:
        sock.settimeout(_ZYGOTE_S)
        sock.recv(_REASON_BYTES)
        sock.sendall(wire.encode({"op": "exit"}))
        # It hangs up when it has heard.
        sock.recv(1)
        return True
    return False


def _through(zygote: Path, directory: Path, lock: int, version: str) -> str | None:
    """Have the zygote fork a supervisor; what that says, None if there is none that can."""
    ready, tell = os.pipe()
    try:
        try:
            asked = _ask_zygote(zygote, directory, version, (tell, lock))
        finally:
            os.close(tell)
        # Nothing said, and everyone who could say anything is gone: nobody has begun.
        return _hear(ready) or None if asked else None
    finally:
        os.close(ready)


def _ask_zygote(zygote: Path, directory: Path, version: str, descriptors: tuple[int, int]) -> bool:
    """Hand a start over; False if it was not, for whatever reason."""
    try:
        with dial.connect(zygote, door.ZYGOTE) as sock:
            sock.settimeout(_ZYGOTE_S)
            hello = wire.decode(sock.recv(_REASON_BYTES)) or {}
            if hello.get("version") != version:
                sock.sendall(wire.encode({"op": "exit"}))
                return False
            message = wire.encode({"op": "start", "directory": str(directory.absolute())})
            socket.send_fds(sock, [message], descriptors)
            return True
    except (OSError, LooopError):
        return False
