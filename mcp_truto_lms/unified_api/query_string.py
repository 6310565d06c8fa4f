"""Query strings with brackets: `user[id]=7`, `fields[]=a`, `fields[0]=a`, `filter[][name]=x`.

A name that is asked for twice with two values is refused where one value is meant: which one would count is anybody's
guess. A name whose brackets do not match up is a name like any other, and nobody asks for it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from urllib.parse import parse_qsl

from mcp_truto_lms.unified_api.errors import ApiError

MAX_LENGTH = 32_768
MAX_FIELDS = 1_000
_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_PART = re.compile(r"\[([^\[\]]*)\]")

Path = tuple[str, ...]


class QueryString:
    """The parameters of one request, by the name before the brackets.

    Raises:
        ApiError: it is too long to be meant.
    """

    def __init__(self, raw: str) -> None:
        if len(raw) > MAX_LENGTH:
            raise ApiError(414, f"The query string is longer than {MAX_LENGTH:,} characters")
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise ApiError(400, f"There are more than {MAX_FIELDS:,} query parameters") from None
        self._given: defaultdict[str, list[tuple[Path, str]]] = defaultdict(list)
        for name, value in pairs:
            found = _BRACKETED.fullmatch(name)
            if found is None:
                self._given[name].append(((), value))
            else:
                self._given[found[1]].append((tuple(_PART.findall(found[2])), value))

    def one(self, name: str, *path: str) -> str | None:
        """Give the value of `name`, or of `name[path]`; empty is None.

        Raises:
            ApiError: it has more than one.
        """
        values = {value.strip() for parts, value in self._given.get(name, ()) if parts == path} - {""}
        if len(values) > 1:
            written = name + "".join(f"[{part}]" for part in path)
            raise ApiError(400, f"{written} is given more than once")
        return values.pop() if values else None

    def several(self, name: str) -> tuple[str, ...]:
        """Give the values of an array, in whichever way it is written; a comma parts them as well.

        Raises:
            ApiError: it is an object.
        """
        values: list[str] = []
        for parts, value in self._given.get(name, ()):
            if len(parts) > 1 or (parts and parts[0] and not parts[0].isdecimal()):
                raise ApiError(400, f"{name} is an array: write {name}[]=a&{name}[]=b")
            values.extend(one.strip() for one in value.split(","))
        return tuple(dict.fromkeys(one for one in values if one))

    def check_object(self, name: str) -> None:
        """Refuse a plain value where an object is meant.

        Raises:
            ApiError: it is none.
        """
        if any(not parts and value.strip() for parts, value in self._given.get(name, ())):
            raise ApiError(400, f"{name} is an object: write {name}[key]=value")
