"""Parsing of one argument's value: tolerant of form, strict about names.

A value that cannot be parsed raises a ValueError whose message continues the argument's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Any, TypeVar, cast

from mcp_truto_lms.domain.columns import ALL_COLUMNS, CERTIFICATE_COLUMNS, DERIVED_COLUMNS, Columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import CUSTOM_FIELDS, EnrollmentStatus
from mcp_truto_lms.domain.nearest_name import nearest_names
from mcp_truto_lms.domain.pseudonyms import EXAMPLE, parse_alias
from mcp_truto_lms.query.vocabulary import (
    GROUPINGS,
    MAX_GROUPS,
    MAX_LIMIT,
    MAX_TERM_CHARACTERS,
    MAX_TERMS,
    SUMMARY_COLUMNS,
    GroupBy,
    is_offered,
)

NULL = "null"
"""A word that stands for no value, as hosts write it."""
_ASKERS = frozenset({"me", "my", "i", "myself"})
"""What people call themselves."""
_DIRECTIONS = {"asc": "", "ascending": "", "desc": "-", "descending": "-"}
_SORT = re.compile(
    rf"(?P<sign>[+-]?)(?P<column>.*?)(?:[\s:,]+(?P<direction>{'|'.join(_DIRECTIONS)}))?", re.DOTALL | re.IGNORECASE
)
WORD_LIKENESS, OTHER_WORD_LIKENESS = 50, 75
"""How near a known word must be to be suggested, of 100; and a word that is not listed."""


def nearest(word: str, known: Iterable[str], likeness: float = WORD_LIKENESS) -> str | None:
    """Return the known word that was probably meant."""
    by_folded = {known_word.casefold(): known_word for known_word in known}
    near = nearest_names(word.casefold(), [*by_folded], limit=1, whole_similarity=likeness, least=likeness)
    return by_folded[near[0]] if near else None


def _refuse(word: object, what: str, known: Iterable[str], also: Iterable[str] = ()) -> ValueError:
    """Name the unknown word, the known ones, and the nearest of them; `also` are other spellings of these."""
    listed = list(known)
    guess = nearest(str(word), also, OTHER_WORD_LIKENESS) or nearest(str(word), listed)
    hint = f"did you mean {guess!r}? " if guess else ""
    return ValueError(f"{str(word)[:60]!r} is not a {what}; {hint}known: {', '.join(listed)}")


def _as_list(value: object) -> list[object]:
    """Parse a list, the JSON text of a list, or one value as a list, without nulls."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    items = list(cast("list[object]", value)) if isinstance(value, list | tuple) else [value]
    if len(items) > MAX_TERMS:
        raise ValueError(f"{len(items)} values are too many: {MAX_TERMS} at most")
    return [item for item in items if item is not None]


def only_value(value: object) -> object:
    """Unwrap a list of one value, or its JSON text."""
    items = _as_list(value)
    if len(items) != 1:
        raise ValueError(f"takes one value, not {len(items)}")
    return items[0]


def parse_terms(value: object) -> tuple[str, ...]:
    """Parse names and ids: texts and numbers, trimmed."""
    terms: list[str] = []
    for item in _as_list(value):
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise ValueError("takes ids, names or parts of names as text")
        text = str(int(item) if isinstance(item, float) and item.is_integer() else item).strip()
        if len(text) > MAX_TERM_CHARACTERS:
            raise ValueError(f"a name takes at most {MAX_TERM_CHARACTERS} characters")
        if text and text.lower() != NULL and text not in terms:
            terms.append(text)
    return tuple(terms)


def parse_users(value: object, columns: Columns) -> tuple[str, ...]:
    """Parse people by what identifies them in answers; a hidden name or address is refused whether or not it exists."""
    terms = parse_terms(value)
    if asker := next((term for term in terms if term.lower() in _ASKERS), None):
        words = user_words(columns)
        raise ValueError(
            f"{asker!r} names nobody, as the server does not know who asks: write an {words[0].lower()}{words[1:]}"
        )
    if columns.aliases:
        aliases = [alias for term in terms if (alias := parse_alias(term)) is not None]
        if len(aliases) < len(terms):
            raise ValueError(
                f"takes aliases alone, as answers show them ({EXAMPLE}): names, e-mails and ids are hidden here"
            )
        return tuple(dict.fromkeys(aliases))
    if "user.emails" not in columns and any("@" in term for term in terms):
        raise ValueError(f"takes no e-mail address here: {user_words(columns).lower()}")
    return terms


