"""Truto as a source: courses, people and enrollments of one integrated account.

Truto's list of enrollments is the straight way, but an account may want a learner and a course for every call, which is
a call for each pair. So a scope is read by whichever way the account turns out to allow: the list, narrowed to the
scope; else the roster or transcript that a course's or a person's own record carries from the provider; else the same
through the proxy API. Where nothing is left `cost` says so, and pairs are the last resort, which is always there.

Truto ignores filters that a provider does not have, without a word. Everything is therefore filtered again here; where
the whole list came instead of a part of it, it is kept for a moment and handed out as everything, so that nobody asks
for it twice.
"""

from __future__ import annotations

import logging
import random as random_module
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Any

import anyio
import anyio.lowlevel
import httpx

from mcp_truto_lms.domain.errors import AccessDenied, ConfigurationError, NotFound, RouteClosed, SourceError
from mcp_truto_lms.domain.model import Course, EnrolledCourse, EnrolledUser, User
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute, Portal, Reading, Scope
from mcp_truto_lms.providers.payload_values import as_object
from mcp_truto_lms.providers.rate_limiter import Clock, Sleep
from mcp_truto_lms.providers.talentlms.enrollments import keep
from mcp_truto_lms.providers.talentlms.source import FILLED_BY_PAIR, NEVER_FILLED
from mcp_truto_lms.providers.truto import records, talentlms_payload
from mcp_truto_lms.providers.truto.capabilities import GIVES, AccountCapabilities, ReadMethod
from mcp_truto_lms.providers.truto.client import DEFAULT_BASE_URL, TrutoClient
from mcp_truto_lms.providers.truto.errors import (
    Forbidden,
    MissingParameters,
    NotOffered,
    RecordNotFound,
    RequestRefused,
    TrutoError,
)
from mcp_truto_lms.providers.truto.page import JsonObject, Page
from mcp_truto_lms.providers.truto.reader import AccountReader

KEPT_SECONDS = 10.0

logger = logging.getLogger(__name__)

_SEEN_MISSING = NEVER_FILLED | FILLED_BY_PAIR
_PROXIED = frozenset({ReadMethod.PROXIED_ROSTER, ReadMethod.PROXIED_TRANSCRIPT})
_ROSTERS = frozenset({ReadMethod.ROSTER, ReadMethod.PROXIED_ROSTER})


