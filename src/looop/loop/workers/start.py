"""Starting a worker: everything is checked first, and only then is anything made."""

import contextlib
import re
import secrets
import stat
from pathlib import Path

import msgspec
from msgspec import Struct

from looop import __version__
from looop.config import PROMPT_PLACEHOLDER, RULES, RunnerSpec
from looop.errors import LooopError, NotFound, Refused, Usage
from looop.kit import files, names, tool, worktree
from looop.loop.crew import PULSE
from looop.loop.decide import template
from looop.loop.parts import Parts
from looop.loop.workers import (
    agents,
    contract,
    embedded,
    retention,
    spending,
    surroundings,
    verify,
)
from looop.loop.workers.agents import Agent, Brief
from looop.model.records import Worker
from looop.sessions.records import Session, Spec

__all__ = ["PULSE", "Order", "restart", "start"]

_ID, _GENERATION = "LOOOP_SESSION_ID", "LOOOP_GENERATION"
_PLACEHOLDER = re.compile(r"\{\{[A-Za-z_]+\}\}")


class Order(Struct, frozen=True, kw_only=True):
    """What a worker is to be; `run` is the run of the move that orders it, of whomever."""

    id: str
    prompt: str
    goal: str = ""
    runner: str = ""
    command: str = ""
    verify: str = ""
    workspace: str = ""
    run: str = ""


class _Plan(Struct, frozen=True, kw_only=True):
    """An order that nothing speaks against, and how it will be carried out."""

    order: Order
    runner: str
    spec: RunnerSpec
    agent: Agent
    command: str
    repo: Path | None
    ref: str


def start(parts: Parts, order: Order) -> Session:
    """
    Start a worker and see its command run.

    Raises `Usage` or `Refused` with the reason before anything was made, or `Failed` when its
    command could not be started; what was made for it is gone again then.
    """
    plan = _checked(parts, order)
    # Two starts at once must not both pass the cap, or take one id.
    with files.dir_lock(parts.store.paths.workers_lock):
        _room(parts, order.id)
        _goal_has_money(parts, order.goal)
        _make_way(parts, order.id)
        return _commit(parts, plan)


# -- checking ----------------------------------------------------------------------------------


def _checked(parts: Parts, order: Order) -> _Plan:
    names.checked("worker", order.id)
    if order.id == PULSE:
        raise Refused("`pulse` is the loop itself, and no worker")
    if not order.prompt.strip():
        raise Refused(f"{order.id} needs a brief: say what is to be done")
    if order.goal:
        names.checked("goal", order.goal)
    for word, text in (("prompt", order.prompt), ("command", order.command)):
        if "\0" in text:
            raise Refused(f"the {word} contains a NUL character")
    runner = order.runner.strip() or parts.config.runner
    spec = parts.config.runners.get(runner, RunnerSpec())
    agent = agents.agent_of("" if order.command.strip() or spec.worker else runner)
    command = _command(parts, order, runner, spec, agent)
    repo, ref = _workspace(order.workspace)
    return _Plan(
        order=order, runner=runner, spec=spec, agent=agent, command=command, repo=repo, ref=ref
    )


def _command(parts: Parts, order: Order, runner: str, spec: RunnerSpec, agent: Agent) -> str:
    """The command line that was asked for; "" for the agent's own. Raises `Refused`."""
    given = order.command.strip()
    if given:
        return _with_placeholder(given, "--command (`command` of the move)")
    if spec.worker:
        return _with_placeholder(spec.worker, f"`worker` of [runners.{runner}] (`looop init`)")
    if runner == RULES:
        _has_script(order.prompt)
        return f'"$LOOOP_BIN" shell-worker {PROMPT_PLACEHOLDER}'
    if not agent.program:
        raise Refused(
            f"runner {runner!r} has no worker command: set `worker` in [runners.{runner}], or "
            "give --command"
        )
    if tool.find(agent.program, parts.env.get("PATH")) is None:
        raise Refused(
            f"runner {runner!r} needs the program {agent.program!r}, which is not on PATH"
        )
    return ""


def _has_script(brief: str) -> None:
    try:
        embedded.block(contract.HEADING + brief)
    except NotFound as error:
        raise Refused(str(error)) from error


def _with_placeholder(command: str, where: str) -> str:
    unknown = [word for word in _PLACEHOLDER.findall(command) if word != PROMPT_PLACEHOLDER]
    if unknown:
        raise Refused(f"{where} holds {unknown[0]}, which means nothing; use {PROMPT_PLACEHOLDER}")
    if not template.has_prompt(command):
        raise Refused(f"{where} must contain {PROMPT_PLACEHOLDER}, or the brief reaches nobody")
    return command


