"""The sessions of a directory: `port.Fleet` over their files and their supervisors."""

import builtins
import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from looop.errors import Conflict, Failed, Missing, NotFound, Refused, Unreadable, Usage
from looop.kit import files, names
from looop.kit.clock import Clock, SystemClock
from looop.sessions import seen
from looop.sessions.port import Chunk, Live, Match, Sent, Shot, ShotFormat
from looop.sessions.reach import Reach
from looop.sessions.records import Ending, Killed, Session, Spec

if TYPE_CHECKING:
    from looop.sessions.dial import Connection
    from looop.sessions.endings import LocalEndings

__all__ = ["LocalFleet", "LocalTerminal"]

MIN_SIDE, MAX_SIDE = 2, 1000
# Programs that wait for the rest of an escape sequence have given up on it by then.
ESCAPE_S = 0.12
# Past every offset, so that waiting for output there is a pause.
_NEVER = 1 << 62
# How long a kill or restart may take beyond its grace: the sweep, and the last output.
_SWEEP_S = 15.0


class LocalTerminal:
    """`port.Terminal`: a connection, and the screen from which its output goes on."""

    def __init__(self, directory: Path, connection: "Connection") -> None:
        self._directory = directory
        self._connection = connection
        self._begin = connection.offset
        self.why = ""
        self.ending: Ending | None = None

    def fileno(self) -> int:
        return self._connection.fileno()

    def first_frame(self) -> bytes:
        """What the session showed when this was attached; a bare screen where nobody can draw."""
        from looop.sessions import replay

        try:
            return replay.first_frame(self._directory, self._begin)
        except (Missing, Failed, Unreadable):
            return b"\x1b[m\x1b[H\x1b[2J"

    def read(self) -> bytes | None:
        data = self._connection.read()
        self.why, self.ending = self._connection.why, self._connection.ending
        return data

    def write(self, data: bytes) -> None:
        self._connection.write(data)

    def resize(self, columns: int, rows: int) -> None:
        self._connection.resize(columns, rows)

    def close(self) -> None:
        self._connection.close()


