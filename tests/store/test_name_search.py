"""A search by name has the same result on every engine."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import Email
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.reports import name_resolution
from tests.stored import ACCOUNT, course, filled, person

LONG = f"{Random(7).randbytes(2_000).hex()}@acme.example"
"""Longer than an index accepts, even compressed."""
PEOPLE = [
    person("1", "Jane Doe", email="Jane@Acme.example"),
    person("2", "Zoë O'Brien"),
    person("3", "Anne-Marie Łoś"),
    person("4", "Jane Old", status="inactive"),
    person("5", "100% Real_Name"),
    person("6", "J" * 9_000),
    person("7", "Office", email="first@acme.example").model_copy(
        update={"emails": [Email(email="first@acme.example", is_primary=True), Email(email="Desk@acme.example")]}
    ),
    person("8", "desk@acme.example"),
    person("9", "FIRST@acme.example"),
    person("10", "No Address", email="jane"),
    person("11", "Long Address", email=LONG),
]
TITLES = [course("101", "Security 2026", code="SEC"), course("102", "Security 2025", status="archived")]


def test_terms_match_the_same_on_every_engine():
    database = filled(PEOPLE, TITLES)

    def resolve(connection: Any, by: GroupBy, term: str) -> list[str]:
        try:
            ((named,),) = (name_resolution.resolve_terms(connection, ACCOUNT, by, [term]),)
        except QueryError as error:
            return [str(error).partition("Nearest: ")[2]]
        return [match.id for match in named.matches]

    def check(connection: Any) -> None:
        for term, ids in {
            "jane": ["1"],
            "JANE@acme.EXAMPLE": ["1"],
            "desk@acme.example": ["7", "8"],
            "first@acme.example": ["7", "9"],
            LONG.upper(): ["11"],
            "zoe obrien": ["2"],
            "Los, Anne": ["3"],
            "a. los": ["3"],
            "jane old": ["4"],
            "00%": ["5"],
            "am": [""],
            "arie": ["3"],
            "real_": ["5"],
            "%": ["5"],
            "j" * 300: ["6"],
            "Jaen Deo": ["Jane Doe, Jane Old."],
        }.items():
            assert resolve(connection, GroupBy.LEARNER, term) == ids, term
        assert resolve(connection, GroupBy.COURSE, "sec") == ["101"]
        assert resolve(connection, GroupBy.COURSE, "2025 security") == ["102"]
        assert name_resolution.complete_name(connection, ACCOUNT, GroupBy.LEARNER, "j", limit=2) == [
            "Jane Doe",
            "J" * 79 + "…",
        ]
        assert len(name_resolution.complete_name(connection, ACCOUNT, GroupBy.LEARNER, "\0\ud800")) == len(PEOPLE)
        assert name_resolution.complete_name(connection, ACCOUNT, GroupBy.COURSE, "") == [
            "Security 2026",
            "Security 2025",
        ]

    database._transact(check)


@pytest.mark.parametrize("term", ["\ud800", "\0", "a\0b"])
def test_terms_that_no_database_can_store_match_nobody(term: str):
    database = filled(PEOPLE)
    with pytest.raises(QueryError):
        database._transact(lambda c: name_resolution.resolve_terms(c, ACCOUNT, GroupBy.LEARNER, [term]))
