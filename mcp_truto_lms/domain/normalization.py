"""Folded names: what is compared and sorted instead of a name.

Case, accents, letters with a stroke and ligatures (ł, ø, đ, æ, ß), apostrophes, hyphens between letters, characters
that show as nothing, and runs of white space are folded away, so that names compare as people type them: `obrien` is
O'Brien, `anne marie` is Anne-Marie, `lukasz` is Łukasz. A hyphen beside anything but a letter stays: `A-` is not `A`.
Folding what is folded changes nothing. Of a long text only the beginning is compared, so that it can be indexed.
"""

from __future__ import annotations

import re
import unicodedata

from mcp_truto_lms.domain.text_cleaning import FILLERS

MAX_CHARACTERS = 200

_LETTERS = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "ŧ": "t",
        "\u0131": "i",
        "ŋ": "ng",
    }
)
"""Letters that Unicode does not take apart, as people without such a keyboard type them."""
_PLAIN = re.compile(r"[ !-&(-,.-_a-~]*")
_QUOTES = "['`\u00b4\u2018\u2019\u201b\u02b9\u02bb-\u02bd\u02c8\u2032]"
_APOSTROPHE = re.compile(rf"(?<=[^\W\d_]){_QUOTES}|{_QUOTES}(?=[^\W\d_])")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010-\u2014\u2212](?=[^\W\d_])")


def normalize(text: str) -> str:
    """Fold a name to what it is compared by."""
    if _PLAIN.fullmatch(text):
        return _clipped(" ".join(text.lower().split()))
    before = None
    while text != before:
        before, text = text, _once(text)
    return _clipped(text)


def _clipped(text: str) -> str:
    return text[:MAX_CHARACTERS].rstrip()


def _once(text: str) -> str:
    text = _HYPHEN.sub(" ", _APOSTROPHE.sub("", text))
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_LETTERS)
    return " ".join("".join(one for one in decomposed if not _is_mark(one)).split())


def _is_mark(one: str) -> bool:
    shows = one.isspace() or (one.isprintable() and not FILLERS.match(one))
    return bool(unicodedata.combining(one)) or not shows
