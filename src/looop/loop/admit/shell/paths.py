"""Paths: which operands name a place that must not be lost, or a file that must not be written."""

import re

from looop.loop.admit.shell.words import GLOBS, HOME, MAYBE, SOME, STAR, UNKNOWNS, names

__all__ = ["deadly", "is_sink", "moved", "protected"]

_SYSTEM = frozenset(
    [
        "Applications",
        "Library",
        "System",
        "Users",
        "Volumes",
        "bin",
        "boot",
        "cores",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "media",
        "mnt",
        "opt",
        "private",
        "proc",
        "root",
        "run",
        "sbin",
        "srv",
        "sys",
        "usr",
        "var",
    ]
)
_BELOW = names(
    """
    usr/bin usr/lib usr/lib64 usr/libexec usr/local usr/sbin usr/share usr/include var/lib
    var/db System/Library private/etc private/var
    """
)
_HOMES = frozenset(["home", "Users"])
_SINKS = re.compile(
    r"/dev/(null|zero|full|random|urandom|tty|stdin|stdout|stderr|fd/\d+|shm/.*|pts/\d+)"
)
_PROTECTED = re.compile(
    r"/dev/(sd|nvme|vd|xvd|hd|disk|rdisk|mapper|mmcblk|md|loop|dm-|nbd|zd|dasd|mem$|kmem$"
    rf"|[{GLOBS}{UNKNOWNS}])"
    r"|/etc/(passwd|shadow|gshadow|group|sudoers)"
    r"|/boot(/|$)|/proc/sysrq-trigger"
)
_EVERYTHING = re.compile(rf"[.!^\]{GLOBS}]*{STAR}[.!^\]{GLOBS}]*")


def _readings(path: str) -> set[str]:
    """What a path is if its unknown parts are something, and if they are nothing."""
    return {path.replace(MAYBE, SOME), path.replace(MAYBE, "")} - {""}


def _parts(path: str, cwd: str | None) -> list[str] | None:
    """The components of an absolute path, home being one; None if it is not known where it is."""
    if not path.startswith(("/", HOME)):
        if cwd is None or path.startswith(SOME):
            return None
        path = f"{cwd}/{path}"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts == [HOME]:
                parts = ["home"]
            elif parts:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts


def _is_deadly(parts: list[str]) -> bool:
    while parts and _EVERYTHING.fullmatch(parts[-1]):
        parts.pop()
    if not parts:
        return True
    if len(parts) == 1:
        return parts[0] == HOME or parts[0] in _SYSTEM or any(glob in parts[0] for glob in GLOBS)
    return len(parts) == 2 and (parts[0] in _HOMES or "/".join(parts) in _BELOW)


def deadly(path: str, cwd: str | None = None) -> bool:
    """
    Whether deleting this tree would take the system, a home, or all that is in one of them.

    `cwd` is where the command runs, if that is known. An unknown part may be empty, so
    `$DIR/` may be the root.
    """
    return any(
        parts is not None and _is_deadly(parts)
        for parts in (_parts(reading, cwd) for reading in _readings(path))
    )


def protected(path: str, cwd: str | None = None) -> bool:
    """Whether nothing should ever write this: a disk, accounts, the boot files, ssh keys."""
    for reading in _readings(path):
        if ".ssh" in reading.split("/"):
            return True
        parts = _parts(reading, cwd)
        if parts is not None and _PROTECTED.match("/" + "/".join(parts)):
            return True
    return False


def is_sink(path: str) -> bool:
    """Whether writing to this path leaves nothing behind."""
    return _SINKS.fullmatch(path) is not None


def moved(cwd: str | None, path: str) -> str | None:
    """Where one is after `cd path`."""
    if path.startswith(SOME) or MAYBE in path:
        return None
    if path.startswith(("/", HOME)):
        return path
    return None if cwd is None else f"{cwd}/{path}"
