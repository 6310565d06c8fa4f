"""Selections: which enrollments an answer is about, as conditions composed from the definitions of `progress`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
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
from mcp_truto_lms.domain.redaction import storable
from mcp_truto_lms.store.schema import INCLUDED, StorableText, dimensions, enrollments

NONE = ""
"""The folded value that stands for having none of a dimension."""
FEW = 20
"""Up to so many values are listed in a condition; more of them travel as one parameter."""
SHAPES = 256
"""So many composed statements of a kind are kept."""
_Given = ParamSpec("_Given")
_Statement = TypeVar("_Statement")
_ACCOUNT: Any = bindparam("account", type_=StorableText())
_NOW: Any = bindparam("now", type_=BigInteger())
_USERS: Any = tuple(bindparam(f"user_{index}", type_=StorableText()) for index in range(FEW))
_COURSES: Any = tuple(bindparam(f"course_{index}", type_=StorableText()) for index in range(FEW))
_PERIODS = (("due", "due_at"), ("completed", "completed_at"), ("enrolled", "enrolled_at"))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which enrollments an answer is about, everything in it resolved.

    Args:
        now: epoch seconds, at which every judgement of the answer is made
        user_ids, course_ids: None is everybody, everything; they, the account and the moment are parameters in a shape
        due_from, due_before: epoch seconds; the second is excluded; so with the other days
        mandatory_ids: courses that are mandatory whatever the LMS says of them
        where: dimensions of the learners, each a name and the folded values any of which will do
        in_period: whether the days of completion choose what was open or enrolled then, not what was finished
        included: reasons for which rows of the match are usually left out, but not here: they were asked for by name
    """

    account: str
    now: int
    user_ids: tuple[str, ...] | None = None
    course_ids: tuple[str, ...] | None = None
    statuses: tuple[EnrollmentStatus, ...] = ()
    states: tuple[State, ...] = ()
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

    def shape(self) -> Selection | None:
        """Put parameters in the place of the account, the moment and the ids; None where these are many."""
        users, courses = self.user_ids, self.course_ids
        if len(users or ()) > FEW or len(courses or ()) > FEW:
            return None
        return replace(
            self,
            account=_ACCOUNT,
            now=_NOW,
            user_ids=None if users is None else _USERS[: len(users)],
            course_ids=None if courses is None else _COURSES[: len(courses)],
        )

    def bind_values(self) -> dict[str, Any]:
        """Give the values of the shape's parameters."""
        ids = {"user": self.user_ids or (), "course": self.course_ids or ()}
        told = {f"{name}_{index}": one for name, each in ids.items() for index, one in enumerate(each[:FEW])}
        return {"account": self.account, "now": self.now, **told}

    def check(self) -> None:
        """Refuse what nothing can match.

        Raises:
            QueryError: a last day is before its first.
        """
        for name, _ in _PERIODS:
            first, end = getattr(self, f"{name}_from"), getattr(self, f"{name}_before")
            if first is not None and end is not None and first >= end:
                raise QueryError(f"{name}_to is before {name}_from: no day lies between them.")

    def whatever_outcome(self) -> Selection:
        """Drop the filters on how things went."""
        return replace(
            self,
            statuses=(),
            states=(),
            progress_below=None,
            inactive_since=None,
            completed_from=None,
            completed_before=None,
        )

    def matching(self) -> ColumnElement[bool]:
        """Compose the filters, without the population."""
        row = enrollments
        parts = [row.c.account == self.account, *self._of_outcome(), *self._of_days()]
        if self.user_ids is not None:
            parts.append(in_list(row.c.user_id, self.user_ids))
        if self.course_ids is not None:
            parts.append(in_list(row.c.course_id, self.course_ids))
        if self.mandatory is not None:
            named = in_list(row.c.course_id, self.mandatory_ids) if self.mandatory_ids else false()
            told = or_(row.c.is_mandatory.is_(true()), named)
            untold = row.c.is_mandatory.is_(false())
            if self.mandatory_ids:
                untold = and_(or_(untold, row.c.is_mandatory.is_(None)), not_(named))
            parts.append(told if self.mandatory else untold)
        parts += of_dimensions(row.c.user_id, self.account, self.where)
        return and_(*parts)

    def _of_outcome(self) -> list[ColumnElement[bool]]:
        row, now = enrollments, self.now
        parts: list[ColumnElement[bool]] = []
        if self.statuses:
            named = definitions.status_at(row, now).in_([str(one) for one in self.statuses])
            late = EnrollmentStatus.OVERDUE in self.statuses
            parts.append(or_(named, definitions.overdue(row, now)) if late else named)
        if self.states:
            parts.append(or_(*(self.is_in(one) for one in self.states)))
        if self.inactive_since is not None:
            parts.append(definitions.inactive_since(row, now, self.inactive_since))
        if self.progress_below is not None:
            parts.append(definitions.below(row, now, self.progress_below))
        return parts

    def _of_days(self) -> list[ColumnElement[bool]]:
        row, now = enrollments, self.now
        parts: list[ColumnElement[bool]] = []
        for name, column in _PERIODS:
            first, end = getattr(self, f"{name}_from"), getattr(self, f"{name}_before")
            if name == "completed" and (first is not None or end is not None):
                within = definitions.open_within if self.in_period else definitions.finished_within
                parts.append(within(row, now, first, end))
                continue
            if first is not None:
                parts.append(row.c[column] >= first)
            if end is not None:
                parts.append(row.c[column] < end)
        return parts

    def is_in(self, state: State) -> ColumnElement[bool]:
        """Compose the condition of a state."""
        if state is State.AT_RISK:
            return definitions.at_risk(enrollments, self.now, self.thresholds)
        return STATES[state](enrollments, self.now)

    def finished(self) -> ColumnElement[bool]:
        """Compose what counts as finished: in a period, what was finished in it."""
        if self.in_period:
            return definitions.finished_within(enrollments, self.now, self.completed_from, self.completed_before)
        return definitions.finished(enrollments, self.now)

    def is_included(self) -> ColumnElement[bool]:
        """Compose the population."""
        reason = enrollments.c.excluded_reason
        return reason.in_([INCLUDED, *sorted(self.included)]) if self.included else reason == INCLUDED

    def counted(self) -> ColumnElement[bool]:
        """Compose the filters and the population."""
        return and_(self.matching(), self.is_included())


