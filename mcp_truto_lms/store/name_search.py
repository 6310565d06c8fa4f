"""Searches for people and courses by id, e-mail address, code or name. `normalize` decides which names are equal."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    case,
    exists,
    func,
    not_,
    or_,
    select,
)

from mcp_truto_lms.domain.normalization import MAX_CHARACTERS, normalize
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store.schema import courses, learners
from mcp_truto_lms.store.selection import in_bound_list, pack

MAX_MATCHES = 1_000
"""A part of a name that matches more people or courses than this is too vague to use."""
MIN_INSIDE_CHARACTERS = 3
"""A shorter word is not searched for inside of other words."""
_MARKS_BETWEEN_WORDS = ' /([-_.,:;&+#|"'
"""What a normalized name has between words."""
_BY_ID, _BY_ADDRESS, _BY_NAME = range(3)
"""What a whole term may be, best first. The address of a person is an e-mail address, that of a course is its code."""


@dataclass(frozen=True, slots=True)
class Match:
    """A learner or a course that a term stands for.

    Args:
        excluded: whether answers exclude it: an inactive person or an archived course
    """

    id: str
    name: str
    excluded: bool


def exact_matches(connection: Connection, account: str, by: GroupBy, term: str) -> list[Match]:
    """Find the match whose id a term is, else all with this e-mail address, code or whole name."""
    lowered, is_email = term.lower(), by is not GroupBy.COURSE and "@" in term
    values = {"account": account, "id": term, "normalized_name": normalize(term) or None}
    if is_email or by is GroupBy.COURSE:
        values["address"] = lowered[:MAX_CHARACTERS] if is_email else lowered
    rows = sorted(connection.execute(_exact_statement(by, is_email=is_email), values), key=lambda row: tuple(row[:3]))
    best, matches = (rows[0][0] if rows else _BY_NAME), [_match(row[1:]) for row in rows]
    if best == _BY_ID:
        return matches[:1]
    if is_email and best != _BY_ADDRESS:  # only the first address of a person is in an index
        printed = json.dumps(lowered, ensure_ascii=False)
        by_address = _matches(connection, account, by, func.lower(learners.c.emails).contains(printed, autoescape=True))
        return by_address + [match for match in matches if match not in by_address]
    return matches


@cache
def _exact_statement(by: GroupBy, *, is_email: bool) -> Select[Any]:
    """Compose the search for a whole term: what the term is of a match, then the match."""
    table = _table(by)
    conditions = {_BY_ID: table.c.id == bindparam("id")}
    if by is GroupBy.COURSE:
        conditions[_BY_ADDRESS] = func.lower(courses.c.code) == bindparam("address")
    elif is_email:
        conditions[_BY_ADDRESS] = learners.c.email == bindparam("address")
    conditions[_BY_NAME] = table.c.normalized_name == bindparam("normalized_name")
    kind = case(*((condition, index) for index, condition in conditions.items()))
    of_account = table.c.account == bindparam("account")
    return select(kind, *_match_columns(by)).where(of_account, or_(*conditions.values()))


def login_matches(connection: Connection, account: str, term: str) -> list[Match]:
    """Find the people whose login a term is."""
    return _matches(connection, account, GroupBy.LEARNER, learners.c.login == term.lower()[:MAX_CHARACTERS])


def partial_matches(connection: Connection, account: str, by: GroupBy, words: Sequence[str]) -> list[Match]:
    """Find at most `MAX_MATCHES` + 1 matches with all words in their names.

    Names with words that begin so come first. Only if there are none, parts inside words count, and only of words that
    are long enough: otherwise "am" would be found in James.
    """
    table = _table(by)
    beginning = and_(*(_begins_a_word(table, _without_dot(word)) for word in words))
    matches = _matches(connection, account, by, beginning, limit=MAX_MATCHES + 1)
    if matches or not any(map(_may_be_inside, words)):
        return matches
    anywhere = and_(
        *(
            table.c.normalized_name.contains(word, autoescape=True)
            if _may_be_inside(word)
            else _begins_a_word(table, _without_dot(word))
            for word in words
        )
    )
    return _matches(connection, account, by, anywhere, limit=MAX_MATCHES + 1)


def normalized_names(connection: Connection, account: str, by: GroupBy) -> list[str]:
    """List every name in its normalized form."""
    table = _table(by)
    query = select(table.c.normalized_name).distinct().where(table.c.account == account)
    return list(connection.execute(query).scalars())


def shown_names(connection: Connection, account: str, by: GroupBy, names: Sequence[str]) -> dict[str, str]:
    """Return how normalized names are written."""
    table = _table(by)
    normalized = table.c.normalized_name
    query = select(normalized, _name(by)).where(table.c.account == account, normalized.in_(names))
    return dict(connection.execute(query).all())


def names_beginning(connection: Connection, account: str, by: GroupBy, start: str, *, limit: int) -> list[str]:
    """List names with a word that begins so: active people and current courses first, then by name."""
    table = _table(by)
    normalized = table.c.normalized_name
    excluded = func.min(case((_excluded(by), 1), else_=0))
    query = select(func.min(_name(by)).label("shown"))
    query = query.where(table.c.account == account, _begins_a_word(table, start))
    query = query.group_by(normalized).order_by(excluded, normalized).limit(limit)
    return list(connection.execute(query).scalars())


def duplicate_names(connection: Connection, account: str, by: GroupBy, ids: Collection[str]) -> frozenset[str]:
    """Return the ids whose normalized name another active person or current course also has."""
    values = {"account": account, "ids": pack(sorted(ids))}
    return frozenset(connection.execute(_duplicate_names_statement(by), values).scalars()) if ids else frozenset()


@cache
def _duplicate_names_statement(by: GroupBy) -> Select[Any]:
    table = courses if by is GroupBy.COURSE else learners
    other = table.alias()
    is_current = not_(other.c.archived) if by is GroupBy.COURSE else other.c.active
    of_account, other_of_account = (each.c.account == bindparam("account") for each in (table, other))
    same_name = and_(other.c.normalized_name == table.c.normalized_name, other.c.id != table.c.id)
    shared = exists().where(other_of_account, same_name, is_current)
    return select(table.c.id).where(of_account, in_bound_list(table.c.id, "ids"), shared)


def _table(by: GroupBy) -> Table:
    return courses if by is GroupBy.COURSE else learners


def _name(by: GroupBy) -> ColumnElement[str]:
    return courses.c.title if by is GroupBy.COURSE else learners.c.name


def _excluded(by: GroupBy) -> ColumnElement[bool]:
    return courses.c.archived if by is GroupBy.COURSE else ~learners.c.active


def _match_columns(by: GroupBy) -> list[ColumnElement[Any]]:
    """List the columns of a match: the normalized name and the id, which sort matches, then what it shows."""
    table = _table(by)
    return [table.c.normalized_name, table.c.id, _name(by), _excluded(by)]


def _match(row: Sequence[Any]) -> Match:
    _, key, name, excluded = row
    return Match(key, name, bool(excluded))


def _matches(
    connection: Connection, account: str, by: GroupBy, condition: ColumnElement[bool], *, limit: int | None = None
) -> list[Match]:
    """Find matches, sorted by name."""
    table = _table(by)
    query: Select[Any] = select(*_match_columns(by)).where(table.c.account == account, condition)
    if limit is not None:
        query = query.order_by(table.c.normalized_name, table.c.id).limit(limit)
    return [_match(row) for row in sorted(connection.execute(query), key=lambda row: tuple(row[:2]))]


def _without_dot(word: str) -> str:
    """Return the letter of an initial such as `J.`, else the word."""
    return word.removesuffix(".") if len(word) == 2 else word


def _may_be_inside(word: str) -> bool:
    """Tell whether a word is long enough, or of a script without cases, which may not separate words."""
    return len(word) >= MIN_INSIDE_CHARACTERS or not any(
        character.isdigit() or character.lower() != character.upper() for character in word
    )


def _begins_a_word(table: Table, start: str) -> ColumnElement[bool]:
    name = table.c.normalized_name
    after_a_mark = (name.contains(f"{mark}{start}", autoescape=True) for mark in _MARKS_BETWEEN_WORDS)
    # the first condition excludes most names by one comparison
    return and_(name.contains(start, autoescape=True), or_(name.startswith(start, autoescape=True), *after_a_mark))
