"""Query strings as Truto reads them: brackets for what is nested.

    {"limit": 10}                                   limit=10
    {"user": {"id": "7"}}                           user[id]=7
    {"truto_exclude_fields": ["score", "urls"]}     truto_exclude_fields[]=score&truto_exclude_fields[]=urls
    {"remote_query": {"foo": [{"bar": "baz"}]}}     remote_query[foo][][bar]=baz
    {"created_at": {"gte": datetime(2026, 11, 1)}}  created_at[gte]=2026-11-01T00:00:00

What is absent (None, an empty list or object) is not sent at all. Brackets inside a name cannot be told from those of
the syntax, so such a name is refused rather than sent as something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import cast

Pairs = list[tuple[str, str]]


def encoded(parameters: Mapping[str, object]) -> Pairs:
    """Write parameters as the names and values of a query string, not yet percent-encoded.

    Raises:
        ValueError: a name is empty or has brackets, or a value is of no type that a query string can hold.
    """
    return [pair for name, value in parameters.items() for pair in _pairs(_checked(name), value)]


def _pairs(name: str, value: object) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield from _pairs(f"{name}[{_checked(key)}]", inner)
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        for inner in cast("Sequence[object]", value):
            yield from _pairs(f"{name}[]", inner)
    else:
        yield name, _text(name, value)


def _checked(name: object) -> str:
    if not isinstance(name, str) or not name or "[" in name or "]" in name:
        raise ValueError(f"{name!r} cannot be a name in a query string: it must be a text without brackets")
    return name


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{name} cannot be sent in a query string: it is a {type(value).__name__}")
