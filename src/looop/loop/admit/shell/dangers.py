"""Dangers: the shapes of single commands that cannot be taken back, whoever asks for them."""

import re
from collections.abc import Callable, Mapping, Sequence

from looop.loop.admit.shell.paths import deadly, is_sink
from looop.loop.admit.shell.runners import fed_text
from looop.loop.admit.shell.words import Call, Word, basename, names
from looop.loop.admit.shell.writes import flagged, git_verb, operands

__all__ = ["DANGEROUS", "PRIVILEGED", "danger", "drops_data"]

PRIVILEGED = frozenset(
    ["sudo", "doas", "su", "pkexec", "sudoedit", "run0", "gosu", "su-exec", "runuser", "visudo"]
)
_SQL = names(
    """
    psql mysql mariadb sqlite3 sqlite duckdb clickhouse-client clickhouse cockroach sqlcmd
    pgcli mycli litecli usql isql snowsql bq
    """
)
_SQL_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'", re.DOTALL)
_SQL_DROP = re.compile(r"\b(DROP\s+(TABLE|DATABASE|SCHEMA)|TRUNCATE\s+[\w\"`.]+)\b")
_GH_MUTATION = re.compile(r"\b(delete[A-Z]\w+|mergePullRequest|enablePullRequestAutoMerge)\b")
_AWS = re.compile(r"(delete|terminate|destroy|purge|deregister)-[\w-]+|rb")

# Verbs, or runs of verbs, that destroy or publish.
_VERBS: Mapping[str, tuple[str, ...]] = {
    "gh": ("pr merge", "repo delete", "repo archive", "release delete", "issue delete"),
    "glab": ("mr merge", "repo delete", "release delete"),
    "terraform": ("destroy",),
    "tofu": ("destroy",),
    "terragrunt": ("destroy", "run-all destroy", "run destroy"),
    "pulumi": ("destroy",),
    "cdk": ("destroy",),
    "kubectl": ("delete",),
    "oc": ("delete",),
    "helm": ("uninstall", "delete", "un", "del"),
    "docker": ("system prune", "volume rm", "volume remove", "volume prune"),
    "podman": ("system prune", "system reset", "volume rm", "volume prune"),
    "npm": ("publish", "unpublish"),
    "pnpm": ("publish", "unpublish"),
    "yarn": ("publish", "npm publish"),
    "bun": ("publish",),
    "cargo": ("publish", "yank"),
    "twine": ("upload",),
    "uv": ("publish",),
    "poetry": ("publish",),
    "hatch": ("publish",),
    "flit": ("publish",),
    "gem": ("push", "yank"),
    "nft": ("flush",),
    "zfs": ("destroy",),
    "zpool": ("destroy",),
    "redis-cli": ("flushall", "flushdb", "FLUSHALL", "FLUSHDB"),
    "mysqladmin": ("drop",),
    "cryptsetup": ("luksFormat", "erase"),
    "diskutil": ("eraseDisk", "eraseVolume", "partitionDisk", "secureErase"),
    "systemctl": ("poweroff", "reboot", "halt", "kexec", "soft-reboot"),
    "loginctl": ("poweroff", "reboot", "terminate-user", "kill-user"),
    "init": ("0", "6"),
    "telinit": ("0", "6"),
}
# The same for programs that put nouns before their verbs.
_LAST_VERBS: Mapping[str, tuple[str, ...]] = {
    "gcloud": ("delete",),
    "az": ("delete", "purge"),
    "doctl": ("delete",),
    "eksctl": ("delete",),
    "fly": ("destroy",),
    "flyctl": ("destroy",),
}
_ALWAYS: Mapping[str, str] = {
    **dict.fromkeys(PRIVILEGED, "takes another user's rights"),
    **dict.fromkeys(("mke2fs", "mkswap", "newfs", "wipefs", "blkdiscard"), "wipes a disk"),
    **dict.fromkeys(("lvremove", "vgremove", "pvremove"), "wipes a disk"),
    **dict.fromkeys(("reboot", "halt", "poweroff"), "stops the machine"),
    **dict.fromkeys(("dropdb", "dropuser"), "drops a database"),
    "killall5": "kills every process",
}

Checker = Callable[[Call, str | None], str]


def _texts(call: Call) -> list[str]:
    return [word.text for word in operands(call.words)]


def _reaches(words: Sequence[Word], cwd: str | None) -> bool:
    return any(deadly(word.text, cwd) for word in words)


