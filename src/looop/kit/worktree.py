"""
Git worktrees for workers: one worker, one worktree, one branch; nothing unsaved is ever removed.

Our own git commands run no hooks. A hook may be a file of the tree that is checked out
(`core.hooksPath`), so it would be code that nobody admitted, outside every sandbox and without a
deadline, before the worker has begun. What a `post-checkout` hook would set up is the worker's to
set up. Filters (LFS and the like) do run, as without them the files would be wrong; hooks of
commands that the worker itself gives are untouched.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import Literal

from msgspec import Struct

from looop.errors import Failed, LooopError, Missing, Refused, Unreadable, Usage
from looop.kit import files, names, text, tool

__all__ = ["Made", "State", "create", "litter", "parse", "remove_if_spent", "state"]

_PREFIX = "worktree:"
_QUIET = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
    "-c", "submodule.recurse=false", "-c", "status.showUntrackedFiles=normal",
)  # fmt: skip
# A ref of each worktree's own, which git removes together with it: a symbolic link to the branch
# or tag that it was made from.
_ONTO = "refs/worktree/looop/onto"
# What git keeps in a worktree's directory while a merge, a rebase or the like waits there.
_UNFINISHED = (
    "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply",
)  # fmt: skip
_LOOK_S = 30.0
_CHECKOUT_S = 120.0
_SUFFIXES = 100


class Made(Struct, frozen=True, kw_only=True):
    """A new worktree: its `branch`, and the commit (`base`) that the branch began at."""

    branch: str
    base: str


class State(Struct, frozen=True, kw_only=True):
    """
    What is in a worktree now.

    `dirty` is anything that git would call changed or untracked, and an unfinished merge, rebase
    or the like; files that git ignores do not count. `branch` is the one that is checked out
    there, "" for none. `ahead` counts the commits that neither the commit it was made at nor the
    branch it was made from, nor that one's upstream, has; None when none of these is known.
    `merged` says that it has commits since, all of them in one of these.
    """

    path: str
    state: Literal["clean", "dirty", "gone"]
    repo: str = ""
    branch: str = ""
    ahead: int | None = None
    merged: bool = False


def parse(workspace: str) -> tuple[Path, str]:
    """
    The repository and the ref of `worktree:REPO[@REF]`, HEAD if it names none.

    The last `@` divides, so a path that has one needs another after it: `worktree:/home/a@b@`.
    `~` is expanded, a relative path is made absolute here. Raises `Usage`.
    """
    if not workspace.startswith(_PREFIX):
        raise Usage(f"{workspace!r} is no workspace: use worktree:REPO[@REF], or none")
    words = workspace[len(_PREFIX) :]
    repo, _, ref = words.rpartition("@") if "@" in words else (words, "", "")
    if not repo.strip() or not repo.isprintable():
        raise Usage(f"{workspace!r} names no repository: use worktree:REPO[@REF]")
    try:
        return Path(repo).expanduser().absolute(), _checked_ref(ref or "HEAD")
    except RuntimeError as error:
        raise Usage(f"{workspace!r} names no repository: {error}") from error


def _checked_ref(ref: str) -> str:
    if ref.startswith("-") or " " in ref or not ref.isprintable():
        raise Usage(f"{ref!r} is no branch, tag or commit")
    return ref


# -- git -----------------------------------------------------------------------------------------


def _try(where: Path, *words: str, limit_s: float = _LOOK_S) -> tuple[int, str, str]:
    """Run git in a directory: exit code, stdout without its last line break, one line of why."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    # Without optional locks, a look never stands in the way of what the worker does.
    env |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    argv = ["git", *_QUIET, "-C", str(where.absolute()), *words]
    try:
        code, out, err = tool.capture(argv, cwd=Path("/"), env=env, limit_s=limit_s)
    except FileNotFoundError as error:
        raise Missing("git is not installed; worktrees need it") from error
    except (TimeoutError, OSError, ValueError) as error:
        raise Failed(f"git {words[0]}: {text.one_line(str(error), 300)}") from error
    return code, os.fsdecode(out).removesuffix("\n"), _why(os.fsdecode(err))


def _why(said: str) -> str:
    """The line that says why, of those in which git also says what it was doing."""
    lines = said.splitlines()
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return text.one_line(" ".join(fatal or lines), 300)


