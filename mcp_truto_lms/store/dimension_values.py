"""The names and values of dimensions, made of what the LMS states about a person."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from math import isfinite
from typing import cast

from mcp_truto_lms.domain.model import CUSTOM_FIELDS
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.domain.person_fields import ACCOUNT_FIELDS, BRANCH_FIELD, GROUP_FIELD
from mcp_truto_lms.domain.source import TeamKind
from mcp_truto_lms.domain.text_cleaning import clean

VALUE_CHARACTERS = 200
_KIND_BY_FIELD = {BRANCH_FIELD: TeamKind.BRANCH, GROUP_FIELD: TeamKind.GROUP}


def texts(value: object) -> Collection[tuple[str, str]]:
    """Return the texts of a value, normalized and as shown: several for a list, none for an object or null."""
    if isinstance(value, list):
        return {text[0]: text for item in cast("list[object]", value) for text in texts(item)}.values()
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, int | float):
        value = f"{value:.15g}" if isfinite(value) else ""
    text = _clean(value) if isinstance(value, str) else ("", "")
    return (text,) if text[0] else ()


@lru_cache(maxsize=1_000)
def dimension_name(label: str) -> str:
    """Name the dimension of a custom field; empty if the field does not describe the person."""
    if label in _KIND_BY_FIELD:
        return _KIND_BY_FIELD[label].value
    normalized = "" if label in ACCOUNT_FIELDS else _clean(label)[0]
    return normalized and f"{CUSTOM_FIELDS}.{normalized}"


@lru_cache(maxsize=10_000)
def _clean(text: str) -> tuple[str, str]:
    """Return a text of the LMS normalized, and as shown."""
    shown = clean(text, VALUE_CHARACTERS)
    return normalized_text(shown), shown


@lru_cache(maxsize=10_000)
def normalized_text(text: str) -> str:
    """Normalize a clean text; one without letters and digits is compared as it is."""
    return normalize(text) or text
