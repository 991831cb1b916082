"""What the verbs print: JSON that parses, 80 columns, and nothing that moves a cursor."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from looop.cli.table import VERBS
from looop.kit.text import width
from tests.support.profile import NOOP, Profile, shell_move
from tests.support.program import home_env, looop

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\x08\x7f"
WIDE = "日本語の長い題名" * 20
LONG = "unbroken" * 60
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """
    A profile in which everything is long, wide or hostile, and something of each kind is there.

    Nothing in this module changes it, so it is laid once.
    """
    base = tmp_path_factory.mktemp("crowded")
    profile = Profile(base, git=True, max_daily_usd=1.0, approval_ttl="7d")
    profile.playbook("be kind\n")
    profile.control.init(runner="fake", git=True)
    profile.goal("a" * 64, f"goal: {WIDE}\npriority: {LONG}\nevery: {WIDE}\n")
    profile.goal("evil", f"goal: {EVIL}\npriority: {EVIL}\n")
    profile.reading("b" * 60, {"text": LONG, "evil": EVIL}, {"wide": WIDE})
    profile.script(
        "broken", f"# looop: interval=soon{EVIL} trust={LONG}\necho '{LONG}' >&2; exit 3"
    )
    profile.script("wild", f"printf '%s' '{EVIL}'")
    profile.control.write_schedule(
        "c" * 64, in_s=None, every_s=3600, cron=None, note=f"{EVIL}{WIDE}", catch_up="once"
    )
    profile.fake["cost"] = {"type": "bill", "pointer": "/usd"}
    profile.configure()
    profile.costs(0.01)
    moves: list[dict[str, Any]] = [
        {"action": "ask_human", "prompt": f"{EVIL} {WIDE} {LONG}", "options": [LONG, "b"]},
        shell_move(f"echo 'two  blanks'\n\trm -f {LONG}\n# {EVIL[:20]}", journal=f"{EVIL}{LONG}"),
        {"action": "write_playbook", "body": f"be kind\n{LONG}\n  {WIDE}\n{EVIL[1:]}\n"},
        {"action": "send_notification", "message": f"{EVIL}{WIDE}"},
        NOOP | {"journal": f"{EVIL} noop", "goal": "a" * 64},
    ]
    for number, move in enumerate(moves):
        profile.decides(json.dumps(move))
        profile.goal("evil", f"goal: {EVIL}{number}\n")
        assert profile.beat().kind in ("acted", "held")
    profile.breaks(f"{EVIL} {LONG}")
    profile.goal("evil", "goal: again\n")
    profile.beat()
    journal = profile.data / "journal.md"
    journal.write_text(f"{journal.read_text()}- 2026-01-01 00:00 by hand {EVIL}\0\n")
    return home_env(base / "home", LOOOP_DATA_DIR=str(profile.data))


LOOKS = [
    ("status",),
    ("state",),
    ("asks",),
    ("asks", "--all"),
    ("asks", "loop-1"),
    ("asks", "loop-2"),
    ("asks", "loop-3"),
    ("events", "-n", "200"),
    ("cost",),
    ("cost", "all", "--by", "goal"),
    ("cost", "week", "--by", "day"),
    ("history",),
    ("doctor",),
    ("goal", "list"),
    ("sensor", "list"),
    ("sensor", "run", "b" * 60),
    ("sensor", "run", "broken"),
    ("sensor", "run", "wild"),
    ("schedule", "list"),
    ("ls",),
    ("ls", "--all"),
    ("ls", "pulse"),
    ("ls", "--claims"),
    ("ls", "--workspaces"),
    ("help",),
    ("version",),
]


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_no_line_is_wider_than_eighty_cells_or_holds_a_control_character(
    crowded: dict[str, str], words: tuple[str, ...]
) -> None:
    done = looop(*words, env=crowded)

    assert done.code in (0, 1)
    wide = [line for line in done.out.split("\n") if width(line) > 80]
    assert wide == []
    assert not _CONTROL.search(done.out), _CONTROL.findall(done.out)
    assert not _CONTROL.search(done.err)
    assert "Traceback" not in done.err


def test_a_narrower_page_is_kept_too(crowded: dict[str, str]) -> None:
    for words in LOOKS[:-2]:
        done = looop(*words, env={**crowded, "COLUMNS": "60"})
        assert max(width(line) for line in done.out.split("\n")) <= 60, words


@pytest.mark.parametrize(
    "words", [("goal", "show", "evil"), ("playbook", "show"), ("journal",)], ids=" ".join
)
def test_a_text_of_the_user_is_shown_whole_and_without_control_characters(
    crowded: dict[str, str], words: tuple[str, ...]
) -> None:
    done = looop(*words, env=crowded)

    assert done.code == 0
    assert not _CONTROL.search(done.out)


def test_a_change_of_the_history_is_shown_without_control_characters(
    crowded: dict[str, str],
) -> None:
    rows = looop("history", "--json", env=crowded).json

    for row in rows:
        done = looop("history", row["commit"], env=crowded)
        assert done.code == 0
        assert not _CONTROL.search(done.out.replace("\t", ""))
        assert json.loads(looop("history", row["commit"], "--json", env=crowded).out)["diff"]


def test_a_held_command_is_shown_with_every_blank(crowded: dict[str, str]) -> None:
    shown = looop("asks", "loop-2", env=crowded).out

    assert "echo 'two  blanks'\n" in shown
    joined = "".join(line[2:] for line in shown.split("\n"))
    assert LONG in joined


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("state",),
        ("asks",),
        ("asks", "--all"),
        ("asks", "loop-1"),
        ("journal",),
        ("cost",),
        ("history",),
        ("doctor",),
        ("goal", "list"),
        ("goal", "show", "evil"),
        ("sensor", "list"),
        ("sensor", "run", "wild"),
        ("schedule", "list"),
        ("ls",),
        ("ls", "--all"),
        ("ls", "pulse"),
        ("ls", "--claims"),
        ("ls", "--workspaces"),
        ("version",),
    ],
    ids=" ".join,
)
def test_json_parses_and_stands_alone_on_stdout(
    crowded: dict[str, str], words: tuple[str, ...]
) -> None:
    done = looop(*words, "--json", env=crowded)

    json.loads(done.out)
    assert "\x1b" not in done.out


def test_events_are_one_json_object_a_line(crowded: dict[str, str]) -> None:
    rows = [
        json.loads(x)
        for x in looop("events", "-n", "500", "--json", env=crowded).out.split("\n")
        if x
    ]

    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    later = looop("events", "--since", "5", "--json", env=crowded).out
    assert json.loads(later.split("\n")[0])["seq"] == 6


def test_the_verbs_that_steer_answer_in_json_too(tmp_path: Path) -> None:
    env = home_env(tmp_path / "home")
    for words in (
        ("init", "--runner", "rules", "--git"),
        ("tick",),
        ("tick", "--dry-run", "--force"),
        ("answer", "loop-1", "the garden"),
        ("goal", "write", "x", "goal: x"),
        ("goal", "archive", "x"),
        ("playbook", "write", "be kind"),
        ("sensor", "write", "x", "#!/bin/sh\necho '{}'"),
        ("schedule", "write", "x", "--in", "1h"),
        ("schedule", "drop", "x"),
    ):
        done = looop(*words, "--json", env=env)
        assert (done.code, done.err) == (0, ""), words
        assert done.json
    change = looop("history", "--json", env=env).json[0]["commit"]
    assert looop("undo", change, "--json", env=env).json["ok"] is True


# -- what a verb costs -----------------------------------------------------------------------

HEAVY = (
    "asyncio",
    "subprocess",
    "genai_prices",
    "pydantic",
    "cel_expr_python",
    "celpy",
    "tomlkit",
    "cronsim",
    "looop.loop.beat",
    "looop.loop.decide.runner",
)


@pytest.mark.parametrize(
    "words", [["status"], ["asks"], ["journal"], ["version"], ["events"], ["ls"]]
)
def test_a_verb_that_looks_imports_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    env = home_env(tmp_path / "home")
    looop("init", "--runner", "rules", "--no-git", env=env)
    looop("tick", env=env)
    code = (
        "import sys\nfrom looop.cli.main import main\n"
        f"assert main({words!r}) == 0\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )

    assert done.stdout.splitlines()[-1] == "HEAVY []", done.stderr


# -- completion ------------------------------------------------------------------------------


def test_words_are_completed_with_what_is_there_now(crowded: dict[str, str]) -> None:
    def words(*typed: str) -> list[str]:
        done = looop("__complete", *typed, env=crowded)
        assert (done.code, done.err) == (0, "")
        return done.out.split()

    assert words("") == list(VERBS)
    assert words("goal", "") == ["list", "show", "write", "archive"]
    assert {"a" * 64, "evil"} <= set(words("goal", "show", ""))
    assert words("answer", "") == ["loop-1", "loop-2", "loop-3"]
    assert set(words("sensor", "run", "")) == {"b" * 60, "broken", "wild"}
    assert words("schedule", "drop", "") == ["c" * 64]
    assert words("config", "") == ["bash", "zsh", "fish"]
    assert words("help", "") == list(VERBS)
    commits = [row["commit"] for row in looop("history", "--json", env=crowded).json]
    assert words("undo", "") == commits
    assert words("status", "") == []


def test_completion_is_silent_where_nothing_can_be_known(tmp_path: Path) -> None:
    env = home_env(tmp_path / "home", LOOOP_INTERVAL="broken")

    done = looop("__complete", "goal", "show", "", env=env)

    assert (done.code, done.out.strip(), done.err) == (0, "", "")


def test_bash_completes_with_the_script(crowded: dict[str, str]) -> None:
    script = """
    set -eu
    source <(looop config bash)
    complete -p looop
    COMP_WORDS=(looop goal show e) COMP_CWORD=3 COMPREPLY=()
    _looop
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=crowded, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[1:] == ["evil", ""]


