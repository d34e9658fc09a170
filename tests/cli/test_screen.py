"""What a hostile app writes must not move the reader's terminal."""

import re

from hypothesis import given
from hypothesis import strategies as st

from reviewapps.cli.screen import plain, tame

ODD = st.text(st.characters() | st.sampled_from("\x1b\r\n\t\x07\x9b[]0;m\u202e\ud800"))
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")
COLOUR = re.compile("\x1b\\[[0-9;:]*m")


@given(ODD)
def test_nothing_that_controls_a_terminal_is_left_in_our_own_sentences(text: str) -> None:
    assert not CONTROL.search(plain(text))


@given(ODD)
def test_nothing_but_colours_is_left_in_logs(text: str) -> None:
    assert not CONTROL.search(COLOUR.sub("", tame(text)))


@given(ODD)
def test_a_colour_never_outlives_the_text(text: str) -> None:
    colours = COLOUR.findall(tame(text))
    assert not colours or colours[-1] == "\x1b[0m"


def test_control_characters_are_spelled_out() -> None:
    assert plain("a\x1b]0;owned\x07b\tc\nd\u202e") == "a\\x1b]0;owned\\x07b\tc\nd\\u202e"


def test_a_lone_carriage_return_cannot_hide_what_stood_before_it() -> None:
    assert tame("really bad\rall is well\r\n") == "really bad\nall is well\n"


def test_colours_of_a_log_stay_and_end_before_the_line_does() -> None:
    assert tame("\x1b[31mred\n") == "\x1b[31mred\x1b[0m\n"
