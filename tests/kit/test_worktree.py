"""Worktrees: made for a worker, and removed only when nothing would be lost."""

import os
import subprocess
from pathlib import Path

import pytest

from looop.errors import Failed, Missing, Refused, Unreadable, Usage
from looop.kit import worktree
from looop.kit.worktree import Made, State


@pytest.fixture(autouse=True)
def _own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with a name and no other settings."""
    for name in [key for key in os.environ if key.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / ".gitconfig").write_text(
        "[user]\nname = ann\nemail = ann@localhost\n[init]\ndefaultBranch = main\n"
    )


def git(where: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(where), *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def commit(where: Path, name: str = "file") -> str:
    """Change one file and commit it."""
    (where / name).write_text(f"{name} {git(where, 'rev-list', '--count', '--all')}")
    git(where, "add", "--all")
    git(where, "commit", "--quiet", "-m", f"change {name}")
    return git(where, "rev-parse", "HEAD")


def repository(path: Path) -> Path:
    path.mkdir(parents=True)
    git(path, "init", "--quiet")
    (path / ".gitignore").write_text("build\n")
    commit(path)
    return path


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work" / "w1"


@pytest.fixture
def made(repo: Path, path: Path) -> Made:
    return worktree.create(repo, "HEAD", path, "looop/w1")


def branches(repo: Path) -> list[str]:
    return git(repo, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()


def spent(path: Path, repo: Path, made: Made) -> bool:
    return worktree.remove_if_spent(path, repo, made.branch, made.base)


# -- what is asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workspace", "repo", "ref"),
    [
        ("worktree:/a/b", "/a/b", "HEAD"),
        ("worktree:/a/b@", "/a/b", "HEAD"),
        ("worktree:/a/b@main", "/a/b", "main"),
        ("worktree:/a/b@feature/x", "/a/b", "feature/x"),
        ("worktree:/a@b/c@", "/a@b/c", "HEAD"),
        ("worktree:/a@b/c@v1.0", "/a@b/c", "v1.0"),
        ("worktree:/a b/-c", "/a b/-c", "HEAD"),
        ("worktree:/a b/--upload-pack=x@HEAD~1", "/a b/--upload-pack=x", "HEAD~1"),
    ],
)
def test_a_workspace_names_a_repository_and_perhaps_a_ref(
    workspace: str, repo: str, ref: str
) -> None:
    assert worktree.parse(workspace) == (Path(repo), ref)


def test_a_repository_may_be_named_from_home_or_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert worktree.parse("worktree:~/r") == (tmp_path / "home" / "r", "HEAD")
    assert worktree.parse("worktree:-r@x") == (tmp_path / "-r", "x")


@pytest.mark.parametrize(
    "workspace",
    [
        "", "none", "/a/b", "worktree", "worktree:", "worktree: ", "worktree:@main", "Worktree:/a",
        "worktree:/a@-f", "worktree:/a@--force", "worktree:/a@x y", "worktree:/a@x\ny",
        "worktree:/a@\x1b[2J", "worktree:/a\nb", "worktree:/a\0b", "worktree:~nobody-of-that-name/r",
    ],
)  # fmt: skip
def test_a_workspace_that_cannot_be_meant_is_refused(workspace: str) -> None:
    with pytest.raises(Usage):
        worktree.parse(workspace)


# -- making --------------------------------------------------------------------------------------


def test_a_worktree_has_a_branch_of_its_own_where_the_ref_was(
    repo: Path, path: Path, made: Made
) -> None:
    assert made == Made(branch="looop/w1", base=git(repo, "rev-parse", "main"))
    assert git(path, "symbolic-ref", "--short", "HEAD") == "looop/w1"
    assert (path / "file").exists()
    assert git(repo, "symbolic-ref", "--short", "HEAD") == "main"
    assert git(repo, "status", "--porcelain") == ""


def test_a_worktree_may_begin_at_any_commit(repo: Path, path: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "tag", "v1")
    commit(repo)
    for number, ref in enumerate(["v1", first, "HEAD~1", first[:9]]):
        made = worktree.create(repo, ref, path.with_name(f"w{number}"), f"looop/w{number}")
        assert made.base == first


def test_an_empty_directory_may_be_there_already(repo: Path, path: Path) -> None:
    path.mkdir(parents=True)
    worktree.create(repo, "HEAD", path, "looop/w1")
    assert (path / "file").exists()


def test_a_branch_that_is_taken_gets_a_number(repo: Path, path: Path, made: Made) -> None:
    second = worktree.create(repo, "HEAD", path.with_name("w2"), "looop/w1")
    third = worktree.create(repo, "HEAD", path.with_name("w3"), "looop/w1")
    assert (made.branch, second.branch, third.branch) == ("looop/w1", "looop/w1-2", "looop/w1-3")


def test_a_new_branch_tracks_nothing(repo: Path, tmp_path: Path, path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(repo), "clone")
    git(tmp_path / "clone", "config", "branch.autoSetupMerge", "always")
    made = worktree.create(tmp_path / "clone", "origin/main", path, "looop/w1")
    assert git(path, "for-each-ref", "--format=%(upstream)", f"refs/heads/{made.branch}") == ""


def test_a_bare_repository_is_one_too(repo: Path, tmp_path: Path, path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repo), str(bare))
    made = worktree.create(bare, "main", path, "looop/w1")
    assert worktree.state(path, made.base).repo == str(bare)
    assert spent(path, bare, made)
    assert branches(bare) == ["main"]


@pytest.mark.parametrize("name", ["-rf", "--git-dir=x", "a b", "ümlaut", "a:b", "a'b\"c", "$(x)"])
def test_hostile_names_are_names(tmp_path: Path, name: str) -> None:
    repo = repository(tmp_path / "repos" / name)
    path = tmp_path / "work" / name
    parsed, ref = worktree.parse(f"worktree:{repo}")
    made = worktree.create(parsed, ref, path, "looop/w1")
    assert worktree.state(path, made.base).state == "clean"
    assert spent(path, repo, made)
    assert branches(repo) == ["main"]


@pytest.mark.parametrize("ref", ["-f", "--detach", "a b", "a\nb"])
def test_a_ref_that_looks_like_an_option_is_refused(repo: Path, path: Path, ref: str) -> None:
    with pytest.raises(Usage, match="is no branch, tag or commit"):
        worktree.create(repo, ref, path, "looop/w1")
    assert branches(repo) == ["main"]


@pytest.mark.parametrize("ref", ["nowhere", "main..main", "HEAD:file", "main^{tree}", ":/nothing"])
def test_a_ref_that_is_no_commit_fails(repo: Path, path: Path, ref: str) -> None:
    with pytest.raises(Failed, match="repo has no commit"):
        worktree.create(repo, ref, path, "looop/w1")
    assert not path.exists()


@pytest.mark.parametrize("branch", ["-x", "a..b", "a.lock", "a b", "x@{1}", "", "a\nb"])
def test_a_branch_that_git_does_not_take_fails(repo: Path, path: Path, branch: str) -> None:
    with pytest.raises(Failed, match="git takes no branch"):
        worktree.create(repo, "HEAD", path, branch)
    assert branches(repo) == ["main"]


def test_a_branch_in_the_way_of_ours_fails_in_one_line(repo: Path, path: Path) -> None:
    git(repo, "branch", "looop")
    with pytest.raises(Failed, match=r"git branch in .*repo: fatal: .*looop") as caught:
        worktree.create(repo, "HEAD", path, "looop/w1")
    assert len(str(caught.value).splitlines()) == 1
    assert branches(repo) == ["looop", "main"]
    assert not path.exists()


def test_what_is_no_repository_fails_in_one_line(repo: Path, tmp_path: Path, path: Path) -> None:
    (repo / "sub").mkdir()
    for where in (tmp_path / "home", tmp_path / "nowhere", repo / "file", repo / "sub"):
        with pytest.raises(Failed) as caught:
            worktree.create(where, "HEAD", path, "looop/w1")
        assert len(str(caught.value).splitlines()) == 1
    assert branches(repo) == ["main"]


def test_a_directory_with_something_in_it_is_left_alone(repo: Path, path: Path) -> None:
    path.mkdir(parents=True)
    (path / "mine").write_text("mine")
    with pytest.raises(Failed, match="is there already, and not empty"):
        worktree.create(repo, "HEAD", path, "looop/w1")
    assert (path / "mine").read_text() == "mine"
    assert branches(repo) == ["main"]


def test_another_worktree_in_the_place_is_left_alone(repo: Path, path: Path, made: Made) -> None:
    with pytest.raises(Failed, match="is there already"):
        worktree.create(repo, "HEAD", path, "looop/w2")
    assert worktree.state(path, made.base).branch == "looop/w1"
    assert branches(repo) == ["looop/w1", "main"]


def test_what_fails_half_way_leaves_nothing_behind(
    repo: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.parent.joinpath("file").write_text("")
    with pytest.raises(Failed, match="git worktree in"):
        worktree.create(repo, "HEAD", path.parent / "file" / "w1", "looop/w1")
    assert branches(repo) == ["main"]
    assert git(repo, "worktree", "list").count("\n") == 0


def test_a_worktree_that_was_removed_behind_gits_back_can_be_made_again(
    repo: Path, path: Path, made: Made
) -> None:
    commit(path, "work")
    subprocess.run(["rm", "-r", str(path)], check=True)
    again = worktree.create(repo, "HEAD", path, "looop/w1")
    assert again.branch == "looop/w1-2"
    assert "looop/w1" in branches(repo), "what the first one committed is still there"


def test_our_own_commands_run_no_hooks(repo: Path, path: Path, tmp_path: Path) -> None:
    """Neither the repository's own nor those that the checked out tree brings along."""
    hooks = repo / "hooks"
    hooks.mkdir()
    ran = tmp_path / "ran"
    for place in (hooks, repo / ".git" / "hooks"):
        for name in ("post-checkout", "reference-transaction"):
            (place / name).write_text(f"#!/bin/sh\necho {name} >> '{ran}'\n")
            (place / name).chmod(0o755)
    commit(repo)
    git(repo, "config", "core.hooksPath", "hooks")
    ran.unlink(missing_ok=True)
    made = worktree.create(repo, "HEAD", path, "looop/w1")
    assert spent(path, repo, made)
    assert not ran.exists()

    worktree.create(repo, "HEAD", path, "looop/w1")
    ran.unlink(missing_ok=True)
    git(path, "checkout", "--quiet", "-b", "own")
    assert ran.exists(), "those of the worker's own commands do run"


