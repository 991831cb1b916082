"""Files: atomic publish, exclusive create, compare-and-swap, append, and honest reads."""

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from looop.errors import Conflict, Unreadable
from looop.kit import files
from tests.support.crowd import crowd, started

OLD = b"old " * 400
NEW = b"new " * 500


class PowerCut(BaseException):
    """The machine stops here."""


def stop_at(monkeypatch: pytest.MonkeyPatch, name: str, nth: int, error: BaseException) -> None:
    """Let the `nth` call of `os.<name>` fail without having happened."""
    real: Callable[..., Any] = getattr(os, name)
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(os, name, call)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def left_in(directory: Path) -> list[str]:
    return [name for name in sorted(os.listdir(directory)) if name != ".dirlock"]


# -- publishing ----------------------------------------------------------------------------------

POINTS = [
    pytest.param(name, nth, id=f"{name} {nth}")
    for name in ("open", "fchmod", "write", "fsync", "replace", "close")
    for nth in (1, 2)
]


@pytest.mark.parametrize(("name", "nth"), POINTS)
def test_whatever_call_is_the_last_one_a_reader_finds_the_old_bytes_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, nth: int
) -> None:
    path = tmp_path / "f"
    files.write_atomic(path, OLD)

    with monkeypatch.context() as patch:
        stop_at(patch, name, nth, PowerCut())
        try:
            files.write_atomic(path, NEW)
            outcome = {NEW}
        except PowerCut:
            outcome = {OLD, NEW}

    assert path.read_bytes() in outcome
    assert left_in(tmp_path) == ["f"]
    files.write_atomic(path, NEW)
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("name", ["write", "fsync", "replace", "fchmod"])
def test_a_publish_that_fails_says_so_loses_nothing_and_leaves_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "f"
    files.write_atomic(path, OLD)
    stop_at(monkeypatch, name, 1, OSError(errno.ENOSPC, "No space left on device"))

    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(path, NEW)

    assert path.read_bytes() == OLD
    assert left_in(tmp_path) == ["f"]


