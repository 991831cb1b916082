"""The environment that a worker, or any program in a session, is given of ours."""

from collections.abc import Mapping

from looop.paths import Paths

__all__ = ["handed_on"]

# What an agent CLI that starts us leaves in our environment would make a worker think that it
# runs inside another one; a mark of ours would have the worker swept away with its starter.
_NOT_INHERITED = ("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "LOOOP_MARK", "LOOOP_RUN_ID")


def handed_on(env: Mapping[str, str], paths: Paths) -> dict[str, str]:
    """Ours, without what belongs to ourselves, and with where the profile is."""
    return paths.child_env({k: v for k, v in env.items() if k not in _NOT_INHERITED})
