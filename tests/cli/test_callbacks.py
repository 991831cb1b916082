"""The verbs that workers call: their stdout is a protocol, and what they say is kept."""

import json
from pathlib import Path

import pytest

from tests.cli.session import Crew


def said(crew: Crew, script: str, name: str = "w") -> str:
    """What a script in a worker printed to a file of its own, once the worker has ended."""
    crew.worker(f"exec > out 2> err\n{script}", name)
    crew("wait", name, "--timeout", "20s")
    place = Path(crew.row(name)["work_dir"])
    assert (place / "err").read_text() == ""
    return (place / "out").read_text()


# -- claims ----------------------------------------------------------------------------------


def test_a_worker_claims_under_its_own_name_and_a_claim_it_has_is_silent(crew: Crew) -> None:
    assert said(crew, "looop claim box; looop claim box; looop _ claim third") == (
        "claimed box\nclaimed third\n"
    )

    rows = crew.ok("ls", "--claims", "--json").json
    assert [(row["name"], row["session"]) for row in rows] == [("box", "w"), ("third", "w")]
    assert {row["generation"] for row in rows} == {crew.row("w")["generation"]}
    heads, *lines = crew.ok("ls", "--claims").out.splitlines()
    assert heads.split() == ["CLAIM", "HOLDER", "SINCE"]
    assert [line.split()[:2] for line in lines] == [["box", "w"], ["third", "w"]]


def test_a_claim_that_is_ours_already_changes_nothing_that_wakes_the_loop(crew: Crew) -> None:
    crew.ok("claim", "box", "--session", "me")
    first = crew.ok("ls", "--claims", "--json").json[0]

    assert crew.ok("claim", "box", "--session", "me").out == ""

    second = crew.ok("ls", "--claims", "--json").json[0]
    assert {**first, "nonce": ""} == {**second, "nonce": ""}


def test_a_claim_of_a_living_session_is_refused_to_others_and_its_holder_is_named(
    crew: Crew,
) -> None:
    crew.program("exec sleep 1000", "holder")
    crew.ok("claim", "box", "--session", "holder")

    for verb in ("claim", "unclaim"):
        done = crew(verb, "box", "--session", "other")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("looop: box is held by holder since ")
        assert done.err.count("\n") == 1
    assert crew.ok("unclaim", "box", "--session", "holder").out == ""
    assert crew.ok("claim", "box", "--session", "other").out == "claimed box\n"


def test_a_claim_of_a_dead_session_is_free_to_take(crew: Crew) -> None:
    crew.program("exec sleep 1000", "holder")
    crew.ok("claim", "box", "--session", "holder")
    crew.ok("kill", "holder")

    taken = crew.ok("claim", "box", "--session", "other", "--json")

    assert taken.json == {"claim": "box", "how": "reclaimed"}


def test_a_successor_of_the_same_name_does_not_have_the_claims_of_its_predecessor(
    crew: Crew,
) -> None:
    crew.worker("looop claim box > out; sleep 1000")
    crew.ok("wait-idle", "w")
    crew.ok("kill", "w")

    assert said(crew, "looop claim box") == "claimed box\n"


def test_giving_back_what_is_not_held_is_no_error(crew: Crew) -> None:
    for _ in range(2):
        assert crew.ok("unclaim", "box", "--session", "me").out == ""
    assert crew.ok("unclaim", "box", "--session", "me", "--json").json == {
        "claim": "box",
        "how": "released",
    }


@pytest.mark.parametrize("verb", ["claim", "unclaim"])
def test_a_claim_without_a_holder_is_a_usage_error_and_writes_nothing(
    crew: Crew, verb: str
) -> None:
    done = crew(verb, "box")

    assert (done.code, done.out) == (2, "")
    assert "give --session" in done.err
    assert done.err.count("\n") == 1
    assert list((crew.data / "claims").glob("*.json")) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b", "x" * 65])
def test_a_name_that_no_claim_can_have_is_refused(crew: Crew, name: str) -> None:
    done = crew("claim", name, "--session", "me")

    assert (done.code, done.out) == (2, "")
    assert "cannot name a claim" in done.err
    assert list((crew.data / "claims").glob("*")) == []


def test_a_flag_is_never_taken_for_the_name(crew: Crew) -> None:
    assert crew("claim", "--session", "me").code == 2
    assert crew("claim", "--sesion", "me").code == 2
    assert crew("claim", "box", "--session").code == 2
    assert list((crew.data / "claims").glob("*.json")) == []


