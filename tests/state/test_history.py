"""The git history of policy files: every change is a commit, and undo takes one back."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from looop.errors import Failed, Missing, NotFound, Refused
from looop.kit import tool
from looop.paths import Paths
from looop.state.history import History
from looop.state.store import Store


@pytest.fixture
def history(store: Store, paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> History:
    """A history in a profile whose user has no git settings at all."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in [key for key in os.environ if key.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    paths.playbook.write_text("".join(f"line {n}\n" for n in range(20)))
    paths.goal("a").write_text("goal: a\n")
    store.documents.write_sensor("s", "#!/bin/sh")
    return store.history


def write(path: Path, text: str, history: History, message: str) -> str:
    path.write_text(text)
    assert history.commit(message)
    return history.log(1)[0][0]


def git(paths: Paths, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=paths.data, capture_output=True, check=True)
    return done.stdout.decode()


def tree(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in directory.rglob("*")
        if path.is_file() and ".git" not in path.parts and path.name != ".dirlock"
    }


# -- keeping -------------------------------------------------------------------------------------


def test_a_history_begins_with_what_is_there(history: History) -> None:
    assert not history.exists
    history.create()
    assert history.exists
    ((commit, when, message, changed),) = history.log(9)
    assert commit.isalnum()
    assert len(when) == len("2026-01-31 09:15")
    assert message == "begin the history of this profile"
    assert changed == [".gitignore", "PLAYBOOK.md", "goals/a.md", "sensors/s.sh"]


def test_a_history_that_is_there_is_left_alone(history: History, paths: Paths) -> None:
    history.create()
    (paths.data / ".gitignore").write_text("mine\n")
    history.create()
    assert len(history.log(9)) == 1
    assert (paths.data / ".gitignore").read_text() == "mine\n"


def test_a_commit_holds_what_changed_and_why(history: History, paths: Paths) -> None:
    history.create()
    paths.goal("a").unlink()
    paths.goal("b").write_text("goal: b\n")
    assert history.commit("two\ngoals\x1b[2J\x02 moved")
    assert not history.commit("nothing")
    latest, first = history.log(9)
    assert latest[2] == "two goals\\x1b[2J\\x02 moved"
    assert latest[3] == ["goals/a.md", "goals/b.md"]
    assert first[2] == "begin the history of this profile"
    assert history.log(1) == [latest]


def test_only_policy_is_kept(history: History, paths: Paths, store: Store) -> None:
    history.create()
    paths.secret.write_text("secret")
    paths.config.write_text("")
    paths.events.write_text("{}")
    (paths.runs / "x").mkdir()
    (paths.runs / "x" / "prompt.md").write_text("secret")
    (paths.data / "stray.md").write_text("x")
    store.asks.names()
    assert not history.commit("nothing of policy")

    paths.reflexes.write_text("")
    paths.admission.write_text("")
    paths.goal_archive.joinpath("old.md").write_text("x")
    store.documents.write_goal("n", "new")
    (paths.goals / ".n.md.0a0b.tmp").write_text("litter")
    assert history.commit("policy")
    assert history.log(1)[0][3] == [
        "admission.toml", "goals/archive/old.md", "goals/n.md", "reflexes.toml",
    ]  # fmt: skip


def test_without_a_history_nothing_is_kept_and_nothing_is_shown(history: History) -> None:
    assert not history.commit("x")
    for act in (lambda: history.log(1), lambda: history.undo("HEAD")):
        with pytest.raises(NotFound, match="keeps no history"):
            act()


def test_a_difference_is_shown_as_text(history: History, paths: Paths) -> None:
    history.create()
    commit = write(paths.goal("a"), "goal: b\n", history, "changed")
    diff = history.diff(commit)
    assert "--- a/goals/a.md" in diff
    assert "-goal: a\n+goal: b\n" in diff


@pytest.mark.parametrize("commit", ["", "deadbeef", "--help", "-p", "HEAD~9", "a b", "HEAD\n", "ü"])
def test_what_is_no_commit_is_not_found(history: History, commit: str) -> None:
    history.create()
    for act in (history.diff, history.undo):
        with pytest.raises(NotFound, match="is not in the history"):
            act(commit)


# -- undoing -------------------------------------------------------------------------------------


def test_undo_takes_back_one_change_and_keeps_the_later_ones(
    history: History, paths: Paths
) -> None:
    history.create()
    wrong = write(paths.goal("a"), "goal: wrong\n", history, "a mistake")
    write(paths.goal("b"), "goal: b\n", history, "later")

    assert history.undo(wrong) == "a mistake"

    assert paths.goal("a").read_text() == "goal: a\n"
    assert paths.goal("b").read_text() == "goal: b\n"
    messages = [message for _, _, message, _ in history.log(9)]
    assert messages[0] == 'Revert "a mistake"'
    assert len(messages) == 4


def test_undo_can_be_undone(history: History, paths: Paths) -> None:
    history.create()
    wrong = write(paths.goal("a"), "goal: other\n", history, "change")
    history.undo(wrong)
    history.undo(history.log(1)[0][0])
    assert paths.goal("a").read_text() == "goal: other\n"


def test_undo_brings_back_what_was_removed_and_how_it_could_be_run(
    history: History, paths: Paths
) -> None:
    history.create()
    paths.sensor("s").unlink()
    history.commit("removed")
    history.undo(history.log(1)[0][0])
    assert paths.sensor("s").read_text() == "#!/bin/sh\n"
    assert os.access(paths.sensor("s"), os.X_OK)


