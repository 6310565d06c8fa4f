"""The optional parts of a source that the endpoint uses, the cached names, and the status of a record."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select
from unified_endpoint import NOW, portal_of, source_over

from mcp_truto_lms.domain.definitions import status_at, status_of
from mcp_truto_lms.domain.model import EnrollmentStatus, User
from mcp_truto_lms.domain.source import CourseFinder, PagedDirectory, RosterInParts
from mcp_truto_lms.sandbox.portal import sample_app
from mcp_truto_lms.sandbox.records import CourseRole
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.unified_api.name_cache import CachedPeople

pytestmark = pytest.mark.anyio

table = Table(
    "enrollments", MetaData(), Column("id", Integer), Column("status", String), Column("access_ends_at", Integer)
)
moments = st.none() | st.integers(-3, 3).map(lambda seconds: NOW + timedelta(seconds=seconds))


@given(st.lists(st.tuples(st.sampled_from(EnrollmentStatus), moments), min_size=1, max_size=30))
def test_a_record_and_a_row_get_the_same_status(statuses):
    rows = [
        {"id": row_id, "status": status, "access_ends_at": None if ends is None else int(ends.timestamp())}
        for row_id, (status, ends) in enumerate(statuses)
    ]
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        table.metadata.create_all(connection)
        connection.execute(insert(table), rows)
        statuses_of_rows = (
            connection.execute(select(status_at(table, int(NOW.timestamp()))).order_by(table.c.id)).scalars().all()
        )
    engine.dispose()
    assert statuses_of_rows == [status_of(status, ends, NOW) for status, ends in statuses]


def test_a_record_without_a_status_has_none():
    assert status_of(None, datetime(2020, 1, 1, tzinfo=UTC), NOW) is None


def test_cached_people_have_the_fields_that_enrollments_show():
    jane = User.model_validate(
        {
            "id": "7",
            "name": "Jane \u00d8",
            "emails": [{"email": "j@x.example", "is_primary": True}],
            "custom_fields": {"Site": "Oslo", "branches": ["North"]},
            "remote_data": {"much": "more"},
        }
    )
    people = CachedPeople()
    people.add([jane, User(id="8")])
    assert list(people) == ["7", "8"]
    assert len(people) == 2
    assert people["7"] == jane.model_copy(update={"remote_data": None})
    assert people.get("9") is None


async def test_talentlms_reads_one_course_people_in_pages_and_a_roster_in_parts(small):
    source = source_over(portal_of(small))
    assert isinstance(source, CourseFinder)
    assert isinstance(source, PagedDirectory)
    assert isinstance(source, RosterInParts)
    course = await source.find_course("101")
    assert course.remote_data["users"]
    assert await source.find_course("999999") is None
    pages = [page async for page in source.learner_pages()]
    assert tuple(person for page in pages for person in page) == await source.learners()
    await source.aclose()


async def test_the_parts_of_a_roster_hold_each_person_once(small, monkeypatch):
    monkeypatch.setattr("mcp_truto_lms.domain.source.PART_SIZE", 2)
    source = source_over(portal_of(small))
    for course in small.courses:
        parts = [part async for part in source.roster_parts(course.id, courses={}, learners={})]
        user_ids_and_roles = [
            (record.enrollment.user.id, record.is_learner) for part in parts for record in part.records
        ]
        expected = [
            (record.user_id, record.role is CourseRole.LEARNER)
            for record in small.enrollments
            if record.course_id == course.id
        ]
        assert sorted(user_ids_and_roles) == sorted(expected)
        assert all(len(part.records) <= 2 for part in parts)


async def test_a_source_with_remote_data_shares_the_calls_of_the_original(small):
    plain = source_over(sample_app(small, variations=Variations()), remote_data=False)
    full = plain.with_remote_data()
    assert (await plain.courses())[0].remote_data is None
    assert (await full.courses())[0].remote_data
    assert plain.calls == full.calls > 0
