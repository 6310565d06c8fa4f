"""Redaction: hidden columns are empty, people appear under aliases, and unknown fields are dropped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, CourseEnrollment, CourseTerms, User
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer
from mcp_truto_lms.domain.source import (
    EnrollmentRecord,
    FetchRoute,
    PagedDirectory,
    Reading,
    RosterInParts,
    Scope,
    TeamDirectory,
    TeamKind,
)
from mcp_truto_lms.providers.redacting_source import Redactor, redacted
from mcp_truto_lms.settings import Settings
from tests.stored import Shelf, course, person

pytestmark = pytest.mark.anyio

PSEUDONYMIZER = Pseudonymizer.of("a-secret-of-ours", "acme")
ALIASES = Redactor(Settings(pseudonyms="1").columns, PSEUDONYMIZER)
FULL = User.model_validate(
    {
        "id": "7",
        "first_name": "Ann",
        "last_name": "Lee",
        "name": "Ann Lee",
        "username": "annlee",
        "emails": [{"email": "Ann.Lee@acme.example", "is_primary": True}],
        "status": "active",
        "role": "learner",
        "phones": ["+47 555"],
        "job_title": "Ann's own",
        "manager": {"id": "9", "name": "Bob Ray", "emails": [{"email": "bob@acme.example"}]},
        "custom_fields": {"Site": "Leeds", "branches": ["North"]},
        "remote_data": {"login": "annlee"},
        "nickname": "Annie",
    }
)
ENROLLED = EnrollmentRecord(
    CourseEnrollment.model_validate(
        {
            "id": "7_c",
            "user": {"id": "7", "name": "Ann Lee", "emails": [{"email": "ann.lee@acme.example"}], "nick": "Annie"},
            "course": {"id": "c", "title": "First Aid"},
            "status": "enrolled",
            "due_at": "2026-11-01",
            "score": 80,
            "assigned_by": {"id": "9", "name": "Bob Ray"},
            "urls": [{"url": "https://acme.example/ann"}],
            "custom_fields": {"Site": "Leeds", "Employee number": "123"},
            "remote_data": {"name": "Ann Lee"},
            "owner": "Ann Lee",
        }
    ),
    FetchRoute.LEARNER,
)


def dumped(record: Any) -> str:
    return record.model_dump_json().lower()


def test_under_aliases_a_person_has_an_alias_teams_status_and_role():
    user = ALIASES.user(FULL)
    for word in ("ann", "lee", "bob", "555", "site", "@", "own"):
        assert word not in dumped(user), word
    assert user.name == PSEUDONYMIZER.alias("7")
    assert user.manager is not None
    assert user.manager.name == PSEUDONYMIZER.alias("9")
    assert user.custom_fields == {"branches": ["North"]}
    assert (user.status, user.role) == (FULL.status, FULL.role)


def test_under_aliases_an_enrollment_has_its_dates_and_status_but_no_names():
    enrollment = ALIASES.record(ENROLLED).enrollment
    for word in ("ann", "lee", "bob", "site", "123", "http", "@"):
        assert word not in dumped(enrollment), word
    assert enrollment.user is not None
    assert enrollment.user.name == PSEUDONYMIZER.alias("7")
    assert enrollment.assigned_by is not None
    assert enrollment.assigned_by.name == PSEUDONYMIZER.alias("9")
    assert (enrollment.due_at, enrollment.status, enrollment.score) == (ENROLLED.enrollment.due_at, "enrolled", 80)


def test_under_aliases_a_course_has_its_title_and_terms_but_no_text_that_may_name_people():
    terms = CourseTerms(time_limit_days=30, expires_at=datetime(2026, 12, 1, tzinfo=UTC))
    course = Course(
        id="c",
        title="First Aid",
        description="By Ann Lee",
        terms=terms,
        custom_fields={"owner": "Ann Lee"},
        teacher="Ann Lee",  # type: ignore[call-arg]
    )
    redacted_course = ALIASES.course(course)
    assert "ann" not in dumped(redacted_course)
    assert (redacted_course.title, redacted_course.terms) == ("First Aid", terms)
    assert redacted_course.custom_fields is None


def test_hidden_columns_are_empty_except_those_that_definitions_need():
    hidden = frozenset({"score", "due_at", "user.emails", "custom_fields.site", "assigned_by.name"})
    redactor = Redactor(Columns(hidden), PSEUDONYMIZER)
    enrollment, user = redactor.record(ENROLLED).enrollment, redactor.user(FULL)
    assert enrollment.score is None
    assert enrollment.due_at == ENROLLED.enrollment.due_at
    assert enrollment.custom_fields == {"Employee number": "123"}
    assert enrollment.user is not None
    assert (enrollment.user.name, enrollment.user.emails) == ("Ann Lee", None)
    assert enrollment.assigned_by is not None
    assert (enrollment.assigned_by.id, enrollment.assigned_by.name) == ("9", None)
    assert user.name == "Ann Lee"
    assert user.custom_fields == {"branches": ["North"]}
    assert "@" not in dumped(user)
    assert "annie" not in dumped(enrollment) + dumped(user)


def test_a_login_that_is_an_email_address_is_hidden_with_the_email_addresses():
    redactor = Redactor(Columns(frozenset({"user.emails"})), PSEUDONYMIZER)
    assert redactor.user(FULL).username == "annlee"
    assert redactor.user(FULL.model_copy(update={"username": "ann.lee@acme.example"})).username is None


def test_hidden_custom_fields_are_hidden_in_courses_too_and_terms_are_not():
    terms = CourseTerms(time_limit_days=30)
    course = Course(id="c", title="First Aid", terms=terms, custom_fields={"Cost centre": "4711", "Site": "Leeds"})
    without_cost_centre = Redactor(Columns(frozenset({"custom_fields.cost_centre"})), PSEUDONYMIZER).course(course)
    assert (without_cost_centre.custom_fields, without_cost_centre.terms) == ({"Site": "Leeds"}, terms)
    without_fields = Redactor(Columns(frozenset({"custom_fields"})), PSEUDONYMIZER).course(course)
    assert (without_fields.custom_fields, without_fields.terms) == (None, terms)


def test_unknown_fields_in_the_course_and_urls_of_an_enrollment_are_dropped():
    parts = {
        "course": {"id": "c", "title": "C", "owner": "Ann"},
        "urls": [{"url": "https://a.example", "owner": "Ann"}],
    }
    record = EnrollmentRecord(CourseEnrollment.model_validate({"id": "1", **parts}), FetchRoute.LEARNER)
    redacted_record = Redactor(Columns(frozenset({"score"})), PSEUDONYMIZER).record(record)
    assert redacted_record.enrollment.model_dump(mode="json", exclude_none=True) == {
        "id": "1",
        "course": {"id": "c", "title": "C"},
        "urls": [{"url": "https://a.example"}],
    }


def test_a_redacted_source_has_teams_only_if_its_source_has_teams():
    class WithTeams(Shelf):
        async def teams(self, kind: TeamKind) -> dict[str, tuple[str, ...]]:
            return {"7": ("North",)}

    assert not isinstance(redacted(Shelf(), ALIASES), TeamDirectory)  # type: ignore[arg-type]
    source = redacted(WithTeams(), ALIASES)  # type: ignore[arg-type]
    assert isinstance(source, TeamDirectory)


async def test_a_redacted_source_reads_in_parts_whether_or_not_its_source_does():
    source = redacted(Shelf([FULL], [course("c", "First Aid")], [ENROLLED]), ALIASES)  # type: ignore[arg-type]
    assert isinstance(source, PagedDirectory)
    assert isinstance(source, RosterInParts)
    (page,) = [page async for page in source.learner_pages()]
    assert page == await source.learners()
    (part,) = [part async for part in source.roster_parts("c", courses={}, learners={})]
    assert part.records[0].enrollment.user == ALIASES.record(ENROLLED).enrollment.user
    learner = await source.find_learner(user_id="7")
    assert learner is not None
    assert learner.name == PSEUDONYMIZER.alias("7")
    assert await source.find_learner(email="ann.lee@acme.example") is None
    first_aid = await source.find_course("c")  # type: ignore[attr-defined]
    assert first_aid == ALIASES.course(course("c", "First Aid"))
    assert source.with_remote_data() is source


async def test_under_aliases_an_error_about_a_person_names_the_alias():
    class Failing(Shelf):
        async def enrollments(self, scope: Scope, **_: Any) -> Reading:
            raise UnexpectedAnswer(f"TalentLMS answered for person {scope.user_id} with something, not 77.")

    source: Any = Failing()
    with pytest.raises(UnexpectedAnswer) as caught:
        await redacted(source, ALIASES).enrollments(Scope(user_id="7"), courses={}, learners={})
    assert str(caught.value) == f"TalentLMS answered for person {PSEUDONYMIZER.alias('7')} with something, not 77."
    with pytest.raises(UnexpectedAnswer, match="person 7 with"):
        await redacted(source, Redactor(ALL_COLUMNS, PSEUDONYMIZER)).enrollments(
            Scope(user_id="7"), courses={}, learners={}
        )


def test_under_aliases_a_person_without_email_addresses_has_hashes_that_join_the_people_file():
    assert ALIASES.user(person("8", "Cy")).emails is not None
