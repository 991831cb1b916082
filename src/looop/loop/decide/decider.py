"""One decision by a runner: launch it, read its answer, send a bad one back once, meter it all."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct

from looop.config import Config
from looop.kit import canon, clock, files, text
from looop.kit.clock import Clock
from looop.loop.decide import decision, meter, runner
from looop.loop.decide.decision import BadDecision
from looop.loop.decide.runner import RunnerResult
from looop.loop.decide.streams import Usage
from looop.model.actions import Decision
from looop.model.records import Spend

__all__ = ["Choice", "Surroundings", "decide"]

PROMPT_FILE = "prompt.md"
CORRECTION_FILE = "correction.md"
_ANSWER_LIMIT = 4000


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a launch needs from outside: where, with what settings and environment, and time."""

    run: str
    directory: Path
    config: Config
    env: Mapping[str, str]
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]
    on_line: Callable[[str], None]


class Choice(Struct, frozen=True, kw_only=True):
    """
    What came of it: a decision, or a code and an error. `spends` has a row for each launch;
    `transient` and `permanent` failures differ only in words, both are failures of the beat.
    """

    decision: Decision | None
    code: str
    error: str
    spends: tuple[Spend, ...]
    launches: int


def _correction(prompt: str, answer: str, problems: list[str]) -> str:
    """The same prompt with what was wrong with the answer; the answer is data like any other."""
    marker = secrets.token_hex(8)
    listed = "\n".join(f"- {text.one_line(problem, 400)}" for problem in problems[:20])
    return (
        f"{prompt}"
        "=== YOUR LAST ANSWER COULD NOT BE USED\n"
        f"<<< {marker} answer\n{text.plain(text.clip_middle(answer, _ANSWER_LIMIT))}\n"
        f">>> {marker}\n"
        f"What is wrong with it:\n{listed}\n"
        "Answer again, with one JSON object that is right in every point.\n"
    )


async def _launch(around: Surroundings, prompt: Path) -> tuple[RunnerResult, Spend]:
    config = around.config
    result = await runner.run_runner(
        name=config.runner,
        spec=config.runners.get(config.runner),
        run_dir=around.directory,
        prompt=prompt,
        schema=decision.schema(),
        env=around.env,
        mark=around.run,
        wall_s=config.tick_timeout,
        silence_s=config.silence_timeout,
        clock=around.clock,
        sleep=around.sleep,
        jitter=around.jitter,
        on_line=around.on_line,
    )
    spend = meter.spend(
        ts=clock.utc_iso(around.clock.wall()),
        kind="tick",
        run=around.run,
        runner=config.runner,
        goal="",
        model=result.model,
        usage=result.usage or (Usage(cost_usd=0.0) if result.metered else None),
    )
    return result, spend


async def decide(
    prompt: str, around: Surroundings, charge: Callable[[], bool], account: Callable[[Spend], None]
) -> Choice:
    """
    Ask the runner for one decision; a malformed one is sent back once.

    `charge` is called before each launch and may refuse it; `account` gets the row of each
    launch as soon as it has ended, whatever came of it.
    """
    files.write_atomic(around.directory / PROMPT_FILE, prompt.encode("utf-8", "replace"))
    spends: list[Spend] = []
    asked = around.directory / PROMPT_FILE
    problems: list[str] = []
    for attempt in (1, 2):
        if not charge():
            break
        result, spend = await _launch(around, asked)
        spends.append(spend)
        account(spend)
        if not result.ok or result.decision_text is None:
            return Choice(
                decision=None,
                code=result.code if not result.ok else "no-decision",
                error=text.one_line(result.error or "the runner gave no decision", 2000),
                spends=tuple(spends),
                launches=attempt,
            )
        try:
            made = decision.parse(result.decision_text)
        except BadDecision as bad:
            problems = bad.problems
            asked = around.directory / CORRECTION_FILE
            again = _correction(prompt, result.decision_text, problems)
            files.write_atomic(asked, again.encode("utf-8", "replace"))
            continue
        kept = canon.canonical(result.decision_text).encode("utf-8", "replace")
        files.write_atomic(around.directory / "answer.json", kept + b"\n", durable=False)
        return Choice(decision=made, code="ok", error="", spends=tuple(spends), launches=attempt)
    error = f"the decision cannot be used: {'; '.join(problems[:6])}"
    return Choice(
        decision=None,
        code="bad-decision" if spends else "decide-cap",
        error=text.one_line(error, 2000)
        if spends
        else "the launch was refused: the cap is reached",
        spends=tuple(spends),
        launches=len(spends),
    )
