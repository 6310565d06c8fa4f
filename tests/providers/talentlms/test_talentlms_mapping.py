"""The vendor's example payloads become unified people, courses and enrollments."""

from datetime import UTC, datetime, timedelta

import pytest
from mapped_items import as_read_back, at, roster_of, transcript_of
from vendor_payloads import ATHENS, COURSE, PAIR, USER

from mcp_truto_lms.domain.model import CourseStatus, CourseTerms, EnrollmentStatus, User, UserRole, UserStatus
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.providers.talentlms import enrollments, people
from mcp_truto_lms.providers.talentlms.courses import course, courses, parse_terms
from mcp_truto_lms.providers.talentlms.dates import portal_dates

S = EnrollmentStatus
athens = portal_dates(ATHENS)


def test_the_vendors_transcript_becomes_an_enrollment():
    transcript = enrollments.transcript(USER, courses={}, labels={"custom_field_1": "Site"}, dates=athens)
    (record,) = transcript.records
    enrollment = record.enrollment
    assert (enrollment.id, enrollment.user.id, enrollment.course.id) == ("1_1", "1", "1")
    assert (enrollment.user.name, enrollment.course.title) == ("Dummy Dummy", "Social media")
    assert enrollment.user.emails[0].email == "dummy@example.com"
    assert enrollment.user.emails[0].is_primary
    assert enrollment.status is S.ENROLLED
    assert enrollment.enrolled_at == at(1378463092)
    assert (enrollment.completed_at, enrollment.due_at, record.access_ends_at) == (None, None, None)
    assert (enrollment.progress_percent, enrollment.time_spent_seconds, enrollment.score) == (0, 451, None)
    assert enrollment.urls[0].type == "last_accessed_unit"
    assert enrollment.custom_fields == {
        "Site": "Oslo",
        "branches": ["North"],
        "groups": ["New hires"],
        "role": "learner",
        "completion_status": "not_attempted",
        "completion_status_formatted": "Not Started",
    }
    assert enrollment.remote_data is None
    assert (record.route, record.is_learner, transcript.skipped) == (FetchRoute.LEARNER, True, 0)


def test_the_vendors_person_becomes_a_user():
    user = people.user(USER, dates=athens)
    assert (user.id, user.username, user.status, user.role) == ("1", "dummy", UserStatus.ACTIVE, UserRole.LEARNER)
    assert (user.locale, user.timezone) == ("English", "Europe/Athens")
    assert user.created_at == datetime(2012, 7, 17, 12, 29, 25, tzinfo=UTC)
    assert user.updated_at == at(1519743871)
    assert user.custom_fields["custom_field_1"] == "Oslo"
    assert people.user(USER).created_at is None


def test_the_vendors_roster_becomes_enrollments_joined_with_the_directory():
    person = User(id="2", name="Dora Dummy", emails=[{"email": "dora@example.com"}], custom_fields={"Site": "Oslo"})
    (record,) = enrollments.roster(COURSE, learners={"2": person}).records
    enrollment = record.enrollment
    assert (enrollment.id, enrollment.user.name) == ("2_12", "Dora Dummy")
    assert enrollment.user.emails[0].email == "dora@example.com"
    assert enrollment.course.title == "Intro to TalentLMS"
    assert (enrollment.status, record.route) == (S.ENROLLED, FetchRoute.COURSE)
    assert enrollment.enrolled_at == at(1366019102)
    assert enrollment.time_spent_seconds == 484
    assert enrollment.custom_fields == {"Site": "Oslo", "role": "learner"}


def test_a_roster_without_the_directory_has_short_names_and_no_email_addresses():
    (record,) = enrollments.roster(COURSE, learners={}).records
    assert (record.enrollment.user.name, record.enrollment.user.emails) == ("D. Dummy2", None)


def test_the_vendors_pair_becomes_an_enrollment_with_a_score():
    record = enrollments.pair(PAIR, user_id="3", course_id="4", learner=None, course=None, code="completed")
    enrollment = record.enrollment
    assert (enrollment.id, enrollment.user.name, enrollment.course.title) == ("3_4", None, None)
    assert (enrollment.status, enrollment.score, record.route) == (S.COMPLETED, 100, FetchRoute.PAIR)
    assert enrollment.completed_at == at(1413962775)
    assert enrollment.custom_fields["completion_status_formatted"] == "Completed"


def test_the_score_is_the_mean_of_the_numeric_unit_scores():
    raw = {**PAIR, "units": {"0": {"score": "50"}, "1": {"score": ""}, "2": {"score": 100}, "3": {}, "4": "x"}}
    record = enrollments.pair(raw, user_id="3", course_id="4", learner=None, course=None, code=None)
    assert record.enrollment.score == 75


def test_an_empty_pair_is_not_an_enrollment():
    assert enrollments.pair([], user_id="3", course_id="4", learner=None, course=None, code=None) is None


