"""The port through which everything else reaches sessions: no path, no descriptor in it."""

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from looop.sessions.records import Ending, Killed, Session, Spec

__all__ = ["Chunk", "Endings", "Fleet", "Live", "Match", "Sent", "Shot", "ShotFormat", "Terminal"]

ShotFormat = Literal["plain", "ansi", "json", "html", "png"]


class Chunk(Struct, frozen=True, kw_only=True):
    """A piece of output: `data` begins at the absolute `start` (later than asked: a gap)."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class Sent(Struct, frozen=True, kw_only=True):
    """
    What became of typed text: `offset` is the log's end before it, `submitted` is True when the
    program was seen to take it, False when it was not, None when nobody looked.
    """

    offset: int
    submitted: bool | None = None
    attempts: int = 0
    why: str = ""


class Match(Struct, frozen=True, kw_only=True):
    """What `expect` ended with: the matched text and where it ended, a timeout, or the end."""

    outcome: Literal["match", "timeout", "ended"]
    text: str = ""
    offset: int = 0


class Shot(Struct, frozen=True, kw_only=True):
    """A rendered screen in the asked format: text for all but `png`, which is bytes."""

    format: ShotFormat
    columns: int
    rows: int
    body: str | bytes


class Live(Struct, frozen=True, kw_only=True):
    """
    What a living session's supervisor knows beyond its files: CPU seconds of the whole tree,
    seconds since the last output, attached clients, the window title, bracketed paste.
    """

    cpu_s: float = 0.0
    quiet_s: float = 0.0
    attached: int = 0
    title: str = ""
    paste: bool = False
    alternate: bool = False


class Terminal(Protocol):
    """
    An attached session: raw bytes out, raw bytes in.

    `fileno` is readable when `read` would give something. `read` gives the next output, b"" when
    there is none now, and None once the session ended or the client was detached (`why`).
    """

    why: str
    ending: Ending | None

    def fileno(self) -> int: ...
    def first_frame(self) -> bytes: ...
    def read(self) -> bytes | None: ...
    def write(self, data: bytes) -> None: ...
    def resize(self, columns: int, rows: int) -> None: ...
    def close(self) -> None: ...


class Endings(Protocol):
    """
    Ends of sessions as they happen, for a program that waits for descriptors.

    `fileno` stays the same and is readable when a session has ended, or its supervisor has died.
    `drain` gives the names of those sessions, each once, and never blocks; `refresh` follows
    sessions that were started since, so call it after starting any.
    """

    def fileno(self) -> int: ...
    def drain(self) -> tuple[str, ...]: ...
    def refresh(self) -> None: ...
    def close(self) -> None: ...


class Fleet(Protocol):
    """
    The sessions of one profile.

    Every method that names a session raises `NotFound` when there is none of that name,
    `Refused` when it has ended and the verb needs a live one, `Failed` when its supervisor does
    not answer. Timeouts are seconds, 0 for none. Nothing is printed.
    """

    def list(self) -> tuple[list[Session], list[str]]:
        """
        All sessions by name, and one line for each directory that is none.

        Raises `Unreadable` when the fleet cannot be looked at: never an empty list for that.
        """
        ...

    def get(self, session: str) -> Session: ...
    def find(self, session: str) -> Session | None:
        """None when it is proven absent. Raises `Unreadable`."""
        ...

    def live(self, session: str) -> Live: ...
    def start(self, spec: Spec) -> Session:
        """
        Start a session and see its command run; raises `Conflict` when one of that name is
        alive, `Refused` when an ended one is in the way, `Failed` when the command cannot run.
        """
        ...

    def restart(
        self,
        session: str,
        *,
        env: dict[str, str] | None = None,
        generation: str = "",
        grace_s: float = 5.0,
    ) -> Session:
        """
        Run the recorded command again, at the current size, as a new generation.

        A live session keeps the environment it had; one that has ended gets `env`. Raises
        `Refused` for a killed one.
        """
        ...

    def kill(self, session: str, *, grace_s: float = 5.0) -> Killed:
        """End the whole tree, confirmed. Raises `Refused` when it has ended already."""
        ...

    def remove(self, session: str) -> None:
        """Remove all that is kept of an ended session. Raises `Refused` for a live one."""
        ...

    def read(self, session: str, since: int, limit: int) -> Chunk:
        """Raw output from the absolute offset `since`; works for ended sessions."""
        ...

    def type(self, session: str, data: bytes) -> int:
        """Send raw bytes as typed; the log's end before them."""
        ...

    def submit(self, session: str, text: str) -> Sent: ...
    def paste(self, session: str, text: str) -> Sent:
        """Type text as `submit` does, and do not submit it."""
        ...

    def keys(self, session: str, names: tuple[str, ...]) -> int: ...
    def resize(self, session: str, columns: int, rows: int) -> None: ...
    def shot(self, session: str, form: ShotFormat, *, trim: bool = True) -> Shot: ...
    def last_line(self, session: str) -> str:
        """The last visible line of its output, safe to show; "" where there is none."""
        ...

    def screen_lines(self, session: str) -> Sequence[str]:
        """The current screen as plain rows. Raises `Missing` where screens cannot be drawn."""
        ...

    def more(self, session: str, offset: int, timeout_s: float) -> Ending:
        """Block until there is output past `offset`, the session ends, or time is over."""
        ...

    def wait(self, session: str, timeout_s: float) -> Ending: ...
    def wait_idle(
        self, session: str, *, settle_s: float, timeout_s: float, screen: bool
    ) -> Ending: ...
    def expect(
        self,
        session: str,
        pattern: str,
        *,
        since: int | None,
        timeout_s: float,
        screen: bool,
        raw: bool = False,
    ) -> Match: ...
    def attach(
        self, session: str, *, columns: int, rows: int, interactive: bool = True
    ) -> Terminal: ...
    def detach(self, session: str) -> int:
        """Part all attached clients from a session; how many there were."""
        ...

    def endings(self) -> Endings:
        """To be told when any session ends, from those that are alive now."""
        ...
