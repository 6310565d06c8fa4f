"""HR's own dimensions as people type them: the keys and values of `where`, the keys of `group_by`, mandatory courses.

A key is a name of the store, whatever its case and however its words are joined; `site` stands for
`custom_fields.site` where there is no other. A value is compared folded, and as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import CUSTOM_FIELDS, Course
from mcp_truto_lms.domain.nearest_name import nearest_names
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.query.parsing import Where
from mcp_truto_lms.query.vocabulary import DIMENSIONS, GroupBy, is_usual_group
from mcp_truto_lms.store import catalogue, dimensions
from mcp_truto_lms.store.groups import NOBODY
from mcp_truto_lms.store.selection import NONE

NEAREST, LIKENESS = 3, 60
"""How many near names are offered, and how near they must be, of 100."""
LISTED = 20


@dataclass(frozen=True, slots=True)
class DimensionFilter:
    """A dimension that learners are chosen by.

    Args:
        name: in the store
        values: folded, any of which will do; `NONE` is to have none
        shown: the values as they are printed
    """

    name: str
    values: tuple[str, ...]
    shown: tuple[str, ...]


def resolve_where(connection: Connection, account: str, where: Where) -> tuple[DimensionFilter, ...]:
    """Resolve what learners are chosen by.

    Raises:
        QueryError: nobody has such a key or value; the message names the nearest.
    """
    names = dimensions.names(connection, account) if where else []
    found: list[DimensionFilter] = []
    for key, terms in where:
        name = _name(key, names)
        if name is None:
            raise QueryError(_unknown(f"where: nobody has {clean(key)!r}", key, _known_keys(key, names), or_="known"))
        known = {normalize(value) or value: value for value in dimensions.values(connection, account, name)}
        folded = [_value(term, known) for term in terms]
        for term, value in zip(terms, folded, strict=True):
            if value is None:
                said = f"where: no {clean(name)} {clean(term)!r}"
                raise QueryError(_unknown(said, term, sorted(known.values()), or_="for example"))
        values = tuple(dict.fromkeys(value for value in folded if value is not None))
        found.append(DimensionFilter(name, values, tuple(known.get(value, NOBODY) for value in values)))
    return tuple(found)


def resolve_groups(connection: Connection, account: str, groups: Sequence[GroupBy | str]) -> tuple[str, ...]:
    """Resolve what a summary is grouped by.

    Raises:
        QueryError: nobody has such a key; the message names the nearest.
    """
    if all(map(is_usual_group, groups)):
        return tuple(groups)
    names = dimensions.names(connection, account)
    found: list[str] = []
    for one in groups:
        name = one if is_usual_group(one) else _name(one, names)
        if name is None:
            known = [*filter(is_usual_group, GroupBy), *_known_keys(one, names)]
            raise QueryError(_unknown(f"group_by: nobody has {clean(one)!r}", one, known, or_="known"))
        found.append(name)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Mandatory:
    """The courses that a setting names as mandatory, and what of it names none."""

    ids: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


def resolve_mandatory(connection: Connection, account: str, terms: Sequence[str]) -> Mandatory:
    """Find the courses whose id, code, title or category is named."""
    own: dict[str, list[str]] = {}
    of_category: dict[str, list[str]] = {}
    for one in catalogue.course_list(connection, account) if terms else []:
        course = Course.model_validate_json(one.record)
        for text in {normalize(one.id), normalize(one.code or ""), one.normalized_name}:
            own.setdefault(text, []).append(one.id)
        for text in _categories(course):
            of_category.setdefault(text, []).append(one.id)
    found = {term: own.get(normalize(term)) or of_category.get(normalize(term)) or [] for term in terms}
    ids = dict.fromkeys(course for courses in found.values() for course in courses)
    return Mandatory(tuple(ids), tuple(term for term, courses in found.items() if not courses))


def _categories(course: Course) -> set[str]:
    """List what a course's categories and tags are called, and their ids, folded."""
    texts: set[str] = set()
    for one in [*(course.categories or ()), *(course.tags or ())]:
        said = list(cast("dict[str, object]", one).values()) if isinstance(one, dict) else [one]
        texts |= {normalize(str(each)) for each in said if isinstance(each, str | int)}
    return texts - {""}


def _known_keys(key: str, names: Collection[str]) -> list[str]:
    """List what people can be chosen and grouped by instead of a key: the usual keys first, fetched yet or not."""
    if not names:
        return []
    return [name for name in dict.fromkeys([*map(str, DIMENSIONS), *sorted(names)]) if name != _joined(key)]


def _name(key: str, names: Iterable[str]) -> str | None:
    wanted = _joined(key)
    by_form = {_joined(name): name for name in names}
    return by_form.get(wanted) or by_form.get(_joined(f"{CUSTOM_FIELDS}.{key}"))


def _joined(name: str) -> str:
    return normalize(name).replace("_", " ").replace("-", " ")


def _value(term: str, known: dict[str, str]) -> str | None:
    folded = normalize(term) or clean(term)
    if folded in known:
        return folded
    return NONE if term.casefold() in (NOBODY, "none") else None


def _unknown(said: str, word: str, known: Iterable[str], *, or_: str) -> str:
    """Say what is not there, and the nearest of what is, or some of it."""
    listed = list(known)
    by_normalized = {
        form: name for name in listed for form in (normalize(name), normalize(name.removeprefix(f"{CUSTOM_FIELDS}.")))
    }
    forms = nearest_names(normalize(word), [*by_normalized], limit=NEAREST, whole_similarity=LIKENESS, least=LIKENESS)
    near = [by_normalized[form] for form in forms]
    if near:
        return f"{said}; nearest: {', '.join(map(clean, dict.fromkeys(near)))}."
    listed = listed[:LISTED]
    return f"{said}; {or_}: {', '.join(map(clean, listed))}." if listed else f"{said}, nor any other."
