import logging

import anyio
import httpx
import pytest

from mcp_truto_lms.domain.errors import (
    AccessDenied,
    ConfigurationError,
    NotFound,
    RouteClosed,
    SourceError,
    Unavailable,
)
from mcp_truto_lms.domain.source import CourseFinder, FetchRoute, PagedDirectory, Scope
from mcp_truto_lms.providers.talentlms.source import NEVER_FILLED
from mcp_truto_lms.providers.truto.client import TrutoClient
from mcp_truto_lms.providers.truto.errors import Forbidden, MissingParameters, RequestRefused
from mcp_truto_lms.providers.truto.source import TrutoSource
from tests.providers.truto.scripted_truto import ACCOUNT, TOKEN, envelope, missing, problem

pytestmark = pytest.mark.anyio

EVERYTHING = Scope()
COURSE = Scope(course_id="12")
LEARNER = Scope(user_id="7")
PAIR = Scope(user_id="7", course_id="12")
DAY = 24 * 3600


def enrolled(user_id, course_id, **fields):
    return {
        "id": f"{user_id}_{course_id}",
        "user": {"id": str(user_id)},
        "course": {"id": str(course_id)},
        "status": "enrolled",
        **fields,
    }


def with_roster(*users, course="12"):
    roster = [{"id": str(one), "name": "J. Doe", "completion_percentage": "10"} for one in users]
    return {"id": course, "title": "Law", "remote_data": {"id": course, "name": "Law", "users": roster}}


def with_transcript(*courses, user="7"):
    items = [{"id": str(one), "name": "Law", "completion_status": "failed"} for one in courses]
    return {"id": user, "name": "Jane", "remote_data": {"id": user, "first_name": "Jane", "courses": items}}


def pairs_only(request):
    """Answer as an account does that must be asked for pairs."""
    names = [name for name in ("user", "course") if f"{name}[id]" not in request.url.params]
    return missing(*names) if names else envelope(enrolled(*pair_of(request)))


def pair_of(request):
    return request.url.params["user[id]"], request.url.params["course[id]"]


async def read(source, scope, courses=None, learners=None):
    return await source.enrollments(scope, courses=courses or {}, learners=learners or {})


def ids(reading):
    return [one.enrollment.id for one in reading.records]


def costs(source):
    return [source.cost(route) for route in FetchRoute]


async def test_where_everything_may_be_listed_it_takes_its_pages(source_over):
    pages = [envelope(enrolled(7, 12), cursor="a"), envelope(enrolled(8, 12))]
    source, truto = source_over({"/course-enrollments": pages})
    reading = await read(source, EVERYTHING)
    assert ids(reading) == ["7_12", "8_12"]
    assert {one.route for one in reading.records} == {FetchRoute.LIST}
    assert reading.complete
    assert truto.asked == ["/course-enrollments", "/course-enrollments?next_cursor=a"]
    assert truto.requests[0].url.params["truto_ignore_remote_data"] == "true"
    assert costs(source) == [2, 1, 1, 1]


async def test_where_the_list_may_be_narrowed_a_course_or_a_learner_takes_one_call(source_over):
    source, truto = source_over(
        {
            "/course-enrollments": lambda request: (
                envelope(enrolled(7, 12)) if len(request.url.params) > 2 else problem(500)
            )
        }
    )
    assert ids(await read(source, COURSE)) == ["7_12"]
    assert ids(await read(source, LEARNER)) == ["7_12"]
    assert truto.asked == ["/course-enrollments?course[id]=12", "/course-enrollments?user[id]=7"]


async def test_a_refusal_that_names_parameters_closes_every_way_that_lacks_them(source_over):
    source, truto = source_over({"/course-enrollments": pairs_only})
    assert costs(source) == [2, 2, 2, 1]
    with pytest.raises(RouteClosed):
        await read(source, EVERYTHING)
    assert costs(source) == [None, 2, 2, 1]
    with pytest.raises(RouteClosed, match="by course"):
        await read(source, COURSE)
    with pytest.raises(RouteClosed, match="by learner"):
        await read(source, LEARNER)
    assert costs(source) == [None, None, None, 1]
    assert truto.asked == ["/course-enrollments", "/courses/12", "/proxy/courses/12", "/users/7", "/proxy/users/7"]
    assert ids(await read(source, PAIR)) == ["7_12"]
    assert truto.asked[5:] == ["/course-enrollments?user[id]=7&course[id]=12"]


