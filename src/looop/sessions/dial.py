"""Talking to a supervisor: one request and its answer, or an attached terminal."""

import contextlib
import errno
import os
import select
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any, get_args

from looop.errors import Failed, LooopError, Refused
from looop.kit import text
from looop.kit.clock import SystemClock
from looop.sessions import seen
from looop.sessions.host import door, rawlog, wire
from looop.sessions.host.brief import sized
from looop.sessions.host.terminal import INPUT_CAP
from looop.sessions.records import Ending, State

__all__ = ["Connection", "attach", "connect", "ending", "request"]

# Supervisors answer at once; this is for a machine on its knees.
_ANSWER_S = 30.0
# A supervisor that is being started binds within milliseconds.
_BIND_S = 5.0
_RETRY_S = 0.01
# One that hung up may be about to be gone.
_GOING_S = 1.0
_READ_BYTES = 64 << 10
_ANSWER_BYTES = 1 << 20
# What fits into the address of a socket everywhere.
_PATH_BYTES = 100
_STATES: tuple[State, ...] = get_args(State)


def request(directory: Path, op: str, timeout_s: float, /, **fields: Any) -> dict[str, Any]:
    """
    Ask the supervisor of the session in `directory`, and return its answer.

    `timeout_s` is for the answer, 0 for as long as it takes; `fields` are those of the operation,
    a `timeout_s` of its own among them. Raises `NotFound` when there is no session, `Refused`
    when it has ended or says no, `Failed` when its supervisor does not answer or makes no sense,
    `Unreadable` when nobody can tell.
    """
    with _connect(directory, timeout_s) as sock:
        message = {"v": wire.VERSION, "op": op, **fields}
        return _checked(directory.name, _exchange(sock, directory, message))


def attach(
    directory: Path,
    *,
    columns: int = 0,
    rows: int = 0,
    interactive: bool = True,
    since: int | None = None,
    timeout_s: float = _ANSWER_S,
) -> "Connection":
    """
    Attach to the session in `directory`, from the absolute offset `since` or from now on.

    An interactive client types, and sets the size unless `columns` is 0; others only watch.
    Raises as `request` does.
    """
    message: dict[str, Any] = {"v": wire.VERSION, "op": "attach", "interactive": interactive}
    if columns:
        message |= {"columns": columns, "rows": rows}
    if since is not None:
        message["since"] = since
    sock = _connect(directory, timeout_s)
    try:
        answer = _checked(directory.name, _exchange(sock, directory, message))
        return Connection(directory, sock, _number(answer, "offset"))
    except BaseException:
        sock.close()
        raise


def ending(answer: dict[str, Any]) -> Ending:
    """How a wait ended, from the answer to it. What an older supervisor leaves out has defaults."""
    code, number = answer.get("code"), answer.get("signal")
    return Ending(
        ended=answer.get("ended") is True,
        timeout=answer.get("timeout") is True,
        state=_state(answer.get("state")),
        code=code if isinstance(code, int) else None,
        signal=number if isinstance(number, int) else None,
        offset=_number(answer, "bytes"),
    )


def _state(value: object) -> State:
    for known in _STATES:
        if known == value:
            return known
    return "running"


def _number(answer: dict[str, Any], name: str) -> int:
    value = answer.get(name)
    return value if isinstance(value, int) else 0


# -- connecting ----------------------------------------------------------------------------------


def _connect(directory: Path, limit_s: float) -> socket.socket:
    """A connection whose every step takes at most `limit_s`, 0 for as long as it does."""
    clock = SystemClock()
    end = clock.monotonic() + (min(limit_s, _BIND_S) if limit_s else _BIND_S)
    while True:
        try:
            sock = connect(directory, door.CONTROL)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED, errno.EAGAIN):
                raise Failed(
                    f"session {directory.name} cannot be reached: {_said(error)}"
                ) from error
        else:
            sock.settimeout(limit_s or None)
            return sock
        # Nobody listens: it has ended, or it is being started, or it is ending just now.
        if not seen.alive(directory):
            raise Refused(f"session {directory.name} has ended")
        if clock.monotonic() >= end:
            raise Failed(f"session {directory.name} does not listen")
        select.select([], [], [], _RETRY_S)


def connect(directory: Path, name: str) -> socket.socket:
    """Connect to the socket `name` in `directory`, in 5 s at most. Raises `OSError`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(_BIND_S)
        with _address(directory, name) as address:
            sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def _address(directory: Path, name: str) -> Generator[str]:
    """A path to the socket that is short enough, whatever the directory's is."""
    path = directory / name
    if len(os.fsencode(path)) < _PATH_BYTES:
        yield str(path)
        return
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        near = f"/proc/self/fd/{fd}"
        if os.path.exists(near):
            yield f"{near}/{name}"
            return
    finally:
        os.close(fd)
    # Only where there is no /proc, and slow to load.
    import tempfile

    with tempfile.TemporaryDirectory(prefix="looop-") as short:
        link = Path(short) / "s"
        link.symlink_to(directory.absolute())
        yield str(link / name)


