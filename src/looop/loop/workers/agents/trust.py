"""Which directories an agent CLI may have been told to trust, for one that it is started in."""

from pathlib import Path

from msgspec import Struct

from looop.kit import files

__all__ = ["Repo", "below", "repo_of"]

_WORKTREES = "/.git/worktrees/"


class Repo(Struct, frozen=True, kw_only=True):
    """The git repository of a directory: the top of its tree, and that of its main worktree."""

    top: Path
    main: Path


def repo_of(directory: Path) -> Repo | None:
    """The repository that a directory is in, None for none. Raises `Unreadable`."""
    for top in (directory, *directory.parents):
        dot_git = top / ".git"
        if files.stat_or_none(dot_git) is None:
            continue
        if dot_git.is_dir():
            return Repo(top=top, main=top)
        said = (files.read_text(dot_git) or "").removeprefix("gitdir:").strip()
        main, linked, _name = said.partition(_WORKTREES)
        return Repo(top=top, main=Path(main) if linked else top)
    return None


def below(directory: Path, top: Path) -> list[Path]:
    """`directory` and its parents up to and with `top`."""
    chain = [directory, *directory.parents]
    return chain[: chain.index(top) + 1] if top in chain else chain
