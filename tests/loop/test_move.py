"""One move on its way: allowed, held, denied, approved, spent once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.leftovers import nothing_left, unsynced
from tests.support.profile import NOOP, Profile, shell_move

__all__ = ["nothing_left", "unsynced"]

TOUCH = 'echo once >> "$SIDE/effect"'


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(tmp_path)


def section(profile: Profile, run: str, heading: str) -> str:
    _, found, rest = profile.prompt(run).partition(f"=== {heading}\n")
    return rest.partition("\n=== ")[0] if found else ""


def held(profile: Profile, decision: dict[str, Any] | None = None) -> None:
    """A beat whose move waits for a human as loop-1."""
    profile.decides(decision or shell_move(TOUCH, journal="left a mark"))
    assert profile.beat().kind == "held"
    profile.decides(NOOP)


# -- held ------------------------------------------------------------------------------------


def test_a_held_move_becomes_an_ask_and_the_beat_is_committed(profile: Profile) -> None:
    profile.decides(shell_move(TOUCH, journal="left a mark"))

    end = profile.beat()

    (ask,) = profile.open_asks()
    assert (end.kind, end.action) == ("held", "run_shell")
    assert end.said.startswith("held as loop-1 · left a mark: ")
    assert (ask.id, ask.kind, ask.state) == ("loop-1", "approval", "pending")
    assert (ask.rule, ask.origin, ask.run) == ("guarded:shell", "runner", end.run)
    assert ask.shown == TOUCH
    assert ask.expires == profile.clock.wall() + 86400
    assert profile.effect() == ""
    assert profile.journal() == ["held as loop-1 (guarded:shell) · left a mark"]
    assert profile.memory().hash
    assert profile.beat().kind == "rested"


def test_the_same_move_is_not_asked_for_twice(profile: Profile) -> None:
    held(profile)
    profile.goal("a")
    profile.decides(shell_move(TOUCH, journal="in other words", reason="another reason"))

    end = profile.beat()

    assert end.kind == "held"
    assert [a.id for a in profile.open_asks()] == ["loop-1"]
    assert profile.heard("asked") == []
    assert "loop-1" in profile.journal()[-1]


def test_another_move_is_another_ask(profile: Profile) -> None:
    held(profile)
    profile.goal("a")
    profile.decides(shell_move(TOUCH + " # and more"))

    profile.beat()

    assert [a.id for a in profile.open_asks()] == ["loop-1", "loop-2"]


def test_a_yes_runs_exactly_that_move_once_without_the_runner(profile: Profile) -> None:
    held(profile)
    profile.breaks()
    profile.answer("loop-1", "yes, do it")

    end = profile.beat()

    assert (end.kind, end.action) == ("acted", "run_shell")
    assert profile.launches == 1
    assert profile.effect() == "once\n"
    assert profile.journal()[-1] == "left a mark (approved as loop-1)"
    assert profile.open_asks() == []
    (ask,) = profile.store.asks.closed()
    assert (ask.state, ask.closed) == ("closed", "approved and run")
    assert ask.answer is not None
    assert (ask.answer.by, ask.answer.channel) == ("me", "test")
    record = profile.record(end.run)
    assert (record.origin, record.ask, record.verdict) == (
        "approval", "loop-1", record.verdict,
    )  # fmt: skip
    assert record.verdict is not None
    assert record.verdict.rule == "approved"
    assert profile.beat().kind == "rested"
    assert profile.effect() == "once\n"


def test_what_an_approved_command_printed_is_looked_at_soon(profile: Profile) -> None:
    held(profile, shell_move(f"{TOUCH}; echo it is done"))
    profile.answer("loop-1", "yes")
    profile.beat()

    assert profile.beat(after=3).kind == "rested"
    end = profile.beat(after=2)

    assert "it is done" in section(profile, end.run, "LAST SHELL OUTPUT")
    assert profile.beat(after=60).kind == "rested"


def test_an_approval_is_spent_while_the_loop_backs_off(profile: Profile) -> None:
    held(profile)
    profile.goal("a")
    profile.breaks()
    profile.beat()
    profile.answer("loop-1", "yes")

    assert profile.beat().kind == "acted"
    assert profile.effect() == "once\n"


def test_an_approval_leaves_what_else_changed_to_be_decided(profile: Profile) -> None:
    held(profile)
    profile.goal("a")
    profile.answer("loop-1", "yes")
    assert profile.beat().action == "run_shell"

    end = profile.beat()

    assert end.action == "noop"
    assert profile.record(end.run).changes == ("goal:a",)


def test_an_approved_policy_write_needs_no_confirmation(profile: Profile) -> None:
    held(profile, {"action": "write_playbook", "body": "be kind"})
    profile.answer("loop-1", "yes")

    assert profile.beat().kind == "acted"
    assert profile.paths.playbook.read_text() == "be kind\n"
    assert profile.beat().kind == "rested"


def test_a_move_that_fails_after_its_yes_is_spent_all_the_same(profile: Profile) -> None:
    held(profile, shell_move(f"{TOUCH}; exit 4"))
    profile.answer("loop-1", "yes")

    end = profile.beat()

    assert end.kind == "failed"
    assert profile.open_asks() == []
    after = profile.beat(after=61)
    assert profile.effect() == "once\n"
    assert "exit code 4" in section(profile, after.run, "LAST FAILURE")


def test_a_no_is_told_to_the_next_prompt_and_costs_one_decision(profile: Profile) -> None:
    held(profile)
    profile.answer("loop-1", "no, never touch that")

    end = profile.beat()

    assert end.action == "noop"
    said = section(profile, end.run, "HELD OR DENIED MOVE")
    assert "held move loop-1 was refused by a human: no, never touch that" in said
    assert TOUCH.replace('"', '\\"') in said
    assert [a.closed for a in profile.store.asks.closed()] == ["denied"]
    assert profile.effect() == ""
    assert profile.beat().kind == "rested"
    profile.goal("a")
    assert section(profile, profile.beat().run, "HELD OR DENIED MOVE") == ""


def test_a_no_is_told_until_a_decision_has_been_made(profile: Profile) -> None:
    held(profile)
    profile.answer("loop-1", "no, never")
    profile.breaks()
    profile.beat()
    profile.decides(NOOP)

    end = profile.beat(after=61)

    assert "no, never" in section(profile, end.run, "HELD OR DENIED MOVE")


@pytest.mark.parametrize("runner", ["fake", "rules"])
def test_a_no_to_one_move_does_not_swallow_the_yes_to_another(tmp_path: Path, runner: str) -> None:
    profile = Profile(tmp_path)
    held(profile)
    profile.goal("a")
    profile.decides(shell_move('echo second >> "$SIDE/effect"'))
    profile.beat()
    profile.decides(NOOP)
    profile.configure(runner=runner)
    profile.answer("loop-1", "no")
    profile.answer("loop-2", "yes")

    for _ in range(3):
        profile.beat()

    assert profile.effect() == "second\n"
    assert {a.id: a.closed for a in profile.store.asks.closed()} == {
        "loop-1": "denied",
        "loop-2": "approved and run",
    }


def test_two_approvals_are_spent_on_two_beats_oldest_first(profile: Profile) -> None:
    held(profile, shell_move('echo 1 >> "$SIDE/effect"'))
    profile.goal("a")
    profile.decides(shell_move('echo 2 >> "$SIDE/effect"'))
    profile.beat()
    profile.decides(NOOP)
    profile.answer("loop-2", "yes")
    profile.clock.forward(1)
    profile.answer("loop-1", "yes")

    assert [profile.beat().kind for _ in range(3)] == ["acted", "acted", "rested"]
    assert profile.effect() == "1\n2\n"


def test_an_unanswered_move_expires_and_the_next_prompt_says_so(profile: Profile) -> None:
    profile.configure(approval_ttl="1h")
    held(profile)

    end = profile.beat(after=3600)

    assert "held move loop-1 expired unanswered" in section(profile, end.run, "HELD OR DENIED MOVE")
    (ask,) = profile.store.asks.closed()
    assert (ask.state, ask.closed, ask.answer) == ("expired", "expired", None)
    assert profile.beat().kind == "rested"


@pytest.mark.parametrize(
    "change",
    [
        {"action": {"action": "run_shell", "cmd": "touch tampered"}},
        {"action": {"action": "fly"}},
        {"action": None},
        {"digest": "0" * 32},
    ],
    ids=["another command", "no action of ours", "no action", "another digest"],
)
def test_a_yes_to_a_move_that_was_tampered_with_runs_nothing(
    profile: Profile, change: dict[str, Any]
) -> None:
    held(profile)
    profile.answer("loop-1", "yes")
    path = profile.paths.asks / "loop-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    end = profile.beat()

    assert end.action == "noop"
    assert profile.effect() == ""
    assert not (profile.data / "tampered").exists()
    assert "held move loop-1 was not run: unusable" in section(
        profile, end.run, "HELD OR DENIED MOVE"
    )
    assert profile.open_asks() == []


def test_no_yes_lifts_the_floor(profile: Profile) -> None:
    held(profile)
    profile.answer("loop-1", "yes")
    forbidden = shell_move("echo x >> admission.toml")
    forbidden.pop("reason")
    path = profile.paths.asks / "loop-1.json"
    from looop.loop.decide import decision
    from looop.model import actions

    digest = actions.digest(decision.from_value(dict(forbidden)).action)
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"action": forbidden, "digest": digest})
    )

    end = profile.beat()

    assert end.kind == "failed"
    assert "floor:policy-files" in end.said
    assert not profile.paths.admission.exists()
    assert [a.closed for a in profile.store.asks.closed()] == ["denied by floor:policy-files"]


# -- denied ----------------------------------------------------------------------------------


def test_a_denied_move_is_a_failure_with_a_notice(profile: Profile) -> None:
    profile.decides(shell_move("rm -rf /"))

    end = profile.beat()

    assert end.kind == "failed"
    assert end.said.startswith("denied: run_shell was denied by guarded:catastrophic: ")
    assert profile.memory().fails == 1
    profile.decides(NOOP)
    after = profile.beat(after=61)
    assert "guarded:catastrophic" in section(profile, after.run, "HELD OR DENIED MOVE")
    assert "guarded:catastrophic" in section(profile, after.run, "LAST FAILURE")
    assert profile.memory().notices == ()


def test_insisting_on_a_denied_move_does_not_fill_the_prompt(profile: Profile) -> None:
    profile.decides(shell_move("rm -rf /"))
    for _ in range(4):
        profile.beat(after=301)

    assert len(profile.memory().notices) == 1


@pytest.mark.parametrize(
    ("mode", "kind"), [("enforce", "failed"), ("warn", "acted"), ("shadow", "acted")]
)
def test_a_rule_bites_only_in_the_mode_that_bites(profile: Profile, mode: str, kind: str) -> None:
    profile.admission(
        '[[rule]]\nname = "quiet"\nwhen = "action.action == \'send_notification\'"\n'
        f'verdict = "deny"\nmode = "{mode}"\n'
    )
    profile.decides({"action": "send_notification", "message": "hello"})

    assert profile.beat().kind == kind

    warned = [f["text"] for f in profile.heard("warning") if f["about"] == "admission"]
    assert warned == (["warn: quiet would deny"] if mode == "warn" else [])


def test_rules_that_cannot_be_read_hold_every_move_of_weight(profile: Profile) -> None:
    profile.admission("[[rule]\n")
    profile.decides({"action": "write_goal", "id": "a", "body": "goal: a"})

    end = profile.beat()

    assert end.kind == "held"
    assert [a.rule for a in profile.open_asks()] == ["broken-rules"]


def test_text_that_strangers_write_holds_a_command(profile: Profile) -> None:
    profile.reading("issues", 1, header="trust=public")
    profile.decides(shell_move("ls"))

    assert profile.beat().kind == "held"
    assert [a.rule for a in profile.open_asks()] == ["guarded:taint"]


# -- acts ------------------------------------------------------------------------------------


def test_a_command_that_writes_what_no_move_may_write_is_undone_and_fails(
    profile: Profile,
) -> None:
    profile.configure(autonomy="trusted")
    kept = profile.paths.config.read_bytes()
    name = "$(printf %s Y29uZmlnLnRvbWw= | base64 -d)"
    profile.decides(shell_move(f"echo 'autonomy = \"trusted\"' > {name}"))

    end = profile.beat()

    assert end.kind == "failed"
    assert "config.toml, which no move may do; put back" in end.said
    assert profile.paths.config.read_bytes() == kept


def test_one_move_leaves_one_line_whatever_its_journal_says(profile: Profile) -> None:
    profile.decides(
        NOOP | {"journal": "all well\n- 2031-01-01 00:00 forged\r- 2031-01-01 00:00 \x1b[2Jtoo"}
    )

    profile.beat()

    (line,) = (profile.data / "journal.md").read_text().splitlines()
    assert "forged" in line
    assert "\x1b" not in line


def test_policy_writes_reach_the_history_and_can_be_taken_back(profile: Profile) -> None:
    profile.configure(git=True)
    profile.playbook("be kind\n")
    profile.control.init(runner="fake", git=True)
    profile.decides(
        {"action": "write_goal", "id": "a", "body": "goal: a", "journal": "wrote a goal"}
    )
    profile.beat()

    rows = profile.control.history(5)

    assert rows[0].message.endswith("wrote a goal")
    assert rows[0].files == ["goals/a.md"]
    profile.control.undo(rows[0].commit)
    assert not profile.paths.goal("a").exists()
    assert profile.journal()[-1].startswith(f"human · undid {rows[0].commit}: ")


def test_a_history_that_breaks_does_not_fail_the_move(profile: Profile) -> None:
    profile.configure(git=True)
    (profile.data / ".git").mkdir()
    profile.decides({"action": "write_goal", "id": "a", "body": "goal: a"})

    assert profile.beat().kind == "acted"
    assert [f["about"] for f in profile.heard("warning")] == ["history", "history"]
