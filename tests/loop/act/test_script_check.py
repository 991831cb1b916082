"""A script that does not parse never takes the place of one that does."""

import pytest

from looop.errors import Refused
from looop.loop.act import script_check


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\nif true; then\n",
        "#!/usr/bin/env bash\necho 'open\n",
        "#!/usr/bin/env python3\ndef f(:\n",
    ],
)
def test_a_syntax_error_is_refused_with_its_words(script: str) -> None:
    with pytest.raises(Refused, match="does not parse"):
        script_check.parse(script)


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\necho '{\"signal\": 1}'\n",
        "#!/usr/bin/env python3\nprint('{}')\n",
        "#!/usr/bin/perl\nthis is not perl {\n",
        "no first line at all (\n",
    ],
)
def test_what_parses_or_cannot_be_judged_is_let_through(script: str) -> None:
    script_check.parse(script)


def test_nothing_of_the_script_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    mark = tmp_path_factory.mktemp("ran") / "mark"

    script_check.parse(f"#!/bin/sh\ntouch '{mark}'\n")
    script_check.parse(f"#!/usr/bin/env python3\nopen({str(mark)!r}, 'w')\n")

    assert not mark.exists()
