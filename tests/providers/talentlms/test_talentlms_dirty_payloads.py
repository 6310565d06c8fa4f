"""Payloads with unexpected types, escapes and secrets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_items import as_read_back, at, roster_of, transcript_of
from vendor_payloads import ATHENS, COURSE, PAIR, PUBLIC, SECRET, SIGNED, USER

from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.domain.redaction import without_secrets
from mcp_truto_lms.providers.talentlms import enrollments, people
from mcp_truto_lms.providers.talentlms.courses import courses
from mcp_truto_lms.providers.talentlms.dates import portal_dates
from mcp_truto_lms.providers.talentlms.status import Vocabulary

S = EnrollmentStatus
athens = portal_dates(ATHENS)


def test_escaped_titles_and_names_are_unescaped():
    assert roster_of({}, name="Health &amp; Safety &#39;26").enrollment.course.title == "Health & Safety '26"
    assert people.user({**USER, "first_name": " Se&aacute;n ", "last_name": "O&#039;Neil"}).name == "Seán O'Neil"


def test_objects_instead_of_lists_and_numbers_instead_of_texts_are_parsed():
    item = {**COURSE["users"][0], "id": 2, "enrolled_on_timestamp": 1366019102, "completion_percentage": 12.5}
    (record,) = enrollments.roster({**COURSE, "id": 12, "users": {"4": item}}, learners={}).records
    assert (record.enrollment.id, record.enrollment.progress_percent) == ("2_12", 12.5)
    assert record.enrollment.enrolled_at == at(1366019102)


def test_invalid_addresses_and_one_click_logins_are_excluded_from_urls():
    for address in ("javascript:alert(1)", USER["login_key"], None, 5):
        assert transcript_of({"last_accessed_unit_url": address}).enrollment.urls is None


def test_a_label_that_would_hide_a_field_is_not_used():
    labels = people.field_labels(
        [
            {"key": "custom_field_1", "name": "Role"},
            {"key": "custom_field_2", "name": "Site"},
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


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        (("Sales", ""), {"Department": "Sales"}),
        (("", "Sales"), {"Department": "Sales"}),
        (("Sales", "Sales"), {"Department": "Sales"}),
        (("Sales", "Legal"), {"Department": "Sales", "Department (2)": "Legal"}),
        (("Sales", "Legal", "Board"), {"Department": "Sales", "Department (2)": "Legal", "Department (3)": "Board"}),
        (
            ("Sales", "Legal", None, "Oslo"),
            {"Department": "Sales", "Department (3)": "Legal", "Department (2)": "Oslo"},
        ),
    ],
)
def test_fields_of_one_label_are_merged_unless_a_person_fills_several(values, fields):
    names = ("Department", "department", "DEPARTMENT", "Department (2)")
    labels = people.field_labels(
        [{"key": f"custom_field_{n}", "name": name} for n, name in enumerate(names[: len(values)], 9)]
    )
    raw = {f"custom_field_{n}": value for n, value in [*enumerate(values, 9)][::-1]}
    assert people.custom_fields(raw, labels) == fields


def all_records(raw_user, raw_course, raw_pair):
    """Map each payload by every function that reads it, and return all records."""
    transcript = enrollments.transcript(raw_user, courses={}, dates=athens, remote_data=True)
    roster = enrollments.roster(raw_course, learners={}, dates=athens, remote_data=True)
    pair = enrollments.pair(
        raw_pair, user_id="1", course_id="2", learner=None, course=None, code=None, dates=athens, remote_data=True
    )
    directory = people.people([raw_user], dates=athens, remote_data=True).items
    records = [*directory, *courses([raw_course], dates=athens, remote_data=True).items]
    for mapped in (transcript, roster):
        if mapped is not None:
            records += [record.enrollment for record in mapped.records]
    return [*records, *([pair.enrollment] if pair else [])]


def test_records_carry_the_payload_on_demand_and_without_secrets():
    user, course, enrollment, *_ = all_records(USER, COURSE, PAIR)
    assert user.remote_data["login"] == "dummy"
    assert user.remote_data["certifications"][0]["unique_id"] == "49471362567302"
    assert course.remote_data["users"][0]["name"] == "D. Dummy2"
    assert enrollment.remote_data["id"] == "1"
    printed = repr(all_records(USER, COURSE, PAIR))
    for secret in (SECRET, SIGNED, PUBLIC, "login_key", "autologin"):
        assert secret not in printed


def test_the_key_of_a_group_is_removed():
    groups = {"id": "1", "groups": [{"id": "3", "name": "New hires", "key": "joinme"}], "group_key": "joinme"}
    assert without_secrets(groups) == {"id": "1", "groups": [{"id": "3", "name": "New hires"}]}


def test_a_secret_is_removed_from_every_text_that_contains_it():
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
    records = all_records(raw_user, raw_course, dict.fromkeys(PAIR, pasted))
    assert len(records) == 5
    assert SECRET not in repr(records)


any_json = st.recursive(
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
    return st.fixed_dictionaries({}, optional={name: any_json | st.just(value) for name, value in raw.items()}).map(
        lambda changes: {**changes, "login_key": SECRET, "x": {"download_url": SIGNED}}
    )


wild_user = st.tuples(wild(USER), st.lists(wild(USER["courses"][0]), max_size=2) | any_json).map(
    lambda parts: {**parts[0], "id": 1, "courses": parts[1]}
)
wild_course = st.tuples(wild(COURSE), st.lists(wild(COURSE["users"][0]), max_size=2) | any_json).map(
    lambda parts: {**parts[0], "id": 1, "users": parts[1]}
)


@settings(max_examples=300, deadline=None)
@given(wild_user, wild_course, wild(PAIR))
def test_no_value_in_any_field_raises_or_leaks_a_secret_or_prevents_storing(raw_user, raw_course, raw_pair):
    for record in all_records(raw_user, raw_course, raw_pair):
        printed = record.model_dump_json()
        assert SECRET not in printed
        assert "signature=" not in printed
        as_read_back(record)


@settings(max_examples=300, deadline=None)
@given(wild_user, wild_course, wild(PAIR))
def test_records_built_without_validation_equal_validated_records(raw_user, raw_course, raw_pair):
    for record in all_records(raw_user, raw_course, raw_pair):
        assert type(record).model_validate(record.model_dump()) == record


@settings(deadline=None)
@given(any_json)
def test_no_payload_raises(raw):
    all_records(raw, raw, raw)
    people.field_labels(raw)
    Vocabulary().extended_by(raw)
