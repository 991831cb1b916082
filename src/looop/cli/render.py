"""Values to lines of text: pure, so that what a person sees can be tested as a value."""

from typing import Any

from looop.cli.layout import Style, broken, field, fit, table, wrapped
from looop.control.views import (
    AskView,
    CheckView,
    CostView,
    GoalView,
    HistoryView,
    ScheduleView,
    SensorRun,
    SensorView,
    StateView,
    StatusView,
)
from looop.kit import canon, clock, durations, text
from looop.kit.shapes import is_object
from looop.model.records import Ask
from looop.settings import Setting

__all__ = [
    "ask",
    "asks",
    "checks",
    "cost",
    "document",
    "event",
    "goals",
    "history",
    "schedules",
    "sensor_run",
    "sensors",
    "state",
    "status",
    "toml_value",
]


def _ago(at: float, now: float) -> str:
    return f"{durations.short(max(0.0, now - at))} ago" if at else "never"


def _in(at: float, now: float) -> str:
    return f"in {durations.short(max(0.0, at - now))}" if at > now else "now"


def _pulse(view: StatusView, now: float) -> tuple[str, str]:
    pulse = view.pulse
    if pulse.running is None:
        return "cannot be told", "bad"
    if not pulse.running:
        return "not running; start it with `looop`", "warn"
    up = durations.short(max(0.0, now - pulse.started)) if pulse.started else "0s"
    return f"running for {up}, pid {pulse.pid}, {text.count(pulse.beats, 'beat')}", "good"


def status(view: StatusView, now: float, style: Style) -> list[str]:
    """The whole answer to: what does it do now, why not, and when."""
    words, how = _pulse(view, now)
    out = [
        *field("profile", view.data_dir, style),
        *field("decides", f"{view.runner}, autonomy {view.autonomy}", style),
        *field("pulse", words, style, how),
    ]
    pulse = view.pulse
    if pulse.last_beat:
        out += field("last beat", f"{_ago(pulse.last_beat, now)}: {pulse.last_said}", style)
    if pulse.next_beat:
        out += field("next beat", f"{_in(pulse.next_beat, now)}, {pulse.next_why}", style)
    if view.changed:
        shown = ", ".join(view.changed[:6]) + (" ..." if len(view.changed) > 6 else "")
        out += field("changed", shown, style, "word")
    if view.failure:
        out += field("failed", f"{view.fails} in a row: {view.failure}", style, "bad")
    waiting = ", ".join(view.asks)
    out += field(
        "asks", f"{waiting}; see `looop asks`" if waiting else "none waits for you", style,
        "warn" if waiting else "",
    )  # fmt: skip
    if view.workers:
        said = ", ".join(f"{count} {word}" for word, count in sorted(view.workers.items()))
        ill = "stuck" in view.workers
        out += field("workers", f"{said}; see `looop ls`", style, "bad" if ill else "")
    if view.flapping:
        out += field("flapping", ", ".join(view.flapping), style, "warn")
    limit = f" of ${view.max_daily_usd:.2f}" if view.max_daily_usd else ", no daily limit"
    out += field("today", f"${view.cost_today_usd:.4f}{limit}", style)
    out += field(
        "watches", f"{text.count(view.goals, 'goal')}, {text.count(view.sensors, 'sensor')}", style
    )
    for problem in view.problems:
        out += field("problem", problem, style, "bad")
    if not view.gates:
        return out
    out.append("")
    rows = [
        (
            gate.name,
            "closed" if gate.closed else "open",
            "" if gate.until is None else _in(gate.until, now),
            gate.reason,
        )
        for gate in view.gates
    ]
    return out + table(("GATE", "STATE", "OPENS", "WHY"), rows, style)


def state(view: StateView, style: Style) -> list[str]:
    out = [
        *field("hash", view.hash, style),
        *field("playbook", "there" if view.playbook else "none", style),
        *field("goals", ", ".join(view.goals) or "none", style),
        *field("changed", ", ".join(view.changed) or "nothing since the last decision", style),
    ]
    for problem in view.problems:
        out += field("problem", problem, style, "bad")
    out.append("")
    rows = [(name, canon.canonical(value)) for name, value in view.readings.items()]
    return out + table(("READING", "VALUE"), rows, style)