async def test_what_one_parameter_opens_stays_open(source_over):
    def answer(request):
        return envelope(enrolled(7, 12)) if "user[id]" in request.url.params else missing("user")

    source, truto = source_over({"/course-enrollments": answer, "/courses/12": with_roster(7)})
    with pytest.raises(RouteClosed):
        await read(source, EVERYTHING)
    assert ids(await read(source, LEARNER)) == ["7_12"]
    assert ids(await read(source, COURSE)) == ["7_12"]
    assert truto.asked == ["/course-enrollments", "/course-enrollments?user[id]=7", "/courses/12"]


async def test_a_roster_comes_with_the_course_and_the_people_it_is_joined_with(source_over):
    source, truto = source_over({"/course-enrollments": pairs_only, "/courses/12": with_roster(7, 8)})
    jane = await source_over({"/users/7": with_transcript()})[0].find_learner(user_id="7")
    reading = await read(source, COURSE, learners={"7": jane})
    assert [(one.route, one.enrollment.user.name) for one in reading.records] == [
        (FetchRoute.COURSE, "Jane"),
        (FetchRoute.COURSE, "J. Doe"),
    ]
    await read(source, COURSE)
    assert truto.asked == ["/course-enrollments?course[id]=12", "/courses/12", "/courses/12"]
    assert costs(source) == [None, 1, 1, 1]


async def test_a_transcript_comes_with_its_learner(source_over):
    source, truto = source_over({"/course-enrollments": pairs_only, "/users/7": with_transcript(12, 13)})
    reading = await read(source, LEARNER)
    assert ids(reading) == ["7_12", "7_13"]
    assert [one.name for one in reading.learners] == ["Jane"]
    assert {str(one.enrollment.status) for one in reading.records} == {"failed"}
    assert truto.asked == ["/course-enrollments?user[id]=7", "/users/7"]


async def test_where_payloads_were_seen_they_are_tried_first(source_over):
    source, truto = source_over(
        {"/courses": envelope(with_roster()), "/courses/12": with_roster(7), "/users/7": with_transcript(12)}
    )
    await source.courses()
    assert costs(source) == [2, 1, 1, 1]
    await read(source, COURSE)
    await read(source, LEARNER)
    assert truto.asked == ["/courses", "/courses/12", "/users/7"]


@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_proxy_serves_where_records_come_without_their_payload(source_over, wrapped):
    roster, transcript = with_roster(7)["remote_data"], with_transcript(12)["remote_data"]
    source, truto = source_over(
        {
            "/course-enrollments": pairs_only,
            "/courses/12": {"id": "12", "title": "Law"},
            "/users/7": {"id": "7"},
            "/proxy/courses/12": {"result": roster} if wrapped else roster,
            "/proxy/users/7": {"result": transcript} if wrapped else transcript,
        }
    )
    for _ in range(2):
        assert ids(await read(source, COURSE)) == ["7_12"]
        reading = await read(source, LEARNER)
        assert ids(reading) == ["7_12"]
        assert reading.learners[0].name == "Jane"
    assert truto.asked.count("/course-enrollments?course[id]=12") == 1
    assert [truto.asked.count(one) for one in ("/courses/12", "/users/7")] == [1, 1]
    assert [truto.asked.count(one) for one in ("/proxy/courses/12", "/proxy/users/7")] == [2, 2]


async def test_a_payload_of_somebody_else_is_not_taken(source_over):
    answers = {
        "/course-enrollments": pairs_only,
        "/courses/12": with_roster(7, course="99"),
        "/users/7": with_transcript(12, user="99"),
    }
    source, _ = source_over(answers)
    for scope in (COURSE, LEARNER):
        with pytest.raises(RouteClosed):
            await read(source, scope)


async def test_one_call_finds_out_and_the_others_wait_for_it(source_over):
    source, truto = source_over({"/course-enrollments": pairs_only})

    async def fails(number):
        with pytest.raises(RouteClosed):
            await read(source, Scope(course_id=str(number)))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(fails, number)
    assert len(truto.requests) == 3


async def test_what_was_learnt_holds_for_a_day(source_over, fake_time):
    source, truto = source_over({"/course-enrollments": pairs_only, "/courses/12": with_roster(7)})
    await read(source, COURSE)
    fake_time.seconds = DAY - 1
    await read(source, COURSE)
    assert truto.asked[2:] == ["/courses/12"]
    assert source.cost(FetchRoute.LIST) is None
    fake_time.seconds = DAY
    assert source.cost(FetchRoute.LIST) == 2
    truto.answers["/course-enrollments"] = envelope(enrolled(7, 12))
    assert {one.route for one in (await read(source, EVERYTHING)).records} == {FetchRoute.LIST}


