"""`run_shell`: one command in the data dir, with a deadline, and the files it must not touch."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, UnsetType

from looop.config import Config
from looop.errors import LooopError
from looop.kit import clock as clocks
from looop.kit import files, proc, text
from looop.kit.child import End, Limits
from looop.kit.clock import Clock
from looop.loop.admit.policy import PROTECTED
from looop.model.actions import RunShell
from looop.model.records import Outcome, Shell
from looop.paths import Paths

__all__ = ["Guard", "probe", "run"]

OUTPUT_BYTES = 4096
_SUMMARY = 160
_PROBE_S = 30.0


class Guard:
    """
    The floor under every shell command: what it does to the protected files is undone.

    Analysis of a command is advice, because a path can be computed; comparing the files before
    and after is not.
    """

    def __init__(self, paths: Paths) -> None:
        found = {paths.data / name for name in PROTECTED} | {paths.config}
        self._before = {path: (_link(path), files.read_bytes(path)) for path in sorted(found)}

    def restore(self, at: float) -> list[str]:
        """Put back every protected file that changed; their names. The change is kept aside."""
        restored: list[str] = []
        for path, (link, before) in self._before.items():
            try:
                after = files.read_bytes(path)
            except LooopError:
                after = b""
            moved = _link(path) != link
            if after == before and not moved:
                continue
            if after:
                aside = path.with_name(f"{path.name}.refused-{clocks.local_stamp(at)}")
                files.write_atomic(aside, after)
            self._put_back(path, link if moved else None, before, clear=moved)
            restored.append(path.name)
        return restored

    @staticmethod
    def _put_back(path: Path, link: str | None, before: bytes | None, *, clear: bool) -> None:
        # A link is written through, so one that was not there must go first.
        if path.is_dir() and not path.is_symlink():
            files.remove_tree(path)
        elif clear:
            files.remove(path)
        elif before is None:
            files.remove(path.resolve())
        if link is not None:
            path.symlink_to(link)
        if before is not None:
            files.write_atomic(path, before)


def _link(path: Path) -> str | None:
    """Where a symlink leads; None for anything else."""
    return str(path.readlink()) if path.is_symlink() else None


class Ran(Struct, frozen=True, kw_only=True):
    """How a command ended, and its result for the next prompt."""

    outcome: Outcome
    shell: Shell


async def run(
    action: RunShell,
    *,
    paths: Paths,
    config: Config,
    env: Mapping[str, str],
    run_id: str,
    clock: Clock,
) -> Ran:
    """Run the command; its group and every descendant are gone when this returns."""
    guard = Guard(paths)
    child_env = paths.child_env(env) | {"LOOOP_RUN_ID": run_id}
    done = await proc.run(
        ["bash", "-c", action.cmd],
        cwd=paths.data,
        env=child_env,
        limits=Limits(wall_s=config.shell_timeout, out_bytes=OUTPUT_BYTES),
        mark=run_id,
        merge=True,
        clock=clock,
    )
    output = text.plain(text.tail(done.out, OUTPUT_BYTES))
    touched = guard.restore(clock.wall())
    shell = Shell(at=clock.wall(), cmd=action.cmd, code=done.shell_code, output=output, run=run_id)
    why = text.one_line(action.reason or action.cmd, _SUMMARY)
    if touched:
        words = f"the command changed {', '.join(touched)}, which no move may do; put back"
        return Ran(outcome=Outcome(ok=False, summary=words), shell=shell)
    if done.ok:
        return Ran(outcome=Outcome(ok=True, summary=f"shell · {why}"), shell=shell)
    said = text.one_line(output[-512:], 512)
    if done.end is End.DEADLINE:
        words = (
            f"stopped after {config.shell_timeout:g} s, so it may have run in part; look before "
            f"trying again: {why}: {said}"
        )
        answer = await probe(action, paths=paths, env=env, clock=clock)
        return Ran(outcome=Outcome(ok=False, summary=words, known=False, probe=answer), shell=shell)
    if done.end is End.UNSPAWNABLE:
        return Ran(outcome=Outcome(ok=False, summary=f"bash: {done.why}"), shell=shell)
    words = f"exit code {done.shell_code}: {why}: {said}"
    return Ran(outcome=Outcome(ok=False, summary=words), shell=shell)


async def probe(action: RunShell, *, paths: Paths, env: Mapping[str, str], clock: Clock) -> str:
    """What the move's own probe says of whether its effect happened; "" if it has none."""
    if isinstance(action.probe, UnsetType):
        return ""
    done = await proc.run(
        ["bash", "-c", action.probe],
        cwd=paths.data,
        env=paths.child_env(env),
        limits=Limits(wall_s=_PROBE_S, out_bytes=512),
        mark=f"probe-{clock.monotonic():.6f}",
        merge=True,
        clock=clock,
    )
    said = text.one_line(text.tail(done.out, 512), 300)
    return f"probe exit code {done.shell_code}" + (f": {said}" if said else "")
