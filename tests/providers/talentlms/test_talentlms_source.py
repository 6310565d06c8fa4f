from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vendor_payloads import ATHENS, raw_user

from mcp_truto_lms.domain import source as protocol
from mcp_truto_lms.domain.errors import Unavailable, UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, EnrollmentStatus, User
from mcp_truto_lms.domain.source import Scope, Source, scope_parts
from mcp_truto_lms.providers.talentlms.source import NEVER_FILLED
from mcp_truto_lms.store.rows import ScopeRows
from tests.conftest import WAIT_SECONDS

pytestmark = pytest.mark.anyio

WORDS = {"completed": "Ολοκληρώθηκε", "failed": "Απέτυχε"}


def raw_enrollment(course_id, code, word=None):
    return {
        "id": course_id,
        "name": f"Course {course_id}",
        "role": "learner",
        "completion_status": code,
        "completion_status_formatted": word or WORDS[code],
        "completion_percentage": "100",
        "completed_on": "x",
        "completed_on_timestamp": "1413962775",
    }


def raw_pair(word, *scores):
    return {
        "role": "learner",
        "completion_status": word,
        "completion_percentage": "100",
        "completed_on": "x",
        "completed_on_timestamp": "1413962775",
        "units": [{"score": score} for score in scores],
    }


async def test_the_portal_is_read_once_and_has_its_zone_and_unreported_columns(source_over):
    source, portal = source_over({"siteinfo": ATHENS, "courses": []})
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(source.portal)
    description = await source.portal()
    await source.courses()
    assert portal.asked == ["siteinfo", "courses"]
    assert str(description.zone) == "Europe/Athens"
    assert description.unreported == NEVER_FILLED
    typed: Source = source
    assert typed.calls == 3


async def test_without_siteinfo_only_creation_dates_are_missing(source_over):
    source, _ = source_over({"courses": [{"id": 1, "creation_date": "15/01/2013, 12:46:30"}]})
    (course,) = await source.courses()
    assert course.created_at is None
    assert (await source.portal()).zone is None


async def test_creation_dates_are_parsed_in_the_portals_format(source_over):
    source, _ = source_over({"siteinfo": ATHENS, "courses": [{"id": 1, "creation_date": "15/01/2013, 12:46:30"}]})
    (course,) = await source.courses()
    assert course.created_at == datetime(2013, 1, 15, 10, 46, 30, tzinfo=UTC)


async def test_labels_are_read_once_and_only_for_people_with_custom_fields(source_over):
    answers = {
        "siteinfo": ATHENS,
        "users/id:1": raw_user(1),
        "users/id:2": raw_user(2, custom_field_1="Oslo"),
        "users/id:3": raw_user(3, custom_field_1="Rome"),
        "getcustomregistrationfields": [{"key": "custom_field_1", "name": "Site"}],
    }
    source, portal = source_over(answers)
    await source.find_learner(user_id="1")
    assert "getcustomregistrationfields" not in portal.asked
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for number in ("2", "3"):
                group.start_soon(lambda number: source.find_learner(user_id=number), number)
    assert (await source.find_learner(user_id="3")).custom_fields == {"Site": "Rome"}
    assert portal.asked.count("getcustomregistrationfields") == 1


async def test_without_labels_custom_fields_are_named_by_their_keys(source_over):
    source, portal = source_over({"users/id:2": raw_user(2, custom_field_1="Oslo")})
    for _ in range(2):
        assert (await source.find_learner(user_id="2")).custom_fields == {"custom_field_1": "Oslo"}
    assert portal.asked.count("getcustomregistrationfields") == 1


async def test_labels_are_read_again_after_the_rate_limit_refused_them(source_over):
    limited = httpx.Response(403, json={"error": {"message": "Rate limit exceeded"}})
    source, _ = source_over(
        {
            "users/id:2": raw_user(2, custom_field_1="Oslo"),
            "getcustomregistrationfields": [
                limited,
                httpx.Response(200, json=[{"key": "custom_field_1", "name": "Site"}]),
            ],
        }
    )
    with pytest.raises(Exception, match="rate limit"):
        await source.find_learner(user_id="2")
    assert (await source.find_learner(user_id="2")).custom_fields == {"Site": "Oslo"}


