"""Names of keys become the bytes that an xterm sends, and nothing else is a key."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from looop.errors import Usage
from looop.sessions.keys import encode, names, strokes


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Enter", b"\r"),
        ("return", b"\r"),
        ("CR", b"\r"),
        ("Tab", b"\t"),
        ("S-Tab", b"\x1b[Z"),
        ("BackTab", b"\x1b[Z"),
        ("Shift-tab", b"\x1b[Z"),
        ("Esc", b"\x1b"),
        ("ESCAPE", b"\x1b"),
        ("Space", b" "),
        (" ", b" "),
        ("Backspace", b"\x7f"),
        ("bs", b"\x7f"),
        ("Up", b"\x1b[A"),
        ("down", b"\x1b[B"),
        ("Right", b"\x1b[C"),
        ("Left", b"\x1b[D"),
        ("Home", b"\x1b[H"),
        ("End", b"\x1b[F"),
        ("Insert", b"\x1b[2~"),
        ("Delete", b"\x1b[3~"),
        ("PageUp", b"\x1b[5~"),
        ("pgup", b"\x1b[5~"),
        ("PgDn", b"\x1b[6~"),
        ("PageDown", b"\x1b[6~"),
        ("F1", b"\x1bOP"),
        ("f4", b"\x1bOS"),
        ("F5", b"\x1b[15~"),
        ("F6", b"\x1b[17~"),
        ("F10", b"\x1b[21~"),
        ("F11", b"\x1b[23~"),
        ("F12", b"\x1b[24~"),
        ("a", b"a"),
        ("A", b"A"),
        ("é", "é".encode()),
        ("-", b"-"),
        ("^", b"^"),
    ],
)
def test_a_key_is_sent_as_xterm_sends_it(name: str, sent: bytes) -> None:
    assert encode((name,), cursor_keys=False) == sent


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("S-Up", b"\x1b[1;2A"),
        ("M-Up", b"\x1b[1;3A"),
        ("C-Up", b"\x1b[1;5A"),
        ("C-S-Up", b"\x1b[1;6A"),
        ("Ctrl-Alt-Shift-Left", b"\x1b[1;8D"),
        ("C-Home", b"\x1b[1;5H"),
        ("S-F1", b"\x1b[1;2P"),
        ("C-F5", b"\x1b[15;5~"),
        ("C-Delete", b"\x1b[3;5~"),
        ("S-PgUp", b"\x1b[5;2~"),
        ("M-Enter", b"\x1b\r"),
        ("S-Enter", b"\x1b[27;2;13~"),
        ("C-Enter", b"\x1b[27;5;13~"),
        ("C-Tab", b"\x1b[27;5;9~"),
        ("M-Backspace", b"\x1b\x7f"),
        ("C-Backspace", b"\x08"),
        ("M-Esc", b"\x1b\x1b"),
        ("M-S-Tab", b"\x1b\x1b[Z"),
        ("C-Space", b"\x00"),
        ("C-M-Space", b"\x1b\x00"),
    ],
)
def test_a_modifier_goes_with_every_key(name: str, sent: bytes) -> None:
    assert encode((name,), cursor_keys=False) == sent


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("C-a", b"\x01"),
        ("C-A", b"\x01"),
        ("c-z", b"\x1a"),
        ("Ctrl-c", b"\x03"),
        ("^c", b"\x03"),
        ("C-@", b"\x00"),
        ("C-[", b"\x1b"),
        ("^[", b"\x1b"),
        ("C-\\", b"\x1c"),
        ("C-]", b"\x1d"),
        ("C-^", b"\x1e"),
        ("^^", b"\x1e"),
        ("C-_", b"\x1f"),
        ("C-?", b"\x7f"),
        ("M-x", b"\x1bx"),
        ("M-X", b"\x1bX"),
        ("Alt-.", b"\x1b."),
        ("M--", b"\x1b-"),
        ("M-é", b"\x1b" + "é".encode()),
        ("C-M-x", b"\x1b\x18"),
        ("S-a", b"A"),
        ("M-S-a", b"\x1bA"),
    ],
)
def test_a_modifier_goes_with_a_character(name: str, sent: bytes) -> None:
    assert encode((name,), cursor_keys=False) == sent


@pytest.mark.parametrize(
    ("name", "normal", "application"),
    [
        ("Up", b"\x1b[A", b"\x1bOA"),
        ("Left", b"\x1b[D", b"\x1bOD"),
        ("Home", b"\x1b[H", b"\x1bOH"),
        ("End", b"\x1b[F", b"\x1bOF"),
        ("C-Up", b"\x1b[1;5A", b"\x1b[1;5A"),
        ("PageUp", b"\x1b[5~", b"\x1b[5~"),
        ("F1", b"\x1bOP", b"\x1bOP"),
    ],
)
def test_plain_cursor_keys_follow_the_mode_of_the_program(
    name: str, normal: bytes, application: bytes
) -> None:
    assert encode((name,), cursor_keys=False) == normal
    assert encode((name,), cursor_keys=True) == application


@pytest.mark.parametrize(
    "name",
    ["", "Entr", "F13", "C-", "C-é", "C-1", "S-1", "C-S-a", "hello", "\x1b", "M-\x07", "Hyper-x"],
)
def test_what_is_no_key_is_named_with_what_is_one(name: str) -> None:
    with pytest.raises(Usage) as caught:
        encode(("Enter", name), cursor_keys=False)

    assert repr(name) in str(caught.value)
    assert "PageUp" in str(caught.value)


def test_keys_are_sent_in_their_order() -> None:
    assert encode(("g", "g", "C-d", "Enter"), cursor_keys=False) == b"gg\x04\r"


def test_a_lone_escape_ends_its_piece() -> None:
    assert strokes(("i", "Esc", ":", "q", "Enter"), cursor_keys=False) == [b"i\x1b", b":q\r"]
    assert strokes(("Esc", "Esc"), cursor_keys=False) == [b"\x1b", b"\x1b"]
    assert strokes(("M-x", "Up"), cursor_keys=False) == [b"\x1bx\x1b[A"]
    assert strokes((), cursor_keys=False) == []


def test_every_listed_name_is_a_key() -> None:
    listed = names()

    assert len(set(listed)) == len(listed)
    for name in listed:
        assert encode((name,), cursor_keys=False)


@given(st.text(min_size=2))
@example("\x1b[2J")
def test_an_error_shows_the_name_without_its_controls(name: str) -> None:
    try:
        sent = encode((name,), cursor_keys=True)
    except Usage as error:
        said = str(error)
    else:
        said = ""
        assert sent

    assert not any(unicodedata.category(char) == "Cc" for char in said)
