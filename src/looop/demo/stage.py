"""The stage of the demonstration: verbs are run as a user would, and shown as they print."""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from looop.errors import Failed
from looop.kit import text, tool

__all__ = ["Show"]

_PAUSE_S = 0.6
_BEATS = ("acted", "held", "denied", "gate_closed", "beat_failed")


class Show:
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
        """
        Run a verb as a user would, and show what it prints (the first `keep` lines).

        Raises `Failed` for a code that is neither 0 nor 1.
        """
        shown = " ".join(f"'{w}'" if " " in w else w for w in words)
        self.shell(f"looop {shown}")
        code, out, err = tool.capture(
            [sys.executable, "-m", "looop", *words], env=self.env, cwd=self.base, limit_s=60
        )
        if code not in (0, 1):
            raise Failed(f"looop {shown} ended with code {code}: {err.decode(errors='replace')}")
        found = out.decode(errors="replace").rstrip("\n").splitlines()
        for line in found[:keep] if keep else found:
            print(f"  {line}")
        if err:
            print(f"  {err.decode(errors='replace').rstrip()}")
        self.say()
        return out.decode(errors="replace")

    def quietly(self, *words: str) -> None:
        """Run a verb without showing it, whatever comes of it."""
        tool.capture([sys.executable, "-m", "looop", *words], env=self.env, limit_s=60)

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
                f" {number:>2}  {label:<{widths[0]}}  {what:<{widths[1]}}  {text.one_line(why, room)}"
            )