@pytest.mark.parametrize(("shell", "check"), [("zsh", ["-n"]), ("fish", ["-n"])])
def test_the_scripts_of_other_shells_parse(
    crowded: dict[str, str], tmp_path: Path, shell: str, check: list[str]
) -> None:
    text = looop("config", shell, env=crowded).out
    assert "looop __complete" in text
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(text)

    done = subprocess.run([program, *check, path], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


# -- a profile of the original ---------------------------------------------------------------


def test_a_profile_of_the_original_is_read_as_it_is_and_taken_over_whole(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = home_env(home, LOOOP_DATA_DIR=str(home / "old"))
    data = home / "old"
    for name in ("goals/archive", "sensors", "schedules"):
        (data / name).mkdir(parents=True)
    original = {
        "default": "mine",
        "interval": 90,
        "max_next_interval": 600,
        "max_daily_usd": 12.5,
        "session_ttl": 86400,
        "notification": {"command": "notify-send"},
        "runners": {
            "mine": {
                "tick": "my-agent --once < {{prompt_file}}",
                "interactive": "my-agent {{prompt_file}}",
                "resume": "my-agent --resume",
                "cost": {"type": "result", "pointer": "/total_cost_usd", "mode": "total"},
            },
            "claude": {"tick": "claude -p < {{prompt_file}}"},
        },
    }
    source = json.dumps(original, indent=2)
    (data / "config.json").write_text(source)
    (data / "PLAYBOOK.md").write_text("# mine\n")
    (data / "goals" / "garden.md").write_text("---\ngoal: water it\npriority: high\n---\n")
    (data / "goals" / "archive" / "old.md").write_text("goal: done\n")
    sensor = data / "sensors" / "w.sh"
    sensor.write_text("#!/bin/sh\n# looop: interval=1h\necho '{\"signal\": 1}'\n")
    sensor.chmod(0o755)
    (data / "journal.md").write_text("- 2025-12-01 08:00 watered\n")
    (data / "schedules" / "s.json").write_text('{"v":1,"every_s":3600,"anchor":1,"note":"n"}')
    (data / "cost.jsonl").write_text(
        '{"ts":"2025-12-01T08:00:00Z","kind":"tick","id":"tick-1","cost_usd":0.25,"runner":"mine",'
        '"input_tokens":10,"output_tokens":5}\nnot json\n'
        '{"ts":"2025-12-01T09:00:00Z","kind":"session","id":"w","cost_usd":0.5,"runner":"mine"}\n'
    )

    status = looop("status", "--json", env=env).json
    assert (status["runner"], status["max_daily_usd"]) == ("mine", 12.5)
    assert status["problems"] == []
    assert looop("cost", "all", "--json", env=env).json["total_usd"] == 0.75
    assert looop("goal", "list", "--json", env=env).json[0]["title"] == "water it"
    assert looop("journal", env=env).out == "- 2025-12-01 08:00 watered\n"
    assert looop("schedule", "list", "--json", env=env).json[0]["what"] == "every 1h"
    assert looop("sensor", "run", "w", env=env).code == 0

    assert looop("init", "--yes", "--no-git", env=env).code == 0

    assert (data / "config.json").read_text() == source
    assert (data / "PLAYBOOK.md").read_text() == "# mine\n"
    import tomllib

    text = (data / "config.toml").read_text()
    table = tomllib.loads(text)
    assert (table["runner"], table["interval"], table["max_next_interval"]) == ("mine", 90, 600)
    assert (table["max_daily_usd"], table["session_ttl"]) == (12.5, 86400)
    assert table["runners"]["mine"] == {
        "tick": "my-agent --once < {{prompt_file}}",
        "worker": "my-agent {{prompt_file}}",
        "resume": "my-agent --resume",
        "cost": {"type": "result", "pointer": "/total_cost_usd", "mode": "total"},
    }
    assert table["runners"]["claude"] == {"tick": "claude -p < {{prompt_file}}"}
    assert "not used here: notification = " in text
    assert looop("status", "--json", env=env).json["config"] == str(data / "config.toml")
    before = text
    assert looop("init", "--yes", "--no-git", env=env).code == 0
    assert (data / "config.toml").read_text() == before


def test_taking_over_writes_what_the_file_says_and_not_what_the_environment_says(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    env = home_env(home, LOOOP_DATA_DIR=str(home / "old"))
    (home / "old").mkdir()
    (home / "old" / "config.json").write_text('{"interval": 90}')

    looop("init", "--runner", "rules", "--no-git", env={**env, "LOOOP_SHELL_TIMEOUT": "7"})

    import tomllib

    table = tomllib.loads((home / "old" / "config.toml").read_text())
    assert table == {"interval": 90, "runner": "rules"}
