"""Which enrollments an answer is about, as conditions composed from the definitions.

`CONDITIONS` has one entry for each filter of `query.filters`; importing this module fails where the two tables differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    cast,
    false,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS, STATES, State, Thresholds
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.domain.outcomes import KnownSince
from mcp_truto_lms.domain.redaction import storable
from mcp_truto_lms.query.filters import FILTERS
from mcp_truto_lms.store.schema import (
    ARCHIVED,
    INACTIVE,
    INACTIVE_AND_ARCHIVED,
    INCLUDED,
    StorableText,
    dimensions,
    enrollments,
)

NONE = ""
"""The normalized value that stands for having no value of a dimension."""
FEW = 20
"""The most values that a condition lists; more of them are one parameter."""
SHAPES = 256
"""How many composed statements of a kind are cached."""
_Given = ParamSpec("_Given")
_Statement = TypeVar("_Statement")
_ACCOUNT: Any = bindparam("account", type_=StorableText())
_NOW: Any = bindparam("now", type_=BigInteger())
_FETCHED_SINCE: Any = bindparam("since", type_=BigInteger())
_USERS: Any = tuple(bindparam(f"user_{index}", type_=StorableText()) for index in range(FEW))
_COURSES: Any = tuple(bindparam(f"course_{index}", type_=StorableText()) for index in range(FEW))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which enrollments an answer is about, everything in it resolved.

    Args:
        now: epoch seconds, at which the whole answer is judged
        statuses, states: each of them alternatives, statuses and states alike
        user_ids, course_ids: None is all; in a shape, these, the account and `now` are parameters
        due_from, due_before: epoch seconds; the second is exclusive, as for the other days
        mandatory_ids: courses that are mandatory whatever the LMS reports
        where: dimensions of the learners, each a name and the normalized values any of which matches
        in_period: whether the days of completion select what was open or enrolled then, not what was finished
        included: reasons to exclude rows that do not apply here, because the rows were asked for by name
        fetched_since: epoch seconds before which no reported outcome counts; None if stored outcomes count
        row: the table of the conditions, or one that stands for it
    """

    account: str
    now: int
    user_ids: tuple[str, ...] | None = None
    course_ids: tuple[str, ...] | None = None
    statuses: tuple[EnrollmentStatus | State, ...] = ()
    states: tuple[State | EnrollmentStatus, ...] = ()
    due_from: int | None = None
    due_before: int | None = None
    completed_from: int | None = None
    completed_before: int | None = None
    enrolled_from: int | None = None
    enrolled_before: int | None = None
    inactive_since: int | None = None
    progress_below: float | None = None
    mandatory: bool | None = None
    mandatory_ids: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    in_period: bool = False
    included: frozenset[str] = field(default_factory=lambda: frozenset[str]())
    fetched_since: int | None = None
    row: Any = enrollments

    @property
    def known_since(self) -> KnownSince:
        """Since when reported outcomes count."""
        return KnownSince.at(self.now, fetched_since=self.fetched_since)

    @classmethod
    def of(cls, account: str, now: int, values: Mapping[str, object], **rest: Any) -> Selection:
        """Create a selection from the resolved values of filters, by the filters' names."""
        return cls(account, now, **{CONDITIONS[name].field: value for name, value in values.items()}, **rest)

    def shape(self) -> Selection | None:
        """Replace the account, the moment and the ids by parameters; None where there are many ids."""
        users, courses = self.user_ids, self.course_ids
        if len(users or ()) > FEW or len(courses or ()) > FEW:
            return None
        return replace(
            self,
            account=_ACCOUNT,
            now=_NOW,
            fetched_since=None if self.fetched_since is None else _FETCHED_SINCE,
            user_ids=None if users is None else _USERS[: len(users)],
            course_ids=None if courses is None else _COURSES[: len(courses)],
        )

    def bind_values(self) -> dict[str, Any]:
        """Return the values of the shape's parameters."""
        ids = {"user": self.user_ids or (), "course": self.course_ids or ()}
        by_parameter = {f"{name}_{index}": key for name, keys in ids.items() for index, key in enumerate(keys[:FEW])}
        moments = {"now": self.now} if self.fetched_since is None else {"now": self.now, "since": self.fetched_since}
        return {"account": self.account, **moments, **by_parameter}

    def check(self) -> None:
        """Refuse a period that nothing can match.

        Raises:
            QueryError: the last day of a period is before its first.
        """
        for name in FILTERS:
            last = f"{name.removesuffix('_from')}_to"
            if name == last or last not in FILTERS:
                continue
            first, end = getattr(self, CONDITIONS[name].field), getattr(self, CONDITIONS[last].field)
            if first is not None and end is not None and first >= end:
                raise QueryError(f"{last} is before {name}: no day lies between them.")

    def whatever_outcome(self) -> Selection:
        """Drop the filters on the outcome, and on its date."""
        dropped = (CONDITIONS[name].field for name in _OUTCOME_FILTERS)
        return replace(self, **{name: _UNSELECTIVE[name] for name in dropped})

    def matching(self) -> ColumnElement[bool]:
        """Compose the filters, without the population."""
        return and_(enrollments.c.account == self.account, *_conditions(self, CONDITIONS))

    def matching_outcome(self, row: Any) -> ColumnElement[bool]:
        """Compose the filters on the outcome, and on its date, for a table or what stands for it."""
        return and_(true(), *_conditions(replace(self, row=row), _OUTCOME_FILTERS))

    def is_in(self, state: State) -> ColumnElement[bool]:
        """Compose the condition of a state."""
        if state is State.AT_RISK:
            return definitions.at_risk(self.row, self.now, self.thresholds)
        return STATES[state](self.row, self.now)

    def is_any_of(self, words: Sequence[EnrollmentStatus | State]) -> ColumnElement[bool]:
        """Compose that a row has one of these statuses, or is in one of these states."""
        statuses = [word for word in words if isinstance(word, EnrollmentStatus)]
        parts = [self.is_in(word) for word in words if isinstance(word, State)]
        return or_(_has_status(self, statuses), *parts) if statuses else or_(*parts)

    def finished(self) -> ColumnElement[bool]:
        """Compose what counts as finished; in a period, what was finished in it."""
        if self.in_period:
            return definitions.finished_within(self.row, self.now, self.completed_from, self.completed_before)
        return definitions.finished(self.row, self.now)

    def is_included(self) -> ColumnElement[bool]:
        """Compose the population."""
        reason, reasons = enrollments.c.excluded_reason, self.included_reasons
        return reason.in_(sorted(reasons)) if len(reasons) > 1 else reason == INCLUDED

    @property
    def included_reasons(self) -> frozenset[str]:
        """The values of `excluded_reason` that are in the population of the question."""
        both = {INACTIVE_AND_ARCHIVED} if self.included >= {INACTIVE, ARCHIVED} else set[str]()
        return frozenset({INCLUDED} | self.included | both)

    def counted(self) -> ColumnElement[bool]:
        """Compose the filters and the population."""
        return and_(self.matching(), self.is_included())


