"""Reads one scope by one read method, and stores what the attempt shows about the account.

A list method asks Truto's list of enrollments, with the parameters of the scope. Truto ignores filters that a provider
lacks, so the result is filtered again here. A payload method reads the roster in a course's own payload, or the
transcript in a learner's. An answer for another scope than the one that was asked for is an error of that scope.

What a failure means depends on the method. A refusal that concerns one record is an error of that scope. A refusal that
concerns the method itself marks the method as unavailable: for a day where it says so, else for a few minutes. A pair
has no other method, so its refusals are raised: all but the one that says that the learner is not enrolled.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

import anyio.lowlevel

from mcp_truto_lms.domain.errors import RouteClosed, SourceError, UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, EnrolledCourse, EnrolledUser, User
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute, Reading, Scope
from mcp_truto_lms.providers.payload_values import as_object
from mcp_truto_lms.providers.truto import records, talentlms_payload
from mcp_truto_lms.providers.truto.account_reader import AccountReader, check_identity
from mcp_truto_lms.providers.truto.capabilities import LIST_PARAMETERS, AccountCapabilities, ReadMethod
from mcp_truto_lms.providers.truto.errors import (
    Forbidden,
    MissingParameters,
    NotOffered,
    RecordNotFound,
    RequestRefused,
    TrutoError,
)
from mcp_truto_lms.providers.truto.filled_columns import FilledColumns
from mcp_truto_lms.providers.truto.not_enrolled import means_not_enrolled
from mcp_truto_lms.providers.truto.page import JsonObject, Page

logger = logging.getLogger(__name__)

SCOPE_WORDS: Mapping[FetchRoute, str] = {
    FetchRoute.LIST: "list",
    FetchRoute.COURSE: "course",
    FetchRoute.LEARNER: "learner",
    FetchRoute.PAIR: "learner and course",
}
_PROXIED_METHODS = frozenset({ReadMethod.PROXIED_ROSTER, ReadMethod.PROXIED_TRANSCRIPT})
_ROSTER_METHODS = frozenset({ReadMethod.ROSTER, ReadMethod.PROXIED_ROSTER})


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The courses and learners, by id, that name the records of a scope."""

    courses: Mapping[str, Course]
    learners: Mapping[str, User]


