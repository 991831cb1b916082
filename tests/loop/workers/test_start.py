"""Starting workers: refused with the reason before anything is made, or running with its record."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from looop.errors import Failed, LooopError, NotFound, Refused, Unreadable, Usage
from looop.kit import files
from looop.loop.workers import start, stop
from looop.loop.workers.start import Order
from looop.model.records import Checked, Ended, Spend
from tests.loop.workers.support import Profile
from tests.support.crew import WAITS, block, end, ended, program
from tests.support.leftovers import living, nothing_left, unsynced
from tests.support.repo import git, new_repo

__all__ = ["nothing_left", "unsynced"]


def refused(profile: Profile, why: str, **fields: Any) -> None:
    """Nothing is made by an order that is refused with these words."""
    before = profile.everything()
    profile.told.clear()
    with pytest.raises((Refused, Usage, Unreadable), match=why):
        profile.start(**fields)
    assert profile.everything() == before
    assert profile.heard("worker_started") == []


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return new_repo(tmp_path / "repo")


# -- one that runs -----------------------------------------------------------------------------


def test_a_worker_runs_with_its_contract_its_record_and_a_place_of_its_own(
    profile: Profile,
) -> None:
    session = profile.start("fix-1", goal="g", verify="make test", run="tick-1")

    record = profile.record("fix-1")
    assert (session.state, session.alive, session.generation) == (
        "running",
        True,
        record.generation,
    )
    assert session.cwd == record.work_dir == str(profile.paths.work / "fix-1")
    assert session.labels == {
        "goal": "g", "runner": "rules", "run": "tick-1", "looop": session.labels["looop"],
    }  # fmt: skip
    assert (record.goal, record.verify, record.run) == ("g", "make test", "tick-1")
    assert (record.override, record.started) == (True, profile.clock.now)
    prompt = profile.paths.prompt("fix-1").read_text()
    assert prompt.startswith("# You are the worker `fix-1`")
    assert prompt.endswith("\nwait for me\n")
    (told,) = profile.heard("worker_started")
    assert (told["worker"], told["run"]) == ("fix-1", "tick-1")


def test_the_embedded_worker_carries_out_the_shell_block_of_its_brief(profile: Profile) -> None:
    profile.start(command="", prompt=block("pwd > $LOOOP_REPORTS_DIR/w.md; echo fine"))

    assert ended(profile.fleet).code == 0, profile.fleet.screen_lines("w")
    assert (profile.paths.reports / "w.md").read_text().strip() == str(profile.paths.work / "w")
    done = profile.record().done
    assert done is not None
    assert (done.outcome, done.summary) == ("done", "fine")
    assert not profile.record().override


def test_a_worker_has_our_environment_without_what_belongs_to_ourselves(profile: Profile) -> None:
    profile.env |= {"OURS": "1", "LOOOP_MARK": "m", "CLAUDECODE": "1", "LOOOP_RUN_ID": "old"}
    profile.runner("mine", env={"FROM_RUNNER": "2"})

    profile.start(
        runner="mine", run="tick-7", command="env > env.new; mv env.new env; : {{prompt_file}}"
    )

    assert ended(profile.fleet).code == 0
    lines = (profile.paths.work / "w" / "env").read_text().splitlines()
    found = {name: value for name, _, value in (line.partition("=") for line in lines)}
    assert (found["OURS"], found["FROM_RUNNER"], found["LOOOP_RUN_ID"]) == ("1", "2", "tick-7")
    assert found["LOOOP_SESSION_ID"] == "w"
    assert found["LOOOP_GENERATION"] == profile.record().generation
    assert found["LOOOP_DATA_DIR"] == str(profile.paths.data)
    assert "LOOOP_MARK" not in found
    assert "CLAUDECODE" not in found
    assert Path(found["LOOOP_BIN"]).is_absolute()


def test_an_order_without_a_run_carries_none(profile: Profile) -> None:
    profile.start(command="env > env; : {{prompt_file}}")
    ended(profile.fleet)

    assert "LOOOP_RUN_ID" not in (profile.paths.work / "w" / "env").read_text()
    assert "run" not in profile.fleet.get("w").labels


@pytest.mark.parametrize(
    "command",
    [
        "cat {{prompt_file}}",
        "cat '{{prompt_file}}'",
        'cat "{{prompt_file}}"',
        "cat <{{prompt_file}}",
    ],
)
def test_a_path_with_odd_characters_stays_one_word(
    tmp_path: Path, crew_ended: None, command: str
) -> None:
    # Also one that looks like a placeholder is a path like any other.
    profile = Profile(tmp_path / "it's a {{name}} $HOME")

    profile.start(prompt="a brief of its own", command=command)

    assert ended(profile.fleet).code == 0
    assert "a brief of its own" in "\n".join(profile.fleet.screen_lines("w"))


def test_a_blank_override_is_none(profile: Profile) -> None:
    profile.start(command=" \n", prompt=block("echo x"))

    assert not profile.record().override
    assert "shell-worker" in profile.fleet.get("w").argv[-1]


def test_the_command_of_a_runner_is_used_and_an_order_replaces_it(profile: Profile) -> None:
    profile.runner("mine", worker=f": theirs; {WAITS}")

    profile.start("a", runner="mine", command="")
    profile.start("b", runner="mine")

    assert ": theirs" in profile.fleet.get("a").argv[-1]
    assert ": theirs" not in profile.fleet.get("b").argv[-1]
    # Neither is the own command of an agent CLI.
    assert (profile.record("a").override, profile.record("b").override) == (True, True)


# -- refused before anything is made -----------------------------------------------------------


@pytest.mark.parametrize("name", ["", "..", "a/b", ".x", "a b", "x" * 65, "é"])
def test_what_cannot_be_a_name_is_refused(profile: Profile, name: str) -> None:
    refused(profile, "cannot name a worker", worker=name)


def test_the_pulse_is_no_worker(profile: Profile) -> None:
    refused(profile, "`pulse` is the loop itself", worker="pulse")


@pytest.mark.parametrize("prompt", ["", " \n\t"])
def test_a_worker_needs_a_brief(profile: Profile, prompt: str) -> None:
    refused(profile, "w needs a brief", prompt=prompt)


@pytest.mark.parametrize("field", ["prompt", "command"])
def test_a_nul_character_is_refused(profile: Profile, field: str) -> None:
    refused(profile, f"the {field} contains a NUL", **{field: "x {{prompt_file}} \0"})


@pytest.mark.parametrize(
    ("runner", "command", "why"),
    [
        ("rules", "claude -p hi", r"--command .* must contain \{\{prompt_file\}\}"),
        ("rules", "x {{prompt_file}} {{task}}", r"--command .* holds \{\{task\}\}"),
        ("mine", "", r"`worker` of \[runners.mine\] .* must contain"),
        ("old", "", r"`worker` of \[runners.old\] \(`looop init`\) holds \{\{prompt\}\}"),
        ("nobody", "", "runner 'nobody' has no worker command: set `worker`"),
        ("claude", "", "runner 'claude' needs the program 'claude', which is not on PATH"),
    ],
)
def test_a_command_that_cannot_be_is_refused_with_where_it_is_mended(
    profile: Profile, runner: str, command: str, why: str
) -> None:
    profile.env["PATH"] = "/usr/bin:/bin"
    profile.runner("mine", worker="agent")
    profile.runner("old", worker="agent {{prompt}} {{prompt_file}}")
    refused(profile, why, runner=runner, command=command)


@pytest.mark.parametrize(
    ("workspace", "why"),
    [
        ("branch:x", "neither `none` nor `worktree:REPO"),
        ("worktree:", "names no repository"),
        ("worktree:/a@-x", "is no branch, tag or commit"),
    ],
)
def test_a_workspace_that_is_none_is_refused(profile: Profile, workspace: str, why: str) -> None:
    refused(profile, why, workspace=workspace)


def test_a_goal_that_is_no_name_is_refused(profile: Profile) -> None:
    refused(profile, "cannot name a goal", goal="a/b")


def test_a_fleet_that_cannot_be_seen_is_not_an_empty_one(profile: Profile) -> None:
    profile.hide_fleet()
    refused(profile, "sessions")


def test_at_the_cap_there_is_no_room(profile: Profile) -> None:
    profile.open(max_workers=2)
    profile.start("a")
    profile.start("b")
    refused(profile, r"2 workers live, which is the cap \(max_workers = 2\): a, b", worker="c")
    profile.open(max_workers=0)
    profile.start("c")


def test_the_pulse_and_the_dead_take_no_room(profile: Profile) -> None:
    profile.open(max_workers=2)
    program(profile, "pulse", "read x")
    profile.start("a")
    end(profile.fleet, "a")
    profile.start("b")

    assert profile.start("c").alive


def test_a_living_id_is_refused_and_nothing_of_it_is_touched(profile: Profile) -> None:
    profile.start()
    refused(profile, "w runs already; steer it, kill it, or choose another id")
    assert end(profile.fleet).code == 0


def test_a_session_that_cannot_be_read_counts_as_alive(profile: Profile) -> None:
    profile.open(max_workers=1)
    place = profile.paths.sessions / "x"
    (place / "lock").mkdir(parents=True)
    refused(profile, "1 workers live, which is the cap")
    refused(profile, "x runs already", worker="x")


def test_a_goal_whose_money_is_spent_gets_no_worker(profile: Profile) -> None:
    profile.open(max_goal_usd=5.0)
    for usd in (3.0, 2.0):
        profile.store.ledger.add(
            Spend(
                ts="2026-01-01T00:00:00Z", kind="tick", id="t", runner="r", goal="g", cost_usd=usd
            )
        )
    refused(profile, r"goal g has cost \$5.00 of max_goal_usd = 5", goal="g")
    profile.start("other", goal="h")
    profile.start("none")


def test_a_ledger_that_cannot_be_read_is_not_an_empty_one(profile: Profile) -> None:
    profile.open(max_goal_usd=5.0)
    profile.paths.cost.mkdir()
    refused(profile, "cost.jsonl", goal="g")


# -- what was there before ---------------------------------------------------------------------


def test_what_an_ended_worker_of_that_id_left_makes_way(profile: Profile) -> None:
    first = profile.start(prompt="the first").generation
    end(profile.fleet, code=3)
    profile.store.workers.keep_note("w", _note(first))

    second = profile.start(prompt="the second")

    assert second.generation != first
    assert profile.record().generation == second.generation
    assert profile.store.workers.note("w") is None
    assert "the second" in profile.paths.prompt("w").read_text()
    end(profile.fleet)
    # Nothing of the first one's output is taken for the second's.
    assert profile.fleet.get("w").log_start == 0


def _note(generation: str) -> Any:
    from looop.model.records import AgentNote

    return AgentNote(generation=generation, state="idle", at=1.0)


def test_a_check_that_nobody_has_run_stands_in_the_way(profile: Profile) -> None:
    profile.start(verify="true")
    end(profile.fleet)
    with pytest.raises(Refused, match="its check is still to be run; the next beat does"):
        profile.start()
    profile.tend()
    assert profile.start().alive


def test_a_check_that_can_prove_nothing_stands_in_nobodys_way(profile: Profile) -> None:
    profile.start(verify="true")
    stop.kill(profile.opened, "w", by="human", why="")

    assert profile.start().alive


def test_a_corpse_whose_records_make_no_sense_makes_way(profile: Profile) -> None:
    profile.start()
    end(profile.fleet)
    (profile.paths.sessions / "w" / "meta.json").write_text("{")

    assert profile.start().alive


def test_the_work_of_a_predecessor_is_left_alone(profile: Profile) -> None:
    profile.start(command="echo precious > file; : {{prompt_file}}")
    ended(profile.fleet)

    profile.start()

    assert profile.record().work_dir == str(profile.paths.work / "w-2")
    assert (profile.paths.work / "w" / "file").read_text() == "precious\n"


def test_a_place_that_is_no_directory_is_left_alone(profile: Profile) -> None:
    profile.paths.work_dir("w").write_text("somebody's")

    profile.start()

    assert profile.record().work_dir == str(profile.paths.work / "w-2")


# -- worktrees ---------------------------------------------------------------------------------


def test_a_worker_gets_a_worktree_and_a_branch_of_its_own(profile: Profile, repo: Path) -> None:
    session = profile.start(workspace=f"worktree:{repo}@main")

    record = profile.record()
    place = Path(record.work_dir)
    assert session.cwd == record.work_dir
    assert (record.repo, record.branch) == (str(repo), "looop/w")
    assert record.base == git(repo, "rev-parse", "main")
    assert git(place, "symbolic-ref", "--short", "HEAD") == "looop/w"
    assert (place / "file").read_text() == "x"
    assert "on the branch `looop/w`" in profile.paths.prompt("w").read_text()


@pytest.mark.parametrize("words", ["worktree:{repo}@nowhere", "worktree:{repo}/absent"])
def test_a_worktree_that_cannot_be_made_leaves_nothing(
    profile: Profile, repo: Path, words: str
) -> None:
    before = profile.everything()
    with pytest.raises(LooopError):
        profile.start(workspace=words.format(repo=repo))
    assert profile.everything() == before


# -- a start that fails ------------------------------------------------------------------------


@pytest.mark.parametrize("tree", [False, True])
def test_a_command_that_cannot_be_started_leaves_nothing(
    profile: Profile, repo: Path, tree: bool
) -> None:
    profile.runner("mine", env={"PATH": "/nowhere"})
    before = profile.everything()

    with pytest.raises(Failed, match="cannot start"):
        profile.start(runner="mine", workspace=f"worktree:{repo}" if tree else "")

    assert profile.everything() == before
    assert git(repo, "branch", "--list", "looop/*") == ""
    assert profile.store.workers.get("w") is None
    assert profile.fleet.find("w") is None
    assert living(profile.paths.data) == []
    profile.runner("mine", env={})
    assert profile.start(runner="mine").alive


def test_a_prompt_that_cannot_be_written_starts_nobody(profile: Profile) -> None:
    files.remove_tree(profile.paths.prompts)
    profile.paths.prompts.write_text("")

    with pytest.raises((OSError, LooopError)):
        profile.start()

    assert profile.fleet.find("w") is None
    assert profile.store.workers.get("w") is None


def test_of_many_starts_of_one_id_at_once_one_wins(profile: Profile, tmp_path: Path) -> None:
    from tests.support.crowd import crowd

    said = crowd("begin_worker", [[str(profile.paths.data), "w"] for _ in range(4)])

    assert sum(word == "started" for word in said) == 1
    assert all("runs already" in word for word in said if word != "started")


def test_of_many_starts_at_once_no_more_run_than_the_cap(profile: Profile) -> None:
    from tests.support.crowd import crowd

    said = crowd("begin_worker", [[str(profile.paths.data), f"w{n}", 2] for n in range(4)])

    assert sum(word == "started" for word in said) == 2
    assert all("which is the cap" in word for word in said if word != "started")


# -- restart -----------------------------------------------------------------------------------


def test_a_restart_ends_the_tree_and_runs_the_same_again_as_a_new_generation(
    profile: Profile,
) -> None:
    first = profile.start(verify="true")

    second = start.restart(profile.opened, "w")

    assert second.generation != first.generation
    assert (second.argv, second.alive, second.pid != first.pid) == (first.argv, True, True)
    assert profile.record().generation == second.generation
    (told,) = profile.heard("worker_restarted")
    assert told["generation"] == second.generation
    assert end(profile.fleet).code == 0


def test_an_ended_worker_can_be_restarted_and_its_end_is_undone(profile: Profile) -> None:
    profile.start(verify="exit 1")
    end(profile.fleet, code=3)
    profile.tend()
    assert profile.record().checked is not None

    session = start.restart(profile.opened, "w")

    record = profile.record()
    assert (session.alive, record.generation) == (True, session.generation)
    assert (record.ended, record.checked, record.done, record.told) == (None, None, None, False)
    end(profile.fleet)
    profile.tend()
    assert profile.record().checked is not None


def test_an_ended_worker_takes_room_like_any_other_when_it_is_restarted(profile: Profile) -> None:
    profile.open(max_workers=1)
    profile.start("a")
    end(profile.fleet, "a")
    profile.start("b")

    with pytest.raises(Refused, match="which is the cap"):
        start.restart(profile.opened, "a")
    assert start.restart(profile.opened, "b").alive


def test_an_ended_worker_that_is_restarted_knows_who_it_is(profile: Profile) -> None:
    profile.env["OURS"] = "1"
    profile.runner("mine", worker="env > env; exit 3; : {{prompt_file}}", env={"FROM": "2"})
    profile.start(runner="mine", command="", run="tick-9")
    ended(profile.fleet)
    first = (profile.paths.work / "w" / "env").read_text().splitlines()

    start.restart(profile.opened, "w")

    ended(profile.fleet)
    again = (profile.paths.work / "w" / "env").read_text().splitlines()
    generation = profile.record().generation
    assert f"LOOOP_GENERATION={generation}" in again
    assert {"LOOOP_SESSION_ID=w", "LOOOP_RUN_ID=tick-9", "OURS=1", "FROM=2"} < set(again)
    assert {line for line in again if not line.startswith("LOOOP_GENERATION=")} == {
        line for line in first if not line.startswith("LOOOP_GENERATION=")
    }


def test_an_ended_worker_of_a_goal_without_money_is_not_restarted(profile: Profile) -> None:
    profile.start(goal="g")
    end(profile.fleet)
    profile.open(max_goal_usd=1.0)
    profile.store.ledger.add(
        Spend(ts="2026-01-01T00:00:00Z", kind="tick", id="t", runner="r", goal="g", cost_usd=2.0)
    )

    with pytest.raises(Refused, match="goal g has cost"):
        start.restart(profile.opened, "w")


def test_a_killed_worker_is_not_restarted(profile: Profile) -> None:
    profile.start()
    stop.kill(profile.opened, "w", by="human", why="enough")
    with pytest.raises(Refused, match="w was killed and stays so; start it anew"):
        start.restart(profile.opened, "w")
    assert profile.start().alive


def test_what_is_not_there_cannot_be_restarted(profile: Profile) -> None:
    with pytest.raises(NotFound):
        start.restart(profile.opened, "w")
    with pytest.raises(Refused, match="`looop down` and `looop up`"):
        start.restart(profile.opened, "pulse")


def test_a_restart_that_cannot_begin_leaves_the_record_as_it_was(profile: Profile) -> None:
    profile.start(verify="true")
    end(profile.fleet, code=3)
    profile.tend()
    before = profile.record()
    (profile.paths.sessions / "w" / "meta.json").write_text("{")

    with pytest.raises(Unreadable):
        start.restart(profile.opened, "w")

    assert profile.record() == before


def test_a_restart_whose_command_cannot_run_is_a_generation_that_failed(profile: Profile) -> None:
    profile.start()
    end(profile.fleet, code=3)
    shutil.rmtree(profile.paths.work / "w")

    with pytest.raises(Failed, match="cannot start"):
        start.restart(profile.opened, "w")

    session = profile.fleet.get("w")
    assert (session.state, session.generation) == ("failed", profile.record().generation)
    profile.tend()
    found = profile.record().ended
    assert found is not None
    assert found.state == "failed"


def test_a_program_is_restarted_as_it_is(profile: Profile) -> None:
    program(profile, "p", 'echo ready; read -r code; exit "$code"')

    session = start.restart(profile.opened, "p")

    assert session.alive
    assert profile.store.workers.get("p") is None


def test_a_new_generation_of_a_record_keeps_what_was_paid() -> None:
    from looop.model.records import Worker

    row = Spend(ts="", kind="session", id="w", runner="x", cost_usd=1.0)
    record = Worker(
        id="w", generation="g1", started=1.0, runner="x", metered={"m": row}, told=True,
        ended=Ended(state="exited", at=2.0), checked=Checked(ok=False, output="", at=3.0),
    )  # fmt: skip

    again = start.renewed(record, "g2")

    assert (again.generation, again.metered) == ("g2", {"m": row})
    assert (again.ended, again.checked, again.told) == (None, None, False)


def test_an_order_says_only_what_differs() -> None:
    assert Order(id="w", prompt="p").run == ""
