"""`run_shell` with real commands: what is kept of them, and what they cannot keep."""

import os
from pathlib import Path

import pytest

from looop.loop.admit.policy import PROTECTED
from looop.model.actions import RunShell
from looop.model.records import Outcome, Shell
from tests.loop.act.support import NOW, Profile
from tests.support.leftovers import gone, unmarked


def run(profile: Profile, cmd: str, probe: str = "", **config: object) -> tuple[Outcome, Shell]:
    action = RunShell(cmd=cmd, probe=probe) if probe else RunShell(cmd=cmd)
    effect = profile.act(action, **config)
    assert effect.shell is not None
    return effect.outcome, effect.shell


# -- what comes of a command -------------------------------------------------------------------


def test_a_command_that_works_is_told_with_its_output(profile: Profile) -> None:
    outcome, shell = run(profile, "echo hello")

    assert (outcome.ok, outcome.known, outcome.summary) == (True, True, "shell · echo hello")
    assert shell == Shell(at=NOW, cmd="echo hello", code=0, output="hello\n", run=profile.run_id)


def test_the_reason_stands_for_the_command(profile: Profile) -> None:
    effect = profile.act(RunShell(cmd="true", reason="it is\ntime " + "x" * 300))

    assert effect.outcome.summary.startswith("shell · it is time xxx")
    assert len(effect.outcome.summary) < 200


@pytest.mark.parametrize(
    ("cmd", "code"),
    [
        ("exit 3", 3),
        ("exit 143", 143),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("no-such-program-here", 127),
        ("if", 2),
        ("false | true; exit ${PIPESTATUS[0]}", 1),
    ],
)
def test_a_command_that_fails_is_told_with_its_code(profile: Profile, cmd: str, code: int) -> None:
    outcome, shell = run(profile, cmd)

    assert (outcome.ok, outcome.known) == (False, True)
    assert outcome.summary.startswith(f"exit code {code}: ")
    assert shell.code == code


def test_a_failure_quotes_the_last_words(profile: Profile) -> None:
    outcome, _ = run(profile, "echo first; echo 'the real reason' >&2; exit 1")

    assert outcome.summary.endswith("first the real reason")


def test_both_streams_are_kept_in_the_order_in_which_they_came(profile: Profile) -> None:
    _, shell = run(profile, "echo one; echo two >&2; echo three")

    assert shell.output == "one\ntwo\nthree\n"


def test_of_much_output_the_tail_is_kept(profile: Profile) -> None:
    _, shell = run(profile, "head -c 300000 /dev/zero | tr '\\0' x; echo; echo the end")

    assert shell.output.endswith("xxx\nthe end\n")
    assert len(shell.output) <= 4096


def test_output_cannot_draw_over_anything(profile: Profile) -> None:
    _, shell = run(profile, "printf 'a\\033[2Jb\\rc\\377\\n'")

    assert shell.output == "a\\x1b[2Jb\nc\N{REPLACEMENT CHARACTER}\n"


def test_without_bash_nothing_runs_and_that_is_said(profile: Profile) -> None:
    profile.env["PATH"] = "/nowhere"

    outcome, shell = run(profile, "true")

    assert (outcome.ok, outcome.known, shell.code) == (False, True, 127)
    assert outcome.summary.startswith("bash: ")


# -- surroundings ------------------------------------------------------------------------------


def test_a_command_runs_in_the_data_dir_with_the_callers_environment(profile: Profile) -> None:
    cmd = 'echo "$PWD|$LOOOP_DATA_DIR|$LOOOP_CONFIG|$LOOOP_RUN_ID|$FROM_THE_CALLER|$HOME"'

    _, shell = run(profile, cmd)

    data, config = profile.paths.data, profile.paths.config
    assert shell.output == f"{data}|{data}|{config}|{profile.run_id}|yes|\n"


def test_a_command_is_bash_and_no_login(profile: Profile) -> None:
    _, shell = run(profile, "[[ -n $BASH_VERSION ]] && ! shopt -q login_shell && echo right")

    assert shell.output == "right\n"


def test_a_command_that_reads_its_input_meets_the_end_of_it(profile: Profile) -> None:
    assert run(profile, "cat; echo done")[1].output == "done\n"