class ScopeReader:
    """Reads the scopes of one account.

    Args:
        reader: makes the calls
        capabilities: where the outcome of each method is stored
        zone: the time zone in which a due date without a time ends
        filled_columns: where it is noted what the records tell
        remote_data: whether records carry the provider's payload, secrets removed
    """

    def __init__(
        self,
        reader: AccountReader,
        capabilities: AccountCapabilities,
        *,
        zone: tzinfo,
        filled_columns: FilledColumns,
        remote_data: bool,
    ) -> None:
        self._reader = reader
        self._filled_columns = filled_columns
        self._capabilities = capabilities
        self._zone = zone
        self._remote_data = remote_data

    async def read(self, method: ReadMethod, scope: Scope, names: KnownNames) -> Reading | None:
        """Read a scope by one method; None if the method turns out to be unavailable.

        Raises:
            SourceError: the scope cannot be read, whichever the method.
        """
        try:
            if method in LIST_PARAMETERS:
                return await self._read_list(method, scope, names)
            reading = await self._read_payload(method, scope, names)
        except MissingParameters as error:
            if method is ReadMethod.LIST_OF_PAIR:
                raise
            self._capabilities.mark_unavailable(method, refusal=error)
            return None
        except (NotOffered, Forbidden, RequestRefused) as error:
            if method is ReadMethod.LIST_OF_PAIR:
                raise
            if self._capabilities.is_available(method):  # the refusal concerns this one record
                raise SourceError(str(error)) from None
            self._capabilities.mark_unavailable(method, refusal=error)
            return None
        except RecordNotFound as error:
            concerns_the_record = error.truto_is_remote_error and method is not ReadMethod.LIST
            if concerns_the_record or self._capabilities.is_available(method):
                raise
            reading = None  # a 404 from Truto itself may mean that it lacks the path
        if reading is None:
            self._capabilities.mark_unavailable(method)
        else:
            self._capabilities.mark_available(method)
            self._filled_columns.observe_payload()
        return reading

    async def _read_list(self, method: ReadMethod, scope: Scope, names: KnownNames) -> Reading:
        is_pair = method is ReadMethod.LIST_OF_PAIR
        records_by_id: dict[str, EnrollmentRecord] = {}
        pages_read = skipped = 0
        complete, page = True, Page([])
        parameters = self._list_parameters(method, scope)
        pages = (
            self._reader.pages_of_size("course-enrollments", parameters, None)  # a pair fits on any page
            if is_pair
            else self._reader.pages("course-enrollments", parameters)
        )
        try:
            async for page in pages:
                pages_read += 1
                for raw_enrollment in page.items:
                    record = self._parse_record(raw_enrollment, method, names)
                    if record is None:
                        skipped += 1
                    else:
                        records_by_id.setdefault(record.enrollment.id, record)
                complete = complete and not page.is_partial_response
        except TrutoError as error:
            if not is_pair:
                raise
            if not means_not_enrolled(error):
                raise _error_of_a_pair(error, scope, names) from None
        warn_about_skipped("course-enrollments", skipped)
        complete = complete and page.next_cursor is None  # else the last cursor led to a page that was read before
        everything = Reading(tuple(records_by_id.values()), complete=complete, skipped=skipped)
        reading = _restrict_to_scope(everything, scope)
        if not reading.records:
            _check_that_a_filter_was_ignored(everything, scope)
        self._capabilities.mark_available(method, calls=pages_read)
        if not is_pair and len(reading.records) < len(everything.records):
            self._capabilities.mark_available(ReadMethod.LIST, calls=pages_read)
            self._capabilities.mark_unavailable(method)
            raise RouteClosed(f"Truto ignores {SCOPE_WORDS[scope.route]} for this account and lists everything.")
        return reading

    def _list_parameters(self, method: ReadMethod, scope: Scope) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        if scope.user_id is not None:
            parameters["user"] = {"id": scope.user_id}
        if scope.course_id is not None:
            parameters["course"] = {"id": scope.course_id}
        if not self._remote_data and method is not ReadMethod.LIST_OF_PAIR:
            parameters["truto_ignore_remote_data"] = True
        return parameters

    def _parse_record(
        self, raw_enrollment: JsonObject, method: ReadMethod, names: KnownNames
    ) -> EnrollmentRecord | None:
        is_pair = method is ReadMethod.LIST_OF_PAIR
        route = FetchRoute.PAIR if is_pair else FetchRoute.LIST
        record = records.parse_enrollment(raw_enrollment, route=route, zone=self._zone, remote_data=self._remote_data)
        if record is None:
            return None
        if is_pair:
            mapped = record
            record = talentlms_payload.fill_pair(mapped, raw_enrollment, courses=names.courses, learners=names.learners)
            if record is not mapped:
                self._filled_columns.observe_payload()
        return fill_names(record, names)

    async def _read_payload(self, method: ReadMethod, scope: Scope, names: KnownNames) -> Reading | None:
        """Read the roster or transcript in a payload; None if the payload is missing or has neither.

        Raises:
            UnexpectedAnswer: the payload is another record's.
        """
        is_roster = method in _ROSTER_METHODS
        resource, record_id = ("courses", scope.course_id or "") if is_roster else ("users", scope.user_id or "")
        raw_record, payload = await self._fetch_payload(method, resource, record_id)
        if not isinstance(as_object(payload).get("users" if is_roster else "courses"), list | dict):
            return None
        check_identity(payload, record_id, f"{resource}/id")
        if is_roster:
            return await self._parse_roster(payload, names)
        if raw_record is None:
            learner = names.learners.get(record_id)
        else:
            learner = talentlms_payload.parse_user(raw_record, remote_data=self._remote_data)
        transcript = talentlms_payload.parse_transcript(
            payload, learner=learner, courses=names.courses, remote_data=self._remote_data
        )
        if transcript is None:
            return None
        return Reading(transcript.records, learners=(transcript.user,), skipped=transcript.skipped)

    async def _parse_roster(self, payload: object, names: KnownNames) -> Reading:
        records: list[EnrollmentRecord] = []
        skipped = 0
        for batch in talentlms_payload.parse_roster_batches(
            payload, learners=names.learners, remote_data=self._remote_data
        ):
            records.extend(batch.records)
            skipped += batch.skipped
            await anyio.lowlevel.checkpoint()
        return Reading(tuple(records), skipped=skipped)

    async def _fetch_payload(self, method: ReadMethod, resource: str, record_id: str) -> tuple[object, object]:
        """Return a record as Truto maps it, None by the proxy, and the provider's payload of it."""
        if method in _PROXIED_METHODS:
            body = await self._reader.proxied(resource, record_id)
            fields = as_object(body)
            return None, body if "id" in fields else fields.get("result")
        fetch = self._reader.user if resource == "users" else self._reader.course
        raw_record = await fetch(record_id)
        return raw_record, raw_record.get("remote_data")


