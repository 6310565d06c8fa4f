"""Arguments as they are written, one value at a time: forgiving in form, strict in names.

What cannot be read is refused with half a sentence, which goes on after the argument's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar, cast

from pydantic import ValidationInfo

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import CUSTOM_FIELDS, EnrollmentStatus
from mcp_truto_lms.domain.pseudonyms import EXAMPLE, parse_alias
from mcp_truto_lms.query.vocabulary import (
    MAX_GROUPS,
    MAX_LIMIT,
    MAX_TERM_CHARACTERS,
    MAX_TERMS,
    SIGNALS,
    SUMMARY_COLUMNS,
    GroupBy,
    is_offered,
)


def offered_columns(info: ValidationInfo) -> Columns:
    """Tell which columns there are where a query is read."""
    return info.context if isinstance(info.context, Columns) else ALL_COLUMNS


def nearest(word: str, known: Iterable[str], likeness: float = 0.5) -> str | None:
    """Find the known word that was probably meant."""
    by_folded = {one.casefold(): one for one in known}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=likeness)
    return by_folded[found[0]] if found else None


def _refuse(word: object, what: str, known: Iterable[str], also: Iterable[str] = ()) -> ValueError:
    """Say what is not known, what is, and the nearest of it; `also` are other ways to write it."""
    listed = list(known)
    guess = nearest(str(word), also, likeness=0.75) or nearest(str(word), listed)
    rest = f"did you mean {guess!r}? " if guess else ""
    return ValueError(f"{str(word)[:60]!r} is no {what}; {rest}known: {', '.join(listed)}")


def _unpack(value: object) -> list[object]:
    """Read a list, a JSON text of a list, or one value as a list, without nulls."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    items = list(cast("list[object]", value)) if isinstance(value, list | tuple) else [value]
    if len(items) > MAX_TERMS:
        raise ValueError(f"{len(items)} values are too many: {MAX_TERMS} at most")
    return [item for item in items if item is not None]


def parse_terms(value: object) -> tuple[str, ...]:
    """Read names and ids: texts and numbers, trimmed."""
    terms: list[str] = []
    for item in _unpack(value):
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise ValueError("takes ids, names or parts of names as text")
        text = str(int(item) if isinstance(item, float) and item.is_integer() else item).strip()
        if len(text) > MAX_TERM_CHARACTERS:
            raise ValueError(f"a name of more than {MAX_TERM_CHARACTERS} characters is none")
        if text and text not in terms:
            terms.append(text)
    return tuple(terms)


def parse_users(value: object, info: ValidationInfo) -> tuple[str, ...]:
    """Read who is meant, by what people are shown by; nothing else is looked up, nor told whether it is known."""
    terms, columns = parse_terms(value), offered_columns(info)
    if columns.aliases:
        aliases = [parse_alias(one) for one in terms]
        if None in aliases:
            raise ValueError(
                f"takes aliases alone, as answers show them ({EXAMPLE}): names, e-mails and ids are hidden here"
            )
        return tuple(dict.fromkeys(one for one in aliases if one is not None))
    if "user.emails" not in columns and any("@" in one for one in terms):
        raise ValueError(f"takes no e-mail address here: {user_words(columns).lower()}")
    return terms


def user_words(columns: Columns) -> str:
    """Say what a person can be asked for by."""
    if columns.aliases:
        return f"Alias as in answers: {EXAMPLE}"
    named = {"user.emails": "e-mail", "user.name": "part of a name"}
    *others, last = ["Id", *(word for path, word in named.items() if path in columns)]
    return f"{', '.join(others)} or {last}" if others else last


def _words(value: object) -> list[str]:
    """Read values of an enum, however they are joined and written."""
    found: list[str] = []
    for item in _unpack(value):
        found.extend(re.sub(r"[\s-]+", "_", part.strip().lower()) for part in str(item).split(",") if part.strip())
    return found


_Enum = TypeVar("_Enum", bound=StrEnum)