def test_changes_by_hand_are_kept_before_an_undo(history: History, paths: Paths) -> None:
    history.create()
    wrong = write(paths.goal("a"), "goal: wrong\n", history, "a mistake")
    paths.playbook.write_text("edited\n")
    paths.goal("new").write_text("goal: new\n")
    history.undo(wrong)
    assert paths.playbook.read_text() == "edited\n"
    assert paths.goal("new").read_text() == "goal: new\n"
    assert [message for _, _, message, _ in history.log(2)][1] == "changes by hand"


def test_an_undo_that_later_changes_stand_against_is_refused_and_changes_nothing(
    history: History, paths: Paths
) -> None:
    history.create()
    early = write(paths.goal("a"), "goal: one\n", history, "one")
    write(paths.goal("a"), "goal: two\n", history, "two")
    before = tree(paths.data)
    log = history.log(9)

    with pytest.raises(Refused, match=f"{early} cannot be undone: later changes touch the same"):
        history.undo(early)

    assert tree(paths.data) == before
    assert history.log(9) == log
    assert git(paths, "status", "--porcelain") == ""
    assert not (paths.data / ".git" / "REVERT_HEAD").exists()
    assert history.commit("nothing") is False
    paths.goal("a").write_text("goal: three\n")
    assert history.commit("and on it goes")


def test_what_was_undone_already_is_refused(history: History, paths: Paths) -> None:
    history.create()
    wrong = write(paths.goal("a"), "goal: wrong\n", history, "a mistake")
    history.undo(wrong)
    log = history.log(9)
    with pytest.raises(Refused, match="cannot be undone"):
        history.undo(wrong)
    assert history.log(9) == log
    assert not (paths.data / ".git" / "REVERT_HEAD").exists()


def test_the_beginning_cannot_be_undone(history: History, paths: Paths) -> None:
    """It would take every policy file away, and the list of what may be kept as well."""
    history.create()
    before = tree(paths.data)
    with pytest.raises(Refused, match="is the beginning of the history"):
        history.undo(history.log(1)[0][0])
    assert tree(paths.data) == before


# -- surroundings --------------------------------------------------------------------------------


HOSTILE = """
[commit]
    gpgsign = true
    template = /nonexistent
[core]
    hooksPath = {hooks}
    excludesFile = {excludes}
    autocrlf = true
    editor = false
[color]
    ui = always
[user]
    useConfigOnly = true
[init]
    templateDir = /nonexistent
[diff]
    noprefix = true
    external = false
[revert]
    reference = true
"""


def test_the_users_git_settings_have_no_say(history: History, paths: Paths, tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "post-commit", "prepare-commit-msg", "post-checkout"):
        hook = hooks / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\nexit 1\n")
        hook.chmod(0o755)
    excludes = tmp_path / "excludes"
    excludes.write_text("goals\n*.md\n")
    config = HOSTILE.format(hooks=hooks, excludes=excludes)
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(config)

    history.create()
    commit = write(paths.goal("a"), "goal: b\n", history, "changed")
    assert "\x1b" not in history.diff(commit)
    assert "+++ b/goals/a.md" in history.diff(commit)
    assert history.undo(commit) == "changed"
    assert history.log(1)[0][2] == 'Revert "changed"'
    assert paths.goal("a").read_bytes() == b"goal: a\n"
    assert not (tmp_path / "hook-ran").exists()


def test_hooks_of_the_repository_itself_do_not_run(
    history: History, paths: Paths, tmp_path: Path
) -> None:
    history.create()
    hook = paths.data / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\nexit 1\n")
    hook.chmod(0o755)
    write(paths.goal("a"), "goal: b\n", history, "changed")
    assert not (tmp_path / "hook-ran").exists()


def test_variables_of_another_repository_have_no_say(
    history: History, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name, value in {
        "GIT_DIR": other / ".git",
        "GIT_WORK_TREE": other,
        "GIT_INDEX_FILE": other / "index",
        "GIT_AUTHOR_NAME": "",
        "GIT_CONFIG_PARAMETERS": "'commit.gpgsign'='true'",
    }.items():
        monkeypatch.setenv(name, str(value))
    history.create()
    assert write(paths.goal("a"), "goal: b\n", history, "changed")
    assert (paths.data / ".git").is_dir()
    assert os.listdir(other) == []


def test_a_profile_inside_another_repository_keeps_its_own(
    history: History, paths: Paths, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True, capture_output=True)
    assert not history.commit("x")
    with pytest.raises(NotFound):
        history.log(1)
    history.create()
    assert len(history.log(9)) == 1
    log = subprocess.run(["git", "log"], cwd=tmp_path, check=False, capture_output=True)
    assert log.returncode != 0, "the outer one has no commit still"


def test_without_git_it_says_what_to_install(
    history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="git is not installed"):
        history.create()


@pytest.mark.parametrize("error", [TimeoutError("git took longer"), PermissionError(13, "denied")])
def test_a_git_that_does_not_answer_is_a_failure(
    history: History, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr(tool, "capture", fail)
    with pytest.raises(Failed, match="git init: "):
        history.create()


def test_a_git_that_fails_is_told_in_one_line(history: History, paths: Paths) -> None:
    history.create()
    (paths.data / ".git" / "index.lock").touch()
    paths.goal("a").write_text("goal: b\n")
    with pytest.raises(Failed, match=r"git add: .*index\.lock") as caught:
        history.commit("x")
    assert "\n" not in str(caught.value)


def test_a_gitignore_that_is_there_keeps_its_lines(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path / "config.toml")
    (tmp_path / ".gitignore").write_text("mine\n", encoding="utf-8")

    History(paths).create()

    assert (tmp_path / ".gitignore").read_text(encoding="utf-8").startswith("mine\n")
