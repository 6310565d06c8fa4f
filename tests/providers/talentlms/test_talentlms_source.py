from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_truto_lms.domain import source as protocol
from mcp_truto_lms.domain.errors import Unavailable, UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, EnrollmentStatus, User
from mcp_truto_lms.domain.source import Scope, Source, scope_parts
from mcp_truto_lms.providers.talentlms.source import NEVER_FILLED
from mcp_truto_lms.store.rows import ScopeRows

pytestmark = pytest.mark.anyio

SITEINFO = {"date_format": "DDMMYYYY", "timezone": "(GMT +02:00) Athens, Istanbul, Minsk"}
WORDS = {"completed": "Ολοκληρώθηκε", "failed": "Απέτυχε"}


def person(number, **more):
    return {"id": str(number), "login": f"p{number}", "first_name": "P", "last_name": str(number), **more}


def taken(course_id, code, word=None):
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


def pair(word, *scores):
    return {
        "role": "learner",
        "completion_status": word,
        "completion_percentage": "100",
        "completed_on": "x",
        "completed_on_timestamp": "1413962775",
        "units": [{"score": score} for score in scores],
    }


class Directory:
    """A portal's `users`, with a cap on its pages that nobody was told."""

    def __init__(self, people, cap=None, *, ignores_paging=False):
        self.people = people
        self.cap = cap
        self.ignores_paging = ignores_paging
        self.asked = []

    def __call__(self, request):
        path = request.url.path.removeprefix("/api/v1/")
        if not path.startswith("users/"):
            return httpx.Response(200, json={})
        self.asked.append(path)
        size, page = (int(part.split(":")[1]) for part in path.removeprefix("users/").split(","))
        size = min(size, self.cap or size)
        found = self.people if self.ignores_paging else self.people[(page - 1) * size : page * size]
        return httpx.Response(200, json=found)


@pytest.mark.parametrize(
    ("people", "cap", "calls"),
    [
        (0, None, 1),
        (1, None, 2),
        (999, None, 2),
        (1000, None, 2),
        (1001, None, 2),
        (2500, None, 3),
        (2500, 1000, 3),
        (45, 20, 3),
        (40, 20, 3),
        (20, 20, 2),
        (19, 20, 2),
        (501, 100, 6),
        (50, 7, 8),
        (49, 7, 8),
        (3, 1, 4),
    ],
)
async def test_the_directory_is_read_to_its_end_whatever_the_cap(source_over, people, cap, calls):
    source, portal = source_over(Directory([person(number) for number in range(1, people + 1)], cap))
    assert [one.id for one in await source.learners()] == [str(number) for number in range(1, people + 1)]
    assert len(portal.asked) == calls
    assert portal.asked[0] == "users/page_size:1000,page_number:1"


@pytest.mark.parametrize(("people", "calls"), [(40, 2), (1000, 2), (1500, 1)])
async def test_a_portal_that_ignores_paging_is_not_asked_forever(source_over, people, calls):
    source, portal = source_over(Directory([person(number) for number in range(people)], ignores_paging=True))
    assert len(await source.learners()) == people
    assert len(portal.asked) == calls


async def test_people_who_move_between_pages_come_once(source_over):
    rows = [person(1), person(2), person(2), person(3), person(4)]
    source, _ = source_over(Directory(rows, cap=2))
    assert [one.id for one in await source.learners()] == ["1", "2", "3", "4"]


async def test_people_without_an_id_are_skipped(source_over, caplog):
    source, _ = source_over(Directory([person(1), {"id": None}, "x"]))
    assert len(await source.learners()) == 1
    assert "2 items without a usable id" in caplog.text


def courses(first, last):
    return [{"id": str(number), "name": f"C{number}"} for number in range(first, last + 1)]


