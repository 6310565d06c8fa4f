import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.model import Course, CourseEnrollment, EnrollmentStatus, User, UserStatus
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.providers.truto import records, talentlms_payload

LOGIN = "https://acme.talentlms.com/index/autologin/key:0123456789abcdef0123"
FULL = {
    "id": "7_12",
    "user": {"id": "7", "name": "Jane Doe", "emails": [{"email": "jane@x.example", "is_primary": True}]},
    "course": {"id": "12", "title": "Law &amp; Order"},
    "status": "in_progress",
}


def parse(**fields):
    return records.parse_enrollment({**FULL, **fields}, route=FetchRoute.LIST)


def test_a_plain_record_is_parsed_unchanged():
    record = parse(due_at="2026-11-01T10:00:00Z", progress_percent=45, time_spent_seconds=60, is_mandatory=True)
    enrollment = record.enrollment
    assert (enrollment.id, enrollment.user.id, enrollment.user.name, enrollment.course.title) == (
        "7_12",
        "7",
        "Jane Doe",
        "Law & Order",
    )
    assert enrollment.status is EnrollmentStatus.IN_PROGRESS
    assert enrollment.due_at == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert (enrollment.progress_percent, enrollment.time_spent_seconds, enrollment.is_mandatory) == (45, 60, True)
    assert (record.route, record.is_learner, record.access_ends_at) == (FetchRoute.LIST, True, None)


@pytest.mark.parametrize(
    ("field", "raw", "expected"),
    [
        ("progress_percent", "45", 45),
        ("progress_percent", "45 %", 45),
        ("progress_percent", 180, None),
        ("progress_percent", "much", None),
        ("progress_percent", float("nan"), None),
        ("score", "88.5", 88.5),
        ("score", [1], None),
        ("time_spent_seconds", "60.9", 60),
        ("time_spent_seconds", {}, None),
        ("attempt_number", "2", 2),
        ("is_mandatory", "yes", True),
        ("is_mandatory", 0, False),
        ("is_mandatory", "perhaps", None),
        ("enrolled_at", "2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("enrolled_at", "2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("enrolled_at", "2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("enrolled_at", "20260102", datetime(2026, 1, 2, tzinfo=UTC)),
        ("enrolled_at", 1378463092, datetime(2013, 9, 6, 10, 24, 52, tzinfo=UTC)),
        ("enrolled_at", "1378463092", datetime(2013, 9, 6, 10, 24, 52, tzinfo=UTC)),
        ("enrolled_at", 1378463092000, datetime(2013, 9, 6, 10, 24, 52, tzinfo=UTC)),
        ("enrolled_at", 0, None),
        ("enrolled_at", "0", None),
        ("enrolled_at", "", None),
        ("enrolled_at", "Never", None),
        ("enrolled_at", True, None),
        ("enrolled_at", "06/09/2013, 13:24:52", None),
        ("enrolled_at", "0001-01-01T00:00:00+14:00", None),
        ("due_at", "9999-12-31", None),
        ("due_at", "2026-11-01", datetime(2026, 11, 1, 23, 59, 59, tzinfo=UTC)),
        ("due_at", "soon", None),
        ("urls", "not a list", "https"),
        ("urls", [{"url": None}, {"type": "x"}, 5], []),
        ("custom_fields", [], None),
        ("custom_fields", {"role": "learner"}, {"role": "learner"}),
        ("assigned_by", {"id": 3, "first_name": "Ann", "last_name": "Lee"}, "Ann Lee"),
        ("assigned_by", "nobody", None),
    ],
)
def test_an_odd_field_is_parsed_or_null_and_the_record_stays(field, raw, expected):
    parsed = getattr(parse(**{field: raw}).enrollment, field)
    if field == "assigned_by" and parsed is not None:
        parsed = parsed.name
    if expected == "https":
        parsed, expected = parsed[0].url, raw
    assert parsed == expected


def test_a_due_date_without_a_time_ends_in_the_given_zone():
    record = records.parse_enrollment(
        {**FULL, "due_at": "2026-11-01"}, route=FetchRoute.PAIR, zone=ZoneInfo("Europe/Athens")
    )
    assert record.enrollment.due_at == datetime(2026, 11, 1, 21, 59, 59, tzinfo=UTC)


def test_an_unknown_status_is_stored_as_raw_status():
    enrollment = parse(status="On Sabbatical").enrollment
    assert (enrollment.status, enrollment.custom_fields) == (EnrollmentStatus.UNKNOWN, {"raw_status": "On Sabbatical"})
    assert parse(status="In Progress").enrollment.status is EnrollmentStatus.IN_PROGRESS
    assert parse(status=None).enrollment.status is None
    assert parse(status={"odd": 1}, custom_fields=[1]).enrollment.status is None


def test_numbers_are_ids_and_a_plain_id_is_a_user():
    record = records.parse_enrollment({"id": 5.0, "user": 7, "course": {"id": "12"}}, route=FetchRoute.LIST)
    assert (record.enrollment.id, record.enrollment.user.id, record.enrollment.course.id) == ("5", "7", "12")


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "x",
        {},
        {**FULL, "id": None},
        {**FULL, "id": ""},
        {**FULL, "id": "two words"},
        {**FULL, "id": ".."},
        {**FULL, "id": "x" * 500},
        {**FULL, "user": None},
        {**FULL, "user": {"name": "Jane"}},
        {**FULL, "course": []},
        {**FULL, "course": {"id": {}}},
    ],
)
def test_an_enrollment_without_an_id_a_user_or_a_course_is_none(raw):
    assert records.parse_enrollment(raw, route=FetchRoute.LIST) is None


