"""Text of an LMS made fit to show: visible characters on one line, clipped.

The text of an LMS is written by its authors and learners, and is not trusted: control, format and invisible characters
are removed, and white space is folded.
"""

from __future__ import annotations

import re
import unicodedata

CELL_CHARACTERS = 80
FILLERS = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""Letters and marks that show as nothing, and could carry what nobody sees; variation selectors among them."""


def clean(text: str, limit: int = CELL_CHARACTERS) -> str:
    """Make a text of the LMS fit for one cell: visible characters on one line, clipped."""
    text = text[: 20 * limit]
    if not text.isprintable():
        text = "".join(_visible(one) for one in text)
    text = unicodedata.normalize("NFC", FILLERS.sub("", text))  # last, for what is removed may have stood between
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else ""
