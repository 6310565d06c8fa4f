"""People, courses and whole readings of one integrated account."""

import logging
from contextlib import suppress
from datetime import UTC, datetime

import httpx
import pytest

from mcp_truto_lms.domain.columns import CERTIFICATE_COLUMNS
from mcp_truto_lms.domain.errors import ConfigurationError, SourceError
from mcp_truto_lms.domain.source import ACCESS_ENDS_AT, ROLE, CourseFinder, PagedDirectory
from mcp_truto_lms.providers.talentlms.source import NEVER_FILLED
from mcp_truto_lms.providers.truto.client import TrutoClient
from mcp_truto_lms.providers.truto.errors import RequestRefused
from mcp_truto_lms.providers.truto.source import TrutoSource
from tests.providers.truto.account_answers import (
    COURSE,
    EVERYTHING,
    LEARNER,
    PAIR,
    answer_pairs_only,
    costs,
    course_with_roster,
    enrollment,
    enrollment_ids,
    read,
    user_with_transcript,
)
from tests.providers.truto.scripted_truto import ACCOUNT, TOKEN, envelope, error_response, missing_parameters

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("pages", "complete"),
    [
        ([envelope(enrollment(7, 12), is_partial_response=True)], False),
        ([envelope(enrollment(7, 12), is_partial_response=True, cursor="a"), envelope(enrollment(8, 12))], False),
        ([envelope(enrollment(7, 12), cursor="a"), envelope(enrollment(8, 12), cursor="a")], False),
        ([envelope(enrollment(7, 12), cursor="a"), envelope(enrollment(7, 12), cursor="a")], False),
        ([envelope(enrollment(7, 12), cursor="a"), envelope(cursor="b"), envelope(enrollment(8, 12))], True),
    ],
)
async def test_a_list_is_complete_only_if_its_end_was_read(source_over, pages, complete):
    source, _ = source_over({"/course-enrollments": pages})
    assert (await read(source, EVERYTHING)).complete is complete


async def test_no_reading_is_complete_after_a_partial_course_list(source_over):
    source, _ = source_over(
        {
            "/courses": [envelope({"id": "12"}, is_partial_response=True), envelope({"id": "12"})],
            "/course-enrollments": envelope(enrollment(7, 12)),
        }
    )
    await source.courses()
    assert not (await read(source, EVERYTHING)).complete
    await source.courses()
    assert (await read(source, EVERYTHING)).complete


async def test_unusable_items_are_skipped_and_counted(source_over, caplog):
    items = [enrollment(7, 12), {"id": "x"}, enrollment(8, 12, user=None)]
    source, _ = source_over({"/course-enrollments": envelope(*items), "/users": envelope({"name": "Jane"}, {"id": 7})})
    with caplog.at_level(logging.WARNING):
        assert (await read(source, EVERYTHING)).skipped == 2
        assert [user.id for user in await source.learners()] == ["7"]
    assert caplog.messages == [
        "course-enrollments: 2 items without a usable id, user or course were skipped",
        "users: 1 items without a usable id, user or course were skipped",
    ]


async def test_people_and_courses_name_records_that_have_only_ids(source_over):
    source, _ = source_over(
        {
            "/courses": envelope({"id": "12", "title": "Law"}),
            "/users": envelope({"id": "7", "name": "Jane", "emails": [{"email": "j@x.example"}]}),
            "/course-enrollments": envelope(enrollment(7, 12), enrollment(8, 13)),
        }
    )
    courses = {record.id: record for record in await source.courses()}
    learners = {record.id: record for record in await source.learners()}
    first, second = (record.enrollment for record in (await read(source, EVERYTHING, courses, learners)).records)
    assert (first.user.name, first.user.emails[0].email, first.course.title) == ("Jane", "j@x.example", "Law")
    assert (second.user.name, second.course.title) == (None, None)


async def test_people_and_courses_on_several_pages_are_returned_once(source_over):
    pages = [envelope({"id": 1}, {"id": 2}, cursor="a"), envelope({"id": 2}, {"id": 3})]
    source, truto = source_over({"/users": list(pages), "/courses": list(pages)})
    assert [record.id for record in await source.learners()] == ["1", "2", "3"]
    assert [record.id for record in await source.courses()] == ["1", "2", "3"]
    assert len(truto.requests) == source.calls == 4
    assert {request.url.params["limit"] for request in truto.requests} == {"1000"}