def test_what_a_command_leaves_running_is_ended(profile: Profile) -> None:
    outcome, shell = run(profile, "sleep 50 & echo $!")

    assert outcome.ok
    assert gone(int(shell.output))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_what_escapes_into_a_session_of_its_own_is_ended(profile: Profile) -> None:
    # The child says its own pid, so that it is known to have escaped before the parent ends.
    cmd = "setsid sh -c 'echo $$ > said; exec sleep 50' >/dev/null 2>&1 & cat said"

    _, shell = run(profile, f"mkfifo said; {cmd}")

    assert gone(int(shell.output))
    assert unmarked(profile.run_id)


# -- the deadline ------------------------------------------------------------------------------


def test_a_command_that_hangs_may_have_run_in_part(profile: Profile) -> None:
    outcome, shell = run(profile, "echo began; exec sleep 60", shell_timeout=1.0)

    assert (outcome.ok, outcome.known, outcome.probe) == (False, False, "")
    assert outcome.summary.startswith("stopped after 1 s, so it may have run in part")
    assert "look before trying again" in outcome.summary
    assert "began" in outcome.summary
    assert (shell.code, shell.output) == (124, "began\n")


@pytest.mark.parametrize(
    ("probe", "answer"),
    [
        ("test -e made", "probe exit code 0"),
        ("test -e other", "probe exit code 1"),
        ("ls; exit 3", "probe exit code 3: "),
        ("echo \"$LOOOP_DATA_DIR\"; printf '\\033x'", "probe exit code 0: "),
    ],
)
def test_after_a_deadline_the_probe_tells_whether_it_happened(
    profile: Profile, probe: str, answer: str
) -> None:
    (profile.paths.data / "made").touch()

    outcome, _ = run(profile, "exec sleep 60", probe, shell_timeout=0.1)

    assert not outcome.known
    assert outcome.probe.startswith(answer)
    assert "\x1b" not in outcome.probe


@pytest.mark.parametrize("cmd", ["true", "exit 1"])
def test_a_probe_is_not_asked_when_the_end_is_known(profile: Profile, cmd: str) -> None:
    outcome, _ = run(profile, cmd, "touch probed")

    assert outcome.known
    assert not (profile.paths.data / "probed").exists()


# -- the floor under it ------------------------------------------------------------------------


def files_of(profile: Profile) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in PROTECTED:
        path = profile.paths.data / name
        found[name] = path.read_text() if path.exists() else None
    return found


def evidence(profile: Profile) -> dict[str, str]:
    return {p.name: p.read_text() for p in profile.paths.data.glob("*.refused-*")}


@pytest.mark.parametrize("name", PROTECTED)
@pytest.mark.parametrize(
    ("cmd", "kept"),
    [
        pytest.param("echo worse > {}", "worse\n", id="changed"),
        pytest.param("echo worse >> {}", "mine\nworse\n", id="added to"),
        pytest.param("echo worse > new; mv new {}", "worse\n", id="replaced"),
        pytest.param("rm {}", None, id="deleted"),
        pytest.param(": > {}", None, id="emptied"),
        pytest.param("rm {0}; mkdir {0}; touch {0}/x", None, id="a directory"),
        pytest.param("echo worse > other; ln -sf other {}", "worse\n", id="a link"),
        pytest.param("cp {0} other; ln -sf other {0}", "mine\n", id="a link to a copy"),
        pytest.param("rm {0}; ln -s nowhere {0}", None, id="a link to nowhere"),
        pytest.param("rm {0}; mkfifo {0}", None, id="a fifo"),
        pytest.param(
            "f=$(printf %s {} | tr x x); echo worse > $f", "worse\n", id="a computed path"
        ),
        pytest.param("echo worse > {}; exit 3", "worse\n", id="and failed"),
        pytest.param("echo worse > {}; kill -KILL $$", "worse\n", id="and died"),
    ],
)
def test_a_protected_file_is_put_back_and_the_evidence_kept(
    profile: Profile, name: str, cmd: str, kept: str | None
) -> None:
    for each in PROTECTED:
        (profile.paths.data / each).write_text("mine\n")
    before = files_of(profile)

    outcome, shell = run(profile, cmd.format(name))

    assert files_of(profile) == before
    path = profile.paths.data / name
    assert not path.is_symlink()
    assert path.is_file()
    assert not outcome.ok
    assert outcome.summary == f"the command changed {name}, which no move may do; put back"
    assert list(evidence(profile).values()) == ([] if kept is None else [kept])
    assert shell.cmd == cmd.format(name)


