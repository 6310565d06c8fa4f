"""A source behind a veil: what nobody may see ends at this edge, before it is kept, joined or served.

Columns that were taken out arrive empty, those aside that judgements rest on: these are hidden where answers are made.
Under aliases people have nothing but their alias, their teams, and what counts them in or out; courses, which are no
people, lose what could name one. E-mail addresses that nobody may see arrive sealed: they join the people file, and
tell nothing. What a provider sent besides the model is dropped, and so is its own payload.

Nobody is looked up by an address that is sealed: what was typed stays here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from mcp_truto_lms.domain.columns import Columns, field_key
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
from mcp_truto_lms.domain.person_fields import TEAM_FIELD
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer, name_words
from mcp_truto_lms.domain.source import (
    Capabilities,
    CourseFinder,
    EnrollmentRecord,
    Portal,
    Reading,
    Scope,
    Source,
    TeamDirectory,
    directory_pages,
    scope_parts,
)
from mcp_truto_lms.providers.talentlms.courses import EXPIRES_AT, TIME_LIMIT_DAYS

JUDGED = frozenset(
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
"""Columns that judgements rest on, and which attempt is the latest."""
KNOWN_PEOPLE = 100_000
"""So many aliases are kept ready while rosters are read."""
_OF_COURSES = ("id", "title", "code", "type", "status", "duration_seconds", "tags", "categories")


@dataclass(frozen=True, slots=True)
class Redactor:
    """What is seen of records: the columns there are, and people under aliases where these are on."""

    columns: Columns
    seal: Pseudonymizer
    _emptied: Mapping[str, None] = field(init=False, repr=False)
    _fields_removed: frozenset[str] = field(init=False, repr=False)
    _alias: Callable[[str], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = CourseEnrollment.model_fields.keys() - JUDGED - {"id"}
        emptied = dict.fromkeys(name for name in known if name not in self.columns)
        object.__setattr__(self, "_emptied", {**emptied, "remote_data": None})
        object.__setattr__(self, "_fields_removed", self.columns.fields_removed)
        object.__setattr__(self, "_alias", lru_cache(KNOWN_PEOPLE)(self.seal.alias))

    @property
    def hides_emails(self) -> bool:
        """Whether addresses are sealed."""
        return "user.emails" not in self.columns

    def user(self, one: User) -> User:
        """Veil a person."""
        fields = one.custom_fields or {}
        kept: dict[str, Any] = {"id": one.id, "status": one.status, "role": one.role}
        if self.columns.aliases:
            kept |= {"name": self._alias(one.id), "emails": self._sealed(one)}
            kept["custom_fields"] = {TEAM_FIELD: fields[TEAM_FIELD]} if TEAM_FIELD in fields else None
        else:
            kept = {name: getattr(one, name) for name in User.model_fields if name != "remote_data"}
            kept["custom_fields"] = self._fields(fields, also=TEAM_FIELD)
            if "user.name" not in self.columns:
                kept |= dict.fromkeys(("name", "first_name", "last_name", "username"))
            if self.hides_emails:
                kept["username"] = None if "@" in (kept["username"] or "") else kept["username"]
                kept["emails"] = [Email(email=self.seal.email(each.email)) for each in one.emails or ()]
        kept["manager"] = self._manager(one.manager)
        return User.model_construct(**kept)

    def course(self, one: Course) -> Course:
        """Veil a course; under aliases with what its learners' dates depend on, and what it is called."""
        kept = {name: getattr(one, name) for name in Course.model_fields if name != "remote_data"}
        fields = one.custom_fields or {}
        judged = {name: fields[name] for name in (EXPIRES_AT, TIME_LIMIT_DAYS) if name in fields}
        if self.columns.aliases:
            kept = {name: kept[name] for name in _OF_COURSES}
        kept["custom_fields"] = {**(self._fields(fields) or {}), **judged} or None
        return Course.model_construct(**kept)

    def record(self, one: EnrollmentRecord) -> EnrollmentRecord:
        """Veil an enrollment."""
        found, columns = one.enrollment, self.columns
        kept: dict[str, Any] = {**self._emptied, CUSTOM_FIELDS: self._fields(found.custom_fields or {})}
        if (user := found.user) is not None:
            emails = None if self.hides_emails else user.emails
            kept["user"] = EnrolledUser.model_construct(id=user.id, name=self._name(user.id, user.name), emails=emails)
        if (course := found.course) is not None:
            kept["course"] = EnrolledCourse.model_construct(id=course.id, title=course.title)
        if found.urls and "urls" in columns:
            kept["urls"] = [Url.model_construct(url=each.url, type=each.type) for each in found.urls]
        if (by := found.assigned_by) is not None:
            shown = {"id": by.id, "name": self._alias(by.id or by.name or "") if columns.aliases else by.name}
            shown = {name: value if f"assigned_by.{name}" in columns else None for name, value in shown.items()}
            kept["assigned_by"] = Assigner.model_construct(None, **shown)
        if found.model_extra:
            known = {name: value for name, value in found if name in CourseEnrollment.model_fields}
            return replace(one, enrollment=CourseEnrollment.model_construct(None, **{**known, **kept}))
        return replace(one, enrollment=found.model_copy(update=kept))

    def reading(self, found: Reading) -> Reading:
        """Veil what a scope holds."""
        records = tuple(map(self.record, found.records))
        return replace(found, records=records, learners=tuple(map(self.user, found.learners)))

    def _name(self, user_id: str | None, name: str | None) -> str | None:
        if self.columns.aliases:
            return self._alias(user_id or "")
        return name if "user.name" in self.columns else None

    def _manager(self, one: Manager | None) -> Manager | None:
        """Veil a manager: who is known by id alone is named by it."""
        if one is None or not (self.columns.aliases or self.hides_emails or "user.name" not in self.columns):
            return one
        alias = self._alias(one.id)
        if self.columns.aliases:
            return Manager.model_construct(id=alias, name=alias)
        return Manager.model_construct(id=one.id, name=self._name(one.id, one.name))

    def _fields(self, fields: Mapping[str, Any], *, also: str = "") -> dict[str, Any] | None:
        """Keep the custom fields there are; `also` is one that is never shown, but counted by."""
        gone = self._fields_removed
        if CUSTOM_FIELDS not in self.columns:
            return {also: fields[also]} if also in fields else None
        return {name: value for name, value in fields.items() if not gone or field_key(name) not in gone} or None

    def _sealed(self, one: User) -> list[Email]:
        """Seal by what the people file may call somebody: addresses first, then login, name and its words."""
        seal = self.seal
        names = {" ".join(part for part in (one.first_name, one.last_name) if part), one.name or ""} - {""}
        seals = [seal.email(each.email) for each in one.emails or ()]
        seals += [seal.email(one.username)] if one.username else []
        seals += [seal.name(each) for each in sorted(names)]
        seals += [seal.word(each) for each in sorted({word for name in names for word in name_words(name)})]
        return [Email.model_construct(email=each) for each in dict.fromkeys(seals)]

    @contextmanager
    def telling(self, user_id: str | None) -> Generator[None]:
        """Take a person's id out of what went wrong, where it would tell who is meant."""
        try:
            yield
        except SourceError as error:
            if user_id and self.columns.aliases:
                words = re.sub(rf"(?<!\w){re.escape(user_id)}(?!\w)", self._alias(user_id), str(error))
                error.args = (words, *error.args[1:])
            raise


