"""The installed command as a user meets it: exit codes, streams, errors, bodies."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from looop.cli.main import main
from looop.cli.table import VERBS
from looop.kit.text import width
from tests.support.leftovers import living
from tests.support.program import LOOOP, home_env, looop

Env = dict[str, str]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a profile that is just laid, to be copied."""
    home = tmp_path_factory.mktemp("template") / "home"
    assert looop("init", "--runner", "rules", "--git", env=home_env(home)).code == 0
    return home


@pytest.fixture
def laid(env: Env, template: Path) -> Env:
    shutil.copytree(template, env["HOME"], dirs_exist_ok=True)
    return env


# -- an empty home ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("state",),
        ("asks",),
        ("journal",),
        ("events",),
        ("cost",),
        ("goal", "list"),
        ("sensor", "list"),
        ("schedule", "list"),
        ("ls",),
        ("ls", "--all"),
        ("ls", "--claims"),
        ("ls", "--workspaces"),
    ],
)
def test_looking_at_a_profile_that_is_not_there_says_so_and_lays_nothing(
    env: Env, profile_dir: Path, words: tuple[str, ...]
) -> None:
    done = looop(*words, env=env)

    assert (done.code, done.err) == (0, "")
    assert done.out
    assert not profile_dir.exists()


def test_no_home_at_all_is_a_usage_error_with_its_mend(env: Env) -> None:
    done = subprocess.run(
        [LOOOP, "status"], env={"PATH": env["PATH"]}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "looop: cannot tell where the data dir is: set LOOOP_DATA_DIR, or HOME\n"
    )


def test_init_lays_a_private_profile_once_and_keeps_what_a_human_changed(
    env: Env, profile_dir: Path
) -> None:
    first = looop("init", "--runner", "rules", "--no-git", env=env)
    assert first.code == 0
    assert profile_dir.stat().st_mode & 0o777 == 0o700
    config = profile_dir / "config.toml"
    config.write_text('# mine\nrunner = "rules"\ninterval = "5m"  # slow\n')
    (profile_dir / "goals" / "setup.md").unlink()

    again = looop("init", "--runner", "claude", "--no-git", env=env)

    assert again.code == 0
    assert config.read_text() == '# mine\nrunner = "claude"\ninterval = "5m"  # slow\n'
    assert not (profile_dir / "goals" / "setup.md").exists()


