"""
Real agent CLIs as workers, each started with the command that looop makes for it.

Run with `make test-runners`, as the other tests here: the model is a mock on this machine.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from looop.loop.workers.agents import given
from tests.runners.mock_api import CACHED, FRESH, OUT, WRITTEN
from tests.runners.worker_api import WorkerApi
from tests.runners.workers import RealWorker, until

pytestmark = pytest.mark.runners

CLIS = ("claude", "codex", "pi")
ANSWER = "All is done as you said."

Make = Callable[..., RealWorker]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Workers that are trusted where they stand, and ended with the test."""
    made: list[RealWorker] = []
    apis: list[WorkerApi] = []

    def worker(
        cli: str, *, command: str = "", limited_until: float = 0.0, **more: Any
    ) -> RealWorker:
        api = WorkerApi(ANSWER, command, limited_until)
        api.__enter__()
        apis.append(api)
        new = RealWorker(cli, tmp_path / cli, api, **more)
        made.append(new)
        if cli == "claude":
            new.trust()
        return new

    yield worker
    for one in made:
        one.end()
    for api in apis:
        api.__exit__(None, None, None)


def texts(value: Any) -> Iterator[str]:
    """Every string in a decoded request."""
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():  # pyright: ignore[reportUnknownVariableType]
                yield from texts(inner)
        case list():
            for inner in value:  # pyright: ignore[reportUnknownVariableType]
                yield from texts(inner)
        case _:
            pass


def asked(worker: RealWorker, words: str) -> bool:
    return any(words in said for one in worker.api.asked for said in texts(one.body))


@pytest.mark.parametrize("cli", CLIS)
def test_a_worker_is_given_its_brief_to_the_letter_and_is_seen_to_be_ready(
    make: Make, cli: str
) -> None:
    hostile = "/help @x !y `touch no` $(touch no) \"q\" 'a' \\n\n\n- ${HOME}\n# end"
    worker = make(cli, brief=hostile + "\n")
    assert worker.agent.first_start(worker.brief) == []
    worker.start()
    worker.shows(ANSWER)
    assert asked(worker, hostile)
    assert given.first_message(worker.brief).endswith(hostile)
    assert not (worker.work / "no").exists()
    until(lambda: worker.agent.ready(worker.rows()), worker.screen)
    assert worker.agent.asks_permission(worker.rows()) == ""
    assert worker.agent.limited(worker.rows(), time.time()) is None


@pytest.mark.parametrize("cli", CLIS)
def test_the_transcript_of_a_worker_is_found_and_says_what_was_charged(
    make: Make, cli: str
) -> None:
    worker = make(cli)
    assert worker.transcripts() == []
    worker.start()
    worker.shows(ANSWER)
    (path,) = until(worker.transcripts, worker.screen)
    tally = until(lambda: worker.agent.tally(path), worker.screen)
    (usage,) = tally.values()
    # Only one answer is the worker's own; a title for a list of sessions is in no transcript.
    written = 0 if cli == "codex" else WRITTEN
    assert usage.input_tokens == FRESH + WRITTEN - written
    assert (usage.cached_tokens, usage.cache_write_tokens) == (CACHED, written)
    assert usage.output_tokens == OUT
    assert (usage.cost_usd is not None) == (cli == "pi")


def test_claude_closes_its_books_with_a_price(make: Make) -> None:
    worker = make("claude")
    worker.start()
    worker.shows(ANSWER)
    (path,) = until(worker.transcripts)
    before = until(lambda: worker.agent.tally(path))
    worker.end()
    after = worker.agent.tally(path)
    assert list(after) == list(before)
    (model,) = after
    assert after[model].tokens == before[model].tokens
    assert after[model].cost_usd == pytest.approx(0.0039)


def test_the_hooks_of_claude_tell_each_state(make: Make) -> None:
    worker = make("claude")
    worker.start()
    worker.shows(ANSWER)
    until(lambda: len(worker.states()) == 3, worker.screen)
    worker.fleet.submit("w1", "/exit")
    assert worker.fleet.wait("w1", 30.0).ended
    states = worker.states()
    assert [one.state for one in states] == ["starting", "busy", "idle", "ended"]
    assert states[2].detail == ANSWER
    assert {one.transcript for one in states} == {str(path) for path in worker.transcripts()}


@pytest.mark.parametrize("cli", ["codex", "pi"])
def test_the_transcripts_of_the_others_tell_that_a_turn_is_over(make: Make, cli: str) -> None:
    worker = make(cli)
    worker.start()
    worker.shows(ANSWER)

    def over() -> bool:
        states = [worker.agent.told(path, time.time()) for path in worker.transcripts()]
        return [(one.state, one.detail) for one in states if one] == [("idle", ANSWER)]

    until(over, worker.screen)


