"""Nothing here may leave a process behind."""

from tests.support.leftovers import nothing_left

__all__ = ["nothing_left"]
