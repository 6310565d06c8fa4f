"""Compressed rows and people are the same as others."""

from __future__ import annotations

import pytest

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.store import catalogue, list_writer, scope_writer
from mcp_truto_lms.store.compressed_rows import CompressedPeople, CompressedRows
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import learner_rows
from tests.stored import ACCOUNT, STAMP, new_store, person, record, scope_rows

ANN = User(
    id="1",
    name="Ann \u00c9va",
    emails=[{"email": "ann@acme.example"}],
    status="inactive",
    role="manager",
    custom_fields={"Site": "Oslo", "Levels": [1, 2.5, None]},
)


@pytest.fixture
def database() -> Database:
    return new_store()


def compress(*pages: list[User]) -> CompressedRows:
    rows = CompressedRows()
    for page in pages:
        rows.add(learner_rows(ACCOUNT, page))
    return rows


def test_compressed_rows_can_be_iterated_several_times():
    pages = [[ANN, person("2", "Ben")], [person("3", "Cem")]]
    compressed = compress(*pages)
    rows = [row for page in pages for row in learner_rows(ACCOUNT, page)]
    assert [*compressed] == rows
    assert [*compressed] == rows


def test_compressed_rows_are_written_like_others(database: Database):
    many = [person(str(n), f"Person {n}") for n in range(2_100)]
    database._transact(
        lambda c: list_writer.replace_learners(c, ACCOUNT, compress([ANN], many[:1_500], many[1_500:]), STAMP)
    )
    assert len(database._transact(lambda c: catalogue.learner_records(c, ACCOUNT))) == 2_100
    database._transact(lambda c: list_writer.replace_learners(c, ACCOUNT, compress([ANN]), STAMP))
    assert [*database._transact(lambda c: catalogue.learner_records(c, ACCOUNT))] == ["1"]


def test_a_person_deleted_while_a_roster_is_fetched_is_added_by_id_alone(database: Database):
    enrollment = record("u", "c", "enrolled", user_name="Ann")
    for known, name in (((), "Ann"), (("u",), None)):
        rows = scope_rows(ACCOUNT, Reading((enrollment,)), known=known)
        database._transact(
            lambda c, rows=rows: scope_writer.replace_scope(c, ACCOUNT, Scope(course_id="c"), rows, STAMP)
        )
        records = database._transact(lambda c: catalogue.learner_records(c, ACCOUNT))
        assert User.model_validate_json(records["u"]).name == name
        database._transact(lambda c: list_writer.replace_learners(c, ACCOUNT, [], STAMP))


def test_people_have_the_fields_of_an_enrollment_or_all_of_them(database: Database):
    database._transact(lambda c: list_writer.replace_learners(c, ACCOUNT, compress([ANN]), STAMP))
    carried = database._transact(lambda c: CompressedPeople(c, ACCOUNT, whole=False))
    whole = database._transact(lambda c: CompressedPeople(c, ACCOUNT, whole=True))
    assert [*carried] == [*whole] == ["1"]
    assert len(carried) == 1
    assert whole["1"] == ANN
    assert carried["1"] == User(id="1", name=ANN.name, custom_fields=ANN.custom_fields)
    assert carried.get("2") is None
