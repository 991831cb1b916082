"""Real processes that do one thing at the same moment."""

import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

__all__ = ["crowd", "started"]

ROOT = Path(__file__).parents[2]


@contextmanager
def started(actor: str, *args: Any) -> Generator["subprocess.Popen[str]"]:
    """
    A child that has imported `tests.support.actors`, said so, and waits for a line on stdin.

    The line lets it call the function of that name. It is gone when the block ends.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.actors", actor, json.dumps(args)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def _ready(child: "subprocess.Popen[str]") -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"


def crowd(actor: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """Call the actor once for each list of arguments, all at once; what each returned."""
    with ExitStack() as stack:
        children = [stack.enter_context(started(actor, *call)) for call in calls]
        for child in children:
            _ready(child)
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        said: list[Any] = []
        for child in children:
            assert child.stdout is not None
            said.append(json.loads(child.stdout.readline()))
            assert child.wait() == 0
        return said
