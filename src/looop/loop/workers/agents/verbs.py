"""The verbs with which a worker speaks to looop: allowed to its agent without asking anybody."""

import re

__all__ = ["VERBS", "is_own"]

VERBS = ("done", "claim", "unclaim", "flag", "unflag", "cost record")

# Words without any meaning to a shell but themselves. In double quotes a `!` is none either,
# because no agent types into an interactive shell.
_WORD = r"(?:[A-Za-z0-9_./:=,@%+-]+|'[^'\0]*'|\"[^\"$`\\\0]*\")"
_OWN = re.compile(
    r'\s*(?:"\$LOOOP_BIN"|\$LOOOP_BIN|"\$\{LOOOP_BIN\}"|\$\{LOOOP_BIN\}) '
    rf"(?:{'|'.join(VERBS)})(?: +{_WORD}+)*\s*"
)


def is_own(command: str) -> bool:
    """
    Whether a shell command is one of these verbs, called as the contract says, and nothing else.

    A path is no such call: rules of the CLI itself can name one, and not a variable.
    """
    return len(command) <= 8192 and _OWN.fullmatch(command) is not None
