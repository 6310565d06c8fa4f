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


def read(**fields):
    return records.parse_enrollment({**FULL, **fields}, route=FetchRoute.LIST)


def test_a_plain_record_comes_out_as_it_is():
    one = read(due_at="2026-11-01T10:00:00Z", progress_percent=45, time_spent_seconds=60, is_mandatory=True)
    found = one.enrollment
    assert (found.id, found.user.id, found.user.name, found.course.title) == ("7_12", "7", "Jane Doe", "Law & Order")
    assert found.status is EnrollmentStatus.IN_PROGRESS
    assert found.due_at == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert (found.progress_percent, found.time_spent_seconds, found.is_mandatory) == (45, 60, True)
    assert (one.route, one.is_learner, one.access_ends_at) == (FetchRoute.LIST, True, None)


@pytest.mark.parametrize(
    ("field", "raw", "value"),
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
def test_an_odd_field_is_read_or_null_and_the_record_stays(field, raw, value):
    found = getattr(read(**{field: raw}).enrollment, field)
    if field == "assigned_by" and found is not None:
        found = found.name
    if value == "https":
        found, value = found[0].url, raw
    assert found == value


def test_a_due_day_ends_in_the_zone_of_the_reader():
    one = records.parse_enrollment(
        {**FULL, "due_at": "2026-11-01"}, route=FetchRoute.PAIR, zone=ZoneInfo("Europe/Athens")
    )
    assert one.enrollment.due_at == datetime(2026, 11, 1, 21, 59, 59, tzinfo=UTC)


def test_an_unknown_status_stays_readable():
    found = read(status="On Sabbatical").enrollment
    assert (found.status, found.custom_fields) == (EnrollmentStatus.UNKNOWN, {"raw_status": "On Sabbatical"})
    assert read(status="In Progress").enrollment.status is EnrollmentStatus.IN_PROGRESS
    assert read(status=None).enrollment.status is None
    assert read(status={"odd": 1}, custom_fields=[1]).enrollment.status is None


def test_numbers_serve_as_ids_and_a_bare_id_as_a_user():
    one = records.parse_enrollment({"id": 5.0, "user": 7, "course": {"id": "12"}}, route=FetchRoute.LIST)
    assert (one.enrollment.id, one.enrollment.user.id, one.enrollment.course.id) == ("5", "7", "12")


@pytest.mark.parametrize(
    "item",
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
def test_an_item_without_an_id_a_user_or_a_course_is_none(item):
    assert records.parse_enrollment(item, route=FetchRoute.LIST) is None


def test_unknown_fields_are_kept_and_secrets_are_not():
    item = {
        **FULL,
        "region": {"name": "EU", "password": "x"},
        "login_key": LOGIN,
        "custom_fields": {"note": f"see {LOGIN}", "api_token": "abc", "site": "Oslo"},
        "remote_data": {"login_key": LOGIN, "role": "learner"},
    }
    found = records.parse_enrollment(item, route=FetchRoute.LIST).enrollment
    assert found.model_extra == {"region": {"name": "EU"}}
    assert found.custom_fields == {"note": "see [removed]", "site": "Oslo"}
    assert found.remote_data is None
    kept = records.parse_enrollment(item, route=FetchRoute.LIST, remote_data=True).enrollment
    assert kept.remote_data == {"role": "learner"}


def test_a_listed_status_that_came_from_a_roster_is_trusted_as_one():
    assert read(custom_fields={"role": "learner"}).route is FetchRoute.COURSE
    assert read(custom_fields={"role": "learner", "completion_status": "failed"}).route is FetchRoute.LIST
    one = records.parse_enrollment({**FULL, "custom_fields": {"role": "learner"}}, route=FetchRoute.PAIR)
    assert one.route is FetchRoute.PAIR


def test_an_instructor_is_told_from_a_learner():
    assert not read(custom_fields={"role": "Instructor"}).is_learner
    assert read(custom_fields={"role": 5}).is_learner


def test_people_are_named_by_what_there_is():
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
def test_whatever_a_field_holds_a_record_comes_out_that_json_and_utf_8_can_hold(model, data):
    names = st.sampled_from([*model.model_fields, "extra"])
    item = data.draw(st.dictionaries(names, json_values)) | {"id": "1"}
    found = records.parse_record(model, item, remote_data=True)
    json.dumps(json.loads(found.model_dump_json()), allow_nan=False).encode()


def payload(**fields):
    return {
        "id": "7",
        "first_name": "Jane",
        "last_name": "Doe",
        "email": "jane@x.example",
        "status": "inactive",
        **fields,
    }


def test_a_payload_fills_in_where_the_mapping_is_silent():
    raw = {
        "id": "7",
        "name": "J. Doe",
        "status": "unknown",
        "custom_fields": {"Site": "Oslo"},
        "remote_data": payload(custom_field_1="Oslo", user_type="Learner-Type"),
    }
    found = talentlms_payload.parse_user(raw)
    assert (found.name, found.status, found.emails[0].email) == ("J. Doe", UserStatus.INACTIVE, "jane@x.example")
    assert found.custom_fields == {"Site": "Oslo", "user_type": "Learner-Type"}
    assert found.remote_data is None
    assert talentlms_payload.parse_user({"id": "8", "remote_data": payload()}).emails is None
    assert talentlms_payload.parse_user({"id": "7"}).name is None
    assert talentlms_payload.parse_user({}) is None


def test_a_courses_payload_tells_when_access_ends():
    raw = {
        "id": "12",
        "title": "Law",
        "status": "archived",
        "remote_data": {"id": "12", "time_limit": "30", "status": "active"},
    }
    found = talentlms_payload.parse_course(raw)
    assert (found.title, str(found.status), found.custom_fields) == ("Law", "archived", {"time_limit_days": 30})
    assert talentlms_payload.parse_course({"title": "x"}) is None


def test_a_pairs_payload_adds_its_score_and_when_access_ends():
    sent = {
        "role": "learner",
        "enrolled_on": "x",
        "enrolled_on_timestamp": "1413894089",
        "completion_status": "Completed",
        "expired_on_timestamp": "1420000000",
        "total_time_seconds": 213,
        "units": [{"score": "80"}, {"score": "100"}],
    }
    one = records.parse_enrollment({**FULL, "time_spent_seconds": 5}, route=FetchRoute.PAIR)
    found = talentlms_payload.fill_pair(one, {"remote_data": sent}, courses={}, learners={})
    assert (found.enrollment.score, found.enrollment.time_spent_seconds) == (90, 5)
    assert found.enrollment.status is EnrollmentStatus.IN_PROGRESS
    assert found.access_ends_at == datetime.fromtimestamp(1420000000, UTC)
    assert talentlms_payload.fill_pair(one, {"remote_data": {"id": "x"}}, courses={}, learners={}) is one


def test_no_roster_and_no_transcript_without_the_providers_lists():
    for raw in (None, {}, {"id": "12", "users": "no", "courses": 5}):
        assert not [*talentlms_payload.parse_roster_batches(raw, learners={})]
        assert talentlms_payload.parse_transcript(raw, learner=None, courses={}) is None


def test_a_transcript_names_custom_fields_as_truto_does():
    sent = payload(custom_field_1="Oslo", courses=[{"id": "12", "name": "Law", "completion_status": "completed"}])
    named = talentlms_payload.parse_user(
        {"id": "7", "name": "Jane", "custom_fields": {"Site": "Oslo"}, "remote_data": sent}
    )
    found = talentlms_payload.parse_transcript(sent, learner=named, courses={})
    assert found.records[0].enrollment.custom_fields == {"Site": "Oslo", "completion_status": "completed"}
    assert found.user is named
    alone = talentlms_payload.parse_transcript(sent, learner=None, courses={})
    assert alone.records[0].enrollment.custom_fields["custom_field_1"] == "Oslo"


@pytest.mark.parametrize(
    ("raw", "key", "name"),
    [
        ({"id": 3, "first_name": "Ann", "last_name": "Lee"}, "3", "Ann Lee"),
        ({"name": "Ann Lee"}, "Ann_Lee", "Ann Lee"),
        ({"emails": [{"email": "ann@acme.example"}]}, "ann@acme.example", None),
        ({"emails": ["ann@acme.example"]}, "ann@acme.example", None),
        ("Ann Lee", "Ann_Lee", "Ann Lee"),
        (7, "7", None),
    ],
)
def test_a_manager_may_come_without_an_id_or_as_a_bare_name(raw: object, key: str, name: str | None):
    manager = records.parse_user({"id": "1", "manager": raw}).manager
    assert (manager.id, manager.name) == (key, name)


@pytest.mark.parametrize("raw", [None, "", {}, [], {"id": None}, {"emails": []}])
def test_who_has_no_manager_has_none(raw: object):
    assert records.parse_user({"id": "1", "manager": raw}).manager is None
