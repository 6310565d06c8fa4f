"""Answers as values: what was asked, what it rests on, and what was found; not yet text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.days import resolve_day
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS, Thresholds
from mcp_truto_lms.domain.model import EnrollmentColumn
from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.query.filters import FILTERS, EnrollmentFilter
from mcp_truto_lms.reports.dimension_resolution import DimensionFilter, Mandatory
from mcp_truto_lms.reports.name_resolution import ResolvedTerm
from mcp_truto_lms.store.at_risk_learners import AtRiskLearner
from mcp_truto_lms.store.column_stats import ColumnStats
from mcp_truto_lms.store.counts import Counts, ExcludedCounts, Totals
from mcp_truto_lms.store.groups import Group
from mcp_truto_lms.store.schema import ARCHIVED, INACTIVE
from mcp_truto_lms.store.selection import Selection

FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(9999, 12, 30)
"""Days beyond these mean always and never; any zone can still say when they begin and end."""


@dataclass(frozen=True, slots=True)
class ResolvedQuery:
    """A query with everything in it resolved: names, days, and the moment at which it is judged.

    Args:
        now: epoch seconds
        where: HR's dimensions that learners are chosen by
        groups: what a summary is grouped by
        mandatory: what the settings call mandatory, where that is asked for
        thresholds: of what is at risk
        notes: what a reader must know of how people were chosen
        columns: which columns there are
    """

    query: EnrollmentFilter
    account: str
    now: int
    zone: tzinfo
    users: tuple[ResolvedTerm, ...] | None
    courses: tuple[ResolvedTerm, ...] | None
    where: tuple[DimensionFilter, ...] = ()
    groups: tuple[str, ...] = ()
    mandatory: Mandatory = field(default_factory=Mandatory)
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    notes: tuple[str, ...] = ()
    columns: Columns = ALL_COLUMNS

    @property
    def user_ids(self) -> tuple[str, ...] | None:
        """The learners meant; None is everybody."""
        return _ids(self.users)

    @property
    def course_ids(self) -> tuple[str, ...] | None:
        """The courses meant; None is everything."""
        return _ids(self.courses)

    def day(self, text: str, *, last: bool = False) -> date:
        """Resolve a day of the query, at the question's own moment; of a period the first, or the last."""
        today = datetime.fromtimestamp(self.now, self.zone).date()
        return min(max(resolve_day(text, today, last=last), FIRST_DAY), LAST_DAY)

    def selection(self) -> Selection:
        """Say the question in the store's terms."""
        included = {INACTIVE} if _any_excluded(self.users) else set[str]()
        included |= {ARCHIVED} if _any_excluded(self.courses) else set()
        return Selection.of(
            self.account,
            self.now,
            {name: self._resolved(name, value) for name, value in self.query.given_filters.items()},
            mandatory_ids=self.mandatory.ids,
            thresholds=self.thresholds,
            included=frozenset(included),
        )

    def _resolved(self, name: str, value: Any) -> Any:
        """Resolve the value of a filter to what the store compares."""
        match FILTERS[name].kind.resolution:
            case "ids":
                return self.user_ids if name == "user" else self.course_ids
            case "dimensions":
                return tuple((dimension.name, dimension.values) for dimension in self.where)
            case "instant":
                last = FILTERS[name].is_last_day
                day = self.day(value, last=last) + timedelta(days=int(last))
                return int(datetime.combine(day, time(), self.zone).timestamp())
            case None:
                return value


@dataclass(frozen=True, slots=True)
class MatchStats:
    """What every answer rests on: the question, its totals, who was left out, and how old and whole the data is.

    Where people without an enrollment are asked for, the totals count the enrollments that are missing. Those of a list
    are its enrollments, those without a due date, and those that may have failed; a list says no others.
    """

    question: ResolvedQuery
    counts: Totals
    by_status: Mapping[str, int]
    excluded: ExcludedCounts
    coverage: Coverage
    notice: str
    data_version: int = 0
    by_course: Mapping[str | None, Counts] = field(default_factory=dict[str | None, Counts])


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """Rows of enrollments, or of people without one.

    Args:
        rows: each by the dotted paths of the model
        offset: how many rows of the match come before them
        unreported: columns asked for that this LMS never fills
        duplicate_names: the ids of learners and courses whose name another one bears
    """

    stats: MatchStats
    columns: tuple[EnrollmentColumn, ...]
    rows: tuple[Mapping[str, Any], ...]
    offset: int
    column_stats: Mapping[str, ColumnStats]
    unreported: tuple[str, ...] = ()
    duplicate_names: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])


@dataclass(frozen=True, slots=True)
class Export:
    """A CSV of a whole match.

    Args:
        answer: the match, without its rows
        rows: how many were written
        place: a file's path, or an address
        expires_at: when the address ends, in epoch seconds; None for a file
    """

    answer: ListAnswer
    rows: int
    place: str
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class GroupTable:
    """Lines of a summary: the first ones of `number`, in the order of `sort`.

    Args:
        by: one or two keys
        duplicate_names: for each key, the ids whose name another one bears
        in_several: dimensions of which somebody has several values, and is counted in each
    """

    by: tuple[str, ...]
    groups: tuple[Group, ...]
    number: int
    sort: str
    duplicate_names: tuple[frozenset[str], ...] = ()
    in_several: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AtRiskTable:
    """The learners most at risk: the first ones of `number`."""

    lines: tuple[AtRiskLearner, ...]
    number: int
    duplicate_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SummaryAnswer:
    """Counts of a match, by groups or as the overall picture.

    Args:
        tables: by what was asked for, or by course
        at_risk: who is most at risk, in the overall picture
        period: what was open or enrolled in the time that completions are asked for; its finished ones are the match
        details: one learner's courses, or who is late in the one course asked for
        not_enrolled: active people without an enrollment in the one course asked for
        empty_courses: the titles of those in which nobody is enrolled
    """

    stats: MatchStats
    tables: tuple[GroupTable, ...]
    at_risk: AtRiskTable | None = None
    period: Totals | None = None
    details: ListAnswer | None = None
    not_enrolled: int | None = None
    empty_courses: tuple[str, ...] = ()


def _ids(named: tuple[ResolvedTerm, ...] | None) -> tuple[str, ...] | None:
    return None if named is None else tuple(dict.fromkeys(match.id for one in named for match in one.matches))


def _any_excluded(named: tuple[ResolvedTerm, ...] | None) -> bool:
    return any(match.excluded for one in named or () for match in one.matches)
