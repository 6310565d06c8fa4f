"""Truto as a source: the courses, people and enrollments of one integrated account.

Truto's list of enrollments is the direct method, but an account may require a learner and a course in every call, which
is one call for each pair. So a scope is read by the first method that the account allows: the list, limited to the
scope; else the roster or transcript in the provider's payload of a course or a learner; else the same payload through
the proxy API. If none is available, `capabilities` has no such route, and the caller reads pairs, which are always
available.
"""

from __future__ import annotations

import random as random_module
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, tzinfo

import anyio
import httpx

from mcp_truto_lms.domain.columns import CERTIFICATE_COLUMNS
from mcp_truto_lms.domain.errors import AccessDenied, ConfigurationError, NotFound, RouteClosed
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.rate_limits import Sleep
from mcp_truto_lms.domain.source import Capabilities, FetchRoute, Portal, Reading, Scope
from mcp_truto_lms.providers.rate_limiter import Clock
from mcp_truto_lms.providers.truto import records, talentlms_payload
from mcp_truto_lms.providers.truto.account_reader import AccountReader
from mcp_truto_lms.providers.truto.capabilities import LIST_PARAMETERS, AccountCapabilities, ReadMethod
from mcp_truto_lms.providers.truto.client import DEFAULT_BASE_URL, TrutoClient
from mcp_truto_lms.providers.truto.filled_columns import FilledColumns
from mcp_truto_lms.providers.truto.scope_reader import SCOPE_WORDS, KnownNames, ScopeReader, warn_about_skipped