def test_a_disk_that_fills_up_half_way_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    files.write_atomic(path, OLD)
    real = os.write
    room = 100

    def write(fd: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(fd, data[:room])
        room -= done
        return done

    monkeypatch.setattr(os, "write", write)
    for act in (
        lambda: files.write_atomic(path, NEW),
        lambda: files.replace_if_equal(path, OLD, NEW),
        lambda: files.create_exclusive(tmp_path / "g", NEW),
    ):
        room = 100
        with pytest.raises(OSError, match="No space left"):
            act()
        assert path.read_bytes() == OLD
        assert left_in(tmp_path) == ["f"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def write(fd: int, data: bytes) -> int:
        return real(fd, data[:7])

    monkeypatch.setattr(os, "write", write)
    files.write_atomic(tmp_path / "f", NEW)
    files.append_line(tmp_path / "log", "a line that needs many writes")
    assert (tmp_path / "f").read_bytes() == NEW
    assert (tmp_path / "log").read_bytes() == b"a line that needs many writes\n"


def test_contents_are_on_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def tell(name: str) -> None:
        real: Callable[..., Any] = getattr(os, name)

        def call(*args: Any) -> Any:
            kind = "dir" if name == "fsync" and os.path.isdir(f"/proc/self/fd/{args[0]}") else ""
            order.append(name + kind)
            return real(*args)

        monkeypatch.setattr(os, name, call)

    for name in ("fchmod", "write", "fsync", "replace"):
        tell(name)
    files.write_atomic(tmp_path / "f", NEW)
    assert order == ["fchmod", "write", "fsync", "replace", "fsyncdir"]

    order.clear()
    files.write_atomic(tmp_path / "f", OLD, durable=False)
    assert order == ["fchmod", "write", "replace"]


def test_a_symlink_is_written_through_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    real = tmp_path / "repo" / "real"
    real.write_bytes(OLD)
    link = tmp_path / "link"
    link.symlink_to(Path("repo") / "real")

    files.write_atomic(link, NEW)
    assert link.is_symlink()
    assert real.read_bytes() == NEW
    assert files.replace_if_equal(link, NEW, OLD)
    assert link.is_symlink()
    assert real.read_bytes() == OLD
    assert left_in(tmp_path / "repo") == ["real"]


def test_a_link_that_leads_nowhere_yet_is_written_through(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "later")
    files.write_atomic(link, NEW)
    assert link.is_symlink()
    assert (tmp_path / "later").read_bytes() == NEW


def test_the_temporary_name_cannot_be_laid_in_wait_as_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(OLD)
    monkeypatch.setattr(os, "urandom", bytes)
    (tmp_path / ".f.000000000000.tmp").symlink_to(victim)

    with pytest.raises(FileExistsError):
        files.write_atomic(tmp_path / "f", NEW)
    assert victim.read_bytes() == OLD


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_and_directories_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        files.write_atomic(tmp_path / "f", NEW)
        files.create_exclusive(tmp_path / "g", NEW)
        files.write_atomic(tmp_path / "x", NEW, mode=0o700)
    finally:
        os.umask(before)
    assert [mode_of(tmp_path / name) for name in "fgx"] == [0o600, 0o600, 0o700]


def test_a_directory_is_made_private_and_one_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    files.ensure_dir(tmp_path / "a" / "b")
    assert mode_of(tmp_path / "a" / "b") == 0o700
    files.append_line(tmp_path / "a" / "log", "x")
    assert mode_of(tmp_path / "a" / "log") == 0o600

    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    files.ensure_dir(tmp_path / "open")
    assert mode_of(tmp_path / "open") == 0o755


def test_the_longest_name_can_be_published(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    files.write_atomic(path, NEW)
    assert path.read_bytes() == NEW


# -- looking and acting in one step ----------------------------------------------------------------


def test_an_exclusive_create_never_replaces_anything(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert files.create_exclusive(path, OLD)
    assert not files.create_exclusive(path, NEW)
    assert path.read_bytes() == OLD

    (tmp_path / "dir").mkdir()
    assert not files.create_exclusive(tmp_path / "dir", NEW)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert not files.create_exclusive(tmp_path / "dangling", NEW)
    assert not (tmp_path / "nowhere").exists()


def test_an_exclusive_create_that_cannot_look_does_not_create(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(Unreadable, match="loop"):
        files.create_exclusive(loop, NEW)
    assert loop.is_symlink()


def test_of_processes_that_create_one_file_exactly_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "f"
    won = crowd("create", [[str(path), f"p{n}"] for n in range(4)])
    assert sorted(won) == [False, False, False, True]
    assert path.read_text() == f"p{won.index(True)}"
    assert left_in(tmp_path) == ["f"]


def test_of_processes_that_swap_one_value_exactly_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("free")
    won = crowd("swap", [[str(path), "free", f"p{n}"] for n in range(4)])
    assert sorted(won) == [False, False, False, True]
    assert path.read_text() == f"p{won.index(True)}"


def test_concurrent_swaps_lose_no_update(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    crowd("count_up", [[str(path), 25]] * 4)
    assert path.read_text() == "100"


def test_a_swap_needs_exactly_the_old_bytes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert not files.replace_if_equal(path, b"", NEW)
    assert not path.exists()
    path.write_bytes(b"a")
    assert not files.replace_if_equal(path, b"a\n", NEW)
    assert not files.replace_if_equal(path, b"", NEW)
    assert path.read_bytes() == b"a"
    assert files.replace_if_equal(path, b"a", NEW)
    assert path.read_bytes() == NEW


def test_a_removal_needs_exactly_the_old_bytes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert not files.remove_if_equal(path, b"")
    path.write_bytes(b"a")
    assert not files.remove_if_equal(path, b"b")
    assert path.exists()
    assert files.remove_if_equal(path, b"a")
    assert not path.exists()


def test_a_swap_that_cannot_look_does_not_act(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(Unreadable):
        files.replace_if_equal(tmp_path / "dir", b"", NEW)
    with pytest.raises(Unreadable):
        files.remove_if_equal(tmp_path / "dir", b"")


def test_a_file_that_is_replaced_over_and_over_is_never_absent_and_never_torn(
    tmp_path: Path,
) -> None:
    path = tmp_path / "f"
    bodies = ["a" * 5000, "b" * 9000]
    path.write_text(bodies[0])
    seen: set[bytes | None] = set()
    with started("hammer", str(path), bodies, 300) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        while child.poll() is None:
            seen.add(files.read_bytes(path))
            assert path.exists()
        assert child.stdout.readline() == "300\n"
    assert seen <= {body.encode() for body in bodies}


def test_removal_tells_whether_there_was_anything(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    assert files.remove(tmp_path / "f")
    assert not files.remove(tmp_path / "f")


def test_the_lock_file_outlives_every_writer_and_is_one_inode(tmp_path: Path) -> None:
    files.write_atomic(tmp_path / "f", NEW)
    inode = (tmp_path / ".dirlock").stat().st_ino
    files.remove(tmp_path / "f")
    files.write_atomic(tmp_path / "f", NEW)
    assert (tmp_path / ".dirlock").stat().st_ino == inode


def test_the_lock_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(PowerCut), files.dir_lock(tmp_path):
        raise PowerCut
    with files.dir_lock(tmp_path):
        pass


# -- reading -------------------------------------------------------------------------------------


def test_absence_is_none_and_an_empty_file_is_empty(tmp_path: Path) -> None:
    assert files.read_bytes(tmp_path / "f") is None
    assert files.read_bytes(tmp_path / "no" / "f") is None
    assert files.read_text(tmp_path / "f") is None
    assert files.read_tail(tmp_path / "f", 9) is None
    assert files.stat_or_none(tmp_path / "f") is None
    assert files.list_names(tmp_path / "no") == []
    assert files.read_range(tmp_path / "f", 0, 9) == b""
    (tmp_path / "f").write_bytes(b"")
    assert files.read_bytes(tmp_path / "f") == b""
    assert files.read_tail(tmp_path / "f", 9) == b""


def lay_directory(path: Path) -> None:
    path.mkdir()


def lay_fifo(path: Path) -> None:
    os.mkfifo(path)


def lay_link_loop(path: Path) -> None:
    path.symlink_to(path)


READERS: list[Callable[[Path], object]] = [
    files.read_bytes,
    files.read_text,
    lambda path: files.read_tail(path, 9),
    lambda path: files.read_range(path, 0, 9),
]


@pytest.mark.parametrize("lay", [lay_directory, lay_fifo, lay_link_loop])
@pytest.mark.parametrize("read", READERS, ids=["all", "text", "tail", "range"])
def test_what_is_no_file_is_unreadable_at_once_and_not_absent(
    tmp_path: Path, lay: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    lay(tmp_path / "f")
    with pytest.raises(Unreadable, match=r"cannot read .*f: "):
        read(tmp_path / "f")


def test_below_a_file_nothing_is_proven_absent(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(Unreadable):
        files.read_bytes(tmp_path / "f" / "g")
    with pytest.raises(Unreadable):
        files.stat_or_none(tmp_path / "f" / "g")
    with pytest.raises(Unreadable):
        files.list_names(tmp_path / "f")


def test_a_device_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="not a regular file"):
        files.read_bytes(Path(os.devnull))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_refused_look_is_never_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "f"
    path.write_bytes(OLD)

    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise OSError(code, os.strerror(code))

    for name in ("open", "stat", "listdir"):
        monkeypatch.setattr(os, name, refuse)
    for look in (
        *READERS,
        files.stat_or_none,
        files.list_names,
    ):
        with pytest.raises(Unreadable, match=os.strerror(code)):
            look(path)


def test_a_disk_error_in_the_middle_of_a_file_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * (3 << 20))
    stop_at(monkeypatch, "read", 2, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(Unreadable, match="Input/output error"):
        files.read_bytes(path)


def test_reads_are_bounded_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "f"
    data = bytes(range(256)) * 10_000
    path.write_bytes(data)
    assert files.read_bytes(path) == data
    assert files.read_bytes(path, 1_500_000) == data[:1_500_000]
    assert files.read_bytes(path, 0) == b""
    assert files.read_tail(path, 300) == data[-300:]
    assert files.read_tail(path, 1 << 30) == data
    assert files.read_range(path, 10, 20) == data[10:20]
    assert files.read_range(path, len(data) - 3, len(data) + 9) == data[-3:]


def test_bytes_that_are_no_text_are_replaced_and_not_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\xff\xfeb\n")
    assert files.read_text(tmp_path / "f") == "a\ufffd\ufffdb\n"


def test_names_are_sorted(tmp_path: Path) -> None:
    for name in ("b", "a", "C"):
        (tmp_path / name).touch()
    assert files.list_names(tmp_path) == ["C", "a", "b"]


# -- appending and rotating ------------------------------------------------------------------------


def test_lines_of_concurrent_writers_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "log"
    crowd("append", [[str(path), who, 60, 3000] for who in "abcd"])
    lines = path.read_text().split("\n")
    assert lines.pop() == ""
    expected = {f"{who} {number} {who * 3000}" for who in "abcd" for number in range(60)}
    assert len(lines) == 240
    assert set(lines) == expected
    for who in "abcd":
        mine = [int(line.split(" ")[1]) for line in lines if line.startswith(who)]
        assert mine == sorted(mine)


def test_a_line_that_is_half_written_is_not_taken_for_a_torn_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    real = os.write
    other = threading.Thread(target=files.append_line, args=(path, "second"))

    def write(fd: int, data: bytes) -> int:
        monkeypatch.undo()
        done = real(fd, data[:5])
        other.start()
        # Time enough to push in; it has to wait until the line is whole.
        other.join(0.1)
        return done

    monkeypatch.setattr(os, "write", write)
    files.append_line(path, "first, in two pieces")
    other.join()
    assert path.read_text() == "first, in two pieces\nsecond\n"


def test_a_torn_last_line_is_closed_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"whole\ntor")
    files.append_line(path, "next", durable=True)
    files.append_line(path, "after")
    assert path.read_bytes() == b"whole\ntor\nnext\nafter\n"


def test_a_line_cannot_forge_a_second_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    files.append_line(path, "one\r\n- two\rthree\n")
    assert path.read_bytes().count(b"\n") == 1
    assert b"\r" not in path.read_bytes()


def test_a_full_disk_costs_at_most_the_new_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    files.append_line(path, "first")
    with monkeypatch.context() as patch:
        stop_at(patch, "write", 1, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(OSError, match="No space left"):
            files.append_line(path, "lost")
    files.append_line(path, "third")
    assert path.read_bytes() == b"first\nthird\n"


def test_rotation_keeps_one_generation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    older = tmp_path / "log.1"
    assert not files.rotate(path, 10)
    path.write_bytes(b"123456789")
    assert not files.rotate(path, 10)
    path.write_bytes(b"1234567890")
    assert not files.rotate(path, 0)
    assert files.rotate(path, 10)
    assert not path.exists()
    assert older.read_bytes() == b"1234567890"

    path.write_bytes(b"abcdefghijk")
    assert files.rotate(path, 10)
    assert older.read_bytes() == b"abcdefghijk"
    assert left_in(tmp_path) == ["log.1"]


def test_concurrent_rotation_happens_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 100)
    assert sorted(crowd("rotate", [[str(path), 100]] * 3)) == [False, False, True]
    assert (tmp_path / "log.1").read_bytes() == b"x" * 100


# -- moving aside and removing ---------------------------------------------------------------------


def test_moving_aside_counts_up_and_overwrites_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    names: list[str] = []
    for body in ("one", "two", "three"):
        (tmp_path / "a.b.md").write_text(body)
        names.append(files.move_aside(tmp_path / "a.b.md", archive).name)
    assert names == ["a.b.md", "a.b-1.md", "a.b-2.md"]
    assert [(archive / name).read_text() for name in names] == ["one", "two", "three"]


def test_a_dangling_link_in_the_archive_is_a_taken_name(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "a.md").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a.md").write_text("one")
    assert files.move_aside(tmp_path / "a.md", tmp_path / "archive").name == "a-1.md"


def test_moving_aside_what_has_gone_is_a_conflict(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="has gone"):
        files.move_aside(tmp_path / "a.md", tmp_path / "archive")


def test_an_archive_that_cannot_be_looked_at_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "a.md").symlink_to("a.md")
    (tmp_path / "a.md").write_text("one")
    with pytest.raises(Unreadable):
        files.move_aside(tmp_path / "a.md", tmp_path / "archive")
    assert (tmp_path / "a.md").read_text() == "one"


def test_concurrent_archivers_of_one_name_keep_every_file(tmp_path: Path) -> None:
    sources: list[Path] = []
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        sources.append(tmp_path / str(number) / "a.md")
        sources[-1].write_text(str(number))
    names = crowd("put_aside", [[str(source), str(tmp_path / "archive")] for source in sources])
    assert sorted(names) == ["a-1.md", "a-2.md", "a-3.md", "a.md"]
    bodies = [(tmp_path / "archive" / name).read_text() for name in names]
    assert bodies == ["0", "1", "2", "3"]


def test_of_archivers_of_one_file_one_gets_it(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    names = crowd("put_aside", [[str(tmp_path / "a.md"), str(tmp_path / "archive")]] * 3)
    assert sorted(names) == ["", "", "a.md"]
    assert (tmp_path / "archive" / "a.md").read_text() == "one"


def test_removing_a_tree_never_follows_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "f").touch()
    (tree / "link").symlink_to(outside)
    (tree / "deep" / "dangling").symlink_to("nowhere")

    files.remove_tree(tree)
    assert not tree.exists()
    assert (outside / "precious").read_text() == "kept"

    link = tmp_path / "link"
    link.symlink_to(outside)
    files.remove_tree(link)
    assert not link.is_symlink()
    assert (outside / "precious").exists()
    files.remove_tree(tmp_path / "never-was")
