"""Run a decider to its end, once or a few times, and say what came of it."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from looop.config import RunnerSpec
from looop.errors import LooopError, Unreadable
from looop.kit import proc, text
from looop.kit.clock import Clock
from looop.kit.proc import Done, End, Limits
from looop.loop.decide import answer, launch, meter
from looop.loop.decide.launch import Launch
from looop.loop.decide.streams import StreamVerdict, Usage
from looop.loop.decide.streams.faults import kind_of
from looop.loop.decide.tee import Tee

__all__ = ["Code", "RunnerResult", "run_runner"]

Code = Literal["ok", "deadline", "silent", "spawn", "failed", "no-decision", "permanent", "stopped"]

_ERROR = 600
_STDERR = 300


class RunnerResult(Struct, frozen=True, kw_only=True):
    """
    What came of a launch, all its attempts together.

    `error` is one line that a person can act on. `stopped` means that somebody else's signal
    ended it. `metered` is False only if nobody can tell what it cost.
    """

    ok: bool
    decision_text: str | None
    error: str
    code: Code
    attempts: int
    usage: Usage | None
    model: str
    took_s: float
    metered: bool


class _Attempt(Struct, frozen=True, kw_only=True):
    code: Code
    error: str = ""
    decision_text: str | None = None
    transient: bool = False
    usage: Usage | None = None
    model: str = ""
    metered: bool = True


async def run_runner(
    *,
    name: str,
    spec: RunnerSpec | None,
    run_dir: Path,
    prompt: Path,
    schema: dict[str, Any],
    env: Mapping[str, str],
    mark: str,
    wall_s: float,
    silence_s: float,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]],
    jitter: Callable[[], float],
    on_line: Callable[[str], None],
) -> RunnerResult:
    """
    Launch the runner in `run_dir` and bring back the text of one decision, unjudged.

    `wall_s` covers all attempts and the pauses between them, `silence_s` each attempt; 0 is
    unlimited. `jitter` gives the factor of a pause. Everything that carries `mark` is dead
    when this returns. Never raises for what the runner or its configuration does.
    """
    began = clock.monotonic()
    attempts: list[_Attempt] = []

    def result(last: _Attempt) -> RunnerResult:
        usages = [attempt.usage for attempt in attempts if attempt.usage is not None]
        total = usages[0] if usages else None
        for usage in usages[1:]:
            total = total.plus(usage) if total else usage
        more = f" (after {len(attempts)} attempts)" if len(attempts) > 1 and last.error else ""
        return RunnerResult(
            ok=last.code == "ok",
            decision_text=last.decision_text,
            error=text.one_line(last.error, _ERROR) + more,
            code=last.code,
            attempts=len(attempts),
            usage=total,
            model=last.model,
            took_s=clock.monotonic() - began,
            metered=all(attempt.metered for attempt in attempts),
        )

    try:
        plan = launch.prepare(name, spec, run_dir=run_dir, prompt=prompt, schema=schema, env=env)
    except (LooopError, OSError) as error:
        return result(_Attempt(code="spawn", error=str(error)))
    for wait in (*plan.waits, None):
        # What is left, and never the 0 that would mean unlimited.
        left_s = max(0.001, wall_s - (clock.monotonic() - began)) if wall_s else 0.0
        limits = Limits(wall_s=left_s, silence_s=silence_s)
        attempts.append(await _attempt(name, plan, run_dir, mark, limits, clock, on_line))
        last = attempts[-1]
        if not last.transient or wait is None:
            break
        pause = wait * jitter()
        if wall_s and clock.monotonic() - began + pause >= wall_s:
            break
        await sleep(pause)
    return result(attempts[-1])


async def _attempt(
    name: str,
    plan: Launch,
    run_dir: Path,
    mark: str,
    limits: Limits,
    clock: Clock,
    on_line: Callable[[str], None],
) -> _Attempt:
    decision_file = run_dir / launch.DECISION_FILE
    try:
        # Whatever lies there is not this attempt's.
        decision_file.unlink(missing_ok=True)
    except OSError as error:
        return _Attempt(code="spawn", error=f"cannot remove {decision_file}: {error.strerror}")
    reader = plan.reader()
    tee = Tee(run_dir, reader, on_line)
    try:
        done = await proc.run(
            plan.argv,
            cwd=run_dir,
            env=plan.env,
            limits=limits,
            mark=mark,
            stdin=plan.stdin,
            merge=not plan.strict,
            on_out=tee.feed,
            stop_signal=plan.stop_signal,
            clock=clock,
        )
    finally:
        tee.close()
    return _judged(name, plan, done, limits, reader.verdict, decision_file)


def _judged(
    name: str,
    plan: Launch,
    done: Done,
    limits: Limits,
    verdict: StreamVerdict,
    decision_file: Path,
) -> _Attempt:
    code, why = _outcome(plan, done, limits, verdict)
    decision_text: str | None = None
    if code == "ok":
        try:
            decision_text = answer.read(decision_file) or verdict.decision_text
        except Unreadable as error:
            code, why = "failed", str(error)
        else:
            if not (decision_text and decision_text.strip()):
                decision_text, code, why = None, "no-decision", _nothing(verdict)
    model = verdict.model or plan.model
    usage = verdict.usage
    refused = code == "spawn" or verdict.permanent or verdict.transient
    if refused and not (usage and (usage.tokens or usage.cost_usd)):
        # An API that refused has not been paid.
        usage = Usage(cost_usd=0.0)
    return _Attempt(
        code=code,
        error=f"{name}: {why}" if why else "",
        decision_text=decision_text,
        transient=code in ("failed", "no-decision") and _transient(plan, done, verdict),
        usage=usage,
        model=model,
        metered=meter.is_metered(name, model, usage),
    )


def _outcome(plan: Launch, done: Done, limits: Limits, verdict: StreamVerdict) -> tuple[Code, str]:
    """How the run itself went, before anybody looks for a decision."""
    said = verdict.error
    match done.end:
        case End.UNSPAWNABLE:
            return "spawn", f"cannot be started: {done.why}"
        case End.DEADLINE:
            return "deadline", f"did not end before its deadline and was killed{_last(said)}"
        case End.SILENT:
            return (
                "silent",
                f"printed nothing for {limits.silence_s:g} s and was killed{_last(said)}",
            )
        case End.STOPPED | End.TOO_LARGE:
            return "permanent", said or "cannot succeed any more"
        case End.EXITED:
            return _exited(plan, done, verdict)


def _exited(plan: Launch, done: Done, verdict: StreamVerdict) -> tuple[Code, str]:
    if verdict.permanent:
        return "permanent", verdict.error
    if verdict.state == "failed":
        return "failed", verdict.error
    if done.signal is not None:
        return "stopped", f"was ended by signal {done.signal}{_last(verdict.error)}"
    if verdict.state == "ok" and (plan.strict or done.code == 0):
        return "ok", ""
    if not plan.strict and done.code == 0:
        return "ok", ""
    errors = text.one_line(text.tail(done.err, _STDERR)) or verdict.error
    if plan.strict:
        kind: Code = "permanent" if kind_of(errors) == "permanent" else "failed"
        return kind, f"ended with exit code {done.code} and no outcome{_last(errors)}"
    return "failed", f"ended with exit code {done.code}{_last(errors)}"


def _last(said: str) -> str:
    return f"; its last words: {said}" if said else ""


def _nothing(verdict: StreamVerdict) -> str:
    return f"ended well but left no decision{_last(verdict.error)}"


def _transient(plan: Launch, done: Done, verdict: StreamVerdict) -> bool:
    if verdict.transient:
        return True
    errors = f"{verdict.error}\n{text.tail(done.err, _STDERR)}"
    if plan.match and plan.match.search(errors):
        return True
    return plan.strict and verdict.state == "unknown" and kind_of(errors) == "transient"
