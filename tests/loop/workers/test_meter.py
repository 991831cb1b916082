"""What workers cost: each token of a transcript is put into the ledger once, whatever comes between."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.errors import Unreadable
from looop.loop.workers import meter, spending
from looop.loop.workers.agents import transcript_id
from looop.model.records import AgentNote, Spend, Worker
from tests.loop.workers.support import Profile
from tests.support.leftovers import nothing_left, unsynced

__all__ = ["nothing_left", "unsynced"]

OPUS, HAIKU = "claude-opus-4-1-20250805", "claude-3-5-haiku-20241022"


@pytest.fixture
def worker(profile: Profile) -> Worker:
    """A worker of an agent CLI that keeps its own record."""
    record = Worker(
        id="w",
        generation="g1",
        started=profile.clock.now,
        runner="claude",
        goal="g",
        work_dir=str(profile.paths.work_dir("w")),
        transcript_id=transcript_id("w", "g1"),
    )
    profile.store.workers.put(record)
    return record


def transcript(profile: Profile, worker: Worker) -> Path:
    place = Path(profile.env["HOME"]) / ".claude" / "projects" / "-somewhere"
    place.mkdir(parents=True, exist_ok=True)
    return place / f"{worker.transcript_id}.jsonl"


def bought(profile: Profile, worker: Worker, number: int, model: str = OPUS) -> None:
    """One more message of the agent, of 1000 tokens in and 100 out."""
    usage = {"input_tokens": 1000, "output_tokens": 100}
    message = {"id": f"msg-{number}", "model": model, "usage": usage}
    with transcript(profile, worker).open("a") as out:
        out.write(json.dumps({"type": "assistant", "message": message}) + "\n")


def closed(profile: Profile, worker: Worker, **usage: Any) -> None:
    """The sum that the CLI writes when it ends."""
    told = {"inputTokens": 1000, "outputTokens": 100, "costUSD": 1.0} | usage
    with transcript(profile, worker).open("a") as out:
        out.write(json.dumps({"type": "cost-state", "modelUsage": {OPUS: told}}) + "\n")


def rows(profile: Profile) -> list[Spend]:
    return [row for _, row in profile.store.ledger.since(0.0)][::-1]


def again(profile: Profile) -> Worker:
    profile.clock.now += 1
    return meter.meter(profile.opened, profile.record())


def test_what_a_worker_bought_is_in_the_ledger(profile: Profile, worker: Worker) -> None:
    bought(profile, worker, 1)

    after = again(profile)

    (row,) = rows(profile)
    assert (row.kind, row.id, row.runner, row.goal, row.generation) == (
        "session", "w", "claude", "g", "g1",
    )  # fmt: skip
    assert (row.model, row.input_tokens, row.output_tokens) == (OPUS, 1000, 100)
    assert (row.priced, (row.cost_usd or 0) > 0) == ("table", True)
    assert list(after.metered) == [OPUS]
    assert profile.record() == after


def test_only_what_is_new_is_added(profile: Profile, worker: Worker) -> None:
    bought(profile, worker, 1)
    again(profile)
    again(profile)
    assert len(rows(profile)) == 1

    bought(profile, worker, 2)
    bought(profile, worker, 3, HAIKU)
    again(profile)
    again(profile)

    assert [(r.model, r.input_tokens) for r in rows(profile)] == [
        (OPUS, 1000), (OPUS, 1000), (HAIKU, 1000),
    ]  # fmt: skip
    total = sum(r.cost_usd or 0.0 for r in rows(profile))
    kept = sum(r.cost_usd or 0.0 for r in profile.record().metered.values())
    assert total == pytest.approx(kept)
    assert spending.of_worker(profile.store.ledger, "w", "g1", worker.started) == total
    assert spending.of_goal(profile.store.ledger, "g") == total


def test_a_closing_sum_corrects_the_price_even_of_the_same_tokens(
    profile: Profile, worker: Worker
) -> None:
    bought(profile, worker, 1)
    again(profile)
    closed(profile, worker, costUSD=1.25)
    again(profile)

    assert sum(r.cost_usd or 0.0 for r in rows(profile)) == pytest.approx(1.25)
    assert sum(r.input_tokens for r in rows(profile)) == 1000
    again(profile)
    assert len(rows(profile)) == 2


def test_a_crash_between_ledger_and_record_counts_nothing_twice(
    profile: Profile, worker: Worker
) -> None:
    bought(profile, worker, 1)
    again(profile)
    # The ledger has the row, and the record does not know of it.
    profile.store.workers.put(worker)

    after = again(profile)

    assert len(rows(profile)) == 1
    assert list(after.metered) == [OPUS]


def test_a_new_generation_pays_only_for_what_it_buys(profile: Profile, worker: Worker) -> None:
    bought(profile, worker, 1)
    metered = again(profile)
    later = msgspec.structs.replace(metered, generation="g2")
    profile.store.workers.put(later)
    bought(profile, worker, 2)

    again(profile)

    assert [(r.generation, r.input_tokens) for r in rows(profile)] == [("g1", 1000), ("g2", 1000)]


def test_sums_that_shrink_give_nothing_back(profile: Profile, worker: Worker) -> None:
    bought(profile, worker, 1)
    bought(profile, worker, 2)
    again(profile)
    transcript(profile, worker).unlink()
    bought(profile, worker, 1)

    again(profile)

    assert all((r.cost_usd or 0.0) >= 0 and r.input_tokens >= 0 for r in rows(profile))
    assert sum(r.input_tokens for r in rows(profile)) == 2000


def test_a_model_that_no_table_knows_has_no_price_and_not_none_at_all(
    profile: Profile, worker: Worker
) -> None:
    bought(profile, worker, 1, "nobody-knows-1")

    again(profile)

    assert [(r.cost_usd, r.priced, r.input_tokens) for r in rows(profile)] == [(None, "", 1000)]


def test_without_a_transcript_there_is_nothing_to_pay(profile: Profile, worker: Worker) -> None:
    assert again(profile) == worker
    assert rows(profile) == []


def test_a_runner_that_keeps_its_record_elsewhere_is_metered_there(
    profile: Profile, worker: Worker, tmp_path: Path
) -> None:
    bought(profile, worker, 1)
    (tmp_path / ".claude").rename(tmp_path / "elsewhere")
    assert again(profile) == worker

    profile.runner("claude", env={"CLAUDE_CONFIG_DIR": str(tmp_path / "elsewhere")})

    assert list(again(profile).metered) == [OPUS]


@pytest.mark.parametrize("why", ["override", "command of the runner", "embedded"])
def test_programs_of_somebodys_choice_are_not_looked_for(
    profile: Profile, worker: Worker, why: str
) -> None:
    bought(profile, worker, 1)
    if why == "command of the runner":
        profile.runner("claude", worker="mine {{prompt_file}}")
    runner = "rules" if why == "embedded" else "claude"
    record = msgspec.structs.replace(worker, override=why == "override", runner=runner)
    profile.store.workers.put(record)

    assert again(profile) == record
    assert rows(profile) == []


def test_transcripts_that_cannot_be_looked_for_are_not_absent(
    profile: Profile, worker: Worker
) -> None:
    (Path(profile.env["HOME"]) / ".claude").mkdir()
    (Path(profile.env["HOME"]) / ".claude" / "projects").write_text("")

    with pytest.raises(Unreadable):
        again(profile)


# -- what the agents tell ----------------------------------------------------------------------


def test_an_agent_that_tells_nothing_leaves_its_last_word(profile: Profile, worker: Worker) -> None:
    note = AgentNote(generation="g1", state="idle", at=1.0)
    profile.store.workers.keep_note("w", note)
    bought(profile, worker, 1)

    meter.listen(profile.opened, worker)

    assert profile.store.workers.note("w") == note


# -- sums --------------------------------------------------------------------------------------


def pay(profile: Profile, usd: float | None, **fields: Any) -> None:
    known: dict[str, Any] = {"ts": "2026-01-02T00:00:00Z", "kind": "session", "id": "w"}
    profile.store.ledger.add(Spend(runner="r", cost_usd=usd, **known | fields))


def test_a_worker_costs_what_its_generation_was_charged_since_it_began(profile: Profile) -> None:
    ledger = profile.store.ledger
    began = 1767312000.0  # 2026-01-02T00:00:00Z
    assert spending.of_worker(ledger, "w", "g1", began) == 0.0
    pay(profile, 1.0, generation="g1")
    pay(profile, 2.0)
    pay(profile, None, generation="g1")
    pay(profile, 4.0, generation="g0")
    pay(profile, 8.0, generation="g1", id="v")
    pay(profile, 16.0, generation="g1", kind="tick")
    pay(profile, 32.0, generation="g1", ts="2026-01-01T23:59:59Z")

    assert spending.of_worker(ledger, "w", "g1", began) == 3.0


def test_a_goal_costs_what_decisions_and_workers_were_charged_for_it(profile: Profile) -> None:
    pay(profile, 1.0, goal="g")
    pay(profile, 2.0, goal="g", kind="tick", id="tick-1", ts="2020-01-01T00:00:00Z")
    pay(profile, None, goal="g")
    pay(profile, 4.0, goal="h")
    pay(profile, 8.0)

    assert spending.of_goal(profile.store.ledger, "g") == 3.0
    assert spending.of_goal(profile.store.ledger, "nobody") == 0.0


def test_a_ledger_that_cannot_be_read_is_not_an_empty_one(profile: Profile) -> None:
    profile.paths.cost.mkdir()
    with pytest.raises(Unreadable):
        spending.of_goal(profile.store.ledger, "g")
    with pytest.raises(Unreadable):
        spending.of_worker(profile.store.ledger, "w", "g1", 0.0)