REFUSED_LIMITS = [
    error_response(400, "limit must not exceed 100"),
    error_response(400, "Invalid arguments provided", truto_is_remote_error=True),
    error_response(422, "", truto_is_remote_error=True),
    error_response(422, "per_page must not be greater than 100", truto_is_remote_error=True),
    error_response(400, "page size limit exceeded", truto_is_remote_error=True),
    error_response(
        422,
        "per_page must not be greater than 100",
        truto_is_remote_error=True,
        truto_error_insight={"conditionally_required_query_parameters": {"value": ["user[id]", "course[id]"]}},
    ),
]


def limits_sent(truto):
    return [request.url.params.get("limit") for request in truto.requests]


@pytest.mark.parametrize("refusal", REFUSED_LIMITS)
@pytest.mark.parametrize(("largest", "sent"), [(100, ["1000", "100", "100"]), (0, ["1000", "100", None, None])])
async def test_a_refused_page_size_falls_back_and_is_not_sent_again(source_over, refusal, largest, sent):
    def answer(request):
        return refusal if int(request.url.params.get("limit", 0)) > largest else envelope(enrollment(7, 12))

    source, truto = source_over({"/course-enrollments": answer})
    for _ in range(2):
        assert enrollment_ids(await read(source, EVERYTHING)) == ["7_12"]
    assert limits_sent(truto) == sent
    assert costs(source) == [1, 1, 1, 1]


async def test_a_refusal_of_every_page_size_is_the_real_refusal(source_over):
    source, truto = source_over({"/users": error_response(422, "something else", truto_is_remote_error=True)})
    with pytest.raises(RequestRefused):
        await source.learners()
    assert limits_sent(truto) == ["1000", "100", None]


@pytest.mark.parametrize(
    "refusal",
    [
        error_response(401),
        error_response(403),
        error_response(429),
        error_response(500),
        error_response(405),
        missing_parameters("user"),
    ],
)
async def test_a_refusal_that_is_not_of_the_page_size_does_not_fall_back(source_over, refusal):
    source, truto = source_over({"/users": refusal})
    with pytest.raises(SourceError):
        await source.learners()
    assert set(limits_sent(truto)) == {"1000"}


async def test_a_page_size_that_worked_is_not_doubted_by_a_later_refusal_of_another_scope(source_over):
    source, truto = source_over({"/users": [envelope({"id": "1"}), error_response(422), envelope({"id": "1"})]})
    await source.learners()
    with pytest.raises(RequestRefused):
        await source.learners()
    await source.learners()
    assert limits_sent(truto) == ["1000", "1000", "1000"]


async def test_a_pair_is_asked_for_without_a_page_size(source_over):
    source, truto = source_over({"/course-enrollments": envelope(enrollment(7, 12))})
    await read(source, PAIR)
    assert limits_sent(truto) == [None]


async def test_a_lookup_by_an_unknown_id_or_by_e_mail_returns_none(source_over):
    source, truto = source_over(
        {
            "/users/7": error_response(404, truto_is_remote_error=True),
            "/users/8": error_response(404),
            "/users/9": error_response(422, truto_is_remote_error=True),
            "/courses/9": error_response(404),
        }
    )
    assert await source.find_learner(email="jane@x.example") is None
    assert truto.requests == []
    assert [await source.find_learner(user_id=user_id) for user_id in "78"] == [None, None]
    assert await source.find_course("9") is None
    with pytest.raises(RequestRefused):
        await source.find_learner(user_id="9")
    with pytest.raises(ValueError, match="an id or an e-mail"):
        await source.find_learner()


async def test_a_course_is_looked_up_by_id(source_over):
    source, _ = source_over({"/courses/12": course_with_roster()})
    assert (await source.find_course("12")).title == "Law"
    assert isinstance(source, CourseFinder)
    assert isinstance(source, PagedDirectory)