@pytest.mark.parametrize(
    ("answers", "found", "asked"),
    [
        ({"courses": courses(1, 18)}, 18, 1),
        ({"courses": {"0": courses(1, 1)[0], "4": courses(2, 2)[0]}}, 2, 1),
        ({"courses": courses(1, 20)}, 20, 2),
        ({"courses": courses(1, 20), "courses/page_size:20,page_number:2": courses(1, 20)}, 20, 2),
        ({"courses": courses(1, 20), "courses/page_size:20,page_number:2": courses(21, 23)}, 23, 2),
        (
            {
                "courses": courses(1, 20),
                "courses/page_size:20,page_number:2": courses(21, 40),
                "courses/page_size:20,page_number:3": [],
            },
            40,
            3,
        ),
    ],
)
async def test_the_course_list_is_whole_whether_it_is_paged_or_not(source_over, answers, found, asked):
    source, portal = source_over({"siteinfo": SITEINFO, **answers})
    assert len(await source.courses()) == found
    assert len(portal.asked) == 1 + asked


async def test_a_list_that_is_none_is_an_unexpected_answer(source_over):
    source, _ = source_over({"siteinfo": SITEINFO, "courses": "x"})
    with pytest.raises(UnexpectedAnswer, match="not a list"):
        await source.courses()


async def test_the_portal_is_read_once_and_tells_its_zone_and_what_it_never_fills(source_over):
    source, portal = source_over({"siteinfo": SITEINFO, "courses": []})
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(source.portal)
    found = await source.portal()
    await source.courses()
    assert portal.asked == ["siteinfo", "courses"]
    assert str(found.zone) == "Europe/Athens"
    assert found.unreported == NEVER_FILLED
    typed: Source = source
    assert typed.calls == 3


async def test_a_portal_that_does_not_describe_itself_costs_only_creation_dates(source_over):
    source, _ = source_over({"courses": [{"id": 1, "creation_date": "15/01/2013, 12:46:30"}]})
    (one,) = await source.courses()
    assert one.created_at is None
    with pytest.raises(UnexpectedAnswer):
        await source.portal()


async def test_creation_dates_are_read_in_the_portals_way(source_over):
    source, _ = source_over({"siteinfo": SITEINFO, "courses": [{"id": 1, "creation_date": "15/01/2013, 12:46:30"}]})
    (one,) = await source.courses()
    assert one.created_at == datetime(2013, 1, 15, 10, 46, 30, tzinfo=UTC)


async def test_labels_are_asked_once_and_only_where_a_field_needs_one(source_over):
    answers = {
        "siteinfo": SITEINFO,
        "users/id:1": person(1),
        "users/id:2": person(2, custom_field_1="Oslo"),
        "users/id:3": person(3, custom_field_1="Rome"),
        "getcustomregistrationfields": [{"key": "custom_field_1", "name": "Site"}],
    }
    source, portal = source_over(answers)
    await source.find_learner(user_id="1")
    assert "getcustomregistrationfields" not in portal.asked
    async with anyio.create_task_group() as group:
        for number in ("2", "3"):
            group.start_soon(lambda number: source.find_learner(user_id=number), number)
    assert (await source.find_learner(user_id="3")).custom_fields == {"Site": "Rome"}
    assert portal.asked.count("getcustomregistrationfields") == 1


async def test_without_labels_the_fields_keep_their_keys(source_over):
    source, portal = source_over({"users/id:2": person(2, custom_field_1="Oslo")})
    for _ in range(2):
        assert (await source.find_learner(user_id="2")).custom_fields == {"custom_field_1": "Oslo"}
    assert portal.asked.count("getcustomregistrationfields") == 1


async def test_a_used_up_limit_on_labels_is_not_taken_for_an_answer(source_over):
    limited = httpx.Response(403, json={"error": {"message": "Rate limit exceeded"}})
    source, _ = source_over(
        {
            "users/id:2": person(2, custom_field_1="Oslo"),
            "getcustomregistrationfields": [
                limited,
                httpx.Response(200, json=[{"key": "custom_field_1", "name": "Site"}]),
            ],
        }
    )
    with pytest.raises(Exception, match="rate limit"):
        await source.find_learner(user_id="2")
    assert (await source.find_learner(user_id="2")).custom_fields == {"Site": "Oslo"}


