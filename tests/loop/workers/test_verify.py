"""The declared check: run once, by the loop, and a pass only for a command that ends with 0."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.loop.workers import verify
from looop.model.records import Checked, Done, Ended, Tombstone, Worker
from tests.loop.workers.support import Profile
from tests.support.leftovers import living, nothing_left, unsynced

__all__ = ["nothing_left", "unsynced"]

ENDED = Ended(state="exited", at=2.0, code=0)
KILLED = Tombstone(by="human", at=2.0, why="")
DONE = Done(outcome="done", summary="all of it", at=2.0)
# Processes are marked with it, so that no two runs of tests may share one.
GENERATION = secrets.token_hex(8)
W = Worker(id="w", generation=GENERATION, started=1.0, runner="rules", verify="true", ended=ENDED)


def judge(profile: Profile, command: str, **fields: Any) -> Checked:
    record = msgspec.structs.replace(W, verify=command, **fields)
    return asyncio.run(verify.judge(profile.opened, record))


# -- whether it is run -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, True),
        ({"verify": ""}, False),
        ({"ended": None}, False),
        ({"checked": Checked(ok=False, output="", at=3.0)}, False),
        ({"checked": Checked(ok=None, output="", at=3.0)}, False),
        ({"killed": KILLED}, True),
    ],
)
def test_it_is_due_once_after_the_end(fields: dict[str, Any], due: bool) -> None:
    assert verify.due(msgspec.structs.replace(W, **fields)) is due


@pytest.mark.parametrize(
    ("fields", "owed"),
    [
        ({}, True),
        ({"ended": None}, True),
        ({"verify": ""}, False),
        ({"checked": Checked(ok=True, output="", at=3.0)}, False),
        ({"killed": KILLED}, False),
        ({"killed": KILLED, "done": DONE}, True),
    ],
)
def test_a_check_is_owed_until_it_was_run_where_it_can_prove_something(
    fields: dict[str, Any], owed: bool
) -> None:
    assert verify.owed(msgspec.structs.replace(W, **fields)) is owed


def test_a_verdict_that_is_there_stays() -> None:
    first, second = Checked(ok=False, output="", at=3.0), Checked(ok=True, output="", at=4.0)
    judged = verify.judged(W, first)

    assert judged.checked == first
    assert verify.judged(judged, second) == judged


# -- the verdict -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "ok", "code"),
    [("true", True, 0), ("exit 3", False, 3), ("kill -9 $$", False, 137), ("no-such", False, 127)],
)
def test_only_an_exit_code_of_0_is_a_pass(
    profile: Profile, command: str, ok: bool, code: int
) -> None:
    found = judge(profile, command)

    assert (found.ok, found.code, found.tries) == (ok, code, 1)
    assert found.at == profile.clock.now
    assert found.took_s >= 0


def test_what_it_says_on_both_streams_is_kept_in_order_and_clean(profile: Profile) -> None:
    found = judge(profile, "echo one; echo two >&2; printf '\\033[31mred\\033[m\\a'; exit 1")

    assert found.output.startswith("one\ntwo\n")
    assert "red" in found.output
    assert "\x1b" not in found.output
    assert "\x07" not in found.output


def test_of_much_output_the_end_is_kept(profile: Profile) -> None:
    found = judge(profile, "yes line | head -n 100000; echo the end")

    assert found.output.endswith("the end\n")
    assert len(found.output) <= 2 * verify.OUTPUT_BYTES


def test_a_check_that_takes_too_long_is_a_failure_with_what_it_said(profile: Profile) -> None:
    profile.open(verify_timeout=0.2)

    found = judge(profile, "echo began; setsid sleep 600 & exec sleep 600")

    assert found.ok is False
    assert found.output == "began\n\n(stopped after 0.2 s)"
    assert found.tries == 1
    assert living(profile.paths.data) == []


@pytest.mark.parametrize("wall_s", [0.0, 1e300])
def test_without_a_deadline_or_with_a_huge_one_it_just_runs(
    profile: Profile, wall_s: float
) -> None:
    profile.open(verify_timeout=wall_s)

    assert judge(profile, "true").ok


def test_a_shell_that_cannot_start_is_a_failure_and_never_a_pass(profile: Profile) -> None:
    profile.env["PATH"] = "/nowhere"

    found = judge(profile, "true")

    assert found.ok is False
    assert found.output.startswith("the check could not be started: ")


def test_a_check_leaves_nothing_running(profile: Profile) -> None:
    assert judge(profile, "setsid sleep 600 >/dev/null 2>&1 &").ok
    assert living(profile.paths.data) == []


# -- where it runs -----------------------------------------------------------------------------


def test_it_runs_where_the_worker_stood_with_the_workers_name(
    profile: Profile, tmp_path: Path
) -> None:
    place = tmp_path / "a place"
    place.mkdir()

    found = judge(
        profile, 'pwd; echo "$LOOOP_SESSION_ID $LOOOP_GENERATION $LOOOP_DATA_DIR"',
        work_dir=str(place),
    )  # fmt: skip

    assert found.output == f"{place}\nw {GENERATION} {profile.paths.data}\n"


@pytest.mark.parametrize("place", ["", "/no/such/place"])
def test_without_that_place_it_runs_in_the_data_dir(profile: Profile, place: str) -> None:
    assert judge(profile, "pwd", work_dir=place).output == f"{profile.paths.data}\n"


def test_it_reads_nothing_from_us(profile: Profile) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    try:
        assert judge(profile, "cat; echo end").output == "end\n"
    finally:
        os.close(reader)


# -- killed workers ----------------------------------------------------------------------------


def test_the_work_of_a_killed_worker_is_not_judged(profile: Profile) -> None:
    found = judge(profile, "touch ran", killed=KILLED)

    assert (found.ok, found.output, found.tries) == (None, "not run: human ended the worker", 0)
    assert not (profile.paths.data / "ran").exists()


def test_one_that_was_ended_after_it_was_done_is_judged(profile: Profile) -> None:
    assert judge(profile, "true", killed=KILLED, done=DONE).ok


@pytest.mark.parametrize("state", ["exited", "dead", "failed", "killed"])
def test_however_else_it_ended_it_is_judged(profile: Profile, state: Any) -> None:
    assert judge(profile, "true", ended=Ended(state=state, at=2.0)).ok


# -- trying again ------------------------------------------------------------------------------

COUNT = 'echo x >> "$HOME/tries"; '


def tries(profile: Profile) -> int:
    return len((Path(profile.env["HOME"]) / "tries").read_text().split())


@pytest.mark.parametrize(
    "words",
    [
        "curl: (6) Could not resolve host: x",
        "ssh: connect to host x port 22: Connection timed out",
        "error: 503",
        "Connection refused",
        "HTTP status: 429",
    ],
)
def test_what_could_not_be_reached_is_tried_again_where_that_is_set(
    profile: Profile, words: str
) -> None:
    profile.open(verify_retries=2)

    found = judge(profile, f"{COUNT} echo '{words}'; exit 1")

    assert (found.ok, found.tries, tries(profile)) == (False, 3, 3)


def test_the_first_try_that_passes_is_the_verdict(profile: Profile) -> None:
    profile.open(verify_retries=2)

    found = judge(
        profile, f'{COUNT} [ -e again ] || {{ touch again; echo "Connection reset"; exit 1; }}'
    )

    assert (found.ok, found.tries) == (True, 2)


@pytest.mark.parametrize(
    ("retries", "script"),
    [
        (0, "echo Connection refused; exit 1"),
        (2, "echo 'assertion failed on line 503'; exit 1"),
        (2, "echo Connection refused; exit 0"),
    ],
)
def test_anything_else_is_tried_once(profile: Profile, retries: int, script: str) -> None:
    profile.open(verify_retries=retries)

    assert judge(profile, COUNT + script).tries == tries(profile) == 1
