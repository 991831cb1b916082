"""Transcripts of the real CLIs: whose they are, what they bought, and what no file may do."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given as sampled
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from looop.errors import Unreadable
from looop.kit import text
from looop.kit.shapes import is_object
from looop.loop.decide.streams import Usage
from looop.loop.workers.agents import AGENTS, Brief, given
from tests.loop.workers.agents.support import FIXTURES, NOW, brief_in

CLAUDE, CODEX, PI = AGENTS["claude"], AGENTS["codex"], AGENTS["pi"]
ANSWER = "All is done as you said."
BOUGHT = Usage(input_tokens=700, cached_tokens=250, cache_write_tokens=50, output_tokens=40)


def rows(case: str) -> list[dict[str, Any]]:
    raw = (FIXTURES / f"{case}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in raw.splitlines()]


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# -- what was bought -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "model", "usage"),
    [
        ("claude-ok", "claude-opus-5-5", BOUGHT),
        ("claude-closed", "claude-opus-5-5", replace(BOUGHT, cost_usd=0.0039)),
        ("codex-ok", "gpt-5", replace(BOUGHT, input_tokens=750, cache_write_tokens=0)),
        ("pi-ok", "mock/mock-model", replace(BOUGHT, cost_usd=0.0029625)),
    ],
)
def test_a_recorded_transcript_says_what_it_bought(case: str, model: str, usage: Usage) -> None:
    tally = AGENTS[case.partition("-")[0]].tally(FIXTURES / f"{case}.jsonl")
    assert list(tally) == [model]
    assert replace(tally[model], cost_usd=None) == replace(usage, cost_usd=None)
    assert tally[model].cost_usd == (pytest.approx(usage.cost_usd) if usage.cost_usd else None)


@pytest.mark.parametrize("case", ["claude-limit", "codex-limit", "pi-limit"])
def test_what_was_refused_cost_nothing(case: str) -> None:
    assert AGENTS[case.partition("-")[0]].tally(FIXTURES / f"{case}.jsonl") == {}


@pytest.mark.parametrize("cli", AGENTS)
def test_a_transcript_that_is_gone_bought_nothing_and_one_out_of_reach_is_said(
    cli: str, tmp_path: Path
) -> None:
    assert AGENTS[cli].tally(tmp_path / "absent.jsonl") == {}
    assert AGENTS[cli].told(tmp_path / "absent.jsonl", NOW) is None
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(Unreadable):
        AGENTS[cli].tally(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("case", "cli"), [("claude-ok", CLAUDE), ("codex-ok", CODEX), ("pi-ok", PI)]
)
def test_a_row_that_is_still_being_written_is_none_yet(case: str, cli: Any, tmp_path: Path) -> None:
    whole = (FIXTURES / f"{case}.jsonl").read_bytes()
    path = tmp_path / "t.jsonl"
    path.write_bytes(whole + whole.splitlines()[-1][:40])
    assert cli.tally(path) == cli.tally(FIXTURES / f"{case}.jsonl")


def message(number: int, output: int, model: str = "m", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": output}
    return {
        "type": "assistant",
        "uuid": f"u{number}{output}",
        "message": {"id": f"msg_{number}", "model": model, "usage": usage} | more,
    }


def closing(cost: float, **models: int) -> dict[str, Any]:
    sums = {
        name: {"inputTokens": tokens, "outputTokens": 0, "costUSD": cost}
        for name, tokens in models.items()
    }
    return {"type": "cost-state", "modelUsage": sums}


def test_a_message_of_claude_counts_once_however_many_blocks_it_has(tmp_path: Path) -> None:
    path = written(
        tmp_path / "t.jsonl",
        message(1, 1),
        message(1, 30),
        message(1, 30),
        message(2, 5),
        message(3, 9, model="<synthetic>"),
    )
    assert CLAUDE.tally(path) == {"m": Usage(input_tokens=20, output_tokens=35)}


def test_models_of_claude_are_told_apart_and_its_variants_are_not(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", message(1, 1), message(2, 2, "n"), message(3, 4, "m[1m]"))
    tally = CLAUDE.tally(path)
    assert {model: usage.output_tokens for model, usage in tally.items()} == {"m": 5, "n": 2}


def test_the_closing_sum_of_claude_is_believed_if_it_covers_what_was_said(tmp_path: Path) -> None:
    said = [message(1, 5), message(2, 5)]
    price = {"m": Usage(cost_usd=0.5, input_tokens=100)}
    path = tmp_path / "t.jsonl"
    assert CLAUDE.tally(written(path, *said, closing(0.5, m=100))) == price
    told = Usage(input_tokens=20, output_tokens=10)
    # Of one process among several; of another model; and before more was bought.
    assert CLAUDE.tally(written(path, *said, closing(0.5, m=15))) == {"m": told}
    assert CLAUDE.tally(written(path, *said, closing(0.5, n=100))) == {"m": told}
    assert CLAUDE.tally(written(path, closing(0.5, m=100), *said)) == {"m": told}


def test_a_price_that_claude_itself_only_guesses_is_none(tmp_path: Path) -> None:
    row = closing(0.5, m=100) | {"hasUnknownModelCost": True}
    path = written(tmp_path / "t.jsonl", message(1, 5), row)
    assert CLAUDE.tally(path) == {"m": Usage(input_tokens=100)}


def counted(total: int, last: int = 0) -> dict[str, Any]:
    def usage(tokens: int) -> dict[str, int]:
        return {"input_tokens": tokens, "cached_input_tokens": tokens // 2, "output_tokens": tokens}

    info = {"total_token_usage": usage(total), "last_token_usage": usage(last)}
    return {"type": "event_msg", "payload": {"type": "token_count", "info": info}}


def of_model(name: str) -> dict[str, Any]:
    return {"type": "turn_context", "payload": {"model": name}}


def test_the_sums_of_codex_are_told_apart_by_the_model_of_the_turn(tmp_path: Path) -> None:
    path = written(
        tmp_path / "t.jsonl",
        of_model("a"),
        counted(10),
        counted(10),
        counted(30),
        of_model("b"),
        counted(34),
        {"type": "event_msg", "payload": {"type": "token_count", "info": None}},
    )
    assert CODEX.tally(path) == {
        "a": Usage(input_tokens=15, cached_tokens=15, output_tokens=30),
        "b": Usage(input_tokens=2, cached_tokens=2, output_tokens=4),
    }


def test_a_sum_of_codex_that_begins_anew_loses_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", of_model("a"), counted(100), counted(8, 4), counted(8, 4))
    assert CODEX.tally(path)["a"].output_tokens >= 104


def test_what_pi_bought_beside_its_answers_counts_too(tmp_path: Path) -> None:
    usage = {"input": 1, "output": 2, "cost": {"total": 0.25}}
    kept = {"provider": "p", "model": "m", "usage": usage}
    path = written(
        tmp_path / "t.jsonl",
        {"type": "message", "message": {"role": "assistant", **kept}},
        {"type": "usage", "kind": "cache_warm", **kept},
        {"type": "compaction", "usage": usage},
    )
    tally = PI.tally(path)
    assert tally["p/m"] == Usage(cost_usd=0.5, input_tokens=2, output_tokens=4)
    assert tally[""] == Usage(cost_usd=0.25, input_tokens=1, output_tokens=2)


# -- whose they are ------------------------------------------------------------------------------


def test_the_transcripts_of_claude_are_those_of_its_id(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    assert CLAUDE.transcripts(brief, 0.0) == []
    place = tmp_path / "home" / ".claude" / "projects" / "-some-slug"
    own = written(place / f"{brief.transcript_id}.jsonl", message(1, 5))
    written(place / "another.jsonl", message(2, 5))
    sub = written(place / brief.transcript_id / "subagents" / "agent-1.jsonl", message(3, 5))
    assert CLAUDE.transcripts(brief, 0.0) == [own, sub]
    assert CLAUDE.transcripts(replace(brief, transcript_id=""), 0.0) == []

    # A closing sum is one of them all.
    written(own, message(1, 5), closing(0.5, m=100))
    assert CLAUDE.transcripts(brief, 0.0) == [own]
    written(own, message(1, 5), closing(0.5, m=100), message(4, 5))
    assert CLAUDE.transcripts(brief, 0.0) == [own, sub]


def test_claude_may_keep_everything_elsewhere(tmp_path: Path) -> None:
    brief = brief_in(tmp_path, CLAUDE_CONFIG_DIR=str(tmp_path / "conf"))
    own = written(tmp_path / "conf" / "projects" / "x" / f"{brief.transcript_id}.jsonl")
    assert CLAUDE.transcripts(brief, 0.0) == [own]


def began(brief: Brief, session: str, said: str, *, cwd: str = "", root: str = "") -> list[Any]:
    """The first rows of a session of codex."""
    meta = {"id": session, "session_id": root or session, "cwd": cwd or brief.work_dir}
    context = [{"type": "input_text", "text": "<environment_context>"}]
    user = [{"type": "input_text", "text": said}]
    return [
        {"type": "session_meta", "payload": meta},
        {"type": "response_item", "payload": {"role": "developer", "content": user}},
        {"type": "response_item", "payload": {"role": "user", "content": context}},
        {"type": "response_item", "payload": {"role": "user", "content": user}},
    ]


def test_the_transcripts_of_codex_are_those_that_began_with_this_brief_here(tmp_path: Path) -> None:
    brief = brief_in(tmp_path)
    message = given.first_message(brief)
    since = datetime(2026, 11, 21, 1, 0, tzinfo=UTC).timestamp()
    sessions = tmp_path / "home" / ".codex" / "sessions"
    assert CODEX.transcripts(brief, since) == []

    def session(name: str, *args: Any, day: str = "21", at: float = NOW, **kwargs: Any) -> Path:
        path = written(
            sessions / "2026" / "11" / day / f"{name}.jsonl", *began(brief, *args, **kwargs)
        )
        os.utime(path, (at, at))
        return path

    own = session("a-own", "one", message)
    sub = session("b-sub", "two", "Look at it.", root="one")
    session("c-other-brief", "three", message + "!")
    session("d-other-place", "four", message, cwd="/elsewhere")
    session("e-before", "five", message, at=since - 60)
    session("f-long-ago", "six", message, day="19")
    session("g-sub-of-other", "seven", "Look.", root="three")
    (sessions / "2026" / "11" / "21" / "notes.txt").write_text("x")
    (sessions / "2026" / "11" / "21" / "torn.jsonl").write_text('{"type":"session_meta","pay')
    (sessions / "stray").write_text("x")
    assert CODEX.transcripts(brief, since) == [own, sub]


def test_a_brief_that_is_a_file_is_told_apart_all_the_same(tmp_path: Path) -> None:
    brief = brief_in(tmp_path, "word " * 60_000, CODEX_HOME=str(tmp_path / "codex"))
    rows = began(brief, "one", given.first_message(brief))
    own = written(tmp_path / "codex" / "sessions" / "2026" / "11" / "21" / "own.jsonl", *rows)
    assert CODEX.transcripts(brief, 0.0) == [own]


# -- what they tell ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "state", "detail", "until"),
    [
        ("codex-ok", "idle", ANSWER, 0.0),
        ("codex-asks", "busy", "", 0.0),
        ("codex-limit", "limited", "You\u2019ve hit your usage limit.", 1795281540.0),
        ("pi-ok", "idle", ANSWER, 0.0),
        ("pi-limit", "limited", "429", 0.0),
    ],
)
def test_the_last_rows_tell_the_state(case: str, state: str, detail: str, until: float) -> None:
    path = FIXTURES / f"{case}.jsonl"
    # Long after: a time of day was meant when it was written.
    told = AGENTS[case.partition("-")[0]].told(path, NOW + 30 * 86400)
    assert told is not None
    assert told.state == state
    assert told.detail.startswith(detail)
    assert told.until == until
    assert told.transcript == str(path)


def test_a_turn_that_has_begun_again_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    shutil.copy(FIXTURES / "codex-limit.jsonl", path)
    with path.open("a") as file:
        file.write(json.dumps({"type": "event_msg", "payload": {"type": "task_started"}}) + "\n")
    told = CODEX.told(path, NOW)
    assert told is not None
    assert told.state == "busy"


@pytest.mark.parametrize(
    ("last", "state"),
    [
        ({"type": "message", "message": {"role": "user"}}, "busy"),
        ({"type": "message", "message": {"role": "toolResult"}}, "busy"),
        ({"type": "message", "message": {"role": "assistant", "stopReason": "toolUse"}}, "busy"),
        ({"type": "message", "message": {"role": "assistant", "stopReason": "aborted"}}, "idle"),
        (
            {"type": "message", "message": {"role": "assistant", "stopReason": "error"}},
            "failed",
        ),
        ({"type": "context_edit"}, "busy"),
        ({"type": "usage"}, "idle"),
    ],
)
def test_the_last_message_of_pi_tells_the_state(
    last: dict[str, Any], state: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "t.jsonl", *rows("pi-ok"), last)
    told = PI.told(path, NOW)
    assert told is not None
    assert told.state == state


# -- hostile transcripts -------------------------------------------------------------------------

# Values that no writer of a transcript should put anywhere.
NASTY: list[Any] = [
    None, True, False, -1, 10**30, -0.5, 1e300, 5e-324, "", "NaN", "7", "\ud800", "\x1b[2J\u202e",
    [], [[]], [{}], {}, {"type": 1}, {"usage": {"input_tokens": -1}}, "x" * 5000,
]  # fmt: skip
VALUE = st.sampled_from(NASTY) | st.integers() | st.floats() | st.text(max_size=20)


@st.composite
def transcripts(draw: Callable[[Any], Any], case: str) -> bytes:
    """A recorded transcript in which some values are others, and some lines are torn or junk."""
    lines: list[bytes] = []
    for row in rows(case):
        damaged = draw(st.integers(0, 3))
        if damaged == 0:
            _spoil(row, draw)
        line = json.dumps(row).encode()
        if damaged == 1:
            line = line[: draw(st.integers(0, len(line)))]
        lines += [line, draw(st.binary(max_size=20))] if damaged == 2 else [line]
    return b"\n".join(lines)


def _spoil(value: Any, draw: Callable[[Any], Any]) -> None:
    """Put anything in the place of some of the values, all the way down."""
    if not is_object(value):
        return
    for key in list(value):
        if key != "type" and draw(st.integers(0, 5)) == 0:
            value[key] = draw(VALUE)
        else:
            _spoil(value[key], draw)


def check(cli: str, data: bytes, path: Path) -> None:
    path.write_bytes(data)
    for usage in AGENTS[cli].tally(path).values():
        counts = (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens)
        assert all(0 <= count <= 10**12 for count in (*counts, usage.output_tokens))
        assert usage.cost_usd is None or 0 <= usage.cost_usd <= 1e7
        msgspec.json.encode(usage)
    told = AGENTS[cli].told(path, NOW)
    if told is not None:
        assert told.detail == text.one_line(told.detail)
        assert 0 <= told.until <= NOW + 500 * 86400


@settings(deadline=None)
@sampled(transcripts("claude-closed"))
def test_no_transcript_of_claude_is_too_strange(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    check("claude", data, tmp_path_factory.getbasetemp() / "claude.jsonl")


@settings(deadline=None)
@sampled(transcripts("codex-ok"))
def test_no_transcript_of_codex_is_too_strange(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    check("codex", data, tmp_path_factory.getbasetemp() / "codex.jsonl")


@settings(deadline=None)
@sampled(transcripts("pi-ok"))
def test_no_transcript_of_pi_is_too_strange(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    check("pi", data, tmp_path_factory.getbasetemp() / "pi.jsonl")


@pytest.mark.parametrize("number", ["-5", "1e400", "NaN", "1e300", '"7"', "true", "null", "[]"])
def test_no_number_is_believed_that_cannot_be_one(number: str, tmp_path: Path) -> None:
    for cli, case in (("claude", "claude-closed"), ("codex", "codex-ok"), ("pi", "pi-ok")):
        raw = (FIXTURES / f"{case}.jsonl").read_text("utf-8")
        for real in ("700", "1000", "40", "0.0039", "0.0029625"):
            raw = raw.replace(f": {real},", f": {number},").replace(f": {real}}}", f": {number}}}")
        check(cli, raw.encode(), tmp_path / "t.jsonl")