def _members(enum: type[_Enum], value: object, what: str, columns: Columns = ALL_COLUMNS) -> tuple[_Enum, ...]:
    known = {str(member): member for member in enum if is_offered(member, columns)}
    found: list[_Enum] = []
    for word in _words(value):
        if word not in known:
            other = {"status": "state", "state": "status"}.get(what)
            if other and word in [*State, *EnrollmentStatus] and word not in [*enum]:
                raise ValueError(f"{word!r} is a {other}: pass it as {other}")
            raise _refuse(word, what, known)
        if known[word] not in found:
            found.append(known[word])
    return tuple(found)


def parse_statuses(value: object) -> tuple[EnrollmentStatus, ...]:
    """Read statuses of the model."""
    return _members(EnrollmentStatus, value, "status")


def parse_states(value: object, info: ValidationInfo) -> tuple[State, ...]:
    """Read states; `status: overdue` is one too."""
    return _members(State, value, "state", offered_columns(info))


def parse_single(enum: type[_Enum], value: object, what: str) -> _Enum:
    """Read one member of an enum."""
    members = _members(enum, value, what)
    if len(members) != 1:
        raise ValueError(f"takes one {what}: {', '.join(enum)}")
    return members[0]


_GROUP_SYNONYMS = {"user": "learner", "person": "learner", "people": "learner", "title": "course", "statuse": "status"}


def parse_groups(value: object, info: ValidationInfo) -> tuple[GroupBy | str, ...]:
    """Read what to count by; what is none of the usual ones may be a key of `where`, which the store knows."""
    found: list[GroupBy | str] = []
    offered = [by for by in GroupBy if is_offered(by, offered_columns(info))]
    for item in _unpack(value):
        if not isinstance(item, str):
            raise ValueError(f"takes one or two of {', '.join(offered)}, or a key of where")
        for part in filter(None, map(str.strip, item.split(","))):
            word = re.sub(r"[\s-]+", "_", part.lower())
            word = _GROUP_SYNONYMS.get(word, word)
            singular = _GROUP_SYNONYMS.get(word.removesuffix("s"), word.removesuffix("s"))
            one = next((by for by in GroupBy if by in (word, singular)), _key(part))
            if not is_offered(one, offered_columns(info)):
                raise _refuse(one, "group", offered)
            if one not in found:
                found.append(one)
    if len(found) > MAX_GROUPS:
        raise ValueError(f"takes one or two, not {len(found)}")
    return tuple(found)


def group_words(columns: Columns) -> str:
    """Describe what a summary can be grouped by."""
    return f"One or two of {', '.join(by for by in GroupBy if is_offered(by, columns))}, or a key of where"


Where = tuple[tuple[str, tuple[str, ...]], ...]
"""What of the learners is wanted: a key, and the values any of which will do."""
_WHERE_FORM = 'takes an object such as {"team": "Sales", "custom_fields.grade": ["A", "B"]}'


def parse_where(value: object) -> Where:
    """Read HR's own dimensions: an object, however nested, its JSON text, or `team=Sales`."""
    found: dict[str, tuple[str, ...]] = {}
    for key, given in _pairs(value):
        try:
            terms = parse_terms(str(given).lower() if isinstance(given, bool) else given)
        except ValueError:
            raise ValueError(f"{key}: takes one value or a list of values as text") from None
        if terms:
            found[key] = tuple(dict.fromkeys([*found.get(key, ()), *terms]))
    if len(found) > MAX_TERMS:
        raise ValueError(f"{len(found)} keys are too many: {MAX_TERMS} at most")
    return tuple(found.items())


def _pairs(value: object, prefix: str = "") -> Iterable[tuple[str, object]]:
    """Take an object apart into keys and values; a nested key is joined by a dot."""
    if isinstance(value, str):
        if value.lstrip().startswith(("{", "[")):
            with suppress(ValueError, RecursionError):
                yield from _pairs(json.loads(value))
                return
        key, sign, rest = value.partition("=")
        if not sign:
            raise ValueError(_WHERE_FORM)
        yield _key(key), rest
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            if isinstance(inner, Mapping) and not prefix:
                yield from _pairs(cast("object", inner), f"{key}.")
            else:
                yield _key(f"{prefix}{key}"), inner
    elif isinstance(value, list | tuple):
        items = list(cast("list[object]", value))
        if len(items) == 2 and isinstance(items[0], str) and isinstance(items[1], list | tuple):
            yield _key(items[0]), cast("object", items[1])
            return
        for item in items:
            if isinstance(item, list | tuple | Mapping | str):
                yield from _pairs(cast("object", item))
            elif item is not None:
                raise ValueError(_WHERE_FORM)
    else:
        raise ValueError(_WHERE_FORM)


