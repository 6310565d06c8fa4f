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
    found = enrollments.transcript(USER, courses={}, labels={"custom_field_1": "Site"}, dates=athens)
    (one,) = found.records
    enrollment = one.enrollment
    assert (enrollment.id, enrollment.user.id, enrollment.course.id) == ("1_1", "1", "1")
    assert (enrollment.user.name, enrollment.course.title) == ("Dummy Dummy", "Social media")
    assert enrollment.user.emails[0].email == "dummy@example.com"
    assert enrollment.user.emails[0].is_primary
    assert enrollment.status is S.ENROLLED
    assert enrollment.enrolled_at == at(1378463092)
    assert (enrollment.completed_at, enrollment.due_at, one.access_ends_at) == (None, None, None)
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
    assert (one.route, one.is_learner, found.skipped) == (FetchRoute.LEARNER, True, 0)


def test_the_vendors_person_becomes_a_user():
    found = people.user(USER, dates=athens)
    assert (found.id, found.username, found.status, found.role) == ("1", "dummy", UserStatus.ACTIVE, UserRole.LEARNER)
    assert (found.locale, found.timezone) == ("English", "Europe/Athens")
    assert found.created_at == datetime(2012, 7, 17, 12, 29, 25, tzinfo=UTC)
    assert found.updated_at == at(1519743871)
    assert found.custom_fields["custom_field_1"] == "Oslo"
    assert people.user(USER).created_at is None


def test_the_vendors_roster_becomes_enrollments_joined_with_the_directory():
    person = User(id="2", name="Dora Dummy", emails=[{"email": "dora@example.com"}], custom_fields={"Site": "Oslo"})
    (one,) = enrollments.roster(COURSE, learners={"2": person}).records
    assert (one.enrollment.id, one.enrollment.user.name) == ("2_12", "Dora Dummy")
    assert one.enrollment.user.emails[0].email == "dora@example.com"
    assert one.enrollment.course.title == "Intro to TalentLMS"
    assert (one.enrollment.status, one.route) == (S.ENROLLED, FetchRoute.COURSE)
    assert one.enrollment.enrolled_at == at(1366019102)
    assert one.enrollment.time_spent_seconds == 484
    assert one.enrollment.custom_fields == {"Site": "Oslo", "role": "learner"}


def test_a_roster_alone_has_the_short_name_and_no_address():
    (one,) = enrollments.roster(COURSE, learners={}).records
    assert (one.enrollment.user.name, one.enrollment.user.emails) == ("D. Dummy2", None)


def test_the_vendors_pair_becomes_an_enrollment_with_a_score():
    one = enrollments.pair(PAIR, user_id="3", course_id="4", learner=None, course=None, code="completed")
    assert (one.enrollment.id, one.enrollment.user.name, one.enrollment.course.title) == ("3_4", None, None)
    assert (one.enrollment.status, one.enrollment.score, one.route) == (S.COMPLETED, 100, FetchRoute.PAIR)
    assert one.enrollment.completed_at == at(1413962775)
    assert one.enrollment.custom_fields["completion_status_formatted"] == "Completed"


def test_a_score_is_the_mean_of_the_scores_that_are_numbers():
    raw = {**PAIR, "units": {"0": {"score": "50"}, "1": {"score": ""}, "2": {"score": 100}, "3": {}, "4": "x"}}
    one = enrollments.pair(raw, user_id="3", course_id="4", learner=None, course=None, code=None)
    assert one.enrollment.score == 75


def test_an_empty_pair_is_no_enrollment():
    assert enrollments.pair([], user_id="3", course_id="4", learner=None, course=None, code=None) is None


