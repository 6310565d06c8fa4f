"""Resolution of HR's own dimensions: the keys and values of `where`, and the keys of `group_by`.

A key is the name of a stored dimension, regardless of case and of how its words are joined; `site` stands for
`custom_fields.site` if no dimension is called `site`. A value must equal a stored value after normalization.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import CUSTOM_FIELDS
from mcp_truto_lms.domain.nearest_name import nearest_names
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.domain.source import TeamKind
from mcp_truto_lms.domain.text_cleaning import clean, clip
from mcp_truto_lms.query.vocabulary import DIMENSIONS, GroupBy, is_usual_group
from mcp_truto_lms.query.where import Where
from mcp_truto_lms.store import dimensions
from mcp_truto_lms.store.groups import NOBODY
from mcp_truto_lms.store.selection import NONE

MAX_SUGGESTIONS, MIN_SIMILARITY = 3, 60
"""How many near names a message offers, and how similar they must be, from 0 to 100."""
MAX_LISTED, MAX_LISTED_KEYS = 20, 50
"""How many known values a message lists if none is near, and how many known keys."""
_SINGULARS = {"teams": dimensions.TEAM, "branches": TeamKind.BRANCH.value, "groups": TeamKind.GROUP.value}


@dataclass(frozen=True, slots=True)
class DimensionFilter:
    """A filter by a dimension.

    Args:
        name: in the store
        values: normalized; a learner needs any of them, or no value for `NONE`
        shown: the values as the store shows them
    """

    name: str
    values: tuple[str, ...]
    shown: tuple[str, ...]


def resolve_where(connection: Connection, account: str, where: Where) -> tuple[DimensionFilter, ...]:
    """Resolve the keys and values of `where`.

    Raises:
        QueryError: nobody has a key or a value; the message names the nearest.
    """
    names = dimensions.names(connection, account) if where else []
    filters: list[DimensionFilter] = []
    for key, terms in where:
        name = _dimension_name(key, names)
        if name is None:
            raise QueryError(_unknown_key("where", key, _known_keys(key, names)))
        known = {normalize(value) or value: value for value in dimensions.values(connection, account, name)}
        values: dict[str, str] = {}
        for term in terms:
            value = _value(term, known)
            if value is None:
                problem = f"where: no {clip(name)} {clip(term)!r}"
                raise QueryError(_unknown_value(problem, term, sorted(known.values())))
            values[value] = known.get(value, NOBODY)
        filters.append(DimensionFilter(name, tuple(values), tuple(values.values())))
    return tuple(filters)


def resolve_groups(connection: Connection, account: str, groups: Sequence[GroupBy | str]) -> tuple[str, ...]:
    """Resolve the keys of `group_by`.

    Raises:
        QueryError: nobody has a key; the message names the nearest.
    """
    if all(map(is_usual_group, groups)):
        return tuple(groups)
    names = dimensions.names(connection, account)
    resolved: list[str] = []
    for key in groups:
        name = key if is_usual_group(key) else _dimension_name(key, names)
        if name is None:
            known = [*filter(is_usual_group, GroupBy), *_known_keys(key, names)]
            raise QueryError(_unknown_key("group_by", key, known))
        resolved.append(name)
    return tuple(dict.fromkeys(resolved))


def with_singulars(names: Collection[str]) -> frozenset[str]:
    """Return names, with the singular of those that stand for teams, branches and groups."""
    return frozenset(names) | {_SINGULARS[name] for name in names if name in _SINGULARS}


def _known_keys(key: str, names: Collection[str]) -> list[str]:
    """List the keys to offer instead of an unknown one: the usual dimensions first, fetched yet or not."""
    if not names and key in DIMENSIONS:
        return []
    return [name for name in dict.fromkeys([*map(str, DIMENSIONS), *sorted(names)]) if name != _with_spaces(key)]


def _dimension_name(key: str, names: Iterable[str]) -> str | None:
    by_spelling = {_with_spaces(name): name for name in names}
    spellings = [_with_spaces(key), _with_spaces(f"{CUSTOM_FIELDS}.{key}")]
    spellings += sorted(with_singulars(spellings[:1]) - {*spellings})
    return next((by_spelling[spelling] for spelling in spellings if spelling in by_spelling), None)


def _with_spaces(name: str) -> str:
    return normalize(name).replace("_", " ").replace("-", " ")


def _value(term: str, known: dict[str, str]) -> str | None:
    normalized = normalize(term) or clean(term)
    if normalized in known:
        return normalized
    return NONE if term.casefold() in (NOBODY, "none") else None


def _unknown_key(argument: str, key: str, known: Sequence[str]) -> str:
    """Name an unknown key, the nearest known keys, and every key that works."""
    problem, near = f"{argument}: nobody has {clip(str(key))!r}", _nearest(key, known)
    if not known:
        return f"{problem}, nor any other."
    hint = f" nearest: {', '.join(map(clean, near))};" if near else ""
    rest = f" and {len(known) - MAX_LISTED_KEYS} more" if len(known) > MAX_LISTED_KEYS else ""
    return f"{problem};{hint} known: {', '.join(map(clean, known[:MAX_LISTED_KEYS]))}{rest}."


def _unknown_value(problem: str, word: str, known: Sequence[str]) -> str:
    """Complete a message by the nearest known values, or by some of them."""
    if near := _nearest(word, known):
        return f"{problem}; nearest: {', '.join(map(clean, near))}."
    if known:
        return f"{problem}; for example: {', '.join(map(clean, known[:MAX_LISTED]))}."
    return f"{problem}, nor any other."


def _nearest(word: str, known: Sequence[str]) -> list[str]:
    by_spelling = {
        spelling: name
        for name in known
        for spelling in (normalize(name), normalize(name.removeprefix(f"{CUSTOM_FIELDS}.")))
    }
    spellings = nearest_names(
        normalize(word), [*by_spelling], limit=MAX_SUGGESTIONS, whole_similarity=MIN_SIMILARITY, least=MIN_SIMILARITY
    )
    return [*dict.fromkeys(by_spelling[spelling] for spelling in spellings)]
