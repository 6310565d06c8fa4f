import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_payloads import ATHENS, COURSE, PAIR, PUBLIC, SECRET, SIGNED, USER

from mcp_truto_lms.domain.model import CourseStatus, CourseTerms, EnrollmentStatus, User, UserRole, UserStatus
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.providers.talentlms import enrollments, people
from mcp_truto_lms.providers.talentlms.courses import course, courses, parse_terms
from mcp_truto_lms.providers.talentlms.dates import portal_dates
from mcp_truto_lms.providers.talentlms.status import Vocabulary, status_of

S = EnrollmentStatus
athens = portal_dates(ATHENS)


def at(stamp):
    return datetime.fromtimestamp(stamp, UTC)


def as_read_back(record):
    return type(record).model_validate(json.loads(record.model_dump_json()))


def transcript_of(item, known=None, **changes):
    raw = {**USER, "courses": [{**USER["courses"][0], **item}], **changes}
    return enrollments.transcript(raw, courses=known or {}).records[0]


def roster_of(item, **changes):
    raw = {**COURSE, "users": [{**COURSE["users"][0], **item}], **changes}
    return enrollments.roster(raw, learners={}).records[0]


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


@pytest.mark.parametrize(
    ("code", "completed", "percent", "status"),
    [
        ("completed", False, None, S.COMPLETED),
        ("complete", False, 0, S.COMPLETED),
        ("Passed", True, 100, S.PASSED),
        ("failed", True, 100, S.FAILED),
        ("Not passed", True, 100, S.FAILED),
        ("incomplete", True, 0, S.IN_PROGRESS),
        ("In-Progress", False, 0, S.IN_PROGRESS),
        ("pending", False, 0, S.IN_PROGRESS),
        ("not_attempted", True, 50, S.ENROLLED),
        ("Not Started", False, 50, S.ENROLLED),
        (None, True, 0, S.COMPLETED),
        (None, False, 1, S.IN_PROGRESS),
        (None, False, 0, S.ENROLLED),
        (None, False, None, S.UNKNOWN),
        ("Ολοκληρώθηκε", False, 40, S.IN_PROGRESS),
        ("Bestanden", False, None, S.UNKNOWN),
    ],
)
def test_the_rules_of_the_status(code, completed, percent, status):
    assert status_of(code, completed=completed, percent=percent) is status


def test_an_unknown_word_is_kept():
    one = transcript_of({"completion_status": "geschafft", "completion_percentage": ""})
    assert one.enrollment.status is S.UNKNOWN
    assert one.enrollment.custom_fields["completion_status"] == "geschafft"


def test_a_transcript_without_codes_is_read_by_its_english_words():
    one = transcript_of({"completion_status": None, "completion_status_formatted": "Not passed"})
    assert one.enrollment.status is S.FAILED


def test_a_completion_date_counts_only_where_it_is_finished_or_failed():
    done = {"completed_on": "x", "completed_on_timestamp": "1378463999"}
    assert transcript_of({**done, "completion_status": "incomplete"}).enrollment.completed_at is None
    assert transcript_of({**done, "completion_status": "failed"}).enrollment.completed_at == at(1378463999)
    assert roster_of(done).enrollment.status is S.COMPLETED


@pytest.mark.parametrize("none", ["", None, "0", 0, "-", "Never", [], {}])
def test_a_date_that_says_none_is_no_completion(none):
    one = roster_of({"completed_on": none, "completed_on_timestamp": none, "completion_percentage": "40"})
    assert one.enrollment.status is S.IN_PROGRESS


def test_a_completion_date_that_cannot_be_read_still_completes():
    one = roster_of({"completed_on": "05/06/2020, 10:00:00", "completed_on_timestamp": None})
    assert (one.enrollment.status, one.enrollment.completed_at) == (S.COMPLETED, None)


def test_full_progress_alone_does_not_complete():
    assert roster_of({"completion_percentage": "100"}).enrollment.status is S.IN_PROGRESS


def test_the_clock_is_not_asked_and_the_end_of_access_is_kept():
    one = roster_of({"expired_on_timestamp": "1366100000", "completion_percentage": "40"})
    assert (one.enrollment.status, one.access_ends_at, one.enrollment.due_at) == (
        S.IN_PROGRESS,
        at(1366100000),
        at(1366100000),
    )


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


def test_escaped_titles_and_names_are_unescaped():
    assert roster_of({}, name="Health &amp; Safety &#39;26").enrollment.course.title == "Health & Safety '26"
    assert people.user({**USER, "first_name": " Se&aacute;n ", "last_name": "O&#039;Neil"}).name == "Seán O'Neil"


def test_objects_for_lists_and_numbers_for_texts_are_read():
    item = {**COURSE["users"][0], "id": 2, "enrolled_on_timestamp": 1366019102, "completion_percentage": 12.5}
    (one,) = enrollments.roster({**COURSE, "id": 12, "users": {"4": item}}, learners={}).records
    assert (one.enrollment.id, one.enrollment.progress_percent) == ("2_12", 12.5)
    assert one.enrollment.enrolled_at == at(1366019102)


def test_addresses_that_are_no_addresses_or_log_in_are_left_out():
    for address in ("javascript:alert(1)", USER["login_key"], None, 5):
        assert transcript_of({"last_accessed_unit_url": address}).enrollment.urls is None