def _conditions(selection: Selection, names: Iterable[str]) -> list[ColumnElement[bool]]:
    """Compose the filters of these names that are given; those that share a function once."""
    values = {CONDITIONS[name].compose: getattr(selection, CONDITIONS[name].field) for name in names}
    selective = {
        CONDITIONS[name].compose
        for name in names
        if getattr(selection, CONDITIONS[name].field) != _UNSELECTIVE[CONDITIONS[name].field]
    }
    return [compose(selection, value) for compose, value in values.items() if compose in selective]


_OUTCOME_FILTERS = tuple(name for name, each in FILTERS.items() if each.judges_outcome or each.column == "completed_at")
"""The filters on the outcome, and on its date."""
_UNSELECTIVE: Mapping[str, Any] = {each.name: each.default for each in fields(Selection)}
"""The value of each field that selects everything."""


def _has_status(selection: Selection, statuses: Sequence[EnrollmentStatus]) -> ColumnElement[bool]:
    named = definitions.status_at(selection.row, selection.now).in_([str(status) for status in statuses])
    if EnrollmentStatus.OVERDUE in statuses:
        return or_(named, definitions.overdue(selection.row, selection.now))
    return named


def _is_completed_within(selection: Selection, _: int) -> ColumnElement[bool]:
    within = definitions.open_within if selection.in_period else definitions.finished_within
    return within(selection.row, selection.now, selection.completed_from, selection.completed_before)


def _is_mandatory(selection: Selection, mandatory: bool) -> ColumnElement[bool]:
    reported, ids = enrollments.c.is_mandatory, selection.mandatory_ids
    named = in_list(enrollments.c.course_id, ids) if ids else false()
    if mandatory:
        return or_(reported.is_(true()), named)
    return and_(or_(reported.is_(false()), reported.is_(None)), not_(named)) if ids else reported.is_(false())


@dataclass(frozen=True, slots=True)
class Condition:
    """The SQL of a filter.

    Args:
        field: of `Selection`, with the filter's resolved value
        compose: from a selection and that value; filters that share a function are composed once
    """

    field: str
    compose: Callable[[Selection, Any], ColumnElement[bool]]


