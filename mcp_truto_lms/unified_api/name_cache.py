"""What courses and people are called: the two lists that enrollments are joined with.

Each is read when it is first needed and used for a minute, since a walk through many pages needs it for every page.
Both are held without what enrollments do not show, and people packed besides: a large directory stays small, at the
price of reading a person anew for each of their enrollments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing

import anyio

from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import Source, directory_pages

KEEP_SECONDS = 60.0
_SHOWN_OF_PEOPLE = {"id", "name", "emails", "custom_fields"}


class CachedPeople(Mapping[str, User]):
    """People by id, with their names, addresses and custom fields; each is unpacked when asked for."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def add(self, people: Iterable[User]) -> None:
        """Add people; one who is there already is replaced."""
        for one in people:
            self._packed[one.id] = one.model_dump_json(include=_SHOWN_OF_PEOPLE, exclude_none=True).encode()

    def __getitem__(self, user_id: str) -> User:
        return User.model_validate_json(self._packed[user_id])

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


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
        self._reading_courses = anyio.Lock()
        self._reading_people = anyio.Lock()

    async def courses(self, *, fresh: bool = False) -> Mapping[str, Course]:
        """Give all courses; `fresh` reads them again."""
        async with self._reading_courses:
            if fresh or not self._is_recent(self._courses_read_at):
                self._courses = {one.id: _named_course(one) for one in await self._source.courses()}
                self._courses_read_at = self._monotonic()
            return self._courses

    async def people(self, *, fresh: bool = False) -> Mapping[str, User]:
        """Give everyone; `fresh` reads them again."""
        async with self._reading_people:
            if fresh or not self._is_recent(self._people_read_at):
                people = CachedPeople()
                async with aclosing(directory_pages(self._source)) as pages:
                    async for page in pages:
                        people.add(page)
                self._people, self._people_read_at = people, self._monotonic()
            return self._people

    async def person(self, user_id: str) -> Mapping[str, User]:
        """Give one person, or nobody; looked up alone unless everyone is known anyway."""
        if self._is_recent(self._people_read_at):
            return self._people
        found = await self._source.find_learner(user_id=user_id)
        return {} if found is None else {found.id: found}

    def _is_recent(self, read_at: float) -> bool:
        return self._monotonic() - read_at < KEEP_SECONDS


def _named_course(one: Course) -> Course:
    return Course.model_construct(id=one.id, title=one.title, custom_fields=one.custom_fields)