class LocalFleet:
    """
    The sessions below `root`, a directory each; see `port.Fleet` for what the methods promise.

    `version` is put down with each session that is started; `zygote` is the directory of a
    running one that supervisors may be forked from. What only some methods need is imported by
    those, because most verbs do no more than look.
    """

    def __init__(
        self, root: Path, *, version: str, zygote: Path | None = None, clock: Clock | None = None
    ) -> None:
        self._root = root
        self._version = version
        self._zygote = zygote
        self._clock = clock or SystemClock()

    # -- which there are -----------------------------------------------------------------------

    def list(self) -> tuple[builtins.list[Session], builtins.list[str]]:
        found, problems = seen.names(self._root)
        sessions = [session for name in found if (session := self.find(name)) is not None]
        return sessions, problems

    def get(self, session: str) -> Session:
        return self._reach(session).look()

    def find(self, session: str) -> Session | None:
        try:
            return self.get(session)
        except NotFound:
            return None

    def live(self, session: str) -> Live:
        return self._reach(session).live()

    def _reach(self, session: str) -> Reach:
        # A word that cannot be a name names nothing, and must not become a path.
        if not names.is_name(session):
            raise NotFound(f"there is no session {session!r}")
        return Reach(self._root / session)

    # -- their beginning and end ---------------------------------------------------------------

    @contextlib.contextmanager
    def _changing(self) -> Generator[None]:
        """Nobody else starts or removes a session meanwhile."""
        try:
            files.ensure_dir(self._root)
            lock = contextlib.ExitStack()
            lock.enter_context(files.dir_lock(self._root))
        except OSError as error:
            raise Unreadable(f"cannot lock {self._root}: {error.strerror}") from error
        with lock:
            yield

    def start(self, spec: Spec) -> Session:
        names.checked("session", spec.id)
        _size(spec.columns, spec.rows)
        if not spec.argv:
            raise Usage(f"session {spec.id} has no command to run")
        with self._changing():
            found = self.find(spec.id)
            if found is not None and found.alive:
                raise Conflict(f"session {spec.id} is alive")
            if found is not None:
                raise Refused(
                    f"session {spec.id} has ended ({found.state}) and is kept: "
                    "remove it, or restart it"
                )
            return self._spawn(spec, spec.generation)

    def _spawn(self, spec: Spec, generation: str) -> Session:
        from looop.sessions import spawn

        spawn.start(
            self._root / spec.id,
            spec,
            generation=generation or _generation(),
            version=self._version,
            zygote=self._zygote,
        )
        return self.get(spec.id)

    def restart(
        self,
        session: str,
        *,
        env: dict[str, str] | None = None,
        generation: str = "",
        grace_s: float = 5.0,
    ) -> Session:
        reach = self._reach(session)
        with self._changing():
            found = reach.look()
            if found.state == "unreadable":
                raise Unreadable(f"session {session} cannot be restarted: {found.reason}")
            if not found.alive:
                return self._revive(found, env, generation)
        said = generation or _generation()
        reach.ask("restart", grace_s + _SWEEP_S, generation=said, grace_s=grace_s)
        return reach.look()

    def _revive(self, found: Session, env: dict[str, str] | None, generation: str) -> Session:
        """Run what has ended again, in its own directory."""
        if found.state == "killed":
            raise Refused(f"session {found.id} was killed: remove it and start it anew")
        if not found.argv:
            raise Refused(f"session {found.id} never ran anything: remove it and start it anew")
        spec = Spec(
            id=found.id,
            argv=found.argv,
            cwd=found.cwd,
            env=dict(os.environ) if env is None else env,
            columns=found.columns,
            rows=found.rows,
            labels=found.labels,
        )
        return self._spawn(spec, generation)

    def kill(self, session: str, *, grace_s: float = 5.0) -> Killed:
        reach = self._reach(session)
        try:
            said = reach.ask("kill", grace_s + _SWEEP_S, grace_s=grace_s)
        except Failed as error:
            pid = reach.look().supervisor
            raise Failed(
                f"{error}; if it stays so, `kill -9 {pid}` ends its supervisor (process {pid}) "
                "and hangs up its command's terminal"
            ) from error
        return msgspec.convert(said, Killed, strict=False)

    def remove(self, session: str) -> None:
        from looop.sessions import spawn

        directory = self._reach(session).directory
        with self._changing():
            if self.get(session).alive:
                raise Refused(f"session {session} is alive: kill it first")
            # Held until nothing is left that somebody could start anything in.
            lock = spawn.reserve(directory)
            try:
                files.remove_tree(directory)
            except OSError as error:
                raise Failed(f"cannot remove {directory}: {error.strerror}") from error
            finally:
                os.close(lock)

    # -- what goes in --------------------------------------------------------------------------

    def type(self, session: str, data: bytes) -> int:
        from looop.sessions import submit

        reach = self._reach(session)
        with submit.input_lock(reach.directory):
            return reach.type(data)

    def submit(self, session: str, text: str) -> Sent:
        from looop.sessions import submit

        reach = self._reach(session)
        with submit.input_lock(reach.directory):
            return submit.send(reach, text, clock=self._clock)

    def paste(self, session: str, text: str) -> Sent:
        from looop.sessions import submit

        reach = self._reach(session)
        with submit.input_lock(reach.directory):
            return submit.send(reach, text, clock=self._clock, enter=False)

    def keys(self, session: str, names: tuple[str, ...]) -> int:
        from looop.sessions import keys, submit

        if not names:
            raise Usage("there is no key to press")
        reach = self._reach(session)
        with submit.input_lock(reach.directory):
            first, *others = keys.strokes(names, cursor_keys=reach.modes().cursor_keys)
            offset = reach.type(first)
            for stroke in others:
                reach.more(_NEVER, ESCAPE_S)
                reach.type(stroke)
        return offset

    def resize(self, session: str, columns: int, rows: int) -> None:
        _size(columns, rows)
        self._reach(session).ask("resize", columns=columns, rows=rows)

    # -- what comes out ------------------------------------------------------------------------

    def read(self, session: str, since: int, limit: int) -> Chunk:
        reach = self._reach(session)
        chunk = reach.read(_offset(since), limit)
        if not chunk.data:
            # Nothing to read, or nothing there to be read.
            reach.look()
        return chunk

    def shot(self, session: str, form: ShotFormat, *, trim: bool = True) -> Shot:
        from looop.sessions import replay

        return replay.shot(self._reach(session).directory, form, trim=trim)

    def last_line(self, session: str) -> str:
        from looop.sessions import transcript

        reach = self._reach(session)
        line = transcript.last_line(reach.directory)
        if not line:
            # Nothing was said, or there is nobody to say it.
            reach.look()
        return line

    def screen_lines(self, session: str) -> builtins.list[str]:
        return self._reach(session).lines()

    # -- waiting -------------------------------------------------------------------------------

    def more(self, session: str, offset: int, timeout_s: float) -> Ending:
        return self._reach(session).more(_offset(offset), timeout_s)

    def wait(self, session: str, timeout_s: float) -> Ending:
        return self._reach(session).end(timeout_s)

    def wait_idle(self, session: str, *, settle_s: float, timeout_s: float, screen: bool) -> Ending:
        reach = self._reach(session)
        if not screen:
            return reach.quiet(settle_s, timeout_s)
        from looop.sessions import waits

        return waits.idle_screen(reach, settle_s=settle_s, timeout_s=timeout_s, clock=self._clock)

    def expect(
        self,
        session: str,
        pattern: str,
        *,
        since: int | None,
        timeout_s: float,
        screen: bool,
        raw: bool = False,
    ) -> Match:
        from looop.sessions import waits

        reach = self._reach(session)
        begin = reach.look().log_start if since is None else _offset(since)
        if screen:
            return waits.expect_screen(reach, pattern, timeout_s=timeout_s, clock=self._clock)
        return waits.expect_output(
            reach, pattern, since=begin, timeout_s=timeout_s, clock=self._clock, raw=raw
        )

    def endings(self) -> "LocalEndings":
        from looop.sessions.endings import LocalEndings

        return LocalEndings(self._root)

    # -- a human's terminal --------------------------------------------------------------------

    def attach(
        self, session: str, *, columns: int, rows: int, interactive: bool = True
    ) -> LocalTerminal:
        from looop.sessions import dial

        reach = self._reach(session)
        if interactive:
            # Before, so that the first frame is drawn at the size of whoever looks at it.
            self.resize(session, columns, rows)
        connection = dial.attach(reach.directory, interactive=interactive)
        return LocalTerminal(reach.directory, connection)

    def detach(self, session: str) -> int:
        return int(self._reach(session).ask("detach")["detached"])


def _generation() -> str:
    return os.urandom(8).hex()


def _size(columns: int, rows: int) -> None:
    if not (MIN_SIDE <= columns <= MAX_SIDE and MIN_SIDE <= rows <= MAX_SIDE):
        raise Usage(f"{columns}x{rows} is no size: use {MIN_SIDE} to {MAX_SIDE} columns and rows")


def _offset(number: int) -> int:
    if number < 0:
        raise Usage(f"{number} is no offset of output: count bytes from 0")
    return number