def _rm(call: Call, cwd: str | None) -> str:
    if any(word.text.startswith("--no-pres") for word in call.words):
        return "deletes without sparing the root"
    if flagged(call.words, "rRf", "--recursive", "--force"):
        return "deletes a whole system or home" if _reaches(operands(call.words), cwd) else ""
    return ""


def _reach(call: Call, cwd: str | None) -> str:
    return "destroys a whole system or home" if _reaches(operands(call.words), cwd) else ""


def _owner(call: Call, cwd: str | None) -> str:
    if any(word.text.startswith("--no-pres") for word in call.words):
        return "changes rights without sparing the root"
    if not flagged(call.words, "R", "--recursive"):
        return ""
    return "changes the rights of a whole system or home" if _reach(call, cwd) else ""


def _mv(call: Call, cwd: str | None) -> str:
    return "moves a whole system or home" if _reaches(operands(call.words)[:-1], cwd) else ""


def _rsync(call: Call, cwd: str | None) -> str:
    if not any(word.text.startswith(("--del", "--remove-source")) for word in call.words):
        return ""
    return "deletes a whole system or home" if _reach(call, cwd) else ""


def _find(call: Call, cwd: str | None) -> str:
    starts: list[Word] = []
    for word in call.words[1:]:
        if word.text in ("-H", "-L", "-P") or re.fullmatch(r"-O\d", word.text):
            continue
        if word.text.startswith(("-", "(", "!")):
            break
        starts.append(word)
    texts = [word.text for word in call.words]
    deletes = "-delete" in texts or any(
        text.startswith(("-exec", "-ok")) and basename(following) in ("rm", "shred", "unlink", "mv")
        for text, following in zip(texts, call.words[1:], strict=False)
    )
    here = not starts and deadly(".", cwd)
    return "deletes a whole system or home" if deletes and (here or _reaches(starts, cwd)) else ""


def _dd(call: Call, cwd: str | None) -> str:
    for word in call.words[1:]:
        target = word.text.removeprefix("of=")
        if target != word.text and target.startswith("/dev/") and not is_sink(target):
            return "writes to a device"
    return ""


def _disk(call: Call, cwd: str | None) -> str:
    looks = flagged(call.words, "l", "--list", "--dump") or "print" in _texts(call)
    return "" if looks else "changes the partitions of a disk"


def _git(call: Call, cwd: str | None) -> str:
    verb, words = git_verb(call.words)
    if verb in ("push", "send-pack"):
        shorts = [w.text for w in words if re.match(r"-[^-]", w.text)]
        if any(re.match(r"-[^-o]*[fd]", text) for text in shorts) or flagged(
            words, "", "--force", "--force-with-lease", "--force-if-includes", "--mirror"
        ):
            return "forces a push"
        if flagged(words, "", "--delete", "--prune"):
            return "deletes what is on the remote"
        specs = [text for text in (word.text for word in operands(words)) if len(text) > 1]
        if any(text.startswith((":", "+")) for text in specs):
            return "forces or deletes with a refspec"
    if verb in ("filter-branch", "filter-repo"):
        return "rewrites history"
    if verb == "reflog" and any(word.text in ("expire", "delete") for word in words):
        return "discards the reflog"
    return ""


def _gh(call: Call, cwd: str | None) -> str:
    words = call.words
    if "api" not in _texts(call):
        return ""
    method = ""
    for word, following in zip(words, (*words[1:], None), strict=True):
        if word.text in ("-X", "--method") and following is not None:
            method = following.text
        elif word.text.startswith(("-X", "--method=")):
            method = word.text.removeprefix("--method").removeprefix("-X").removeprefix("=")
    merges = any(re.search(r"/merges?$", word.text) for word in words)
    if method.upper() == "DELETE" or (merges and method.upper() in ("PUT", "POST")):
        return "deletes or merges on the remote"
    if any(_GH_MUTATION.search(word.text) for word in words):
        return "deletes or merges on the remote"
    return ""


def _terraform(call: Call, cwd: str | None) -> str:
    flags = [word.text.lstrip("-").partition("=")[0] for word in call.words if "-" in word.text[:1]]
    applies = "apply" in _texts(call)
    return (
        "changes infrastructure unseen"
        if applies and {"destroy", "auto-approve"} & {*flags}
        else ""
    )


def _aws(call: Call, cwd: str | None) -> str:
    texts = _texts(call)
    wipes = "s3" in texts and {"rm", "sync"} & {*texts}
    if wipes and any(word.text in ("--recursive", "--delete") for word in call.words):
        return "deletes from the cloud"
    return "deletes from the cloud" if any(_AWS.fullmatch(text) for text in texts) else ""


