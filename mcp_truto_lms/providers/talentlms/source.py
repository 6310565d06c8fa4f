"""TalentLMS as a source: courses, people and enrollments of one portal, by its API v1.

The API does not list all enrollments. A course is read as its roster, which has neither e-mail addresses nor failures;
a learner as their transcript, which has everything except scores; a pair by the only endpoint with scores, whose status
is a display word in the portal's language. Every transcript adds its words to the vocabulary. An unknown word costs one
transcript, so that a pair always has the same status as the transcript.
"""

from __future__ import annotations

import logging
import random as random_module
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from types import MappingProxyType
from typing import Any

import anyio
import httpx

from mcp_truto_lms.domain.errors import NotFound, RateLimited, RouteClosed, SourceError, UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.rate_limits import Acquire, RateLimit, Sleep
from mcp_truto_lms.domain.source import Capabilities, FetchRoute, Portal, Reading, Scope, TeamKind
from mcp_truto_lms.providers.http_client import HttpClient
from mcp_truto_lms.providers.payload_values import as_list, as_object, identifier, text
from mcp_truto_lms.providers.rate_limiter import Clock
from mcp_truto_lms.providers.talentlms import enrollments, people
from mcp_truto_lms.providers.talentlms.api import TALENTLMS, NotEnrolled, TalentLmsApi, basic_authorization
from mcp_truto_lms.providers.talentlms.courses import category_names as map_category_names
from mcp_truto_lms.providers.talentlms.courses import course as map_course
from mcp_truto_lms.providers.talentlms.courses import courses as map_courses
from mcp_truto_lms.providers.talentlms.pages import identifiers, read_users
from mcp_truto_lms.providers.talentlms.portal_profile import PortalProfile
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
TEAM_ENDPOINTS = MappingProxyType({TeamKind.BRANCH: "branches", TeamKind.GROUP: "groups"})
CAPABILITIES = Capabilities(
    calls_by_route=MappingProxyType({FetchRoute.COURSE: 1, FetchRoute.LEARNER: 1, FetchRoute.PAIR: 1}),
    filled_by_pair=frozenset({"score"}),
    outcome_unknown_routes=frozenset({FetchRoute.COURSE}),
)
"""Nothing lists all enrollments; only a pair has scores; a roster has no status."""

logger = logging.getLogger(__name__)