async def test_one_person_is_found_by_id_or_by_address(source_over):
    source, _ = source_over({"users/id:1": person(1), "users/email:p%401.example": person(1)})
    assert (await source.find_learner(user_id="1")).name == "P 1"
    assert (await source.find_learner(email="p@1.example")).id == "1"
    assert await source.find_learner(user_id="2") is None
    for wrong in ({}, {"user_id": "1", "email": "x"}):
        with pytest.raises(ValueError, match="by an id or by"):
            await source.find_learner(**wrong)


async def test_a_course_is_read_as_its_roster_with_the_directory_joined(source_over):
    rows = [{"id": "1", "name": "P. One", "role": "learner"}, {"id": "2", "role": "instructor"}, {"name": "x"}]
    source, portal = source_over({"courses/id:9": {"id": "9", "name": "Nine", "users": rows}})
    found = await source.enrollments(Scope(course_id="9"), courses={}, learners={"1": User(id="1", name="Pia One")})
    assert portal.asked == ["courses/id:9"]
    assert [(one.enrollment.user.name, one.is_learner) for one in found.records] == [("Pia One", True), (None, False)]
    assert (found.complete, found.skipped) == (True, 1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["learner", "instructor"]))), size=st.integers(1, 3)
)
async def test_a_roster_in_parts_leaves_the_same_rows_as_in_one(source_over, people, size):
    rows = [{"id": str(number), "name": f"P {number}", "role": role} for number, role in people]
    source, _ = source_over({"courses/id:9": {"id": "9", "name": "Nine", "users": rows}})
    whole, parts = ScopeRows("a"), ScopeRows("a")
    whole.add(await source.enrollments(Scope(course_id="9"), courses={}, learners={}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "PART_SIZE", size)
        async for part in scope_parts(source, Scope(course_id="9"), courses={}, learners={}):
            parts.add(part)
    told = [(one.rows, one.teachers, {*one.users}, {*one.courses}, one.complete) for one in (whole, parts)]
    assert told[0] == told[1]


async def test_others_have_their_turn_while_a_long_roster_is_mapped(source_over):
    rows = [{"id": str(number), "role": "learner"} for number in range(5 * protocol.PART_SIZE)]
    source, _ = source_over({"courses/id:9": {"id": "9", "name": "Nine", "users": rows}})
    turns, seen = 0, list[int]()

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(others)
        async for _ in scope_parts(source, Scope(course_id="9"), courses={}, learners={}):
            seen.append(turns)
        group.cancel_scope.cancel()
    assert len(seen) == 5
    assert seen == sorted({*seen})


async def test_a_learner_is_read_as_their_transcript_and_comes_along_in_full(source_over):
    source, portal = source_over({"users/id:1": person(1, courses=[taken("9", "failed")])})
    found = await source.enrollments(Scope(user_id="1"), courses={}, learners={})
    assert portal.asked == ["users/id:1"]
    assert found.records[0].enrollment.status is EnrollmentStatus.FAILED
    assert found.learners[0].name == "P 1"


async def test_an_answer_that_is_no_course_or_person_is_unexpected(source_over):
    source, _ = source_over({"users/id:1": [], "courses/id:9": {"name": "no id"}})
    for scope in (Scope(user_id="1"), Scope(course_id="9")):
        with pytest.raises(UnexpectedAnswer, match="not a "):
            await source.enrollments(scope, courses={}, learners={})


async def test_a_pair_in_english_is_one_call_and_has_the_mean_score(source_over):
    source, portal = source_over(
        {"siteinfo": SITEINFO, "getuserstatusincourse/course_id:9,user_id:1": pair("Completed", "50", 100, "")}
    )
    await source.portal()
    found = await source.enrollments(
        Scope("1", "9"), courses={"9": Course(id="9", title="Nine")}, learners={"1": User(id="1", name="Pia")}
    )
    (one,) = found.records
    assert portal.asked[1:] == ["getuserstatusincourse/course_id:9,user_id:1"]
    assert (one.enrollment.status, one.enrollment.score) == (EnrollmentStatus.COMPLETED, 75)
    assert (one.enrollment.user.name, one.enrollment.course.title) == ("Pia", "Nine")
    assert source.capabilities.filled_by_pair == {"score"}


async def test_an_unknown_word_costs_one_transcript_and_is_known_from_then_on(source_over):
    source, portal = source_over(
        {
            "getuserstatusincourse/course_id:9,user_id:1": pair("Απέτυχε"),
            "getuserstatusincourse/course_id:8,user_id:2": pair("Απέτυχε"),
            "users/id:1": person(1, courses=[taken("8", "completed"), taken("9", "failed")]),
        }
    )
    first = await source.enrollments(Scope("1", "9"), courses={}, learners={})
    second = await source.enrollments(Scope("2", "8"), courses={}, learners={})
    assert [one.records[0].enrollment.status for one in (first, second)] == [EnrollmentStatus.FAILED] * 2
    assert first.learners[0].name == "P 1"
    assert portal.asked == [
        "getuserstatusincourse/course_id:9,user_id:1",
        "users/id:1",
        "getuserstatusincourse/course_id:8,user_id:2",
    ]


@pytest.mark.parametrize("word", ["Offen", "Passed", "", None])
async def test_a_word_that_tells_nothing_takes_the_transcripts_code(source_over, word):
    source, _ = source_over(
        {
            "getuserstatusincourse/course_id:9,user_id:1": pair(word),
            "users/id:1": person(1, courses=[taken("8", "completed", "Offen"), taken("9", "failed", "Offen")]),
        }
    )
    for _ in range(2):
        found = await source.enrollments(Scope("1", "9"), courses={}, learners={})
        assert found.records[0].enrollment.status is EnrollmentStatus.FAILED


async def test_a_pair_without_a_transcript_to_learn_from_is_read_by_its_dates(source_over):
    source, _ = source_over(
        {"getuserstatusincourse/course_id:9,user_id:1": pair("Ολοκληρώθηκε"), "users/id:1": {"courses": []}}
    )
    found = await source.enrollments(Scope("1", "9"), courses={}, learners={})
    assert found.records[0].enrollment.status is EnrollmentStatus.COMPLETED
    assert found.learners == ()


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_a_pair_that_is_not_enrolled_is_empty(source_over, status):
    refused = {"error": {"message": "The requested user is not enrolled in this course"}}
    source, _ = source_over({"getuserstatusincourse/course_id:9,user_id:1": httpx.Response(status, json=refused)})
    assert (await source.enrollments(Scope("1", "9"), courses={}, learners={})).records == ()


async def test_an_empty_pair_is_not_enrolled(source_over):
    source, _ = source_over({"getuserstatusincourse/course_id:9,user_id:1": []})
    assert (await source.enrollments(Scope("1", "9"), courses={}, learners={})).records == ()


async def test_remote_data_comes_on_demand(source_over):
    answers = {"users/id:1": person(1, login_key="https://x.example/key:1", courses=[taken("9", "failed")])}
    for wanted in (False, True):
        source, _ = source_over(dict(answers), remote_data=wanted)
        found = await source.enrollments(Scope(user_id="1"), courses={}, learners={})
        assert (found.learners[0].remote_data is not None) is wanted
        assert (found.records[0].enrollment.remote_data is not None) is wanted
        assert "login_key" not in repr(found)


async def test_a_failure_on_the_way_to_the_words_is_told(source_over):
    source, _ = source_over(
        {"getuserstatusincourse/course_id:9,user_id:1": pair("Απέτυχε"), "users/id:1": [httpx.Response(500)]}
    )
    with pytest.raises(Unavailable):
        await source.enrollments(Scope("1", "9"), courses={}, learners={})