async def test_columns_count_as_unreported_until_a_record_fills_them(source_over):
    raw_enrollments = [enrollment(7, 12), enrollment(8, 12, started_at="2026-01-01T00:00:00Z", assigned_by={"id": "1"})]
    source, truto = source_over({"/course-enrollments": envelope(raw_enrollments[0])})
    assert (await source.portal()).unreported == frozenset()
    await read(source, EVERYTHING)
    assert (await source.portal()).unreported == NEVER_FILLED | {ROLE, ACCESS_ENDS_AT, *CERTIFICATE_COLUMNS}
    assert (await source.portal()).zone is None
    truto.answers["/course-enrollments"] = envelope(*raw_enrollments)
    await read(source, EVERYTHING)
    assert (await source.portal()).unreported == NEVER_FILLED - {"started_at", "assigned_by.id"} | {
        ROLE,
        ACCESS_ENDS_AT,
        *CERTIFICATE_COLUMNS,
    }


async def test_a_list_with_certificates_reports_them(source_over):
    fields = {"certificate_issued_at": "2026-05-01T00:00:00Z"}
    source, _ = source_over({"/course-enrollments": envelope(enrollment(7, 12, custom_fields=fields))})
    await read(source, EVERYTHING)
    assert (await source.portal()).unreported & CERTIFICATE_COLUMNS.keys() == {"certificate_expires_at"}


@pytest.mark.parametrize("has_transcripts", [True, False])
async def test_certificates_are_unreported_where_people_come_without_their_payload(source_over, has_transcripts):
    answers = {"/courses/12": course_with_roster(7), "/course-enrollments": answer_pairs_only}
    if has_transcripts:
        answers["/users/7"] = user_with_transcript(12)
    source, _ = source_over(answers)
    await read(source, COURSE)
    assert not (await source.portal()).unreported & CERTIFICATE_COLUMNS.keys()
    with suppress(SourceError):
        await read(source, LEARNER)
    assert (not (await source.portal()).unreported & CERTIFICATE_COLUMNS.keys()) is has_transcripts


@pytest.mark.parametrize("role", ["learner", "instructor"])
async def test_a_role_in_a_record_is_reported_from_then_on(source_over, role):
    source, _ = source_over({"/course-enrollments": envelope(enrollment(7, 12, custom_fields={"role": role}))})
    await read(source, EVERYTHING)
    assert {ROLE, ACCESS_ENDS_AT} & (await source.portal()).unreported == {ACCESS_ENDS_AT}


PAYLOAD_OF_A_PAIR = {"role": "learner", "completion_status": "Completed", "enrolled_on": "21/10/2014, 15:21:29"}


@pytest.mark.parametrize(
    ("scope", "answers"),
    [
        (COURSE, {"/courses/12": course_with_roster(7)}),
        (LEARNER, {"/users/7": user_with_transcript(12)}),
        (LEARNER, {"/proxy/users/7": user_with_transcript(12)["remote_data"]}),
        (PAIR, {"/course-enrollments": envelope(enrollment(7, 12, remote_data=PAYLOAD_OF_A_PAIR))}),
    ],
)
async def test_records_with_the_payload_tell_when_access_ends(source_over, scope, answers):
    source, _ = source_over({"/course-enrollments": answer_pairs_only, **answers})
    assert enrollment_ids(await read(source, scope)) == ["7_12"]
    assert ACCESS_ENDS_AT not in (await source.portal()).unreported


async def test_an_empty_account_id_names_its_setting(source_over):
    with pytest.raises(ConfigurationError, match="TRUTO_INTEGRATED_ACCOUNT_ID"):
        TrutoSource.connect("", TOKEN, " ")


async def test_accounts_can_share_a_client(injected):
    account_ids = []

    def answer(request):
        account_ids.append(request.url.params["integrated_account_id"])
        return httpx.Response(200, json=envelope())

    client = TrutoClient(TOKEN, transport=httpx.MockTransport(answer), **injected)
    for account in (ACCOUNT, "other"):
        await TrutoSource(client, account).courses()
    assert account_ids == [ACCOUNT, "other"]
    await TrutoSource(client, ACCOUNT).aclose()


async def test_an_enrollment_opens_with_its_course(source_over):
    opens_at = datetime(2026, 12, 13, tzinfo=UTC)
    course = {"id": "12", "remote_data": {"id": "12", "name": "Law", "start_datetime": str(int(opens_at.timestamp()))}}
    source, _ = source_over({"/courses": envelope(course), "/course-enrollments": envelope(enrollment(7, 12))})
    courses = {record.id: record for record in await source.courses()}
    for scope in (EVERYTHING, PAIR):
        assert [record.opens_at for record in (await read(source, scope, courses)).records] == [opens_at]