def _git(where: Path, *words: str, limit_s: float = _LOOK_S) -> str:
    """As `_try`, the output alone; raises `Failed` with git's own line."""
    code, out, why = _try(where, *words, limit_s=limit_s)
    if code:
        raise Failed(f"git {words[0]} in {text.one_line(str(where))}: {why or f'exit code {code}'}")
    return out


def _commit(where: Path, name: str) -> str:
    """The commit that a name means, "" if it means none."""
    code, out, _ = _try(where, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return "" if code else out


def _place(where: Path) -> tuple[Path, Path]:
    """
    The git directory of a working tree, and the one that all trees of its repository share.

    Raises `Failed` when `where` is not the top of one: git itself would be content with any
    repository further up, such as that of a home directory.
    """
    out = _git(
        where, "rev-parse", "--path-format=absolute", "--show-prefix", "--git-dir",
        "--git-common-dir",
    )  # fmt: skip
    prefix, _, rest = out.partition("\n")
    own, _, common = rest.partition("\n")
    if prefix or not common:
        raise Failed(f"{text.one_line(str(where))} is not the top of a git repository")
    return Path(os.path.realpath(own)), Path(os.path.realpath(common))


# -- making --------------------------------------------------------------------------------------


def create(repo: Path, ref: str, path: Path, branch: str) -> Made:
    """
    Make a worktree of `repo` at `path`, on a new branch that begins at `ref`.

    The branch is `branch`, or that name with `-2`, `-3` ... when it is taken; it tracks nothing,
    so that no push of a worker goes to the branch that it began from. `path` must be absent or an
    empty directory. Raises `Usage` for a ref that is none, and `Failed` with git's one line, and
    leaves nothing behind then, unless git took so long that it had to be killed.
    """
    path = path.absolute()
    _place(repo)
    base = _commit(repo, _checked_ref(ref))
    if not base:
        raise Failed(f"{text.one_line(str(repo))} has no commit {ref!r}")
    onto = _git(repo, "rev-parse", "--symbolic-full-name", ref)
    if _try(repo, "check-ref-format", "--branch", branch)[0]:
        raise Failed(f"git takes no branch of the name {branch!r}")
    _forget(repo, path)
    if os.path.lexists(path):
        raise Failed(f"{text.one_line(str(path))} is there already, and not empty")
    branch = _new_branch(repo, branch, base)
    try:
        _git(repo, "worktree", "add", "--", str(path), branch, limit_s=_CHECKOUT_S)
    except LooopError:
        # Git has cleared away what it began; the worktree that may be there is somebody else's.
        _drop_branch(repo, branch)
        raise
    if onto.startswith("refs/"):
        _try(path, "symbolic-ref", _ONTO, onto)
    return Made(branch=branch, base=base)


def _forget(repo: Path, path: Path) -> None:
    """Let git forget a worktree that was at `path` once and was removed behind its back."""
    with contextlib.suppress(OSError):
        path.rmdir()
    if not os.path.lexists(path):
        _try(repo, "worktree", "remove", "--", str(path))


def _new_branch(repo: Path, branch: str, base: str) -> str:
    """Make the branch, under the first name of its kind that is free."""
    for number in range(1, _SUFFIXES):
        name = branch if number == 1 else f"{branch}-{number}"
        code, _, why = _try(repo, "branch", "--no-track", "--", name, base)
        if not code:
            return name
        if _try(repo, "show-ref", "--verify", "--quiet", f"refs/heads/{name}")[0]:
            raise Failed(f"git branch in {text.one_line(str(repo))}: {why}")
    raise Failed(f"{text.one_line(str(repo))} has too many branches {branch}, {branch}-2 ...")


# -- looking -------------------------------------------------------------------------------------


def state(path: Path, base: str = "") -> State:
    """
    What is in the worktree at `path`, which was made at the commit `base` ("" if unknown).

    Raises `Unreadable` when something is there whose state git cannot tell.
    """
    if files.stat_or_none(path) is None and not path.is_symlink():
        return State(path=str(path), state="gone")
    try:
        return _look(path, base)
    except Failed as error:
        raise Unreadable(str(error)) from error


def _look(path: Path, base: str) -> State:
    own, common = _place(path)
    head = _git(path, "rev-parse", "--verify", "HEAD")
    bases = _bases(path, base)
    ahead: int | None = None
    if bases:
        ahead = int(_git(path, "rev-list", "--count", head, "--not", *bases, "--"))
    changed = _git(path, "status", "--porcelain", "--ignore-submodules=none")
    unfinished = any(files.stat_or_none(own / name) for name in _UNFINISHED)
    return State(
        path=str(path),
        state="dirty" if changed or unfinished else "clean",
        repo=str(common.parent if common.name == ".git" else common),
        branch=_try(path, "symbolic-ref", "--quiet", "--short", "HEAD")[1],
        ahead=ahead,
        merged=ahead == 0 and bool(base) and head != base,
    )


def _bases(path: Path, base: str) -> list[str]:
    """The commits whose history is safe elsewhere: as far as they are known, and still there."""
    onto = _try(path, "symbolic-ref", "--quiet", _ONTO)[1]
    upstream = _try(path, "for-each-ref", "--format=%(upstream)", onto)[1] if onto else ""
    known = [name for name in (base, onto, upstream) if name and not name.startswith("-")]
    return [found for found in (_commit(path, name) for name in known) if found]


def litter(root: Path) -> tuple[list[State], list[str]]:
    """
    Every worktree in the directory `root`, and one line for each that git cannot tell of.

    What is none, or has a name that no worker can have, is left out. Raises `Unreadable` when
    `root` cannot be listed.
    """
    found: list[State] = []
    problems: list[str] = []
    for name in filter(names.is_name, files.list_names(root)):
        try:
            if _is_worktree(root / name):
                found.append(state(root / name))
        except LooopError as error:
            problems.append(str(error))
    return found, problems


def _is_worktree(path: Path) -> bool:
    here = files.stat_or_none(path)
    if here is None or not stat.S_ISDIR(here.st_mode):
        return False
    # In a worktree, `.git` is a file; a directory is somebody's clone.
    mark = files.stat_or_none(path / ".git")
    return mark is not None and stat.S_ISREG(mark.st_mode)


# -- removing ------------------------------------------------------------------------------------


def remove_if_spent(path: Path, repo: Path, branch: str, base: str) -> bool:
    """
    Remove a worktree that holds nothing of its own: True when nothing is left at `path`.

    It is clean, and its commits are all in `base` (it is unchanged) or in the branch that it was
    made from or that one's upstream (it is merged). Nothing is ever forced, so whatever git
    itself would not remove stays too. With the worktree goes `branch`, unless it is checked out
    elsewhere or holds a commit that nothing else does. Raises `Unreadable` when its state cannot
    be told, and `Refused` when it is a worktree of another repository.
    """
    found = state(path, base)
    if found.state == "gone":
        _forget(repo, path)
    else:
        if _place(path)[1] != _place(repo)[1]:
            said = f"{text.one_line(str(path))} is a worktree of {text.one_line(found.repo)}"
            raise Refused(f"{said}, not of {text.one_line(str(repo))}")
        if found.state == "dirty" or found.ahead != 0:
            return False
        if _try(repo, "worktree", "remove", "--", str(path.absolute()), limit_s=_CHECKOUT_S)[0]:
            return False
    _drop_branch(repo, branch)
    return True


def _drop_branch(repo: Path, branch: str) -> None:
    """Delete a branch without which nothing is lost, and only as it was when that was found."""
    ref = f"refs/heads/{branch}"
    rows = _try(repo, "for-each-ref", "--format=%(refname) %(objectname) %(worktreepath)", ref)[1]
    for row in rows.splitlines():
        name, commit, checked_out = row.split(" ", 2)
        if name != ref or checked_out:
            continue
        code, unique, _ = _try(
            repo, "rev-list", "--max-count=1", "--single-worktree", commit, "--not",
            f"--exclude={ref}", "--exclude=refs/stash", "--all",
        )  # fmt: skip
        if code or unique:
            continue
        _try(repo, "update-ref", "-d", ref, commit)
        # What git remembered of it would otherwise be that of the next branch of this name.
        _try(repo, "config", "--remove-section", f"branch.{branch}")
