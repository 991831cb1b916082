"""Messages and frames survive any cut, and nonsense is told from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from looop.sessions.host import wire

FRAMES = st.lists(st.tuples(st.sampled_from([b"O", b"I", b"?"]), st.binary(max_size=40)))


@given(FRAMES, st.integers(1, 30))
def test_frames_come_out_as_they_went_in(frames: list[tuple[bytes, bytes]], size: int) -> None:
    data = b"".join(wire.frame(tag, payload) for tag, payload in frames)
    cutter = wire.Frames()
    found: list[tuple[bytes, bytes]] = []
    for at in range(0, len(data), size):
        found += cutter.feed(data[at : at + size])
    assert found == frames


def test_a_frame_that_is_too_long_is_nonsense() -> None:
    with pytest.raises(ValueError, match="4294967295 bytes"):
        wire.Frames().feed(b"O\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="bytes"):
        wire.Frames().feed(b"O" + (wire.MAX_FRAME + 1).to_bytes(4, "big"))


def test_a_message_is_a_line() -> None:
    line = wire.encode({"op": "type", "words": "ü\n"})
    assert line.count(b"\n") == 1
    assert wire.decode(line) == {"op": "type", "words": "ü\n"}


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[1]", b'"x"', b"null", b"{", b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_no_message_is_none(line: bytes) -> None:
    assert wire.decode(line) is None
