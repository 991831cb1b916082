"""One terminal and the command that runs on it: spawned, read, typed at, resized."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from looop.sessions.host.brief import Brief

__all__ = ["BATCH_BYTES", "INPUT_CAP", "Terminal", "spawn"]

# How much input may wait for a program that does not read.
INPUT_CAP = 1 << 20
# How much is written to the log at once. A terminal gives about 4 KiB at a time; room for more is
# time, and memory that each supervisor keeps.
BATCH_BYTES = 16 << 10
_READ_BYTES = 4 << 10
_WRITE_BYTES = 4096
_REPORT_BYTES = 4096
# Erasing takes a whole character, not a byte of it. The same number on Linux and macOS; the
# termios module does not name it.
_IUTF8 = 0x4000
_IFLAG, _LFLAG = 0, 3


class Terminal:
    """
    The master side. `pid` leads the command's process group; `open` until nothing more can come.
    """

    def __init__(self, master: int, pid: int) -> None:
        self.fd = master
        self.pid = pid
        self._waiting = bytearray()

    @property
    def open(self) -> bool:
        return self.fd >= 0

    @property
    def waiting(self) -> int:
        """Bytes of input that the program has not taken yet."""
        return len(self._waiting)

    def read(self) -> tuple[bytes, bool]:
        """
        What there is now, and whether the last descriptor of it is closed.

        Less than a batch is all that there is.
        """
        chunks: list[bytes] = []
        total = 0
        while total < BATCH_BYTES:
            try:
                chunk = os.read(self.fd, _READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                # EIO on Linux, where other systems give an empty read.
                return b"".join(chunks), True
            if not chunk:
                return b"".join(chunks), True
            chunks.append(chunk)
            total += len(chunk)
        return b"".join(chunks), False

    def queue(self, data: bytes, cap: int = INPUT_CAP) -> bool:
        """Take `data` as typed; False, and nothing is taken, when too much waits already."""
        if not self.open or len(self._waiting) + len(data) > cap:
            return False
        self._waiting += data
        return True

    def feed(self) -> None:
        """Hand on as much of the queued input as the terminal takes now."""
        while self._waiting:
            try:
                written = os.write(self.fd, self._waiting[:_WRITE_BYTES])
            except BlockingIOError:
                return
            except OSError:
                # Nobody can read it any more.
                self._waiting.clear()
                return
            del self._waiting[:written]

    def resize(self, columns: int, rows: int) -> None:
        """Set the size, and have the kernel tell the foreground group. Raises `OSError`."""
        if self.open:
            _set_size(self.fd, columns, rows)

    def canonical(self) -> bool:
        """Whether the terminal collects lines, and would cut one of more than 4095 bytes."""
        if not self.open:
            return False
        try:
            return bool(termios.tcgetattr(self.fd)[_LFLAG] & termios.ICANON)
        except termios.error:
            return False

    def close(self) -> None:
        """Hang up."""
        if self.open:
            os.close(self.fd)
            self.fd = -1
            self._waiting.clear()


def _set_size(fd: int, columns: int, rows: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def spawn(brief: Brief) -> Terminal:
    """
    Start the command on a terminal of its own, in a session and process group of its own.

    Its size is set before anything of it runs. Raises `OSError` with a reason, in words, when
    it cannot be started.
    """
    master, slave = os.openpty()
    try:
        _set_size(slave, brief.columns, brief.rows)
        _settle(slave)
        pid = _fork(brief, slave)
        os.set_blocking(master, False)
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    return Terminal(master, pid)


def _fork(brief: Brief, slave: int) -> int:
    """Run the command in a child, and hear whether it could be: its pid."""
    report, told = os.pipe()
    with open(report, "rb", buffering=0) as handle:
        try:
            pid = os.fork()
            if pid == 0:
                _become(brief, slave, told)
        finally:
            os.close(told)
        # This end of it is closed by the exec, so that nothing said means that it happened.
        said = handle.read(_REPORT_BYTES)
    if said:
        os.waitpid(pid, 0)
        raise OSError(0, said.decode("utf-8", "replace"))
    return pid


def _settle(slave: int) -> None:
    flags = termios.tcgetattr(slave)
    flags[_IFLAG] |= _IUTF8
    termios.tcsetattr(slave, termios.TCSANOW, flags)


def _become(brief: Brief, slave: int, told: int) -> None:
    """Turn a forked child into the command; never returns."""
    step = "cannot have a terminal"
    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        _reset_signals()
        os.umask(brief.umask)
        step = f"cannot enter {brief.cwd}"
        os.chdir(brief.cwd)
        step = f"cannot run {brief.argv[0] if brief.argv else 'nothing'}"
        os.execvpe(brief.argv[0], brief.argv, brief.environment())  # noqa: S606 - the job
    except OSError as error:
        _tell(told, f"{step}: {error.strerror}")
    except (ValueError, IndexError) as error:
        # A NUL in a word, an equals sign in a name, no words at all.
        _tell(told, f"{step}: {error}")
    finally:
        os._exit(127)


def _tell(told: int, words: str) -> None:
    os.write(told, words.encode("utf-8", "replace")[:_REPORT_BYTES])


def _reset_signals() -> None:
    """Undo what this process, or whoever started it, ignores or blocks."""
    signal.set_wakeup_fd(-1)
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            # KILL and STOP, and those that belong to the threads library.
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