def _said(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _exchange(sock: socket.socket, directory: Path, message: dict[str, Any]) -> bytes:
    """Send a request; the line that answers it, and nothing of what comes behind that."""
    line = b""
    try:
        sock.sendall(wire.encode(message))
        while not line.endswith(b"\n"):
            ahead = sock.recv(_READ_BYTES, socket.MSG_PEEK)
            if not ahead or len(line) > _ANSWER_BYTES:
                raise _unanswered(directory, "hung up")
            line += sock.recv(ahead.find(b"\n") + 1 or len(ahead))
    except TimeoutError as error:
        raise Failed(f"the supervisor of session {directory.name} does not answer") from error
    except OSError as error:
        raise _unanswered(directory, _said(error)) from error
    return line


def _unanswered(directory: Path, why: str) -> LooopError:
    """What it means that a connection ended before there was an answer."""
    clock = SystemClock()
    end = clock.monotonic() + _GOING_S
    while seen.alive(directory):
        if clock.monotonic() >= end:
            return Failed(f"the supervisor of session {directory.name} gave no answer: {why}")
        select.select([], [], [], _RETRY_S)
    return Refused(f"session {directory.name} has ended")


def _checked(name: str, line: bytes) -> dict[str, Any]:
    answer = wire.decode(line)
    if answer is None or not isinstance(answer.get("ok"), bool):
        raise Failed(f"the supervisor of session {name} makes no sense")
    if answer["ok"]:
        return answer
    said = text.one_line(str(answer.get("error", "it does not say why")))
    error = Refused if answer.get("refused") is True else Failed
    raise error(f"session {name}: {said}")


class Connection:
    """
    An attached session: raw bytes out, raw bytes in.

    `fileno` is readable when `read` would give something. `offset` is the absolute end of what
    `read` has given; it jumps over output that is no longer kept. Once `read` gives None, `why`
    is `ended` (and `ending` tells how), `detached`, or `lost` when its supervisor left without a
    word.
    """

    def __init__(self, directory: Path, sock: socket.socket, offset: int) -> None:
        self._directory = directory
        self._sock = sock
        self._frames = wire.Frames()
        self._typed = bytearray()
        self._alone = False
        self.offset = offset
        self.why = ""
        self.ending: Ending | None = None
        sock.setblocking(False)

    def fileno(self) -> int:
        return self._sock.fileno()

    def read(self) -> bytes | None:
        """The next output, b"" when there is none now, None when there will be no more."""
        if self.why:
            return None
        if self._alone:
            return self._from_disk()
        self._push()
        try:
            data = self._sock.recv(_READ_BYTES)
            frames = self._frames.feed(data)
        except BlockingIOError:
            return b""
        except (OSError, ValueError):
            data, frames = b"", []
        if not data:
            self._alone = True
            return self._from_disk()
        out = b"".join([self._take(tag, payload) for tag, payload in frames])
        return None if self.why and not out else out

    def _take(self, tag: bytes, payload: bytes) -> bytes:
        if tag == wire.OUTPUT and len(payload) >= wire.OFFSET.size:
            data = payload[wire.OFFSET.size :]
            self.offset = wire.OFFSET.unpack_from(payload)[0] + len(data)
            return data
        if tag == wire.ENDED:
            self.why, self.ending = "ended", ending(wire.decode(payload) or {})
        elif tag == wire.DETACHED:
            self.why = "detached"
        return b""

    def _from_disk(self) -> bytes | None:
        """
        What is left, once the supervisor hung up.

        It waits a moment only for a client that is slow at the end, and may die at any time; the
        log has it all.
        """
        try:
            found = seen.look(self._directory)
            left = 0 if found.state in ("starting", "running") else found.bytes - self.offset
            if left > 0:
                limit = min(left, _READ_BYTES)
                begin, data = rawlog.read(str(self._directory), self.offset, limit)
                self.offset = begin + len(data)
                if data:
                    return data
        except (OSError, LooopError):
            self.why = "lost"
            return None
        self.why = "ended" if found.state in ("exited", "killed", "failed") else "lost"
        self.ending = Ending(
            ended=found.state not in ("starting", "running"),
            state=found.state,
            code=found.code,
            signal=found.signal,
            offset=found.bytes,
        )
        return None

    def write(self, data: bytes) -> None:
        """Type `data`. Never blocks; raises `Refused` when the program has not read for long."""
        if len(self._typed) + len(data) > INPUT_CAP:
            raise Refused(f"session {self._directory.name} takes no input now")
        for at in range(0, len(data), _READ_BYTES):
            self._typed += wire.frame(wire.INPUT, data[at : at + _READ_BYTES])
        self._push()

    def resize(self, columns: int, rows: int) -> None:
        """Set the session's size, to the nearest that there is."""
        self._typed += wire.frame(wire.RESIZE, wire.SIZE.pack(*sized(columns, rows)))
        self._push()

    def _push(self) -> None:
        while self._typed and not self.why:
            try:
                sent = self._sock.send(self._typed)
            except BlockingIOError:
                return
            except OSError:
                # What it was is found out by reading.
                self._typed.clear()
                return
            del self._typed[:sent]

    def close(self) -> None:
        """Leave the session to itself."""
        self._sock.close()
