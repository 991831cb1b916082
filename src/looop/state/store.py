"""Everything that one profile keeps, opened together."""

from looop.config import Config
from looop.kit import bell, files
from looop.model.records import Schedule, SensorStamp
from looop.paths import Paths
from looop.state import table
from looop.state.asks import Asks
from looop.state.claims import Claims
from looop.state.documents import Documents
from looop.state.history import History
from looop.state.logs import EventLog, Journal, Ledger
from looop.state.runs import Runs
from looop.state.table import Table
from looop.state.workers import Workers

__all__ = ["Store"]


class Store:
    """The tables, logs and documents of one profile."""

    def __init__(self, paths: Paths, config: Config) -> None:
        self.paths = paths
        self.asks = Asks(paths)
        self.claims = Claims(paths)
        self.documents = Documents(paths)
        self.schedules = Table(paths.schedules, Schedule)
        self.journal = Journal(paths.journal, config.log_max_bytes)
        self.events = EventLog(paths.events, paths.locks, config.log_max_bytes)
        self.ledger = Ledger(paths.cost, config.log_max_bytes)
        self.runs = Runs(paths)
        self.workers = Workers(paths)
        self.history = History(paths)

    def ensure(self) -> None:
        """Make every directory of the profile; existing ones keep their mode."""
        for directory in self.paths.directories():
            files.ensure_dir(directory)

    def ring(self) -> None:
        """Have a running pulse look at once; a beat that comes only in time is no harm."""
        bell.ring(self.paths.bell)

    def stamps(self) -> dict[str, SensorStamp]:
        """When each sensor last ran. Raises `Unreadable` or `Corrupt`."""
        return table.load(self.paths.stamps, dict[str, SensorStamp]) or {}

    def keep_stamps(self, stamps: dict[str, SensorStamp]) -> None:
        files.write_atomic(self.paths.stamps, table.encode(stamps), durable=False)
