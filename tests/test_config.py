"""Settings: every key from file and environment, and errors that say what to write instead."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop import config, settings
from looop.config import Config, CostSpec, RetrySpec, RunnerSpec
from looop.errors import BadConfig, Unreadable
from looop.settings import SETTINGS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def toml(value: Any) -> str:
    return json.dumps(value)


# Key -> [(how it is written in the file, in the environment, what it is read as)].
GOOD: dict[str, list[tuple[Any, str, Any]]] = {
    "runner": [("claude", "claude", "claude"), ("my-cli.2", "my-cli.2", "my-cli.2")],
    "autonomy": [(word, word, word) for word in ("supervised", "guarded", "trusted")],
    "git": [(False, "off", False), (True, "YES", True), ("no", "0", False), ("on", "1", True)],
}
USD = [(2.5, "2.5", 2.5), (3, "3", 3.0), (0, "0", 0.0), ("1.5", "1.5", 1.5)]
DURATION = [(90, "90", 90.0), ("5m", "5m", 300.0), (1.5, "1.5", 1.5), ("1h30m", "1h30m", 5400.0)]
SIZE = [(1000, "1000", 1000), ("64KiB", "64 kib", 65536), ("2MB", "2mb", 2_000_000)]
COUNT = [(7, "7", 7), ("12", " 12 ", 12)]
KINDS: dict[str, list[tuple[Any, str, Any]]] = {
    "duration": DURATION, "size": SIZE, "count": COUNT, "usd": USD
}  # fmt: skip

CASES = [
    pytest.param(key, *case, id=f"{key}-{number}")
    for key, setting in SETTINGS.items()
    for number, case in enumerate(GOOD.get(key) or KINDS[setting.kind])
]


@pytest.mark.parametrize(("key", "in_file", "in_env", "value"), CASES)
def test_every_key_is_read_from_the_file_and_from_the_environment(
    path: Path, key: str, in_file: Any, in_env: str, value: Any
) -> None:
    path.write_text(f"{key} = {toml(in_file)}\n")
    found = config.load(path, {})
    assert getattr(found, key) == value
    assert type(getattr(found, key)) is type(value)
    assert found.source == path

    path.unlink()
    found = config.load(path, {f"LOOOP_{key.upper()}": in_env})
    assert getattr(found, key) == value
    assert found.source is None


def test_every_setting_is_a_field_and_every_scalar_field_a_setting() -> None:
    fields = set(Config.__struct_fields__) - {"runners", "source", "kept"}
    assert fields == set(SETTINGS)
    assert all(setting.doc.endswith(".") for setting in SETTINGS.values())


def test_without_a_file_everything_has_its_default(path: Path) -> None:
    assert config.load(path, {}) == Config()


def test_every_default_can_be_written_down_and_read_back(path: Path) -> None:
    defaults = Config()
    lines = [f"{key} = {toml(getattr(defaults, key))}" for key in SETTINGS]
    path.write_text("\n".join(lines))
    assert config.load(path, {}) == msgspec.structs.replace(defaults, source=path)


# -- precedence ------------------------------------------------------------------------------------


def test_the_environment_wins_over_the_file(path: Path) -> None:
    path.write_text('interval = 90\nautonomy = "trusted"\n')
    found = config.load(path, {"LOOOP_INTERVAL": "5m"})
    assert found.interval == 300.0
    assert found.autonomy == "trusted"


ALIASES = [(key, alias) for key, setting in SETTINGS.items() for alias in setting.aliases]


@pytest.mark.parametrize(("key", "alias"), ALIASES)
def test_names_of_the_original_program_count_and_ours_wins(
    path: Path, key: str, alias: str
) -> None:
    path.write_text(f"{key} = 50\n")
    assert getattr(config.load(path, {alias: "70"}), key) == 70
    both = {alias: "70", f"LOOOP_{key.upper()}": "90"}
    assert getattr(config.load(path, both), key) == 90


def test_the_known_names_of_the_original_program() -> None:
    assert {alias for _, alias in ALIASES} == {
        "LOOOP_TICK_TIMEOUT_SECS", "LOOOP_SHELL_TIMEOUT_SECS",
        "LOOOP_JOURNAL_MAX_BYTES", "LOOOP_EVENTS_MAX_BYTES",
        "LOOOP_WORKER_STUCK_SECS", "LOOOP_VERIFY_TIMEOUT_SECS",
    }  # fmt: skip


@pytest.mark.parametrize("key", list(SETTINGS))
def test_an_empty_variable_is_unset(path: Path, key: str) -> None:
    path.write_text("")
    names = (f"LOOOP_{key.upper()}", *SETTINGS[key].aliases)
    assert config.load(path, dict.fromkeys(names, "")) == Config(source=path)


def test_other_variables_are_nobodys_business(path: Path) -> None:
    env = {"LOOOP_DATA_DIR": "/x", "LOOOP_BIN": "y", "INTERVAL": "5", "LOOOP_RUNNERS": "z"}
    assert config.load(path, env) == Config()


# -- zero ----------------------------------------------------------------------------------------

FLOORS = {"interval": 1.0, "busy_interval": 60.0, "sensor_concurrency": 1}
ZEROS = [k for k, s in SETTINGS.items() if s.kind in ("duration", "size", "count", "usd")]


@pytest.mark.parametrize("key", ZEROS)
@pytest.mark.parametrize("zero", ["0", '"0"'])
def test_zero_means_off(path: Path, key: str, zero: str) -> None:
    path.write_text(f"{key} = {zero}\n")
    assert getattr(config.load(path, {}), key) == FLOORS.get(key, 0)


@pytest.mark.parametrize("word", ["off", "none", "0s"])
def test_a_duration_can_be_off_in_words(path: Path, word: str) -> None:
    path.write_text(f'tick_timeout = "{word}"\n')
    assert config.load(path, {}).tick_timeout == 0.0


@pytest.mark.parametrize(
    ("text", "interval", "busy"),
    [
        ("", 60.0, 60.0),
        ("interval = 10", 10.0, 10.0),
        ("interval = 10\nbusy_interval = 20", 10.0, 20.0),
        ("interval = 10\nbusy_interval = 0", 10.0, 10.0),
        ("interval = 0.5", 1.0, 1.0),
        ('interval = "1ms"\nbusy_interval = "1ms"', 1.0, 1.0),
    ],
)
def test_the_pulse_never_spins(path: Path, text: str, interval: float, busy: float) -> None:
    path.write_text(text)
    found = config.load(path, {})
    assert (found.interval, found.busy_interval) == (interval, busy)


# -- what cannot be meant --------------------------------------------------------------------------

BAD: dict[str, list[Any]] = {
    "name": ["a b", "../x", "", 5, True, ["claude"]],
    "choice": ["Guarded", "none", 5, True],
    "duration": ["5 minutes", "-5", -5, True, [5], {"s": 5}, float("inf")],
    "size": ["64 KB B", "5MiBs", -1, 1.5, True, "²", []],
    "count": ["many", "-1", -1, 1.5, True, "1e3", []],
    "usd": ["cheap", -0.5, True, [], float("nan"), float("inf")],
    "flag": ["maybe", 1, 0, 1.5, []],
}
BAD_CASES = [
    pytest.param(key, value, id=f"{key}-{number}")
    for key, setting in SETTINGS.items()
    for number, value in enumerate(BAD[setting.kind])
]


@pytest.mark.parametrize(("key", "value"), BAD_CASES)
def test_a_value_that_cannot_be_meant_names_file_key_value_and_what_is_accepted(
    key: str, value: Any
) -> None:
    with pytest.raises(BadConfig) as caught:
        config.parse({key: value}, "/etc/looop.toml", {})
    said = str(caught.value)
    accepted = settings.accepted(SETTINGS[key])
    assert said == f"/etc/looop.toml: {key} = {value!r} is not accepted; use {accepted}"
    assert accepted


@pytest.mark.parametrize("key", list(SETTINGS))
def test_a_bad_variable_is_named_itself(key: str) -> None:
    variable = f"LOOOP_{key.upper()}"
    with pytest.raises(BadConfig) as caught:
        config.parse({}, "defaults", {variable: "no way!"})
    assert str(caught.value).startswith(f"${variable}: {key} = 'no way!' is not accepted; use ")


@pytest.mark.parametrize(("key", "alias"), ALIASES)
def test_a_bad_variable_under_its_other_name_is_named_itself(key: str, alias: str) -> None:
    with pytest.raises(BadConfig, match=rf"^\${alias}: {key} = 'x' is not accepted"):
        config.parse({}, "defaults", {alias: "x"})


@pytest.mark.parametrize("key", ["interval", "max_daily_usd", "runs_keep", "log_max_bytes"])
def test_numbers_beyond_all_numbers_are_no_crash(path: Path, key: str) -> None:
    for digits in (400, 5000):
        path.write_text(f"{key} = {'9' * digits}\n")
        if key in ("runs_keep", "log_max_bytes") and digits == 400:
            assert getattr(config.load(path, {}), key) == int("9" * digits)
            continue
        with pytest.raises(BadConfig, match=r"config\.toml: "):
            config.load(path, {})


@pytest.mark.parametrize("key", ["intervall", "Interval", "", "source", "kept", "looop"])
def test_an_unknown_key_is_told_with_the_known_ones(path: Path, key: str) -> None:
    path.write_text(f'"{key}" = 5\n')
    with pytest.raises(BadConfig) as caught:
        config.load(path, {})
    said = str(caught.value)
    assert said.startswith(f"{path}: unknown key {key!r}; known keys: ")
    assert all(known in said for known in (*SETTINGS, "runners"))


@pytest.mark.parametrize(
    "text",
    ["interval = ", "interval = 5\ninterval = 6", "\0", "[[", "\ufeffinterval = 5", "a = " + "[" * 9999],
    ids=range(6),
)  # fmt: skip
def test_a_file_that_is_no_toml_is_told_with_its_name(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(BadConfig, match=r"config\.toml: ") as caught:
        config.load(path, {})
    assert caught.value.exit_code == 2


def test_a_file_that_cannot_be_read_is_not_the_default_one(path: Path) -> None:
    path.mkdir()
    with pytest.raises(Unreadable, match=r"config\.toml"):
        config.load(path, {})
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(Unreadable, match=r"config\.toml"):
        config.load(path, {})
    path.unlink()
    path.symlink_to(path.with_name("gone.toml"))
    with pytest.raises(Unreadable, match="is a link that leads nowhere"):
        config.load(path, {})


def test_settings_cannot_be_changed_by_whoever_holds_them() -> None:
    with pytest.raises(AttributeError):
        Config().interval = 5.0  # pyright: ignore[reportAttributeAccessIssue]


# -- runners -------------------------------------------------------------------------------------


def test_a_runner_is_read_with_all_that_is_said_about_it(path: Path) -> None:
    path.write_text(
        """
        runner = "mine"
        [runners.mine]
        tick = "decide {{prompt_file}}"
        worker = "work {{prompt_file}}"
        resume = "work --resume {{session}}"
        model = "big"
        env = { KEY = "value" }
        cost = { type = "result", pointer = "/total", mode = "sum" }
        retry = { match = "overloaded", times = 3, wait = "3s" }
        [runners.claude]
        model = "small"
        """
    )
    found = config.load(path, {})
    assert found.runners == {
        "mine": RunnerSpec(
            tick="decide {{prompt_file}}",
            worker="work {{prompt_file}}",
            resume="work --resume {{session}}",
            model="big",
            env={"KEY": "value"},
            cost=CostSpec(type="result", pointer="/total", mode="sum"),
            retry=RetrySpec(match="overloaded", times=3, wait="3s"),
        ),
        "claude": RunnerSpec(model="small"),
    }


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('runners = "claude"', "must hold tables"),
        ("[runners]\nclaude = 5", r"\[runners\.claude\]: Expected `object`"),
        ('[runners.a]\ntikc = "x"', r"\[runners\.a\]: .*unknown field `tikc`"),
        ("[runners.a]\ntick = 5", r"\[runners\.a\]: Expected `str`, got `int` - at `\$\.tick`"),
        ('[runners."a b"]\ntick = "x"', r"\[runners\.a b\] is not a name"),
        ('[runners.a]\nworker = "x"', "worker must contain {{prompt_file}}"),
        ('[runners.a]\ncost = { type = "r" }', r"missing required field `pointer`"),
        ('[runners.a]\ncost = { type = "r", pointer = "x" }', "must start with a slash"),
        ('[runners.a]\ncost = { type = "r", pointer = "/x", mode = "max" }', "Invalid enum value"),
        ('[runners.a]\nretry = { times = 3 }', "missing required field `match`"),
        ('[runners.a]\nenv = { A = 1 }', "Expected `str`, got `int`"),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_runner_that_cannot_be_meant_is_named(path: Path, table: str, why: str) -> None:
    path.write_text(table)
    with pytest.raises(BadConfig, match=why) as caught:
        config.load(path, {})
    assert str(caught.value).startswith(f"{path}: ")


# -- the original program's file -------------------------------------------------------------------


def original(path: Path, table: Any) -> Path:
    other = path.with_name("config.json")
    other.write_text(table if isinstance(table, str) else json.dumps(table))
    return other


def test_the_form_with_named_runners_is_read(path: Path) -> None:
    source = original(
        path,
        {
            "default": "pi",
            "interval": 120,
            "max_next_interval": 600,
            "max_daily_usd": 5,
            "session_ttl": 1000,
            "notification": "notify {{id}}",
            "runners": {
                "pi": {
                    "tick": "pi -p {{prompt_file}}",
                    "interactive": "pi {{prompt_file}}",
                    "resume": "pi --resume {{session}}",
                    "cost": {"type": "result", "pointer": "/usd", "mode": "sum", "note": "x"},
                },
                "codex": {"tick": "codex exec", "resume": None, "interactive": "codex"},
            },
        },
    )
    found = config.load(path, {})
    assert (found.runner, found.interval, found.max_next_interval) == ("pi", 120.0, 600.0)
    assert found.max_daily_usd == 5.0
    assert found.runners == {
        "pi": RunnerSpec(
            tick="pi -p {{prompt_file}}",
            worker="pi {{prompt_file}}",
            resume="pi --resume {{session}}",
            cost=CostSpec(type="result", pointer="/usd", mode="sum"),
        ),
        "codex": RunnerSpec(tick="codex exec"),
    }
    assert found.source == source
    assert set(found.kept) == {"notification"}
    assert found.session_ttl == 1000.0


@pytest.mark.parametrize(
    ("tick", "worker"),
    [
        pytest.param("tick_command", "worker_command", id="two commands"),
        pytest.param("tick", "interactive", id="the first names"),
    ],
)
def test_the_forms_with_two_commands_are_read(path: Path, tick: str, worker: str) -> None:
    original(
        path,
        {tick: "claude -p | looop _ fmt --x", worker: "claude {{prompt_file}}", "interval": 30},
    )
    found = config.load(path, {})
    assert found.runner == "original"
    assert found.runners == {
        "original": RunnerSpec(tick="claude -p", worker="claude {{prompt_file}}")
    }
    assert found.interval == 30.0
    assert found.kept == ()


def test_our_file_wins_over_the_originals(path: Path) -> None:
    original(path, {"interval": 120})
    path.write_text("")
    assert config.load(path, {}) == Config(source=path)


def test_the_environment_wins_over_the_originals_file(path: Path) -> None:
    original(path, {"interval": 120})
    assert config.load(path, {"LOOOP_INTERVAL": "5"}).interval == 5.0


def test_the_originals_file_can_be_named_itself(path: Path) -> None:
    source = original(path, {"interval": 120})
    assert config.load(source, {}).interval == 120.0


def test_nulls_of_the_original_are_as_good_as_absent(path: Path) -> None:
    original(path, {"interval": None, "default": None, "runners": {"a": {"tick": None}}})
    found = config.load(path, {})
    assert (found.interval, found.runner) == (60.0, "rules")
    assert found.runners == {"a": RunnerSpec()}


@pytest.mark.parametrize(
    "table",
    [
        "{", "[]", "null", "", "[" * 200_000, '{"interval": "often"}', '{"interval": -5}',
        '{"default": "../x"}', '{"runners": "claude"}', '{"runners": {"a": "claude"}}',
        '{"runners": {"a": null}}', '{"runners": {"a": {"cost": {"type": "x"}}}}',
    ],
    ids=range(12),
)  # fmt: skip
def test_an_original_file_that_cannot_be_meant_is_told_with_its_name(
    path: Path, table: str
) -> None:
    source = original(path, table)
    with pytest.raises(BadConfig, match=r"config\.json: ") as caught:
        config.load(path, {})
    assert str(caught.value).startswith(str(source))


def test_an_original_file_that_cannot_be_read_is_not_absent(path: Path) -> None:
    path.with_name("config.json").mkdir()
    with pytest.raises(Unreadable):
        config.load(path, {})