class TrutoSource:
    """One integrated account behind the `Source` protocol.

        source = TrutoSource.connect("https://api.truto.one", token, account_id)
        courses = {course.id: course for course in await source.courses()}

    Args:
        client: the sources of several accounts may share one client, and with it the rate limit of the token
        integrated_account_id: the account to read
        clock: a monotonic clock, in seconds
        now: the wall clock, in epoch seconds
        zone: the time zone in which a due date without a time ends
        remote_data: whether records carry the provider's payload, secrets removed

    Raises:
        ConfigurationError: the account id is empty.
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
        self._account_id = account_id
        self._clock = clock
        self._now = now
        self._zone = zone
        self._remote_data = remote_data
        self._reader = AccountReader(client, account_id)
        self._account_capabilities = AccountCapabilities(now)
        self._filled_columns = FilledColumns()
        self._unlisted: dict[str, int] = {}
        self._trial_lock = anyio.Lock()
        self._scope_reader = self._new_scope_reader()

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
        """Make a source with its own client; this makes no call.

        Args:
            base_url: Truto's address; empty means `https://api.truto.one`
            token: the API token
            integrated_account_id: the account to read
            transport: an httpx transport, such as one to an app in the same process
            clock: a monotonic clock, in seconds
            sleep: waits for the given seconds
            random: returns a number from 0 to 1, for jitter
            now: the wall clock, in epoch seconds
            zone: the time zone in which a due date without a time ends
            remote_data: whether records carry the provider's payload, secrets removed

        Raises:
            ConfigurationError: the address, the token or the account id is invalid.
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
        """Return a source whose records carry the payload; both share the calls and the account's capabilities."""
        source = TrutoSource(
            self._reader.client,
            self._account_id,
            clock=self._clock,
            now=self._now,
            zone=self._zone,
            remote_data=True,
        )
        source._reader, source._account_capabilities = self._reader, self._account_capabilities
        source._scope_reader = source._new_scope_reader()
        return source

    @property
    def calls(self) -> int:
        """The number of calls so far, retries included."""
        return self._reader.client.calls

    @property
    def refusal(self) -> AccessDenied | None:
        """The refusal of the whole account by the last call; None if that call was not refused."""
        return self._reader.auth_gate.refusal

    @property
    def capabilities(self) -> Capabilities:
        """Return what the account allows, as far as is known."""
        payloads_expected = self._reader.observations.payloads_seen
        costs = {
            route: self._account_capabilities.cost(route, payloads_expected=payloads_expected) for route in FetchRoute
        }
        return Capabilities(
            calls_by_route={route: calls for route, calls in costs.items() if calls is not None},
            filled_by_pair=frozenset({"score"}),
            outcome_unknown_routes=frozenset({FetchRoute.COURSE}),
        )

    async def portal(self) -> Portal:
        """Return what no record has told so far. Truto does not report a time zone."""
        unreported = self._filled_columns.unreported
        return Portal(unreported=unreported - CERTIFICATE_COLUMNS.keys() if self._may_tell_certificates else unreported)

    async def courses(self) -> tuple[Course, ...]:
        """Read the whole course list, archived courses included."""
        courses: dict[str, Course] = {}
        skipped_in_all = 0
        async for page in self._reader.full_list("courses"):
            courses_of_page, skipped = records.key_by_id(
                talentlms_payload.parse_course(raw_course, remote_data=self._remote_data) for raw_course in page.items
            )
            for course_id, course in courses_of_page.items():
                courses.setdefault(course_id, course)
            warn_about_skipped("courses", skipped)
            skipped_in_all += skipped
        self._unlisted["courses"] = skipped_in_all
        return tuple(courses.values())

    async def learners(self) -> tuple[User, ...]:
        """Read the whole people directory, inactive people included."""
        return tuple([learner async for page in self.learner_pages() for learner in page])

    async def learner_pages(self) -> AsyncGenerator[tuple[User, ...]]:
        """Read the people directory page by page, each person once."""
        seen_ids: set[str] = set()
        skipped_in_all = 0
        async for page in self._reader.full_list("users"):
            users, skipped = records.key_by_id(
                talentlms_payload.parse_user(raw_user, remote_data=self._remote_data) for raw_user in page.items
            )
            warn_about_skipped("users", skipped)
            yield tuple(user for user_id, user in users.items() if user_id not in seen_ids)
            seen_ids |= users.keys()
            skipped_in_all += skipped
        self._unlisted["users"] = skipped_in_all

    def unlisted(self, name: str) -> int:
        """How many items of the last list had no usable id."""
        return self._unlisted.get(name, 0)

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        """Read one person by id, None if there is none. By e-mail the result is None, without a call.

        Truto has no lookup by e-mail address; the caller finds the address in the people directory.
        """
        if (user_id is None) == (email is None):
            raise ValueError("give an id or an e-mail address, and not both")
        if user_id is None:
            return None
        try:
            raw_user = await self._reader.user(user_id)
        except (NotFound, RouteClosed):
            return None
        return talentlms_payload.parse_user(raw_user, remote_data=self._remote_data)

    async def find_course(self, course_id: str) -> Course | None:
        """Read one course by id, None if there is none."""
        try:
            raw_course = await self._reader.course(course_id)
        except (NotFound, RouteClosed):
            return None
        return talentlms_payload.parse_course(raw_course, remote_data=self._remote_data)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        """Read one scope by the best method that the account allows.

        Raises:
            NotFound: the learner or course of the scope does not exist.
            RouteClosed: no method reads such a scope, or Truto returned everything, which `Scope()` reads.
            UnexpectedAnswer: the answer is another scope's.
        """
        names = KnownNames(courses, learners)
        reading: Reading | None = None
        previous_refusal = self.refusal
        while reading is None:
            method = self._best_method(scope.route)
            if method is None:
                words = SCOPE_WORDS[scope.route]
                raise RouteClosed(
                    f"Truto does not let this account's enrollments be read by {words}.",
                    reason=self._account_capabilities.refusal_of_list(scope.route),
                )
            if self._account_capabilities.is_available(method):
                reading = await self._scope_reader.read(method, scope, names)
                continue
            async with self._trial_lock:  # one call tries the method; the others wait for its outcome
                self._reader.auth_gate.raise_if_refused_since(previous_refusal)
                untried = not self._account_capabilities.is_available(method)
                if self._best_method(scope.route) is method and untried:
                    reading = await self._scope_reader.read(method, scope, names)
        self._filled_columns.observe(reading.records)
        return replace(reading, complete=reading.complete and not self._reader.observations.partial_lists)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._reader.client.aclose()

    @property
    def _may_tell_certificates(self) -> bool:
        """Whether transcripts come from people's payloads, as far as is known; a list of enrollments has none."""
        method = self._best_method(FetchRoute.LEARNER)
        if method is None:
            return False
        return method not in LIST_PARAMETERS or not self._account_capabilities.is_available(method)

    def _best_method(self, route: FetchRoute) -> ReadMethod | None:
        payloads_expected = self._reader.observations.payloads_seen
        return self._account_capabilities.best_method(route, payloads_expected=payloads_expected)

    def _new_scope_reader(self) -> ScopeReader:
        return ScopeReader(
            self._reader,
            self._account_capabilities,
            zone=self._zone,
            filled_columns=self._filled_columns,
            remote_data=self._remote_data,
        )