@pytest.mark.parametrize("allow", [True, False])
def test_a_hook_answers_what_claude_asks_to_be_allowed(make: Make, allow: bool) -> None:
    worker = make("claude", command="touch made; curl http://127.0.0.1:1/")
    answer = worker.agent.permission_answer(allow, "ann answered 'no' in looop")
    worker.answer.write_text(json.dumps(answer))
    worker.start()
    worker.shows(ANSWER)
    (asking,) = [one for one in worker.states() if one.state == "asking"]
    assert asking.permission is not None
    assert asking.permission.tool == "Bash"
    assert asking.permission.summary == "touch made; curl http://127.0.0.1:1/"
    assert not asking.permission.own
    assert (worker.work / "made").exists() == allow
    assert asked(worker, "ann answered 'no' in looop") != allow


def test_the_verbs_of_the_contract_need_no_human(make: Make, tmp_path: Path) -> None:
    program = tmp_path / "looop"
    program.write_text('#!/bin/sh\necho called "$@"\n')
    program.chmod(0o700)
    worker = make("claude", command=f"{program} done 'it is'", LOOOP_BIN=str(program))
    worker.start()
    worker.shows(ANSWER)
    assert not [one for one in worker.states() if one.state == "asking"]
    assert asked(worker, "called done it is")


def test_a_verb_by_its_variable_is_asked_for_and_known_as_our_own(make: Make) -> None:
    worker = make("claude", command='"$LOOOP_BIN" done "it is, isn\'t it"', LOOOP_BIN="/bin/echo")
    worker.start()
    state = until(
        lambda: [one for one in worker.states() if one.permission is not None], worker.screen
    )[0]
    assert state.permission is not None
    assert state.permission.own


@pytest.mark.parametrize("cli", ["claude", "codex"])
def test_a_dialog_for_a_permission_is_read_from_the_screen(make: Make, cli: str) -> None:
    worker = make(cli, command="curl http://127.0.0.1:1/ && touch made")
    worker.start(*(("-a", "on-request") if cli == "codex" else ()))
    said = until(lambda: worker.agent.asks_permission(worker.rows()), worker.screen)
    assert "curl http://127.0.0.1:1/ && touch made" in said
    assert not worker.agent.ready(worker.rows())


@pytest.mark.parametrize("cli", ["claude", "codex"])
def test_a_usage_limit_is_seen_with_the_time_it_ends(make: Make, cli: str) -> None:
    ends = time.time() + 9000
    worker = make(cli, limited_until=ends)
    env = {k: v for k, v in worker.brief.env.items() if k != "ANTHROPIC_API_KEY"}
    env["CLAUDE_CODE_OAUTH_TOKEN"] = "dummy"
    worker.brief.env.clear()
    worker.brief.env.update(env)
    worker.start()
    limit = until(lambda: worker.agent.limited(worker.rows(), time.time()), worker.screen)
    assert abs(limit.until - ends) <= 60
    if cli == "claude":
        state = until(lambda: [one for one in worker.states() if one.state == "limited"])[0]
    else:
        (path,) = until(worker.transcripts)
        state = until(lambda: worker.agent.told(path, time.time()))
        assert state.state == "limited"
    assert abs(state.until - ends) <= 60
    assert "limit" in state.detail


@pytest.mark.parametrize("cli", CLIS)
def test_what_would_ask_at_the_first_start_is_known_before_it_does(make: Make, cli: str) -> None:
    worker = make(cli)
    worker.untrust()
    (problem,) = worker.agent.first_start(worker.brief)
    assert "trust" in problem
    worker.start()
    said = until(lambda: worker.agent.asks_permission(worker.rows()), worker.screen)
    assert str(worker.work) in said
    assert worker.api.asked == []


@pytest.mark.parametrize("cli", CLIS)
def test_the_same_command_again_goes_on_and_is_metered_as_one(make: Make, cli: str) -> None:
    worker = make(cli)
    worker.start()
    worker.shows(ANSWER)
    until(worker.transcripts, worker.screen)
    worker.end()
    worker.api.text = "Again."
    worker.start()
    worker.shows("Again.")

    def answers() -> int:
        usages = [
            usage for path in worker.transcripts() for usage in worker.agent.tally(path).values()
        ]
        return sum(usage.output_tokens for usage in usages) // OUT

    until(lambda: answers() == 2, worker.screen)


@pytest.mark.parametrize("cli", CLIS)
def test_a_brief_too_long_for_an_argument_is_handed_over_as_a_file(make: Make, cli: str) -> None:
    worker = make(cli, brief="one line of many\n" * 20_000)
    worker.start()
    worker.shows(ANSWER)
    assert asked(worker, f"Your brief is the file {worker.brief.prompt_file}")
    assert until(worker.transcripts, worker.screen)
