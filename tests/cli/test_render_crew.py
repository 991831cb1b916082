"""What a person sees of sessions, claims and workspaces: values in, lines out."""

import re
from typing import Any

import pytest

from looop.cli import render_crew
from looop.cli.layout import Style
from looop.control.views import SessionView, WorkspaceView
from looop.kit.text import width
from looop.model.records import Checked, Claim, Worker

PLAIN = Style(columns=80)
COLOUR = Style(columns=80, colour=True)
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\x08\x7f\nline"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def view(name: str = "w", **fields: Any) -> SessionView:
    known: dict[str, Any] = {
        "kind": "worker",
        "state": "running",
        "alive": True,
        "health": "busy",
        "age_s": 61.0,
        "idle_s": 2.5,
    }
    return SessionView(id=name, **(known | fields))


PULSE = view("pulse", kind="pulse", health="up", age_s=5.0, last_line="noop · no reflex matched")


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line)


def test_a_column_that_nobody_has_anything_in_is_left_out() -> None:
    heads, *_ = render_crew.sessions([PULSE, view()], PLAIN)
    assert cells(heads) == ["ID", "STATE", "HEALTH", "AGE", "IDLE", "LAST"]

    heads, *_ = render_crew.sessions([view(goal="g", verify="pass", ask_age_s=3.0)], PLAIN)
    assert cells(heads)[5:] == ["ASK", "VERIFY", "GOAL", "LAST"]


def test_a_row_says_what_a_session_is_and_since_when() -> None:
    _, row = render_crew.sessions([view(last_line="compiling")], PLAIN)

    assert cells(row) == ["w", "running", "busy", "1m1s", "2s", "compiling"]


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0s"), (0.0, "0s"), (59.9, "59s")])
def test_an_age_is_in_whole_seconds(seconds: float, shown: str) -> None:
    _, row = render_crew.sessions([view(age_s=seconds, idle_s=None)], PLAIN)

    assert cells(row)[3:5] == [shown, "-"]


@pytest.mark.parametrize(
    ("basis", "shown"), [("hook", "idle"), ("screen", "idle*"), ("output", "idle*")]
)
def test_a_health_that_nobody_told_has_a_star(basis: str, shown: str) -> None:
    _, row = render_crew.sessions([view(health="idle", basis=basis)], PLAIN)

    assert cells(row)[2] == shown


def test_who_has_ended_has_no_health() -> None:
    ended = view(state="exited 3", alive=False, health="dead", last_line="bye")

    _, row = render_crew.sessions([ended], PLAIN)

    assert cells(row)[1:3] == ["exited 3", "-"]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"last_line": "line"}, "line"),
        ({"last_line": "line", "detail": "detail"}, "detail"),
        ({"last_line": "line", "detail": "detail", "summary": "said"}, "said"),
        ({"summary": "said", "killed_by": "human"}, "killed by human"),
        ({"killed_by": "human", "stalled": "the disk is full"}, "stalled: the disk is full"),
        ({}, ""),
    ],
)
def test_the_last_column_has_what_is_most_worth_knowing(fields: dict[str, str], shown: str) -> None:
    _, row = render_crew.sessions([view(**fields)], PLAIN)

    assert row.endswith(f"2s    {shown}".rstrip())


def test_only_the_loop_is_no_session() -> None:
    running = render_crew.sessions([PULSE], PLAIN)
    none = render_crew.sessions([PULSE], PLAIN, ended=True)

    assert " ".join(running[2:]) == (
        " Nothing runs; --all shows what has ended. `looop start-session ID TEXT` starts a worker, "
        "with --command any program."
    )
    assert none[3].startswith("There is no session. `looop start-session ID TEXT`")


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_whatever_the_words_no_line_is_too_wide_or_moves_a_cursor(columns: int) -> None:
    views = [
        PULSE,
        view("a" * 64, goal="g" * 64, last_line=EVIL, verify="to come", ask_age_s=3e6),
        view("b", state=f"failed {EVIL}", health=EVIL, killed_by=EVIL, goal=EVIL),
        view("c", last_line="日本語" * 90),
        view("d", summary="unbroken" * 90, alive=False, verify="fail"),
    ]
    lines = render_crew.sessions(views, Style(columns=columns))

    assert max(map(width, lines)) <= columns
    assert not _CONTROL.search("".join(lines))
    assert len(lines) == len(views) + 1


