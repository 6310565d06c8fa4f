"""Parses query strings with brackets: `user[id]=7`, `fields[]=a`, `fields[0]=a`, `filter[][name]=x`.

A parameter that takes one value and is given two is refused, because neither can be preferred. A name with unbalanced
brackets is an ordinary name, which no parameter has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from urllib.parse import parse_qsl

from mcp_truto_lms.unified_api.errors import ApiError

MAX_LENGTH = 32_768
MAX_FIELDS = 1_000
_BRACKETED_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_STRUCTURE = re.compile(r"[\[\]{}\"]")
_ID = re.compile(r"ids?$")
_NOT_A_LETTER = re.compile(r"[^a-z]")
_BRACKETED_KEY = re.compile(r"\[([^\[\]]*)\]")

Keys = tuple[str, ...]
"""The keys in the brackets after a name."""


class QueryString:
    """The parameters of one request, by the name before the brackets.

    Raises:
        ApiError: the query string is too long.
    """

    def __init__(self, raw: str) -> None:
        if len(raw) > MAX_LENGTH:
            raise ApiError(414, f"The query string is longer than {MAX_LENGTH:,} characters")
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise ApiError(400, f"There are more than {MAX_FIELDS:,} query parameters") from None
        self._values: defaultdict[str, list[tuple[Keys, str]]] = defaultdict(list)
        for name, value in pairs:
            match = _BRACKETED_NAME.fullmatch(name)
            if match is None:
                self._values[name].append(((), value))
            else:
                self._values[match[1]].append((tuple(_BRACKETED_KEY.findall(match[2])), value))

    def value(self, name: str, *keys: str) -> str | None:
        """Return the value of `name`, or of `name[key]`; an empty value is None.

        Raises:
            ApiError: it has more than one value, or is written as an array.
        """
        if not keys and any(value_keys and value.strip() for value_keys, value in self._values.get(name, ())):
            raise ApiError(400, f"{name} takes one value: write {name}=value")
        values = {value.strip() for value_keys, value in self._values.get(name, ()) if value_keys == keys} - {""}
        if len(values) > 1:
            raise ApiError(400, f"{name}{_brackets(keys)} is given more than once")
        return values.pop() if values else None

    def array(self, name: str) -> tuple[str, ...]:
        """Return the values of an array of names in any notation; commas also separate values.

        Raises:
            ApiError: it is an object, or a value is not a name.
        """
        values: list[str] = []
        for keys, value in self._values.get(name, ()):
            if len(keys) > 1 or (keys and keys[0] and not keys[0].isdecimal()):
                raise ApiError(400, f"{name} is an array: write {name}[]=a&{name}[]=b")
            if _STRUCTURE.search(value):
                raise ApiError(400, f"{name} is an array of names: write {name}[]=a&{name}[]=b")
            values.extend(item.strip() for item in value.split(","))
        return tuple(dict.fromkeys(item for item in values if item))

    def require_ids_as(self, names: Mapping[str, str]) -> None:
        """Refuse any other notation of `name[id]`, which would otherwise be ignored and list everything.

        Args:
            names: the canonical name of every word that people write for it, such as `user` of `learner`

        Raises:
            ApiError: an id is written in another notation.
        """
        for name, values in self._values.items():
            for keys, value in values:
                canonical = _canonical_object(name, keys, names)
                if canonical is not None and value.strip() and (name, keys) != (canonical, ("id",)):
                    raise ApiError(400, f"{name}{_brackets(keys)} is not understood: write {canonical}[id]=value")

    def require_object(self, name: str, *, arrays: bool = False) -> None:
        """Refuse a plain value for a parameter that is an object, and an array unless arrays are allowed.

        Raises:
            ApiError: the value is plain, or an array.
        """
        if any(
            (not keys or (not keys[0] and not arrays)) and value.strip() for keys, value in self._values.get(name, ())
        ):
            raise ApiError(400, f"{name} is an object: write {name}[key]=value")


def _canonical_object(name: str, keys: Keys, names: Mapping[str, str]) -> str | None:
    """Return the object whose id a parameter gives, in whatever notation; None if it gives none."""
    first, *others = [_NOT_A_LETTER.sub("", word.lower()) for word in (name, *keys)]
    if first in names and {"id", "ids", f"{first}id"} & {*others}:
        return names[first]
    word, is_id = _ID.subn("", first)
    return names.get(word) if is_id else None


def _brackets(keys: Keys) -> str:
    return "".join(f"[{key}]" for key in keys)
