"""The verbs that drive one terminal, through the installed program and real programs in it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.session import Crew, at_terminal
from tests.support.program import LOOOP, wait_for

# All that moves a cursor, sets a title or the clipboard, or hides a line.
HOSTILE = r"printf 'so\033[2J\033]0;owned\007\033]52;c;AAAA\007\302\233mit\342\200\256end\n'"
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Ctrl-\ twice.
LEAVE = b"\x1c\x1c"


# -- what it printed -------------------------------------------------------------------------


def test_a_log_is_what_was_printed_without_what_moves_a_cursor(crew: Crew) -> None:
    crew.program(r"printf '\033[31mred\033[0m\none\rtwo\n'; printf 'a prompt> '; exec sleep 1000")
    crew.ok("expect", "one", "prompt>")

    assert crew.ok("log", "one").out == "red\ntwo\na prompt> \n"


def test_the_last_lines_and_those_that_match(crew: Crew) -> None:
    crew.program("seq 1 2000")
    crew("wait", "one")

    assert crew.ok("log", "one", "--tail", "2").out == "1999\n2000\n"
    assert crew.ok("log", "one", "--tail", "0").out == ""
    assert crew.ok("log", "one", "--grep", "^17.9$").out.split() == [f"17{n}9" for n in range(10)]
    assert crew.ok("log", "one", "--grep", "no such").out == ""
    assert crew.ok("log", "one", "--tail", "50", "--grep", "^199[89]$").out == "1998\n1999\n"


def test_json_of_a_log_says_where_to_go_on(crew: Crew) -> None:
    crew.program("echo first; read -r x; echo second")
    crew.ok("expect", "one", "first")
    seen = crew.ok("log", "one", "--json").json
    crew.ok("send", "one", "go")
    crew("wait", "one")

    rest = crew.ok("log", "one", "--since", str(seen["offset"]), "--json").json

    assert (seen["text"], seen["done"]) == ("first", False)
    assert (rest["text"].split("\n")[-1], rest["done"]) == ("second", True)
    assert crew.ok("log", "one", "--since", str(rest["offset"])).out == ""
    assert set(rest) == {"text", "offset", "done"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("log", "one", "--grep", "("), "--grep '(' is not a regular expression: missing )"),
        (("log", "one", "--tail", "-3"), "--tail -3 is no number of lines"),
        (("log", "one", "--tail", "few"), "argument --tail: invalid int value: 'few'"),
        (("log", "one", "--since", "-5"), "-5 is no offset of output: count bytes from 0"),
        (("expect", "one", "("), "'(' is not a regular expression: missing )"),
        (("expect", "one", "x", "--timeout", "soon"), "'soon' is not a duration: use seconds"),
        (("expect", "one", "x", "--since", "1", "--from-now"), "--from-now: not allowed with"),
        (("wait", "one", "--timeout", "-1s"), "argument --timeout: expected one argument"),
        (("wait-idle", "one", "--settle", "x"), "'x' is not a duration: use seconds, or 500ms"),
        (("key", "one", "NoSuchKey"), "'NoSuchKey' is not a key: use a character, or Enter"),
        (("key", "one"), "the following arguments are required: keys"),
        (("resize", "one", "80"), "'80' is not a size: write COLUMNSxROWS, as in 120x40"),
        (("resize", "one", "1x1"), "1x1 is no size: use 2 to 1000 columns and rows"),
        (("send", "one"), "there is nothing to type: the text is empty"),
        (("send", "one", "--text"), "unrecognized arguments: --text; see `looop help send`"),
        (("shot", "one", "--ansi", "--png"), "--png: not allowed with argument --ansi"),
        (("attach", "one"), "attach needs a terminal; `looop watch` and `looop log -f` do not"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(
    crew: Crew, words: tuple[str, ...], said: str
) -> None:
    crew.program("exec cat")

    done = crew(*words)

    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_following_a_log_ends_with_its_session(crew: Crew) -> None:
    crew.program("echo first; read -r x; echo last; exit 3")
    with crew.follow("log", "one", "-f") as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline() == "first\n"
        crew.ok("send", "one", "go")
        out, err = follow.communicate(timeout=20)

    assert (follow.returncode, err) == (0, "")
    assert out.split("\n")[-2:] == ["last", ""]


@pytest.mark.parametrize("words", [("log", "one", "-f"), ("log", "one", "-f", "--raw"), ("watch",)])
def test_following_ends_with_a_supervisor_that_is_gone(crew: Crew, words: tuple[str, ...]) -> None:
    supervisor = crew.program("echo first; exec sleep 1000")["supervisor"]
    with crew.follow(*words, *(["one"] if words == ("watch",) else [])) as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline() == "first\n"
        os.kill(supervisor, signal.SIGKILL)
        out, err = follow.communicate(timeout=20)

    assert (follow.returncode, out, err) == (0, "", "")
    assert crew("wait", "one").code == 137


def test_a_raw_log_is_every_byte(crew: Crew, tmp_path: Path) -> None:
    data = bytes(range(256)) * 600
    (tmp_path / "data").write_bytes(data)
    crew.program(f"stty raw; cat {tmp_path}/data")
    crew("wait", "one")
    copy = tmp_path / "copy"
    with copy.open("wb") as out:
        subprocess.run([LOOOP, "log", "one", "--raw"], env=crew.env, stdout=out, check=True)

    assert copy.read_bytes() == data


def test_nothing_that_a_program_prints_reaches_the_terminal_of_who_looks(crew: Crew) -> None:
    crew.program(f"{HOSTILE}; {HOSTILE} >&2; exec sleep 1000")
    crew.ok("expect", "one", "end")

    for words in (
        ("log", "one"),
        ("log", "one", "--tail", "1"),
        ("log", "one", "--grep", "end"),
        ("shot", "one"),
        ("shot", "one", "--html"),
        ("ls",),
        ("expect", "one", "so.*"),
        ("expect", "one", "(?s).*", "--raw"),
        ("expect", "one", ".*end", "--screen"),
    ):
        done = crew.ok(*words)
        assert done.out, words
        assert _CONTROL.findall(done.out) == [], words
    for words in (
        ("log", "one", "--json"),
        ("shot", "one", "--json"),
        ("ls", "--json"),
        ("expect", "one", "(?s).*", "--raw", "--json"),
    ):
        assert "\x1b" not in crew.ok(*words).out
    kept = crew.ok("shot", "one", "--ansi").out
    assert not re.search("\x1b(?!\\[[0-9;]*m)", kept)


# -- its screen ------------------------------------------------------------------------------


def test_a_screen_is_what_a_person_would_see(crew: Crew) -> None:
    crew.program(r"printf 'gone\033[2J\033[3;5Hhere'; exec sleep 1000", "one", "--size", "20x5")
    crew.ok("expect", "one", "here")

    assert crew.ok("shot", "one").out == "\n\n    here\n"
    assert crew.ok("shot", "one", "--no-trim").out == "\n".join(
        [" " * 20, " " * 20, f"{'    here':<20}", " " * 20, " " * 20, ""]
    )


@pytest.mark.parametrize("ended", [False, True])
def test_every_form_of_a_screen_is_served_of_the_living_and_the_dead(
    crew: Crew, tmp_path: Path, *, ended: bool
) -> None:
    tail = "exit 0" if ended else "exec sleep 1000"
    crew.program(rf"printf '\033[1;31mbold <b>\033[0m\n'; {tail}", "one", "--size", "40x6")
    crew.ok("expect", "one", "bold")
    if ended:
        crew("wait", "one")
    picture, page = tmp_path / "x.png", tmp_path / "x.html"

    assert crew.ok("shot", "one").out == "bold <b>\n"
    assert crew.ok("shot", "one", "--ansi").out.startswith("\x1b[")
    shown = crew.ok("shot", "one", "--json").json
    assert (shown["columns"], shown["rows"]) == (40, 6)
    assert shown["lines"][0]["text"] == "bold <b>"
    assert {"cursor", "alternate", "title", "screen_hash", "lines"} <= set(shown)
    assert crew.ok("shot", "one", "--html", "-o", str(page)).out == ""
    assert "bold &lt;b&gt;" in page.read_text()
    assert crew.ok("shot", "one", "--png", "-o", str(picture)).out == ""
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_is_not_written_to_a_terminal(crew: Crew) -> None:
    crew.program("exec sleep 1000")

    with at_terminal(crew.env, "shot", "one", "--png") as shown:
        assert shown.end() == 2

    assert b"a picture is no text: give -o FILE, or a pipe" in shown.seen


# -- typing ----------------------------------------------------------------------------------


def test_a_text_is_typed_and_submitted(crew: Crew) -> None:
    crew.program("read -r a; echo [$a]; read -r b; echo [$b]; exec sleep 1000")

    assert crew.ok("send", "one", "two", "words").out == ""
    crew.ok("expect", "one", r"\[two words\]")
    crew.ok("send", "one", "-", stdin="from stdin")
    crew.ok("expect", "one", r"\[from stdin\]")


def test_a_text_that_begins_with_a_dash_stands_after_two_dashes(crew: Crew) -> None:
    crew.program("exec cat")

    assert crew("send", "one", "--force").code == 2
    crew.ok("send", "one", "--", "--force", "--", "-n")
    crew.ok("expect", "one", "^--force -- -n$")
    assert "unrecognized" not in crew.ok("log", "one").out


def test_typing_without_submitting_leaves_the_text_where_it_is(crew: Crew) -> None:
    crew.program("read -r a; echo [$a]; exec sleep 1000")

    crew.ok("send", "one", "-n", "half")
    crew.ok("send", "one", " done", "-n")
    assert crew("expect", "one", r"\[half", "--timeout", "300ms").code == 124
    crew.ok("key", "one", "Enter")

    assert crew.ok("expect", "one", r"\[.*\]").out == "[half done]\n"


def test_what_is_sent_says_from_where_to_expect(crew: Crew) -> None:
    crew.program("echo ready; exec cat")
    crew.ok("expect", "one", "ready")

    sent = crew.ok("send", "one", "ready", "--json").json

    assert set(sent) == {"offset", "submitted", "attempts", "why"}
    found = crew.ok("expect", "one", "ready", "--since", str(sent["offset"]), "--json").json
    assert found["offset"] > sent["offset"] >= len("ready\r\n")
    assert set(crew.ok("key", "one", "x", "--json").json) == {"offset"}


def test_keys_reach_the_program(crew: Crew) -> None:
    crew.program("exec cat -v")
    crew.ok("key", "one", "M-x", "S-Tab", "F5", "pgup", "C-v", "C-c", "Enter")

    crew.ok("expect", "one", r"\^\[x\^\[\[Z\^\[\[15~\^\[\[5~\^C")
    crew.ok("key", "one", "C-d")

    assert crew("wait", "one", "--timeout", "10s").code == 0


@pytest.mark.parametrize("words", [("send", "x"), ("key", "Enter"), ("resize", "80x24")])
def test_nobody_types_at_the_loop(crew: Crew, words: tuple[str, str]) -> None:
    done = crew(words[0], "pulse", words[1])

    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "looop: `pulse` is the loop itself, which takes no input; `looop watch pulse` shows it\n"
    )


@pytest.mark.parametrize("words", [("send", "x"), ("key", "x"), ("resize", "80x24"), ("detach",)])
def test_what_needs_a_living_session_refuses_one_that_has_ended(
    crew: Crew, words: tuple[str, ...]
) -> None:
    crew.program("exit 0")
    crew("wait", "one")

    done = crew(words[0], "one", *words[1:])

    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert "ended" in done.err


def test_a_new_size_is_seen_by_the_program(crew: Crew) -> None:
    crew.program("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done")
    crew.ok("expect", "one", "ready")

    assert crew.ok("resize", "one", "91x33", "--json").json == {"columns": 91, "rows": 33}

    crew.ok("expect", "one", "33 91")
    # What is kept of it follows, a moment later.
    wait_for(lambda: crew.row("one")["size"] == "91x33")


# -- waiting ---------------------------------------------------------------------------------


def test_expecting_has_three_ends(crew: Crew) -> None:
    crew.program("echo 'build 42 is done'; read -r x")

    match = crew.ok("expect", "one", r"build \d+")
    late = crew("expect", "one", "never", "--timeout", "100ms")
    with crew.follow("expect", "one", "never", "--timeout", "0") as waiting:
        crew.ok("send", "one", "end")
        out, err = waiting.communicate(timeout=20)

    assert match.out == "build 42\n"
    assert (late.code, late.out) == (124, "")
    assert late.err == "looop: one did not show 'never' within 100ms\n"
    assert (waiting.returncode, out) == (1, "")
    assert err == "looop: one ended and had not shown 'never'\n"


def test_expecting_in_json(crew: Crew) -> None:
    crew.program("echo hello; exec sleep 1000")

    found = crew.ok("expect", "one", "hel+o", "--json").json
    late = crew("expect", "one", "never", "--timeout", "100ms", "--json")

    assert found == {"outcome": "match", "text": "hello", "offset": found["offset"]}
    assert (late.code, late.json["outcome"]) == (124, "timeout")


def test_expecting_from_now_on_or_on_the_screen_passes_over_what_was_printed(crew: Crew) -> None:
    crew.program(r"echo old; printf '\033[2J\033[H'; echo new; exec cat")
    crew.ok("expect", "one", "new")

    assert crew("expect", "one", "old", "--timeout", "100ms").code == 0
    assert crew("expect", "one", "old", "--from-now", "--timeout", "100ms").code == 124
    assert crew("expect", "one", "old", "--screen", "--timeout", "100ms").code == 124
    assert crew("expect", "one", "new", "--screen", "--timeout", "100ms").code == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("nosuchprog", 127)],
)
def test_waiting_gives_the_code_of_the_program(crew: Crew, command: str, code: int) -> None:
    crew.program(command)

    done = crew("wait", "one")

    assert (done.code, done.out, done.err) == (code, "", "")
    said = crew("wait", "one", "--json")
    assert said.code == code
    assert set(said.json) == {"ended", "timeout", "state", "code", "signal", "offset"}
    assert (said.json["ended"], said.json["state"]) == (True, "exited")


def test_waiting_tells_a_kill_a_dead_supervisor_and_a_timeout_apart(crew: Crew) -> None:
    crew.program("exec sleep 1000", "killed")
    supervisor = crew.program("exec sleep 1000", "orphan")["supervisor"]

    assert crew("wait", "killed", "--timeout", "100ms").code == 124
    with crew.follow("wait", "killed") as killed, crew.follow("wait", "orphan") as orphan:
        crew.ok("kill", "killed")
        os.kill(supervisor, signal.SIGKILL)
        assert (killed.wait(20), orphan.wait(20)) == (130, 137)
    assert crew.row("orphan")["state"] == "dead"


def test_waiting_for_quiet_has_two_ends(crew: Crew) -> None:
    crew.program("while :; do echo tick; sleep 0.02; done", "busy")
    crew.program("while :; do printf 'same\r'; sleep 0.02; done", "still")
    crew.program("exec sleep 1000", "quiet")
    crew.program("exit 3", "over")
    crew("wait", "over")

    def idle(name: str, *more: str) -> int:
        return crew("wait-idle", name, "--settle", "200ms", "--timeout", "600ms", *more).code

    assert (idle("busy"), idle("still"), idle("quiet"), idle("over")) == (124, 124, 0, 0)
    assert crew("wait-idle", "still", "--settle", "200ms", "--screen").code == 0
    said = crew.ok("wait-idle", "quiet", "--json").json
    assert (said["timeout"], said["ended"]) == (False, False)


# -- real programs ---------------------------------------------------------------------------


def test_a_conversation_with_a_python_prompt(crew: Crew) -> None:
    crew.program(f"{sys.executable} -q")
    crew.ok("expect", "one", ">>>")
    crew.ok("send", "one", "print(6 * 7)")
    crew.ok("expect", "one", "^42$")
    several = crew("send", "one", "def f():\n    return 'several lines'\n")
    assert (several.code, several.out) == (1, "")
    assert "send the lines one by one" in several.err
    crew.ok("key", "one", "C-d")

    assert crew("wait", "one", "--timeout", "10s").code == 0


@pytest.mark.skipif(not shutil.which("vim"), reason="vim is not installed")
def test_an_editor_is_driven_by_its_keys(crew: Crew) -> None:
    crew.program("exec vim -u NONE -N written", "one", "--size", "80x24")
    crew.ok("wait-idle", "one", "--screen")
    crew.ok("key", "one", "i")
    crew.ok("expect", "one", "INSERT", "--screen")
    crew.ok("send", "one", "-n", "by an editor")
    crew.ok("expect", "one", "by an editor", "--screen")
    crew.ok("key", "one", "Esc", ":", "w", "q", "Enter")

    assert crew("wait", "one", "--timeout", "10s").code == 0
    assert (Path(crew.env["HOME"]) / "written").read_text() == "by an editor\n"


@pytest.mark.skipif(not shutil.which("less"), reason="less is not installed")
def test_a_pager_is_leafed_through(crew: Crew) -> None:
    crew.program("seq 1 500 | less", "one", "--size", "80x24")
    crew.ok("expect", "one", "^23$", "--screen")
    crew.ok("key", "one", "G")
    crew.ok("expect", "one", "^500$", "--screen")
    assert crew.ok("shot", "one").out.split("\n")[0] == "478"
    crew.ok("key", "one", "q")

    assert crew("wait", "one", "--timeout", "10s").code == 0


# -- a human's own terminal ------------------------------------------------------------------


def test_a_human_is_at_the_terminal_and_leaves_it_running(crew: Crew) -> None:
    crew.program("echo before; read -r x; echo [$x]; exec sleep 1000")
    crew.ok("expect", "one", "before")
    with at_terminal(crew.env, "attach", "one", columns=77, rows=20) as me:
        me.until(b"before")
        me.type(b"typed\r")
        me.until(rb"\[typed\]")
        wait_for(lambda: crew.row("one")["size"] == "77x20")
        me.type(LEAVE)
        assert me.end() == 0

    assert b"looop: one goes on without you" in me.seen
    assert crew.row("one")["alive"]


def test_the_end_of_a_session_ends_who_is_at_it_with_its_code(crew: Crew) -> None:
    crew.program("echo ready; read -r x; exit 5")
    crew.ok("expect", "one", "ready")
    with at_terminal(crew.env, "attach", "one") as me:
        me.until(b"ready")
        me.type(b"\r")
        assert me.end() == 5

    assert b"looop: one has ended" in me.seen


def test_who_watches_types_nothing(crew: Crew) -> None:
    crew.program("echo ready; exec cat")
    crew.ok("expect", "one", "ready")
    with at_terminal(crew.env, "watch", "one") as me:
        me.until(b"ready")
        me.type(b"no\r")
        crew.ok("send", "one", "yes")
        me.until(b"yes")
        me.type(b"\x03")
        assert me.end() == 0

    assert "no" not in crew.ok("log", "one").out


def test_everyone_can_be_parted_from_a_terminal(crew: Crew) -> None:
    crew.program("echo ready; exec sleep 1000")
    assert crew.ok("detach", "one").out == "nobody was at one\n"
    with at_terminal(crew.env, "attach", "one") as me:
        me.until(b"ready")
        assert crew.ok("detach", "one").out == "parted 1 terminal from one\n"
        assert me.end() == 0

    assert b"looop: one goes on; somebody parted you from it" in me.seen
    assert crew.ok("detach", "one", "--json").json == {"detached": 0}


@pytest.mark.parametrize("verb", ["attach", "watch"])
def test_a_terminal_of_what_has_ended_is_said_to_have_a_log(crew: Crew, verb: str) -> None:
    crew.program("exit 0")
    crew("wait", "one")
    with at_terminal(crew.env, verb, "one") as me:
        assert me.end() == 1

    assert b"looop: one has ended; `looop log one` shows what it printed" in me.seen


def test_who_looks_over_a_pipe_gets_lines_until_the_end(crew: Crew) -> None:
    crew.program(f"{HOSTILE}; read -r x; echo bye")
    crew.ok("expect", "one", "end")
    with crew.follow("watch", "one") as watch:
        crew.ok("send", "one", "go")
        out, err = watch.communicate(timeout=20)

    assert (watch.returncode, err) == (0, "")
    assert out.split("\n")[-2:] == ["bye", ""]
    assert _CONTROL.findall(out) == []


def test_a_terminal_that_is_closed_does_not_end_the_session(crew: Crew) -> None:
    crew.program("echo ready; exec sleep 1000")
    crew.ok("expect", "one", "ready")
    with at_terminal(crew.env, "attach", "one") as me:
        me.until(b"ready")
        me.hang_up()

    assert crew.row("one")["alive"]


def test_the_files_of_a_session_say_who_was_there(crew: Crew) -> None:
    crew.program("echo ready; exec sleep 1000")
    with at_terminal(crew.env, "attach", "one") as me:
        me.until(b"ready")
        me.type(LEAVE)
        me.end()
    log = crew.data / "sessions" / "one" / "log.jsonl"

    def events() -> list[str]:
        return [json.loads(line)["event"] for line in log.read_text().splitlines()]

    wait_for(lambda: {"attached", "detached"} <= set(events()))