def asks(views: list[AskView], style: Style) -> list[str]:
    if not views:
        return ["Nothing waits for you."]
    rows = [
        (
            view.ask.id,
            view.ask.closed or view.ask.state,
            view.ask.kind,
            durations.short(view.age_s),
            _gist(view.ask),
        )
        for view in views
    ]
    out = table(("ASK", "STATE", "KIND", "AGE", "WHAT"), rows, style)
    if any(view.ask.state == "pending" for view in views):
        hint = "`looop asks ID` shows one whole; `looop answer ID TEXT` answers it."
        out += ["", *(style.paint(line, "dim") for line in wrapped(hint, 0, style))]
    return out


def _gist(found: Ask) -> str:
    if found.kind != "approval":
        return found.prompt
    action = found.action or {}
    tag = str(action.get("action", ""))
    what = str(action.get("cmd") or action.get("name") or action.get("id") or "")
    return f"{tag} {what}".strip()


def ask(found: Ask, now: float, style: Style) -> list[str]:
    """One ask whole: what a yes or an answer would mean."""
    out = [
        *field("ask", f"{found.id} ({found.kind}, {found.severity})", style, "bold"),
        *field("state", found.closed or found.state, style),
        *field("raised", _ago(found.created, now), style),
    ]
    if found.expires and found.state == "pending":
        out += field("expires", _in(found.expires, now), style)
    out += field("prompt", found.prompt, style)
    if found.options:
        out += field("options", " | ".join(found.options), style)
    if found.kind == "approval":
        out += field("wanted by", f"{found.origin}, run {found.run}", style)
        if found.journal:
            out += field("because", found.journal, style)
        out += field("held by", f"{found.rule}: {found.reason}", style, "warn")
        shown = found.shown.split("\n")
        out += ["", *(part for line in shown for part in _diff_lines(line, style)), ""]
    if found.answer:
        at = clock.local_minute(found.answer.at)
        who = f"{found.answer.by} ({found.answer.channel}, {at})"
        out += field("answer", f"{found.answer.text} -- {who}", style, "good")
    elif found.state == "pending":
        words = "yes, or no and why" if found.kind == "approval" else "your words"
        words = found.options[0] if found.options else words
        out += field("answer it", f"looop answer {found.id} {words!r}", style, "word")
    return out


def _diff_lines(line: str, style: Style) -> list[str]:
    """One line of what a yes means: every character of it, over as many lines as it needs."""
    how = {"+": "good", "-": "bad", "@": "word"}.get(line[:1], "")
    parts = broken(line, style.columns - 2)
    return ["  " + (style.paint(part, how) if how else part) for part in parts]


def event(row: dict[str, Any], style: Style) -> str:
    """One event as a line: time, name, fields."""
    stamp = str(row.get("ts", ""))[11:19]
    rest = {k: v for k, v in row.items() if k not in ("seq", "ts", "event")}
    words = " ".join(f"{k}={_value(v)}" for k, v in rest.items() if v not in (None, "", []))
    name = f"{text.one_line(str(row.get('event', '?')), 16):<16}"
    seq = f"{row.get('seq', 0):>5}"
    room = max(20, style.columns - 33)
    return (
        f"{style.paint(seq, 'dim')} {stamp}  {style.paint(name, 'word')} "
        f"{fit(text.one_line(words), room)}"
    )


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value and not any(c.isspace() for c in value) else f'"{value}"'
    return canon.canonical(value)


def cost(view: CostView, style: Style) -> list[str]:
    rows = [(key, str(runs), f"${usd:.4f}", f"{tokens:,}") for key, runs, usd, tokens in view.rows]
    out = table((view.by.upper(), "RUNS", "COST", "TOKENS"), rows, style) if rows else []
    total = f"{view.window}: ${view.total_usd:.4f} in {text.count(view.runs, 'run')}"
    if view.unpriced:
        total += f", {view.unpriced} of them without a known price"
    return [*out, *([""] if out else []), style.paint(total, "bold")]


