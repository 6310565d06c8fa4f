"""The people that enrollments are joined with are the same from a directory just fetched and from the store."""

from __future__ import annotations

import pytest

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.ingest.joined_records import FetchedPeople
from mcp_truto_lms.store import list_writer
from mcp_truto_lms.store.compressed_rows import CompressedPeople
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import learner_rows
from tests.stored import ACCOUNT, STAMP

pytestmark = pytest.mark.anyio

PEOPLE = [
    User.model_validate({"id": "1", "name": "Jane", "custom_fields": {"site": "Oslo", "code": 7, "tags": ["a", "b"]}}),
    User.model_validate({"id": "2", "name": "Jo", "emails": [{"email": "jo@acme.example"}]}),
    User.model_validate({"id": "3", "first_name": "Ada", "custom_fields": {"site": None, "code": 8}}),
    User.model_validate({"id": "4", "name": "Eve", "custom_fields": {"site": None}}),
]


async def test_fetched_people_carry_what_stored_people_carry():
    fetched, database = FetchedPeople(), Database()
    fetched.add(PEOPLE)
    await database.run(
        lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, PEOPLE), STAMP), write=True
    )
    stored = await database.run(lambda c: CompressedPeople(c, ACCOUNT, whole=False))
    assert len(fetched) == len(stored) == len(PEOPLE)
    for person in PEOPLE:
        assert fetched[person.id].custom_fields == stored[person.id].custom_fields
        assert fetched[person.id].name == stored[person.id].name