def _error_of_a_pair(error: TrutoError, scope: Scope, names: KnownNames) -> SourceError:
    """Return the error of a pair call that was refused.

    An LMS that lists a learner and a course and then says that one of them does not exist contradicts itself: the pair
    stays unread.
    """
    if isinstance(error, RecordNotFound) and scope.user_id in names.learners and scope.course_id in names.courses:
        return UnexpectedAnswer("The LMS lists a learner and a course, and says that they do not exist.")
    return error


def _restrict_to_scope(reading: Reading, scope: Scope) -> Reading:
    """Return the reading with only the records of the scope."""
    matches = tuple(
        record for record in reading.records if all(asked in (None, told) for asked, told in _ids(record, scope))
    )
    return replace(reading, records=matches)


def _check_that_a_filter_was_ignored(everything: Reading, scope: Scope) -> None:
    """Refuse records that are all of one other learner, course or pair.

    Raises:
        UnexpectedAnswer: the answer is that of another scope.
    """
    scopes = {tuple(told for asked, told in _ids(record, scope) if asked is not None) for record in everything.records}
    if len(scopes) == 1:
        words = SCOPE_WORDS[scope.route]
        raise UnexpectedAnswer(f"Truto answered with the enrollments of another {words} than the one asked for.")


def _ids(record: EnrollmentRecord, scope: Scope) -> tuple[tuple[str | None, str | None], ...]:
    """Pair the ids of a scope with those of a record: the learner's and the course's."""
    user, course = record.enrollment.user or EnrolledUser(), record.enrollment.course or EnrolledCourse()
    return (scope.user_id, user.id), (scope.course_id, course.id)


def fill_names(record: EnrollmentRecord, names: KnownNames) -> EnrollmentRecord:
    """Add what the lists tell of the learner and the course: their names, and when the course opens."""
    enrollment = record.enrollment
    user, course = enrollment.user or EnrolledUser(), enrollment.course or EnrolledCourse()
    known_learner, known_course = names.learners.get(user.id or ""), names.courses.get(course.id or "")
    changes: dict[str, Any] = {}
    if known_learner is not None and not (user.name and user.emails):
        user_changes = {"name": user.name or known_learner.name, "emails": user.emails or known_learner.emails}
        changes["user"] = user.model_copy(update=user_changes)
    if known_course is not None and not course.title:
        changes["course"] = course.model_copy(update={"title": known_course.title})
    if record.opens_at is None and known_course is not None and known_course.terms is not None:
        record = replace(record, opens_at=known_course.terms.opens_at)
    return replace(record, enrollment=enrollment.model_copy(update=changes)) if changes else record


def warn_about_skipped(endpoint: str, skipped: int) -> None:
    """Log how many items of a list could not be used."""
    if skipped:
        logger.warning("%s: %d items without a usable id, user or course were skipped", endpoint, skipped)