async def test_a_person_is_looked_up_by_id_or_by_email(source_over):
    source, _ = source_over({"users/id:1": raw_user(1), "users/email:p%401.example": raw_user(1)})
    assert (await source.find_learner(user_id="1")).name == "P 1"
    assert (await source.find_learner(email="p@1.example")).id == "1"
    assert await source.find_learner(user_id="2") is None
    for wrong in ({}, {"user_id": "1", "email": "x"}):
        with pytest.raises(ValueError, match="by an id or by"):
            await source.find_learner(**wrong)


async def test_a_course_is_read_as_its_roster_joined_with_the_directory(source_over):
    rows = [{"id": "1", "name": "P. One", "role": "learner"}, {"id": "2", "role": "instructor"}, {"name": "x"}]
    source, portal = source_over({"courses/id:9": {"id": "9", "name": "Nine", "users": rows}})
    reading = await source.enrollments(Scope(course_id="9"), courses={}, learners={"1": User(id="1", name="Pia One")})
    assert portal.asked == ["courses/id:9"]
    names_and_roles = [(record.enrollment.user.name, record.is_learner) for record in reading.records]
    assert names_and_roles == [("Pia One", True), (None, False)]
    assert (reading.complete, reading.skipped) == (True, 1)


def rows_of(scope_rows):
    return (
        scope_rows.rows,
        scope_rows.teachers,
        {*scope_rows.users},
        {*scope_rows.courses},
        scope_rows.complete,
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["learner", "instructor"]))), size=st.integers(1, 3)
)
async def test_a_roster_read_in_parts_makes_the_same_rows_as_read_at_once(source_over, people, size):
    rows = [{"id": str(number), "name": f"P {number}", "role": role} for number, role in people]
    source, _ = source_over({"courses/id:9": {"id": "9", "name": "Nine", "users": rows}})
    whole, parts = ScopeRows("a"), ScopeRows("a")
    whole.add(await source.enrollments(Scope(course_id="9"), courses={}, learners={}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "PART_SIZE", size)
        async for part in scope_parts(source, Scope(course_id="9"), courses={}, learners={}):
            parts.add(part)
    assert rows_of(whole) == rows_of(parts)


async def test_other_tasks_run_while_a_long_roster_is_mapped(source_over):
    rows = [{"id": str(number), "role": "learner"} for number in range(5 * protocol.PART_SIZE)]
    source, _ = source_over({"courses/id:9": {"id": "9", "name": "Nine", "users": rows}})
    other_steps, steps_at_part = 0, list[int]()

    async def other_task():
        nonlocal other_steps
        while True:
            other_steps += 1
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(other_task)
            async for _ in scope_parts(source, Scope(course_id="9"), courses={}, learners={}):
                steps_at_part.append(other_steps)
            group.cancel_scope.cancel()
    assert len(steps_at_part) == 5
    assert steps_at_part == sorted({*steps_at_part})


async def test_a_learner_is_read_as_their_transcript_which_includes_the_person(source_over):
    source, portal = source_over({"users/id:1": raw_user(1, courses=[raw_enrollment("9", "failed")])})
    reading = await source.enrollments(Scope(user_id="1"), courses={}, learners={})
    assert portal.asked == ["users/id:1"]
    assert reading.records[0].enrollment.status is EnrollmentStatus.FAILED
    assert reading.learners[0].name == "P 1"


async def test_an_answer_that_is_not_a_course_or_a_person_is_an_error(source_over):
    source, _ = source_over({"users/id:1": [], "courses/id:9": {"name": "no id"}})
    for scope in (Scope(user_id="1"), Scope(course_id="9")):
        with pytest.raises(UnexpectedAnswer, match="with something else"):
            await source.enrollments(scope, courses={}, learners={})


async def test_an_answer_about_another_course_or_person_is_an_error(source_over):
    another_person, another_course = raw_user(9000, courses=[]), {"id": "300", "users": []}
    source, _ = source_over(
        {
            "users/id:9001": another_person,
            "courses/id:301": another_course,
            "getuserstatusincourse/course_id:301,user_id:9001": raw_pair("Unbekannt"),
        }
    )
    for scope in (Scope(user_id="9001"), Scope(course_id="301"), Scope("9001", "301")):
        with pytest.raises(UnexpectedAnswer, match="with something else"):
            await source.enrollments(scope, courses={}, learners={})
    with pytest.raises(UnexpectedAnswer):
        await source.find_learner(user_id="9001")
    with pytest.raises(UnexpectedAnswer):
        await source.find_course("301")


async def test_a_pair_with_a_known_word_costs_one_call_and_has_the_mean_score(source_over):
    source, portal = source_over(
        {"siteinfo": ATHENS, "getuserstatusincourse/course_id:9,user_id:1": raw_pair("Completed", "50", 100, "")}
    )
    await source.portal()
    reading = await source.enrollments(
        Scope("1", "9"), courses={"9": Course(id="9", title="Nine")}, learners={"1": User(id="1", name="Pia")}
    )
    (record,) = reading.records
    assert portal.asked[1:] == ["getuserstatusincourse/course_id:9,user_id:1"]
    assert (record.enrollment.status, record.enrollment.score) == (EnrollmentStatus.COMPLETED, 75)
    assert (record.enrollment.user.name, record.enrollment.course.title) == ("Pia", "Nine")
    assert source.capabilities.filled_by_pair == {"score"}


async def test_an_unknown_word_costs_one_transcript_and_is_known_afterwards(source_over):
    source, portal = source_over(
        {
            "getuserstatusincourse/course_id:9,user_id:1": raw_pair("Απέτυχε"),
            "getuserstatusincourse/course_id:8,user_id:2": raw_pair("Απέτυχε"),
            "users/id:1": raw_user(1, courses=[raw_enrollment("8", "completed"), raw_enrollment("9", "failed")]),
        }
    )
    first = await source.enrollments(Scope("1", "9"), courses={}, learners={})
    second = await source.enrollments(Scope("2", "8"), courses={}, learners={})
    assert [reading.records[0].enrollment.status for reading in (first, second)] == [EnrollmentStatus.FAILED] * 2
    assert first.learners[0].name == "P 1"
    assert portal.asked == [
        "getuserstatusincourse/course_id:9,user_id:1",
        "users/id:1",
        "getuserstatusincourse/course_id:8,user_id:2",
    ]


@pytest.mark.parametrize("word", ["Offen", "Passed", "", None])
async def test_a_pair_with_an_ambiguous_or_empty_word_uses_the_transcripts_code(source_over, word):
    source, _ = source_over(
        {
            "getuserstatusincourse/course_id:9,user_id:1": raw_pair(word),
            "users/id:1": raw_user(
                1, courses=[raw_enrollment("8", "completed", "Offen"), raw_enrollment("9", "failed", "Offen")]
            ),
        }
    )
    for _ in range(2):
        reading = await source.enrollments(Scope("1", "9"), courses={}, learners={})
        assert reading.records[0].enrollment.status is EnrollmentStatus.FAILED


async def test_where_the_transcript_lacks_the_course_the_dates_of_a_pair_decide_its_status(source_over):
    source, _ = source_over(
        {"getuserstatusincourse/course_id:9,user_id:1": raw_pair("Ολοκληρώθηκε"), "users/id:1": raw_user(1, courses=[])}
    )
    reading = await source.enrollments(Scope("1", "9"), courses={}, learners={})
    assert reading.records[0].enrollment.status is EnrollmentStatus.COMPLETED


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_a_pair_that_the_portal_calls_not_enrolled_has_no_records(source_over, status):
    refused = {"error": {"message": "The requested user is not enrolled in this course"}}
    source, _ = source_over({"getuserstatusincourse/course_id:9,user_id:1": httpx.Response(status, json=refused)})
    assert (await source.enrollments(Scope("1", "9"), courses={}, learners={})).records == ()


async def test_an_empty_pair_has_no_records(source_over):
    source, _ = source_over({"getuserstatusincourse/course_id:9,user_id:1": []})
    assert (await source.enrollments(Scope("1", "9"), courses={}, learners={})).records == ()


async def test_records_carry_the_payload_only_on_demand(source_over):
    answers = {"users/id:1": raw_user(1, login_key="https://x.example/key:1", courses=[raw_enrollment("9", "failed")])}
    for remote_data in (False, True):
        source, _ = source_over(dict(answers), remote_data=remote_data)
        reading = await source.enrollments(Scope(user_id="1"), courses={}, learners={})
        assert (reading.learners[0].remote_data is not None) is remote_data
        assert (reading.records[0].enrollment.remote_data is not None) is remote_data
        assert "login_key" not in repr(reading)


async def test_a_failure_to_read_the_transcript_of_a_pair_is_an_error(source_over):
    source, _ = source_over(
        {"getuserstatusincourse/course_id:9,user_id:1": raw_pair("Απέτυχε"), "users/id:1": [httpx.Response(500)]}
    )
    with pytest.raises(Unavailable):
        await source.enrollments(Scope("1", "9"), courses={}, learners={})
