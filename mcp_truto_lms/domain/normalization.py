"""Normalized names: what is compared and sorted instead of a name.

Normalizing removes case, accents, strokes and ligatures of letters (ł, ø, đ, æ, ß), apostrophes, hyphens between
letters, invisible characters and runs of white space, so that names are compared as people type them: `obrien` is
O'Brien, `anne marie` is Anne-Marie, `lukasz` is Łukasz. A hyphen beside anything but a letter stays: `A-` is not `A`.
Normalizing a normalized name changes nothing. Only the beginning of a long text is compared, so that it can be indexed.
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
"""Letters that Unicode does not decompose, as people without such a keyboard type them."""
_PLAIN = re.compile(r"[ !-&(-,.-_a-~]*")
_QUOTES = "['`\u00b4\u2018\u2019\u201b\u02b9\u02bb-\u02bd\u02c8\u2032]"
_APOSTROPHE = re.compile(rf"(?<=[^\W\d_]){_QUOTES}|{_QUOTES}(?=[^\W\d_])")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010-\u2014\u2212](?=[^\W\d_])")


def normalize(text: str) -> str:
    """Return what a name is compared by."""
    if _PLAIN.fullmatch(text):
        return _clip(" ".join(text.lower().split()))
    before = None
    while text != before:
        before, text = text, _normalize_once(text)
    return _clip(text)


def _clip(text: str) -> str:
    return text[:MAX_CHARACTERS].rstrip()


def _normalize_once(text: str) -> str:
    text = _HYPHEN.sub(" ", _APOSTROPHE.sub("", text))
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_LETTERS)
    return " ".join("".join(character for character in decomposed if not _is_ignored(character)).split())


def _is_ignored(character: str) -> bool:
    is_visible = character.isspace() or (character.isprintable() and not FILLERS.match(character))
    return bool(unicodedata.combining(character)) or not is_visible
