"""The script of the demonstration: every command in it is one that a user would type."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

from looop.demo import profile
from looop.errors import Failed, Refused
from looop.kit import files, text, tool

__all__ = ["run"]

_PAUSE_S = 0.6
_BEATS = ("acted", "held", "denied", "gate_closed", "beat_failed")


class _Show:
    """One run: where its profile is, how wide the page is, and what was shown."""

    def __init__(self, base: Path, columns: int, *, colour: bool) -> None:
        self.base = base
        self.data = base / "profile"
        self.scratch = base / "scratch"
        self.columns = min(columns, 100)
        self.colour = colour
        self.step = 0
        self.beats: list[tuple[str, str, str]] = []
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("LOOOP_")} | {
            "LOOOP_DATA_DIR": str(self.data),
            "COLUMNS": str(self.columns - 2),
        }
        self.env |= {"FORCE_COLOR": "1"} if colour else {"NO_COLOR": "1"}

    def paint(self, words: str, code: str) -> str:
        return f"\x1b[{code}m{words}\x1b[0m" if self.colour else words

    def title(self, words: str) -> None:
        self.step += 1
        rule = "-" * max(4, self.columns - len(words) - 8)
        print(f"\n{self.paint(f'-- {self.step}. {words} {rule}', '1')}")

    def say(self, *lines: str) -> None:
        for line in lines:
            print(line)
        sys.stdout.flush()
        if sys.stdout.isatty():
            threading.Event().wait(_PAUSE_S)

    def shell(self, words: str) -> None:
        print(self.paint(f"$ {words}", "36"))

    def looop(self, *words: str, keep: int = 0) -> str:
        """Run a verb as a user would, and show what it prints (the first `keep` lines)."""
        shown = " ".join(f"'{w}'" if " " in w else w for w in words)
        self.shell(f"looop {shown}")
        code, out, err = tool.capture(
            [sys.executable, "-m", "looop", *words], env=self.env, cwd=self.base, limit_s=60
        )
        if code not in (0, 1):
            raise Failed(f"looop {shown} ended with code {code}: {err.decode(errors='replace')}")
        found = out.decode(errors="replace").rstrip("\n").split("\n")
        for line in found[:keep] if keep else found:
            print(f"  {line}")
        if err:
            print(f"  {err.decode(errors='replace').rstrip()}")
        self.say()
        return out.decode(errors="replace")

    def tick(self, label: str) -> None:
        """One beat, shown, and remembered for the table at the end."""
        seen = self._last_seq()
        self.looop("tick")
        what, why = "rested", "nothing that matters changed"
        for event in self._events(seen):
            if event["event"] in _BEATS:
                what = str(event["event"]).replace("_", " ")
                why = str(event.get("rule") or event.get("gate") or event.get("summary") or "")
                if event["event"] == "gate_closed" and event.get("gate") == "unchanged":
                    what, why = "rested", "nothing that matters changed"
                if event["event"] in ("held", "denied", "acted"):
                    break
        self.beats.append((label, what, why))

    def _events(self, since: int) -> list[dict[str, Any]]:
        argv = [sys.executable, "-m", "looop", "events", "--json", "--since", str(since)]
        _, out, _ = tool.capture(argv, env=self.env)
        return [json.loads(line) for line in out.splitlines()]

    def _last_seq(self) -> int:
        return max((int(event["seq"]) for event in self._events(0)), default=0)

    def table(self) -> None:
        widths = [max(len(row[i]) for row in [("BEAT", "", ""), *self.beats]) for i in (0, 1)]
        print(self.paint(f"     {'BEAT':<{widths[0]}}  {'ENDED':<{widths[1]}}  BY OR BECAUSE", "2"))
        for number, (label, what, why) in enumerate(self.beats, 1):
            room = max(12, self.columns - widths[0] - widths[1] - 9)
            print(
                f"  {number}  {label:<{widths[0]}}  {what:<{widths[1]}}  {text.one_line(why, room)}"
            )


def _checkout(scratch: Path) -> Path:
    """The git checkout we stand in; a small one of our own where there is none."""
    if tool.find("git") is None:
        raise Refused("the demonstration watches a git checkout: install the Debian package git")
    code, out, _ = tool.capture(["git", "rev-parse", "--show-toplevel"])
    if code == 0:
        return Path(out.decode().strip())
    repo = scratch / "checkout"
    repo.mkdir()
    who = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
    for words in (
        ("init", "--quiet"),
        (*who, "commit", "--quiet", "--allow-empty", "-m", "begin"),
    ):
        tool.capture(["git", *words], cwd=repo)
    return repo


def _lay(show: _Show) -> Path:
    (show.scratch / "build").mkdir(parents=True)
    (show.scratch / "build" / "output.o").write_text("old\n", encoding="utf-8")
    (show.scratch / "inbox.txt").write_text("", encoding="utf-8")
    repo = _checkout(show.scratch)
    for name, body in profile.files(repo, show.scratch, sys.executable).items():
        path = show.data / name
        files.ensure_dir(path.parent)
        mode = 0o700 if path.parent.name == "sensors" else files.PRIVATE
        files.write_atomic(path, body.encode(), mode)
    return repo


def _mail(show: _Show, words: str) -> None:
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
        show = _Show(base, columns, colour=colour)
        repo = _lay(show)
        _play(show, repo)
        if keep is not None:
            print(
                f"\nThe profile stays in {show.data}; try: LOOOP_DATA_DIR={show.data} looop status"
            )
        wanted = ["acted", "rested", "acted", "acted", "held", "acted", "denied", "gate closed"]
        got = [what for _, what, _ in show.beats]
        if got != wanted:
            print(f"\nThe beats did not end as they should: {got}", file=sys.stderr)
            return 1
    return 0


def _play(show: _Show, repo: Path) -> None:
    show.say(
        show.paint("looop: sense -> diff -> decide -> admit -> act -> log", "1"),
        f"A throw-away profile watches {text.clip(str(repo), 30)}: three sensors (the",
        "checkout, the disk, an inbox file), one goal, five reflexes. No model and no",
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
        "  docs/tutorial.md       this demonstration, by hand, in ten minutes",
    )
