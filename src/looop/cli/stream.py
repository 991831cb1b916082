"""The pulse's stream: what happens, as calm lines for a person or as NDJSON for a program."""

import sys
from typing import Any

import msgspec

from looop.cli.layout import Style, wrapped
from looop.kit import clock, durations, text
from looop.kit.clock import Clock
from looop.kit.shapes import is_array

__all__ = ["ENDS", "Stream"]

# How a beat ended -> the word that its line begins with.
ENDS = {"acted": "act", "gated": "gate", "blind": "warning", "rested": "rest"}

_QUIET = {"beat_started", "budget", "asked", "acted", "held", "beat_failed", "gate_closed"}
# Time, blanks, word and a blank: where what is said begins.
_INDENT = 19
_SAID_LIMIT = 240
_WARNINGS_KEPT = 200
_HOW = {
    "wake": "word",
    "act": "good",
    "held": "warn",
    "failed": "bad",
    "gate": "warn",
    "warning": "warn",
    "denied": "bad",
}


class Stream:
    """Shows the events of a pulse. A reader that has gone never stops the loop."""

    def __init__(self, style: Style, clock: Clock, *, as_json: bool) -> None:
        self._style = style
        self._clock = clock
        self._json = as_json
        self._resting = ""
        self._warned: dict[str, None] = {}

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        if self._json:
            row = {**fields, "ts": clock.utc_iso(self._clock.wall()), "event": event}
            self._write(msgspec.json.encode(row).decode())
            return
        words = self._words(event, fields)
        if words is not None and not self._again(*words):
            self.line(*words)

    def _again(self, word: str, said: str) -> bool:
        """Whether a warning has been shown already: what stays broken is said once."""
        if word != "warning":
            return False
        known = said in self._warned
        self._warned.pop(said, None)
        self._warned[said] = None
        if len(self._warned) > _WARNINGS_KEPT:
            del self._warned[next(iter(self._warned))]
        return known

    def line(self, word: str, said: str) -> None:
        """The time, a word, and what is said of it, over at most four lines."""
        stamp = self._style.paint(clock.local_clock(self._clock.wall()), "dim")
        shown = self._style.paint(f"{word:<8}", _HOW.get(word, "dim"))
        lines = wrapped(text.one_line(said, _SAID_LIMIT), _INDENT, self._style)
        self._write(f"{stamp}  {shown} {lines[0]}")
        for line in lines[1:]:
            self._write(line)

    def _write(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except OSError:
            return

    def _words(self, event: str, fields: dict[str, Any]) -> tuple[str, str] | None:
        if event in _QUIET:
            return None
        if event == "sensed":
            return self._sensed(fields)
        if event == "beat_ended":
            return self._ended(fields)
        if event in ("worker_ended", "verified"):
            return _of_worker(event, fields)
        found = {
            "pulse_started": ("pulse", "started; {runner} decides, autonomy {autonomy}"),
            "pulse_stopped": ("pulse", "stopped by {reason}"),
            "seeded": ("seed", "laid {file}"),
            "decide_started": ("wake", "{changes}; {runner} is asked"),
            "decided": ("decide", "{decider} wants {action} · {journal}"),
            "admitted": ("admit", "{action} is allowed by {rule}"),
            "denied": ("denied", "{action} by {rule}: {reason}"),
            "interrupted": (
                "warning",
                "a crash cut a move off ({run}); it is not repeated. {probe}",
            ),
            "recovered": ("warning", "finished a beat that a crash had cut off ({run})"),
            "reflex_broken": ("warning", "{reason}"),
            "warning": ("warning", "{text}"),
            "sensor_flapping": ("warning", "{sensor} changes at nearly every look"),
            "config_changed": ("config", "read again from {source}"),
            "config_broken": ("warning", "the last good settings stay: {error}"),
            "corrupt": ("warning", "{path} made no sense; it is now {aside}"),
            "answered": ("answer", "{ask} by {by}"),
            "ask_closed": ("ask", "{ask} is {how}"),
            "notified": ("notify", "{message}"),
            "worker_killed": ("worker", "{worker} was ended by {by}"),
            "claim_reaped": ("claim", "{claim} is free again: {worker} has ended"),
        }.get(event)
        if found is None:
            return None
        shown = {key: _plain(value) for key, value in fields.items()}
        return found[0], found[1].format_map(_Lenient(shown)).rstrip(" ·")

    def _sensed(self, fields: dict[str, Any]) -> tuple[str, str] | None:
        failed = _plain(fields.get("failed", []))
        return ("warning", f"sensors that fail: {failed}") if failed else None

    def _ended(self, fields: dict[str, Any]) -> tuple[str, str] | None:
        kind, said = str(fields["kind"]), str(fields["said"])
        left = durations.short(max(0.0, float(fields["next_at"]) - self._clock.wall()))
        word = ENDS.get(kind, kind)
        if kind in ("rested", "gated"):
            # An idle loop is silent: the same rest is said once, not at every look.
            about = said.partition(";")[0]
            if about == self._resting:
                return None
            self._resting = about
        else:
            self._resting = ""
        return word, f"{said} (next look in {left})"


def _of_worker(event: str, fields: dict[str, Any]) -> tuple[str, str]:
    """How a worker ended, and how its check went."""
    worker = _plain(fields["worker"])
    if event == "verified":
        said = _plain(fields["output"])
        if fields["ok"] is None:
            how = f"its check was {said}"
        else:
            how = "its check passes" if fields["ok"] else f"its check FAILS: {said}"
        return "verify", f"{worker}: {how}".rstrip(": ")
    state, code = fields["state"], fields["code"]
    exited = f"exited {code}" if state == "exited" and code is not None else state
    how = fields["outcome"] or exited
    return "worker", f"{worker} has ended: {how} · {_plain(fields['summary'])}".rstrip(" ·")


class _Lenient(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def _plain(value: Any) -> str:
    if is_array(value):
        return ", ".join(str(part) for part in value)
    return str(value)
