"""The one table of filters: which enrollments both tools are asked about.

A filter is one field here, with its `Filter`. Its SQL is the condition of the same name in `store.selection`; importing
that module fails where the two tables differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Self, cast

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, model_validator

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import CUSTOM_FIELDS, EnrollmentStatus
from mcp_truto_lms.query import value_kinds
from mcp_truto_lms.query.arguments import Argument, Filter, arguments_of
from mcp_truto_lms.query.parsing import NULL, nearest, user_words
from mcp_truto_lms.query.vocabulary import MAX_LIMIT
from mcp_truto_lms.query.where import Where


def _where_words(columns: Columns) -> str:
    more = f", manager: Ann Lee, {CUSTOM_FIELDS}.site: Oslo" if CUSTOM_FIELDS in columns else ""
    return f"Of the learners: {{team: Sales{more}}}"


class EnrollmentFilter(BaseModel):
    """The arguments that both tools share."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    _notes: tuple[str, ...] = PrivateAttr(())

    user: Annotated[
        tuple[str, ...],
        Filter(
            kind=value_kinds.USERS,
            meaning="People, each by id, e-mail address, login or part of a name; any of them",
            example=["Jane Doe"],
            description=user_words,
            words="{}",
            of_enrollments=False,
        ),
    ] = ()
    course: Annotated[
        tuple[str, ...],
        Filter(
            kind=value_kinds.COURSES,
            meaning="Courses, each by id, code or part of a title; any of them",
            example=["Security Awareness"],
            description="Id, code or part of a title",
            words="{}",
            of_enrollments=False,
        ),
    ] = ()
    status: Annotated[
        tuple[EnrollmentStatus | State, ...],
        Filter(
            kind=value_kinds.STATUSES,
            meaning="Statuses as the LMS reports them, or states; any of them",
            example=["in_progress"],
            description="As the LMS has it",
            words="{}",
            judges_outcome=True,
        ),
    ] = ()
    state: Annotated[
        tuple[State | EnrollmentStatus, ...],
        Filter(
            kind=value_kinds.STATES,
            meaning="What people mean, derived when the question is answered, or statuses; any of them",
            example=["overdue"],
            description="What people mean; not_enrolled needs course",
            words="{}",
            judges_outcome=True,
            of_enrollments=False,
        ),
    ] = ()
    due_from: Annotated[
        str | None,
        Filter(
            kind=value_kinds.DAY,
            meaning="Due on this day or later",
            example="2026-11-01",
            column="due_at",
            words="due from {}",
        ),
    ] = None
    due_to: Annotated[
        str | None,
        Filter(
            kind=value_kinds.DAY,
            meaning="Due on this day or earlier",
            example="+14d",
            column="due_at",
            words="due to {}",
            is_last_day=True,
        ),
    ] = None
    completed_from: Annotated[
        str | None,
        Filter(
            kind=value_kinds.DAY,
            meaning="Finished on this day or later",
            example="last_month",
            column="completed_at",
            words="completed from {}",
        ),
    ] = None
    completed_to: Annotated[
        str | None,
        Filter(
            kind=value_kinds.DAY,
            meaning="Finished on this day or earlier",
            example="last_month",
            column="completed_at",
            words="completed to {}",
            is_last_day=True,
        ),
    ] = None
    enrolled_from: Annotated[
        str | None,
        Filter(
            kind=value_kinds.DAY,
            meaning="Enrolled on this day or later",
            example="-3m",
            column="enrolled_at",
            words="enrolled from {}",
        ),
    ] = None
    enrolled_to: Annotated[
        str | None,
        Filter(
            kind=value_kinds.DAY,
            meaning="Enrolled on this day or earlier",
            example="yesterday",
            column="enrolled_at",
            words="enrolled to {}",
            is_last_day=True,
        ),
    ] = None
    inactive_since: Annotated[
        str | None,
        Filter(
            kind=value_kinds.DAY,
            meaning="Not finished, without activity on this day or later; without any activity, enrolled before it",
            example="-30d",
            column="last_activity_at",
            words="inactive since {}",
            judges_outcome=True,
            unreported_hint="ask by state not_started or by progress_below instead",
        ),
    ] = None
    progress_below: Annotated[
        float | None,
        Filter(
            kind=value_kinds.PERCENT,
            meaning="Not finished, with less progress than this; unreported progress counts as 0",
            example=50,
            column="progress_percent",
            words="not finished, progress below {}",
            judges_outcome=True,
        ),
    ] = None
    is_mandatory: Annotated[
        bool | None,
        Filter(
            kind=value_kinds.FLAG,
            meaning="Mandatory or not, as the LMS reports it or as a setting names the courses",
            example="yes",
            column="is_mandatory",
            words="{}mandatory",
            adds_column=False,
            unreported_hint="name the mandatory courses in {prefix}MANDATORY_COURSES, or omit it",
        ),
    ] = None
    where: Annotated[
        Where,
        Filter(
            kind=value_kinds.DIMENSION_VALUES,
            meaning="Dimensions of the learners: team, manager, custom fields, and the columns of the people file; all "
            "of them, each with one value or any of a list",
            example={"team": "Sales"},
            description=_where_words,
            words="{}",
            of_enrollments=False,
        ),
    ] = ()
    fresh: Annotated[
        bool,
        Argument(
            kind=value_kinds.SWITCH,
            meaning="Fetch from the LMS again, whatever the age of the stored data",
            example=True,
            description="Fetch again now",
        ),
    ] = False

    @classmethod
    def arguments(cls, columns: Columns = ALL_COLUMNS) -> dict[str, Argument]:
        """List the arguments that are offered with some columns, by name."""
        return {
            name: argument
            for name, argument in arguments_of(cls).items()
            if argument.column is None or argument.column in columns
        }

    @classmethod
    def parse(cls, arguments: Mapping[str, object], columns: Columns = ALL_COLUMNS) -> Self:
        """Parse a tool's arguments.

        Raises:
            QueryError: one sentence for each argument that cannot be parsed.
        """
        known = cls.arguments(columns)
        for name in arguments:
            if name not in known:
                guess = nearest(name, known)
                hint = f"; did you mean {guess!r}?" if guess else "."
                raise QueryError(f"There is no argument {name[:60]!r}{hint} Known: {', '.join(known)}.")
        try:
            query = cls.model_validate(cls._without_absent(arguments), context=columns)
        except ValidationError as error:
            sentences = [_sentence(detail["loc"], detail["msg"]) for detail in error.errors(include_url=False)]
            raise QueryError(" ".join(dict.fromkeys(sentences))) from None
        query = query.model_copy(update=query.words_in_their_argument())
        limit = getattr(query, "limit", None)
        if limit is None or limit <= MAX_LIMIT:
            return query
        limited = query.model_copy(update={"limit": MAX_LIMIT})
        limited._notes = (f"limit: {MAX_LIMIT} at most.",)  # noqa: SLF001  of its own class
        return limited

    @classmethod
    def _without_absent(cls, given: Mapping[str, object]) -> dict[str, object]:
        """Drop the arguments that are not meant: hosts and models write something for those that are not given."""
        kinds = {name: argument.kind for name, argument in arguments_of(cls).items() if name in given}
        present = {name: value for name, value in given.items() if not is_absent(value, kinds[name].absent_words)}
        defaults = {name: _text(cls.model_fields[name].default) for name in present}
        if len(present) < len(given) or any(_text(value) == defaults[name] for name, value in present.items()):
            filled_in = [name for name, value in present.items() if is_absent(value, kinds[name].filled_in_words)]
            return {name: value for name, value in present.items() if name not in filled_in}
        return present

    def words_in_their_argument(self) -> dict[str, tuple[EnrollmentStatus | State, ...]]:
        """Move states that are given as the only `status` to `state`, and statuses to `status`."""
        if self.status and not self.state and not self.statuses_named:
            return {"status": (), "state": self.status}
        if self.state and not self.status and not self.states_named:
            return {"status": self.state, "state": ()}
        return {}

    @model_validator(mode="before")
    @classmethod
    def _drop_unset(cls, data: object) -> object:
        """Drop what another query has not set."""
        if not isinstance(data, Mapping):
            return data
        values = cast("Mapping[str, object]", data)
        return {name: value for name, value in values.items() if value is not None and value != ()}

    @model_validator(mode="after")
    def _check_not_enrolled(self) -> Self:
        """Refuse filters on enrollments where there are none."""
        if self.continues or not self.asks_who_is_missing:
            return self
        if not self.course:
            raise ValueError("state not_enrolled needs course, to say in which")
        conflicting = [str(word) for word in (*self.status, *self.state) if word is not State.NOT_ENROLLED]
        conflicting += [name for name in self.given_filters if FILTERS[name].of_enrollments and name != "status"]
        if conflicting:
            raise ValueError(f"state not_enrolled is about people without an enrollment: omit {', '.join(conflicting)}")
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how the arguments were understood."""
        return self._notes

    @property
    def continues(self) -> bool:
        """Whether it continues an earlier question."""
        return False

    @property
    def given_filters(self) -> dict[str, Any]:
        """The values of the filters that are given, by name."""
        values = {name: getattr(self, name) for name in FILTERS}
        return {name: value for name, value in values.items() if value not in (None, ())}

    @property
    def judges_outcome(self) -> bool:
        """Whether it filters by outcome, which makes a completion rate meaningless."""
        given = self.given_filters
        if {*self.state} == {State.NO_DUE_DATE}:
            del given["state"]
        return any(FILTERS[name].judges_outcome for name in given)

    @property
    def asks_who_is_missing(self) -> bool:
        """Whether it is about people who have no enrollment."""
        return State.NOT_ENROLLED in self.states_named

    @property
    def states_named(self) -> frozenset[State]:
        """The states among the alternatives of `status` and `state`."""
        return frozenset(word for word in (*self.status, *self.state) if isinstance(word, State))

    @property
    def statuses_named(self) -> frozenset[EnrollmentStatus]:
        """The statuses among the alternatives of `status` and `state`."""
        return frozenset(word for word in (*self.status, *self.state) if isinstance(word, EnrollmentStatus))

    @property
    def period_asked(self) -> bool:
        """Whether it is about completions in a period."""
        return self.completed_from is not None or self.completed_to is not None

    @property
    def needs_directory(self) -> bool:
        """Whether the answer depends on the whole people directory."""
        return bool(self.where) or self.asks_who_is_missing

    @property
    def dimensions(self) -> frozenset[str]:
        """The dimensions that learners are filtered or grouped by, case-folded."""
        return frozenset(key.strip().casefold() for key, _ in self.where)


FILTERS: Mapping[str, Filter] = {
    name: argument for name, argument in arguments_of(EnrollmentFilter).items() if isinstance(argument, Filter)
}
"""Every filter by its name, in the order of the schema."""


def _text(value: object) -> str:
    return str(value).strip().casefold()


def is_absent(value: object, words: frozenset[str] = frozenset()) -> bool:
    """Tell whether a value stands for "not given": empty, null, or such a word, alone or in lists and objects."""
    if isinstance(value, Mapping):
        return all(is_absent(item) for item in cast("Mapping[str, object]", value).values())
    if isinstance(value, list | tuple):
        return all(is_absent(item, words) for item in cast("list[object]", value))
    if value is None:
        return True
    text = _text(value)
    if text.startswith(("[", "{")):
        with suppress(ValueError, RecursionError):
            return is_absent(json.loads(text), words)
    return text in _EMPTY_WORDS or text in words


_EMPTY_WORDS = frozenset({"", NULL})


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]) if location else ""
    text = message.removeprefix("Value error, ")
    return f"{name}: {text}." if name else f"{text[0].upper()}{text[1:]}."
