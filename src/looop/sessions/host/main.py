"""
The program that becomes the supervisor of one session, or the zygote of many.

    main.py DIRECTORY READY_FD LOCK_FD
    main.py DIRECTORY READY_FD LOCK_FD --zygote VERSION IDLE_SECONDS

Run by its path and without site packages. It forks at once, so that nobody has a child to wait
for. All that it needs is imported here: the files may be gone while it runs.
"""

import os
import sys

# Behind the standard library, so that nothing beside the package can take its place.
sys.path.append(os.path.abspath(__file__).rsplit(os.sep, 4)[0])

from looop.sessions.host.run import detach, supervise
from looop.sessions.host.zygote import serve


def main(argv: list[str]) -> None:
    """Fork, and be what the arguments say."""
    if os.fork():
        os._exit(0)
    directory, ready, lock = argv[1], int(argv[2]), int(argv[3])
    detach(ready, lock)
    if argv[4:5] == ["--zygote"]:
        serve(directory, ready, lock, version=argv[5], idle_s=float(argv[6]))
    else:
        supervise(directory, ready, lock)


if __name__ == "__main__":
    main(sys.argv)