@pytest.mark.parametrize("stdout", ["claimed box\n"])
def test_a_claim_that_is_refused_prints_nothing_that_a_script_could_take_for_a_win(
    crew: Crew, stdout: str
) -> None:
    crew.program("exec sleep 1000", "holder")
    crew.ok("claim", "box", "--session", "holder")

    found = said(crew, "if won=$(looop claim box 2> why); then echo $won; else echo no; fi")

    assert found == "no\n" != stdout
    assert "box is held by holder" in (crew.place() / "why").read_text()


# -- the end of the work ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "outcome", "code"),
    [
        ("all good", "done", 0),
        ("--outcome blocked all good", "blocked", 1),
        ("all --outcome failed good", "failed", 1),
    ],
)
def test_a_worker_that_is_done_ends_its_terminal(
    crew: Crew, words: str, outcome: str, code: int
) -> None:
    crew.worker(f"looop done {words}; sleep 1000")

    assert crew("wait", "w", "--timeout", "20s").code == code

    row = crew.row("w")
    assert (row["outcome"], row["summary"], row["state"]) == (outcome, "all good", outcome)
    assert row["killed_by"] == ""
    assert f"w: {outcome}" in crew.ok("log", "w").out


@pytest.mark.parametrize("verb", ["kill", "_ kill"])
def test_a_worker_that_kills_itself_has_said_that_it_is_done(crew: Crew, verb: str) -> None:
    crew.worker(f'looop {verb} "$LOOOP_SESSION_ID"; sleep 1000')

    assert crew("wait", "w", "--timeout", "20s").code == 0

    row = crew.row("w")
    assert (row["outcome"], row["state"], row["killed_by"]) == ("done", "done", "")


def test_done_may_leave_the_terminal_alone(crew: Crew) -> None:
    found = said(crew, "looop done --stay the summary; looop done --stay --json other; echo on")

    assert found == 'w: done\n{\n  "session": "w",\n  "outcome": "done"\n}\non\n'
    assert crew.row("w")["summary"] == "the summary"


def test_the_first_word_about_an_end_stands_and_is_told(crew: Crew) -> None:
    found = said(crew, "looop done --stay --outcome failed no; looop done --stay yes")

    assert found == "w: failed\nw: failed\n"


def test_a_summary_may_come_on_stdin(crew: Crew) -> None:
    said(crew, "echo 'from stdin' | looop done --stay -")

    assert crew.row("w")["summary"] == "from stdin"


def test_somebody_else_can_say_that_a_worker_is_done(crew: Crew) -> None:
    crew.worker("sleep 1000")

    assert crew.ok("done", "enough", "--session", "w").out == "w: done\n"

    assert crew.row("w")["state"] == "done"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ((), 2, "whose end? give --session, or run this inside a worker"),
        (("x", "--session", "nobody"), 1, "there is no worker 'nobody'; `looop ls` lists them"),
        (("x", "--session", "over"), 1, "over has ended already"),
        (("x", "--outcome", "great", "--session", "over"), 2, "invalid choice: 'great'"),
        (("--sumary", "x"), 2, "unrecognized arguments: --sumary"),
    ],
)
def test_done_that_cannot_be_is_one_line(
    crew: Crew, words: tuple[str, ...], code: int, why: str
) -> None:
    crew.worker("true", "over")
    crew("wait", "over")

    done = crew("done", *words)

    assert (done.code, done.out) == (code, "")
    assert why in done.err
    assert done.err.count("\n") == 1


def test_a_process_of_an_earlier_generation_cannot_speak_for_its_successor(crew: Crew) -> None:
    crew.worker("sleep 1000")

    done = crew("done", "x", LOOOP_SESSION_ID="w", LOOOP_GENERATION="of-another")

    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert (crew.row("w")["outcome"], crew.row("w")["alive"]) == ("", True)


# -- the embedded worker ---------------------------------------------------------------------


def test_a_block_that_fails_says_where(crew: Crew) -> None:
    crew.worker("echo before\nfalse\necho after")

    assert crew("wait", "w").code == 1

    row = crew.row("w")
    assert row["outcome"] == "failed"
    assert "at `false`" in row["summary"]
    assert "after" not in crew.ok("log", "w").out


def test_a_worker_knows_where_it_is_and_which_it_is(crew: Crew) -> None:
    names = ("SESSION_ID", "GENERATION", "DATA_DIR", "CLAIMS_DIR", "REPORTS_DIR", "CONFIG")
    found = said(crew, "\n".join(f'echo "$LOOOP_{name}"' for name in names)).splitlines()

    data = crew.data
    assert found[0] == "w"
    assert found[1] == crew.row("w")["generation"]
    assert found[2:] == [str(data), f"{data}/claims", f"{data}/reports", f"{data}/config.toml"]