def goals(views: list[GoalView], style: Style) -> list[str]:
    if not views:
        return ["There are no goals. `looop goal write ID TEXT` writes one."]
    rows = [
        (
            view.id,
            view.priority or "-",
            view.every or "-",
            "never" if view.served_s is None else f"{durations.short(view.served_s)} ago",
            view.title,
        )
        for view in views
    ]
    return table(("GOAL", "PRIORITY", "EVERY", "SERVED", "TITLE"), rows, style)


def sensors(views: list[SensorView], now: float, style: Style) -> list[str]:
    if not views:
        return ["There are no sensors. Put an executable into the sensors folder of the profile."]
    rows = [
        (
            view.name,
            {True: "ok", False: "fails", None: "new"}[view.last_ok],
            durations.short(view.interval_s) if view.interval_s else "each look",
            view.trust,
            _ago(view.last_at, now),
            _in(view.next_at, now) if view.last_ok else "next look",
            view.signal or "-",
        )
        for view in views
    ]
    heads = ("SENSOR", "STATE", "EVERY", "TRUST", "LAST", "NEXT", "WAKES ON A CHANGE OF")
    out = table(heads, rows, style)
    for view in views:
        for problem in view.problems:
            words = wrapped(f"{view.file}: {problem}", 0, style)
            out += [style.paint(line, "warn") for line in words]
    return out


def sensor_run(view: SensorRun, style: Style) -> list[str]:
    """What one sensor said, and what the loop would make of it."""
    how = "good" if view.ok else "bad"
    wake = "yes, its signal differs from the one last decided upon"
    if not view.known:
        wake = "yes, the loop has not decided upon it yet"
    elif not view.would_wake:
        wake = "no, its signal is the one last decided upon"
    out = [
        *field("sensor", view.name, style, "bold"),
        *field("state", "ok" if view.ok else "failed", style, how),
        *field("took", f"{view.took_s:.3f} s, {view.size} bytes, exit {view.code}", style),
        *field("wakes", wake, style),
        *field("signal", canon.canonical(view.signal), style),
    ]
    if is_object(view.reading) and "detail" in view.reading:
        out += field("detail", canon.canonical(view.reading["detail"]), style)
    if view.stderr.strip():
        out += field("stderr", view.stderr.strip(), style, "warn")
    return out


def schedules(views: list[ScheduleView], now: float, style: Style) -> list[str]:
    if not views:
        return ["There are no timers. `looop schedule write NAME --in 2h` sets one."]
    rows = [
        (
            view.name,
            view.what,
            view.state,
            _in(view.next_at, now) if view.next_at is not None else "never",
            view.problem or view.note,
        )
        for view in views
    ]
    return table(("TIMER", "WHAT", "STATE", "NEXT", "NOTE"), rows, style)


def history(views: list[HistoryView], style: Style) -> list[str]:
    rows = [(v.commit, v.when, text.clip(", ".join(v.files), 22), v.message) for v in views]
    return table(("CHANGE", "WHEN", "FILES", "WHAT"), rows, style)


def checks(views: list[CheckView], style: Style) -> list[str]:
    how = {"ok": "good", "warn": "warn", "fail": "bad"}
    out: list[str] = []
    for view in views:
        words = wrapped(view.text, 17, style)
        mark = style.paint(f"{view.state:<4}", how[view.state])
        out += [f"{mark}  {view.name:<10} {words[0]}", *words[1:]]
    return out


def document(body: str) -> list[str]:
    """A text file as it may be shown in a terminal: as it is, but for control characters."""
    return text.plain(body).rstrip("\n").split("\n")


def toml_value(value: Any, setting: Setting) -> str:
    """A setting's value as it would stand in config.toml."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if setting.kind == "duration":
        return f'"{durations.short(value)}"' if value else "0"
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)
