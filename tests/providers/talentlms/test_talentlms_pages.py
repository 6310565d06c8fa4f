"""Pagination of the directory and of the course list."""

import httpx
import pytest
from vendor_payloads import ATHENS, raw_user

from mcp_truto_lms.domain.errors import UnexpectedAnswer

pytestmark = pytest.mark.anyio


class Directory:
    """A portal's `users`, with an undocumented largest page size."""

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


async def test_a_course_list_that_is_not_a_list_is_an_error(source_over):
    source, _ = source_over({"siteinfo": ATHENS, "courses": "x"})
    with pytest.raises(UnexpectedAnswer, match="not a list"):
        await source.courses()
