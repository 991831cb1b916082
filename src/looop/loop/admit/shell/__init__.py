"""Judging a shell command: whether it is understood, only reads, or cannot be taken back."""

from functools import lru_cache

from msgspec import Struct

from looop.kit.text import one_line
from looop.loop.admit.shell.survey import Survey, worlds

__all__ = ["ShellFacts", "analyse"]

_MOST_SURVEYS = 16
_MOST_CHARS = 100_000
_WHY_CHARS = 240


class ShellFacts(Struct, frozen=True, kw_only=True):
    """
    What can be said of a command by reading it.

    `understood`: it parses, and every program in it is named literally. `read_only`: every
    program in it is one that only reads, and nothing writes a file; `why` is the first reason
    why not. `catastrophic` has a phrase for each thing that cannot be taken back. `programs`
    are those that it runs, wrappers included, and `touches` the files that it is seen to write.

    This is advice. It stops mistakes and plain attempts; only a sandbox stops a determined one.
    """

    understood: bool
    read_only: bool
    catastrophic: tuple[str, ...] = ()
    why: str = ""
    programs: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()


class _Passing(Exception):
    """Facts that may be better another time, so they are not remembered."""

    def __init__(self, facts: ShellFacts) -> None:
        super().__init__(facts.why)
        self.facts = facts


def analyse(command: str) -> ShellFacts:
    """
    Judge a command of bash. Never raises, runs nothing of it, and remembers what it found.

    What is not understood is never read-only. Dangers are looked for even in what is not
    understood, with every variable taken to have each value that the command gives it.
    """
    try:
        return _analyse(command)
    except _Passing as passing:
        return passing.facts


@lru_cache(maxsize=512)
def _analyse(command: str) -> ShellFacts:
    base = Survey(trees={})
    base.script(command)
    surveys = [base]
    scopes = worlds(base.assigns)
    seen = list(scopes)
    while scopes and len(surveys) < _MOST_SURVEYS and sum(s.walked for s in surveys) < _MOST_CHARS:
        survey = Survey(trees=base.trees, scope=scopes.pop(0))
        survey.script(command)
        surveys.append(survey)
        for scope in worlds(survey.assigns):
            if scope not in seen:
                seen.append(scope)
                scopes.append(scope)
    reasons = [*base.obscure, *base.odd]
    facts = ShellFacts(
        understood=not base.obscure,
        read_only=not reasons,
        catastrophic=tuple(dict.fromkeys(d for s in surveys[1:] or surveys for d in s.dangers)),
        why=one_line(reasons[0], _WHY_CHARS) if reasons else "",
        programs=tuple(base.programs),
        touches=tuple(dict.fromkeys(touched for s in surveys for touched in s.touches)),
    )
    if base.unavailable:
        raise _Passing(facts)
    return facts
