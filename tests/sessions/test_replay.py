"""The screen of a session is drawn from its log: at its sizes, from checkpoints, and no further."""

import fcntl
import json
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looop.errors import Missing, NotFound, Unreadable
from looop.sessions import checkpoint as checkpoints
from looop.sessions import replay as replays
from looop.sessions.checkpoint import Checkpoint
from looop.sessions.emulator import Emulator
from looop.sessions.replay import first_frame, lines, replay, shot
from looop.sessions.screen import plain
from tests.sessions.conftest import Start
from tests.support.streams import Resize, Spawn, calm, hostile, pieces, session

RESIZES = st.builds(Resize, st.integers(2, 60), st.integers(1, 20))
SPAWNS = st.builds(Spawn, st.integers(2, 60), st.integers(1, 20), st.sampled_from(["g2", "g3"]))
LIVES = st.lists(calm | hostile | RESIZES | SPAWNS, max_size=8)


def text(directory: Path, until: int | None = None) -> str:
    return plain(replay(directory, until=until))


def kept(directory: Path) -> Checkpoint | None:
    return checkpoints.load(directory)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint for every look."""
    monkeypatch.setattr(replays, "_WORTH", 1)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of more than 4 KiB count as long, and only their last 1 KiB is replayed."""
    monkeypatch.setattr(replays, "_WHOLE", 4096)
    monkeypatch.setattr(replays, "_PART", 1024)


# -- the size --------------------------------------------------------------------------------------


