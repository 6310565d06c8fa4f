"""Walking everything: order, pages across rosters, what is read for them, and the clock."""

import itertools
import json
from datetime import UTC, datetime

import pytest
from played_source import ENDS, PlayedSource, enrolled

from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.unified_api.app import unified_app

pytestmark = pytest.mark.anyio
ENROLLMENTS = "/unified/lms/course-enrollments"
OPEN = ["assigned", "enrolled", "in_progress", "overdue", "unknown"]


@pytest.fixture
def source():
    return PlayedSource(
        {
            "10": [enrolled("2", "10"), enrolled("11", "10"), enrolled("1", "10")],
            "9": [enrolled("5", "9"), enrolled("4", "9", is_learner=False)],
            "11": [],
            "x": [enrolled("2", "x")],
        }
    )


async def page(client, **params):
    response = await client.get(ENROLLMENTS, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def walk(client, limit, **params):
    pages, cursor = [], ""
    while cursor is not None:
        body = await page(client, limit=limit, next_cursor=cursor, **params)
        pages.append([one["id"] for one in body["result"]])
        cursor = body["next_cursor"]
    return pages


async def test_everything_comes_by_course_and_learner_numbers_as_numbers(source, in_process):
    async with in_process(source) as client:
        assert await walk(client, 100) == [["5_9", "1_10", "2_10", "11_10", "2_x"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_pages_cut_across_rosters_and_none_is_empty(source, in_process, limit):
    async with in_process(source) as client:
        pages = await walk(client, limit)
    assert list(itertools.chain(*pages)) == ["5_9", "1_10", "2_10", "11_10", "2_x"]
    assert all(len(one) == limit for one in pages[:-1])
    assert pages[-1]


async def test_nothing_at_all_is_one_empty_page(in_process):
    async with in_process(PlayedSource({})) as client:
        body = await page(client)
    assert body == {"result": [], "next_cursor": None, "prev_cursor": None, "result_count": 0}


async def test_following_pages_read_each_roster_once_and_no_list_again(source, in_process):
    async with in_process(source) as client:
        await walk(client, 1)
    assert sorted(source.read) == sorted(["courses", "learners", "course:9", "course:10", "course:11", "course:x"])


async def test_a_page_without_a_cursor_reads_everything_anew(source, in_process):
    async with in_process(source) as client:
        await page(client, limit=1)
        before = len(source.read)
        await page(client, limit=1)
    assert source.read[before:] == ["courses", "course:9", "course:10"]


async def test_after_a_minute_a_roster_is_read_again(source, in_process):
    clock = [0.0]
    async with in_process(source, monotonic=lambda: clock[0]) as client:
        cursor = (await page(client, limit=2))["next_cursor"]
        clock[0] = 59.0
        await page(client, limit=1, next_cursor=cursor)
        before = len(source.read)
        clock[0] = 120.0
        await page(client, limit=1, next_cursor=cursor)
    assert source.read[before:] == ["courses", "learners", "course:10"]


async def test_a_list_that_changes_between_pages_neither_repeats_nor_skips(source, in_process):
    clock = [0.0]
    async with in_process(source, monotonic=lambda: clock[0]) as client:
        first = await page(client, limit=2)
        source.rosters["10"] = [enrolled("3", "10"), enrolled("11", "10"), enrolled("2", "10")]
        source.rosters["9"] = []
        clock[0] = 3_600.0
        rest = await page(client, limit=100, next_cursor=first["next_cursor"])
    assert [one["id"] for one in first["result"]] == ["5_9", "1_10"]
    assert [one["id"] for one in rest["result"]] == ["2_10", "3_10", "11_10", "2_x"]


async def test_a_course_that_is_gone_since_the_list_was_read_is_passed_over(source, in_process):
    def lose(what):
        if what == "course:9":
            del source.rosters["10"]

    source.fail = lose
    async with in_process(source) as client:
        assert await walk(client, 100) == [["5_9", "2_x"]]


async def test_any_process_goes_on_from_a_cursor(source, in_process):
    async with in_process(source, token="t") as one, in_process(source, token="t") as another:
        for client in (one, another):
            client.headers["Authorization"] = "Bearer t"
        cursor = (await page(one, limit=2))["next_cursor"]
        assert [row["id"] for row in (await page(another, next_cursor=cursor))["result"]] == ["2_10", "11_10", "2_x"]


async def test_a_cursor_of_another_token_is_refused(source, in_process):
    async with in_process(source) as one, in_process(source, token="t") as another:
        another.headers["Authorization"] = "Bearer t"
        cursor = (await page(one, limit=2))["next_cursor"]
        assert (await another.get(ENROLLMENTS, params={"next_cursor": cursor})).status_code == 400


async def test_a_provider_with_a_list_of_its_own_is_read_by_it(source, in_process):
    source.closed = frozenset()
    async with in_process(source) as client:
        assert await walk(client, 3) == [["5_9", "1_10", "2_10"], ["11_10", "2_x"]]
    assert source.read == ["courses", "learners", "list"]


async def test_a_list_that_turns_out_to_be_closed_is_replaced_by_rosters(source, in_process):
    source.costs = dict.fromkeys(FetchRoute, 1)
    async with in_process(source) as client:
        assert await walk(client, 100) == [["5_9", "1_10", "2_10", "11_10", "2_x"]]


async def test_where_only_pairs_are_open_the_refusal_names_what_is_missing(source, in_process):
    source.closed = frozenset({FetchRoute.LIST, FetchRoute.COURSE, FetchRoute.LEARNER})
    async with in_process(source) as client:
        for query in ("", "&user[id]=2", "&course[id]=10"):
            response = await client.get(f"{ENROLLMENTS}?integrated_account_id=acme{query}")
            assert response.status_code == 400
            insight = response.json()["truto_error_insight"]
            assert insight["missing_required_query_parameters"]["value"] == ["user[id]", "course[id]"]
        body = await page(client, **{"user[id]": "2", "course[id]": "10"})
    assert [one["id"] for one in body["result"]] == ["2_10"]


async def test_a_reading_that_is_not_whole_makes_a_partial_response(source, in_process):
    source.complete = False
    async with in_process(source) as client:
        assert (await page(client))["is_partial_response"] is True


@pytest.mark.parametrize("status", list(EnrollmentStatus))
@pytest.mark.parametrize(("ends", "ended"), [(ENDS, True), (datetime(2026, 12, 1, tzinfo=UTC), False), (None, False)])
async def test_an_open_enrollment_is_expired_once_access_has_ended(in_process, status, ends, ended):
    source = PlayedSource({"1": [enrolled("1", "1", status=status, ends=ends)]})
    async with in_process(source) as client:
        (one,) = (await page(client))["result"]
    assert one["status"] == ("expired" if ended and status in OPEN else status)


async def test_the_status_is_that_of_the_moment_of_the_request_not_of_the_reading():
    import httpx

    clock = [datetime(2026, 11, 19, tzinfo=UTC)]
    source = PlayedSource({"1": [enrolled("1", "1"), enrolled("2", "1", ends=ENDS)]})
    app = unified_app({"acme": source}, now=lambda: clock[0])
    params = {"integrated_account_id": "acme"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://endpoint.test", params=params) as client:
        cursor = (await page(client, limit=1))["next_cursor"]
        for day, status in ((19, "enrolled"), (21, "expired")):
            clock[0] = datetime(2026, 11, day, tzinfo=UTC)
            assert (await page(client, next_cursor=cursor))["result"][0]["status"] == status
    assert source.read.count("course:1") == 1


async def test_users_and_courses_page_over_one_reading(source, in_process):
    async with in_process(source) as client:
        for path, read, ids in (
            ("/unified/lms/users", "learners", ["1", "2", "4", "5", "11"]),
            ("/unified/lms/courses", "courses", ["9", "10", "11", "x"]),
        ):
            source.read.clear()
            found, cursor = [], ""
            while cursor is not None:
                body = (await client.get(path, params={"limit": 2, "next_cursor": cursor})).json()
                found += [one["id"] for one in body["result"]]
                cursor = body["next_cursor"]
            assert found == ids
            assert source.read == [read]
            streamed = await client.get(path, params={"truto_response_format": "stream"})
            assert sorted(json.loads(line)["id"] for line in streamed.text.splitlines()) == sorted(ids)


async def test_a_source_without_single_courses_finds_one_in_its_list(source, in_process):
    async with in_process(source) as client:
        found = await client.get("/unified/lms/courses/10")
        assert found.json() == {"id": "10", "title": "Course 10"}
        assert (await client.get("/unified/lms/courses/99")).status_code == 404


async def test_a_pair_asks_for_its_person_alone_until_everybody_is_known(source, in_process):
    pair = {"user[id]": "2", "course[id]": "10"}
    async with in_process(source) as client:
        await page(client, **pair)
        assert "learner:2" in source.read
        await page(client)
        source.read.clear()
        await page(client, **pair)
    assert source.read == ["pair:2:10"]


async def test_raw_without_remote_data_is_refused_by_name(source, in_process):
    async with in_process(source) as client:
        response = await client.get(ENROLLMENTS, params={"truto_response_format": "raw"})
        assert response.status_code == 400
        assert "raw" in response.json()["message"]
    source.rosters = {"1": [enrolled("1", "1", remote_data={"a": 1})]}
    async with in_process(source, remote_data=False) as client:
        assert "remote_data" not in (await page(client))["result"][0]
        response = await client.get(ENROLLMENTS, params={"truto_response_format": "raw"})
        assert "switched off" in response.json()["message"]


async def test_a_page_has_a_default_and_a_largest_size(in_process):
    source = PlayedSource({"1": [enrolled(str(n), "1") for n in range(50)]})
    async with in_process(source, default_page_size=10, max_page_size=20) as client:
        assert (await page(client))["result_count"] == 10
        assert (await page(client, limit=40))["result_count"] == 20