def test_a_whole_day_by_hand(laid: Env, profile_dir: Path) -> None:
    assert looop("tick", env=laid).code == 0
    (ask,) = looop("asks", "--json", env=laid).json
    assert ask["ask"]["id"] == "loop-1"
    assert looop("answer", "loop-1", "watch", "the", "garden", env=laid).out == "answered loop-1\n"
    assert looop("tick", env=laid).code == 0
    assert looop("asks", env=laid).out == "Nothing waits for you.\n"
    assert looop("goal", "write", "garden", "goal: water it", env=laid).code == 0
    assert looop("goal", "show", "garden", env=laid).out == "goal: water it\n"
    assert looop("goal", "archive", "garden", env=laid).code == 0
    assert looop("schedule", "write", "t", "--every", "1h", env=laid).code == 0
    assert looop("schedule", "rm", "t", env=laid).code == 0
    (profile_dir / "PLAYBOOK.md").write_text("mine\n")
    change = looop("history", "--json", env=laid).json[0]["commit"]
    assert looop("undo", change, env=laid).code == 0
    assert looop("doctor", env=laid).code == 0
    assert "undid" in looop("journal", "-n", "1", env=laid).out


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("staus",), 2, "there is no verb 'staus'; did you mean `looop status`?; see `looop help`"),
        (("xyzzy",), 2, "there is no verb 'xyzzy'; see `looop help`"),
        (("--jsn",), 2, "'--jsn' is neither a verb nor an option; see `looop help`"),
        (("--json", "status"), 2, "'status' is neither a verb nor an option; see `looop help`"),
        (("status", "--jsn"), 2, "unrecognized arguments: --jsn; see `looop help status`"),
        (("status", "--js"), 2, "unrecognized arguments: --js; see `looop help status`"),
        (("goal",), 2, "the following arguments are required: WHAT; see `looop help goal`"),
        (("goal", "show", "../x"), 2, "'../x' cannot name a goal: use letters, digits, dot"),
        (("goal", "show", "x"), 1, "there is no goal 'x'; `looop goal list` lists them"),
        (("goal", "archive", "x"), 1, "there is no goal 'x'"),
        (("asks", "loop-9"), 1, "there is no ask 'loop-9'; `looop asks` lists them"),
        (("answer", "loop-9", "yes"), 1, "there is no ask 'loop-9'; `looop asks` lists them"),
        (("sensor", "run", "x"), 1, "there is no sensor 'x'; there are: today"),
        (("sensor", "write", "x", "echo"), 2, "a sensor is a script: its first line says how"),
        (("schedule", "drop", "x"), 1, "there is no schedule 'x'; `looop schedule list`"),
        (("schedule", "write", "x"), 2, "exactly one of in_s, every_s and cron is needed"),
        (("schedule", "write", "x", "--in", "soon"), 2, "'soon' is not a duration: use seconds"),
        (("schedule", "write", "x", "--every", "5s"), 2, "every_s: every_s must be at least 60"),
        (("schedule", "write", "x", "--cron", "61 * * * *"), 2, "cron: cron '61 * * * *' never"),
        (("schedule", "write", "x", "--in", "9" * 400), 2, "is not a duration"),
        (("undo", "0000000"), 1, "'0000000' is not in the history; `looop history` lists it"),
        (("history", "--all"), 2, "unrecognized arguments: --all; see `looop help history`"),
        (("run",), 2, "run needs a command, as in: looop run '"),
        (("help", "xyzzy"), 2, "there is no verb 'xyzzy'; `looop help` lists them"),
        (("config", "csh"), 2, "argument shell: invalid choice: 'csh'"),
        (("cost", "year"), 2, "argument window: invalid choice: 'year'"),
        (("journal", "-n", "many"), 2, "argument -n: invalid int value: 'many'"),
        (("init", "--runner", "nobody"), 2, "there is no runner 'nobody'; known: rules, claude"),
        (("demo", "--keep", "."), 1, " is not empty; name a new directory"),
        (("goal", "show", "--\x1b[31m\nx"), 2, "goal show"),
        (("goal", "show", "\x1b[31m"), 2, "cannot name a goal"),
    ],
)
def test_an_error_is_one_line_on_stderr_that_names_the_mend(
    laid: Env, words: tuple[str, ...], code: int, said: str
) -> None:
    done = looop(*words, env=laid)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("looop: ")
    assert said in done.err or said == "goal show"
    assert done.err.count("\n") == 1
    assert "\x1b" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [("status",), ("tick",), ("goal", "write", "x", "y"), ()])
def test_settings_that_cannot_be_meant_are_named_by_every_verb_that_needs_them(
    laid: Env, profile_dir: Path, words: tuple[str, ...]
) -> None:
    (profile_dir / "config.toml").write_text('autonomy = "wild"\n')

    done = looop(*words, env=laid)

    assert (done.code, done.out) == (2, "")
    assert "autonomy = 'wild' is not accepted; use supervised | guarded | trusted" in done.err
    assert looop("journal", env=laid).code == 0
    assert looop("asks", env=laid).code == 0
    assert looop("doctor", env=laid).code == 1


def test_a_variable_that_cannot_be_meant_is_named(laid: Env) -> None:
    done = looop("status", env={**laid, "LOOOP_INTERVAL": "soon"})

    assert done.code == 2
    assert "$LOOOP_INTERVAL: interval = 'soon' is not accepted; use seconds" in done.err


def test_a_profile_that_is_a_file_is_said_in_one_line(env: Env, profile_dir: Path) -> None:
    profile_dir.parent.mkdir(parents=True)
    profile_dir.write_text("not a directory\n")

    for words in (("status",), ("tick",), ("goal", "write", "x", "y"), ("init",), ()):
        done = looop(*words, env=env)
        assert done.code == 1, words
        assert done.err.count("\n") == 1
        assert "looop" in done.err


def test_a_failed_beat_exits_with_1_and_a_rest_with_0(laid: Env, profile_dir: Path) -> None:
    assert looop("tick", env=laid).code == 0
    assert looop("tick", env=laid).code == 0
    (profile_dir / "config.toml").write_text('runner = "x"\n[runners.x]\ntick = "exit 3"\n')

    done = looop("tick", "--force", "--json", env=laid)

    assert done.code == 1
    assert done.json["kind"] == "failed"


# -- bodies ----------------------------------------------------------------------------------