def test_the_vendors_course_becomes_a_course():
    found = course(COURSE, dates=athens)
    assert (found.id, found.title, found.code, found.status) == (
        "12",
        "Intro to TalentLMS",
        None,
        CourseStatus.PUBLISHED,
    )
    assert found.created_at == datetime(2013, 1, 15, 10, 46, 30, tzinfo=UTC)
    assert found.categories == [{"id": "3"}]
    assert found.custom_fields == {"certification": "Classic", "certification_duration": "Forever"}


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
def test_course_states_have_their_unified_names(raw, status):
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
def test_user_types_have_their_unified_roles(user_type, role):
    assert people.user({**USER, "user_type": user_type}).role is role


def test_inactive_and_odd_people_stay_and_are_marked():
    assert people.user({**USER, "status": "inactive"}).status is UserStatus.INACTIVE
    odd = people.user({**USER, "status": "sleeping"})
    assert (odd.status, odd.custom_fields["raw_status"]) == (UserStatus.UNKNOWN, "sleeping")
    (one,) = enrollments.transcript({**USER, "status": "sleeping"}, courses={}).records
    assert "raw_status" not in one.enrollment.custom_fields


def test_people_without_a_name_or_an_address_are_known_by_their_login():
    found = people.user({"id": 5, "login": "x5", "first_name": None, "email": ""})
    assert (found.name, found.emails) == ("x5", [])


@pytest.mark.parametrize("read_back", [False, True])
def test_due_dates_follow_their_rule_with_courses_fresh_or_read_back(read_back):
    def due(item, **terms):
        known = course({**COURSE, "id": "1", **terms})
        return transcript_of(item, {"1": as_read_back(known) if read_back else known})

    own = {"expired_on_timestamp": "1500000000"}
    one = due(own, expiration_datetime="1400000000", time_limit="10")
    assert (one.enrollment.due_at, one.access_ends_at) == (at(1500000000), at(1400000000))
    one = due({}, expiration_datetime="1400000000", time_limit="10")
    assert (one.enrollment.due_at, one.access_ends_at) == (at(1400000000), at(1400000000))
    one = due({}, time_limit="10")
    assert (one.enrollment.due_at, one.access_ends_at) == (at(1378463092) + timedelta(days=10), None)
    assert due({}, time_limit="0").enrollment.due_at is None
    assert due({"enrolled_on_timestamp": ""}, time_limit="10").enrollment.due_at is None
    assert due({"enrolled_on_timestamp": "253402100000"}, time_limit="100000").enrollment.due_at is None


@pytest.mark.parametrize("odd", ["soon", 5, None, [], "9999-12-31T23:00:00-10:00"])
def test_terms_that_cannot_be_parsed_are_no_terms(odd):
    assert parse_terms({"expires_at": odd, "time_limit_days": "x"}) is None


def test_terms_may_end_at_a_moment_without_a_zone():
    terms = parse_terms({"expires_at": datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None), "time_limit_days": 3})
    assert terms == CourseTerms(expires_at=datetime(2026, 1, 1, tzinfo=UTC), time_limit_days=3)


def test_instructors_come_marked():
    assert not roster_of({"role": "Instructor"}).is_learner
    assert roster_of({"role": None}).is_learner


def test_a_second_row_for_a_person_is_dropped_and_the_learner_wins():
    rows = [{"id": 2, "role": "instructor"}, {"id": "2", "role": "learner"}, {"id": "2", "role": "instructor"}]
    (one,) = enrollments.roster({**COURSE, "users": rows}, learners={}).records
    assert one.is_learner


def test_items_without_a_usable_id_are_skipped_and_counted():
    rows = [{"id": None}, "x", {"id": "2"}, {}]
    found = enrollments.roster({**COURSE, "users": rows}, learners={})
    assert (len(found.records), found.skipped) == (1, 3)
    found = enrollments.transcript({**USER, "courses": rows}, courses={})
    assert (len(found.records), found.skipped) == (1, 3)
    assert (len(people.people(rows).items), people.people(rows).skipped) == (1, 3)
    assert (len(courses(rows).items), courses(rows).skipped) == (1, 3)
    assert enrollments.roster([], learners={}) is None
    assert enrollments.transcript("x", courses={}) is None
