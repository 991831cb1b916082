"""The runner with deciders that are real shell commands."""

import asyncio
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from looop.config import CostSpec, RetrySpec, RunnerSpec
from looop.kit import proc
from looop.kit.clock import SystemClock
from looop.loop.decide.runner import RunnerResult, run_runner

NOOP = '{"action":"noop","reason":"r"}'
WRITE = f"printf %s '{NOOP}' > \"$LOOOP_DECISION_FILE\""
SCHEMA: dict[str, Any] = {"type": "object"}


class Runs:
    """Launches in a directory of their own, without real pauses, remembering all that was said."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory / "run"
        self.dir.mkdir(parents=True)
        self.prompt = directory / "prompt.md"
        self.prompt.write_text("the prompt\n")
        self.mark = f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.pauses: list[float] = []
        self.lines: list[str] = []

    def go(
        self,
        tick: str,
        *,
        wall_s: float = 20.0,
        silence_s: float = 0.0,
        name: str = "mine",
        **spec: Any,
    ) -> RunnerResult:
        return self.launch(name, RunnerSpec(tick=tick, **spec), wall_s=wall_s, silence_s=silence_s)

    def launch(
        self,
        name: str,
        spec: RunnerSpec | None,
        *,
        wall_s: float = 20.0,
        silence_s: float = 0.0,
        env: Mapping[str, str] | None = None,
    ) -> RunnerResult:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        return asyncio.run(
            run_runner(
                name=name,
                spec=spec,
                run_dir=self.dir,
                prompt=self.prompt,
                schema=SCHEMA,
                env={"PATH": os.environ["PATH"]} if env is None else env,
                mark=self.mark,
                wall_s=wall_s,
                silence_s=silence_s,
                clock=SystemClock(),
                sleep=pause,
                jitter=lambda: 1.5,
                on_line=self.lines.append,
            )
        )


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_a_decision_in_the_file_is_taken(runs: Runs) -> None:
    done = runs.go(WRITE)

    assert (done.ok, done.code, done.error) == (True, "ok", "")
    assert done.decision_text == NOOP
    assert done.attempts == 1


def test_a_decision_on_stdout_is_taken(runs: Runs) -> None:
    done = runs.go(f"echo thinking; echo '{NOOP}'; echo; echo done")

    assert done.decision_text == NOOP
    assert runs.lines == ["thinking", NOOP, "done"]


def test_the_file_outranks_stdout(runs: Runs) -> None:
    done = runs.go(f'echo \'{{"action":"other"}}\'; {WRITE}')

    assert done.decision_text == NOOP


def test_an_empty_file_is_no_decision_and_stdout_counts(runs: Runs) -> None:
    done = runs.go(f"echo '{NOOP}'; echo > .decision.json")

    assert done.decision_text == NOOP


def test_the_cwd_is_the_run_directory(runs: Runs) -> None:
    done = runs.go(f"pwd; printf %s '{NOOP}' > .decision.json")

    assert runs.lines == [str(runs.dir)]
    assert done.ok


def test_what_lay_there_before_is_never_used(runs: Runs) -> None:
    (runs.dir / ".decision.json").write_text('{"action":"run_shell","cmd":"planted"}')

    done = runs.go("true")

    assert (done.ok, done.code, done.decision_text) == (False, "no-decision", None)
    assert "left no decision" in done.error


def test_a_planted_directory_is_an_error(runs: Runs) -> None:
    (runs.dir / ".decision.json").mkdir()

    done = runs.go(WRITE)

    assert done.code == "spawn"
    assert "cannot remove" in done.error


def test_a_hanging_runner_is_killed_at_the_wall_and_named(runs: Runs) -> None:
    done = runs.go(f"{WRITE}; echo working; exec sleep 60", wall_s=0.3)

    assert (done.ok, done.code, done.decision_text) == (False, "deadline", None)
    assert done.error.startswith("mine: did not end before its deadline")
    assert "working" in done.error
    assert done.took_s < 5
    assert not proc.marked(runs.mark)


def test_a_silent_runner_is_killed(runs: Runs) -> None:
    done = runs.go("echo working; exec sleep 60", silence_s=0.3)

    assert done.code == "silent"
    assert "printed nothing for 0.3 s" in done.error
    assert not proc.marked(runs.mark)


def test_a_grandchild_that_holds_stdout_delays_nothing(runs: Runs) -> None:
    done = runs.go(f"sleep 60 & {WRITE}")

    assert done.ok
    assert done.took_s < 5
    assert not proc.marked(runs.mark)


def test_a_descendant_in_a_session_of_its_own_is_swept(runs: Runs) -> None:
    done = runs.go(f"setsid sleep 60 < /dev/null > /dev/null 2>&1 & {WRITE}")

    assert done.ok
    assert not proc.marked(runs.mark)


def test_a_nonzero_exit_is_a_failure_whatever_the_file_says(runs: Runs) -> None:
    done = runs.go(f"{WRITE}; echo 'went wrong' >&2; exit 3")

    assert (done.ok, done.code, done.decision_text) == (False, "failed", None)
    assert done.error == "mine: ended with exit code 3; its last words: went wrong"


def test_a_foreign_signal_is_told_apart(runs: Runs) -> None:
    done = runs.go("kill -TERM $$; sleep 60")

    assert (done.code, done.error) == ("stopped", "mine: was ended by signal 15")


FLAKY = """
n=$(cat ../count 2>/dev/null || echo 0); echo $((n + 1)) > ../count
if [ "$n" -lt {fails} ]; then {bad}; fi
{good}
"""


def test_a_transient_failure_is_tried_again(runs: Runs) -> None:
    tick = FLAKY.format(fails=1, bad="echo 'HTTP 429 Rate Limit'; exit 1", good=WRITE)

    done = runs.go(tick, retry=RetrySpec(match="rate.?limit", times=2, wait="3s"))

    assert (done.ok, done.attempts) == (True, 2)
    assert runs.pauses == [4.5]


def test_a_transient_failure_with_exit_code_0_is_tried_again(runs: Runs) -> None:
    tick = FLAKY.format(fails=1, bad="echo overloaded; exit 0", good=WRITE)

    assert runs.go(tick, retry=RetrySpec(match="overloaded", wait=1)).attempts == 2


def test_tries_are_bounded_and_counted_in_the_error(runs: Runs) -> None:
    done = runs.go("echo overloaded; exit 1", retry=RetrySpec(match="OVERLOADED", times=2, wait=1))

    assert (done.ok, done.attempts, runs.pauses) == (False, 3, [1.5, 1.5])
    assert done.error.endswith("its last words: overloaded (after 3 attempts)")


def test_without_retry_a_command_runs_once(runs: Runs) -> None:
    assert runs.go("echo 429 rate limit; exit 1").attempts == 1


def test_another_failure_is_not_tried_again(runs: Runs) -> None:
    done = runs.go("echo syntax error; exit 1", retry=RetrySpec(match="overloaded"))

    assert done.attempts == 1


def test_a_decision_of_a_failed_attempt_does_not_survive(runs: Runs) -> None:
    bad = f"{WRITE}; echo overloaded; exit 1"
    tick = FLAKY.format(fails=1, bad=bad, good="true")

    done = runs.go(tick, retry=RetrySpec(match="overloaded", wait=1))

    assert (done.code, done.attempts) == ("no-decision", 2)


def test_a_pause_that_would_pass_the_wall_is_not_made(runs: Runs) -> None:
    done = runs.go("echo overloaded; exit 1", retry=RetrySpec(match="over", wait="1h"), wall_s=5)

    assert (done.code, done.attempts, runs.pauses) == ("failed", 1, [])


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'say "hi"', "$HOME", "`date`", "$(date)", "a\\b", "*", "ä☃", "-n"]
)
@pytest.mark.parametrize(
    "command",
    [
        "cat {{prompt_file}}",
        "cat '{{prompt_file}}'",
        'cat "{{prompt_file}}"',
        'echo "$(cat {{prompt_file}})"',
        'echo "$(cat "{{prompt_file}}")"',
        "# don't\ncat {{prompt_file}}",
        'for f in {{prompt_file}}; do cat "$f"; done',
        "x=\\'; cat \"\"'{{prompt_file}}'",
    ],
)
def test_the_path_of_the_prompt_survives_the_shell(tmp_path: Path, name: str, command: str) -> None:
    runs = Runs(tmp_path / name)

    done = runs.go(command)

    assert runs.lines == ["the prompt"], done.error


def test_with_the_placeholder_stdin_is_null(runs: Runs) -> None:
    runs.go("cat; test -f {{prompt_file}} && echo there")

    assert runs.lines == ["there"]


def test_without_the_placeholder_a_large_prompt_comes_on_stdin(runs: Runs) -> None:
    runs.prompt.write_bytes(b"x" * 262144)

    runs.go("wc -c")

    assert [line.strip() for line in runs.lines] == ["262144"]


def test_output_that_is_not_utf8_is_kept_and_shown(runs: Runs) -> None:
    done = runs.go(f"printf 'a\\377\\033[31mb\\n'; {WRITE}")

    assert done.ok
    assert runs.lines == ["a\ufffd\\x1b[31mb"]
    assert (runs.dir / "stream.ndjson").read_bytes() == b"a\xff\x1b[31mb\n"
    assert (runs.dir / "output.log").read_text() == "a\ufffd\\x1b[31mb\n"


def test_the_raw_stream_is_private(runs: Runs) -> None:
    runs.go("echo x")

    for name in ("stream.ndjson", "output.log"):
        assert stat.S_IMODE((runs.dir / name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("ln -s /etc/hostname .decision.json", "symbolic link"),
        ("mkdir .decision.json", "not a regular file"),
        ("mkfifo .decision.json", "not a regular file"),
        ("head -c 1100000 /dev/zero | tr '\\0' x > .decision.json", "larger than"),
        ("printf '\\377' > .decision.json", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_taken_is_an_error(runs: Runs, command: str, why: str) -> None:
    done = runs.go(f"echo '{NOOP}'; {command}")

    assert (done.ok, done.code, done.decision_text) == (False, "failed", None)
    assert why in done.error


def test_huge_output_is_bounded(runs: Runs) -> None:
    done = runs.go(f"head -c 40000000 /dev/zero | tr '\\0' x; echo; yes y | head -n 50; {WRITE}")

    assert done.ok
    assert runs.lines[0] == "[a line of more than 8 MiB is left out]"
    assert runs.lines[-1] == "y"
    raw = runs.dir / "stream.ndjson"
    assert raw.stat().st_size <= (32 << 20) + 100
    assert raw.read_bytes()[-200:].endswith(b'"the rest of the stream is left out"}\n')


def test_a_price_in_the_stream_is_metered(runs: Runs) -> None:
    tick = f'echo \'{{"type":"done","cost":{{"usd":0.25}}}}\'; {WRITE}'

    done = runs.go(tick, cost=CostSpec(type="done", pointer="/cost/usd"))

    assert done.usage is not None
    assert (done.usage.cost_usd, done.metered) == (0.25, True)


def test_prices_of_all_attempts_are_summed(runs: Runs) -> None:
    price = 'echo \'{"type":"done","usd":0.25}\''
    tick = FLAKY.format(fails=1, bad=f"{price}; echo overloaded; exit 1", good=f"{price}; {WRITE}")

    done = runs.go(
        tick,
        cost=CostSpec(type="done", pointer="/usd"),
        retry=RetrySpec(match="overloaded", wait=1),
    )

    assert done.usage is not None
    assert done.usage.cost_usd == 0.5


def test_without_a_price_a_run_is_not_metered(runs: Runs) -> None:
    assert not runs.go(WRITE).metered


def test_the_environment_of_a_runner_is_its_own(runs: Runs) -> None:
    spec = RunnerSpec(tick='echo "$A $B"', env={"B": "spec"})

    runs.launch("mine", spec, env={"PATH": os.environ["PATH"], "A": "given", "B": "given"})

    assert runs.lines == ["given spec"]


def test_an_unknown_runner_names_the_known_ones(runs: Runs) -> None:
    done = runs.launch("clod", None)

    assert (done.code, done.attempts, done.metered) == ("spawn", 0, True)
    assert "'clod'" in done.error
    assert "claude, codex, gemini, opencode, pi" in done.error


def test_a_runner_without_a_command_says_so(runs: Runs) -> None:
    done = runs.launch("mine", RunnerSpec(model="x"))

    assert (done.code, done.error) == (
        "spawn",
        "[runners.mine] has no tick: say the command that decides",
    )


def test_a_program_that_is_not_there_is_named_with_its_mend(runs: Runs) -> None:
    done = runs.launch("claude", None, env={"PATH": "/nowhere"})

    assert done.code == "spawn"
    assert "'claude', which is not on PATH: install it" in done.error


@pytest.mark.parametrize(
    ("retry", "said"),
    [
        (RetrySpec(match="("), "is no regular expression"),
        (RetrySpec(match="x", wait="soon"), "is not a duration"),
    ],
)
def test_a_retry_that_cannot_be_meant_is_named(runs: Runs, retry: RetrySpec, said: str) -> None:
    done = runs.go(WRITE, retry=retry)

    assert done.code == "spawn"
    assert said in done.error
    assert "[runners.mine] retry." in done.error


def fake_cli(runs: Runs, name: str, script: str) -> dict[str, str]:
    """An environment in which the program `name` is this bash script."""
    directory = runs.dir.parent / "bin"
    directory.mkdir(exist_ok=True)
    program = directory / name
    program.write_text(f"#!/usr/bin/env bash\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


def test_a_preset_succeeds_only_if_its_stream_says_so(runs: Runs) -> None:
    env = fake_cli(runs, "codex", f"cat > /dev/null; {WRITE}; echo 'no model' >&2; exit 0")

    done = runs.launch("codex", None, env=env)

    assert (done.ok, done.code) == (False, "failed")
    assert done.error == "codex: ended with exit code 0 and no outcome; its last words: no model"


def test_a_preset_reads_the_prompt_on_stdin_and_keeps_stderr_apart(runs: Runs) -> None:
    turn = '{"type":"turn.completed","usage":{"input_tokens":10,"output_tokens":2}}'
    item = '{"type":"item.completed","item":{"type":"agent_message","text":"%s"}}\\n'
    script = f"echo noise >&2; printf '{item}' \"$(cat)\"; echo '{turn}'; exit 1"

    done = runs.launch("codex", RunnerSpec(model="gpt-5"), env=fake_cli(runs, "codex", script))

    assert (done.ok, done.decision_text, done.model) == (True, "the prompt", "gpt-5")
    assert done.metered
    assert runs.lines == ["the prompt", "done, 12 tokens"]


def test_a_permanent_error_ends_the_run_at_its_first_sign(runs: Runs) -> None:
    line = '{"type":"error","message":"Reconnecting... 1/5 (unexpected status 401 Unauthorized)"}'

    done = runs.launch("codex", None, env=fake_cli(runs, "codex", f"echo '{line}'; exec sleep 60"))

    assert (done.code, done.attempts, done.metered) == ("permanent", 1, True)
    assert "401 Unauthorized" in done.error
    assert done.took_s < 5


def test_a_preset_is_tried_three_times(runs: Runs) -> None:
    line = '{"type":"turn.failed","error":{"message":"last status: 429 Too Many Requests"}}'

    done = runs.launch("codex", None, env=fake_cli(runs, "codex", f"echo '{line}'; exit 1"))

    assert (done.code, done.attempts, runs.pauses) == ("failed", 3, [3.0, 9.0])


def test_retry_of_a_spec_overrides_that_of_a_preset(runs: Runs) -> None:
    env = fake_cli(runs, "codex", "echo 'flux failed' >&2; exit 1")
    spec = RunnerSpec(retry=RetrySpec(match="flux", times=1, wait=7))

    done = runs.launch("codex", spec, env=env)

    assert (done.attempts, runs.pauses) == (2, [10.5])


def test_a_tick_of_ones_own_replaces_the_command_of_a_preset(runs: Runs) -> None:
    result = '{"type":"result","is_error":false,"result":"{}","total_cost_usd":0.5}'

    done = runs.go(f"echo '{result}'; {WRITE}", name="claude")

    assert (done.ok, done.decision_text) == (True, NOOP)
    assert done.usage is not None
    assert done.usage.cost_usd == 0.5


def test_a_tick_of_ones_own_may_print_plain_text(runs: Runs) -> None:
    done = runs.go(f"echo '{NOOP}'", name="claude")

    assert (done.ok, done.decision_text) == (True, NOOP)


def test_a_second_launch_in_the_same_directory_starts_clean(runs: Runs) -> None:
    runs.go(WRITE)

    assert runs.go("true").code == "no-decision"
