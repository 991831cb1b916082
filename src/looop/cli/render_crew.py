"""Sessions, claims and workspaces as lines of text: pure."""

from looop.cli.layout import Style, broken, field, table, wrapped
from looop.control.views import SessionView, WorkspaceView
from looop.kit import durations, text
from looop.model.records import Claim, Worker

__all__ = ["claims", "one", "sessions", "workspaces"]

# What is last in a row says most: long names give way until it has this much room.
_LAST_COLUMN = 24
# Where columns are few: GOAL, IDLE, AGE, ASK.
_FIRST_TO_GO = (7, 4, 3, 5)
_START = "`looop start-session ID TEXT` starts a worker, with --command any program."
_VERIFY = {"pass": "good", "fail": "bad"}
_PAINT = {
    "up": "good",
    "busy": "good",
    "idle": "word",
    "waiting": "warn",
    "limited": "warn",
    "stuck": "bad",
    "down": "bad",
}


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else durations.short(float(int(seconds)))


def _health(view: SessionView) -> str:
    if view.kind != "pulse" and not view.alive:
        return "-"
    return view.health + ("*" if view.basis in ("screen", "output") else "")


def _last(view: SessionView) -> str:
    """What is most worth knowing of a session, in one line."""
    if view.stalled:
        return f"stalled: {view.stalled}"
    if view.killed_by:
        return f"killed by {view.killed_by}"
    if view.summary:
        return view.summary
    return view.detail or view.last_line


def sessions(views: list[SessionView], style: Style, *, ended: bool = False) -> list[str]:
    """
    The fleet as a table, the pulse first; a star marks a health that nobody told.

    `ended` tells whether the ended ones are among `views`.
    """
    heads = ("ID", "STATE", "HEALTH", "AGE", "IDLE", "ASK", "VERIFY", "GOAL", "LAST")
    rows: list[tuple[str, ...]] = [
        (
            view.id,
            view.state,
            _health(view),
            _age(view.age_s),
            _age(view.idle_s),
            _age(view.ask_age_s),
            {"": "-", "fail": "FAIL"}.get(view.verify, view.verify),
            view.goal or "-",
            text.one_line(_last(view), 200),
        )
        for view in views
    ]
    # A column that nobody has anything in is left out: 80 columns are few.
    used = [i for i in range(len(heads)) if i < 5 or i == 8 or any(row[i] != "-" for row in rows)]
    for column in _FIRST_TO_GO:
        # Each of the others takes four cells and a gap at least.
        if column in used and 6 * (len(used) - 1) + 12 > style.columns:
            used.remove(column)
    plain = Style(columns=style.columns)
    lines = table(
        [heads[i] for i in used],
        [[row[i] for i in used] for row in rows],
        plain,
        last=_LAST_COLUMN,
    )
    at = lines[0].find("HEALTH")
    out = [style.paint(lines[0], "dim")]
    out += [_painted(line, at, view, style) for line, view in zip(lines[1:], views, strict=True)]
    if all(view.kind == "pulse" for view in views):
        none = "There is no session." if ended else "Nothing runs; --all shows what has ended."
        out += ["", *(style.paint(line, "dim") for line in wrapped(f"{none} {_START}", 0, style))]
    return out


def _painted(line: str, at: int, view: SessionView, style: Style) -> str:
    """A row with its health, which begins at `at`, in the colour of that health."""
    if view.verify == "fail":
        return style.paint(line, "bad")
    if not view.alive and view.kind != "pulse":
        return style.paint(line, "dim")
    how = _PAINT.get(view.health)
    word = _health(view)
    if how is None or at < 0 or not line.startswith(word, at):
        return line
    return line[:at] + style.paint(word, how) + line[at + len(word) :]


def one(view: SessionView, record: Worker | None, now: float, style: Style) -> list[str]:
    """One session whole: what it is, what it was asked, and what became of it."""
    health = _health(view) + (f": {view.detail}" if view.detail else "")
    if view.until > now:
        health += f", for another {durations.short(view.until - now)}"
    out = [
        *field("session", f"{view.id} ({view.kind})", style),
        *field("state", view.state, style),
        *field("health", health, style, _PAINT.get(view.health, "")),
        *field("age", f"{_age(view.age_s)}, quiet for {_age(view.idle_s)}", style),
    ]
    for label, words in (
        ("runner", view.runner),
        ("goal", view.goal),
        ("waits for", ", ".join(view.asks)),
        ("killed by", view.killed_by),
        ("said", view.summary),
        ("place", view.work_dir),
        ("branch", view.branch),
        ("cost", "" if view.cost_usd is None else f"${view.cost_usd:.4f}"),
        ("last line", view.last_line if view.alive else ""),
    ):
        if words:
            out += field(label, words, style)
    if record is not None and record.verify:
        out += field(
            "verify", f"{view.verify}: {record.verify}", style, _VERIFY.get(view.verify, "")
        )
        if record.checked is not None:
            said = text.plain(record.checked.output).splitlines()
            out += ["", *(f"  {part}" for line in said for part in broken(line, style.columns - 2))]
    return out


def claims(found: list[Claim], now: float, style: Style) -> list[str]:
    if not found:
        return ["Nothing is claimed."]
    rows = [(c.name, c.session, _age(max(0.0, now - c.ts))) for c in found]
    return table(("CLAIM", "HOLDER", "SINCE"), rows, style)


def workspaces(views: list[WorkspaceView], style: Style) -> list[str]:
    if not views:
        return ["No worker has left anything."]
    rows = [
        (v.worker or "(gone)", "alive" if v.alive else "ended", v.state, v.branch or "-", v.path)
        for v in views
    ]
    return table(("WORKER", "STATE", "IN IT", "BRANCH", "PLACE"), rows, style)
