"""Typed tables over directories: one JSON file a record, its stem the key."""

import json
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from looop.errors import Corrupt
from looop.kit import files, names

__all__ = ["Table", "decode", "encode", "load"]

T = TypeVar("T")


def encode(record: Any) -> bytes:
    """A record as one readable line of JSON."""
    try:
        return msgspec.json.encode(record) + b"\n"
    except UnicodeEncodeError:
        # Half a surrogate pair, from an argument that is not UTF-8 say, has no bytes of its own.
        text = json.dumps(msgspec.to_builtins(record), ensure_ascii=False)
        return text.encode("utf-8", "replace") + b"\n"


def decode(data: bytes, kind: type[T], where: Path) -> T:
    """A record from its bytes; raises `Corrupt` naming the file and the field."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(f"{where} makes no sense: {error}") from error


def load(path: Path, kind: type[T]) -> T | None:
    """One record of a file of its own; None if absent; raises `Unreadable` or `Corrupt`."""
    data = files.read_bytes(path)
    return None if data is None else decode(data, kind, path)


class Table(Generic[T]):
    """
    Records of one kind, each `<name>.json` in one directory.

    `get` returns None only for a proven absence and raises `Unreadable` or `Corrupt`
    otherwise. `add` and `swap` are the only ways to act on what was read.
    """

    def __init__(self, directory: Path, kind: type[T]) -> None:
        self.directory = directory
        self._kind = kind

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def names(self) -> list[str]:
        """Sorted keys; names that break the grammar are nobody's. Raises `Unreadable`."""
        return [
            name[:-5]
            for name in files.list_names(self.directory)
            if name.endswith(".json") and names.is_name(name[:-5])
        ]

    def get(self, name: str) -> T | None:
        return load(self.path(name), self._kind)

    def all(self) -> dict[str, T]:
        """Every record that is still there when it is read. Raises for the first bad one."""
        found: dict[str, T] = {}
        for name in self.names():
            record = self.get(name)
            if record is not None:
                found[name] = record
        return found

    def put(self, name: str, record: T) -> None:
        files.write_atomic(self.path(name), encode(record))

    def add(self, name: str, record: T) -> bool:
        """Publish under a name that nobody has: True if this call did."""
        return files.create_exclusive(self.path(name), encode(record))

    def swap(self, name: str, old: T, new: T) -> bool:
        """Replace `old` with `new`: False if someone changed it since it was read."""
        path = self.path(name)
        data = files.read_bytes(path)
        if data is None or decode(data, self._kind, path) != old:
            return False
        return files.replace_if_equal(path, data, encode(new))

    def drop(self, name: str) -> bool:
        return files.remove(self.path(name))