def test_a_body_is_words_or_stdin(laid: Env, profile_dir: Path) -> None:
    goals = profile_dir / "goals"
    looop("goal", "write", "a", "two", "words", env=laid)
    looop("goal", "write", "b", "-", env=laid, stdin="from\nstdin\n\n\n")
    looop("goal", "write", "c", env=laid, stdin="from stdin too")
    looop("goal", "write", "d", "--", "--not-a-flag", env=laid)
    looop("goal", "write", "e", "a - in the middle", env=laid, stdin="not this")

    bodies = {name: (goals / f"{name}.md").read_text() for name in "abcde"}

    assert bodies == {
        "a": "two words\n",
        "b": "from\nstdin\n",
        "c": "from stdin too\n",
        "d": "--not-a-flag\n",
        "e": "a - in the middle\n",
    }


@pytest.mark.parametrize(
    "words",
    [
        ("goal", "write", "a", "--priorty", "high"),
        ("goal", "write", "a", "keep", "--jsno"),
        ("goal", "write", "a", "-n"),
        ("playbook", "write", "--help-me"),
        ("sensor", "write", "a", "--interval=5m", "#!/bin/sh"),
        ("answer", "loop-1", "--yes"),
    ],
)
def test_a_mistyped_flag_is_never_written_as_a_body(
    laid: Env, profile_dir: Path, words: tuple[str, ...]
) -> None:
    looop("tick", env=laid)
    before = (profile_dir / "PLAYBOOK.md").read_text()

    done = looop(*words, env=laid, stdin="from stdin")

    assert done.code == 2
    assert not (profile_dir / "goals" / "a.md").exists()
    assert not (profile_dir / "sensors" / "a.sh").exists()
    assert (profile_dir / "PLAYBOOK.md").read_text() == before
    assert looop("asks", "--json", env=laid).json[0]["ask"]["state"] == "pending"


@pytest.mark.parametrize(
    "words", [("goal", "write", "a"), ("playbook", "write"), ("sensor", "write", "a")]
)
def test_an_empty_body_is_refused(laid: Env, profile_dir: Path, words: tuple[str, ...]) -> None:
    assert looop(*words, env=laid, stdin=" \n").code == 2
    assert not (profile_dir / "goals" / "a.md").exists()


def test_an_empty_answer_is_refused_and_the_ask_stays_open(laid: Env) -> None:
    looop("tick", env=laid)

    done = looop("answer", "loop-1", env=laid, stdin="\n")

    assert (done.code, done.err) == (1, "looop: loop-1 needs an answer that is not empty\n")
    assert looop("asks", "--json", env=laid).json[0]["ask"]["state"] == "pending"


def test_an_answer_is_given_once(laid: Env) -> None:
    looop("tick", env=laid)
    looop("answer", "loop-1", "first", env=laid)

    done = looop("answer", "loop-1", "second", env=laid)

    assert (done.code, done.err) == (1, "looop: loop-1 is answered already with 'first'\n")


# -- run -------------------------------------------------------------------------------------


def test_run_gives_the_output_and_the_exit_code_of_its_command(laid: Env) -> None:
    done = looop("run", "echo out; echo err >&2; exit 7", env=laid)

    assert done.code == 7
    assert done.out == "out\nerr\n"
    assert done.err == "looop: the command exited with code 7\n"
    assert looop("run", "--", "true", env=laid).code == 0
    assert "human · " in looop("journal", "-n", "1", env=laid).out


@pytest.mark.parametrize(
    "words",
    [
        ("two words", "a'b", 'c"d'),
        ("$HOME", "`id`", "$(id)", "*"),
        ("", " ", "\t", "\\", "\\\\", "a\nb"),
        ("-n", "--", "--json", ";", "&&", "|"),
        ("é", "日本", "🙂"),
    ],
)
def test_several_words_reach_the_command_exactly_as_they_are(
    laid: Env, words: tuple[str, ...]
) -> None:
    done = looop("run", "printf", "%s\\n", *words, env=laid)

    assert (done.code, done.out) == (0, "".join(f"{word}\n" for word in words).replace("\t", "\t"))


def test_one_word_is_a_shell_command_as_it_is(laid: Env) -> None:
    assert looop("run", 'for i in 1 2; do echo "$i"; done', env=laid).out == "1\n2\n"
    assert looop("run", shlex.join(["echo", "a  b"]), env=laid).out == "a  b\n"


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "echo x >> admission.toml",
        "name=$(printf %s Y29uZmlnLnRvbWw= | base64 -d); echo x=1 > $name",
    ],
)
def test_run_refuses_what_nobody_may_do(laid: Env, profile_dir: Path, command: str) -> None:
    before = (profile_dir / "config.toml").read_bytes()

    done = looop("run", command, env=laid)

    assert done.code == 1
    assert done.err.startswith("looop: ")
    assert done.err.count("\n") == 1
    assert (profile_dir / "config.toml").read_bytes() == before