def test_long_names_give_way_to_what_a_session_says() -> None:
    row = render_crew.sessions([view("a" * 64, last_line="x" * 80)], PLAIN)[1]

    assert cells(row)[0].endswith("…")
    assert width(cells(row)[-1]) >= 24


@pytest.mark.parametrize(
    ("health", "code"),
    [("busy", 32), ("idle", 36), ("waiting", 33), ("limited", 33), ("stuck", 31)],
)
def test_a_health_has_its_colour_and_nothing_else_has(health: str, code: int) -> None:
    _, row = render_crew.sessions([view(health, state=health, health=health)], COLOUR)

    assert row.count("\x1b[") == 2
    assert re.search(rf"{health}\s+{health}\s+\x1b\[{code}m{health}\x1b\[0m", row)


def test_a_failed_check_is_seen_at_once_and_the_dead_are_dim() -> None:
    bad, dead = render_crew.sessions(
        [view(verify="fail", alive=False), view("x", alive=False)], COLOUR
    )[1:]

    assert bad.startswith("\x1b[31m")
    assert dead.startswith("\x1b[2m")
    assert "FAIL" in bad


def test_claims_are_listed_with_their_holders() -> None:
    claim = Claim(name="box", session="w", generation="g", ts=100.0)

    assert render_crew.claims([], 100.0, PLAIN) == ["Nothing is claimed."]
    heads, row = render_crew.claims([claim], 222.0, PLAIN)
    assert (cells(heads), cells(row)) == (["CLAIM", "HOLDER", "SINCE"], ["box", "w", "2m2s"])


def test_workspaces_are_listed_with_what_is_in_them() -> None:
    mine = WorkspaceView(path="/p/w", worker="w", alive=True, branch="looop/w", state="clean")
    lost = WorkspaceView(path="/p/x", worker="", alive=False, branch="", state="2 files")

    assert render_crew.workspaces([], PLAIN) == ["No worker has left anything."]
    _, first, second = render_crew.workspaces([mine, lost], PLAIN)
    assert cells(first) == ["w", "alive", "clean", "looop/w", "/p/w"]
    assert cells(second) == ["(gone)", "ended", "2 files", "-", "/p/x"]


def test_one_session_is_shown_whole() -> None:
    shown = view(
        health="limited",
        detail="5-hour limit",
        until=160.0,
        runner="claude",
        goal="garden",
        asks=["w-1"],
        verify="fail",
        work_dir="/p/w",
        branch="looop/w",
        cost_usd=0.25,
        last_line="thinking",
    )
    record = Worker(
        id="w",
        generation="g",
        started=1.0,
        runner="claude",
        verify="make test",
        checked=Checked(ok=False, output=f"1 failed\n{EVIL}\n{'x' * 200}", at=2.0),
    )

    lines = render_crew.one(shown, record, 100.0, PLAIN)

    assert lines[:4] == [
        "session    w (worker)",
        "state      running",
        "health     limited: 5-hour limit, for another 1m",
        "age        1m1s, quiet for 2s",
    ]
    for line in ("waits for  w-1", "branch     looop/w", "cost       $0.2500"):
        assert line in lines
    assert "verify     fail: make test" in lines
    assert "  1 failed" in lines
    assert max(map(width, lines)) <= 80
    assert not _CONTROL.search("".join(lines))


def test_a_program_has_nothing_of_a_worker() -> None:
    lines = render_crew.one(view(kind="program"), None, 100.0, PLAIN)

    assert [line.split()[0] for line in lines] == ["session", "state", "health", "age"]
