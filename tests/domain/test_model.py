"""The unified model accepts unknown fields and enum values, and rejects values that are not ids, times or days."""

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


def test_an_enrollment_requires_only_an_id():
    assert enrollment().model_dump(exclude_none=True) == {"id": "1"}
    for wrong in ({}, None, "1", ["1"]):
        with pytest.raises(ValidationError):
            CourseEnrollment.model_validate(wrong)


def test_a_numeric_id_becomes_text():
    assert CourseEnrollment.model_validate({"id": 12, "user": {"id": 7}}).id == "12"


def test_unknown_fields_stay_in_the_record():
    assert enrollment(badge="gold").model_extra == {"badge": "gold"}


def test_records_are_frozen():
    with pytest.raises(ValidationError):
        enrollment().id = "2"  # type: ignore[misc]


def test_a_trusted_record_behaves_like_a_validated_record():
    fields = {"id": "1_2", "user": EnrolledUser(id="1"), "time_spent_seconds": 5}
    trusted = CourseEnrollment.trusted(**fields)
    validated = CourseEnrollment(**fields)
    assert trusted == validated
    assert trusted.model_dump_json() == validated.model_dump_json()
    assert trusted.model_copy(update={"score": 1.0}) == validated.model_copy(update={"score": 1.0})
    assert CourseEnrollment.trusted(id="2").score is None


@pytest.mark.parametrize("word", ["in_progress", "In Progress", " IN-PROGRESS ", EnrollmentStatus.IN_PROGRESS])
def test_an_enum_value_is_parsed_in_any_spelling(word: str):
    assert enrollment(status=word).status is EnrollmentStatus.IN_PROGRESS


def test_an_unknown_enum_value_stays_in_the_custom_fields():
    record = enrollment(status="Paused", custom_fields={"site": "Oslo"})
    assert record.status is EnrollmentStatus.UNKNOWN
    assert record.custom_fields == {"site": "Oslo", "raw_status": "Paused"}


@pytest.mark.parametrize("fields", [None, [], [{"name": "site"}], "text"])
def test_an_unknown_enum_value_replaces_custom_fields_that_are_empty_or_invalid(fields: object):
    user = User.model_validate({"id": "1", "role": "wizard"} | ({"custom_fields": fields} if fields else {}))
    assert user.role is UserRole.OTHER
    assert user.custom_fields == {"raw_role": "wizard"}


def test_an_unknown_enum_value_becomes_unknown_or_other():
    assert Course.model_validate({"id": "1", "type": "webinar", "status": 7}).type is CourseType.OTHER
    assert Course.model_validate({"id": "1", "status": 7}).status is CourseStatus.UNKNOWN
    assert User.model_validate({"id": "1", "status": "on leave"}).status is UserStatus.UNKNOWN


def test_an_empty_enum_value_is_none():
    assert enrollment(status=" ").status is None
    assert enrollment(status=None).status is None


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-01T10:00:00Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01 10:00:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        (date(2026, 11, 1), datetime(2026, 11, 1, tzinfo=UTC)),
        (datetime(2026, 11, 1, 10), datetime(2026, 11, 1, 10, tzinfo=UTC)),  # noqa: DTZ001  the case is a time without a zone
        (1_793_527_200, datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("", None),
        (" ", None),
        (None, None),
    ],
)
def test_times_have_the_zone_utc(value: object, moment: datetime | None):
    completed_at = enrollment(completed_at=value).completed_at
    assert completed_at == moment
    assert completed_at is None or completed_at.tzinfo == UTC


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_a_value_that_is_not_a_time_is_rejected(value: str):
    with pytest.raises(ValidationError):
        enrollment(completed_at=value)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_time_is_the_same_after_a_round_trip_through_json(moment: datetime, minutes: int):
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    record = enrollment(completed_at=aware)
    assert record.completed_at == aware
    text = record.model_dump_json(exclude_none=True)
    assert text.endswith('Z"}')
    assert CourseEnrollment.model_validate_json(text) == record


def test_a_due_day_ends_at_midnight_in_the_zone_of_the_portal():
    def due(zone: str, day: object = "2026-11-01") -> datetime | None:
        return CourseEnrollment.model_validate({"id": "1", "due_at": day}, context={"zone": ZoneInfo(zone)}).due_at

    assert enrollment(due_at="2026-11-01").due_at == datetime(2026, 11, 1, 23, 59, 59, tzinfo=UTC)
    assert due("Europe/Athens") == datetime(2026, 11, 1, 21, 59, 59, tzinfo=UTC)
    assert due("Europe/Athens", date(2026, 11, 1)) == due("Europe/Athens")
    assert due("Europe/Athens", "2026-11-01T10:00:00Z") == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert due("Africa/Cairo", "2026-10-29") == datetime(2026, 10, 29, 21, 59, 59, tzinfo=UTC)  # 23:00 occurs twice
    assert due("Europe/Athens", "") is None


@pytest.mark.parametrize("value", ["2026-11-31", "soon", "11/01/2026"])
def test_a_due_date_that_is_not_a_day_is_rejected(value: str):
    with pytest.raises(ValidationError):
        enrollment(due_at=value)


def test_iso_times_are_in_utc_and_end_in_z():
    assert iso_utc(datetime(2026, 11, 1, 12, tzinfo=ZoneInfo("Europe/Athens"))) == "2026-11-01T10:00:00Z"


def test_the_primary_address_is_the_address_marked_primary_or_else_the_first():
    first, second = Email(email="a@x"), Email(email="b@x", is_primary=True)
    assert primary_email([first, second]) == "b@x"
    assert primary_email([first]) == "a@x"
    assert primary_email([]) is None
    assert primary_email(None) is None


def test_the_columns_are_the_fields_of_the_model_with_their_headers_and_kinds():
    columns = enrollment_columns()
    assert columns["user.name"] == EnrollmentColumn("user.name", "learner", "text")
    assert columns["due_at"].kind == "day"
    assert columns["time_spent_seconds"] == EnrollmentColumn("time_spent_seconds", "hours", "hours")
    assert columns["is_mandatory"].kind == "flag"
    assert columns["attempt_number"].kind == columns["score"].kind == "number"
    assert "remote_data" not in columns
    for path in columns:
        assert path.split(".")[0] in CourseEnrollment.model_fields


def test_every_field_of_the_model_except_remote_data_is_a_column():
    fields = {path.split(".")[0] for path in enrollment_columns()}
    assert fields == set(CourseEnrollment.model_fields) - {"remote_data"}


def test_headers_are_short_and_unique():
    headers = [column.header for column in enrollment_columns().values()]
    assert len(set(headers)) == len(headers)
    assert max(map(len, headers)) <= 14
