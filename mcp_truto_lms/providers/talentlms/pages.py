"""Pagination: reads the lists of a portal to their end.

The API returns bare arrays: no total, no link to a next page, and an undocumented largest page size; larger ones may be
refused. A page shorter than requested is the last one, unless it is as long as the server ever sends:

- the server sends pages as long as the largest page so far, so a shorter page is the last one;
- a short first page may be limited by the server, so the next page is requested;
- a page without a new id is the end: the server ignores paging, or there are no more items;
- a page that the server refuses after it sent the first one is the end.

So a directory costs its pages, and one more call if a single page, or only full pages, contain everything. The other
lists are documented without paging, and are requested so; the next page is requested only where the list is as long as
a usual page, or shorter than the portal says that it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, cast

from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.providers.payload_values import as_list, as_object, identifier
from mcp_truto_lms.providers.talentlms.api import NoSuchPage

PAGE_SIZES = (1000, 100)
"""The sizes of a page of people, as far as the server accepts them; then its own size."""
USUAL_PAGE_SIZES = frozenset({10, 20, 25, 50, 100, 200, 250, 500, 1000})

Read = Callable[[str, Mapping[str, str]], Awaitable[Any]]


async def read_users(read: Read) -> AsyncIterator[list[object]]:
    """Read the people directory page by page; a person may be on two pages."""
    page_size: int | None
    for page_size in PAGE_SIZES:
        try:
            page = await _read_page(read, "users", page_size=page_size, page_number=1)
        except NoSuchPage:
            continue
        break
    else:
        page_size, page = None, _items(await read("users", {}), "users")
    seen: set[str | None] = set()
    largest, page_number = 0, 1
    while new_ids := _identifiers(page) - seen:
        seen |= new_ids
        yield page
        if len(page) < largest or (page_size is not None and len(page) > page_size):
            return
        largest, page_number = max(largest, len(page)), page_number + 1
        try:
            page = await _read_page(read, "users", page_size=page_size, page_number=page_number)
        except NoSuchPage:
            return


async def read_list(read: Read, endpoint: str, *, at_least: int = 0) -> list[object]:
    """Read a list that is documented without paging.

    Args:
        read: makes a call
        endpoint: of the list
        at_least: how many items the portal says that it has
    """
    items = _items(await read(endpoint, {}), endpoint)
    size, page_number, page_size = len(items), 2, len(items)
    seen = _identifiers(items)
    may_have_more = bool(items) and (size in USUAL_PAGE_SIZES or size < at_least)
    while may_have_more:
        try:
            page = await _read_page(read, endpoint, page_size=page_size, page_number=page_number)
        except NoSuchPage:
            if page_size is None or len(seen) >= at_least:
                break
            page_size = None  # the portal has more, and may refuse the size alone
            continue
        new_ids = _identifiers(page) - seen
        seen |= new_ids
        items.extend(page if new_ids else ())
        may_have_more = bool(new_ids) and len(page) >= size
        page_number += 1
    return items


def identifiers(items: list[object]) -> list[str]:
    """List the usable ids of items, each once."""
    return [key for key in dict.fromkeys(map(_identifier, items)) if key is not None]


async def _read_page(read: Read, endpoint: str, *, page_size: int | None, page_number: int) -> list[object]:
    arguments = {"page_number": str(page_number)}
    if page_size is not None:
        arguments = {"page_size": str(page_size), **arguments}
    return _items(await read(endpoint, arguments), endpoint)


def _identifiers(page: list[object]) -> set[str | None]:
    return set(map(_identifier, page))


def _identifier(item: object) -> str | None:
    return identifier(as_object(item).get("id"))


def _items(raw: object, endpoint: str) -> list[object]:
    if isinstance(raw, list | dict):
        return list(as_list(cast("object", raw)))
    raise UnexpectedAnswer(f"TalentLMS answered `{endpoint}` with something that is not a list.")
