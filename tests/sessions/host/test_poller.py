"""Handlers are called for what has come of what they await, and for nothing else."""

import os
import socket
from collections.abc import Iterator

import pytest

from looop.sessions.host.poller import READ, WRITE, Poller

Heard = list[tuple[int, int]]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_a_handler_hears_what_has_come_of_what_it_awaits(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    poller, heard = Poller(), Heard()
    fd = near.fileno()

    def handler(fd: int, mask: int) -> None:
        heard.append((fd, mask))

    poller.watch(fd, READ, handler)
    poller.serve(0)
    assert heard == [], "nothing to read, and room to write is not awaited"
    poller.watch(fd, READ | WRITE, handler)
    poller.serve(None)
    assert heard.pop() == (fd, WRITE)
    far.send(b"x")
    poller.serve(None)
    assert heard.pop() == (fd, READ | WRITE)
    poller.watch(fd, READ, handler)
    poller.serve(None)
    assert heard.pop() == (fd, READ), "the last word counts"
    poller.watch(fd, 0, handler)
    poller.serve(0)
    assert heard == []
    poller.forget(fd)


@pytest.mark.parametrize("mask", [READ, WRITE, READ | WRITE])
def test_a_hang_up_is_told_as_whatever_is_awaited(mask: int) -> None:
    end, other = os.pipe()
    poller, heard = Poller(), Heard()
    try:
        poller.watch(end, mask, lambda fd, mask: heard.append((fd, mask)))
        os.close(other)
        poller.serve(None)
        assert heard == [(end, mask)]
    finally:
        os.close(end)


def test_what_a_handler_forgot_is_not_called_after_it() -> None:
    one, two = socket.socketpair()
    with one, two:
        poller, heard = Poller(), Heard()
        others = {one.fileno(): two.fileno(), two.fileno(): one.fileno()}

        def handler(fd: int, mask: int) -> None:
            heard.append((fd, mask))
            poller.forget(others[fd])

        for fd in others:
            poller.watch(fd, WRITE, handler)
        poller.serve(None)
        assert len(heard) == 1
        poller.serve(None)
        assert len(heard) == 2
        assert heard[0] == heard[1]
