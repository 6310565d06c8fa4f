"""Finding people and courses by what they are called; what counts as the same name is `normalize`'s to say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, bindparam, case, func, or_, select

from mcp_truto_lms.domain.normalization import MAX_CHARACTERS, normalize
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store.row_queries import Match
from mcp_truto_lms.store.schema import courses, learners

MOST = 1_000
"""A part of a name that more people or courses have than this is no name."""
_BY_ID, _BY_ADDRESS, _BY_NAME = range(3)
"""What a whole term may be, the first first; a course's address is its code."""


def exact_matches(connection: Connection, account: str, by: GroupBy, term: str) -> list[Match]:
    """Find whom or what a term is the id of, else whose e-mail address, code or whole name it is."""
    small, address = term.lower(), by is not GroupBy.COURSE and "@" in term
    given = {"account": account, "id": term, "normalized_name": normalize(term) or None}
    if address or by is GroupBy.COURSE:
        given["address"] = small[:MAX_CHARACTERS] if address else small
    placed = sorted(
        connection.execute(_exact_matches_statement(by, address=address), given), key=lambda row: tuple(row[:3])
    )
    first, found = (placed[0][0] if placed else _BY_NAME), [_match(row[1:]) for row in placed]
    if first == _BY_ID:
        return found[:1]
    if address and first != _BY_ADDRESS:  # further addresses have no index
        printed = json.dumps(small, ensure_ascii=False)
        theirs = _matches(connection, account, by, func.lower(learners.c.emails).contains(printed, autoescape=True))
        found = theirs + [one for one in found if one not in theirs]
    return found


@cache
def _exact_matches_statement(by: GroupBy, *, address: bool) -> Select[Any]:
    """Compose the search for the bearers of a term: what it may be, and who they are."""
    table = _table(by)
    ways = {_BY_ID: table.c.id == bindparam("id")}
    if by is GroupBy.COURSE:
        ways[_BY_ADDRESS] = func.lower(courses.c.code) == bindparam("address")
    elif address:
        ways[_BY_ADDRESS] = learners.c.email == bindparam("address")
    ways[_BY_NAME] = table.c.normalized_name == bindparam("normalized_name")
    place = case(*((way, index) for index, way in ways.items()))
    here = table.c.account == bindparam("account")
    return select(place, *_told(by)).where(here, or_(*ways.values()))


def partial_matches(connection: Connection, account: str, by: GroupBy, words: Sequence[str]) -> list[Match]:
    """Find those whose names have all words, `MOST` and one of them at most; a lone letter begins a word."""
    table = _table(by)
    return _matches(connection, account, by, and_(*(_has(table, one) for one in words)), limit=MOST + 1)


def folded_names(connection: Connection, account: str, by: GroupBy) -> list[str]:
    """List every name, folded."""
    table = _table(by)
    return list(
        connection.execute(select(table.c.normalized_name).distinct().where(table.c.account == account)).scalars()
    )


def shown_names(connection: Connection, account: str, by: GroupBy, folded: Sequence[str]) -> dict[str, str]:
    """Look up how some folded names are written."""
    table = _table(by)
    query = select(table.c.normalized_name, _name(by)).where(
        table.c.account == account, table.c.normalized_name.in_(folded)
    )
    return dict(connection.execute(query).all())


def names_beginning(connection: Connection, account: str, by: GroupBy, start: str, *, limit: int) -> list[str]:
    """List names with a word that begins so: active people and current courses first, then by name."""
    table = _table(by)
    hidden = func.min(case((_hidden(by), 1), else_=0))
    shown = func.min(_name(by)).label("shown")
    query = select(shown).where(table.c.account == account, _begins_a_word(table, start))
    query = query.group_by(table.c.normalized_name).order_by(hidden, table.c.normalized_name).limit(limit)
    return list(connection.execute(query).scalars())


def _table(by: GroupBy) -> Table:
    return courses if by is GroupBy.COURSE else learners


def _name(by: GroupBy) -> ColumnElement[str]:
    return courses.c.title if by is GroupBy.COURSE else learners.c.name


def _hidden(by: GroupBy) -> ColumnElement[bool]:
    return courses.c.archived if by is GroupBy.COURSE else ~learners.c.active


def _told(by: GroupBy) -> list[ColumnElement[Any]]:
    """Name what is told of a match: its folded name and its id, by which matches are sorted, then how it is shown."""
    table = _table(by)
    return [table.c.normalized_name, table.c.id, _name(by), _hidden(by)]


def _match(row: Sequence[Any]) -> Match:
    _, key, name, hidden = row
    return Match(key, name, bool(hidden))


def _matches(
    connection: Connection, account: str, by: GroupBy, condition: ColumnElement[bool], *, limit: int | None = None
) -> list[Match]:
    """Find matches, by name."""
    table = _table(by)
    query: Select[Any] = select(*_told(by)).where(table.c.account == account, condition)
    if limit is not None:
        query = query.order_by(table.c.normalized_name, table.c.id).limit(limit)
    return [_match(row) for row in sorted(connection.execute(query), key=lambda row: tuple(row[:2]))]


def _has(table: Table, word: str) -> ColumnElement[bool]:
    letter = word.removesuffix(".")
    if len(letter) == 1 and letter.lower() != letter.upper():
        return _begins_a_word(table, letter)
    return table.c.normalized_name.contains(word, autoescape=True)


def _begins_a_word(table: Table, start: str) -> ColumnElement[bool]:
    folded = table.c.normalized_name
    return or_(folded.startswith(start, autoescape=True), folded.contains(f" {start}", autoescape=True))