CONDITIONS: Mapping[str, Condition] = {
    "status": Condition("statuses", lambda selection, words: selection.is_any_of(words)),
    "state": Condition("states", lambda selection, words: selection.is_any_of(words)),
    "inactive_since": Condition(
        "inactive_since", lambda selection, since: definitions.inactive_since(selection.row, selection.now, since)
    ),
    "progress_below": Condition(
        "progress_below", lambda selection, percent: definitions.below(selection.row, selection.now, percent)
    ),
    "due_from": Condition("due_from", lambda _, moment: enrollments.c.due_at >= moment),
    "due_to": Condition("due_before", lambda _, moment: enrollments.c.due_at < moment),
    "completed_from": Condition("completed_from", _is_completed_within),
    "completed_to": Condition("completed_before", _is_completed_within),
    "enrolled_from": Condition("enrolled_from", lambda _, moment: enrollments.c.enrolled_at >= moment),
    "enrolled_to": Condition("enrolled_before", lambda _, moment: enrollments.c.enrolled_at < moment),
    "user": Condition("user_ids", lambda _, ids: in_list(enrollments.c.user_id, ids)),
    "course": Condition("course_ids", lambda _, ids: in_list(enrollments.c.course_id, ids)),
    "is_mandatory": Condition("mandatory", _is_mandatory),
    "where": Condition(
        "where", lambda selection, where: and_(*of_dimensions(enrollments.c.user_id, selection.account, where))
    ),
}
"""The condition of each filter, by the filter's name."""
if unwired := sorted(CONDITIONS.keys() ^ FILTERS.keys()):
    raise TypeError(f"query.filters.FILTERS and store.selection.CONDITIONS differ in {', '.join(unwired)}")


def cached_statement(
    compose: Callable[Concatenate[Selection, _Given], _Statement],
) -> Callable[Concatenate[Selection, _Given], _Statement]:
    """Compose a statement once for all selections of a shape; it is executed with `bind_values`.

    Composing takes longer than executing on few rows: `python -m bench.asking` prints the answer times. A statement
    about many people or courses is not cached.
    """
    cached = lru_cache(maxsize=SHAPES)(compose)

    @wraps(cached)
    def composed(selection: Selection, *args: _Given.args, **kwargs: _Given.kwargs) -> _Statement:
        shape = selection.shape()
        return compose(selection, *args, **kwargs) if shape is None else cached(shape, *args, **kwargs)

    return composed


def of_dimensions(
    user_id: ColumnElement[Any], account: str, where: Sequence[tuple[str, tuple[str, ...]]]
) -> list[ColumnElement[bool]]:
    """Compose that a learner has one of the values of every dimension; `NONE` matches having no value."""
    parts: list[ColumnElement[bool]] = []
    for name, values in where:
        learners: Select[Any] = select(dimensions.c.learner_id).where(
            dimensions.c.account == account, dimensions.c.name == name
        )
        some = user_id.in_(learners.where(dimensions.c.normalized_value.in_(values)))
        parts.append(or_(some, user_id.not_in(learners)) if NONE in values else some)
    return parts


class _Texts(FunctionElement[str]):
    """The texts of one JSON parameter, as a subquery: no engine limits their number."""

    inherit_cache = True
    type = StorableText()


@compiles(_Texts, "sqlite")
def _texts_in_sqlite(element: _Texts, compiler: SQLCompiler, **given: Any) -> str:
    each = func.json_each(*element.clauses).table_valued("value")
    return compiler.process(select(each.c.value).scalar_subquery(), **given)


@compiles(_Texts, "postgresql")
def _texts_in_postgresql(element: _Texts, compiler: SQLCompiler, **given: Any) -> str:
    each = func.json_array_elements_text(*(cast(clause, JSON) for clause in element.clauses)).table_valued("value")
    return compiler.process(select(each.c.value).scalar_subquery(), **given)


def in_list(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    """Compose that a column holds one of any number of texts."""
    if len(values) == 1:
        return column == values[0]
    if len(values) <= FEW:
        return column.in_(values)
    return _in_packed(column, bindparam(None, pack(values), type_=StorableText(), unique=True))


def in_bound_list(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Compose that a column holds one of the texts of a packed parameter, which is given by its name."""
    return _in_packed(column, bindparam(name, type_=StorableText()))


def pack(texts: Iterable[str]) -> str:
    """Pack texts into one parameter."""
    return json.dumps([storable(text) for text in texts])


def _in_packed(column: ColumnElement[Any], packed: BindParameter[str]) -> ColumnElement[bool]:
    return column.op("IN", is_comparison=True)(_Texts(packed))