def test_labels_never_hide_a_field():
    labels = people.field_labels(
        [
            {"key": "custom_field_1", "name": "Role"},
            {"key": "custom_field_2", "name": "Site"},
            {"key": "custom_field_3", "name": "site"},
            {"key": "custom_field_4", "name": ""},
            {"key": "other", "name": "x"},
            {"key": "custom_field_5", "name": "custom_field_1"},
            None,
        ]
    )
    assert labels == {"custom_field_2": "Site"}
    raw = {"custom_field_1": ["a", "b"], "custom_field_2": "Oslo", "custom_field_3": SECRET, "custom_field_x": "y"}
    assert people.custom_fields(raw, labels) == {"custom_field_1": "a, b", "Site": "Oslo"}
    assert people.has_custom_fields(raw)
    assert not people.has_custom_fields(COURSE)


def everything(raw_user, raw_course, raw_pair):
    transcript = enrollments.transcript(raw_user, courses={}, dates=athens, remote_data=True)
    roster = enrollments.roster(raw_course, learners={}, dates=athens, remote_data=True)
    pair = enrollments.pair(
        raw_pair, user_id="1", course_id="2", learner=None, course=None, code=None, dates=athens, remote_data=True
    )
    directory = people.people([raw_user], dates=athens, remote_data=True).items
    records = [*directory, *courses([raw_course], dates=athens, remote_data=True).items]
    for found in (transcript, roster):
        if found is not None:
            records += [one.enrollment for one in found.records]
    return [*records, *([pair.enrollment] if pair else [])]


def test_remote_data_is_kept_on_demand_and_without_secrets():
    user, subject, enrollment, *_ = everything(USER, COURSE, PAIR)
    assert user.remote_data["login"] == "dummy"
    assert user.remote_data["certifications"][0]["unique_id"] == "49471362567302"
    assert subject.remote_data["users"][0]["name"] == "D. Dummy2"
    assert enrollment.remote_data["id"] == "1"
    printed = repr(everything(USER, COURSE, PAIR))
    for secret in (SECRET, SIGNED, PUBLIC, "login_key", "autologin"):
        assert secret not in printed


def test_a_secret_is_removed_from_every_text_it_was_pasted_into():
    pasted = f"see {USER['login_key']} now"
    raw_user = {
        **dict.fromkeys(USER, pasted),
        "id": "1",
        "courses": [{**dict.fromkeys(USER["courses"][0], pasted), "id": 1}],
    }
    raw_course = {
        **dict.fromkeys(COURSE, pasted),
        "id": "1",
        "users": [{**dict.fromkeys(COURSE["users"][0], pasted), "id": 1}],
    }
    records = everything(raw_user, raw_course, dict.fromkeys(PAIR, pasted))
    assert len(records) == 5
    assert SECRET not in repr(records)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["0", "-", "Never", "[]", "1e999", "99999999999", 10**400, "\ud800", "&#0;", "12"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("id"), inner, max_size=3),
    max_leaves=6,
)


def wild(raw):
    return st.fixed_dictionaries({}, optional={name: anything | st.just(value) for name, value in raw.items()}).map(
        lambda changes: {**changes, "login_key": SECRET, "x": {"download_url": SIGNED}}
    )


wild_user = st.tuples(wild(USER), st.lists(wild(USER["courses"][0]), max_size=2) | anything).map(
    lambda parts: {**parts[0], "id": 1, "courses": parts[1]}
)
wild_course = st.tuples(wild(COURSE), st.lists(wild(COURSE["users"][0]), max_size=2) | anything).map(
    lambda parts: {**parts[0], "id": 1, "users": parts[1]}
)


@settings(max_examples=300, deadline=None)
@given(wild_user, wild_course, wild(PAIR))
def test_nothing_in_any_field_raises_or_leaks_or_cannot_be_stored(raw_user, raw_course, raw_pair):
    for record in everything(raw_user, raw_course, raw_pair):
        printed = record.model_dump_json()
        assert SECRET not in printed
        assert "signature=" not in printed
        as_read_back(record)


@settings(max_examples=300, deadline=None)
@given(wild_user, wild_course, wild(PAIR))
def test_records_that_are_not_checked_again_are_as_a_check_would_leave_them(raw_user, raw_course, raw_pair):
    for record in everything(raw_user, raw_course, raw_pair):
        assert type(record).model_validate(record.model_dump()) == record


@settings(deadline=None)
@given(anything)
def test_nothing_at_all_raises(raw):
    everything(raw, raw, raw)
    people.field_labels(raw)
    Vocabulary().extended_by(raw)


@pytest.mark.parametrize(
    ("word", "code"),
    [("Ολοκληρώθηκε", "completed"), ("Nicht bestanden", "failed"), ("Δεν έχει ξεκινήσει", "not_attempted")],
)
def test_a_portals_words_are_extended_by_a_transcript(word, code):
    item = {"id": "1", "completion_status": code, "completion_status_formatted": f" {word.upper()} "}
    assert Vocabulary().code(word) is None
    assert Vocabulary().extended_by({"courses": [item]}).code(word) == code


def test_a_word_that_two_codes_share_is_not_known():
    items = [
        {"completion_status": "incomplete", "completion_status_formatted": "Offen"},
        {"completion_status": "not_attempted", "completion_status_formatted": "Offen"},
        {"completion_status": "failed", "completion_status_formatted": "x" * 500},
        {"completion_status": "failed"},
    ]
    learnt = Vocabulary().extended_by({"courses": items})
    assert learnt.code("Offen") is None
    assert learnt.extended_by({"courses": items}) is learnt
    assert list(learnt.words) == ["offen"]


def test_what_a_portal_calls_it_wins_over_english():
    item = {"completion_status": "failed", "completion_status_formatted": "Completed"}
    assert Vocabulary().code("Completed") == "completed"
    assert Vocabulary().extended_by({"courses": [item]}).code("Completed") == "failed"
    assert Vocabulary().code("Passed") is None
    assert Vocabulary().code("") is None
