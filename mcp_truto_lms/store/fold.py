"""Folded names: what is compared and sorted instead of a name."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """Fold case, accents and runs of white space away, so that names compare as people type them."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(one for one in decomposed if not unicodedata.combining(one)).split())
