"""A source that redacts another source, before its records are stored, joined or served.

Hidden columns are null, except those that definitions are computed from: these are hidden where answers are made. Under
aliases a person has only the alias, their teams, and the status and role that decide whether they count. A course loses
the fields that could name a person. Hidden e-mail addresses are hashed: they still join the people file and reveal
nothing. Fields that are not part of the model are dropped, and so is the provider's payload.

Where e-mail addresses are hidden, nobody is looked up by one: the address that a caller types does not leave this
process.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import lru_cache
from typing import Any

from mcp_truto_lms.domain.columns import CERTIFICATE_COLUMNS, Columns, field_key
from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.domain.model import (
    CUSTOM_FIELDS,
    Assigner,
    Course,
    CourseEnrollment,
    Email,
    EnrolledCourse,
    EnrolledUser,
    Manager,
    Url,
    User,
)
from mcp_truto_lms.domain.person_fields import TEAM_FIELDS
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer, name_words
from mcp_truto_lms.domain.source import (
    Capabilities,
    CourseFinder,
    EnrollmentRecord,
    ListAuditor,
    Portal,
    Reading,
    Scope,
    Source,
    TeamDirectory,
    TeamKind,
    ZoneInference,
    directory_pages,
    scope_parts,
)

DEFINITION_COLUMNS = frozenset(
    {
        "due_at",
        "enrolled_at",
        "started_at",
        "last_activity_at",
        "completed_at",
        "progress_percent",
        "time_spent_seconds",
        "is_mandatory",
        "attempt_number",
        "updated_at",
    }
)
"""Columns that definitions are computed from, and that decide which attempt is the latest."""
CACHED_ALIASES = 100_000
_COURSE_FIELDS_UNDER_ALIASES = (
    "id",
    "title",
    "code",
    "type",
    "status",
    "duration_seconds",
    "tags",
    "categories",
    "terms",
)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Redacts records: hidden columns are null, and people appear under aliases where these are on."""

    columns: Columns
    pseudonymizer: Pseudonymizer
    _hidden_columns: Mapping[str, None] = field(init=False, repr=False)
    _hidden_fields: frozenset[str] = field(init=False, repr=False)
    _hidden_certificates: Mapping[str, None] = field(init=False, repr=False)
    _alias: Callable[[str], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        paths = CourseEnrollment.model_fields.keys() - DEFINITION_COLUMNS - {"id"}
        hidden_columns = dict.fromkeys(path for path in paths if path not in self.columns)
        object.__setattr__(self, "_hidden_columns", {**hidden_columns, "remote_data": None})
        object.__setattr__(self, "_hidden_fields", self.columns.fields_removed)
        certificates = dict.fromkeys(path for path in CERTIFICATE_COLUMNS if path not in self.columns)
        object.__setattr__(self, "_hidden_certificates", certificates)
        object.__setattr__(self, "_alias", lru_cache(CACHED_ALIASES)(self.pseudonymizer.alias))

    @property
    def hides_emails(self) -> bool:
        """Whether e-mail addresses are hashed."""
        return "user.emails" not in self.columns

    def user(self, user: User) -> User:
        """Redact a person."""
        custom_fields = user.custom_fields or {}
        shown: dict[str, Any] = {"id": user.id, "status": user.status, "role": user.role}
        if self.columns.aliases:
            shown |= {"name": self._alias(user.id), "emails": self._hashed_names(user)}
            shown[CUSTOM_FIELDS] = _team_fields(custom_fields)
        else:
            shown = {name: getattr(user, name) for name in User.model_fields if name != "remote_data"}
            shown[CUSTOM_FIELDS] = self._custom_fields(custom_fields, shows_teams=True)
            if "user.name" not in self.columns:
                shown |= dict.fromkeys(("name", "first_name", "last_name", "username"))
            if self.hides_emails:
                shown["username"] = None if "@" in (shown["username"] or "") else shown["username"]
                shown["emails"] = [Email(email=self.pseudonymizer.email(email.email)) for email in user.emails or ()]
        shown["manager"] = self._manager(user.manager)
        return User.model_construct(**shown)

    def course(self, course: Course) -> Course:
        """Redact a course; under aliases it has its title, code and terms but no text that could name a person."""
        names = _COURSE_FIELDS_UNDER_ALIASES if self.columns.aliases else Course.model_fields
        shown = {name: getattr(course, name) for name in names if name != "remote_data"}
        shown[CUSTOM_FIELDS] = self._custom_fields(course.custom_fields or {})
        return Course.model_construct(**shown)

    def record(self, record: EnrollmentRecord) -> EnrollmentRecord:
        """Redact an enrollment."""
        enrollment, columns = record.enrollment, self.columns
        changes: dict[str, Any] = {
            **self._hidden_columns,
            CUSTOM_FIELDS: self._custom_fields(enrollment.custom_fields or {}),
        }
        if (user := enrollment.user) is not None:
            emails = None if self.hides_emails else user.emails
            changes["user"] = EnrolledUser.model_construct(
                id=user.id, name=self._name(user.id, user.name), emails=emails
            )
        if (course := enrollment.course) is not None:
            changes["course"] = EnrolledCourse.model_construct(id=course.id, title=course.title)
        if enrollment.urls and "urls" in columns:
            changes["urls"] = [Url.model_construct(url=url.url, type=url.type) for url in enrollment.urls]
        if (by := enrollment.assigned_by) is not None:
            values = {"id": by.id, "name": self._alias(by.id or by.name or "") if columns.aliases else by.name}
            values = {name: value if f"assigned_by.{name}" in columns else None for name, value in values.items()}
            changes["assigned_by"] = Assigner.model_construct(None, **values)
        if enrollment.model_extra:
            known = {name: value for name, value in enrollment if name in CourseEnrollment.model_fields}
            enrollment = CourseEnrollment.model_construct(None, **{**known, **changes})
        else:
            enrollment = enrollment.model_copy(update=changes)
        return replace(record, enrollment=enrollment, **self._hidden_certificates)

    def reading(self, reading: Reading) -> Reading:
        """Redact the records and learners of a reading."""
        records = tuple(map(self.record, reading.records))
        return replace(reading, records=records, learners=tuple(map(self.user, reading.learners)))

    @contextmanager
    def errors_about(self, user_id: str | None) -> Generator[None]:
        """Replace a person's id by the alias in the message of an error, under aliases."""
        try:
            yield
        except SourceError as error:
            if user_id and self.columns.aliases:
                message = re.sub(rf"(?<!\w){re.escape(user_id)}(?!\w)", self._alias(user_id), str(error))
                error.args = (message, *error.args[1:])
            raise

    def _name(self, user_id: str | None, name: str | None) -> str | None:
        if self.columns.aliases:
            return self._alias(user_id or "")
        return name if "user.name" in self.columns else None

    def _manager(self, manager: Manager | None) -> Manager | None:
        """Redact a manager: the id stands for a hidden name."""
        hides_names = self.columns.aliases or self.hides_emails or "user.name" not in self.columns
        if manager is None or not hides_names:
            return manager
        if self.columns.aliases:
            alias = self._alias(manager.id)
            return Manager.model_construct(id=alias, name=alias)
        return Manager.model_construct(id=manager.id, name=self._name(manager.id, manager.name))

    def _custom_fields(self, fields: Mapping[str, Any], *, shows_teams: bool = False) -> dict[str, Any] | None:
        """Return the fields that are not hidden, and teams although custom fields are hidden."""
        hidden = self._hidden_fields
        if CUSTOM_FIELDS not in self.columns:
            return _team_fields(fields) if shows_teams else None
        return {name: value for name, value in fields.items() if not hidden or field_key(name) not in hidden} or None

    def _hashed_names(self, user: User) -> list[Email]:
        """Hash every name by which the people file may identify a person: addresses, login, full name and its words."""
        pseudonymizer = self.pseudonymizer
        names = {" ".join(part for part in (user.first_name, user.last_name) if part), user.name or ""} - {""}
        words = {word for name in names for word in name_words(name)}
        hashes = [pseudonymizer.email(email.email) for email in user.emails or ()]
        hashes += [pseudonymizer.email(user.username)] if user.username else []
        hashes += [pseudonymizer.name(name) for name in sorted(names)]
        hashes += [pseudonymizer.word(word) for word in sorted(words)]
        return [Email.model_construct(email=name_hash) for name_hash in dict.fromkeys(hashes)]


def _team_fields(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    return {name: fields[name] for name in TEAM_FIELDS if name in fields} or None


class RedactingSource:
    """A source whose records are redacted and carry no payload."""

    def __init__(self, source: Source, redactor: Redactor) -> None:
        self._source = source
        self._redactor = redactor

    def with_remote_data(self) -> RedactingSource:
        """Return this source: the provider's payload is hidden."""
        return self

    @property
    def calls(self) -> int:
        """How many calls were made so far."""
        return self._source.calls

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do."""
        return self._source.capabilities

    async def portal(self) -> Portal:
        """Read the description of the LMS."""
        return await self._source.portal()

    def assume_zone(self, zone: tzinfo) -> None:
        """Begin with the zone that was inferred before, if the source infers it."""
        if isinstance(self._source, ZoneInference):
            self._source.assume_zone(zone)

    def unlisted(self, name: str) -> int:
        """How many items the last list lacked, if the source compares lists."""
        return self._source.unlisted(name) if isinstance(self._source, ListAuditor) else 0

    async def courses(self) -> tuple[Course, ...]:
        """Read the whole course list."""
        return tuple(map(self._redactor.course, await self._source.courses()))

    async def find_course(self, course_id: str) -> Course | None:
        """Read one course; in full if the source can."""
        if isinstance(self._source, CourseFinder):
            course = await self._source.find_course(course_id)
        else:
            course = next((course for course in await self._source.courses() if course.id == course_id), None)
        return None if course is None else self._redactor.course(course)

    async def learners(self) -> tuple[User, ...]:
        """Read the whole people directory."""
        return tuple(map(self._redactor.user, await self._source.learners()))

    async def learner_pages(self) -> AsyncGenerator[tuple[User, ...]]:
        """Read the people directory, in pages if the source has pages."""
        async with aclosing(directory_pages(self._source)) as pages:
            async for page in pages:
                yield tuple(map(self._redactor.user, page))

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        """Read one person; None by an e-mail address if addresses are hidden."""
        if email is not None and self._redactor.hides_emails:
            return None
        with self._redactor.errors_about(user_id):
            learner = await self._source.find_learner(user_id=user_id, email=email)
        return None if learner is None else self._redactor.user(learner)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        """Read one scope."""
        with self._redactor.errors_about(scope.user_id):
            return self._redactor.reading(await self._source.enrollments(scope, courses=courses, learners=learners))

    async def roster_parts(
        self, course_id: str, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> AsyncGenerator[Reading]:
        """Read a course's enrollments, in parts if the source has parts."""
        scope = Scope(course_id=course_id)
        async with aclosing(scope_parts(self._source, scope, courses=courses, learners=learners)) as parts:
            async for part in parts:
                yield self._redactor.reading(part)

    async def aclose(self) -> None:
        """Close the source."""
        await self._source.aclose()


class RedactingSourceWithTeams(RedactingSource):
    """A redacting source over a source with teams, which are shown."""

    def __init__(self, source: Source, redactor: Redactor, teams: TeamDirectory) -> None:
        super().__init__(source, redactor)
        self._teams = teams

    async def teams(self, kind: TeamKind) -> Mapping[str, tuple[str, ...]]:
        """Read the names of people's branches or groups."""
        return await self._teams.teams(kind)


def redacted(source: Source, redactor: Redactor) -> Source:
    """Return a source that redacts another source."""
    if isinstance(source, TeamDirectory):
        return RedactingSourceWithTeams(source, redactor, source)
    return RedactingSource(source, redactor)
