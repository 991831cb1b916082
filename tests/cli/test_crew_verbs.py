"""The verbs that concern whole sessions, through the installed program and real terminals."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from looop.control.views import SessionView
from looop.kit.text import width
from looop.sessions.records import Session
from tests.cli.session import Crew
from tests.support.crew import block
from tests.support.program import LOOOP, looop

LONG = "a-name-of-64-characters-" + "x" * 40


# -- nothing is there ------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("ls",), ("ls", "--all"), ("ls", "--claims"), ("prune",)])
def test_an_empty_home_has_no_session_and_is_told_how_to_have_one(
    env: dict[str, str], words: tuple[str, ...]
) -> None:
    done = looop(*words, env=env)

    assert (done.code, done.err) == (0, "")
    assert ("`looop start-session" in done.out) == ("--claims" not in words and "ls" in words)


def test_looking_lays_nothing(env: dict[str, str], profile_dir: Path) -> None:
    for words in (("ls",), ("ls", "--claims"), ("ls", "--workspaces"), ("log", "x")):
        looop(*words, env=env)

    assert not profile_dir.exists()


UNKNOWN = [
    ("ls", "x"),
    ("log", "x"),
    ("log", "x", "--raw"),
    ("log", "x", "--json"),
    ("log", "x", "-f"),
    ("shot", "x"),
    ("send", "x", "hello"),
    ("key", "x", "Enter"),
    ("expect", "x", "y"),
    ("wait", "x"),
    ("wait-idle", "x"),
    ("watch", "x"),
    ("detach", "x"),
    ("resize", "x", "80x24"),
    ("kill", "x"),
    ("restart", "x"),
]


@pytest.mark.parametrize("words", UNKNOWN, ids=" ".join)
def test_an_unknown_session_is_one_line_that_says_where_the_known_ones_are(
    crew: Crew, words: tuple[str, ...]
) -> None:
    done = crew(*words)

    assert (done.code, done.out) == (1, "")
    assert done.err == "looop: there is no session 'x'; `looop ls --all` lists them\n"


@pytest.mark.parametrize("verb", ["log", "shot", "wait", "watch"])
def test_a_loop_that_has_no_session_is_said_to_need_up(crew: Crew, verb: str) -> None:
    done = crew(verb, "pulse")

    assert (done.code, done.out) == (1, "")
    assert done.err == "looop: there is no session 'pulse'; `looop up` starts the loop in one\n"


@pytest.mark.parametrize("name", ["../x", "a b", "\x1b[31m\n", ".", ""])
def test_a_name_that_can_be_none_is_refused_in_one_line(crew: Crew, name: str) -> None:
    for words in (("log",), ("kill",), ("start-session", "--command", "true")):
        done = crew(*words, name)
        assert done.code in (1, 2)
        assert done.out == ""
        assert done.err.count("\n") == 1
        assert "\x1b" not in done.err


# -- starting --------------------------------------------------------------------------------


def test_a_program_is_supervised_as_it_is(crew: Crew) -> None:
    said = crew.ok("start-session", "one", "--command", "echo in $PWD as $LOOOP_SESSION_ID; cat")

    assert said.out == "started one; watch it with `looop attach one`\n"
    assert crew.ok("expect", "one", "in .* as one").out == f"in {crew.env['HOME']} as one\n"
    row = crew.row("one")
    assert (row["kind"], row["state"], row["alive"], row["goal"]) == (
        "program",
        "running",
        True,
        "",
    )
    assert row["size"] == "120x40"


def test_a_worker_gets_its_brief_and_what_else_it_was_given(crew: Crew) -> None:
    crew.worker("echo done it > proof", "w", "--goal", "setup", "--verify", "test -s proof")

    assert crew.ok("wait", "w", "--timeout", "20s").out == ""
    row = crew.row("w")
    assert (row["kind"], row["goal"], row["runner"]) == ("worker", "setup", "rules")
    assert (row["outcome"], row["verify"]) == ("done", "to come")
    crew("tick")
    assert crew.row("w")["verify"] == "pass"
    assert "human · worker w started" in crew.ok("journal").out


@pytest.mark.parametrize("between", [True, False])
def test_options_may_stand_before_a_brief(crew: Crew, between: bool) -> None:
    brief = ["as", "follows", block("true")]
    options = ["--goal", "setup", "--json"]
    words = [*options, "w", *brief] if not between else ["w", *options, *brief]

    assert crew.ok("start-session", *words).json["id"] == "w"
    assert (crew.data / "prompts" / "w.md").read_text().endswith(f"as follows {block('true')}")


def test_json_tells_the_whole_session(crew: Crew) -> None:
    said = crew.program("sleep 1000", "one", "--size", "90x30")

    assert set(said) == set(Session.__struct_fields__)
    assert (said["columns"], said["rows"], said["alive"]) == (90, 30, True)
    assert crew.ok("ls").out.split("\n")[2].split()[:3] == ["one", "running", "busy"]


def test_a_start_that_is_captured_returns_at_once(crew: Crew) -> None:
    script = 'said=$(looop start-session one --command "sleep 1000" 2>&1); echo "[$said]"'

    done = subprocess.run(
        ["bash", "-c", script],
        env=crew.env,
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )

    assert done.stdout == "[started one; watch it with `looop attach one`]\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("one", "--command", "cat"), 1, "session one is alive"),
        (("one", block("true")), 1, "one runs already; steer it, kill it, or choose another id"),
        (("pulse", "--command", "cat"), 1, "`pulse` is the loop itself; `looop up` starts it"),
        (("pulse", "a brief"), 1, "pulse"),
        (("x/y", "--command", "cat"), 2, "'x/y' cannot name a session: use letters, digits"),
        (("x/y", "a brief"), 2, "'x/y' cannot name a worker: use letters, digits"),
        (("two",), 1, "two needs a brief: say what is to be done"),
        (("two", "--command", "cat", "--verify", "x"), 2, "--verify belongs to a worker, which"),
        (("two", "--command", "cat", "--goal", "x"), 2, "--goal belongs to a worker, which"),
        (("two", "--command", "cat", "--size", "big"), 2, "'big' is not a size: write COLUMNSx"),
        (("two", "--command", "cat", "--size", "0x0"), 2, "0x0 is no size: use 2 to 1000 columns"),
        (("two", "brief", "--runner", "nobody"), 1, "runner 'nobody' has no worker command: set"),
        (("two", block("true"), "--workspace", "there"), 1, "there"),
        (("two", "just words"), 1, "the brief has no ```sh block, which is all that this worker"),
        (("two", "brief", "--no-such"), 2, "unrecognized arguments: --no-such"),
        ((), 2, "the following arguments are required: id"),
    ],
)
def test_a_start_that_cannot_be_is_one_line_that_names_the_mend(
    crew: Crew, words: tuple[str, ...], code: int, said: str
) -> None:
    crew.program("sleep 1000")

    done = crew("start-session", *words)

    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert [row["id"] for row in crew.ok("ls", "--all", "--json").json] == ["pulse", "one"]


def test_a_brief_may_not_be_empty(crew: Crew) -> None:
    done = crew("start-session", "w", "-", stdin=" \n")

    assert (done.code, done.err) == (1, "looop: w needs a brief: say what is to be done\n")


# -- the table -------------------------------------------------------------------------------


def test_the_table_fits_eighty_columns_whatever_the_names(crew: Crew) -> None:
    crew.program("echo $'\\e[2J\\e]0;owned\\a' wide 日本語; sleep 1000", LONG)
    crew.worker("echo hello; read -r x", "w-" + LONG[2:], "--goal", "setup")
    crew.ok("expect", LONG, "wide")

    done = crew.ok("ls")

    assert max(width(line) for line in done.out.split("\n")) <= 80
    assert not {"\x1b", "\x07"} & set(done.out)
    heads = done.out.split("\n")[0].split()
    assert heads == ["ID", "STATE", "HEALTH", "AGE", "IDLE", "GOAL", "LAST"]
    assert "wide" in done.out


def test_colour_touches_the_health_alone(crew: Crew) -> None:
    crew.program("sleep 1000")

    plain = crew("ls").out.split("\n")
    shown = crew("ls", FORCE_COLOR="1").out.split("\n")

    assert "\x1b[31mdown\x1b[0m" in shown[1]
    assert shown[1].index("\x1b") == plain[0].index("HEALTH")
    assert "\x1b[32mbusy\x1b[0m" in shown[2]


def test_ended_sessions_are_shown_when_they_are_asked_for(crew: Crew) -> None:
    crew.program("exit 3")
    assert crew("wait", "one").code == 3

    assert "one" not in crew.ok("ls").out
    assert "exited 3" in crew.ok("ls", "--all").out
    assert "--all shows what has ended" in crew.ok("ls").out


def test_a_row_of_json_has_every_field_and_the_loop_comes_first(crew: Crew) -> None:
    crew.program("sleep 1000")

    rows = crew.ok("ls", "--json").json

    assert [row["id"] for row in rows] == ["pulse", "one"]
    for row in rows:
        assert set(row) == set(SessionView.__struct_fields__)
        msgspec.convert(row, SessionView)


def test_watching_the_table_goes_on_until_a_signal(crew: Crew) -> None:
    crew.program("sleep 1000")
    watch = crew.follow("ls", "--watch", "--interval", "200ms")
    assert watch.stdout is not None
    heads = 0
    for line in watch.stdout:
        heads += line.startswith("ID ")
        if heads == 2:
            break
    watch.terminate()
    _, err = watch.communicate(timeout=20)

    assert err == ""


def test_what_cannot_be_read_of_a_session_is_said_and_the_others_are_shown(crew: Crew) -> None:
    crew.program("sleep 1000")
    (crew.data / "sessions" / "not a name").mkdir()
    crew.program("exit 0", "two")
    crew("wait", "two")
    (crew.data / "sessions" / "two" / "meta.json").write_text("{")

    done = crew("ls")

    assert done.code == 0
    assert [line.split()[0] for line in done.out.split("\n")[1:-1]] == ["pulse", "one", "two"]
    assert "unreadable" in done.out


def test_one_session_is_shown_whole(crew: Crew) -> None:
    crew.worker("echo half; false", "w", "--goal", "setup", "--verify", "test -e proof")
    crew.program("exec sleep 1000")
    crew("wait", "w")
    crew("tick")

    shown = crew.ok("ls", "w").out
    both = crew.ok("ls", "w", "--json").json

    assert "session    w (worker)\nstate      failed\n" in shown
    assert "goal       setup\n" in shown
    assert "verify     fail: test -e proof\n" in shown
    assert set(both["session"]) == set(SessionView.__struct_fields__)
    assert both["worker"]["verify"] == "test -e proof"
    assert crew.ok("ls", "one", "--json").json["worker"] is None
    assert crew.ok("ls", "pulse").out.startswith("session    pulse (pulse)\nstate      down\n")
    unknown = crew("ls", "x")
    assert (unknown.code, unknown.out) == (1, "")
    assert "`looop ls --all`" in unknown.err


# -- ending ----------------------------------------------------------------------------------


def test_a_kill_ends_the_whole_tree_and_is_put_down(crew: Crew) -> None:
    crew.program("sleep 1000 & exec sleep 1000")

    assert crew.ok("kill", "one", "--reason", "enough").out == "killed one\n"

    row = crew.row("one")
    assert (row["state"], row["alive"]) == ("killed", False)
    again = crew("kill", "one")
    assert (again.code, again.out) == (1, "")
    assert again.err == "looop: one has ended (killed)\n"


def test_a_kill_answers_in_json(crew: Crew) -> None:
    crew.program("sleep 1000")

    said = crew.ok("kill", "one", "--json").json

    assert said == {"killed": True, "escalated": False, "survivors": []}


def test_a_worker_that_was_killed_says_by_whom(crew: Crew) -> None:
    crew.worker("sleep 1000")
    crew.ok("kill", "w")

    assert crew.row("w")["killed_by"] == "human"
    assert "killed by human" in crew.ok("ls").out


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("kill", "`pulse` is the loop itself; `looop down` ends it"),
        ("restart", "`pulse` is the loop itself; `looop down` and `looop up` restart it"),
    ],
)
def test_the_loop_itself_is_no_session_to_end(crew: Crew, verb: str, said: str) -> None:
    done = crew(verb, "pulse")

    assert (done.code, done.err) == (1, f"looop: {said}\n")


def test_a_restart_runs_the_same_again_as_a_new_generation(crew: Crew) -> None:
    first = crew.program("echo started; exec sleep 1000")
    crew.ok("resize", "one", "90x30")

    second = crew.ok("restart", "one", "--json").json

    assert second["generation"] != first["generation"]
    assert (second["argv"], second["columns"]) == (first["argv"], 90)
    crew.ok("expect", "one", "started", "--since", str(second["log_start"]))
    said = crew.ok("restart", "one").out
    assert said.startswith("restarted one as generation ")


def test_a_session_that_was_killed_is_not_restarted(crew: Crew) -> None:
    crew.program("sleep 1000")
    crew.ok("kill", "one")

    done = crew("restart", "one")

    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert "killed" in done.err


def test_prune_removes_what_nothing_keeps_and_says_why_it_keeps_the_rest(crew: Crew) -> None:
    crew.program("exit 0", "gone")
    crew.program("sleep 1000", "alive")
    crew.worker("true")
    crew("wait", "gone")
    crew("wait", "w")

    done = crew.ok("prune")

    assert done.out == "removed gone\nkept w: its end has not been seen by a beat\n"
    assert crew.ok("prune", "--json").json == {
        "removed": [],
        "kept": ["w: its end has not been seen by a beat"],
    }
    assert [row["id"] for row in crew.ok("ls", "--all", "--json").json] == ["pulse", "alive", "w"]


def test_prune_with_nothing_to_remove_says_so(crew: Crew) -> None:
    assert crew.ok("prune").out == "There is no ended session.\n"


# -- what workers leave ----------------------------------------------------------------------


def test_workspaces_are_listed_with_what_is_in_them(crew: Crew) -> None:
    assert crew.ok("ls", "--workspaces").out == "No worker has left anything.\n"
    crew.worker("touch file; sleep 1000")
    crew.ok("expect", "w", "touch")
    crew.ok("wait-idle", "w")

    (row,) = crew.ok("ls", "--workspaces", "--json").json
    heads, line = crew.ok("ls", "--workspaces").out.splitlines()

    assert (row["worker"], row["alive"], row["state"]) == ("w", True, "1 file")
    assert row["path"] == str(crew.place())
    assert heads.split() == ["WORKER", "STATE", "IN", "IT", "BRANCH", "PLACE"]
    assert line.startswith("w       alive  1 file")


# -- settings that cannot be meant -----------------------------------------------------------


def test_broken_settings_name_themselves_and_do_not_keep_anyone_from_looking(crew: Crew) -> None:
    crew.program("echo hello; exec cat")
    crew.ok("expect", "one", "hello")
    (crew.data / "config.toml").write_text('autonomy = "wild"\n')

    for words in (
        ("ls",),
        ("ls", "--all", "--json"),
        ("ls", "--workspaces"),
        ("ls", "--claims"),
        ("log", "one"),
        ("shot", "one"),
        ("send", "one", "words"),
        ("key", "one", "Enter"),
        ("expect", "one", "words"),
        ("wait-idle", "one"),
        ("resize", "one", "80x24"),
        ("detach", "one"),
        ("claim", "x", "--session", "me"),
        ("unclaim", "x", "--session", "me"),
    ):
        assert (crew(*words).code, crew(*words).err) == (0, ""), words
    for words in (("start-session", "x", "--command", "cat"), ("start-session", "x", "brief")):
        done = crew(*words)
        assert (done.code, done.out) == (2, "")
        assert f"{crew.data}/config.toml: autonomy = 'wild' is not accepted" in done.err
        assert done.err.count("\n") == 1


# -- completion ------------------------------------------------------------------------------


def test_each_verb_is_offered_the_sessions_that_it_takes(crew: Crew) -> None:
    def words(*typed: str) -> list[str]:
        done = looop("__complete", *typed, env=crew.env)
        assert (done.code, done.err) == (0, "")
        return done.out.split()

    crew.program("exit 0", "ended")
    crew.program("sleep 1000", "killed")
    crew.program("sleep 1000", "living")
    crew("wait", "ended")
    crew("kill", "killed")
    crew("claim", "box", "--session", "living")
    for verb in ("ls", "log", "shot", "wait", "expect"):
        assert words(verb, "") == ["ended", "killed", "living"]
    for verb in ("attach", "send", "key", "resize", "kill", "wait-idle", "watch", "detach"):
        assert words(verb, "") == ["living"]
    assert words("restart", "") == ["ended", "living"]
    assert words("unclaim", "") == ["box"]
    assert words("done", "--session", "") == ["living"]
    assert words("start-session", "x", "--goal", "") == ["playbook-review", "setup"]
    assert "rules" in words("start-session", "x", "--runner", "")
    assert {"Enter", "S-Tab", "C-c", "F5"} <= set(words("key", "living", ""))
    assert {"C-c"} <= set(words("key", "living", "Enter", ""))
    assert {"--verify", "--goal", "--json"} <= set(words("start-session", "x", "--"))
    assert "--catch-up" in words("schedule", "write", "--")
    assert words("prune", "") == words("send", "living", "") == words("claim", "") == []


def test_the_loop_is_completed_only_where_a_verb_takes_it(crew: Crew) -> None:
    crew.ok("up")
    try:
        for verb in ("log", "shot", "wait", "expect", "wait-idle", "watch", "detach"):
            assert looop("__complete", verb, "", env=crew.env).out.split() == ["pulse"], verb
        for verb in ("attach", "send", "key", "resize", "kill", "restart"):
            assert looop("__complete", verb, "", env=crew.env).out.split() == [], verb
    finally:
        crew.ok("down")


def test_the_program_may_be_called_as_a_module(crew: Crew) -> None:
    crew.program("sleep 1000")
    python = LOOOP.with_name("python")

    done = subprocess.run(
        [python, "-m", "looop", "ls", "--json"],
        env=crew.env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert '"id": "one"' in done.stdout