class TrutoSource:
    """One integrated account behind the `Source` protocol.

        source = TrutoSource.connect("https://api.truto.one", token, account_id)
        courses = {course.id: course for course in await source.courses()}

    Args:
        client: may be shared by the sources of several accounts, which then share the token's limit
        integrated_account_id: whose data it is
        clock: a monotonic clock, in seconds
        now: the wall clock, in epoch seconds
        zone: in which a due date without a time ends
        remote_data: whether records keep the provider's payload, secrets removed
    """

    def __init__(
        self,
        client: TrutoClient,
        integrated_account_id: str,
        *,
        clock: Clock = time.monotonic,
        now: Callable[[], float] = time.time,
        zone: tzinfo = UTC,
        remote_data: bool = False,
    ) -> None:
        account_id = integrated_account_id.strip()
        if not account_id:
            raise ConfigurationError("TRUTO_INTEGRATED_ACCOUNT_ID is empty: set it to the id of the account in Truto.")
        self._reader = AccountReader(client, account_id)
        self._account_id = account_id
        self._clock = clock
        self._now = now
        self._zone = zone
        self._remote_data = remote_data
        self._learnt = AccountCapabilities(now)
        self._trying = anyio.Lock()
        self._records_seen = False
        self._filled: set[str] = set()
        self._whole_list = _CachedLists(clock)

    @classmethod
    def connect(
        cls,
        base_url: str,
        token: str,
        integrated_account_id: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = anyio.sleep,
        random: Callable[[], float] = random_module.random,
        now: Callable[[], float] = time.time,
        zone: tzinfo = UTC,
        remote_data: bool = False,
    ) -> TrutoSource:
        """Make a source with a client of its own; nothing is called yet.

        Args:
            base_url: where Truto is; empty is `https://api.truto.one`
            token: the API token
            integrated_account_id: whose data it is
            transport: another way to send, such as to an app in the same process
            clock: a monotonic clock, in seconds
            sleep: waits for seconds
            random: a number of 0 to 1, for jitter
            now: the wall clock, in epoch seconds
            zone: in which a due date without a time ends
            remote_data: whether records keep the provider's payload, secrets removed

        Raises:
            ConfigurationError: the address, the token or the account cannot be one.
        """
        client = TrutoClient(
            token,
            base_url=base_url or DEFAULT_BASE_URL,
            transport=transport,
            clock=clock,
            sleep=sleep,
            random=random,
            now=now,
        )
        return cls(client, integrated_account_id, clock=clock, now=now, zone=zone, remote_data=remote_data)

    def with_remote_data(self) -> TrutoSource:
        """Give the same account with records that keep the payload; both share what was learnt of it."""
        other = TrutoSource(
            self._reader.client,
            self._account_id,
            clock=self._clock,
            now=self._now,
            zone=self._zone,
            remote_data=True,
        )
        other._reader, other._learnt = self._reader, self._learnt
        return other

    @property
    def calls(self) -> int:
        """How many calls were made so far, further tries included."""
        return self._reader.client.calls

    @property
    def refusal(self) -> AccessDenied | None:
        """Why the account turned the last call away, if it did: nothing may be read in the background until then."""
        return self._reader.gate.refusal

    def cost(self, route: FetchRoute) -> int | None:
        """How many calls one scope of this route takes, as far as is known; nothing where it is at hand already."""
        if route is FetchRoute.LIST and self._whole_list.look() is not None:
            return 0
        return self._learnt.cost(route, likely_payloads=self._reader.noticed.payloads)

    async def portal(self) -> Portal:
        """Tell which columns stay empty: those of TalentLMS that have in fact been empty so far. No zone is told."""
        return Portal(unreported=_SEEN_MISSING - self._filled if self._records_seen else frozenset())

    async def courses(self) -> tuple[Course, ...]:
        """Read the whole course list, archived courses included."""
        found: dict[str, Course] = {}
        async for page in self._reader.list("courses"):
            mapped, skipped = records.counted(
                talentlms_payload.course(one, remote_data=self._remote_data) for one in page.items
            )
            found.update((key, one) for key, one in mapped.items() if key not in found)
            _note_skipped("courses", skipped)
        return tuple(found.values())

    async def learners(self) -> tuple[User, ...]:
        """Read the whole people directory, inactive people included."""
        return tuple([one async for page in self.learner_pages() for one in page])

    async def learner_pages(self) -> AsyncGenerator[tuple[User, ...]]:
        """Read the people directory page by page, each person once."""
        seen: set[str] = set()
        async for page in self._reader.list("users"):
            mapped, skipped = records.counted(
                talentlms_payload.user(one, remote_data=self._remote_data) for one in page.items
            )
            _note_skipped("users", skipped)
            yield tuple(one for key, one in mapped.items() if key not in seen)
            seen |= mapped.keys()

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        """Read one person by id, None where there is nobody; by e-mail always None, without a call.

        Truto looks nobody up by e-mail: whoever asks finds the address in the directory.
        """
        if (user_id is None) == (email is None):
            raise ValueError("a person is found by an id or by an e-mail address")
        if user_id is None:
            return None
        try:
            raw = await self._reader.user(user_id)
        except (NotFound, RouteClosed, RequestRefused):
            return None
        return talentlms_payload.user(raw, remote_data=self._remote_data)

    async def find_course(self, course_id: str) -> Course | None:
        """Read one course by id, None where there is none."""
        try:
            raw = await self._reader.course(course_id)
        except (NotFound, RouteClosed, RequestRefused):
            return None
        return talentlms_payload.course(raw, remote_data=self._remote_data)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        """Read one scope, by the best way that the account allows.

        Raises:
            NotFound: the learner or course of the scope does not exist.
            RouteClosed: no way to such a scope is open, or everything came at once and is at hand as `Scope()`.
        """
        reading, refusal = self._from_whole_list(scope), self.refusal
        while reading is None:
            way = self._best(scope.route)
            if way is None:
                raise RouteClosed(f"Truto does not let this account's enrollments be read by {_words(scope.route)}.")
            if self._learnt.is_open(way):
                reading = await self._by(way, scope, courses, learners)
                continue
            async with self._trying:  # one call finds out; the others wait for what it finds
                self._reader.gate.check(refusal)
                if self._best(scope.route) is way and not self._learnt.is_open(way):
                    reading = await self._by(way, scope, courses, learners)
        self._look_at(reading.records)
        return replace(reading, complete=reading.complete and not self._reader.noticed.partial)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._reader.client.aclose()

    def _best(self, route: FetchRoute) -> ReadMethod | None:
        return self._learnt.best(route, likely_payloads=self._reader.noticed.payloads)

    async def _by(
        self, way: ReadMethod, scope: Scope, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading | None:
        """Read a scope by one way; None where the way turns out to be closed."""
        try:
            if way in GIVES:
                return await self._by_list(way, scope, courses, learners)
            reading = await self._by_payload(way, scope, courses, learners)
        except MissingParameters as error:
            if way is ReadMethod.LIST_OF_PAIR:
                raise
            self._learnt.closed(way, wanted=error.parameters)
            return None
        except (NotOffered, Forbidden, RequestRefused) as error:
            if way is ReadMethod.LIST_OF_PAIR:
                raise
            if self._learnt.is_open(way):  # it is about this one record
                raise SourceError(str(error)) from None
            reading = None
        except RecordNotFound as error:
            about_a_record = error.truto_is_remote_error and way is not ReadMethod.LIST
            if about_a_record or self._learnt.is_open(way):
                raise
            reading = None  # from Truto itself, that may as well be a path that it does not have
        if reading is None:
            self._learnt.closed(way)
        else:
            self._learnt.opened(way)
        return reading

    async def _by_list(
        self, way: ReadMethod, scope: Scope, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        asked: dict[str, Any] = {}
        if scope.user_id is not None:
            asked["user"] = {"id": scope.user_id}
        if scope.course_id is not None:
            asked["course"] = {"id": scope.course_id}
        if not self._remote_data and way is not ReadMethod.LIST_OF_PAIR:
            asked["truto_ignore_remote_data"] = True
        found: dict[str, EnrollmentRecord] = {}
        pages = skipped = 0
        complete, page = True, Page([])
        try:
            async for page in self._reader.pages("course-enrollments", asked):
                pages += 1
                for raw in page.items:
                    one = self._enrollment(raw, way, courses, learners)
                    if one is None:
                        skipped += 1
                    else:
                        found.setdefault(one.enrollment.id, one)
                complete = complete and not page.is_partial_response
        except TrutoError as error:
            if way is not ReadMethod.LIST_OF_PAIR or not _is_not_enrolled(error):
                raise
        _note_skipped("course-enrollments", skipped)
        complete = complete and page.next_cursor is None  # else the list broke off at a cursor that leads nowhere new
        self._learnt.opened(way, calls=pages)
        everything = Reading(tuple(found.values()), complete=complete, skipped=skipped)
        mine = _within(everything, scope)
        if len(mine.records) < len(everything.records):
            self._learnt.opened(ReadMethod.LIST, calls=pages)
            self._whole_list.keep(everything)
            if way is not ReadMethod.LIST_OF_PAIR:
                self._learnt.closed(way)
                raise RouteClosed(f"Truto ignores {_words(scope.route)} for this account and lists everything.")
        return mine

    def _enrollment(
        self, raw: JsonObject, way: ReadMethod, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> EnrollmentRecord | None:
        route = FetchRoute.PAIR if way is ReadMethod.LIST_OF_PAIR else FetchRoute.LIST
        one = records.enrollment(raw, route=route, zone=self._zone, remote_data=self._remote_data)
        if one is None:
            return None
        if way is ReadMethod.LIST_OF_PAIR:
            one = talentlms_payload.pair(one, raw, courses=courses, learners=learners)
        return _named(one, courses, learners)

    async def _by_payload(
        self, way: ReadMethod, scope: Scope, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading | None:
        """Read a roster or a transcript out of what the provider sent; None where it did not come along."""
        if way in _ROSTERS:
            key = scope.course_id or ""
            _, payload = await self._record(way, "courses", key)
            found: dict[str, EnrollmentRecord] = {}
            skipped, part = 0, None
            for part in talentlms_payload.roster_parts(payload, learners=learners, remote_data=self._remote_data):
                if part.course.id != key:
                    return None
                for one in part.records:
                    keep(found, one)
                skipped += part.skipped
                await anyio.lowlevel.checkpoint()
            return None if part is None else Reading(tuple(found.values()), skipped=skipped)
        key = scope.user_id or ""
        raw, payload = await self._record(way, "users", key)
        person = learners.get(key) if raw is None else talentlms_payload.user(raw, remote_data=self._remote_data)
        transcript = talentlms_payload.transcript(
            payload, person=person, courses=courses, remote_data=self._remote_data
        )
        if transcript is None or transcript.user.id != key:
            return None
        return Reading(transcript.records, learners=(transcript.user,), skipped=transcript.skipped)

    async def _record(self, way: ReadMethod, resource: str, key: str) -> tuple[object, object]:
        """Read a record: as Truto maps it, and as the provider sent it."""
        if way in _PROXIED:
            body = await self._reader.proxied(resource, key)
            raw = as_object(body)
            return None, body if "id" in raw else raw.get("result")
        raw = await (self._reader.user(key) if resource == "users" else self._reader.course(key))
        return raw, raw.get("remote_data")

    def _from_whole_list(self, scope: Scope) -> Reading | None:
        everything = self._whole_list.take() if scope.route is FetchRoute.LIST else self._whole_list.look()
        return None if everything is None else _within(everything, scope)

    def _look_at(self, found: Iterable[EnrollmentRecord]) -> None:
        """Remember which columns some record has filled."""
        for one in found:
            self._records_seen = True
            for path in _SEEN_MISSING - self._filled:
                value: Any = one.enrollment
                for part in path.split("."):
                    value = getattr(value, part, None)
                if value is not None:
                    self._filled.add(path)


class _CachedLists:
    """The whole list, where it came instead of a part: at hand for a moment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reading: Reading | None = None
        self._at = 0.0

    def keep(self, reading: Reading) -> None:
        self._reading, self._at = reading, self._clock()

    def look(self) -> Reading | None:
        return self._reading if self._clock() - self._at < KEPT_SECONDS else None

    def take(self) -> Reading | None:
        found, self._reading = self.look(), None
        return found


def _within(reading: Reading, scope: Scope) -> Reading:
    """Keep what belongs to the scope."""
    mine = tuple(
        one
        for one in reading.records
        if scope.user_id in (None, one.enrollment.user and one.enrollment.user.id)
        and scope.course_id in (None, one.enrollment.course and one.enrollment.course.id)
    )
    return replace(reading, records=mine)


def _named(one: EnrollmentRecord, courses: Mapping[str, Course], learners: Mapping[str, User]) -> EnrollmentRecord:
    """Name the learner and the course where only their ids came."""
    user, course = one.enrollment.user or EnrolledUser(), one.enrollment.course or EnrolledCourse()
    person, subject = learners.get(user.id or ""), courses.get(course.id or "")
    missing: dict[str, Any] = {}
    if person is not None and not (user.name and user.emails):
        update = {"name": user.name or person.name, "emails": user.emails or person.emails}
        missing["user"] = user.model_copy(update=update)
    if subject is not None and not course.title:
        missing["course"] = course.model_copy(update={"title": subject.title})
    return replace(one, enrollment=one.enrollment.model_copy(update=missing)) if missing else one


def _is_not_enrolled(error: TrutoError) -> bool:
    """Tell whether an error means that a pair is none: what the LMS says is 4xx, and not about rights or limits."""
    return isinstance(error, NotFound) or (error.truto_is_remote_error and isinstance(error, RequestRefused))


def _words(route: FetchRoute) -> str:
    return {FetchRoute.COURSE: "course", FetchRoute.LEARNER: "learner", FetchRoute.PAIR: "learner and course"}.get(
        route, "list"
    )


def _note_skipped(endpoint: str, skipped: int) -> None:
    if skipped:
        logger.warning("%s: %d items without a usable id, user or course were skipped", endpoint, skipped)
