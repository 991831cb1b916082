"""Putting the path of the prompt into a user's shell command, quoted exactly once."""

import shlex

from looop.config import PROMPT_PLACEHOLDER

__all__ = ["has_prompt", "with_prompt"]


def has_prompt(command: str) -> bool:
    """Whether the command names the prompt file; if not, the prompt comes on stdin."""
    return PROMPT_PLACEHOLDER in command


def with_prompt(command: str, path: str) -> str:
    """
    `command` with every placeholder replaced by `path`, quoted for the place it stands in.

    A template may have put quotes of its own around the placeholder, or around more than it.
    """
    out: list[str] = []
    # What the next character stands in: quotes, and command substitutions inside them.
    inside: list[str] = [""]
    at = 0
    while at < len(command):
        if command.startswith(PROMPT_PLACEHOLDER, at):
            out.append(_quoted(path, inside[-1]))
            at += len(PROMPT_PLACEHOLDER)
            continue
        step = _step(command, at, inside)
        out.append(command[at : at + step])
        at += step
    return "".join(out)


def _quoted(path: str, inside: str) -> str:
    if inside == "'":
        return path.replace("'", "'\\''")
    if inside == '"':
        return "".join("\\" + char if char in '\\"$`' else char for char in path)
    return shlex.quote(path)


def _step(command: str, at: int, inside: list[str]) -> int:
    """Note what the character at `at` opens or closes; how many characters belong to it."""
    char = command[at]
    now = inside[-1]
    if now == "'":
        if char == "'":
            inside.pop()
    elif char == "\\":
        return 2
    elif command.startswith("$(", at):
        inside.append("(")
        return 2
    elif char == '"':
        _toggle(inside, char)
    elif now == '"':
        pass
    elif char == "'" or char == "(":
        inside.append(char)
    elif char == ")" and now == "(":
        inside.pop()
    elif char == "#" and (at == 0 or command[at - 1] in " \t\n;&|("):
        end = command.find("\n", at)
        return (len(command) if end < 0 else end) - at
    return 1


def _toggle(inside: list[str], quote: str) -> None:
    if inside[-1] == quote:
        inside.pop()
    else:
        inside.append(quote)
