"""Makes text of an LMS fit to show: visible characters on one line, clipped.

The text of an LMS is written by its authors and learners, and is not trusted. Each kind of text is cleaned once:

- Cells, and texts inside JSON records: when they are printed (`render/cells.py`, `render/list_json.py`, group keys in
  `render/group_table.py`), because rows keep the exact text for sorting and for other formats.
- Headers of custom fields: when the column is chosen (`reports/column_choice.py`), because headers are compared.
- Names, ids, terms and failures in a sentence: when the sentence is composed (`render/header_footer.py`,
  `render/summary_text.py`, `render/row_text.py`, `reports/name_resolution.py`), because only there it is known where
  the foreign text ends.
- Values that learners are filtered and grouped by: when they are parsed, stored and looked up
  (`people/people_file.py`, `store/dimensions.py`, `reports/dimension_resolution.py`), because two values that look the
  same are the same.
- Error messages: when they are sent or printed (`server/tools.py`, `server/mcp_server.py`, `cli/main.py`), because a
  failure of the LMS can have any text.
- Names that completion offers: when they are listed (`reports/name_resolution.py`).
"""

from __future__ import annotations

import re
import unicodedata

CELL_CHARACTERS = 80
MAX_ERROR_CHARACTERS = 2_000
FILLERS = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""Printable letters and marks without a visible shape, variation selectors among them; they can hide text."""


def clean(text: str, limit: int = CELL_CHARACTERS) -> str:
    """Remove invisible characters, fold white space, and clip to `limit` characters."""
    text = text[: 20 * limit]
    if not text.isprintable():
        text = "".join(_visible(character) for character in text)
    # composed after the removal, because a removed character may have separated a letter from its accent
    text = unicodedata.normalize("NFC", FILLERS.sub("", text))
    return clip(" ".join(text.split()), limit)


def clip(text: str, limit: int = CELL_CHARACTERS) -> str:
    """Shorten a text to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else ""