def user_words(columns: Columns) -> str:
    """Say by what a person can be asked for."""
    if columns.aliases:
        return f"Alias as in answers: {EXAMPLE}"
    words = {"user.emails": "e-mail", "user.name": "part of a name"}
    *others, last = ["Id", *(word for path, word in words.items() if path in columns)]
    return f"{', '.join(others)} or {last}" if others else last


def _snake_case(word: str) -> str:
    return re.sub(r"[\s-]+", "_", word.strip().lower())


_Enum = TypeVar("_Enum", bound=StrEnum)


def _words(value: object) -> list[str]:
    """Split words of an enum, however they are joined and written."""
    return [_snake_case(part) for item in _as_list(value) for part in str(item).split(",") if part.strip()]


def _parse_alternatives(
    enum: type[StrEnum], other: type[StrEnum], value: object, what: str, columns: Columns
) -> tuple[EnrollmentStatus | State, ...]:
    """Parse words of an enum, or of the other one; a word of both is of the first."""
    known: dict[str, Any] = {str(member): member for member in (*other, *enum) if is_offered(member, columns)}
    words = _words(value)
    for word in words:
        if word not in known:
            raise _refuse(word, what, [str(member) for member in enum if str(member) in known], also=known)
    return tuple(dict.fromkeys(known[word] for word in words))


def parse_statuses(value: object, columns: Columns) -> tuple[EnrollmentStatus | State, ...]:
    """Parse statuses of the model; words that are only states are states."""
    return _parse_alternatives(EnrollmentStatus, State, value, "status", columns)


def parse_states(value: object, columns: Columns) -> tuple[State | EnrollmentStatus, ...]:
    """Parse states; words that are only statuses are statuses."""
    return _parse_alternatives(State, EnrollmentStatus, value, "state", columns)


def parse_single(enum: type[_Enum], value: object, what: str) -> _Enum:
    """Parse one member of an enum."""
    known = {str(member): member for member in enum}
    words = _words(value)
    for word in words:
        if word not in known:
            raise _refuse(word, what, known)
    if len(words) != 1:
        raise ValueError(f"takes one {what}: {', '.join(enum)}")
    return known[words[0]]


def parse_groups(value: object, columns: Columns) -> tuple[GroupBy | str, ...]:
    """Parse groupings; any other word may be a key of `where`, which only the store knows."""
    groups: dict[GroupBy | str, None] = {}
    offered = [by for by in GroupBy if is_offered(by, columns)]
    for item in _as_list(value):
        if not isinstance(item, str):
            raise ValueError(f"takes one or two of {', '.join(offered)}, or a key of where")
        for part in filter(None, map(str.strip, item.split(","))):
            group = _grouping(_snake_case(part)) or parse_key(part)
            if not is_offered(group, columns):
                raise _refuse(group, "group", offered)
            groups[group] = None
    if len(groups) > MAX_GROUPS:
        raise ValueError(f"takes one or two, not {len(groups)}")
    return tuple(groups)


def _grouping(word: str) -> GroupBy | None:
    written = {word, word.removesuffix("s")}
    return next((by for by, grouping in GROUPINGS.items() if written & {by, *grouping.aliases}), None)


def group_words(columns: Columns) -> str:
    """Say what a summary can be grouped by."""
    return f"One or two of {', '.join(by for by in GroupBy if is_offered(by, columns))}, or a key of where"


def parse_key(text: str) -> str:
    """Parse a key of `where`, or of `group_by`."""
    key = text.strip()
    if not 0 < len(key) <= MAX_TERM_CHARACTERS:
        raise ValueError(f"a key takes 1 to {MAX_TERM_CHARACTERS} characters")
    return key


