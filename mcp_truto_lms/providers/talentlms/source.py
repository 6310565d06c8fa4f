"""TalentLMS as a source: courses, people and enrollments of one portal, by its API v1.

Nothing in this API lists all enrollments. A course is read as its roster, which knows neither e-mail addresses nor
failures; a learner as their transcript, which knows everything but scores; a pair by the one answer with scores, whose
status is a display word in the portal's language. Every transcript that passes teaches the words; a word that is still
unknown costs one transcript, so that a status by pair is always the status by transcript.
"""

from __future__ import annotations

import logging
import random as random_module
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import anyio
import httpx

from mcp_truto_lms.domain.errors import NotFound, RateLimited, RouteClosed, SourceError, UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.rate_limits import Acquire
from mcp_truto_lms.domain.source import Capabilities, FetchRoute, Portal, Reading, Scope
from mcp_truto_lms.providers.http_client import HttpClient
from mcp_truto_lms.providers.payload_values import MAX_DURATION_SECONDS, as_object, text, to_int
from mcp_truto_lms.providers.rate_limiter import Clock, Sleep
from mcp_truto_lms.providers.talentlms import enrollments, people
from mcp_truto_lms.providers.talentlms.api import TALENTLMS, NotEnrolled, TalentLmsApi, basic_authorization
from mcp_truto_lms.providers.talentlms.courses import category_names as map_category_names
from mcp_truto_lms.providers.talentlms.courses import course as map_course
from mcp_truto_lms.providers.talentlms.courses import courses as map_courses
from mcp_truto_lms.providers.talentlms.dates import UNKNOWN_DATES, PortalDates, portal_dates
from mcp_truto_lms.providers.talentlms.pages import parse_courses, parse_teams, parse_users
from mcp_truto_lms.providers.talentlms.status import Vocabulary

NEVER_FILLED = frozenset(
    {
        "assigned_at",
        "started_at",
        "last_activity_at",
        "assigned_by.id",
        "assigned_by.name",
        "is_mandatory",
        "attempt_number",
        "attempts_count",
        "created_at",
        "updated_at",
    }
)
PLACES = ("branches", "groups")
CAPABILITIES = Capabilities(
    calls_by_route=MappingProxyType({FetchRoute.COURSE: 1, FetchRoute.LEARNER: 1, FetchRoute.PAIR: 1}),
    filled_by_pair=frozenset({"score"}),
    failure_unknown_routes=frozenset({FetchRoute.COURSE}),
)
"""Nothing lists all enrollments; only a pair has scores; a roster has no status."""

logger = logging.getLogger(__name__)


