"""One session as its clients reach it: by its supervisor while it lives, by its files after."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from looop.errors import Failed, LooopError, Missing, Unreadable
from looop.sessions import seen
from looop.sessions.host import rawlog
from looop.sessions.port import Chunk, Live
from looop.sessions.records import Ending, Session

if TYPE_CHECKING:
    from looop.sessions.screen import Screen
    from looop.sessions.submit import Modes

__all__ = ["Reach"]

# A supervisor answers at once; this is for a machine on its knees.
ANSWER_S = 10.0


class Reach:
    """
    The session in `directory`: what typing (`submit.Desk`) and waiting (`waits.Source`) need.

    Every method raises `NotFound` when the session is gone, `Unreadable` when nobody can look,
    `Failed` when its supervisor lives and does not answer; what only a living one can do raises
    `Refused` when it has ended. Looking needs the files alone, and imports no more than that.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def look(self) -> Session:
        """What it is now."""
        return seen.look(self.directory)

    def ask(self, op: str, timeout_s: float = ANSWER_S, **fields: Any) -> dict[str, Any]:
        """Have its supervisor do something that is answered within `timeout_s`."""
        from looop.sessions import dial

        return dial.request(self.directory, op, timeout_s, **fields)

    # -- typing --------------------------------------------------------------------------------

    def live(self) -> Live:
        """What its supervisor knows beyond its files."""
        said = self.ask("status")
        return Live(
            cpu_s=float(said.get("cpu_s", 0.0)),
            quiet_s=float(said.get("quiet_s", 0.0)),
            attached=int(said.get("attached", 0)),
            title=str(said.get("title", "")),
            paste=bool(said.get("paste")),
            alternate=bool(said.get("alternate")),
        )

    def modes(self) -> "Modes":
        """What its program set the terminal to."""
        from looop.sessions.submit import Modes

        said = self.ask("status")
        return Modes(
            paste=bool(said.get("paste")),
            canonical=bool(said.get("canonical")),
            cursor_keys=bool(said.get("cursor_keys")),
        )

    def type(self, data: bytes) -> int:
        """Hand over bytes as typed; the log's end before them."""
        return int(self.ask("type", hex=data.hex())["offset"])

    def screen(self) -> "Screen | None":
        """What it shows now, None where screens cannot be drawn."""
        from looop.sessions import replay

        try:
            return replay.replay(self.directory)
        except (Missing, Failed):
            return None

    # -- waiting -------------------------------------------------------------------------------

    def read(self, since: int, limit: int) -> Chunk:
        """Output from the absolute offset `since`; it begins later where that is gone."""
        try:
            start, data = rawlog.read(str(self.directory), since, limit)
        except OSError as error:
            name, why = self.directory.name, error.strerror
            raise Unreadable(f"cannot read the output of {name}: {why}") from error
        return Chunk(start=start, data=data)

    def more(self, offset: int, timeout_s: float) -> Ending:
        """Block until there is output past `offset`, the session ends, or time is over."""
        return self._await("more", timeout_s, offset=offset)

    def quiet(self, settle_s: float, timeout_s: float) -> Ending:
        """Block until there was no output for `settle_s`, the session ends, or time is over."""
        return self._await("quiet", timeout_s, settle_s=settle_s)

    def end(self, timeout_s: float) -> Ending:
        """Block until the session ends, or time is over."""
        return self._await("end", timeout_s)

    def _await(self, op: str, timeout_s: float, **fields: Any) -> Ending:
        from looop.sessions import dial

        patience = timeout_s + ANSWER_S if timeout_s else 0.0
        try:
            said = dial.request(self.directory, op, patience, timeout_s=timeout_s, **fields)
            return dial.ending(said)
        except LooopError:
            # Of a session that has ended, or whose supervisor died meanwhile, the files tell.
            session = self.look()
            if session.alive:
                raise
        return Ending(
            ended=True,
            state=session.state,
            code=session.code,
            signal=session.signal,
            offset=session.bytes,
        )

    def lines(self) -> list[str]:
        """The rows of the screen. Raises `Missing` where screens cannot be drawn."""
        from looop.sessions import replay

        return replay.lines(self.directory)
