"""Values that databases cannot store, or store differently, are changed before they are written or looked up."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store import catalogue, name_search, scope_writer
from mcp_truto_lms.store.selection import Selection
from tests.stored import ACCOUNT, STAMP, at, course, filled, new_store, page_of, person, record, scope_rows
from tests.truth import NOON


def only_row(**fields: Any) -> dict[str, Any]:
    """Write an enrollment twice, and read it."""
    database = new_store()
    reading = Reading((record("u", "c", "enrolled", **fields),))
    for _ in range(2):
        database._transact(
            lambda c: scope_writer.replace_scope(c, ACCOUNT, Scope(course_id="c"), scope_rows(ACCOUNT, reading), STAMP)
        )
    (row,) = database._transact(lambda c: page_of(c, Selection(ACCOUNT, NOON), sort=None, limit=9, offset=0))
    return row


@pytest.mark.parametrize("value", [nan, inf, -inf, 1e300])
def test_a_number_that_is_not_finite_or_too_large_is_unknown(value: float):
    row = only_row(progress_percent=value, score=value)
    assert (row["progress_percent"], row["score"]) == (None, None)


@pytest.mark.parametrize(("value", "stored"), [(2**63, None), (-(2**70), None), (2**63 - 1, 2**63 - 1), (0, 0)])
def test_an_integer_of_more_than_64_bits_is_unknown(value: int, stored: int | None):
    assert only_row(time_spent_seconds=value)["time_spent_seconds"] == stored


def test_numbers_come_back_as_they_were():
    row = only_row(progress_percent=33.300000000000004, attempt_number=3, is_mandatory=False)
    assert (row["progress_percent"], row["attempt_number"], row["is_mandatory"]) == (33.300000000000004, 3, False)


def test_texts_lose_characters_that_no_database_stores():
    row = only_row(key="i\0d", user_name="A\0nn", title="\0")
    assert (row["id"], row["user.name"], row["course.title"]) == ("id", "Ann", "c")


def test_custom_fields_of_any_kind_are_stored_as_json():
    fields = {"nul": "a\0b", "nan": nan, "big": 2**70, "none": None, "list": [{"a": 1.5}], "é": "ü"}
    assert only_row(custom_fields=fields)["custom_fields"] == {**fields, "nan": None}


def test_surrogates_are_removed_from_custom_fields_and_people():
    fields = {"half \ud800": "\ud800!", "none": None}
    assert only_row(custom_fields=fields)["custom_fields"] == {"half ": "!", "none": None}
    odd = person("1", "Ann").model_copy(update={"custom_fields": fields, "created_at": at(NOON)})
    database = filled([odd])
    record = database._transact(lambda c: catalogue.learner_records(c, ACCOUNT))["1"]
    user = User.model_validate_json(record)
    assert (user.custom_fields, user.created_at) == ({"half ": "!", "none": None}, at(NOON))


@pytest.mark.parametrize("term", ["an\0n", "\0ann", "ann\ud800"])
def test_a_person_is_found_by_a_term_with_odd_characters(term: str):
    database = filled([person("1", "Ann")], [course("c", "C")])
    matches = database._transact(lambda c: name_search.exact_matches(c, ACCOUNT, GroupBy.LEARNER, term))
    assert [match.id for match in matches] == ["1"]


def test_a_person_or_course_without_a_usable_name_is_called_by_the_id():
    database = filled([person("1", "\0")], [course("c", "\0")], [record("1", "c", "enrolled")])
    (row,) = database._transact(lambda c: page_of(c, Selection(ACCOUNT, NOON), sort=None, limit=9, offset=0))
    assert (row["user.name"], row["course.title"]) == ("1", "c")
