"""The git history of policy files: every admitted change is a commit; undo is a revert."""

import os

from looop.errors import Failed, Missing, NotFound, Refused
from looop.kit import files, text, tool
from looop.paths import Paths

__all__ = ["History"]

POLICY = ("PLAYBOOK.md", "goals", "sensors", "schedules", "reflexes.toml", "admission.toml")
# All but the policy files, and of those not what publishing leaves beside them.
_IGNORE = (
    "*\n!.gitignore\n"
    + "".join(f"!{name}\n" + (f"!{name}/**\n" if "." not in name else "") for name in POLICY)
    + ".dirlock\n.*.tmp\n"
)
_IDENTITY = ("-c", "user.name=looop", "-c", "user.email=looop@localhost")
# The user's own git settings (signing, hooks, templates) have no business in a state directory.
_QUIET = (
    "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=256",
    "-c", "safe.directory=*",
)  # fmt: skip


class History:
    """The repository inside one data dir, if it has one."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def _git(self, *words: str) -> str:
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        env |= {
            "GIT_CEILING_DIRECTORIES": str(self._paths.data.parent),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C",
        }
        argv = ["git", *_IDENTITY, *_QUIET, *words]
        try:
            code, out, err = tool.capture(argv, cwd=self._paths.data, env=env, limit_s=20)
        except FileNotFoundError as error:
            raise Missing("git is not installed: install the Debian package git") from error
        except (TimeoutError, OSError) as error:
            raise Failed(f"git {words[0]}: {error}") from error
        if code:
            raise Failed(f"git {words[0]}: {text.one_line(err.decode('utf-8', 'replace'), 300)}")
        return out.decode("utf-8", "replace")

    @property
    def exists(self) -> bool:
        return (self._paths.data / ".git").is_dir()

    def create(self) -> None:
        """Start the history with what is there; a repository that exists is left alone."""
        if self.exists:
            return
        path = self._paths.data / ".gitignore"
        # Whatever another program wrote there stays; what comes last decides.
        files.write_atomic(path, ((files.read_text(path) or "") + _IGNORE).encode())
        self._git("init", "--quiet", "--initial-branch=main")
        self.commit("begin the history of this profile")

    def commit(self, message: str) -> bool:
        """Commit every change of policy files; False when nothing changed or nothing is kept."""
        if not self.exists:
            return False
        self._git("add", "--all")
        if not self._git("status", "--porcelain"):
            return False
        self._git("commit", "--quiet", "--no-verify", "-m", text.one_line(message, 500))
        return True

    def log(self, count: int) -> list[tuple[str, str, str, list[str]]]:
        """Newest first: (short id, local time, message, files changed)."""
        if not self.exists:
            raise NotFound("this profile keeps no history; `looop init --git` starts it")
        raw = self._git(
            "log", f"-{count}", "--date=format-local:%Y-%m-%d %H:%M", "--name-only",
            "--format=%x01%h%x02%ad%x02%s",
        )  # fmt: skip
        rows: list[tuple[str, str, str, list[str]]] = []
        for block in raw.split("\x01")[1:]:
            head, _, rest = block.partition("\n")
            commit, when, message = head.split("\x02", 2)
            rows.append((commit, when, message, [line for line in rest.split("\n") if line]))
        return rows

    def diff(self, commit: str) -> str:
        return self._git("show", "--format=", self._known(commit))

    def _known(self, commit: str) -> str:
        if not commit.isalnum():
            raise NotFound(f"{commit!r} is not in the history; `looop history` lists it")
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").strip()
        except Failed as error:
            raise NotFound(f"{commit!r} is not in the history; `looop history` lists it") from error

    def undo(self, commit: str) -> str:
        """
        Take one change back, as a new commit; the message of what was undone.

        Raises `Refused` when later changes stand in the way; nothing is changed then.
        """
        if not self.exists:
            raise NotFound("this profile keeps no history; `looop init --git` starts it")
        known = self._known(commit)
        if not self._git("log", "-1", "--format=%P", known).strip():
            raise Refused(f"{commit} is the beginning of the history; there is nothing before it")
        self.commit("changes by hand")
        message = self._git("log", "-1", "--format=%s", known).strip()
        try:
            self._git("revert", "--no-edit", known)
        except Failed as error:
            try:
                self._git("revert", "--abort")
            except Failed:
                self._git("reset", "--quiet", "--hard", "HEAD")
            raise Refused(
                f"{commit} cannot be undone: later changes touch the same lines; "
                f"see `looop history {commit}` and edit by hand"
            ) from error
        return message