# -- money -----------------------------------------------------------------------------------


def test_a_worker_of_ones_own_command_tells_its_cost(crew: Crew) -> None:
    crew.ok(
        "start-session",
        "w",
        "brief",
        "--command",
        "cat {{prompt_file}} >&2; looop cost record 0.25; looop cost record --model m 0.5 --json",
    )
    assert crew("wait", "w", "--timeout", "20s").code == 0

    rows = [json.loads(x) for x in (crew.data / "cost.jsonl").read_text().splitlines()]
    assert [(r["kind"], r["id"], r["cost_usd"], r.get("model", "")) for r in rows] == [
        ("session", "w", 0.25, ""),
        ("session", "w", 0.5, "m"),
    ]
    assert crew.ok("cost", "--json").json["total_usd"] == 0.75


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("record",), 2, "say how much, as in: looop cost record 0.42"),
        (("record", "x"), 2, "argument usd: invalid float value: 'x'"),
        (("record", "-1", "--session", "w"), 2, "-1.0 is not an amount of US dollars"),
        (("record", "nan", "--session", "w"), 2, "is not an amount of US dollars"),
        (("record", "inf", "--session", "w"), 2, "is not an amount of US dollars"),
        (("record", "1"), 2, "whose cost? give --session, or run this inside a worker"),
        (("record", "1", "--session", "w"), 1, "there is no worker 'w'; `looop ls` lists them"),
        (("today", "1"), 2, "an amount goes with `record`, as in: looop cost record 0.42"),
    ],
)
def test_a_cost_that_makes_no_sense_is_refused_and_nothing_is_written(
    crew: Crew, words: tuple[str, ...], code: int, why: str
) -> None:
    done = crew("cost", *words)

    assert (done.code, done.out) == (code, "")
    assert why in done.err
    assert done.err.count("\n") == 1
    assert not (crew.data / "cost.jsonl").exists()


# -- hooks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", ["", "no json", "[]", '{"hook_event_name": "Stop"}'])
def test_a_hook_never_gets_in_the_way_of_its_agent(crew: Crew, payload: str) -> None:
    for where in ({}, {"LOOOP_SESSION_ID": "nobody", "LOOOP_GENERATION": "x"}):
        done = crew("hook", stdin=payload, **where)
        assert (done.code, done.out) == (0, "")
        assert "Traceback" not in done.err


def test_reports_of_a_worker_outlive_it(crew: Crew, tmp_path: Path) -> None:
    crew.worker('echo found > "$LOOOP_REPORTS_DIR/w.md"')
    crew("wait", "w")
    for _ in range(3):
        crew("tick", "--force")

    assert crew.ok("prune").out == "removed w\n"
    assert (crew.data / "reports" / "w.md").read_text() == "found\n"
    assert not (crew.data / "sessions" / "w").exists()


# ------------------------------------------------------------------------------------- flags


def test_a_worker_with_a_flag_waits_for_a_human_until_the_flag_is_down(crew: Crew) -> None:
    crew.worker(
        '"$LOOOP_BIN" flag look at me\nread -r x\n"$LOOOP_BIN" unflag\necho down\nread -r x'
    )
    crew.ok("expect", "w", "flagged as w-1")

    assert (crew.row("w")["health"], crew.row("w")["asks"]) == ("waiting", ["w-1"])
    assert crew.ok("asks", "w-1", "--json").json["prompt"] == "look at me"

    crew.ok("send", "w", "go")
    crew.ok("expect", "w", "^down")

    assert crew.row("w")["asks"] == []
    assert crew.ok("asks", "--json").json == []


def test_a_flag_that_is_up_is_not_put_up_twice_and_an_empty_one_not_at_all(crew: Crew) -> None:
    crew.worker("read -r x")

    assert crew("flag", "--session", "w", " ").code == 2
    assert crew.ok("flag", "--session", "w").out == "flagged as w-1\n"
    assert crew.ok("flag", "--session", "w", "again").out == "flagged as w-1\n"
    assert crew.ok("asks", "w-1", "--json").json["prompt"] == "needs attention"
    assert crew.ok("unflag", "--session", "w", "--json").json == {"unflagged": True}
    assert crew.ok("unflag", "--session", "w", "--json").json == {"unflagged": False}


def test_a_flag_that_a_human_has_answered_is_over(crew: Crew) -> None:
    crew.worker("read -r x")
    crew.ok("flag", "--session", "w", "look")

    crew.ok("answer", "w-1", "seen")

    assert crew.row("w")["asks"] == []