async def test_a_way_that_closes_during_the_day_is_left(source_over):
    source, truto = source_over({"/course-enrollments": envelope(enrolled(7, 12)), "/courses/12": with_roster(7)})
    await read(source, COURSE)
    truto.answers["/course-enrollments"] = pairs_only
    assert [one.route for one in (await read(source, COURSE)).records] == [FetchRoute.COURSE]


@pytest.mark.parametrize("scope", [COURSE, LEARNER])
async def test_a_list_that_ignores_a_filter_is_used_as_the_whole_list(source_over, scope):
    source, truto = source_over({"/course-enrollments": envelope(enrolled(7, 12), enrolled(8, 13))})
    with pytest.raises(RouteClosed, match="lists everything"):
        await read(source, scope)
    assert source.cost(FetchRoute.LIST) == 0
    assert ids(await read(source, scope)) == ["7_12"]
    assert ids(await read(source, EVERYTHING)) == ["7_12", "8_13"]
    assert len(truto.requests) == 1
    assert source.cost(FetchRoute.LIST) == 1
    await read(source, EVERYTHING)
    assert len(truto.requests) == 2


async def test_a_kept_list_grows_old(source_over, fake_time):
    source, truto = source_over({"/course-enrollments": envelope(enrolled(7, 12), enrolled(8, 13))})
    assert ids(await read(source, PAIR)) == ["7_12"]
    assert ids(await read(source, Scope(user_id="8", course_id="13"))) == ["8_13"]
    assert len(truto.requests) == 1
    fake_time.seconds = 10
    assert ids(await read(source, PAIR)) == ["7_12"]
    assert len(truto.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        envelope(),
        problem(404, "The requested user is not enrolled in this course", truto_is_remote_error=True),
        problem(400, "The requested user is not enrolled in this course", truto_is_remote_error=True),
        problem(422, "", truto_is_remote_error=True),
        problem(409, "", truto_is_remote_error=True),
    ],
)
async def test_not_enrolled_is_no_error(source_over, answer):
    source, truto = source_over({"/course-enrollments": answer})
    reading = await read(source, PAIR)
    assert (reading.records, reading.complete, len(truto.requests)) == ((), True, 1)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(403, truto_is_remote_error=True), Forbidden),
        (problem(422), RequestRefused),
        (problem(404), RouteClosed),
        (missing("course"), MissingParameters),
        (problem(400, "Rate limit exceeded", truto_is_remote_error=True), SourceError),
    ],
)
async def test_any_other_refusal_of_a_pair_is_an_error(source_over, answer, kind):
    source, truto = source_over({"/course-enrollments": answer})
    with pytest.raises(kind):
        await read(source, PAIR)
    assert len(truto.requests) == 1
    assert source.cost(FetchRoute.PAIR) == 1


async def test_a_course_that_is_gone_is_not_found_and_closes_nothing(source_over):
    answers = {
        "/course-enrollments": pairs_only,
        "/courses/12": problem(404, truto_is_remote_error=True),
        "/courses/13": with_roster(7, course="13"),
    }
    source, _ = source_over(answers)
    with pytest.raises(NotFound):
        await read(source, COURSE)
    assert ids(await read(source, Scope(course_id="13"))) == ["7_13"]


async def test_a_list_that_the_lms_does_not_have_is_closed_and_not_empty(source_over):
    for message in ("The requested API action does not exist", "The user does not exist"):
        source, _ = source_over({"/course-enrollments": problem(400, message, truto_is_remote_error=True)})
        with pytest.raises(RouteClosed):
            await read(source, EVERYTHING)
        assert source.cost(FetchRoute.LIST) is None


async def test_an_action_that_the_lms_does_not_have_is_not_taken_for_not_enrolled(source_over):
    answer = problem(400, "The requested API action does not exist", truto_is_remote_error=True)
    source, _ = source_over({"/course-enrollments": answer})
    with pytest.raises(RouteClosed):
        await read(source, PAIR)


async def test_one_course_that_is_forbidden_does_not_stop_the_others(source_over):
    answers = {
        "/course-enrollments": pairs_only,
        "/courses/12": with_roster(7),
        "/courses/13": problem(403, truto_is_remote_error=True),
    }
    source, _ = source_over(answers)
    await read(source, COURSE)
    with pytest.raises(SourceError) as caught:
        await read(source, Scope(course_id="13"))
    assert not isinstance(caught.value, AccessDenied)
    assert source.cost(FetchRoute.COURSE) == 1


