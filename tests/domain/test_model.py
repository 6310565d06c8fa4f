"""The unified model: tolerant of what it does not know, strict in what it passes on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcp_truto_lms.domain.model import (
    Course,
    CourseEnrollment,
    CourseStatus,
    CourseType,
    Email,
    EnrolledUser,
    EnrollmentColumn,
    EnrollmentStatus,
    User,
    UserRole,
    UserStatus,
    enrollment_columns,
    iso_utc,
    primary_email,
)


def enrollment(**fields: object) -> CourseEnrollment:
    return CourseEnrollment.model_validate({"id": "1", **fields})


def test_an_id_is_all_that_an_enrollment_needs():
    assert enrollment().model_dump(exclude_none=True) == {"id": "1"}
    for wrong in ({}, None, "1", ["1"]):
        with pytest.raises(ValidationError):
            CourseEnrollment.model_validate(wrong)


def test_numbers_become_ids():
    assert CourseEnrollment.model_validate({"id": 12, "user": {"id": 7}}).id == "12"


def test_unknown_fields_are_kept():
    assert enrollment(badge="gold").model_extra == {"badge": "gold"}


def test_records_are_frozen():
    with pytest.raises(ValidationError):
        enrollment().id = "2"  # type: ignore[misc]


def test_a_trusted_record_is_like_one_that_was_checked():
    fields = {"id": "1_2", "user": EnrolledUser(id="1"), "time_spent_seconds": 5}
    trusted = CourseEnrollment.trusted(**fields)
    checked = CourseEnrollment(**fields)
    assert trusted == checked
    assert trusted.model_dump_json() == checked.model_dump_json()
    assert trusted.model_copy(update={"score": 1.0}) == checked.model_copy(update={"score": 1.0})
    assert CourseEnrollment.trusted(id="2").score is None


@pytest.mark.parametrize("word", ["in_progress", "In Progress", " IN-PROGRESS ", EnrollmentStatus.IN_PROGRESS])
def test_an_enum_value_is_read_however_it_is_written(word: str):
    assert enrollment(status=word).status is EnrollmentStatus.IN_PROGRESS


def test_an_unknown_enum_value_stays_readable():
    found = enrollment(status="Paused", custom_fields={"site": "Oslo"})
    assert found.status is EnrollmentStatus.UNKNOWN
    assert found.custom_fields == {"site": "Oslo", "raw_status": "Paused"}


@pytest.mark.parametrize("fields", [None, [], [{"name": "site"}], "text"])
def test_an_unknown_enum_value_stays_readable_beside_custom_fields_that_are_none(fields: object):
    found = User.model_validate({"id": "1", "role": "wizard"} | ({"custom_fields": fields} if fields else {}))
    assert found.role is UserRole.OTHER
    assert found.custom_fields == {"raw_role": "wizard"}


def test_an_enum_without_unknown_has_other():
    assert Course.model_validate({"id": "1", "type": "webinar", "status": 7}).type is CourseType.OTHER
    assert Course.model_validate({"id": "1", "status": 7}).status is CourseStatus.UNKNOWN
    assert User.model_validate({"id": "1", "status": "on leave"}).status is UserStatus.UNKNOWN


def test_an_empty_enum_value_is_none():
    assert enrollment(status=" ").status is None
    assert enrollment(status=None).status is None


@pytest.mark.parametrize(
    ("given_", "moment"),
    [
        ("2026-11-01T10:00:00Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01 10:00:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        (date(2026, 11, 1), datetime(2026, 11, 1, tzinfo=UTC)),
        (datetime(2026, 11, 1, 10), datetime(2026, 11, 1, 10, tzinfo=UTC)),  # noqa: DTZ001  what is tested
        (1_793_527_200, datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("", None),
        (" ", None),
        (None, None),
    ],
)
def test_times_are_aware_and_in_utc(given_: object, moment: datetime | None):
    found = enrollment(completed_at=given_).completed_at
    assert found == moment
    assert found is None or found.tzinfo == UTC


@pytest.mark.parametrize("given_", ["yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_is_none_is_refused(given_: str):
    with pytest.raises(ValidationError):
        enrollment(completed_at=given_)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_time_survives_its_way_through_json(moment: datetime, minutes: int):
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    first = enrollment(completed_at=aware)
    assert first.completed_at == aware
    text = first.model_dump_json(exclude_none=True)
    assert text.endswith('Z"}')
    assert CourseEnrollment.model_validate_json(text) == first


def test_a_due_day_is_over_at_its_end_in_the_zone():
    def due(zone: str, day: object = "2026-11-01") -> datetime | None:
        return CourseEnrollment.model_validate({"id": "1", "due_at": day}, context={"zone": ZoneInfo(zone)}).due_at

    assert enrollment(due_at="2026-11-01").due_at == datetime(2026, 11, 1, 23, 59, 59, tzinfo=UTC)
    assert due("Europe/Athens") == datetime(2026, 11, 1, 21, 59, 59, tzinfo=UTC)
    assert due("Europe/Athens", date(2026, 11, 1)) == due("Europe/Athens")
    assert due("Europe/Athens", "2026-11-01T10:00:00Z") == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert due("Africa/Cairo", "2026-10-29") == datetime(2026, 10, 29, 21, 59, 59, tzinfo=UTC)  # 23:00 comes twice
    assert due("Europe/Athens", "") is None


@pytest.mark.parametrize("given_", ["2026-11-31", "soon", "11/01/2026"])
def test_a_due_day_that_is_none_is_refused(given_: str):
    with pytest.raises(ValidationError):
        enrollment(due_at=given_)


def test_iso_times_end_in_z():
    assert iso_utc(datetime(2026, 11, 1, 12, tzinfo=ZoneInfo("Europe/Athens"))) == "2026-11-01T10:00:00Z"


def test_the_primary_address_is_the_one_marked_so():
    first, second = Email(email="a@x"), Email(email="b@x", is_primary=True)
    assert primary_email([first, second]) == "b@x"
    assert primary_email([first]) == "a@x"
    assert primary_email([]) is None
    assert primary_email(None) is None


def test_the_columns_are_the_models_own():
    columns = enrollment_columns()
    assert columns["user.name"] == EnrollmentColumn("user.name", "learner", "text")
    assert columns["due_at"].kind == "day"
    assert columns["time_spent_seconds"] == EnrollmentColumn("time_spent_seconds", "hours", "hours")
    assert columns["is_mandatory"].kind == "flag"
    assert columns["attempt_number"].kind == columns["score"].kind == "number"
    assert "remote_data" not in columns
    for path in columns:
        assert path.split(".")[0] in CourseEnrollment.model_fields


def test_every_field_of_the_model_is_a_column_but_what_the_provider_sent():
    shown = {path.split(".")[0] for path in enrollment_columns()}
    assert shown == set(CourseEnrollment.model_fields) - {"remote_data"}


def test_headers_are_short_and_no_two_are_the_same():
    headers = [column.header for column in enrollment_columns().values()]
    assert len(set(headers)) == len(headers)
    assert max(map(len, headers)) <= 14