def test_unknown_fields_stay_and_secrets_are_removed():
    raw = {
        **FULL,
        "region": {"name": "EU", "password": "x"},
        "login_key": LOGIN,
        "custom_fields": {"note": f"see {LOGIN}", "api_token": "abc", "site": "Oslo"},
        "remote_data": {"login_key": LOGIN, "role": "learner"},
    }
    enrollment = records.parse_enrollment(raw, route=FetchRoute.LIST).enrollment
    assert enrollment.model_extra == {"region": {"name": "EU"}}
    assert enrollment.custom_fields == {"note": "see [removed]", "site": "Oslo"}
    assert enrollment.remote_data is None
    with_remote_data = records.parse_enrollment(raw, route=FetchRoute.LIST, remote_data=True).enrollment
    assert with_remote_data.remote_data == {"role": "learner"}


def test_a_listed_status_that_comes_from_a_roster_has_the_roster_route():
    assert parse(custom_fields={"role": "learner"}).route is FetchRoute.COURSE
    assert parse(custom_fields={"role": "learner", "completion_status": "failed"}).route is FetchRoute.LIST
    record = records.parse_enrollment({**FULL, "custom_fields": {"role": "learner"}}, route=FetchRoute.PAIR)
    assert record.route is FetchRoute.PAIR


def test_an_instructor_is_not_a_learner():
    assert not parse(custom_fields={"role": "Instructor"}).is_learner
    assert parse(custom_fields={"role": 5}).is_learner


def test_a_mapping_may_carry_certificates():
    record = parse(custom_fields={"certificate_issued_at": "2026-05-01", "certificate_expires_at": "2027-03-01"})
    assert record.certificate_issued_at == datetime(2026, 5, 1, tzinfo=UTC)
    assert record.certificate_expires_at == datetime(2027, 3, 1, tzinfo=UTC)
    assert parse(custom_fields={"certificate_expires_at": "Never"}).certificate_expires_at is None


def test_a_user_without_a_name_is_named_by_other_fields():
    assert records.parse_user({"id": 1, "first_name": "Jane", "last_name": "Doe"}).name == "Jane Doe"
    assert records.parse_user({"id": 1, "username": "jd"}).name == "jd"
    assert records.parse_user({"id": 1, "emails": "a@x.example"}).emails[0].email == "a@x.example"
    assert records.parse_user({"name": "x"}) is None
    assert records.parse_course({"id": "1", "tags": "x", "categories": [{"id": 1, "token": 2}]}).categories == [
        {"id": 1}
    ]


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.just("2026-11-01")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)


@pytest.mark.parametrize("model", [CourseEnrollment, User, Course])
@given(data=st.data())
def test_any_field_values_make_a_record_that_serializes_to_json_and_utf_8(model, data):
    names = st.sampled_from([*model.model_fields, "extra"])
    raw = data.draw(st.dictionaries(names, json_values)) | {"id": "1"}
    record = records.parse_record(model, raw, remote_data=True)
    json.dumps(json.loads(record.model_dump_json()), allow_nan=False).encode()


def payload(**fields):
    return {
        "id": "7",
        "first_name": "Jane",
        "last_name": "Doe",
        "email": "jane@x.example",
        "status": "inactive",
        **fields,
    }


