"""Parsing of `where`: dimensions of the learners, each with the values any of which matches.

An object is meant. Its JSON text, `{team: Sales}` without quotes, `team=Sales`, `team: Sales`, and lists of these are
understood as well; a text that can be split in more than one way is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import cast

from mcp_truto_lms.query.parsing import parse_key, parse_terms
from mcp_truto_lms.query.vocabulary import MAX_TERMS

Where = tuple[tuple[str, tuple[str, ...]], ...]
"""Filters by dimensions of the learners: each a key, and the values any of which matches."""
_FORM = 'takes an object such as {"team": "Sales", "custom_fields.grade": ["A", "B"]}'
_SEPARATOR = re.compile("[=:]")
MAX_NESTING = 3
"""How deep the text of an object may be nested."""


def parse_where(value: object) -> Where:
    """Parse dimensions of the learners: an object, nested or not, its text, or `team=Sales`."""
    dimensions: dict[str, tuple[str, ...]] = {}
    for key, given in _pairs(value):
        try:
            terms = parse_terms(str(given).lower() if isinstance(given, bool) else given)
        except ValueError:
            raise ValueError(f"{key}: takes one value or a list of values as text") from None
        if terms:
            dimensions[key] = tuple(dict.fromkeys([*dimensions.get(key, ()), *terms]))
    if len(dimensions) > MAX_TERMS:
        raise ValueError(f"{len(dimensions)} keys are too many: {MAX_TERMS} at most")
    return tuple(dimensions.items())


def _pairs(value: object, prefix: str = "") -> Iterable[tuple[str, object]]:
    """Split an object into keys and values; a nested key is joined by a dot."""
    if isinstance(value, str):
        yield from _pairs_of_text(value)
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            if isinstance(inner, Mapping) and not prefix:
                yield from _pairs(cast("object", inner), f"{key}.")
            else:
                yield parse_key(f"{prefix}{key}"), inner
    elif isinstance(value, list | tuple):
        items = list(cast("list[object]", value))
        if len(items) == 2 and isinstance(items[0], str) and isinstance(items[1], list | tuple):
            yield parse_key(items[0]), cast("object", items[1])
            return
        for item in items:
            if isinstance(item, list | tuple | Mapping | str):
                yield from _pairs(cast("object", item))
            elif item is not None:
                raise ValueError(_FORM)
    else:
        raise ValueError(_FORM)


def _pairs_of_text(text: str, depth: int = 0) -> Iterable[tuple[str, object]]:
    """Split the text of an object, of a list of them, or of pairs joined by commas."""
    text = _unquoted(text)
    if text.startswith(("{", "[")):
        parsed: object = None
        with suppress(ValueError, RecursionError):
            parsed = json.loads(text)
        if parsed is not None:
            yield from _pairs(parsed)
            return
        if depth >= MAX_NESTING or text[-1] != {"{": "}", "[": "]"}[text[0]]:
            raise ValueError(_FORM)
        for part in _split_commas(text[1:-1]):
            yield from _pairs_of_text(part, depth + 1)
        return
    parts = _split_commas(text)
    pairs = [_split_pair(part) for part in parts]
    if len(pairs) == 1 or None in pairs:  # `manager=Lee, Ann` is one value with a comma
        pairs = [_split_pair(text)] if depth == 0 else pairs
    for pair in pairs:
        if pair is None:
            raise ValueError(_FORM)
        key, given = pair
        if given.startswith("{"):
            yield from ((f"{key}.{inner}", value) for inner, value in _pairs_of_text(given, depth + 1))
        elif given.startswith("[") and given.endswith("]"):
            yield parse_key(key), [_unquoted(part) for part in _split_commas(given[1:-1])]
        else:
            yield parse_key(key), _unquoted(given)


def _split_pair(text: str) -> tuple[str, str] | None:
    """Split `team=Sales` or `team: Sales`; None without a separator."""
    separator = _SEPARATOR.search(text)
    if separator is None:
        return None
    return _unquoted(text[: separator.start()]), text[separator.end() :].strip()


def _split_commas(text: str) -> list[str]:
    """Split a text at the commas that are outside of quotes, brackets and braces."""
    parts: list[str] = []
    start, depth, is_quoted = 0, 0, False
    for index, character in enumerate(f"{text},"):
        if character == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += (character in "[{") - (character in "]}")
            if character == "," and depth == 0:
                parts.append(text[start:index].strip())
                start = index + 1
    return [part for part in (*parts, text[start:].strip()) if part]


def _unquoted(text: str) -> str:
    text = text.strip()
    is_quoted = text[:1] in ('"', "'") and text[0] == text[-1] and text.count(text[0]) == 2
    return text[1:-1].strip() if is_quoted else text
