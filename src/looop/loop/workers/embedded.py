"""The embedded worker: one without a model, which runs the shell block of its brief."""

import re

from looop.config import RULES, Config
from looop.errors import NotFound, Refused
from looop.kit import text
from looop.loop.workers.contract import HEADING
from looop.model.actions import StartWorker

__all__ = ["block", "is_embedded", "script_of"]

# A backtick after the fence would make it code within a line.
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)")


def is_embedded(action: StartWorker, config: Config) -> bool:
    """Whether the worker of this move is the embedded one, whose brief is a script."""
    runner = action.runner.strip() or config.runner
    spec = config.runners.get(runner)
    return runner == RULES and not action.command.strip() and not (spec and spec.worker)


def script_of(brief: str) -> str:
    """The script that a brief means to the embedded worker; "" when that runs nothing."""
    try:
        return block(HEADING + brief)
    except (NotFound, Refused):
        return ""


def block(prompt: str) -> str:
    """
    The last fenced `sh` block of the brief in a prompt, or of the whole text without a brief.

    Raises `NotFound` if there is none with a command in it, and `Refused` if a fence is never
    closed: half of a script must not run.
    """
    prompt = prompt.replace("\r\n", "\n")
    head, found, tail = prompt.partition(HEADING)
    last: list[str] = []
    lines: list[str] = []
    indent = fence = info = ""
    for line in (tail if found else head).split("\n"):
        match = _FENCE.fullmatch(line)
        if not fence and match:
            indent, fence, info = match.groups()
            lines = []
        elif fence and match and match[2].startswith(fence) and not match[3].strip():
            if info.split()[:1] == ["sh"]:
                last = lines
            fence = ""
        elif fence:
            lines.append(re.sub(f"^ {{0,{len(indent)}}}", "", line))
    if fence:
        raise Refused(f"the brief has a block that is not closed: {fence}{text.one_line(info, 40)}")
    if not "".join(last).strip():
        raise NotFound("the brief has no ```sh block, which is all that this worker can do")
    return "\n".join(last) + "\n"