def column_paths(value: str, offered: Columns = ALL_COLUMNS) -> tuple[str, ...]:
    """Resolve a column: its path, its header, a group such as `user`, or a custom field.

    Raises:
        ValueError: there is no such column; the message names the nearest.
    """
    columns = offered.known
    word = value.strip()
    snake_case = _snake_case(word)
    if snake_case in columns or snake_case in DERIVED_COLUMNS:
        return (snake_case,)
    if word.lower().startswith(f"{CUSTOM_FIELDS}.") and len(CUSTOM_FIELDS) + 1 < len(word) <= MAX_TERM_CHARACTERS:
        path = f"{CUSTOM_FIELDS}.{word[len(CUSTOM_FIELDS) + 1 :]}"
        if (column := _snake_case(word[len(CUSTOM_FIELDS) + 1 :])) in CERTIFICATE_COLUMNS and column in columns:
            return (column,)
        if path in offered:
            return (path,)
    by_header = {column.header: path for path, column in columns.items()}
    if snake_case in by_header:
        return (by_header[snake_case],)
    group = tuple(path for path in columns if path.startswith(f"{snake_case}."))
    if group:
        return group
    custom = [f"{CUSTOM_FIELDS}.<name>"] if CUSTOM_FIELDS in offered else []
    raise _refuse(word, "column", [*columns, *custom], also=by_header)


def parse_columns(value: object, columns: Columns) -> tuple[str, ...]:
    """Parse columns, by path or header."""
    parts = [part for item in _as_list(value) for part in str(item).split(",") if part.strip()]
    paths = dict.fromkeys(path for part in parts for path in column_paths(part, columns))
    if len(paths) > MAX_TERMS:
        raise ValueError(f"{len(paths)} columns are too many: {MAX_TERMS} at most")
    return tuple(paths)


def _split_sort(value: object) -> tuple[str, str]:
    """Split `-due_at`, `due_at desc` or `["due_at", "desc"]` into the sign and the column."""
    items = _as_list(value)
    is_pair = len(items) == 2 and str(items[1]).strip().lower() in _DIRECTIONS
    text = " ".join(map(str, items)) if is_pair else str(only_value(value))
    match = _SORT.fullmatch(text.strip())
    if match is None or "," in match["column"]:
        raise ValueError("takes one column")
    sign, direction = match["sign"].replace("+", ""), (match["direction"] or "").lower()
    if direction and match["sign"] and _DIRECTIONS[direction] != sign:
        raise ValueError(f"{text.strip()[:60]!r} contradicts itself: write -column for descending")
    return sign or _DIRECTIONS.get(direction, ""), match["column"].strip()


def parse_sort(value: object, columns: Columns) -> str:
    """Parse a column to sort by, with `-` before it for descending."""
    sign, column = _split_sort(value)
    paths = column_paths(column, columns)
    path = next((path for path in paths if path.endswith((".name", ".title"))), paths[0])
    if path not in columns.known or not columns.known[path].is_sortable:
        raise ValueError(f"{path} cannot be sorted by; sort by a single value such as due_at or user.name")
    return sign + path


def parse_summary_sort(value: object, columns: Columns) -> str:
    """Parse a column of a summary to sort by, with `-` before it for descending."""
    sign, column = _split_sort(value)
    word = _snake_case(column)
    offered = {name: column.words for name, column in SUMMARY_COLUMNS.items() if is_offered(name, columns)}
    by_word = {written: name for name, words in offered.items() for written in words}
    if word not in by_word:
        raise _refuse(word, "column to sort a summary by", [words[0] for words in offered.values()], also=by_word)
    return sign + by_word[word]


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_bool(value: object, *, words: str = "true or false") -> bool:
    """Parse yes or no.

    Args:
        value: a boolean, or a word for it
        words: what the message of an error offers
    """
    word = str(only_value(value)).strip().lower()
    if word not in _BOOLEANS:
        raise ValueError(f"takes {words}")
    return _BOOLEANS[word]


def parse_percent(value: object) -> float:
    """Parse a percentage from 0 to 100."""
    text = str(only_value(value)).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise ValueError(f"{text[:20]!r} is not a percentage: it takes a number from 0 to 100")
    return number


def parse_limit(value: object) -> int:
    """Parse a number of rows; a query shows at most `MAX_LIMIT` of them."""
    try:
        number = float(str(only_value(value)))
    except ValueError:
        number = 0.0
    if not (number >= 1 and number.is_integer()):
        raise ValueError(f"takes a whole number from 1 to {MAX_LIMIT}")
    return int(number)


def parse_cursor(value: object) -> str:
    """Parse the token that the previous answer ended with."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("takes the token at the end of the previous answer")
    return str(value).strip().removeprefix("cursor=")