class RedactingSource:
    """A source as the veil shows it; it keeps no payload."""

    def __init__(self, source: Source, veil: Redactor) -> None:
        self._source = source
        self._veil = veil

    def with_remote_data(self) -> RedactingSource:
        """Give the same source: what the provider sent is nobody's to see."""
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
        """Read what the LMS says of itself."""
        return await self._source.portal()

    async def courses(self) -> tuple[Course, ...]:
        """Read the whole course list."""
        return tuple(map(self._veil.course, await self._source.courses()))

    async def find_course(self, course_id: str) -> Course | None:
        """Read one course, in full where the source can."""
        if isinstance(self._source, CourseFinder):
            found = await self._source.find_course(course_id)
        else:
            found = next((one for one in await self._source.courses() if one.id == course_id), None)
        return None if found is None else self._veil.course(found)

    async def learners(self) -> tuple[User, ...]:
        """Read the whole people directory."""
        return tuple(map(self._veil.user, await self._source.learners()))

    async def learner_pages(self) -> AsyncGenerator[tuple[User, ...]]:
        """Read the people directory, in as many parts as the source can give it."""
        async with aclosing(directory_pages(self._source)) as pages:
            async for page in pages:
                yield tuple(map(self._veil.user, page))

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        """Read one person; by an e-mail address only where addresses may be seen."""
        if email is not None and self._veil.hides_emails:
            return None
        with self._veil.telling(user_id):
            found = await self._source.find_learner(user_id=user_id, email=email)
        return None if found is None else self._veil.user(found)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        """Read one scope."""
        with self._veil.telling(scope.user_id):
            return self._veil.reading(await self._source.enrollments(scope, courses=courses, learners=learners))

    async def roster_parts(
        self, course_id: str, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> AsyncGenerator[Reading]:
        """Read a course's enrollments, in as many parts as the source can give them."""
        scope = Scope(course_id=course_id)
        async with aclosing(scope_parts(self._source, scope, courses=courses, learners=learners)) as parts:
            async for part in parts:
                yield self._veil.reading(part)

    async def aclose(self) -> None:
        """Close the source."""
        await self._source.aclose()


class RedactingSourceWithTeams(RedactingSource):
    """A source that tells everybody's team, which is shown."""

    def __init__(self, source: Source, veil: Redactor, teams: TeamDirectory) -> None:
        super().__init__(source, veil)
        self._teams = teams

    async def teams(self) -> Mapping[str, tuple[str, ...]]:
        """Read the names of everybody's teams."""
        return await self._teams.teams()

    def teams_cost(self) -> int | None:
        """How many calls that takes."""
        return self._teams.teams_cost()


def redacted(source: Source, veil: Redactor) -> Source:
    """Draw a veil over a source."""
    if isinstance(source, TeamDirectory):
        return RedactingSourceWithTeams(source, veil, source)
    return RedactingSource(source, veil)
