"""Pagination of the directory and of the course list."""

from dataclasses import replace
from datetime import date

import httpx
import pytest
from vendor_payloads import ATHENS, raw_user

from mcp_truto_lms.domain.errors import AccessDenied, Unavailable, UnexpectedAnswer
from mcp_truto_lms.domain.source import TeamKind
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.variations import Variations

pytestmark = pytest.mark.anyio


def error(status, message):
    return httpx.Response(status, json={"error": {"type": "invalid_request_error", "message": message}})


class Directory:
    """A portal's `users`, with an undocumented largest page size."""

    def __init__(self, people, cap=None, *, ignores_paging=False, refused=(), past_the_end=None):
        self.people = people
        self.refused = refused
        self.past_the_end = past_the_end
        self.cap = cap
        self.ignores_paging = ignores_paging
        self.asked = []

    def __call__(self, request):
        path = request.url.path.removeprefix("/api/v1/")
        if not path.startswith("users"):
            return httpx.Response(200, json={})
        self.asked.append(path)
        arguments = dict(part.split(":") for part in path.removeprefix("users").strip("/").split(",") if part)
        if arguments.get("page_size") in self.refused:
            return error(400, "Invalid arguments provided")
        size, page = int(arguments.get("page_size", 20)), int(arguments.get("page_number", 1))
        size = min(size, self.cap or size)
        if self.past_the_end and page > 1 and (page - 1) * size >= len(self.people):
            return self.past_the_end
        people = self.people if self.ignores_paging else self.people[(page - 1) * size : page * size]
        return httpx.Response(200, json=people)


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
async def test_the_directory_is_read_to_its_end_whatever_the_largest_page_size(source_over, people, cap, calls):
    source, portal = source_over(Directory([raw_user(number) for number in range(1, people + 1)], cap))
    assert [learner.id for learner in await source.learners()] == [str(number) for number in range(1, people + 1)]
    assert len(portal.asked) == calls
    assert portal.asked[0] == "users/page_size:1000,page_number:1"


@pytest.mark.parametrize(("people", "calls"), [(40, 2), (1000, 2), (1500, 1)])
async def test_reading_ends_if_the_portal_ignores_paging(source_over, people, calls):
    source, portal = source_over(Directory([raw_user(number) for number in range(people)], ignores_paging=True))
    assert len(await source.learners()) == people
    assert len(portal.asked) == calls


PAST_THE_END = [
    error(400, "Invalid arguments provided"),
    error(404, "The requested page does not exist"),
    error(200, "Invalid arguments provided"),
    httpx.Response(404, text="<html>Not found</html>"),
]


@pytest.mark.parametrize("past_the_end", PAST_THE_END)
@pytest.mark.parametrize(("people", "calls"), [(45, 2), (1000, 2), (1500, 2)])
async def test_a_page_that_is_refused_past_the_end_ends_the_list(source_over, people, calls, past_the_end):
    source, portal = source_over(Directory([raw_user(number) for number in range(people)], past_the_end=past_the_end))
    assert len(await source.learners()) == people
    assert len(portal.asked) == calls


@pytest.mark.parametrize("answer", [error(401, "no"), error(403, "API access denied"), httpx.Response(503)])
async def test_other_errors_do_not_end_a_list(source_over, answer):
    source, _ = source_over(Directory([raw_user(number) for number in range(45)], past_the_end=answer))
    with pytest.raises((AccessDenied, Unavailable)):
        await source.learners()


@pytest.mark.parametrize("people", [15, 40, 145])
@pytest.mark.parametrize(
    ("refused", "first_calls"),
    [
        (("1000",), ["users/page_size:1000,page_number:1", "users/page_size:100,page_number:1"]),
        (("1000", "100"), ["users/page_size:1000,page_number:1", "users/page_size:100,page_number:1", "users"]),
    ],
)
async def test_where_a_page_size_is_refused_a_smaller_one_is_tried_then_none(source_over, people, refused, first_calls):
    source, portal = source_over(Directory([raw_user(number) for number in range(people)], refused=refused))
    assert len(await source.learners()) == people
    assert portal.asked[: len(first_calls)] == first_calls


async def test_a_person_on_two_pages_is_returned_once(source_over):
    rows = [raw_user(1), raw_user(2), raw_user(2), raw_user(3), raw_user(4)]
    source, _ = source_over(Directory(rows, cap=2))
    assert [learner.id for learner in await source.learners()] == ["1", "2", "3", "4"]


async def test_people_without_an_id_are_skipped_and_logged(source_over, caplog):
    source, _ = source_over(Directory([raw_user(1), {"id": None}, "x"]))
    assert len(await source.learners()) == 1
    assert "2 items without a usable id" in caplog.text


def raw_courses(first, last):
    return [{"id": str(number), "name": f"C{number}"} for number in range(first, last + 1)]


