"""Judging a shell command: cold, and when it was judged before."""

import itertools
import subprocess
from functools import partial

import harness
from harness import Row
from looop.loop.admit import shell

COMMAND = "cd repo && git log --oneline -n {n} | grep -v wip | head -5; ls -la $HOME/notes"
CACHED_CALLS = 1000


def measure(smoke: bool) -> Row:
    """Wall time of one analysis; reference: `shfmt --to-json` alone on the same command."""
    numbers = itertools.count(1)
    known = COMMAND.format(n=0)

    def cold() -> None:
        # A number that was not there before makes it another command.
        facts = shell.analyse(COMMAND.format(n=next(numbers)))
        assert facts.understood, facts

    def cached() -> None:
        for _ in range(CACHED_CALLS):
            shell.analyse(known)

    def bare() -> None:
        subprocess.run(
            [str(harness.BIN / "shfmt"), "-ln", "bash", "--to-json"],
            input=known.encode(),
            capture_output=True,
            check=True,
        )

    first, again, reference = harness.interleaved(
        3 if smoke else 40, *(partial(harness.wall_ms, work) for work in (cold, cached, bare))
    )
    each_us = harness.median(again) / CACHED_CALLS * 1000
    return Row(
        figure="policy: analysis of a shell command",
        target="",
        here=f"{harness.median(first):.3g} ms cold, {each_us:.2g} us cached",
        reference=f"{harness.median(reference):.3g} ms",
        ratio=harness.median(first) / harness.median(reference),
        method="a bare shfmt --to-json",
        met=None,
    )


if __name__ == "__main__":
    harness.main(measure)