def cached_statement(
    compose: Callable[Concatenate[Selection, _Given], _Statement],
) -> Callable[Concatenate[Selection, _Given], _Statement]:
    """Have a statement composed once for all selections of a shape; it is executed with what the selection gives.

    Composing it takes longer than executing it on few rows. What names many people or courses is composed for itself.
    """
    kept = lru_cache(maxsize=SHAPES)(compose)

    @wraps(kept)
    def composed(selection: Selection, *args: _Given.args, **kwargs: _Given.kwargs) -> _Statement:
        shape = selection.shape()
        return compose(selection, *args, **kwargs) if shape is None else kept(shape, *args, **kwargs)

    return composed


def of_dimensions(
    user_id: ColumnElement[Any], account: str, where: Sequence[tuple[str, tuple[str, ...]]]
) -> list[ColumnElement[bool]]:
    """Compose that learners have one of the values of every dimension; `NONE` is to have no value."""
    parts: list[ColumnElement[bool]] = []
    for name, values in where:
        told: Select[Any] = select(dimensions.c.learner_id).where(
            dimensions.c.account == account, dimensions.c.name == name
        )
        some = user_id.in_(told.where(dimensions.c.normalized_value.in_(values)))
        parts.append(or_(some, user_id.not_in(told)) if NONE in values else some)
    return parts


class _Texts(FunctionElement[str]):
    """The texts of one JSON parameter, as a subquery: no engine limits how many there are."""

    inherit_cache = True
    type = StorableText()


@compiles(_Texts, "sqlite")
def _texts_in_sqlite(element: _Texts, compiler: SQLCompiler, **given: Any) -> str:
    each = func.json_each(*element.clauses).table_valued("value")
    return compiler.process(select(each.c.value).scalar_subquery(), **given)


@compiles(_Texts, "postgresql")
def _texts_in_postgresql(element: _Texts, compiler: SQLCompiler, **given: Any) -> str:
    each = func.json_array_elements_text(*(cast(one, JSON) for one in element.clauses)).table_valued("value")
    return compiler.process(select(each.c.value).scalar_subquery(), **given)


def in_list(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    """Compose that a column holds one of some texts, however many."""
    if len(values) == 1:
        return column == values[0]
    if len(values) <= FEW:
        return column.in_(values)
    return _in_packed(column, bindparam(None, pack(values), type_=StorableText(), unique=True))


def in_bound_list(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Compose that a column holds one of some texts, which come packed, by a name, when the statement is executed."""
    return _in_packed(column, bindparam(name, type_=StorableText()))


def pack(texts: Iterable[str]) -> str:
    """Pack texts into one parameter."""
    return json.dumps([storable(one) for one in texts])


def _in_packed(column: ColumnElement[Any], packed: BindParameter[str]) -> ColumnElement[bool]:
    return column.op("IN", is_comparison=True)(_Texts(packed))
