"""What came of a child, as one number in the habit of shells."""

import pytest

from looop.kit.child import Done, End


def done(end: End, code: int | None = None, signal: int | None = None) -> Done:
    return Done(end=end, code=code, signal=signal, out=b"", err=b"", out_total=0, took_s=0.0)


@pytest.mark.parametrize(
    ("result", "number", "ok"),
    [
        pytest.param(done(End.EXITED, 0), 0, True, id="success"),
        pytest.param(done(End.EXITED, 3), 3, False, id="failure"),
        pytest.param(done(End.EXITED, 143), 143, False, id="a code that looks like a signal"),
        pytest.param(done(End.EXITED, None, 9), 137, False, id="killed by someone"),
        pytest.param(done(End.DEADLINE, None, 15), 124, False, id="deadline"),
        pytest.param(done(End.DEADLINE, 0), 124, False, id="deadline, and a polite exit"),
        pytest.param(done(End.SILENT, None, 9), 124, False, id="silence"),
        pytest.param(done(End.TOO_LARGE, None, 15), 143, False, id="too large"),
        pytest.param(done(End.TOO_LARGE, 0), 0, False, id="too large, and a polite exit"),
        pytest.param(done(End.STOPPED, None, 15), 143, False, id="stopped"),
        pytest.param(done(End.UNSPAWNABLE), 127, False, id="never started"),
    ],
)
def test_the_shells_number_tells_how_it_ended(result: Done, number: int, ok: bool) -> None:
    assert result.shell_code == number
    assert result.ok is ok