@pytest.mark.parametrize(
    ("answers", "course_count", "list_calls"),
    [
        ({"courses": raw_courses(1, 18)}, 18, 1),
        ({"courses": {"0": raw_courses(1, 1)[0], "4": raw_courses(2, 2)[0]}}, 2, 1),
        ({"courses": raw_courses(1, 20)}, 20, 2),
        ({"courses": raw_courses(1, 20), "courses/page_size:20,page_number:2": raw_courses(1, 20)}, 20, 2),
        ({"courses": raw_courses(1, 20), "courses/page_size:20,page_number:2": raw_courses(21, 23)}, 23, 2),
        (
            {
                "courses": raw_courses(1, 20),
                "courses/page_size:20,page_number:2": raw_courses(21, 40),
                "courses/page_size:20,page_number:3": [],
            },
            40,
            3,
        ),
    ],
)
async def test_the_course_list_is_complete_whether_it_is_paged_or_not(source_over, answers, course_count, list_calls):
    source, portal = source_over({"siteinfo": ATHENS, **answers})
    assert len(await source.courses()) == course_count
    assert len(portal.asked) == 1 + list_calls


@pytest.mark.parametrize("past_the_end", ["empty", 400, 404])
@pytest.mark.parametrize("page_size", [20, 17])
@pytest.mark.parametrize("endpoint", ["courses", "branches", "groups"])
async def test_every_list_is_read_to_its_end(open_portal, endpoint, page_size, past_the_end):
    organisation = generate(today=date(2026, 11, 23), learners=60, courses=60)
    branch, group = organisation.branches[0], organisation.groups[0]
    organisation = replace(
        organisation,
        branches=tuple(replace(branch, id=str(n), name=f"B{n}") for n in range(1, 61)) * (endpoint == "branches"),
        groups=tuple(replace(group, id=str(n), name=f"G{n}") for n in range(1, 61)),
        people=tuple(
            replace(person, branch_ids=(person.id,) if endpoint == "branches" else (), group_ids=(person.id,))
            for person in organisation.people[:60]
        ),
    )
    variations = Variations(pages_every_list=True, default_page_size=page_size, past_the_end=past_the_end)
    source, portal = open_portal(organisation, variations)
    if endpoint == "courses":
        assert len(await source.courses()) == 60
    else:
        kind = TeamKind.BRANCH if endpoint == "branches" else TeamKind.GROUP
        assert len(await source.teams(kind)) == 60
    assert portal.log.counts()[endpoint] == 4
    assert source.unlisted(endpoint) == 0


async def test_a_list_whose_pages_have_no_size_is_read_by_their_numbers(open_portal):
    organisation = generate(today=date(2026, 11, 23), learners=5, courses=30)
    source, portal = open_portal(organisation, Variations(pages_every_list=True, refused_page_size=1))
    assert len(await source.courses()) == 30
    assert [request.arguments for request in portal.log if request.endpoint == "courses"] == [
        {},
        {"page_size": "20", "page_number": "2"},
        {"page_number": "2"},
    ]


@pytest.mark.parametrize(
    ("total", "course_count", "unlisted", "calls"),
    [("18", 18, 0, 2), ("15", 18, 0, 2), (None, 18, 0, 2), ("20", 18, 2, 5), ("Many", 18, 0, 2)],
)
async def test_a_list_is_compared_with_the_portals_total(source_over, total, course_count, unlisted, calls):
    source, portal = source_over(
        {"siteinfo": {**ATHENS, "total_courses": total}, "courses": raw_courses(1, course_count)}
    )
    await source.courses()
    assert (source.unlisted("courses"), len(portal.asked)) == (unlisted, calls)
    await source.courses()
    assert (source.unlisted("courses"), len(portal.asked)) == (unlisted, calls + 1)


async def test_a_list_that_became_shorter_since_the_total_was_read_lacks_nothing(source_over):
    source, portal = source_over({"siteinfo": {**ATHENS, "total_courses": 3}, "courses": raw_courses(1, 3)})
    await source.courses()
    portal.answers |= {"siteinfo": {**ATHENS, "total_courses": 2}, "courses": raw_courses(1, 2)}
    await source.courses()
    assert source.unlisted("courses") == 0


async def test_items_without_a_usable_id_are_counted_as_unlisted(source_over):
    rows = [{"id": None}, {"id": ""}, {"id": True}, {"id": {}}]
    source, _ = source_over({"siteinfo": ATHENS, "courses": [*raw_courses(1, 3), *rows]})
    assert len(await source.courses()) == 3
    assert source.unlisted("courses") == 4


async def test_a_course_list_that_is_not_a_list_is_an_error(source_over):
    source, _ = source_over({"siteinfo": ATHENS, "courses": "x"})
    with pytest.raises(UnexpectedAnswer, match="not a list"):
        await source.courses()