def test_the_vendors_course_becomes_a_unified_course():
    mapped_course = course(COURSE, dates=athens)
    assert (mapped_course.id, mapped_course.title, mapped_course.code, mapped_course.status) == (
        "12",
        "Intro to TalentLMS",
        None,
        CourseStatus.PUBLISHED,
    )
    assert mapped_course.created_at == datetime(2013, 1, 15, 10, 46, 30, tzinfo=UTC)
    assert mapped_course.categories == [{"id": "3"}]
    assert mapped_course.custom_fields == {"certification": "Classic", "certification_duration": "Forever"}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("active", CourseStatus.PUBLISHED),
        ("inactive", CourseStatus.DISABLED),
        ("archived", CourseStatus.ARCHIVED),
        ("odd", CourseStatus.UNKNOWN),
        (None, None),
    ],
)
def test_course_states_become_unified_states(raw, status):
    assert course({**COURSE, "status": raw}).status is status


@pytest.mark.parametrize(
    ("user_type", "role"),
    [
        ("Learner-Type", UserRole.LEARNER),
        ("Trainer-Type", UserRole.INSTRUCTOR),
        ("SuperAdmin", UserRole.ADMIN),
        ("Line manager", UserRole.MANAGER),
        ("Verkauf", UserRole.OTHER),
        ("", None),
    ],
)
def test_user_types_become_unified_roles(user_type, role):
    assert people.user({**USER, "user_type": user_type}).role is role


def test_people_with_an_inactive_or_unknown_status_are_included_with_that_status():
    assert people.user({**USER, "status": "inactive"}).status is UserStatus.INACTIVE
    user = people.user({**USER, "status": "sleeping"})
    assert (user.status, user.custom_fields["raw_status"]) == (UserStatus.UNKNOWN, "sleeping")
    (record,) = enrollments.transcript({**USER, "status": "sleeping"}, courses={}).records
    assert "raw_status" not in record.enrollment.custom_fields


def test_a_person_without_a_name_is_named_by_their_login():
    user = people.user({"id": 5, "login": "x5", "first_name": None, "email": ""})
    assert (user.name, user.emails) == ("x5", [])


@pytest.mark.parametrize("from_store", [False, True])
def test_the_due_date_is_the_enrollments_end_then_the_courses_end_then_the_time_limit(from_store):
    def record_with(item, **terms):
        mapped_course = course({**COURSE, "id": "1", **terms})
        return transcript_of(item, {"1": as_read_back(mapped_course) if from_store else mapped_course})

    own_end = {"expired_on_timestamp": "1500000000"}
    record = record_with(own_end, expiration_datetime="1400000000", time_limit="10")
    assert (record.enrollment.due_at, record.access_ends_at) == (at(1500000000), at(1400000000))
    record = record_with({}, expiration_datetime="1400000000", time_limit="10")
    assert (record.enrollment.due_at, record.access_ends_at) == (at(1400000000), at(1378463092) + timedelta(days=10))
    record = record_with({}, time_limit="10")
    assert (record.enrollment.due_at, record.access_ends_at) == (at(1378463092) + timedelta(days=10),) * 2
    assert record_with({}, time_limit="0").enrollment.due_at is None
    assert record_with({"enrolled_on_timestamp": ""}, time_limit="10").enrollment.due_at is None
    assert record_with({"enrolled_on_timestamp": "253402100000"}, time_limit="100000").enrollment.due_at is None


@pytest.mark.parametrize("expires_at", ["soon", 5, None, [], "9999-12-31T23:00:00-10:00"])
def test_terms_that_cannot_be_parsed_are_none(expires_at):
    assert parse_terms({"expires_at": expires_at, "time_limit_days": "x"}) is None


PROGRESS = {
    "enrolled_on_timestamp": "1400000000",
    "completed_on_timestamp": "",
    "completed_on": "",
    "completion_percentage": "40",
    "expired_on_timestamp": "1500000000",
    "total_time_seconds": 60,
}


def evidence_by_route(**changes):
    item = {**PROGRESS, **changes}
    records = (
        transcript_of({**item, "completion_status": "incomplete"}),
        roster_of(item),
        enrollments.pair(
            {**PAIR, **item}, user_id="1", course_id="2", learner=None, course=None, code="failed", dates=athens
        ),
    )
    return {record.evidence for record in records}


def test_every_route_gives_the_same_evidence_which_changes_with_dates_progress_and_time():
    changes = (
        {},
        {"enrolled_on_timestamp": "1400000001"},
        {"completed_on_timestamp": "1450000000"},
        {"completed_on": "some day"},
        {"completion_percentage": ""},
        {"completion_percentage": "41"},
        {"expired_on_timestamp": ""},
        {"total_time_seconds": 61},
    )
    digests = [evidence_by_route(**change) for change in changes]
    assert {len(digest) for digest in digests} == {1}
    assert len(set.union(*digests)) == len(changes)
    assert all(0 < digest < 2**63 for digest in set.union(*digests))
    assert evidence_by_route() == evidence_by_route(completion_percentage=40, total_time="1m", total_time_seconds=None)


def certificate(issued, expires, course_id="1", **printed):
    return {"course_id": course_id, "issued_date_timestamp": issued, "expiration_date_timestamp": expires, **printed}


