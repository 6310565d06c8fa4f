"""Pagination: reads the lists of a portal to their end.

The API returns bare arrays: no total, no link to a next page, and an undocumented largest page size. A page shorter
than requested is the last one, unless it is as long as the server ever sends:

- the server sends pages as long as the largest page so far, so a shorter page is the last one;
- a short first page may be limited by the server, so the next page is requested;
- a page without a new id is the end: the server ignores paging, or there are no more items.

So a directory costs its pages, and one more call if a single page, or only full pages, contain everything. `courses` is
documented without paging; the next page is requested only where the list is as long as a usual page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, cast

from mcp_truto_lms.domain.errors import NotFound, UnexpectedAnswer
from mcp_truto_lms.providers.payload_values import as_list, as_object, identifier

PAGE_SIZE = 1000
USUAL_PAGE_SIZES = frozenset({10, 20, 25, 50, 100, 200, 250, 500, 1000})

Read = Callable[[str, Mapping[str, str]], Awaitable[Any]]


async def read_users(read: Read) -> AsyncIterator[list[object]]:
    """Read the people directory page by page; a person may be on two pages."""
    seen: set[str | None] = set()
    largest, page_number = 0, 1
    while True:
        raw = await read("users", {"page_size": str(PAGE_SIZE), "page_number": str(page_number)})
        page = _items(raw, "users")
        new_ids = _identifiers(page) - seen
        if not new_ids:
            return
        seen |= new_ids
        yield page
        if len(page) < largest or len(page) > PAGE_SIZE:
            return
        largest, page_number = max(largest, len(page)), page_number + 1


async def read_courses(read: Read) -> list[object]:
    """Read the course list."""
    courses = _items(await read("courses", {}), "courses")
    size, page_number = len(courses), 2
    if size not in USUAL_PAGE_SIZES:
        return courses
    seen = _identifiers(courses)
    while True:
        try:
            raw = await read("courses", {"page_size": str(size), "page_number": str(page_number)})
        except (NotFound, UnexpectedAnswer):
            return courses  # this portal does not page its courses
        page = _items(raw, "courses")
        new_ids = _identifiers(page) - seen
        if not new_ids:
            return courses
        seen |= new_ids
        courses.extend(page)
        if len(page) < size:
            return courses
        page_number += 1


async def read_team_ids(read: Read, endpoint: str) -> list[str]:
    """Read the ids of all branches or groups."""
    teams = _items(await read(endpoint, {}), endpoint)
    return [key for key in (identifier(as_object(team).get("id")) for team in teams) if key is not None]


def _identifiers(page: list[object]) -> set[str | None]:
    return {identifier(as_object(item).get("id")) for item in page}


def _items(raw: object, endpoint: str) -> list[object]:
    if isinstance(raw, list | dict):
        return list(as_list(cast("object", raw)))
    raise UnexpectedAnswer(f"TalentLMS answered `{endpoint}` with something that is not a list.")