# -- streams ---------------------------------------------------------------------------------


def test_a_reader_that_goes_away_ends_a_verb_quietly_with_141(laid: Env) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [LOOOP, "help"], env=laid, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("verb", ["status", "goal write x some words", "tick"])
def test_closed_streams_are_no_error(laid: Env, closed: str, verb: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"looop {verb} {closed}"], env=laid, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_body_on_a_closed_stdin_is_a_usage_error(laid: Env) -> None:
    done = subprocess.run(
        ["bash", "-c", "looop goal write x <&-"],
        env=laid,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == ("looop: stdin is closed: give the goal as words, or on stdin\n")


@pytest.mark.parametrize("setting", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}])
def test_a_terminal_that_cannot_show_a_character_gets_it_escaped(laid: Env, setting: Env) -> None:
    looop("goal", "write", "long", f"goal: {'wörds ' * 40}", env=laid)

    done = looop("goal", "list", env={**laid, **setting})

    assert (done.code, done.err) == (0, "")


def test_bytes_that_are_no_text_are_no_crash(laid: Env) -> None:
    for settings in ({}, {"PYTHONIOENCODING": "utf-8:strict"}):
        done = looop("goal", "write", "x", env={**laid, **settings}, stdin=b"\xff\xfe\x00")
        assert done.code in (0, 2)
        assert "Traceback" not in done.err


def test_colour_is_for_people(laid: Env) -> None:
    def coloured(**more: str) -> bool:
        return "\x1b[" in looop("status", env={**laid, **more}).out

    assert not coloured()
    assert coloured(FORCE_COLOR="1")
    assert not coloured(FORCE_COLOR="1", NO_COLOR="1")
    assert not coloured(FORCE_COLOR="1", TERM="dumb")
    assert "\x1b" not in looop("status", "--json", env={**laid, "FORCE_COLOR": "1"}).out


def test_a_terminal_gets_colour_and_its_own_width(laid: Env) -> None:
    import pty
    import termios

    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 50))
    child = subprocess.Popen([LOOOP, "status"], env=laid, stdout=follower, stderr=follower)
    os.close(follower)
    data = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        data += chunk
    os.close(leader)

    assert child.wait(10) == 0
    assert b"\x1b[" in data
    plain = re.sub("\x1b\\[[0-9;]*m", "", data.decode().replace("\r", ""))
    assert max(map(width, plain.split("\n"))) <= 50


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("verb", ["tick", "run", "sensor run slow"])
def test_a_signal_ends_a_verb_and_what_it_has_running(
    laid: Env, profile_dir: Path, verb: str, name: str
) -> None:
    ready = Path(laid["HOME"]) / "ready"
    os.mkfifo(ready)
    hang = f"echo now > {ready}; exec sleep 600"
    (profile_dir / "reflexes.toml").write_text("")
    (profile_dir / "config.toml").write_text(f'runner = "x"\n[runners.x]\ntick = "{hang}"\n')
    slow = profile_dir / "sensors" / "slow.sh"
    slow.write_text(f"#!/bin/sh\n# looop: interval=1h\n{hang if 'slow' in verb else 'echo {}'}\n")
    slow.chmod(0o700)
    words = [*verb.split(), *([hang] if verb == "run" else [])]
    child = subprocess.Popen([LOOOP, *words], env=laid, stderr=subprocess.PIPE)
    ready.read_text()

    child.send_signal(getattr(signal, name))

    assert child.wait(20) == 130
    assert living(profile_dir) == []
    assert child.stderr is not None
    assert child.stderr.read() == b""
    child.stderr.close()


# -- the words of the original's workers -----------------------------------------------------


def test_the_word_that_workers_of_the_original_put_in_front_is_dropped(laid: Env) -> None:
    assert looop("_", "version", env=laid).out == looop("version", env=laid).out


def test_every_verb_has_a_page_of_help(capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert main(list(words)) == 0
        return capsys.readouterr().out

    manual = said("help")
    for verb in VERBS:
        assert f"  {verb}" in manual
        page = said("help", verb)
        assert page.startswith(said(verb, "--help").rstrip())
        assert max(map(width, page.split("\n"))) <= 80
    assert said("--help") == said("-h") == manual
    assert max(map(width, manual.split("\n"))) <= 80
    assert said("--version") == said("version")


def test_the_schema_is_json(env: Env) -> None:
    assert json.loads(looop("schema", "decision", env=env).out)["required"] == ["move"]
