"""What a service manager reads: the text of a systemd user unit and of a launchd agent."""

import plistlib
import re
from collections.abc import Mapping
from pathlib import Path

from looop.errors import Refused
from looop.kit import text

__all__ = ["is_ours", "plist", "quoted", "unit"]

_MARKER = "Written by `looop service install`"
_NOTE = f"{_MARKER}, which overwrites it; `looop service uninstall` removes it."
_RESTART_S = 5


def is_ours(body: bytes) -> bool:
    """Whether a file holds the note that each of ours begins with."""
    return _MARKER.encode() in body[:512]


def quoted(word: str) -> str:
    """
    One word of a systemd unit that means `word`, whatever is in it.

    `$` is left as it is: only `ExecStart` expands it, and not behind a colon. Raises `Refused`
    for what is not Unicode, which a unit cannot hold.
    """
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"a service cannot hold {word!r}, which is not UTF-8") from error
    out = ""
    for char in word:
        if char in '"\\':
            out += "\\" + char
        elif char == "%":
            out += "%%"
        elif char < " " or char == "\x7f":
            out += f"\\x{ord(char):02x}"
        else:
            out += char
    return f'"{out}"'


def unit(data: str, environment: Mapping[str, str], command: tuple[str, ...]) -> str:
    """
    The systemd user unit that runs `command`, whose first word is an absolute path.

    Raises `Refused` for a path that systemd will not run.
    """
    if re.search("[\x00-\x1f\x7f\"'\\\\]", command[0]):
        raise Refused(
            f"systemd runs no program with a quote or a backslash in its path: {command[0]}"
        )
    verbatim = ":" if any("$" in word for word in command) else ""
    variables = [f"Environment={quoted(f'{k}={v}')}" for k, v in environment.items()]
    about = text.one_line(data).replace("%", "%%")
    return "\n".join(
        [
            f"# {_NOTE}",
            "# To change something, use `systemctl --user edit`.",
            "[Unit]",
            f"Description=looop ({about})",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={verbatim}{' '.join(quoted(word) for word in command)}",
            *variables,
            "StandardOutput=journal",
            "# Workers outlive the loop: they are not stopped with it, and one that runs out of",
            "# memory does not stop it.",
            "KillMode=process",
            "OOMPolicy=continue",
            "Restart=on-failure",
            f"RestartSec={_RESTART_S}",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        ]
    )


def plist(
    label: str, environment: Mapping[str, str], command: tuple[str, ...], errors: Path
) -> bytes:
    """The launchd agent that runs `command`; what it writes to stderr goes to `errors`."""
    table = {
        "Label": label,
        "ProgramArguments": list(command),
        "EnvironmentVariables": dict(environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _RESTART_S,
        # Workers outlive the loop.
        "AbandonProcessGroup": True,
        "StandardErrorPath": str(errors),
    }
    try:
        body = plistlib.dumps(table)
    except (ValueError, UnicodeEncodeError) as error:
        raise Refused(
            f"a service cannot hold a control character or bytes that are no UTF-8: {error}"
        ) from error
    head, found, tail = body.partition(b"<plist ")
    return head + f"<!-- {_NOTE} -->\n".encode() + found + tail