class TalentLmsSource:
    """One portal behind the `Source` protocol.

        source = TalentLmsSource.connect("https://acme.talentlms.com/api/v1", api_key)
        courses = {course.id: course for course in await source.courses()}

    Args:
        api: the portal's API
        remote_data: whether records carry the raw item, secrets removed
        category_names: whether courses have the names of their categories, which takes one more call
    """

    def __init__(self, api: TalentLmsApi, *, remote_data: bool = False, category_names: bool = False) -> None:
        self._api = api
        self._remote_data = remote_data
        self._category_names = category_names
        self._profile = PortalProfile(api)
        self._labels: Mapping[str, str] | None = None
        self._vocabulary = Vocabulary()
        self._labels_lock = anyio.Lock()

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
        limits: tuple[RateLimit, ...] = TALENTLMS.limits,
    ) -> TalentLmsSource:
        """Make a source, without any call.

        Args:
            base_url: the address of the API, such as `https://acme.talentlms.com/api/v1`
            api_key: the portal's key
            transport: an HTTP transport, such as to an app in the same process
            clock: a monotonic clock, in seconds
            sleep: waits for seconds
            random: a number of 0 to 1, for jitter
            now: the wall clock, in epoch seconds
            remote_data: whether records carry the raw item, secrets removed
            category_names: whether courses have the names of their categories, which takes one more call
            acquire: acquires calls from rate limits that processes share
            limits: the rate limits of the portal

        Raises:
            ConfigurationError: the address or the key is not valid.
        """
        http = HttpClient(
            base_url,
            replace(TALENTLMS, limits=limits),
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
        """Return the same portal as a source whose records carry the raw item; both share connections and limits."""
        return TalentLmsSource(self._api, remote_data=True, category_names=self._category_names)

    @property
    def calls(self) -> int:
        """How many calls were made so far, retries and uncharged ones included."""
        return self._api.calls

    @property
    def capabilities(self) -> Capabilities:
        """The routes, columns and costs of TalentLMS."""
        return CAPABILITIES

    async def portal(self) -> Portal:
        """Read the portal's zone, as far as `siteinfo` and rows tell."""
        dates = await self._profile.read()
        return Portal(dates.zone, NEVER_FILLED)

    def assume_zone(self, zone: tzinfo) -> None:
        """Begin with the zone that was inferred before."""
        self._profile.dates.assume_zone(zone)

    async def courses(self) -> tuple[Course, ...]:
        """Read the whole course list, archived courses included."""
        dates = await self._profile.read(again=True)
        raw = await self._profile.read_list("courses")
        categories = map_category_names(await self._profile.read_list("categories") if self._category_names else None)
        mapped = map_courses(raw, dates=dates, categories=categories, remote_data=self._remote_data)
        await self._compare_with_total("courses", len(mapped.items), mapped.skipped)
        return mapped.items

    async def learners(self) -> tuple[User, ...]:
        """Read the whole people directory, inactive people included."""
        return tuple([user async for page in self.learner_pages() for user in page])

    async def learner_pages(self) -> AsyncGenerator[tuple[User, ...]]:
        """Read the people directory page by page, each person once."""
        seen: set[str] = set()
        skipped = 0
        await self._profile.read(again=True)
        async for page in read_users(self._api.read):
            self._profile.dates.observe_people(page)
            dates = self._profile.dates.known
            labels = await self._labels_for(page)
            mapped = people.people(page, labels=labels, dates=dates, remote_data=self._remote_data)
            skipped += mapped.skipped
            yield tuple(user for user in mapped.items if user.id not in seen)
            seen.update(user.id for user in mapped.items)
        await self._compare_with_total("users", len(seen), skipped)

    async def teams(self, kind: TeamKind) -> Mapping[str, tuple[str, ...]]:
        """Read the names of people's branches or groups, by learner id."""
        await self._profile.read(again=True)
        endpoint = TEAM_ENDPOINTS[kind]
        if self._profile.totals.get(endpoint) == 0:  # the portal reports that it has none
            return {}
        team_ids = identifiers(await self._profile.read_list(endpoint))
        await self._compare_with_total(endpoint, len(team_ids), 0)
        return people.teams(await self._read_each(endpoint, team_ids))

    def unlisted(self, name: str) -> int:
        """How many items the last list of `users`, `courses`, `branches` or `groups` lacked."""
        return self._profile.unlisted(name)

    async def find_course(self, course_id: str) -> Course | None:
        """Read one course in full by id, None if it does not exist."""
        await self._profile.read()
        try:
            raw = await self._read_course(course_id)
        except NotFound:
            return None
        return map_course(raw, dates=self._profile.dates.known, remote_data=self._remote_data)

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        """Read one person by id or e-mail address, None if they do not exist."""
        if (user_id is None) == (email is None):
            raise ValueError("a person is looked up by an id or by an e-mail address")
        arguments = {"email": email} if email is not None else {"id": user_id or ""}
        try:
            raw = await self._read_user(arguments)
        except NotFound:
            return None
        labels = await self._labels_for([raw])
        return people.user(raw, labels=labels, dates=self._profile.dates.known, remote_data=self._remote_data)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        """Read one scope; the names of courses and people come from the given maps, by id.

        Raises:
            NotFound: the learner or course of the scope does not exist.
            RouteClosed: the scope is everything.
        """
        if scope.route is FetchRoute.LIST:
            raise RouteClosed("TalentLMS lists enrollments only by course or by person.")
        if scope.user_id is None:
            return await self._by_course(scope.course_id or "", learners)
        if scope.course_id is None:
            return await self._by_learner(scope.user_id, courses)
        return await self._by_pair(scope.user_id, scope.course_id, courses, learners)

    async def roster_parts(
        self,
        course_id: str,
        *,
        courses: Mapping[str, Course],  # noqa: ARG002  a roster contains its course
        learners: Mapping[str, User],
    ) -> AsyncGenerator[Reading]:
        """Read a course's enrollments, mapped a few hundred at a time.

        Raises:
            NotFound: the course does not exist.
        """
        raw = await self._read_course(course_id)
        dates, remote_data = self._profile.dates.known, self._remote_data
        for part in enrollments.roster_parts(raw, learners=learners, dates=dates, remote_data=remote_data):
            _warn_about_skipped("courses", part.skipped)
            yield Reading(part.records, skipped=part.skipped)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._api.aclose()

    async def _by_course(self, course_id: str, learners: Mapping[str, User]) -> Reading:
        parts = [part async for part in self.roster_parts(course_id, courses={}, learners=learners)]
        records = tuple(record for part in parts for record in part.records)
        return Reading(records, skipped=sum(part.skipped for part in parts))

    async def _by_learner(self, user_id: str, courses: Mapping[str, Course]) -> Reading:
        _, transcript = await self._read_transcript(user_id, courses)
        _warn_about_skipped("users", transcript.skipped)
        return Reading(transcript.records, learners=(transcript.user,), skipped=transcript.skipped)

    async def _by_pair(
        self, user_id: str, course_id: str, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        try:
            raw = await self._api.read("getuserstatusincourse", {"course_id": course_id, "user_id": user_id})
        except NotEnrolled:
            return Reading(())
        if not as_object(raw):
            return Reading(())
        self._profile.dates.observe([raw])
        learner, full_learners = learners.get(user_id), ()
        word = text(as_object(raw).get("completion_status"))
        code = self._vocabulary.code(word)
        if code is None:
            raw_user, transcript = await self._read_transcript(user_id, courses)
            code = enrollments.code_in(raw_user, course_id) or self._vocabulary.code(word) or word
            learner, full_learners = transcript.user, (transcript.user,)
        record = enrollments.pair(
            raw,
            user_id=user_id,
            course_id=course_id,
            learner=learner,
            course=courses.get(course_id),
            code=code,
            dates=self._profile.dates.known,
            remote_data=self._remote_data,
        )
        return Reading(() if record is None else (record,), learners=full_learners)

    async def _compare_with_total(self, endpoint: str, count: int, skipped: int) -> None:
        _warn_about_skipped(endpoint, skipped)
        await self._profile.compare_with_total(endpoint, count, skipped)

    async def _read_each(self, endpoint: str, keys: Sequence[str]) -> list[object]:
        """Read branches or groups in full, concurrently, without those deleted since they were listed."""
        raw_by_key: dict[str, object] = {}
        failures: list[SourceError] = []
        async with anyio.create_task_group() as group:

            async def read(key: str) -> None:
                try:
                    raw_by_key[key] = await self._read_by_id(endpoint, key)
                except NotFound:
                    return
                except SourceError as error:
                    failures.append(error)
                    group.cancel_scope.cancel()

            for key in keys:
                group.start_soon(read, key)
        if failures:
            raise failures[0]
        return [raw_by_key[key] for key in keys if key in raw_by_key]

    async def _read_by_id(self, endpoint: str, record_id: str) -> Any:
        """Read one record by id.

        Raises:
            UnexpectedAnswer: the response is about another record, as from a cache on the way.
        """
        raw = await self._api.read(endpoint, {"id": record_id})
        if (identifier(as_object(raw).get("id")) or "").lstrip("0") != record_id.lstrip("0"):
            raise _about_something_else(endpoint, record_id)
        return raw

    async def _read_course(self, course_id: str) -> Any:
        raw = await self._read_by_id("courses", course_id)
        self._profile.dates.observe(as_list(raw.get("users")))
        return raw

    async def _read_user(self, arguments: Mapping[str, str]) -> Any:
        user_id = arguments.get("id")
        raw = await (self._api.read("users", arguments) if user_id is None else self._read_by_id("users", user_id))
        self._vocabulary = self._vocabulary.extended_by(raw)
        self._profile.dates.observe_people([raw])
        self._profile.dates.observe(as_list(as_object(raw).get("courses")))
        return raw

    async def _read_transcript(
        self, user_id: str, courses: Mapping[str, Course]
    ) -> tuple[object, enrollments.Transcript]:
        raw = await self._read_user({"id": user_id})
        transcript = enrollments.transcript(
            raw,
            courses=courses,
            labels=await self._labels_for([raw]),
            dates=self._profile.dates.known,
            remote_data=self._remote_data,
        )
        if transcript is None:
            raise _about_something_else("users", user_id)
        return raw, transcript

    async def _labels_for(self, items: list[object]) -> Mapping[str, str]:
        """Read the labels of custom fields, once, if any item has such fields; without them keys stay as they are."""
        if self._labels is None and any(map(people.has_custom_fields, items)):
            async with self._labels_lock:
                if self._labels is None:
                    try:
                        self._labels = people.field_labels(await self._api.read("getcustomregistrationfields"))
                    except RateLimited:
                        raise
                    except SourceError:
                        self._labels = people.NO_LABELS
        return self._labels or people.NO_LABELS


def _about_something_else(endpoint: str, record_id: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"TalentLMS answered `{endpoint}` for id {record_id} with something else. Ask again later.")


def _warn_about_skipped(endpoint: str, skipped: int) -> None:
    if skipped:
        logger.warning("%s: %d items without a usable id were skipped", endpoint, skipped)
