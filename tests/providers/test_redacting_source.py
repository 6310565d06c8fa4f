"""What a veil lets through: columns that there are, people under aliases, and nothing that a provider added."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, CourseEnrollment, CourseTerms, User
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer, parse_alias
from mcp_truto_lms.domain.source import (
    EnrollmentRecord,
    FetchRoute,
    PagedDirectory,
    Reading,
    RosterInParts,
    Scope,
    TeamDirectory,
)
from mcp_truto_lms.providers.redacting_source import Redactor, redacted
from mcp_truto_lms.settings import Settings
from tests.stored import Shelf, course, person

pytestmark = pytest.mark.anyio

SEAL = Pseudonymizer.of("a-secret-of-ours", "acme")
ALIASES = Redactor(Settings(pseudonyms="1").columns, SEAL)
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


def test_under_aliases_a_person_is_an_alias_with_teams():
    one = ALIASES.user(FULL)
    for word in ("ann", "lee", "bob", "555", "site", "@", "own"):
        assert word not in dumped(one), word
    assert one.name == SEAL.alias("7")
    assert one.manager is not None
    assert one.manager.name == SEAL.alias("9")
    assert one.custom_fields == {"branches": ["North"]}
    assert (one.status, one.role) == (FULL.status, FULL.role)


def test_under_aliases_an_enrollment_keeps_what_is_judged_and_names_nobody():
    one = ALIASES.record(ENROLLED).enrollment
    for word in ("ann", "lee", "bob", "site", "123", "http", "@"):
        assert word not in dumped(one), word
    assert one.user is not None
    assert one.user.name == SEAL.alias("7")
    assert one.assigned_by is not None
    assert one.assigned_by.name == SEAL.alias("9")
    assert (one.due_at, one.status, one.score) == (ENROLLED.enrollment.due_at, "enrolled", 80)


def test_under_aliases_a_course_keeps_its_terms_and_loses_what_may_name_somebody():
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


def test_columns_that_are_out_arrive_empty_unless_judgements_rest_on_them():
    out = frozenset({"score", "due_at", "user.emails", "custom_fields.site", "assigned_by.name"})
    veil = Redactor(Columns(out), SEAL)
    one, user = veil.record(ENROLLED).enrollment, veil.user(FULL)
    assert one.score is None
    assert one.due_at == ENROLLED.enrollment.due_at
    assert one.custom_fields == {"Employee number": "123"}
    assert one.user is not None
    assert (one.user.name, one.user.emails) == ("Ann Lee", None)
    assert one.assigned_by is not None
    assert (one.assigned_by.id, one.assigned_by.name) == ("9", None)
    assert user.name == "Ann Lee"
    assert user.custom_fields == {"branches": ["North"]}
    assert "@" not in dumped(user)
    assert "annie" not in dumped(one) + dumped(user)


def test_a_login_that_is_an_address_goes_with_the_addresses():
    veil = Redactor(Columns(frozenset({"user.emails"})), SEAL)
    assert veil.user(FULL).username == "annlee"
    assert veil.user(FULL.model_copy(update={"username": "ann.lee@acme.example"})).username is None


def test_a_custom_field_that_is_out_is_out_of_courses_too_aside_from_their_terms():
    terms = CourseTerms(time_limit_days=30)
    course = Course(id="c", title="First Aid", terms=terms, custom_fields={"Cost centre": "4711", "Site": "Leeds"})
    without_cost_centre = Redactor(Columns(frozenset({"custom_fields.cost_centre"})), SEAL).course(course)
    assert (without_cost_centre.custom_fields, without_cost_centre.terms) == ({"Site": "Leeds"}, terms)
    without_fields = Redactor(Columns(frozenset({"custom_fields"})), SEAL).course(course)
    assert (without_fields.custom_fields, without_fields.terms) == (None, terms)


def test_what_a_provider_adds_to_the_parts_of_an_enrollment_is_dropped():
    parts = {
        "course": {"id": "c", "title": "C", "owner": "Ann"},
        "urls": [{"url": "https://a.example", "owner": "Ann"}],
    }
    found = CourseEnrollment.model_validate({"id": "1", **parts})
    one = Redactor(Columns(frozenset({"score"})), SEAL).record(EnrollmentRecord(found, FetchRoute.LEARNER)).enrollment
    assert one.model_dump(mode="json", exclude_none=True) == {
        "id": "1",
        "course": {"id": "c", "title": "C"},
        "urls": [{"url": "https://a.example"}],
    }


def test_a_source_has_teams_only_where_it_has_them():
    class WithTeams(Shelf):
        async def teams(self) -> dict[str, tuple[str, ...]]:
            return {"7": ("North",)}

        def teams_cost(self) -> int:
            return 2

    assert not isinstance(redacted(Shelf(), ALIASES), TeamDirectory)  # type: ignore[arg-type]
    source = redacted(WithTeams(), ALIASES)  # type: ignore[arg-type]
    assert isinstance(source, TeamDirectory)
    assert source.teams_cost() == 2


async def test_parts_come_veiled_whether_the_source_has_parts_or_not():
    source = redacted(Shelf([FULL], [course("c", "First Aid")], [ENROLLED]), ALIASES)  # type: ignore[arg-type]
    assert isinstance(source, PagedDirectory)
    assert isinstance(source, RosterInParts)
    (page,) = [page async for page in source.learner_pages()]
    assert page == await source.learners()
    (part,) = [part async for part in source.roster_parts("c", courses={}, learners={})]
    assert part.records[0].enrollment.user == ALIASES.record(ENROLLED).enrollment.user
    found = await source.find_learner(user_id="7")
    assert found is not None
    assert found.name == SEAL.alias("7")
    assert await source.find_learner(email="ann.lee@acme.example") is None
    course_found = await source.find_course("c")  # type: ignore[attr-defined]
    assert course_found == ALIASES.course(course("c", "First Aid"))
    assert source.with_remote_data() is source


async def test_what_went_wrong_with_a_person_names_the_alias():
    class Failing(Shelf):
        async def enrollments(self, scope: Scope, **_: Any) -> Reading:
            raise UnexpectedAnswer(f"TalentLMS answered for person {scope.user_id} with something, not 77.")

    with pytest.raises(UnexpectedAnswer) as caught:
        await redacted(Failing(), ALIASES).enrollments(Scope(user_id="7"), courses={}, learners={})  # type: ignore[arg-type]
    assert str(caught.value) == f"TalentLMS answered for person {SEAL.alias('7')} with something, not 77."
    with pytest.raises(UnexpectedAnswer, match="person 7 with"):
        await redacted(Failing(), Redactor(ALL_COLUMNS, SEAL)).enrollments(Scope(user_id="7"), courses={}, learners={})  # type: ignore[arg-type]


@given(st.text(), st.text())
def test_an_alias_is_stable_and_of_one_account_secret_and_person(one: str, other: str):
    alias = Pseudonymizer.of("a-secret-of-ours", "acme").alias(one)
    assert alias == SEAL.alias(one)
    assert parse_alias(alias) == alias
    assert (alias == SEAL.alias(other)) == (one == other)
    assert alias != Pseudonymizer.of("a-secret-of-ours", "beta").alias(one)
    assert alias != Pseudonymizer.of("another-secret-of", "acme").alias(one)


def test_aliases_do_not_change_between_versions():
    assert SEAL.alias("7") == "Learner NRN80XMPX3"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("Learner 7F3K9QXB2M", "Learner 7F3K9QXB2M"),
        ("  learner   7f3k9qxb2m ", "Learner 7F3K9QXB2M"),
        ("learner7f3k9qxb2m", "Learner 7F3K9QXB2M"),
        ("7f3k9qxb2m", "Learner 7F3K9QXB2M"),
        ("OIL0000000", "Learner 0110000000"),
        ("7f3k9qxb2", None),
        ("7f3k9qxb2mm", None),
        ("7f3k9qxb2u", None),
        ("Jane Doe", None),
        ("Learner", None),
        ("", None),
    ],
)
def test_an_alias_is_read_however_it_is_typed(typed: str, read: str | None):
    assert parse_alias(typed) == read


def test_the_key_of_the_store_tells_no_secret_and_the_seal_is_not_printed():
    settings = Settings(
        source="talentlms", provider_values={"TALENTLMS_API_KEY": "the-api-key-of-acme"}, pseudonyms="1"
    )
    (account,) = settings.accounts()
    other_settings = replace(settings, provider_values={"TALENTLMS_API_KEY": "another-api-key"})
    (other,) = other_settings.accounts()
    (plain,) = Settings(source="talentlms").accounts()
    assert len({account.key, other.key, plain.key}) == 3
    assert account.pseudonymizer is not None
    assert "acme" not in account.key
    assert account.pseudonymizer.key.hex() not in account.key
    assert "key=" not in repr(account.pseudonymizer)
    assert "secret-of-ours" not in repr(Settings(pseudonyms="a-secret-of-ours"))


def test_people_whom_a_veil_shows_are_of_use_as_they_are():
    assert ALIASES.user(person("8", "Cy")).emails is not None
