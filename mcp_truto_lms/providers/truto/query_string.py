"""Query strings as Truto reads them, with brackets for nested values.

    {"limit": 10}                                   limit=10
    {"user": {"id": "7"}}                           user[id]=7
    {"truto_exclude_fields": ["score", "urls"]}     truto_exclude_fields[]=score&truto_exclude_fields[]=urls
    {"remote_query": {"foo": [{"bar": "baz"}]}}     remote_query[foo][][bar]=baz
    {"created_at": {"gte": datetime(2026, 11, 1)}}  created_at[gte]=2026-11-01T00:00:00

An absent value (None, an empty list or object) is not sent. A name that contains brackets would be read as a nested
value, so it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import cast

Pairs = list[tuple[str, str]]


def encode_parameters(parameters: Mapping[str, object]) -> Pairs:
    """Return the parameters as names and values of a query string, before percent-encoding.

    Raises:
        ValueError: a name is empty or has brackets, or a query string cannot hold a value of this type.
    """
    return [pair for name, value in parameters.items() for pair in _pairs(_check_name(name), value)]


def _pairs(name: str, value: object) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield from _pairs(f"{name}[{_check_name(key)}]", inner)
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        for inner in cast("Sequence[object]", value):
            yield from _pairs(f"{name}[]", inner)
    else:
        yield name, _text(name, value)


def _check_name(name: object) -> str:
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