@pytest.mark.parametrize(
    ("certifications", "issued_at", "expires_at"),
    [
        ([], None, None),
        (None, None, None),
        ([certificate(1400000000, 0, expiration_date="Never")], 1400000000, None),
        ([certificate("1400000000", "1500000000")], 1400000000, 1500000000),
        ([certificate(1400000000, 1450000000), certificate(1430000000, 1500000000)], 1430000000, 1500000000),
        ([certificate(1430000000, 1500000000), certificate(1400000000, 1600000000)], 1430000000, 1500000000),
        ([certificate(1400000000, 1450000000, "7"), "x", {"course_id": None}], None, None),
        ([certificate(None, None, issued_date="18/04/2013", expiration_date="Never")], 1366232400, None),
    ],
)
def test_the_latest_certificate_of_a_course_is_on_its_enrollment(certifications, issued_at, expires_at):
    raw = {**USER, "certifications": certifications}
    (record,) = enrollments.transcript(raw, courses={}, dates=athens).records
    moments = [issued_at and at(issued_at), expires_at and at(expires_at)]
    assert [record.certificate_issued_at, record.certificate_expires_at] == moments
    fields = record.enrollment.custom_fields
    assert [fields.get("certificate_issued_at"), fields.get("certificate_expires_at")] == [
        moment and f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments
    ]


def test_nothing_that_opens_a_certificate_leaves():
    raw = {**USER, "certifications": [{**USER["certifications"][0], "course_id": "1"}]}
    record = enrollments.transcript(raw, courses={}, remote_data=True).records[0]
    printed = record.enrollment.model_dump_json()
    assert "49471362567302" not in printed
    assert "certificate_issued_at" in printed


def test_a_course_that_opens_later_says_when():
    mapped_course = course({"id": "1", "start_datetime": "1600000000"})
    assert mapped_course.terms == CourseTerms(opens_at=at(1600000000))
    assert parse_terms(mapped_course.custom_fields) == mapped_course.terms
    assert transcript_of({}, {"1": mapped_course}).opens_at == at(1600000000)
    assert roster_of({}, start_datetime=1600000000).opens_at == at(1600000000)


def test_the_end_of_terms_without_a_zone_is_in_utc():
    terms = parse_terms({"expires_at": datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None), "time_limit_days": 3})
    assert terms == CourseTerms(expires_at=datetime(2026, 1, 1, tzinfo=UTC), time_limit_days=3)


def test_instructors_are_not_learners():
    assert not roster_of({"role": "Instructor"}).is_learner
    assert roster_of({"role": None}).is_learner


def test_of_several_rows_of_a_person_the_learners_row_counts():
    rows = [{"id": 2, "role": "instructor"}, {"id": "2", "role": "learner"}, {"id": "2", "role": "instructor"}]
    (record,) = enrollments.roster({**COURSE, "users": rows}, learners={}).records
    assert record.is_learner


@pytest.mark.parametrize("backwards", [False, True])
def test_of_several_enrollments_of_a_pair_the_later_counts_by_every_route(backwards):
    rows = [
        {"id": "2", "role": "learner", "enrolled_on_timestamp": "1400000000", "completion_percentage": "100"},
        {"id": "2", "role": "learner", "enrolled_on_timestamp": "1500000000", "completion_percentage": "10"},
        {"id": "2", "role": "learner", "enrolled_on_timestamp": "", "completion_percentage": "60"},
        {"id": "2", "role": "instructor", "enrolled_on_timestamp": "1600000000", "completion_percentage": "0"},
    ]
    rows = rows[::-1] if backwards else rows
    (record,) = enrollments.roster({**COURSE, "users": rows}, learners={}).records
    (same_record,) = enrollments.transcript({**USER, "courses": rows}, courses={}).records
    assert record.enrollment.progress_percent == same_record.enrollment.progress_percent == 10


@pytest.mark.parametrize("backwards", [False, True])
def test_of_two_rows_of_one_enrollment_the_one_that_is_further_counts(backwards):
    rows = [{"id": "2", "completion_percentage": percentage} for percentage in ("40", "", "90")]
    (record,) = enrollments.roster({**COURSE, "users": rows[::-1] if backwards else rows}, learners={}).records
    assert record.enrollment.progress_percent == 90


def test_items_without_a_usable_id_are_skipped_and_counted():
    rows = [{"id": None}, "x", {"id": "2"}, {"id": True}]
    roster = enrollments.roster({**COURSE, "users": rows}, learners={})
    assert (len(roster.records), roster.skipped) == (1, 3)
    transcript = enrollments.transcript({**USER, "courses": rows}, courses={})
    assert (len(transcript.records), transcript.skipped) == (1, 3)
    assert (len(people.people(rows).items), people.people(rows).skipped) == (1, 3)
    assert (len(courses(rows).items), courses(rows).skipped) == (1, 3)
    assert enrollments.roster([], learners={}) is None
    assert enrollments.transcript("x", courses={}) is None