def _workspace(words: str) -> tuple[Path | None, str]:
    if words in ("", "none"):
        return None, ""
    if not words.startswith("worktree:"):
        raise Refused(f"workspace {words!r} is neither `none` nor `worktree:REPO[@REF]`")
    try:
        return worktree.parse(words)
    except Usage as error:
        raise Refused(str(error)) from error


def _room(parts: Parts, worker: str) -> None:
    """Raises `Unreadable` when the fleet cannot be looked at: it is never taken for empty."""
    sessions, _ = parts.fleet.list()
    living = [s.id for s in sessions if s.alive and s.id != PULSE]
    if worker in living:
        raise Refused(f"{worker} runs already; steer it, kill it, or choose another id")
    cap = parts.config.max_workers
    if cap and len(living) >= cap:
        raise Refused(
            f"{len(living)} workers live, which is the cap (max_workers = {cap}): {', '.join(living)}"
        )


def _goal_has_money(parts: Parts, goal: str) -> None:
    limit = parts.config.max_goal_usd
    if not goal or not limit:
        return
    spent = spending.of_goal(parts.store.ledger, goal)
    if spent >= limit:
        raise Refused(f"goal {goal} has cost ${spent:.2f} of max_goal_usd = {limit:g}")


def _make_way(parts: Parts, worker: str) -> None:
    """Remove what an ended worker of that id has left; an unjudged check stands in the way."""
    record = parts.store.workers.get(worker)
    session = parts.fleet.find(worker)
    if record is not None and session is not None and verify.owed(record):
        raise Refused(f"{worker} has ended and its check is still to be run; the next beat does")
    if session is not None:
        retention.remove(parts, session, record)
    parts.store.workers.drop(worker)


# -- making ------------------------------------------------------------------------------------


def _commit(parts: Parts, plan: _Plan) -> Session:
    order, paths = plan.order, parts.store.paths
    generation = secrets.token_hex(8)
    undo = contextlib.ExitStack()
    with undo:
        record = _place(parts, plan, generation)
        undo.callback(_take_back, parts, record)
        brief = _brief(parts, plan.spec, record)
        text = contract.render(
            worker=order.id,
            brief=order.prompt,
            work_dir=record.work_dir,
            branch=record.branch,
            verify=order.verify,
            looop=brief.env["LOOOP_BIN"],
        )
        files.write_atomic(paths.prompt(order.id), text.encode())
        for name, body in plan.agent.files(brief).items():
            files.ensure_dir(Path(brief.files_dir))
            files.write_atomic(Path(brief.files_dir) / name, body.encode())
        # The record stands before the worker does, because it may call back at once.
        parts.store.workers.put(record)
        command = plan.command or plan.agent.command(brief)
        if plan.command:
            command = template.with_prompt(plan.command, str(paths.prompt(order.id)))
        session = parts.fleet.start(
            Spec(
                id=order.id,
                argv=("bash", "-c", command),
                cwd=record.work_dir,
                env=brief.env | plan.agent.env(brief),
                generation=generation,
                labels=_labels(plan),
                id_variable=_ID,
                generation_variable=_GENERATION,
            )
        )
        undo.pop_all()
    for problem in plan.agent.first_start(brief):
        parts.tell("warning", about="worker", text=f"{order.id}: {problem}")
    parts.tell(
        "worker_started",
        worker=order.id,
        generation=generation,
        runner=record.runner,
        goal=order.goal,
        run=order.run,
    )
    return session


def _take_back(parts: Parts, record: Worker) -> None:
    """Leave nothing of a start that failed, so that the same order may be given again."""
    with contextlib.suppress(LooopError, OSError):
        session = parts.fleet.find(record.id)
        if session is not None and session.generation == record.generation and session.alive:
            parts.fleet.kill(record.id)
        if session is not None:
            parts.fleet.remove(record.id)
        retention.clear(parts, record.id, record)


