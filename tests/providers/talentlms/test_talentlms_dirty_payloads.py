"""Payloads as a portal may send them: odd types, escapes, secrets, anything at all."""

from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_items import as_read_back, at, roster_of, transcript_of
from vendor_payloads import ATHENS, COURSE, PAIR, PUBLIC, SECRET, SIGNED, USER

from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.providers.talentlms import enrollments, people
from mcp_truto_lms.providers.talentlms.courses import courses
from mcp_truto_lms.providers.talentlms.dates import portal_dates
from mcp_truto_lms.providers.talentlms.status import Vocabulary

S = EnrollmentStatus
athens = portal_dates(ATHENS)


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
