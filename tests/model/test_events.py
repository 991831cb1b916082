"""The table of events is complete enough to be a reference page."""

import re

from looop.model.events import EVENTS


def test_every_event_says_what_happened_and_names_its_fields() -> None:
    for name, (what, fields) in EVENTS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert what.endswith(".")
        assert what[0].isupper()
        assert len(set(fields)) == len(fields)
        assert not {"seq", "ts", "event"} & set(fields)
