"""Text that strangers wrote, made safe for the reader's terminal.

A log line or a branch's name may hold control characters that move the cursor, change the title
or answer the terminal's own questions into the shell; nothing of that reaches a terminal from here.
"""

import re

# C0 and C1 but tab and newline, marks that reverse the direction of text, halves of characters
HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
COLOUR = re.compile("\x1b\\[[0-9;:]{0,32}m")
RESET = "\x1b[0m"


def plain(text: str) -> str:
    """Return `text` with every control character but newline and tab spelled out."""
    return HOSTILE.sub(_spelled, _ended(text))


def tame(text: str) -> str:
    """Return lines of a log for a terminal: colours stay and end with their line.

    A lone carriage return, as progress bars write it, becomes a new line.
    """
    return "\n".join(map(_tame_line, _ended(text).replace("\r", "\n").split("\n")))


def _tame_line(line: str) -> str:
    pieces = []
    at = 0
    for colour in COLOUR.finditer(line):
        pieces += [HOSTILE.sub(_spelled, line[at : colour.start()]), colour[0]]
        at = colour.end()
    return "".join(pieces) + HOSTILE.sub(_spelled, line[at:]) + (RESET if at else "")


def _ended(text: str) -> str:
    return text.replace("\r\n", "\n")


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
