"""The journal, the events and the ledger: what they tell cannot be forged, lost or doubled."""

import datetime
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from looop.errors import Unreadable
from looop.kit import clock, files
from looop.model.records import Spend
from looop.paths import Paths
from looop.state.logs import EventLog, Journal, Ledger, day_start
from looop.state.store import Store
from tests.support.crowd import crowd

NOW = 1_783_066_530.0

Zone = Callable[[str], None]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    def choose(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


# -- the journal ---------------------------------------------------------------------------------


@pytest.fixture
def journal(store: Store) -> Journal:
    return store.journal


def test_a_line_has_the_local_minute_and_the_words() -> None:
    line = Journal.line(NOW, "did a thing")
    assert line == f"- {clock.local_minute(NOW)} did a thing"


@pytest.mark.parametrize(
    "words",
    [
        "done\n- 2031-01-01 00:00 forged",
        "done\r- 2031-01-01 00:00 forged",
        "done\u2028- 2031-01-01 00:00 forged",
        "done\x85- 2031-01-01 00:00 forged",
        "done\x0b\x0c\x1c\x1d\x1e- 2031-01-01 00:00 forged",
    ],
)
def test_no_words_can_forge_a_second_line(journal: Journal, paths: Paths, words: str) -> None:
    journal.add(Journal.line(NOW, words))
    written = paths.journal.read_text()
    assert len(written.splitlines()) == 1
    assert written.startswith(f"- {clock.local_minute(NOW)} done")
    assert journal.tail(9) == [written[:-1]]


def test_the_log_itself_keeps_a_line_one_line(journal: Journal, paths: Paths) -> None:
    journal.add("- one\n- two\r- three")
    assert paths.journal.read_text().count("\n") == 1
    assert "\r" not in paths.journal.read_text()


def test_control_characters_are_shown_and_not_kept(journal: Journal, paths: Paths) -> None:
    journal.add(Journal.line(NOW, "a\x1b[2J\x07\x9b\u202eb\0\udcff"))
    shown = "a\\x1b[2J\\x07\\x9b\\u202eb\\x00\\udcff"
    assert paths.journal.read_text() == f"- {clock.local_minute(NOW)} {shown}\n"


def test_endless_words_are_bounded() -> None:
    assert len(Journal.line(NOW, "x" * 10**6)) < 2100


def test_a_line_is_added_once_when_a_beat_is_finished_a_second_time(journal: Journal) -> None:
    journal.add("- one")
    journal.add_once("- one")
    journal.add_once("- two")
    journal.add_once("- two")
    assert journal.tail(9) == ["- one", "- two"]


def test_a_tail_is_the_last_lines_oldest_first(journal: Journal) -> None:
    for number in range(20):
        journal.add(f"- {number}")
    assert journal.tail(3) == ["- 17", "- 18", "- 19"]
    assert len(journal.tail(100)) == 20
    assert journal.tail(0) == []


def test_a_tail_of_long_lines_is_whole_lines_and_none_is_left_out(
    store: Store, paths: Paths
) -> None:
    journal = Journal(paths.journal, 0)
    paths.journal.with_name("journal.md.1").write_text("- older\n")
    lines = [f"- {number} " + "漢" * 1900 for number in range(40)]
    for line in lines:
        journal.add(line)
    for count in (1, 2, 7, 39, 40):
        assert journal.tail(count) == lines[-count:]
    assert journal.tail(41) == ["- older", *lines]


def test_the_previous_generation_helps_out(paths: Paths, store: Store) -> None:
    journal = Journal(paths.journal, 30)
    for number in range(9):
        journal.add(f"- line number {number}")
    assert paths.journal.with_name("journal.md.1").exists()
    assert journal.tail(3) == [f"- line number {n}" for n in (6, 7, 8)]


def test_a_torn_line_does_not_swallow_the_next(journal: Journal, paths: Paths) -> None:
    paths.journal.write_text("- whole\n- to")
    journal.add("- next")
    assert journal.tail(9) == ["- whole", "- to", "- next"]


def test_an_absent_journal_is_empty_and_an_unreadable_one_is_not(
    journal: Journal, paths: Paths
) -> None:
    assert journal.tail(5) == []
    paths.journal.mkdir()
    with pytest.raises(Unreadable):
        journal.tail(5)


# -- events --------------------------------------------------------------------------------------


@pytest.fixture
def events(store: Store) -> EventLog:
    return store.events


def test_an_event_has_a_number_a_time_and_its_fields(events: EventLog, paths: Paths) -> None:
    assert events.add(1.5, "answered", ask="loop-1", by="ann") == 1
    assert events.add(2.5, "answered", ask="loop-2") == 2
    rows = [json.loads(line) for line in paths.events.read_text().splitlines()]
    assert rows[0] == {
        "seq": 1,
        "ts": "1970-01-01T00:00:01.500Z",
        "event": "answered",
        "ask": "loop-1",
        "by": "ann",
    }
    assert [row["seq"] for row in rows] == [1, 2]
    assert events.tail(1) == rows[1:]


def test_no_field_can_pose_as_the_number_or_the_time(events: EventLog) -> None:
    forged: dict[str, Any] = {"seq": 99, "ts": "1999"}
    assert events.add(1.0, "warning", **forged) == 1
    (row,) = events.tail(1)
    assert (row["seq"], row["ts"], row["event"]) == (1, "1970-01-01T00:00:01.000Z", "warning")


def test_a_name_that_is_not_documented_is_a_mistake_of_ours(events: EventLog) -> None:
    with pytest.raises(AssertionError):
        events.add(1.0, "no_such_event")


def test_text_cannot_forge_an_event(events: EventLog, paths: Paths) -> None:
    events.add(1.0, "warning", text='x\n{"seq":9,"event":"answered"}\r\u2028')
    events.add(2.0, "warning", text="ok")
    assert paths.events.read_bytes().count(b"\n") == 2
    assert [row["event"] for row in events.tail(9)] == ["warning", "warning"]
    assert events.tail(9)[0]["text"] == 'x\n{"seq":9,"event":"answered"}\r\u2028'


def test_numbers_go_on_over_rotation(paths: Paths, store: Store) -> None:
    log = EventLog(paths.events, paths.locks, 200)
    numbers = [log.add(1.0, "warning", text="x" * 30) for _ in range(12)]
    assert numbers == list(range(1, 13))
    kept = [row["seq"] for row in log.since(0)]
    assert kept == list(range(kept[0], 13))
    assert paths.events.stat().st_size <= 300


def test_numbers_go_on_after_a_torn_line_and_rows_of_others(events: EventLog, paths: Paths) -> None:
    events.add(1.0, "warning")
    with paths.events.open("ab") as log:
        log.write(b'{"event":"tick.start"}\n{"seq":"7"}\n{"seq": 5, "ev')
    assert events.add(1.0, "warning") == 2
    assert [row["seq"] for row in events.since(1)] == [2]


@pytest.mark.parametrize("cap", [0, 2000])
def test_numbers_of_concurrent_processes_never_repeat_and_never_fall(
    paths: Paths, store: Store, cap: int
) -> None:
    numbers = crowd("say", [[str(paths.data), cap, 25]] * 4)
    assert sorted(seq for some in numbers for seq in some) == list(range(1, 101))
    assert all(some == sorted(some) for some in numbers)
    kept = [row["seq"] for row in EventLog(paths.events, paths.locks, cap).since(0)]
    assert kept == list(range(kept[0], 101))
    assert cap or len(kept) == 100


def test_since_is_everything_after_a_number(events: EventLog) -> None:
    for _ in range(5):
        events.add(1.0, "warning")
    assert [row["seq"] for row in events.since(3)] == [4, 5]
    assert events.since(5) == []


def test_a_log_that_cannot_be_written_stops_nobody(events: EventLog, paths: Paths) -> None:
    paths.events.mkdir()
    assert events.add(1.0, "warning", text="x") == 0
    paths.events.rmdir()
    assert events.add(1.0, "warning", text="x") == 1
    files.remove_tree(paths.locks)
    assert events.add(1.0, "warning", text="x") == 0


def test_text_that_has_no_bytes_is_told_as_far_as_it_goes(events: EventLog) -> None:
    assert events.add(1.0, "warning", text="caf\udcff é") == 1
    assert events.tail(1)[0]["text"] == "caf? é"
    assert events.add(1.0, "warning") == 2


# -- the ledger ----------------------------------------------------------------------------------


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return store.ledger


def spend(at: float, usd: float | None, run: str = "r") -> Spend:
    return Spend(ts=clock.utc_iso(at), kind="tick", id=run, runner="claude", cost_usd=usd)


def test_what_was_spent_since_a_moment_is_the_sum_of_known_prices(ledger: Ledger) -> None:
    for at, usd in ((NOW - 10, 8.0), (NOW, 1.0), (NOW + 5, None), (NOW + 9, 0.5)):
        ledger.add(spend(at, usd))
    assert ledger.spent_since(NOW) == pytest.approx(1.5)
    assert ledger.spent_since(NOW - 60) == pytest.approx(9.5)
    assert ledger.spent_since(NOW + 60) == 0.0


def test_rows_of_the_original_program_are_read(ledger: Ledger, paths: Paths) -> None:
    paths.cost.write_text(
        '{"ts":"2026-07-03T08:15:30Z","kind":"tick","id":"a","runner":"pi","cost_usd":0.25}\n'
        '{"ts":"2026-07-03T08:15:31Z","kind":"session","id":"b","runner":"claude","cost_usd":1}\n'
    )
    assert ledger.spent_since(NOW) == pytest.approx(1.25)
    assert [(row.id, row.cost_usd) for _, row in ledger.since(NOW)] == [("b", 1.0), ("a", 0.25)]


@pytest.mark.parametrize(
    "bad",
    [
        "{", "[]", "{}", '{"ts":"soon","cost_usd":5}', '{"ts":7,"cost_usd":5}',
        '{"ts":"2026-07-03T09:00:00Z","cost_usd":"5"}',
        '{"ts":"2026-07-03T09:00:00Z","cost_usd":true}',
        '{"ts":"2026-07-03T09:00:00Z","id":null,"cost_usd":5}',
        '{"ts":"2026-07-03T09:00:00Z","cost_usd":-5}',
        '{"ts":"0001-01-01T00:00:00","cost_usd":5}',
        '{"ts":"2026-07-03T09:00:00Z","cost_usd":1e999}',
    ],
)  # fmt: skip
def test_a_bad_row_costs_only_itself(ledger: Ledger, paths: Paths, bad: str) -> None:
    ledger.add(spend(NOW, 1.0))
    with paths.cost.open("a") as log:
        log.write(bad + "\n")
    ledger.add(spend(NOW + 1, 2.0))
    assert ledger.spent_since(NOW - 60) == pytest.approx(3.0)


def test_rows_a_little_out_of_order_are_counted(ledger: Ledger) -> None:
    for at in (NOW + 100, NOW - 3600, NOW + 50, NOW - 7200):
        ledger.add(spend(at, 1.0))
    assert ledger.spent_since(NOW) == pytest.approx(2.0)


def test_rows_long_before_the_day_are_not_read(ledger: Ledger, paths: Paths) -> None:
    ledger.add(spend(NOW, 1.0))
    ledger.add(spend(NOW - 3 * 86400, 1.0))
    ledger.add(spend(NOW + 1, 1.0))
    assert ledger.spent_since(NOW) == pytest.approx(1.0), "what is older is not looked at"


def test_the_rotated_generation_counts_too(paths: Paths, store: Store) -> None:
    ledger = Ledger(paths.cost, 300)
    for number in range(5):
        ledger.add(spend(NOW + number, 1.0))
    assert paths.cost.with_name("cost.jsonl.1").exists()
    kept = len(list(ledger.since(NOW)))
    assert ledger.spent_since(NOW) == pytest.approx(float(kept))
    assert kept >= 3


def test_a_run_is_accounted_once(ledger: Ledger) -> None:
    assert not ledger.has("r1")
    ledger.add(spend(NOW, 1.0, "r1"))
    assert ledger.has("r1")
    assert not ledger.has("r")


def test_a_row_leaves_out_what_is_not_known(ledger: Ledger, paths: Paths) -> None:
    ledger.add(spend(NOW, None))
    row = json.loads(paths.cost.read_text())
    assert set(row) == {"ts", "kind", "id", "runner"}
    assert msgspec.convert(row, Spend) == spend(NOW, None)


def test_an_unreadable_ledger_is_not_an_empty_one(ledger: Ledger, paths: Paths) -> None:
    paths.cost.mkdir()
    with pytest.raises(Unreadable):
        ledger.spent_since(NOW)


# -- the day -------------------------------------------------------------------------------------


def local(text: str, offset_h: int) -> float:
    zone = datetime.timezone(datetime.timedelta(hours=offset_h))
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def test_the_day_begins_at_local_midnight(zone: Zone) -> None:
    zone("Europe/Berlin")
    assert day_start(local("2026-07-03T00:00:00", 2)) == local("2026-07-03T00:00:00", 2)
    assert day_start(local("2026-07-03T23:59:59", 2)) == local("2026-07-03T00:00:00", 2)
    assert day_start(local("2026-07-03T12:00:00", 2), 3) == local("2026-06-30T00:00:00", 2)


def test_the_day_of_a_changed_clock_begins_at_its_own_midnight(zone: Zone) -> None:
    zone("Europe/Berlin")
    spring = day_start(local("2026-03-29T12:00:00", 2))
    assert spring == local("2026-03-29T00:00:00", 1)
    assert day_start(local("2026-03-30T01:00:00", 2)) - spring == 23 * 3600
    assert day_start(local("2026-10-26T01:00:00", 1), 1) == local("2026-10-25T00:00:00", 2)


def test_what_was_spent_before_midnight_is_of_another_day(zone: Zone, ledger: Ledger) -> None:
    zone("America/New_York")
    midnight = local("2026-07-04T00:00:00", -4)
    for at in (midnight - 1, midnight, midnight + 1):
        ledger.add(spend(at, 1.0))
    assert ledger.spent_since(day_start(midnight + 30)) == pytest.approx(2.0)
    assert ledger.spent_since(day_start(midnight - 0.5)) == pytest.approx(3.0)


def test_paths_of_the_logs_are_those_of_the_profile(store: Store, paths: Paths) -> None:
    store.journal.add("- x")
    store.events.add(1.0, "warning")
    store.ledger.add(spend(NOW, 1.0))
    made = {path.name for path in Path(paths.data).iterdir() if path.is_file()}
    assert made >= {"journal.md", "events.jsonl", "cost.jsonl"}
    for name in made:
        assert (paths.data / name).stat().st_mode & 0o077 == 0