async def test_a_failure_on_the_way_closes_nothing(source_over):
    source, _ = source_over({"/course-enrollments": problem(500)})
    with pytest.raises(Unavailable):
        await read(source, EVERYTHING)
    assert costs(source) == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("pages", "complete"),
    [
        ([envelope(enrolled(7, 12), is_partial_response=True)], False),
        ([envelope(enrolled(7, 12), is_partial_response=True, cursor="a"), envelope(enrolled(8, 12))], False),
        ([envelope(enrolled(7, 12), cursor="a"), envelope(enrolled(8, 12), cursor="a")], False),
        ([envelope(enrolled(7, 12), cursor="a"), envelope(enrolled(7, 12), cursor="a")], False),
        ([envelope(enrolled(7, 12), cursor="a"), envelope(cursor="b"), envelope(enrolled(8, 12))], True),
    ],
)
async def test_a_list_is_complete_only_where_its_end_was_seen(source_over, pages, complete):
    source, _ = source_over({"/course-enrollments": pages})
    assert (await read(source, EVERYTHING)).complete is complete


async def test_where_the_course_list_was_partial_nothing_is_complete(source_over):
    source, _ = source_over(
        {
            "/courses": [envelope({"id": "12"}, is_partial_response=True), envelope({"id": "12"})],
            "/course-enrollments": envelope(enrolled(7, 12)),
        }
    )
    await source.courses()
    assert not (await read(source, EVERYTHING)).complete
    await source.courses()
    assert (await read(source, EVERYTHING)).complete


async def test_items_of_no_use_are_skipped_and_counted(source_over, caplog):
    items = [enrolled(7, 12), {"id": "x"}, enrolled(8, 12, user=None)]
    source, _ = source_over({"/course-enrollments": envelope(*items), "/users": envelope({"name": "Jane"}, {"id": 7})})
    with caplog.at_level(logging.WARNING):
        assert (await read(source, EVERYTHING)).skipped == 2
        assert [one.id for one in await source.learners()] == ["7"]
    assert caplog.messages == [
        "course-enrollments: 2 items without a usable id, user or course were skipped",
        "users: 1 items without a usable id, user or course were skipped",
    ]


async def test_names_come_from_people_and_courses_where_only_ids_came(source_over):
    source, _ = source_over(
        {
            "/courses": envelope({"id": "12", "title": "Law"}),
            "/users": envelope({"id": "7", "name": "Jane", "emails": [{"email": "j@x.example"}]}),
            "/course-enrollments": envelope(enrolled(7, 12), enrolled(8, 13)),
        }
    )
    courses = {one.id: one for one in await source.courses()}
    learners = {one.id: one for one in await source.learners()}
    first, second = (one.enrollment for one in (await read(source, EVERYTHING, courses, learners)).records)
    assert (first.user.name, first.user.emails[0].email, first.course.title) == ("Jane", "j@x.example", "Law")
    assert (second.user.name, second.course.title) == (None, None)


async def test_people_and_courses_are_read_once_each_over_all_pages(source_over):
    pages = [envelope({"id": 1}, {"id": 2}, cursor="a"), envelope({"id": 2}, {"id": 3})]
    source, truto = source_over({"/users": list(pages), "/courses": list(pages)})
    assert [one.id for one in await source.learners()] == ["1", "2", "3"]
    assert [one.id for one in await source.courses()] == ["1", "2", "3"]
    assert len(truto.requests) == source.calls == 4
    assert {request.url.params["limit"] for request in truto.requests} == {"1000"}


async def test_a_limit_that_is_refused_is_not_sent_again(source_over):
    def answer(request):
        return problem(400, "limit must not exceed 100") if "limit" in request.url.params else envelope({"id": "1"})

    source, truto = source_over({"/users": answer, "/courses": answer})
    await source.learners()
    await source.courses()
    assert [request.url.params.get("limit") for request in truto.requests] == ["1000", None, None]
    source, truto = source_over({"/users": problem(400, "something else")})
    with pytest.raises(RequestRefused):
        await source.learners()
    assert len(truto.requests) == 1


async def test_a_person_is_found_by_id_and_shows_whether_transcripts_come_along(source_over):
    source, truto = source_over({"/users/7": with_transcript(12), "/course-enrollments": pairs_only})
    assert (await source.find_learner(user_id="7")).name == "Jane"
    assert ids(await read(source, LEARNER)) == ["7_12"]
    assert truto.asked == ["/users/7", "/users/7"]