def _place(parts: Parts, plan: _Plan, generation: str) -> Worker:
    """Make the worker's directory, and the record that says what was made."""
    order = plan.order
    place = _free_place(parts, order.id)
    branch = base = ""
    if plan.repo is None:
        files.ensure_dir(place)
    else:
        made = worktree.create(plan.repo, plan.ref, place, f"looop/{order.id}")
        branch, base = made.branch, made.base
    return Worker(
        id=order.id,
        generation=generation,
        started=parts.clock.wall(),
        runner=plan.runner,
        override=bool(order.command.strip() or plan.spec.worker),
        goal=order.goal,
        verify=order.verify.strip(),
        workspace=order.workspace,
        work_dir=str(place),
        repo=str(plan.repo or ""),
        branch=branch,
        base=base,
        run=order.run,
        transcript_id=agents.transcript_id(order.id, generation),
    )


def _free_place(parts: Parts, worker: str) -> Path:
    """A place that holds nothing: what a predecessor of that name has left there is its work."""
    number = 1
    while True:
        place = parts.store.paths.work_dir(worker if number == 1 else f"{worker}-{number}")
        found = files.stat_or_none(place)
        if found is None or (stat.S_ISDIR(found.st_mode) and not files.list_names(place)):
            return place
        number += 1


def _worker_env(parts: Parts, spec: RunnerSpec) -> dict[str, str]:
    """The environment of a worker: ours, without what belongs to ourselves, and its runner's."""
    paths = parts.store.paths
    env = surroundings.handed_on(parts.env, paths)
    # The profile is a repository too, and a worker that stands in no other must not find it.
    above = [str(paths.work), *filter(None, [env.get("GIT_CEILING_DIRECTORIES", "")])]
    return env | {"GIT_CEILING_DIRECTORIES": ":".join(above)} | spec.env


def _brief(parts: Parts, spec: RunnerSpec, record: Worker) -> Brief:
    paths = parts.store.paths
    env = _worker_env(parts, spec)
    if record.run:
        env["LOOOP_RUN_ID"] = record.run
    return Brief(
        worker=record.id,
        generation=record.generation,
        prompt_file=str(paths.prompt(record.id)),
        work_dir=record.work_dir,
        files_dir=str(paths.prompt_files(record.id)),
        model=spec.model,
        env=env,
        hook_command='"$LOOOP_BIN" hook',
        transcript_id=record.transcript_id,
    )


def _labels(plan: _Plan) -> dict[str, str]:
    order = plan.order
    labels = {"goal": order.goal, "runner": plan.runner, "run": order.run, "looop": __version__}
    return {name: value for name, value in labels.items() if value}


def renewed(record: Worker, generation: str) -> Worker:
    """The record of a worker whose session is started again: a new generation of the same."""
    return msgspec.structs.replace(
        record,
        generation=generation,
        done=None,
        killed=None,
        ended=None,
        checked=None,
        told=False,
    )


def restart(parts: Parts, worker: str) -> Session:
    """
    End a worker's tree and run the same command again, as a new generation of it.

    Raises `Refused` for one that was killed: only a new start brings that id back. One that has
    ended needs room and money like any other that is to run.
    """
    if worker == PULSE:
        raise Refused("`pulse` is the loop itself; `looop down` and `looop up` restart it")
    with files.dir_lock(parts.store.paths.workers_lock):
        session = parts.fleet.get(worker)
        record = parts.store.workers.get(worker)
        if session.state == "killed" or (record is not None and record.killed is not None):
            raise Refused(f"{worker} was killed and stays so; start it anew")
        if not session.alive:
            _room(parts, worker)
            _goal_has_money(parts, record.goal if record else "")
        return _restart(parts, worker, record)


def _restart(parts: Parts, worker: str, record: Worker | None) -> Session:
    generation = secrets.token_hex(8)
    env = _env_again(parts, worker, generation, record)
    if record is not None:
        # Before the new process runs, because it may call back at once.
        parts.store.workers.put(renewed(record, generation))
    try:
        session = parts.fleet.restart(worker, env=env, generation=generation)
    except LooopError:
        found = parts.fleet.find(worker)
        if record is not None and found is not None and found.generation != generation:
            # It is what it was, and so is its record.
            parts.store.workers.put(record)
        raise
    parts.tell("worker_restarted", worker=worker, generation=generation)
    return session


def _env_again(parts: Parts, worker: str, generation: str, record: Worker | None) -> dict[str, str]:
    """What a session that has ended is started with again: as at first, by today's settings."""
    own = {_ID: worker, _GENERATION: generation}
    if record is None:
        return _worker_env(parts, RunnerSpec()) | own
    spec = parts.config.runners.get(record.runner, RunnerSpec())
    agent = agents.agent_of("" if record.override or spec.worker else record.runner)
    brief = _brief(parts, spec, msgspec.structs.replace(record, generation=generation))
    return brief.env | agent.env(brief) | own