def test_a_payload_fills_the_fields_that_the_mapping_leaves_empty():
    raw = {
        "id": "7",
        "name": "J. Doe",
        "status": "unknown",
        "custom_fields": {"Site": "Oslo"},
        "remote_data": payload(custom_field_1="Oslo", user_type="Learner-Type"),
    }
    user = talentlms_payload.parse_user(raw)
    assert (user.name, user.status, user.emails[0].email) == ("J. Doe", UserStatus.INACTIVE, "jane@x.example")
    assert user.custom_fields == {"Site": "Oslo", "user_type": "Learner-Type"}
    assert user.remote_data is None
    assert talentlms_payload.parse_user({"id": "8", "remote_data": payload()}).emails is None
    assert talentlms_payload.parse_user({"id": "7"}).name is None
    assert talentlms_payload.parse_user({}) is None


def test_the_payload_of_a_course_adds_its_time_limit():
    raw = {
        "id": "12",
        "title": "Law",
        "status": "archived",
        "remote_data": {"id": "12", "time_limit": "30", "status": "active"},
    }
    course = talentlms_payload.parse_course(raw)
    assert (course.title, str(course.status), course.custom_fields) == ("Law", "archived", {"time_limit_days": 30})
    assert talentlms_payload.parse_course({"title": "x"}) is None


def test_the_payload_of_a_pair_adds_its_score_and_the_end_of_access():
    payload = {
        "role": "learner",
        "enrolled_on": "x",
        "enrolled_on_timestamp": "1413894089",
        "completion_status": "Completed",
        "expired_on_timestamp": "1420000000",
        "total_time_seconds": 213,
        "units": [{"score": "80"}, {"score": "100"}],
    }
    record = records.parse_enrollment({**FULL, "time_spent_seconds": 5}, route=FetchRoute.PAIR)
    filled = talentlms_payload.fill_pair(record, {"remote_data": payload}, courses={}, learners={})
    assert (filled.enrollment.score, filled.enrollment.time_spent_seconds) == (90, 5)
    assert filled.enrollment.status is EnrollmentStatus.IN_PROGRESS
    assert filled.access_ends_at == datetime.fromtimestamp(1420000000, UTC)
    assert talentlms_payload.fill_pair(record, {"remote_data": {"id": "x"}}, courses={}, learners={}) is record


def test_a_payload_without_lists_has_no_roster_and_no_transcript():
    for payload in (None, {}, {"id": "12", "users": "no", "courses": 5}):
        assert not [*talentlms_payload.parse_roster_batches(payload, learners={})]
        assert talentlms_payload.parse_transcript(payload, learner=None, courses={}) is None


def test_a_transcript_labels_custom_fields_as_truto_does():
    raw_payload = payload(
        custom_field_1="Oslo", courses=[{"id": "12", "name": "Law", "completion_status": "completed"}]
    )
    learner = talentlms_payload.parse_user(
        {"id": "7", "name": "Jane", "custom_fields": {"Site": "Oslo"}, "remote_data": raw_payload}
    )
    transcript = talentlms_payload.parse_transcript(raw_payload, learner=learner, courses={})
    assert transcript.records[0].enrollment.custom_fields == {"Site": "Oslo", "completion_status": "completed"}
    assert transcript.user is learner
    unlabeled = talentlms_payload.parse_transcript(raw_payload, learner=None, courses={})
    assert unlabeled.records[0].enrollment.custom_fields["custom_field_1"] == "Oslo"


@pytest.mark.parametrize(
    ("raw", "manager_id", "name"),
    [
        ({"id": 3, "first_name": "Ann", "last_name": "Lee"}, "3", "Ann Lee"),
        ({"name": "Ann Lee"}, "Ann_Lee", "Ann Lee"),
        ({"emails": [{"email": "ann@acme.example"}]}, "ann@acme.example", None),
        ({"emails": ["ann@acme.example"]}, "ann@acme.example", None),
        ("Ann Lee", "Ann_Lee", "Ann Lee"),
        (7, "7", None),
    ],
)
def test_a_manager_is_parsed_without_an_id_and_from_a_plain_name(raw: object, manager_id: str, name: str | None):
    manager = records.parse_user({"id": "1", "manager": raw}).manager
    assert (manager.id, manager.name) == (manager_id, name)


@pytest.mark.parametrize("raw", [None, "", {}, [], {"id": None}, {"emails": []}])
def test_a_user_without_a_manager_has_none(raw: object):
    assert records.parse_user({"id": "1", "manager": raw}).manager is None