@pytest.mark.parametrize("name", PROTECTED)
@pytest.mark.parametrize(
    ("cmd", "kept"),
    [
        pytest.param("echo worse > {}", "worse\n", id="created"),
        pytest.param(": > {}", None, id="created empty"),
        pytest.param("mkdir {}", None, id="a directory"),
        pytest.param("echo worse > other; ln -s other {}", "worse\n", id="a link"),
        pytest.param("ln -s nowhere {}", None, id="a link to nowhere"),
    ],
)
def test_a_protected_file_that_was_not_there_is_taken_away(
    profile: Profile, name: str, cmd: str, kept: str | None
) -> None:
    outcome, _ = run(profile, cmd.format(name))

    path = profile.paths.data / name
    assert not path.exists()
    assert not path.is_symlink()
    assert not outcome.ok
    assert name in outcome.summary
    assert list(evidence(profile).values()) == ([] if kept is None else [kept])


def test_putting_back_never_writes_through_a_planted_link(profile: Profile) -> None:
    profile.paths.config.write_text("mine\n")
    profile.paths.playbook.write_text("be careful\n")

    run(profile, "ln -sf PLAYBOOK.md config.toml; ln -s PLAYBOOK.md reflexes.toml")

    assert profile.paths.playbook.read_text() == "be careful\n"
    assert profile.paths.config.read_text() == "mine\n"
    assert not profile.paths.reflexes.is_symlink()


def test_a_link_of_the_humans_own_stays_a_link(profile: Profile) -> None:
    dotfile = profile.paths.data.parent / "dotfiles.toml"
    dotfile.write_text("mine\n")
    profile.paths.config.symlink_to(dotfile)

    assert run(profile, "cat config.toml")[0].ok
    assert not run(profile, "echo worse > config.toml")[0].ok
    assert dotfile.read_text() == "mine\n"
    assert not run(profile, "rm config.toml; echo worse > config.toml")[0].ok
    assert profile.paths.config.readlink() == dotfile
    assert dotfile.read_text() == "mine\n"


def test_a_link_of_the_humans_own_that_leads_nowhere_stays_one(profile: Profile) -> None:
    profile.paths.config.symlink_to("missing.toml")

    assert not run(profile, "echo worse > config.toml")[0].ok
    assert str(profile.paths.config.readlink()) == "missing.toml"
    assert not profile.paths.config.exists()


def test_a_config_elsewhere_is_protected_too(tmp_path: Path) -> None:
    from looop.paths import Paths
    from looop.state.store import Store

    profile = Profile(tmp_path)
    profile.paths = Paths(tmp_path / "data", tmp_path / "settings.toml")
    profile.store = Store(profile.paths, profile.config)
    profile.paths.config.write_text("mine\n")

    outcome, _ = run(profile, 'echo worse > "$LOOOP_CONFIG"')

    assert not outcome.ok
    assert profile.paths.config.read_text() == "mine\n"


def test_several_files_are_named_and_all_put_back(profile: Profile) -> None:
    outcome, _ = run(profile, "echo a > reflexes.toml; echo b > admission.toml")

    assert "admission.toml, reflexes.toml" in outcome.summary
    assert len(evidence(profile)) == 2


def test_a_change_after_the_command_was_stopped_is_undone_as_well(profile: Profile) -> None:
    profile.paths.config.write_text("mine\n")

    outcome, _ = run(
        profile,
        "trap 'echo worse > config.toml; exit' TERM; echo on; sleep 60 & wait",
        shell_timeout=1.0,
    )

    assert not outcome.ok
    assert profile.paths.config.read_text() == "mine\n"


def test_reading_and_touching_protected_files_changes_nothing(profile: Profile) -> None:
    profile.paths.config.write_text("mine\n")

    assert run(profile, "cat config.toml; touch config.toml; cp config.toml copy")[0].ok
    assert evidence(profile) == {}


def test_a_cancelled_command_does_not_live_on(profile: Profile) -> None:
    import asyncio

    from looop.loop.act import shell

    said = profile.paths.data / "pid"
    os.mkfifo(said)

    async def main() -> int:
        reader = os.open(said, os.O_RDONLY | os.O_NONBLOCK)
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(reader, ready.set)
        try:
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                task = group.create_task(
                    shell.run(
                        RunShell(cmd="echo $$ > pid; exec sleep 60"),
                        paths=profile.paths,
                        config=profile.config,
                        env=profile.env,
                        run_id=profile.run_id,
                        clock=profile.clock,
                    )
                )
                await ready.wait()
                task.cancel()
            return int(os.read(reader, 100))
        finally:
            loop.remove_reader(reader)
            os.close(reader)

    pid = asyncio.run(main())

    assert gone(pid)
