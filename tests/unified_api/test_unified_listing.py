"""Listings: their order, pages across rosters, the calls they take, and the clock."""

import itertools
import json
from datetime import UTC, datetime

import pytest
from scripted_source import ENDS, ScriptedSource, enrolled

from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.unified_api.app import unified_app

pytestmark = pytest.mark.anyio
ENROLLMENTS = "/unified/lms/course-enrollments"
OPEN = ["assigned", "enrolled", "in_progress", "overdue", "unknown"]


@pytest.fixture
def source():
    return ScriptedSource(
        {
            "10": [enrolled("2", "10"), enrolled("11", "10"), enrolled("1", "10")],
            "9": [enrolled("5", "9"), enrolled("4", "9", is_learner=False)],
            "11": [],
            "x": [enrolled("2", "x")],
        }
    )


async def get_page(client, **params):
    response = await client.get(ENROLLMENTS, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def read_all_pages(client, limit, **params):
    pages, cursor = [], ""
    while cursor is not None:
        body = await get_page(client, limit=limit, next_cursor=cursor, **params)
        pages.append([record["id"] for record in body["result"]])
        cursor = body["next_cursor"]
    return pages


async def test_everything_is_ordered_by_course_and_learner_with_numeric_ids_as_numbers(source, in_process):
    async with in_process(source) as client:
        assert await read_all_pages(client, 100) == [["5_9", "1_10", "2_10", "11_10", "2_x"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_pages_cut_across_rosters_and_none_is_empty(source, in_process, limit):
    async with in_process(source) as client:
        pages = await read_all_pages(client, limit)
    assert list(itertools.chain(*pages)) == ["5_9", "1_10", "2_10", "11_10", "2_x"]
    assert all(len(ids) == limit for ids in pages[:-1])
    assert pages[-1]


async def test_a_portal_without_enrollments_has_an_empty_page(in_process):
    async with in_process(ScriptedSource({})) as client:
        body = await get_page(client)
    assert body == {"result": [], "next_cursor": None, "prev_cursor": None, "result_count": 0}


async def test_following_pages_read_each_roster_once_and_the_lists_once(source, in_process):
    async with in_process(source) as client:
        await read_all_pages(client, 1)
    assert sorted(source.calls_made) == sorted(
        ["courses", "learners", "course:9", "course:10", "course:11", "course:x"]
    )


async def test_a_page_without_a_cursor_reads_the_source_again(source, in_process):
    async with in_process(source) as client:
        await get_page(client, limit=1)
        calls_before = len(source.calls_made)
        await get_page(client, limit=1)
    assert source.calls_made[calls_before:] == ["courses", "course:9", "course:10"]


async def test_after_a_minute_a_roster_is_read_again(source, in_process):
    clock = [0.0]
    async with in_process(source, monotonic=lambda: clock[0]) as client:
        cursor = (await get_page(client, limit=2))["next_cursor"]
        clock[0] = 59.0
        await get_page(client, limit=1, next_cursor=cursor)
        calls_before = len(source.calls_made)
        clock[0] = 120.0
        await get_page(client, limit=1, next_cursor=cursor)
    assert source.calls_made[calls_before:] == ["courses", "learners", "course:10"]


async def test_a_list_that_changes_between_pages_neither_repeats_nor_skips(source, in_process):
    clock = [0.0]
    async with in_process(source, monotonic=lambda: clock[0]) as client:
        first = await get_page(client, limit=2)
        source.rosters["10"] = [enrolled("3", "10"), enrolled("11", "10"), enrolled("2", "10")]
        source.rosters["9"] = []
        clock[0] = 3_600.0
        rest = await get_page(client, limit=100, next_cursor=first["next_cursor"])
    assert [record["id"] for record in first["result"]] == ["5_9", "1_10"]
    assert [record["id"] for record in rest["result"]] == ["2_10", "3_10", "11_10", "2_x"]


async def test_a_course_that_is_deleted_after_the_list_was_read_is_skipped(source, in_process):
    def delete_a_course(call):
        if call == "course:9":
            del source.rosters["10"]

    source.fail = delete_a_course
    async with in_process(source) as client:
        assert await read_all_pages(client, 100) == [["5_9", "2_x"]]


async def test_any_process_continues_from_a_cursor(source, in_process):
    async with in_process(source, token="t") as first_process, in_process(source, token="t") as second_process:
        for client in (first_process, second_process):
            client.headers["Authorization"] = "Bearer t"
        cursor = (await get_page(first_process, limit=2))["next_cursor"]
        assert [record["id"] for record in (await get_page(second_process, next_cursor=cursor))["result"]] == [
            "2_10",
            "11_10",
            "2_x",
        ]


async def test_a_cursor_of_another_token_is_refused(source, in_process):
    async with in_process(source) as first_process, in_process(source, token="t") as second_process:
        second_process.headers["Authorization"] = "Bearer t"
        cursor = (await get_page(first_process, limit=2))["next_cursor"]
        assert (await second_process.get(ENROLLMENTS, params={"next_cursor": cursor})).status_code == 400


async def test_a_provider_with_a_list_of_enrollments_is_read_by_that_list(source, in_process):
    source.unavailable_routes = frozenset()
    async with in_process(source) as client:
        assert await read_all_pages(client, 3) == [["5_9", "1_10", "2_10"], ["11_10", "2_x"]]
    assert source.calls_made == ["courses", "learners", "list"]


async def test_a_list_that_turns_out_to_be_unavailable_is_replaced_by_rosters(source, in_process):
    source.costs = dict.fromkeys(FetchRoute, 1)
    async with in_process(source) as client:
        assert await read_all_pages(client, 100) == [["5_9", "1_10", "2_10", "11_10", "2_x"]]


async def test_if_only_pairs_are_available_the_error_names_the_missing_parameters(source, in_process):
    source.unavailable_routes = frozenset({FetchRoute.LIST, FetchRoute.COURSE, FetchRoute.LEARNER})
    async with in_process(source) as client:
        for query in ("", "&user[id]=2", "&course[id]=10"):
            response = await client.get(f"{ENROLLMENTS}?integrated_account_id=acme{query}")
            assert response.status_code == 400
            insight = response.json()["truto_error_insight"]
            assert insight["missing_required_query_parameters"]["value"] == ["user[id]", "course[id]"]
        body = await get_page(client, **{"user[id]": "2", "course[id]": "10"})
    assert [record["id"] for record in body["result"]] == ["2_10"]


async def test_an_incomplete_reading_is_a_partial_response(source, in_process):
    source.complete = False
    async with in_process(source) as client:
        assert (await get_page(client))["is_partial_response"] is True


@pytest.mark.parametrize("status", list(EnrollmentStatus))
@pytest.mark.parametrize(("ends", "ended"), [(ENDS, True), (datetime(2026, 12, 1, tzinfo=UTC), False), (None, False)])
async def test_an_open_enrollment_is_expired_once_access_has_ended(in_process, status, ends, ended):
    source = ScriptedSource({"1": [enrolled("1", "1", status=status, ends=ends)]})
    async with in_process(source) as client:
        (record,) = (await get_page(client))["result"]
    assert record["status"] == ("expired" if ended and status in OPEN else status)


async def test_the_status_is_judged_at_the_time_of_the_request():
    import httpx

    clock = [datetime(2026, 11, 19, tzinfo=UTC)]
    source = ScriptedSource({"1": [enrolled("1", "1"), enrolled("2", "1", ends=ENDS)]})
    app = unified_app({"acme": source}, now=lambda: clock[0])
    params = {"integrated_account_id": "acme"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://endpoint.test", params=params) as client:
        cursor = (await get_page(client, limit=1))["next_cursor"]
        for day, status in ((19, "enrolled"), (21, "expired")):
            clock[0] = datetime(2026, 11, day, tzinfo=UTC)
            assert (await get_page(client, next_cursor=cursor))["result"][0]["status"] == status
    assert source.calls_made.count("course:1") == 1


async def test_the_pages_of_users_and_courses_take_one_reading(source, in_process):
    async with in_process(source) as client:
        for path, call, ids in (
            ("/unified/lms/users", "learners", ["1", "2", "4", "5", "11"]),
            ("/unified/lms/courses", "courses", ["9", "10", "11", "x"]),
        ):
            source.calls_made.clear()
            ids_read, cursor = [], ""
            while cursor is not None:
                body = (await client.get(path, params={"limit": 2, "next_cursor": cursor})).json()
                ids_read += [record["id"] for record in body["result"]]
                cursor = body["next_cursor"]
            assert ids_read == ids
            assert source.calls_made == [call]
            streamed = await client.get(path, params={"truto_response_format": "stream"})
            assert sorted(json.loads(line)["id"] for line in streamed.text.splitlines()) == sorted(ids)


async def test_a_source_without_single_courses_looks_a_course_up_in_its_list(source, in_process):
    async with in_process(source) as client:
        response = await client.get("/unified/lms/courses/10")
        assert response.json() == {"id": "10", "title": "Course 10"}
        assert (await client.get("/unified/lms/courses/99")).status_code == 404


async def test_a_pair_reads_its_person_alone_until_the_directory_is_cached(source, in_process):
    pair = {"user[id]": "2", "course[id]": "10"}
    async with in_process(source) as client:
        await get_page(client, **pair)
        assert "learner:2" in source.calls_made
        await get_page(client)
        source.calls_made.clear()
        await get_page(client, **pair)
    assert source.calls_made == ["pair:2:10"]


async def test_raw_without_remote_data_is_refused(source, in_process):
    async with in_process(source) as client:
        response = await client.get(ENROLLMENTS, params={"truto_response_format": "raw"})
        assert response.status_code == 400
        assert "raw" in response.json()["message"]
    source.rosters = {"1": [enrolled("1", "1", remote_data={"a": 1})]}
    async with in_process(source, remote_data=False) as client:
        assert "remote_data" not in (await get_page(client))["result"][0]
        response = await client.get(ENROLLMENTS, params={"truto_response_format": "raw"})
        assert "switched off" in response.json()["message"]


async def test_a_page_has_a_default_and_a_maximum_size(in_process):
    source = ScriptedSource({"1": [enrolled(str(user_id), "1") for user_id in range(50)]})
    async with in_process(source, default_page_size=10, max_page_size=20) as client:
        assert (await get_page(client))["result_count"] == 10
        assert (await get_page(client, limit=40))["result_count"] == 20