def test_a_screen_has_the_size_that_was_recorded(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", Spawn(33, 7), b"hello")
    screen = replay(directory)
    assert (screen.columns, screen.rows, plain(screen)) == (33, 7, "hello")


def test_output_is_drawn_at_the_size_it_was_written_for(tmp_path: Path) -> None:
    directory = session(
        tmp_path / "s", Spawn(20, 5), b"\x1b[1;20Hx", Resize(40, 10), b"\x1b[10;40Hy"
    )
    rows = text(directory).split("\n")
    assert rows[0] == " " * 19 + "x"
    assert rows[9] == " " * 39 + "y"
    assert text(directory, until=8) == " " * 19 + "x"
    assert replay(directory, until=7).columns == 20


def test_a_size_that_changed_after_the_last_output_counts(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", Spawn(80, 24), b"x", Resize(40, 12))
    assert (replay(directory).columns, replay(directory).rows) == (40, 12)


def test_a_restart_begins_with_a_fresh_terminal(tmp_path: Path) -> None:
    directory = session(
        tmp_path / "s",
        Spawn(80, 24),
        b"old\x1b[?1049h\x1b[31m\x1b]0;never ended \xc3",
        Spawn(60, 10, "g2"),
        b"new",
    )
    screen = replay(directory)
    assert (plain(screen), screen.alternate, screen.columns) == ("new", False, 60)


def test_an_earlier_moment_is_that_of_its_own_terminal(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", Spawn(), b"old", Spawn(60, 10, "g2"), b"new")
    assert text(directory, until=2) == "ol"
    assert text(directory, until=3) == ""
    assert text(directory, until=4) == "n"
    assert text(directory, until=-5) == ""
    assert text(directory, until=10**6) == "new"


def test_without_a_journal_the_size_is_that_of_the_session(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", b"hello")
    assert (replay(directory).columns, replay(directory).rows) == (120, 40)
    (directory / "meta.json").write_text('{"columns": 50, "rows": 9, "id": "s"}')
    assert (replay(directory).columns, replay(directory).rows) == (50, 9)
    (directory / "meta.json").write_text("torn")
    assert replay(directory).columns == 120


def test_rows_of_the_journal_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", Spawn(30, 5), b"hello")
    with open(directory / "log.jsonl", "a", encoding="ascii") as journal:
        journal.write('{"event":"resized","offset":"x","columns":9,"rows":9}\n{"torn\n[1]\n')
        journal.write('{"event":"attached","offset":5}\n{"event":"resized","offset":5}\n')
    assert replay(directory).columns == 30


def test_the_log_may_come_in_segments(tmp_path: Path) -> None:
    output = "".join(f"line {n} é\r\n" for n in range(300)).encode()
    whole = session(tmp_path / "one", Spawn(), output)
    parts = session(tmp_path / "two", Spawn(), output, segment=100)
    assert len(list(parts.glob("output.*.log"))) > 30
    assert replay(parts) == replay(whole)


def test_what_is_no_longer_kept_is_passed_over(tmp_path: Path) -> None:
    output = "".join(f"line {n}\r\n" for n in range(300)).encode()
    directory = session(tmp_path / "s", Spawn(), output, segment=100)
    for path in sorted(directory.glob("output.*.log"))[:-5]:
        path.unlink()
    assert text(directory).endswith("line 299")


def test_no_output_is_an_empty_screen(tmp_path: Path) -> None:
    assert text(session(tmp_path / "s", Spawn(20, 5))) == ""
    assert lines(tmp_path / "s") == [""] * 5


# -- what cannot be looked at ----------------------------------------------------------------------


def test_no_session_is_not_an_empty_screen(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        replay(tmp_path / "none")


def test_a_log_that_cannot_be_read_is_not_an_empty_screen(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", Spawn())
    (directory / "output.0000000000000000.log").mkdir()
    with pytest.raises(Unreadable):
        replay(directory)


def test_a_journal_that_cannot_be_read_is_not_an_absent_one(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", b"x")
    (directory / "log.jsonl").mkdir()
    with pytest.raises(Unreadable):
        replay(directory)


def test_without_the_engine_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = session(tmp_path / "s", Spawn(), b"x")
    monkeypatch.setitem(sys.modules, "avt._avt", None)
    with pytest.raises(Missing, match="pip install pyavt"):
        replay(directory)


# -- checkpoints -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(life=LIVES, more=LIVES, cuts=st.lists(st.integers(0, 5000), max_size=4))
def test_a_screen_from_a_checkpoint_is_the_one_from_the_beginning(
    life: list[bytes | Spawn | Resize], more: list[bytes | Spawn | Resize], cuts: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as base, pytest.MonkeyPatch.context() as patch:
        patch.setattr(replays, "_WORTH", 1)
        directory = Path(base) / "s"
        for event in [Spawn(), *life, *more]:
            # Looked at in between, at moments that cut whatever is written then.
            parts = pieces(event, cuts) if isinstance(event, bytes) else [event]
            for part in parts:
                session(directory, part)
                seen = replay(directory)
                fresh = Path(base) / "fresh"
                shutil.copytree(directory, fresh)
                (fresh / checkpoints.NAME).unlink(missing_ok=True)
                patch.setattr(replays, "_WORTH", 1 << 30)
                assert replay(fresh) == seen
                assert first_frame(fresh, 10**9) == first_frame(directory, 10**9)
                patch.setattr(replays, "_WORTH", 1)
                shutil.rmtree(fresh)


def test_a_checkpoint_is_private_and_saves_reading_the_log_again(
    tmp_path: Path, eager: None
) -> None:
    directory = session(tmp_path / "s", Spawn(), b"seen \x1b[3")
    assert text(directory) == "seen"
    path = directory / checkpoints.NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    # As long as what is before it ends as it did, nothing before it is looked at.
    saved = msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    terminal = Emulator(80, 24)
    terminal.feed(b"from the checkpoint \x1b[3")
    forged = msgspec.structs.replace(saved, saved=terminal.save())
    path.write_bytes(msgspec.json.encode(forged))
    session(directory, b"1mred")
    assert text(directory) == "from the checkpoint red"


def test_a_short_log_is_worth_no_checkpoint(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", Spawn(), b"x" * 1000)
    replay(directory)
    assert kept(directory) is None
    session(directory, b"x" * 300_000)
    replay(directory)
    assert kept(directory) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"engine": "another"},
        {"generation": "g9"},
        {"log_start": 1},
        {"offset": 10**6},
        {"offset": 3},
        {"turns": 0},
        {"turns": 5},
        {"mark": ""},
        {"mark": "00"},
        {"saved": {"columns": 9, "rows": 9, "dump": "wrong", "sticky": ""}},
        {"saved": {"columns": 80, "rows": 24, "dump": "wrong", "sticky": "", "undecoded": "zz"}},
        {
            "saved": {
                "columns": 80,
                "rows": 24,
                "dump": "wrong",
                "sticky": "",
                "undecoded": "ff" * 9,
            }
        },
        {"saved": {"columns": 80}},
        {"saved": None},
    ],
)
def test_a_checkpoint_that_does_not_fit_is_passed_over(
    tmp_path: Path, eager: None, change: dict[str, object]
) -> None:
    directory = session(tmp_path / "s", Spawn(), b"right")
    replay(directory)
    path = directory / checkpoints.NAME
    record = json.loads(path.read_bytes())
    record["saved"]["dump"] = "wrong"
    path.write_bytes(json.dumps(record | change).encode())
    assert text(directory) == "right"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 10_000])
def test_a_checkpoint_that_is_none_is_passed_over(tmp_path: Path, eager: None, data: bytes) -> None:
    directory = session(tmp_path / "s", Spawn(), b"right")
    (directory / checkpoints.NAME).write_bytes(data)
    assert text(directory) == "right"
    assert kept(directory) is not None


def test_a_checkpoint_of_another_log_is_passed_over(tmp_path: Path, eager: None) -> None:
    one = session(tmp_path / "one", Spawn(), b"wrong" * 100)
    other = session(tmp_path / "two", Spawn(), b"right" * 100)
    replay(one)
    shutil.copy(one / checkpoints.NAME, other)
    assert text(other).startswith("right")


def test_a_checkpoint_of_the_terminal_before_is_passed_over(tmp_path: Path, eager: None) -> None:
    directory = session(tmp_path / "s", Spawn(), b"old")
    replay(directory)
    session(directory, Spawn(80, 24, "g2"))
    assert text(directory) == ""
    session(directory, b"new")
    assert text(directory) == "new"


def test_a_look_at_an_earlier_moment_does_not_push_out_a_later_one(
    tmp_path: Path, eager: None
) -> None:
    directory = session(tmp_path / "s", Spawn(), b"one two three")
    replay(directory)
    assert text(directory, until=7) == "one two"
    found = kept(directory)
    assert found is not None
    assert found.offset == 13


def test_a_checkpoint_that_cannot_be_written_spoils_nothing(tmp_path: Path, eager: None) -> None:
    directory = session(tmp_path / "s", Spawn(), b"hello")
    (directory / checkpoints.NAME).mkdir()
    assert text(directory) == "hello"
    assert [path.name for path in directory.glob(".*.tmp")] == []


def test_nothing_is_written_where_writing_is_not_wanted(tmp_path: Path, eager: None) -> None:
    directory = session(tmp_path / "s", Spawn(), b"hello")
    before = sorted(os.listdir(directory))
    directory.chmod(0o500)
    try:
        for form in ("plain", "ansi", "json", "html"):
            shot(directory, form)
        assert sorted(os.listdir(directory)) == before
    finally:
        directory.chmod(0o700)


def test_a_state_too_large_is_not_kept(
    tmp_path: Path, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_CAP_BYTES", 100)
    directory = session(tmp_path / "s", Spawn(), b"hello")
    assert text(directory) == "hello"
    assert kept(directory) is None


# -- long logs -------------------------------------------------------------------------------------


def test_a_long_log_is_drawn_from_its_end_at_the_beginning_of_a_line(
    tmp_path: Path, short: None
) -> None:
    output = b"\x1b[1;1Hfirst\r\n" + b"".join(b"line %04d of the log\r\n" % n for n in range(900))
    directory = session(tmp_path / "s", Spawn(40, 100), output)
    rows = text(directory).split("\n")
    assert rows[-1] == "line 0899 of the log"
    assert all(row.startswith("line ") for row in rows)
    assert len(rows) < 60


def test_a_long_log_without_lines_is_drawn_from_a_sequence(tmp_path: Path, short: None) -> None:
    output = b"".join(b"\x1b[%d;3Hrow %d" % (n % 9 + 1, n % 9) for n in range(900))
    directory = session(tmp_path / "s", Spawn(40, 10), output)
    assert text(directory) == "\n".join(f"  row {n}" for n in range(9))


def test_a_long_log_is_drawn_at_the_size_it_has_there(tmp_path: Path, short: None) -> None:
    directory = session(tmp_path / "s", Spawn(10, 5), b"x" * 9000, Resize(30, 6), b"y\r\n" * 2000)
    session(directory, Resize(50, 7), b"end")
    screen = replay(directory)
    assert (screen.columns, screen.rows) == (50, 7)
    assert plain(screen).endswith("end")


def test_a_long_log_with_a_checkpoint_is_drawn_whole(
    tmp_path: Path, short: None, eager: None
) -> None:
    directory = session(tmp_path / "s", Spawn(20, 5), b"\x1b[1;1Htop\x1b[2;5r\x1b[5;1H")
    replay(directory)
    session(directory, b"more\r\n" * 3000)
    assert text(directory).startswith("top\nmore")


def test_a_restart_makes_a_long_log_short(tmp_path: Path, short: None) -> None:
    directory = session(tmp_path / "s", Spawn(), b"old\r\n" * 4000, Spawn(80, 24, "g2"), b"top")
    assert text(directory) == "top"


# -- forms -----------------------------------------------------------------------------------------


def test_a_shot_comes_in_every_form(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", Spawn(30, 4), b"a \x1b[31mred\x1b[0m word")
    bodies = {form: shot(directory, form) for form in ("plain", "ansi", "json", "html", "png")}
    assert {(b.columns, b.rows) for b in bodies.values()} == {(30, 4)}
    assert [b.format for b in bodies.values()] == list(bodies)
    assert bodies["plain"].body == "a red word"
    assert bodies["ansi"].body == "a \x1b[0;31mred\x1b[0m word"
    assert json.loads(bodies["json"].body)["lines"][0]["text"] == "a red word"
    assert isinstance(bodies["html"].body, str)
    assert ">red</span>" in bodies["html"].body
    assert isinstance(bodies["png"].body, bytes)
    assert bodies["png"].body.startswith(b"\x89PNG")
    assert len(str(shot(directory, "plain", trim=False).body)) == 4 * 31 - 1


def test_the_lines_of_a_screen_are_all_its_rows(tmp_path: Path) -> None:
    directory = session(tmp_path / "s", Spawn(20, 4), b"one\r\n\r\ntwo")
    assert lines(directory) == ["one", "", "two", ""]


def test_a_first_frame_shows_the_moment_and_takes_what_follows(tmp_path: Path) -> None:
    output = "first\r\n\x1b[31mr日d \x1b[4munder".encode()
    directory = session(tmp_path / "s", Spawn(20, 5), output)
    whole = replay(directory)
    for until in range(len(output) + 1):
        terminal = Emulator(20, 5)
        terminal.feed(first_frame(directory, until) + output[until:])
        assert terminal.screen() == whole


# -- real sessions ---------------------------------------------------------------------------------


def over(directory: Path) -> Path:
    """Block until the session's supervisor is gone."""
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    finally:
        os.close(fd)
    return directory


def test_the_screen_of_an_ended_session_is_the_one_it_left(start: Start) -> None:
    words = r"""printf 'size %s' "$(stty size)"; printf '\033[5;10H\033[32mgreen\033[0m\nend'"""
    directory = over(start("sh", "-c", words, columns=44, rows=11))
    screen = replay(directory)
    assert (screen.columns, screen.rows) == (44, 11)
    assert plain(screen) == "size 11 44\n\n\n\n         green\nend"
    assert "\x1b[0;32mgreen\x1b[0m" in str(shot(directory, "ansi").body)


_CURSES = """
import curses, os
screen = curses.initscr()
curses.start_color()
curses.init_pair(1, curses.COLOR_RED, curses.COLOR_BLACK)
screen.border()
screen.addstr(2, 3, "in a box", curses.color_pair(1) | curses.A_BOLD)
screen.refresh()
window = curses.newwin(3, 10, 5, 5)
window.border()
window.refresh()
os._exit(0)
"""


def test_a_full_screen_program_is_drawn(start: Start) -> None:
    directory = over(
        start(
            sys.executable,
            "-c",
            _CURSES,
            columns=40,
            rows=10,
            env={"TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )
    )
    screen = replay(directory)
    rows = plain(screen).split("\n")
    assert screen.alternate
    assert rows[0] == "┌" + "─" * 38 + "┐"
    assert rows[2] == "│  in a box" + " " * 28 + "│"
    assert rows[5] == "│    ┌────────┐" + " " * 24 + "│"
    assert rows[9] == "└" + "─" * 38 + "┘"
    boxed = next(run for run in screen.lines[2] if run.text == "in a box")
    assert boxed.style.bold
    assert boxed.style.fg == "idx1"
