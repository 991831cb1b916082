"""From a runner's name and its configuration to exactly one command that can be started."""

import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from looop.config import RetrySpec, RunnerSpec
from looop.errors import BadConfig, Missing, Usage
from looop.kit import durations, files, tool
from looop.loop.decide import template
from looop.loop.decide.presets import PRESETS, Call, Preset
from looop.loop.decide.streams import Reader, reader_for
from looop.loop.decide.streams.custom import CustomReader
from looop.loop.decide.streams.either import EitherReader

__all__ = ["DECISION_FILE", "Launch", "prepare", "reader_of"]

DECISION_FILE = ".decision.json"
SCHEMA_FILE = "schema.json"


class Launch(Struct, frozen=True, kw_only=True):
    """
    What to start, and how to understand it.

    With `stdin` None the child reads nothing. With `strict`, a run is good only if its stream
    says so; a command of the user's own must exit with 0 instead, and its stderr is part of
    its output. `waits` are the pauses before further tries, and `match` makes an error
    transient that the reader does not know.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    stdin: Path | None
    strict: bool
    stop_signal: signal.Signals
    reader: Callable[[], Reader]
    waits: tuple[float, ...]
    match: re.Pattern[str] | None
    model: str


def prepare(
    name: str,
    spec: RunnerSpec | None,
    *,
    run_dir: Path,
    prompt: Path,
    schema: dict[str, Any],
    env: Mapping[str, str],
) -> Launch:
    """
    Everything that can be wrong before a start is said here, with its mend.

    Raises `Usage` for an unknown runner, `BadConfig` for a setting that cannot be meant and
    `Missing` for a program that is not on PATH.
    """
    preset = PRESETS.get(name)
    if preset is None and spec is None:
        known = ", ".join(sorted(PRESETS))
        raise Usage(f"unknown runner {name!r}: use {known}, or define [runners.{name}] with a tick")
    spec = spec or RunnerSpec()
    retry = spec.retry
    match = _pattern(name, retry)
    waits = _waits(name, retry) if retry else None
    # The child's cwd is another one: a relative path would lead nowhere from there.
    run_dir, prompt = run_dir.absolute(), prompt.absolute()
    exported = {"LOOOP_DECISION_FILE": str(run_dir / DECISION_FILE)}
    if spec.tick:
        whole_env = {**env, **spec.env, **exported}
        by_path = template.has_prompt(spec.tick)
        return Launch(
            argv=(
                _found("bash", name, whole_env),
                "-c",
                template.with_prompt(spec.tick, str(prompt)),
            ),
            env=whole_env,
            stdin=None if by_path else prompt,
            strict=False,
            stop_signal=preset.stop_signal if preset else signal.SIGTERM,
            reader=lambda: reader_of(name, spec),
            waits=waits or (),
            match=match,
            model=spec.model,
        )
    if preset is None:
        raise BadConfig(f"[runners.{name}] has no tick: say the command that decides")
    whole_env = {**env, **preset.env(env), **spec.env, **exported}
    call = Call(schema=schema, schema_file=run_dir / SCHEMA_FILE, model=spec.model, run_dir=run_dir)
    program = _found(preset.program, name, whole_env)
    _write(preset, call)
    return Launch(
        argv=(program, *preset.args(call)),
        env=whole_env,
        stdin=prompt,
        strict=True,
        stop_signal=preset.stop_signal,
        reader=lambda: reader_of(name, spec),
        waits=preset.waits if waits is None else waits,
        match=match,
        model=spec.model,
    )


def reader_of(name: str, spec: RunnerSpec) -> Reader:
    """
    Who reads the stream of a runner: its preset's reader, unless the command is the user's own.

    The user's own command for a known CLI may print that CLI's stream, or plain text.
    """
    if not spec.tick:
        return reader_for(name)
    custom = CustomReader(spec.cost, spec.retry)
    return EitherReader(reader_for(name), custom) if name in PRESETS else custom


def _found(program: str, name: str, env: Mapping[str, str]) -> str:
    path = tool.find(program, env.get("PATH"))
    if path is None:
        raise Missing(
            f"runner {name!r} needs the program {program!r}, which is not on PATH: "
            "install it, or choose another `runner`"
        )
    return str(Path(path).absolute())


def _write(preset: Preset, call: Call) -> None:
    texts = {SCHEMA_FILE: msgspec.json.encode(call.schema).decode(), **preset.files(call)}
    for file_name, body in texts.items():
        files.write_atomic(call.run_dir / file_name, body.encode(), durable=False)


def _pattern(name: str, retry: RetrySpec | None) -> re.Pattern[str] | None:
    if retry is None:
        return None
    try:
        return re.compile(retry.match, re.IGNORECASE)
    except re.error as error:
        raise BadConfig(
            f"[runners.{name}] retry.match = {retry.match!r} is no regular expression: {error}"
        ) from error


def _waits(name: str, retry: RetrySpec) -> tuple[float, ...]:
    try:
        wait = durations.parse(retry.wait)
    except Usage as error:
        raise BadConfig(f"[runners.{name}] retry.wait = {retry.wait!r}: {error}") from error
    return (wait,) * max(0, min(retry.times, 10))
