"""Canonical JSON and digests: the same meaning gives the same bytes, for ever."""

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["canonical", "digest", "framed"]


def canonical(value: Any) -> str:
    """JSON with sorted keys, no blanks and no escapes beyond the necessary; NaN is refused."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(data: bytes) -> str:
    """32 hex digits of BLAKE2b-128: stable across restarts, upgrades and machines."""
    # With OpenSSL behind it, loading this costs a verb more than its own work; most need no digest.
    import hashlib

    return hashlib.blake2b(data, digest_size=16).hexdigest()


def framed(items: Iterable[tuple[str, str]]) -> bytes:
    """
    Join named values so that no value can imitate a boundary.

    Each item is written as `<length of name> <name> <length of value> <value>`, lengths in
    bytes of UTF-8, so two different lists of items never give the same bytes.
    """
    parts: list[bytes] = []
    for name, value in items:
        raw_name = name.encode("utf-8", "surrogatepass")
        raw_value = value.encode("utf-8", "surrogatepass")
        parts.append(b"%d %s %d %s" % (len(raw_name), raw_name, len(raw_value), raw_value))
    return b"".join(parts)
