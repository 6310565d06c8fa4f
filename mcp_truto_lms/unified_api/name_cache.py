"""The names of courses and people, which enrollments are joined with; cached for a minute.

A listing of many pages needs them on every page. Only the fields that enrollments show are cached. People are cached as
JSON, so that a large directory takes little memory, at the price of parsing a person for each of their enrollments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing

import anyio

from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import Source, directory_pages

CACHE_SECONDS = 60.0
_CACHED_USER_FIELDS = {"id", "name", "emails", "custom_fields"}


class CachedPeople(Mapping[str, User]):
    """People by id, with their names, addresses and custom fields; a person is parsed on access."""

    def __init__(self) -> None:
        self._json_by_id: dict[str, bytes] = {}

    def add(self, people: Iterable[User]) -> None:
        """Add people, or replace those who are present."""
        for person in people:
            serialized = person.model_dump_json(include=_CACHED_USER_FIELDS, exclude_none=True)
            self._json_by_id[person.id] = serialized.encode()

    def __getitem__(self, user_id: str) -> User:
        return User.model_validate_json(self._json_by_id[user_id])

    def __iter__(self) -> Iterator[str]:
        return iter(self._json_by_id)

    def __len__(self) -> int:
        return len(self._json_by_id)


class NameCache:
    """The courses and people of one account, by id.

    Args:
        source: the account's provider
        monotonic: a clock that never goes back, in seconds
    """

    def __init__(self, source: Source, *, monotonic: Callable[[], float]) -> None:
        self._source = source
        self._monotonic = monotonic
        self._courses: Mapping[str, Course] = {}
        self._people: Mapping[str, User] = {}
        self._courses_read_at = self._people_read_at = float("-inf")
        self._courses_lock = anyio.Lock()
        self._people_lock = anyio.Lock()

    async def courses(self, *, fresh: bool = False) -> Mapping[str, Course]:
        """Return all courses; `fresh` reads them again."""
        async with self._courses_lock:
            if fresh or not self._is_fresh(self._courses_read_at):
                courses = await self._source.courses()
                self._courses = {course.id: _without_unused_fields(course) for course in courses}
                self._courses_read_at = self._monotonic()
            return self._courses

    async def people(self) -> Mapping[str, User]:
        """Return all people."""
        async with self._people_lock:
            if not self._is_fresh(self._people_read_at):
                people = CachedPeople()
                async with aclosing(directory_pages(self._source)) as pages:
                    async for page in pages:
                        people.add(page)
                self._people, self._people_read_at = people, self._monotonic()
            return self._people

    async def person(self, user_id: str) -> Mapping[str, User]:
        """Return a mapping with one person if they exist, without reading the directory for it."""
        if self._is_fresh(self._people_read_at):
            return self._people
        try:
            person = await self._source.find_learner(user_id=user_id)
        except UnexpectedAnswer:
            return {}  # the enrollments of somebody whose own record cannot be read are readable all the same
        return {} if person is None else {person.id: person}

    def _is_fresh(self, read_at: float) -> bool:
        return self._monotonic() - read_at < CACHE_SECONDS


def _without_unused_fields(course: Course) -> Course:
    return Course.model_construct(id=course.id, title=course.title, terms=course.terms)