def test_the_environment_of_a_surrounding_git_is_not_taken_over(
    repo: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when looop is called by a hook of another repository."""
    other = repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    made = worktree.create(repo, "HEAD", path, "looop/w1")
    assert worktree.state(path, made.base).repo == str(repo)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert branches(other) == ["main"]


def test_git_that_is_not_there_is_missing(
    repo: Path, path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Missing, match="git is not installed"):
        worktree.create(repo, "HEAD", path.with_name("w2"), "looop/w2")
    with pytest.raises(Missing, match="git is not installed"):
        worktree.state(path)


# -- looking -------------------------------------------------------------------------------------


def test_a_new_worktree_is_clean_and_has_nothing_of_its_own(
    repo: Path, path: Path, made: Made
) -> None:
    expected = State(path=str(path), state="clean", repo=str(repo), branch="looop/w1", ahead=0)
    assert worktree.state(path, made.base) == expected
    assert worktree.state(path) == expected


def test_commits_are_counted_until_they_are_merged(repo: Path, path: Path, made: Made) -> None:
    commit(path, "one")
    commit(path, "two")
    found = worktree.state(path, made.base)
    assert (found.state, found.ahead, found.merged) == ("clean", 2, False)
    commit(repo, "meanwhile")
    git(repo, "merge", "--quiet", "-m", "merge", "looop/w1")
    found = worktree.state(path, made.base)
    assert (found.state, found.ahead, found.merged) == ("clean", 0, True)


def test_changes_and_new_files_are_dirty_and_ignored_ones_are_not(
    repo: Path, path: Path, made: Made
) -> None:
    (path / "build").write_text("built")
    assert worktree.state(path, made.base).state == "clean"
    git(repo, "config", "status.showUntrackedFiles", "no")
    (path / "new").write_text("new")
    assert worktree.state(path, made.base).state == "dirty"
    (path / "new").unlink()
    (path / "file").write_text("changed")
    assert worktree.state(path, made.base).state == "dirty"
    git(path, "add", "--all")
    assert worktree.state(path, made.base).state == "dirty"


def test_a_merge_that_waits_is_dirty(repo: Path, path: Path, made: Made) -> None:
    commit(repo, "meanwhile")
    git(path, "merge", "--quiet", "--no-ff", "--no-commit", "--strategy=ours", "main")
    assert git(path, "status", "--porcelain") == ""
    assert worktree.state(path, made.base).state == "dirty"
    assert not spent(path, repo, made)


def test_a_worktree_without_a_branch_says_so(repo: Path, path: Path, made: Made) -> None:
    git(path, "checkout", "--quiet", "--detach")
    commit(path, "loose")
    found = worktree.state(path, made.base)
    assert (found.branch, found.ahead) == ("", 1)
    assert not spent(path, repo, made)


def test_a_worktree_of_unknown_origin_is_never_spent(repo: Path, path: Path) -> None:
    git(repo, "worktree", "add", "--quiet", "-b", "own", str(path))
    found = worktree.state(path)
    assert (found.state, found.ahead, found.merged) == ("clean", None, False)
    assert not worktree.remove_if_spent(path, repo, "own", "")
    assert worktree.remove_if_spent(path, repo, "own", git(repo, "rev-parse", "main"))


def test_what_is_gone_is_gone(repo: Path, path: Path) -> None:
    assert worktree.state(path) == State(path=str(path), state="gone")


def test_what_git_cannot_tell_is_unreadable_and_not_gone(
    repo: Path, path: Path, made: Made, tmp_path: Path
) -> None:
    (repo / "sub").mkdir()
    (tmp_path / "link").symlink_to("/nowhere/at/all")
    for where in (tmp_path / "home", repo / "sub", repo / "file", tmp_path / "link"):
        with pytest.raises(Unreadable):
            worktree.state(where)
    (path / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(Unreadable, match="not a git repository"):
        worktree.state(path, made.base)
    with pytest.raises(Unreadable):
        spent(path, repo, made)
    assert (path / "file").exists()


def test_a_look_takes_no_lock_and_changes_nothing(repo: Path, path: Path, made: Made) -> None:
    own = Path(git(path, "rev-parse", "--absolute-git-dir"))
    (own / "index.lock").touch()
    os.utime(path / "file", (1, 1))
    before = (own / "index").read_bytes()
    assert worktree.state(path, made.base).state == "clean"
    assert (own / "index").read_bytes() == before


# -- removing ------------------------------------------------------------------------------------


def test_an_unchanged_worktree_goes_with_its_branch(repo: Path, path: Path, made: Made) -> None:
    (path / "build").write_text("built")
    assert spent(path, repo, made)
    assert not path.exists()
    assert branches(repo) == ["main"]
    assert git(repo, "worktree", "list").count("\n") == 0
    assert spent(path, repo, made), "and again is fine"


def test_a_merged_worktree_goes_with_its_branch(repo: Path, path: Path, made: Made) -> None:
    commit(path, "work")
    assert not spent(path, repo, made)
    git(repo, "merge", "--quiet", "looop/w1")
    assert spent(path, repo, made)
    assert (path.exists(), branches(repo)) == (False, ["main"])


def test_a_worktree_goes_once_the_upstream_of_its_origin_has_it(
    repo: Path, path: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(repo), "clone")
    clone = tmp_path / "clone"
    made = worktree.create(clone, "main", path, "looop/w1")
    commit(path, "work")
    git(path, "push", "--quiet", "--set-upstream", "origin", "looop/w1")
    assert not spent(path, clone, made), "pushed is not merged"
    git(repo, "merge", "--quiet", "looop/w1")
    git(clone, "fetch", "--quiet")
    assert worktree.state(path, made.base).merged
    assert spent(path, clone, made)
    assert branches(clone) == ["main"]
    assert "looop/w1" not in (clone / ".git" / "config").read_text()


@pytest.mark.parametrize("change", ["file", "new"])
def test_a_dirty_worktree_stays(repo: Path, path: Path, made: Made, change: str) -> None:
    (path / change).write_text("work")
    assert not spent(path, repo, made)
    assert (path / change).read_text() == "work"
    assert branches(repo) == ["looop/w1", "main"]


def test_a_locked_worktree_stays(repo: Path, path: Path, made: Made) -> None:
    git(repo, "worktree", "lock", str(path))
    assert not spent(path, repo, made)
    assert path.exists()
    assert branches(repo) == ["looop/w1", "main"]


def test_a_branch_with_commits_of_its_own_outlives_its_worktree(
    repo: Path, path: Path, made: Made
) -> None:
    commit(path, "work")
    git(path, "checkout", "--quiet", "--detach", "main")
    assert spent(path, repo, made)
    assert branches(repo) == ["looop/w1", "main"]


def test_a_branch_whose_origin_was_taken_back_outlives_its_worktree(repo: Path, path: Path) -> None:
    commit(repo)
    made = worktree.create(repo, "main", path, "looop/w1")
    git(repo, "reset", "--quiet", "--hard", "HEAD~1")
    assert spent(path, repo, made)
    assert branches(repo) == ["looop/w1", "main"]
    assert git(repo, "rev-parse", "looop/w1") == made.base


def test_a_stash_does_not_make_a_branch_superfluous(repo: Path, path: Path, made: Made) -> None:
    commit(path, "work")
    (path / "file").write_text("put away")
    git(path, "stash")
    git(path, "checkout", "--quiet", "--detach", "main")
    assert spent(path, repo, made)
    assert branches(repo) == ["looop/w1", "main"]


def test_a_loose_head_elsewhere_does_not_make_a_branch_superfluous(
    repo: Path, path: Path, made: Made
) -> None:
    commit(path, "work")
    git(repo, "worktree", "add", "--quiet", "--detach", str(path.with_name("w2")), "looop/w1")
    git(path, "checkout", "--quiet", "--detach", "main")
    assert spent(path, repo, made)
    assert branches(repo) == ["looop/w1", "main"]


def test_a_branch_that_is_checked_out_elsewhere_stays(repo: Path, path: Path, made: Made) -> None:
    git(path, "checkout", "--quiet", "--detach")
    git(repo, "checkout", "--quiet", "looop/w1")
    assert spent(path, repo, made)
    assert branches(repo) == ["looop/w1", "main"]


def test_branches_below_or_beside_it_are_not_touched(repo: Path, path: Path) -> None:
    made = worktree.create(repo, "HEAD", path, "looop")
    git(repo, "branch", "looop-2")
    for other in ("loo*", "loop", "-D", ""):
        assert worktree.remove_if_spent(path.with_name("none"), repo, other, "")
    assert branches(repo) == ["looop", "looop-2", "main"]
    assert spent(path, repo, made)
    assert branches(repo) == ["looop-2", "main"]


def test_a_branch_that_a_worker_made_besides_is_kept(repo: Path, path: Path, made: Made) -> None:
    git(path, "checkout", "--quiet", "-b", "side")
    commit(path, "work")
    git(path, "checkout", "--quiet", "looop/w1")
    assert spent(path, repo, made)
    assert branches(repo) == ["main", "side"]


def test_a_worktree_made_from_no_branch_is_compared_with_where_it_began(
    repo: Path, path: Path
) -> None:
    git(repo, "checkout", "--quiet", "--detach")
    made = worktree.create(repo, "HEAD", path, "looop/w1")
    commit(path, "work")
    assert worktree.state(path, made.base).ahead == 1
    assert not spent(path, repo, made)
    git(path, "reset", "--quiet", "--hard", made.base)
    assert spent(path, repo, made)
    assert branches(repo) == ["main"]


def test_a_worktree_of_another_repository_is_refused(
    repo: Path, path: Path, made: Made, tmp_path: Path
) -> None:
    other = repository(tmp_path / "other")
    with pytest.raises(Refused, match=r"w1 is a worktree of .*repo, not of .*other"):
        spent(path, other, made)
    assert path.exists()


def test_the_repository_itself_is_never_removed(repo: Path, made: Made) -> None:
    git(repo, "branch", "spare")
    assert not worktree.remove_if_spent(repo, repo, "spare", made.base)
    assert (repo / "file").exists()
    assert "spare" in branches(repo)


def test_a_worktree_that_went_by_itself_takes_its_branch_along_if_that_is_spent(
    repo: Path, path: Path, made: Made
) -> None:
    subprocess.run(["rm", "-r", str(path)], check=True)
    assert spent(path, repo, made)
    assert branches(repo) == ["main"]
    assert git(repo, "worktree", "list").count("\n") == 0

    again = worktree.create(repo, "HEAD", path, "looop/w1")
    commit(path, "work")
    subprocess.run(["rm", "-r", str(path)], check=True)
    assert spent(path, repo, again)
    assert branches(repo) == ["looop/w1", "main"]


# -- litter --------------------------------------------------------------------------------------


def test_every_worktree_below_a_directory_is_listed(
    repo: Path, path: Path, made: Made, tmp_path: Path
) -> None:
    root = path.parent
    worktree.create(repo, "HEAD", root / "w2", "looop/w2")
    commit(root / "w2", "work")
    worktree.create(repo, "HEAD", root / "w3", "looop/w3")
    (root / "w3" / ".git").write_text("gitdir: /nowhere\n")
    repository(root / "clone")
    (root / "empty").mkdir()
    (root / "file").write_text("")
    (root / ".hidden").mkdir()
    found, problems = worktree.litter(root)
    assert [(f.path, f.branch, f.ahead) for f in found] == [
        (str(path), "looop/w1", 0),
        (str(root / "w2"), "looop/w2", 1),
    ]
    (problem,) = problems
    assert "w3" in problem
    assert worktree.litter(tmp_path / "nowhere") == ([], [])
    with pytest.raises(Unreadable):
        worktree.litter(root / "file")