async def test_nobody_is_found_by_an_id_that_is_none_or_by_e_mail(source_over):
    source, truto = source_over(
        {"/users/7": problem(404, truto_is_remote_error=True), "/users/8": problem(422), "/courses/9": problem(404)}
    )
    assert await source.find_learner(email="jane@x.example") is None
    assert truto.requests == []
    assert [await source.find_learner(user_id=one) for one in "78"] == [None, None]
    assert await source.find_course("9") is None
    with pytest.raises(ValueError, match="an id or an e-mail"):
        await source.find_learner()


async def test_a_course_is_found_alone(source_over):
    source, _ = source_over({"/courses/12": with_roster()})
    assert (await source.find_course("12")).title == "Law"
    assert isinstance(source, CourseFinder)
    assert isinstance(source, PagedDirectory)


async def test_columns_count_as_unreported_until_a_record_fills_them(source_over):
    items = [enrolled(7, 12), enrolled(8, 12, started_at="2026-01-01T00:00:00Z", assigned_by={"id": "1"})]
    source, truto = source_over({"/course-enrollments": envelope(items[0])})
    assert (await source.portal()).unreported == frozenset()
    await read(source, EVERYTHING)
    assert (await source.portal()).unreported == NEVER_FILLED | {"score"}
    assert (await source.portal()).zone is None
    truto.answers["/course-enrollments"] = envelope(*items)
    await read(source, EVERYTHING)
    assert (await source.portal()).unreported == (NEVER_FILLED | {"score"}) - {"started_at", "assigned_by.id"}


async def test_an_account_that_turns_everybody_away_is_probed_by_one_call_of_a_question(source_over):
    refused = problem(401, truto_is_remote_error=True)
    source, truto = source_over({"/courses": envelope(), "/course-enrollments": refused, "/users": refused})
    assert source.refusal is None
    with pytest.raises(AccessDenied, match="reconnect the account"):
        await read(source, PAIR)
    assert "reconnect the account" in str(source.refusal)
    assert len(truto.requests) == 1

    async def question(number):
        with pytest.raises(AccessDenied, match="reconnect the account"):
            await read(source, Scope(user_id=str(number), course_id="12"))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(question, number)
    assert len(truto.requests) == 2
    await source.courses()
    assert source.refusal is None


async def test_a_probe_that_succeeds_lets_the_others_go_on(source_over):
    source, truto = source_over({"/course-enrollments": [problem(401, truto_is_remote_error=True), envelope()]})
    with pytest.raises(AccessDenied):
        await read(source, PAIR)
    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(read, source, Scope(user_id=str(number), course_id="12"))
    assert len(truto.requests) == 5
    assert source.refusal is None


@pytest.mark.parametrize("reconnected", [False, True])
async def test_a_probe_is_one_call_where_the_way_is_known_too(source_over, reconnected):
    source, truto = source_over({"/course-enrollments": envelope()})
    await read(source, PAIR)
    refused = problem(401, truto_is_remote_error=True)
    truto.answers["/course-enrollments"] = [refused, envelope()] if reconnected else refused
    with pytest.raises(AccessDenied):
        await read(source, PAIR)
    truto.requests.clear()
    outcomes = []

    async def question(number):
        try:
            await read(source, Scope(user_id=str(number), course_id="12"))
        except AccessDenied as error:
            outcomes.append(str(error))

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(question, number)
    assert (len(outcomes), len(truto.requests)) == ((0, 6) if reconnected else (6, 1))


@pytest.mark.parametrize("answer", [problem(503), problem(401), problem(404, "No such integrated account")])
async def test_a_blocked_account_and_a_bad_token_are_asked_once_too(source_over, answer):
    source, truto = source_over({"/courses": answer})
    with pytest.raises(AccessDenied):
        await source.courses()
    assert source.refusal is not None
    assert len(truto.requests) == 1


async def test_an_account_must_be_named(source_over):
    with pytest.raises(ConfigurationError, match="TRUTO_INTEGRATED_ACCOUNT_ID"):
        TrutoSource.connect("", TOKEN, " ")


async def test_accounts_may_share_a_client(injected):
    asked = []

    def answer(request):
        asked.append(request.url.params["integrated_account_id"])
        return httpx.Response(200, json=envelope())

    client = TrutoClient(TOKEN, transport=httpx.MockTransport(answer), **injected)
    for account in (ACCOUNT, "other"):
        await TrutoSource(client, account).courses()
    assert asked == [ACCOUNT, "other"]
    await TrutoSource(client, ACCOUNT).aclose()
