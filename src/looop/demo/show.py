"""The script of the demonstration: every command in it is one that a user would type."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from looop.demo import profile
from looop.demo.stage import Show
from looop.errors import Failed, Refused
from looop.kit import files, text, tool

__all__ = ["run"]


def _checkout(scratch: Path) -> Path:
    """The git checkout we stand in; a small one of our own where there is none."""
    if tool.find("git") is None:
        raise Refused("the demonstration watches a git checkout: install the Debian package git")
    code, out, _ = tool.capture(["git", "rev-parse", "--show-toplevel"])
    if code == 0:
        return Path(out.decode().strip())
    return _small(scratch / "checkout")


def _small(repo: Path) -> Path:
    """A repository with one commit."""
    repo.mkdir()
    (repo / "hello.txt").write_text("hello\n", encoding="utf-8")
    who = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
    for words in (
        ("init", "--quiet"),
        ("add", "hello.txt"),
        (*who, "commit", "--quiet", "-m", "begin"),
    ):
        tool.capture(["git", *words], cwd=repo)
    return repo


def _clone(repo: Path, scratch: Path) -> Path:
    """A clone for the worker, so that no branch of the demonstration stays in your checkout."""
    clone = scratch / "clone"
    if tool.capture(["git", "rev-parse", "--verify", "--quiet", "HEAD"], cwd=repo)[0]:
        # Nothing was ever committed there.
        return _small(clone)
    code, _, err = tool.capture(
        ["git", "clone", "--quiet", "--no-tags", "--", str(repo), str(clone)], limit_s=120
    )
    if code:
        raise Failed(f"git clone: {text.one_line(err.decode(errors='replace'), 200)}")
    return clone


def _lay(show: Show) -> Path:
    (show.scratch / "build").mkdir(parents=True)
    (show.scratch / "build" / "output.o").write_text("old\n", encoding="utf-8")
    (show.scratch / "inbox.txt").write_text("", encoding="utf-8")
    repo = _checkout(show.scratch)
    clone = _clone(repo, show.scratch)
    for name, body in profile.files(repo, clone, show.scratch, sys.executable).items():
        path = show.data / name
        files.ensure_dir(path.parent)
        mode = 0o700 if path.parent.name == "sensors" else files.PRIVATE
        files.write_atomic(path, body.encode(), mode)
    return repo


def _mail(show: Show, words: str) -> None:
    inbox = show.scratch / "inbox.txt"
    show.shell(f"echo '{words}' >> inbox.txt")
    files.append_line(inbox, words)


@contextlib.contextmanager
def _place(keep: str | None) -> Generator[Path]:
    if keep is not None:
        base = Path(keep).absolute()
        if base.exists() and any(base.iterdir()):
            raise Refused(f"{base} is not empty; name a new directory")
        base.mkdir(parents=True, exist_ok=True)
        yield base
        return
    base = Path(tempfile.mkdtemp(prefix="looop-demo-"))
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


def run(*, columns: int, colour: bool, keep: str | None = None) -> int:
    """
    Show the whole loop at work; 0 when every beat ended as the script says.

    Raises `Refused` when the place for the profile is not free, `Failed` when a verb breaks.
    """
    with _place(keep) as base:
        show = Show(base, columns, colour=colour)
        repo = _lay(show)
        try:
            _play(show, repo)
        finally:
            # Whatever went wrong: no worker outlives the demonstration.
            show.quietly("down")
        if keep is not None:
            print(
                f"\nThe profile stays in {show.data}; try: LOOOP_DATA_DIR={show.data} looop status"
            )
        wanted = ["acted", "rested", "acted", "acted", "held", "acted"]
        wanted += ["held", "acted", "acted", "denied", "gate closed"]
        got = [what for _, what, _ in show.beats]
        if got != wanted:
            print(f"\nThe beats did not end as they should: {got}", file=sys.stderr)
            return 1
    return 0


def _play(show: Show, repo: Path) -> None:
    show.say(
        show.paint("looop: sense -> diff -> decide -> admit -> act -> log", "1"),
        f"A throw-away profile watches {text.clip(str(repo), 30)}: three sensors (the",
        "checkout, the disk, an inbox file), one goal, seven reflexes. No model and no",
        "network.",
    )
    show.looop("init", "--runner", "rules", "--git")
    show.title("A first look, and a first decision")
    show.say(
        "Everything is new. A reflex wants to see the state of the checkout; reading is",
        "allowed, so it runs.",
    )
    show.tick("first look")
    show.title("Nothing changed, so nothing happens")
    show.say("The same world has the same hash: no decision, and nothing is spent.")
    show.tick("unchanged")
    show.title("A change wakes it")
    _mail(show, "hello, are you there?")
    show.tick("the inbox changed")
    show.title("A sensor breaks, and that is a reading too")
    show.shell("echo 'exit 3' > sensors/disk.sh")
    disk = show.data / "sensors" / "disk.sh"
    files.write_atomic(
        disk, b"#!/bin/sh\n# looop: trust=own\necho no such device >&2\nexit 3\n", 0o700
    )
    show.tick("a sensor broke")
    show.looop("sensor", "run", "disk")
    show.title("A command that deletes is held for you")
    _mail(show, "please clean up")
    show.tick("a deletion is wanted")
    show.looop("asks")
    show.looop("asks", "loop-1")
    show.title("Your yes is good for exactly that move, once")
    show.looop("answer", "loop-1", "yes")
    show.tick("your yes is spent")
    gone = not (show.scratch / "build").exists()
    show.say(f"The build output is {'gone' if gone else 'STILL THERE'}.")
    _worker(show)
    show.title("What cannot be taken back is refused, and the loop backs off")
    _mail(show, "publish it, quick")
    show.tick("a force push is wanted")
    show.tick("backing off")
    show.looop("status")
    show.title("What happened")
    show.table()
    show.looop("journal")
    show.say(
        "Where to look next:",
        "  looop init && looop    the same loop over your own world",
        "  looop help             every verb",
        "  docs/tutorial.md       this demonstration, by hand, in a quarter of an hour",
    )


def _worker(show: Show) -> None:
    """Hands-on work: a worker in a terminal of its own, steered, judged, and read."""
    show.title("Work that takes hands gets a worker, in a worktree of its own")
    _mail(show, "please summarise the checkout")
    show.tick("work is wanted")
    show.say(
        "This worker has no model: its brief holds the commands that it runs. They are",
        "judged like any other command, and held for you.",
    )
    show.looop("answer", "loop-2", "yes")
    show.tick("your yes starts it")
    show.looop("expect", "summarise", "Under which title")
    show.looop("ls")
    show.say("It asks something. You can look at its screen, attach to it, or just type to it:")
    show.looop("shot", "summarise")
    show.looop("send", "summarise", "What is in here")
    show.looop("wait", "summarise")
    show.title("Its word is not taken for it: looop runs the declared check itself")
    show.tick("the worker ended")
    show.looop("ls", "--all")
    show.shell("cat reports/summarise.md")
    report = show.data / "reports" / "summarise.md"
    show.say(*(f"  {line}" for line in (files.read_text(report) or "").splitlines()))