def _compose(call: Call, cwd: str | None) -> str:
    down = "down" in _texts(call) and flagged(call.words, "v", "--volumes")
    return "deletes volumes" if down else ""


def _kill(call: Call, cwd: str | None) -> str:
    texts = [word.text for word in call.words[1:]]
    return "kills every process" if len(texts) > 1 and texts[-1] == "-1" else ""


def _pkill(call: Call, cwd: str | None) -> str:
    user = any(re.match(r"-[uU]|--e?uid|--user", word.text) for word in call.words[1:])
    return "kills all processes of a user" if user or "." in _texts(call) else ""


def _python(call: Call, cwd: str | None) -> str:
    texts = [word.text for word in call.words]
    return "publishes a package" if "twine" in texts and "upload" in texts else ""


def _crontab(call: Call, cwd: str | None) -> str:
    return "discards all timers" if flagged(call.words, "r") else ""


def _history(call: Call, cwd: str | None) -> str:
    return "discards the shell's history" if flagged(call.words, "c") else ""


def _firewall(call: Call, cwd: str | None) -> str:
    return "discards the firewall's rules" if flagged(call.words, "F", "--flush") else ""


def _shutdown(call: Call, cwd: str | None) -> str:
    return "" if flagged(call.words, "c") else "stops the machine"


def drops_data(sql: str) -> bool:
    """Whether a piece of SQL drops, empties or deletes all of something."""
    bare = _SQL_NOISE.sub("''", sql).upper()
    if _SQL_DROP.search(bare):
        return True
    return any(
        re.search(r"\bDELETE\s+FROM\b", part) and not re.search(r"\bWHERE\b", part)
        for part in bare.split(";")
    )


def _sql(call: Call, cwd: str | None) -> str:
    texts = [word.text for word in call.words[1:]]
    texts += [text.text for feeder in call.stdin if (text := fed_text(feeder)) is not None]
    return "drops data" if any(drops_data(text) for text in texts) else ""


_CHECKS: Mapping[str, Checker] = {
    "rm": _rm,
    **dict.fromkeys(("shred", "srm", "unlink"), _reach),
    **dict.fromkeys(("chmod", "chown", "chgrp", "chattr", "setfacl"), _owner),
    "mv": _mv,
    "rsync": _rsync,
    "find": _find,
    "dd": _dd,
    **dict.fromkeys(("fdisk", "sfdisk", "cfdisk", "gdisk", "sgdisk", "parted"), _disk),
    "git": _git,
    "gh": _gh,
    **dict.fromkeys(("terraform", "tofu", "terragrunt"), _terraform),
    "aws": _aws,
    **dict.fromkeys(("docker", "podman", "docker-compose"), _compose),
    "kill": _kill,
    **dict.fromkeys(("pkill", "killall"), _pkill),
    **dict.fromkeys(("python", "python3"), _python),
    "crontab": _crontab,
    "history": _history,
    **dict.fromkeys(("iptables", "ip6tables"), _firewall),
    "shutdown": _shutdown,
    **dict.fromkeys(_SQL, _sql),
}

DANGEROUS = frozenset([*_CHECKS, *_VERBS, *_LAST_VERBS, *_ALWAYS])


def _verb(name: str, words: Sequence[Word]) -> str:
    """A verb is the first operand, or the first that cannot be an option's value."""
    texts = [word.text for word in words]
    texts = texts[: texts.index("--")] if "--" in texts else texts
    bare = [i for i in range(1, len(texts)) if not texts[i].startswith("-")]
    starts = {*bare[:1], *[i for i in bare if i == 1 or not texts[i - 1].startswith("-")][:1]}
    for verb in _VERBS.get(name, ()):
        parts = verb.split()
        if any(texts[start : start + len(parts)] == parts for start in starts):
            return f"{name} {verb} cannot be taken back"
    for verb in _LAST_VERBS.get(name, ()):
        if verb in [texts[i] for i in bare[:6]]:
            return f"{name} {verb} cannot be taken back"
    return ""


def danger(call: Call, cwd: str | None) -> str:
    """
    What is catastrophic about a command, wrappers taken off, or nothing.

    A program whose name is not known is taken for `rm` if its arguments are those of one.
    """
    name = basename(call.words[0])
    if name in _ALWAYS:
        return _ALWAYS[name]
    if name.startswith("mkfs"):
        return "wipes a disk"
    if call.words[0].loose:
        return _rm(call, cwd) if flagged(call.words, "rR") else ""
    check = _CHECKS.get(name)
    return (check(call, cwd) if check else "") or _verb(name, call.words)
