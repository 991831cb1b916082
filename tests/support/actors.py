"""What the children of `tests.support.crowd` can do: each a function of plain JSON values."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from looop.config import Config
from looop.errors import Conflict, LooopError, Refused
from looop.kit import files
from looop.loop.parts import Parts
from looop.loop.workers import start
from looop.loop.workers.start import Order
from looop.model.records import Answer, Ask, Spend
from looop.paths import Paths
from looop.sessions.local import LocalFleet
from looop.state.asks import Asks
from looop.state.logs import EventLog
from looop.state.store import Store
from looop.state.workers import Workers


def create(path: str, who: str) -> bool:
    return files.create_exclusive(Path(path), who.encode())


def swap(path: str, old: str, new: str) -> bool:
    return files.replace_if_equal(Path(path), old.encode(), new.encode())


def count_up(path: str, times: int) -> int:
    """Add one `times` times by compare-and-swap; how many tries were lost."""
    lost = 0
    done = 0
    while done < times:
        now = files.read_bytes(Path(path)) or b""
        if files.replace_if_equal(Path(path), now, b"%d" % (int(now) + 1)):
            done += 1
        else:
            lost += 1
    return lost


def hammer(path: str, bodies: list[str], rounds: int) -> int:
    """Replace the file over and over, by plain writes and by compare-and-swap."""
    for number in range(rounds):
        body = bodies[number % len(bodies)].encode()
        if number % 2:
            files.write_atomic(Path(path), body, durable=False)
        else:
            files.replace_if_equal(Path(path), files.read_bytes(Path(path)) or b"", body)
    return rounds


def append(path: str, who: str, times: int, pad: int) -> int:
    for number in range(times):
        files.append_line(Path(path), f"{who} {number} {who * pad}")
    return times


def rotate(path: str, cap: int) -> bool:
    return files.rotate(Path(path), cap)


def put_aside(source: str, directory: str) -> str:
    try:
        return files.move_aside(Path(source), Path(directory)).name
    except Conflict:
        return ""


def say(directory: str, cap: int, times: int) -> list[int]:
    """Add events; the numbers that they got."""
    paths = Paths(Path(directory), Path(directory))
    log = EventLog(paths.events, paths.locks, cap)
    return [log.add(1.0, "warning", about=str(number), text="x" * 50) for number in range(times)]


def answer(directory: str, ask_id: str, words: str) -> str:
    asks = Asks(Paths(Path(directory), Path(directory)))
    try:
        asks.answer(ask_id, Answer(text=words, by=words, channel="cli", at=1.0))
    except Refused as error:
        return type(error).__name__
    return "won"


def ask(directory: str, key: str, times: int) -> list[str]:
    asks = Asks(Paths(Path(directory), Path(directory)))
    new = Ask(id="", asker="loop", kind="question", prompt="?", created=1.0, key=key)
    return [asks.add(new).id for _ in range(times)]


def account(directory: str, worker: str, generation: str, model: str) -> bool:
    """Put one model more into what a worker has cost; whether it is in the record then."""
    workers = Workers(Paths(Path(directory), Path(directory)))
    row = Spend(ts="", kind="session", id=worker, runner="x")
    after = workers.change(
        worker,
        generation,
        lambda old: msgspec.structs.replace(old, metered=old.metered | {model: row}),
    )
    return model in after.metered


def begin_worker(directory: str, worker: str, cap: int = 8) -> str:
    """Start a worker that waits; `started`, or why not."""
    paths = Paths(Path(directory), Path(directory) / "config.toml")
    config = Config(max_workers=cap)
    fleet = LocalFleet(paths.sessions, version="test")
    parts = Parts(Store(paths, config), config, dict(os.environ), fleet)
    order = Order(id=worker, prompt="wait", command="read x; : {{prompt_file}}")
    try:
        start.start(parts, order)
    except LooopError as error:
        return str(error)
    return "started"


def nothing() -> None:
    """Wait to be told, and end."""


def main() -> None:
    actor, args = sys.argv[1:]
    call: Any = globals()[actor]
    print("ready", flush=True)  # noqa: T201 - the line that the parent waits for
    sys.stdin.readline()
    print(json.dumps(call(*json.loads(args))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
