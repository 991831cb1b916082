"""Whether a script parses at all, before it takes the place of one that worked."""

from looop.errors import Refused
from looop.kit import text, tool

__all__ = ["parse"]

_LIMIT_S = 10.0


def parse(script: str) -> None:
    """
    Raise `Refused` when a shell or Python script has a syntax error; others are not judged.

    Nothing of the script is run.
    """
    first = script.partition("\n")[0]
    words = first.removeprefix("#!").split()
    name = words[-1].rpartition("/")[2] if first.startswith("#!") and words else ""
    if name in ("sh", "bash", "dash"):
        _shell(script)
    elif name.startswith("python"):
        _python(script)


def _shell(script: str) -> None:
    try:
        code, _, err = tool.capture(
            ["bash", "-n"], stdin=script.encode("utf-8", "replace"), limit_s=_LIMIT_S
        )
    except (OSError, TimeoutError):
        return
    if code:
        said = text.one_line(err.decode("utf-8", "replace"), 300)
        raise Refused(f"the script does not parse: {said}")


def _python(script: str) -> None:
    try:
        compile(script, "script", "exec")
    except (SyntaxError, ValueError) as error:
        raise Refused(f"the script does not parse: {text.one_line(str(error), 300)}") from error