def _key(text: str) -> str:
    key = text.strip()
    if not 0 < len(key) <= MAX_TERM_CHARACTERS:
        raise ValueError(f"a key takes 1 to {MAX_TERM_CHARACTERS} characters")
    return key


def column_paths(value: str, offered: Columns = ALL_COLUMNS) -> tuple[str, ...]:
    """Resolve a column as it may be written: its path, its short header, a group such as `user`, a custom field.

    Raises:
        ValueError: there is no such column; the message names the nearest.
    """
    columns = offered.known
    word = value.strip()
    folded = re.sub(r"[\s-]+", "_", word.lower())
    if folded in columns or folded == SIGNALS:
        return (folded,)
    if word.lower().startswith(f"{CUSTOM_FIELDS}.") and len(CUSTOM_FIELDS) + 1 < len(word) <= MAX_TERM_CHARACTERS:
        path = f"{CUSTOM_FIELDS}.{word[len(CUSTOM_FIELDS) + 1 :]}"
        if path in offered:
            return (path,)
    by_header = {column.header: path for path, column in columns.items()}
    if folded in by_header:
        return (by_header[folded],)
    group = tuple(path for path in columns if path.startswith(f"{folded}."))
    if group:
        return group
    custom = [f"{CUSTOM_FIELDS}.<name>"] if CUSTOM_FIELDS in offered else []
    raise _refuse(word, "column", [*columns, *custom], also=by_header)


def parse_columns(value: object, info: ValidationInfo) -> tuple[str, ...]:
    """Read columns, by path or header."""
    found: list[str] = []
    for item in _unpack(value):
        for part in str(item).split(","):
            if part.strip():
                found.extend(path for path in column_paths(part, offered_columns(info)) if path not in found)
    if len(found) > MAX_TERMS:
        raise ValueError(f"{len(found)} columns are too many: {MAX_TERMS} at most")
    return tuple(found)


def parse_sort(value: object, info: ValidationInfo) -> str:
    """Read a column to sort by, `-` before it for descending."""
    text = str(value).strip()
    sign = "-" if text.startswith("-") else ""
    paths = column_paths(text.lstrip("+-"), offered_columns(info))
    path = next((one for one in paths if one.endswith((".name", ".title"))), paths[0])
    if path.startswith(CUSTOM_FIELDS) or path in ("user.emails", "urls", SIGNALS):
        raise ValueError(f"{path} cannot be sorted by; sort by a single value such as due_at or user.name")
    return sign + path


def parse_summary_sort(value: object, info: ValidationInfo) -> str:
    """Read a number of a summary to sort by, `-` before it for descending."""
    text = str(value).strip().lower()
    sign = "-" if text.startswith("-") else ""
    word = re.sub(r"[\s-]+", "_", text.lstrip("+-").strip())
    known = {
        written: column for written, column in SUMMARY_COLUMNS.items() if is_offered(column, offered_columns(info))
    }
    if word not in known:
        first = {column: written for written, column in reversed(known.items())}
        raise _refuse(word, "column to sort a summary by", [*reversed(first.values())], also=known)
    return sign + known[word]


def parse_bool(value: object) -> bool:
    """Read yes or no."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    word = str(value).strip().lower()
    if word not in known:
        raise ValueError("takes true or false")
    return known[word]


def parse_percent(value: object) -> float:
    """Read a percentage from 0 to 100."""
    try:
        number = float(str(value).strip().removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise ValueError(f"{str(value)[:20]!r} is no percentage: it takes a number from 0 to 100")
    return number


def parse_limit(value: object) -> int:
    """Read a number of rows."""
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not (1 <= number <= MAX_LIMIT and number.is_integer()):
        raise ValueError(f"takes a whole number from 1 to {MAX_LIMIT}")
    return int(number)


def parse_cursor(value: object) -> str:
    """Read the token of an answer before."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("takes the token that the answer before ends with")
    return str(value).strip().removeprefix("cursor=")