class TalentLmsSource:
    """One portal behind the `Source` protocol.

        source = TalentLmsSource.connect("https://acme.talentlms.com/api/v1", api_key)
        courses = {course.id: course for course in await source.courses()}

    Args:
        api: the portal's API
        remote_data: whether records keep the raw item, secrets removed
        category_names: whether courses tell what their categories are called, which takes a call more
    """

    def __init__(self, api: TalentLmsApi, *, remote_data: bool = False, category_names: bool = False) -> None:
        self._api = api
        self._remote_data = remote_data
        self._category_names = category_names
        self._dates: PortalDates | None = None
        self._places: Mapping[str, int | None] = {}
        self._labels: Mapping[str, str] | None = None
        self._vocabulary = Vocabulary()
        self._asking_portal = anyio.Lock()
        self._asking_labels = anyio.Lock()

    @classmethod
    def connect(
        cls,
        base_url: str,
        api_key: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = anyio.sleep,
        random: Callable[[], float] = random_module.random,
        now: Callable[[], float] = time.time,
        remote_data: bool = False,
        category_names: bool = False,
        acquire: Acquire | None = None,
    ) -> TalentLmsSource:
        """Make a source; nothing is called yet.

        Args:
            base_url: the address of the API, such as `https://acme.talentlms.com/api/v1`
            api_key: the portal's key
            transport: another way to send, such as to an app in the same process
            clock: a monotonic clock, in seconds
            sleep: waits for seconds
            random: a number of 0 to 1, for jitter
            now: the wall clock, in epoch seconds
            remote_data: whether records keep the raw item, secrets removed
            category_names: whether courses tell what their categories are called, which takes a call more
            acquire: acquires calls from rate limits that processes share

        Raises:
            ConfigurationError: the address or the key cannot be one.
        """
        http = HttpClient(
            base_url,
            TALENTLMS,
            authorization=basic_authorization(api_key),
            transport=transport,
            clock=clock,
            sleep=sleep,
            random=random,
            now=now,
            acquire=acquire,
        )
        return cls(TalentLmsApi(http, now=now), remote_data=remote_data, category_names=category_names)

    def with_remote_data(self) -> TalentLmsSource:
        """Give the same portal as a source whose records keep the raw item; both share its connections and limits."""
        return TalentLmsSource(self._api, remote_data=True, category_names=self._category_names)

    @property
    def calls(self) -> int:
        """How many calls were made so far, further tries and uncharged ones included."""
        return self._api.calls

    @property
    def capabilities(self) -> Capabilities:
        """What the portal can do."""
        return CAPABILITIES

    async def portal(self) -> Portal:
        """Read the portal's zone."""
        dates = await self._portal_dates()
        return Portal(dates.zone, NEVER_FILLED)

    async def courses(self) -> tuple[Course, ...]:
        """Read the whole course list, archived courses included."""
        dates = await self._portal_dates_if_told()
        raw = await parse_courses(self._api.read)
        named: object = await self._api.read("categories") if self._category_names else None
        found = map_courses(raw, dates=dates, categories=map_category_names(named), remote_data=self._remote_data)
        _note_skipped("courses", found.skipped)
        return found.items

    async def learners(self) -> tuple[User, ...]:
        """Read the whole people directory, inactive people included."""
        found: list[User] = []
        async for page in self.learner_pages():
            found.extend(page)
        return tuple(found)

    async def learner_pages(self) -> AsyncGenerator[tuple[User, ...]]:
        """Read the people directory page by page, each person once."""
        dates = await self._portal_dates_if_told()
        seen: set[str] = set()
        skipped = 0
        async for page in parse_users(self._api.read):
            labels = await self._labels_for(page)
            mapped = people.people(page, labels=labels, dates=dates, remote_data=self._remote_data)
            skipped += mapped.skipped
            yield tuple(one for one in mapped.items if one.id not in seen)
            seen.update(one.id for one in mapped.items)
        _note_skipped("users", skipped)

    async def teams(self) -> Mapping[str, tuple[str, ...]]:
        """Read the names of everybody's branches, by learner id; of their groups in a portal without any branch.

        A branch is where people are, and most have one; groups cut across. Mixed, they would count people twice.
        """
        await self._portal_dates_if_told()
        for endpoint in PLACES:
            if self._places.get(endpoint) == 0:  # the portal says that it has none
                continue
            if places := await parse_teams(self._api.read, endpoint):
                return people.teams(await self._read_each(endpoint, places))
        return {}

    def teams_cost(self) -> int | None:
        """How many calls reading the teams takes: the list and each of it; known once the portal told of itself."""
        numbers = [self._places.get(one) for one in PLACES]
        first = next((one for one in numbers if one != 0), 0)
        return first and 1 + first

    async def find_course(self, course_id: str) -> Course | None:
        """Read one course in full by id, None where there is none."""
        dates = await self._portal_dates_if_told()
        try:
            raw = await self._api.read("courses", {"id": course_id})
        except NotFound:
            return None
        return map_course(raw, dates=dates, remote_data=self._remote_data)

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        """Read one person by id or e-mail, None where there is nobody."""
        if (user_id is None) == (email is None):
            raise ValueError("a person is found by an id or by an e-mail address")
        arguments = {"email": email} if email is not None else {"id": user_id or ""}
        try:
            raw = await self._read_user(arguments)
        except NotFound:
            return None
        labels = await self._labels_for([raw])
        return people.user(raw, labels=labels, dates=self._known_dates(), remote_data=self._remote_data)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        """Read one scope. What courses and people are called comes from the given maps, by id.

        Raises:
            NotFound: the learner or course of the scope does not exist.
            RouteClosed: the scope is everything.
        """
        if scope.route is FetchRoute.LIST:
            raise RouteClosed("TalentLMS lists no enrollments but those of one course or one person.")
        if scope.user_id is None:
            return await self._by_course(scope.course_id or "", learners)
        if scope.course_id is None:
            return await self._by_learner(scope.user_id, courses)
        return await self._by_pair(scope.user_id, scope.course_id, courses, learners)

    async def roster_parts(
        self,
        course_id: str,
        *,
        courses: Mapping[str, Course],  # noqa: ARG002  a roster brings the course
        learners: Mapping[str, User],
    ) -> AsyncGenerator[Reading]:
        """Read a course's enrollments, mapped a few hundred at a time.

        Raises:
            NotFound: the course does not exist.
        """
        raw = await self._api.read("courses", {"id": course_id})
        seen: set[str] = set()
        skipped, part = 0, None
        dates, remote_data = self._known_dates(), self._remote_data
        for part in enrollments.roster_parts(raw, learners=learners, dates=dates, remote_data=remote_data):
            known = tuple(one for one in part.records if one.enrollment.id not in seen)
            seen.update(one.enrollment.id for one in known if one.is_learner)
            skipped += part.skipped
            yield Reading(known, skipped=part.skipped)
        if part is None:
            raise _no_course(course_id)
        _note_skipped("courses", skipped)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._api.aclose()

    async def _by_course(self, course_id: str, learners: Mapping[str, User]) -> Reading:
        raw = await self._api.read("courses", {"id": course_id})
        dates, remote_data = self._known_dates(), self._remote_data
        found = enrollments.roster(raw, learners=learners, dates=dates, remote_data=remote_data)
        if found is None:
            raise _no_course(course_id)
        _note_skipped("courses", found.skipped)
        return Reading(found.records, skipped=found.skipped)

    async def _by_learner(self, user_id: str, courses: Mapping[str, Course]) -> Reading:
        raw = await self._read_user({"id": user_id})
        found = await self._transcript(raw, courses)
        if found is None:
            raise UnexpectedAnswer(f"TalentLMS answered for person {user_id} with something that is not a person.")
        _note_skipped("users", found.skipped)
        return Reading(found.records, learners=(found.user,), skipped=found.skipped)

    async def _by_pair(
        self, user_id: str, course_id: str, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        try:
            raw = await self._api.read("getuserstatusincourse", {"course_id": course_id, "user_id": user_id})
        except NotEnrolled:
            return Reading(())
        if not as_object(raw):
            return Reading(())
        learner, came_along = learners.get(user_id), ()
        word = text(as_object(raw).get("completion_status"))
        code = self._vocabulary.code(word)
        if code is None:
            raw_user = await self._read_user({"id": user_id})
            code = enrollments.code_in(raw_user, course_id) or self._vocabulary.code(word) or word
            found = await self._transcript(raw_user, courses)
            if found is not None:
                learner, came_along = found.user, (found.user,)
        one = enrollments.pair(
            raw,
            user_id=user_id,
            course_id=course_id,
            learner=learner,
            course=courses.get(course_id),
            code=code,
            dates=self._known_dates(),
            remote_data=self._remote_data,
        )
        return Reading(() if one is None else (one,), learners=came_along)

    async def _read_each(self, endpoint: str, keys: Sequence[str]) -> list[object]:
        """Read branches or groups in full, side by side, without those that are gone since they were listed."""
        found: dict[str, object] = {}
        failures: list[SourceError] = []
        async with anyio.create_task_group() as group:

            async def read(key: str) -> None:
                try:
                    found[key] = await self._api.read(endpoint, {"id": key})
                except NotFound:
                    return
                except SourceError as error:
                    failures.append(error)
                    group.cancel_scope.cancel()

            for key in keys:
                group.start_soon(read, key)
        if failures:
            raise failures[0]
        return [found[key] for key in keys if key in found]

    async def _read_user(self, arguments: Mapping[str, str]) -> Any:
        raw = await self._api.read("users", arguments)
        self._vocabulary = self._vocabulary.learnt_from(raw)
        return raw

    async def _transcript(self, raw: object, courses: Mapping[str, Course]) -> enrollments.Transcript | None:
        return enrollments.transcript(
            raw,
            courses=courses,
            labels=await self._labels_for([raw]),
            dates=self._known_dates(),
            remote_data=self._remote_data,
        )

    async def _portal_dates(self) -> PortalDates:
        async with self._asking_portal:
            if self._dates is None:
                info = as_object(await self._api.read("siteinfo"))
                self._dates = portal_dates(info)
                self._places = {one: to_int(info.get(f"total_{one}"), most=MAX_DURATION_SECONDS) for one in PLACES}
            return self._dates

    async def _portal_dates_if_told(self) -> PortalDates:
        """Read the portal's dates; without them only the creation dates of courses and people are missing."""
        try:
            return await self._portal_dates()
        except (NotFound, UnexpectedAnswer):
            return UNKNOWN_DATES

    def _known_dates(self) -> PortalDates:
        return self._dates or UNKNOWN_DATES

    async def _labels_for(self, items: list[object]) -> Mapping[str, str]:
        """Read the labels of custom fields, once, if any item has such fields; without them keys stay as they are."""
        if self._labels is None and any(map(people.has_custom_fields, items)):
            async with self._asking_labels:
                if self._labels is None:
                    try:
                        self._labels = people.field_labels(await self._api.read("getcustomregistrationfields"))
                    except RateLimited:
                        raise
                    except SourceError:
                        self._labels = people.NO_LABELS
        return self._labels or people.NO_LABELS


def _no_course(course_id: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"TalentLMS answered for course {course_id} with something that is not a course.")


def _note_skipped(endpoint: str, skipped: int) -> None:
    if skipped:
        logger.warning("%s: %d items without a usable id were skipped", endpoint, skipped)
