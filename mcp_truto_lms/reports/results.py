"""Answers as values: the resolved question, the totals of its match, and rows or groups. `render` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.days import resolve_day
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS, Thresholds
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import EnrollmentColumn
from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.query.filters import FILTERS, EnrollmentFilter
from mcp_truto_lms.reports.dimension_resolution import DimensionFilter
from mcp_truto_lms.reports.mandatory_courses import MandatoryCourses
from mcp_truto_lms.reports.name_resolution import ResolvedTerm
from mcp_truto_lms.store.at_risk_learners import AtRiskLearner
from mcp_truto_lms.store.column_stats import ColumnStats
from mcp_truto_lms.store.counts import Counts, ExcludedCounts, Totals
from mcp_truto_lms.store.groups import Group
from mcp_truto_lms.store.name_search import Match
from mcp_truto_lms.store.schema import ARCHIVED, INACTIVE
from mcp_truto_lms.store.selection import Selection
from mcp_truto_lms.store.unknown_outcomes import UnknownOutcomes

FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(9999, 12, 30)
"""Dates beyond these count as these, which every time zone can convert to instants."""


@dataclass(frozen=True, slots=True)
class ResolvedQuery:
    """A query with its names and dimensions resolved.

    Args:
        now: the moment of the answer, in epoch seconds
        users, courses: the terms of the query with their matches; None selects all
        where: the filters by dimensions
        groups: the keys that a summary is grouped by
        mandatory: the courses that the settings call mandatory, if the query asks for mandatory ones
        thresholds: of the signals
        notes: what a reader must know about the selection of people
        columns: the columns that exist
        fetched_since: epoch seconds before which no reported outcome counts; None if stored outcomes count
    """

    query: EnrollmentFilter
    account: str
    now: int
    zone: tzinfo
    users: tuple[ResolvedTerm, ...] | None
    courses: tuple[ResolvedTerm, ...] | None
    where: tuple[DimensionFilter, ...] = ()
    groups: tuple[str, ...] = ()
    mandatory: MandatoryCourses = field(default_factory=MandatoryCourses)
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    notes: tuple[str, ...] = ()
    columns: Columns = ALL_COLUMNS
    fetched_since: int | None = None

    @property
    def user_ids(self) -> tuple[str, ...] | None:
        """The ids of the learners; None selects all."""
        return _ids(self.users)

    @property
    def course_ids(self) -> tuple[str, ...] | None:
        """The ids of the courses; None selects all."""
        return _ids(self.courses)

    def day(self, text: str, *, last: bool = False) -> date:
        """Resolve a date of the query at the moment of the answer; of a period, its first or its last day."""
        today = datetime.fromtimestamp(self.now, self.zone).date()
        try:
            day = resolve_day(text, today, last=last)
        except ValueError as error:  # too far from today
            raise QueryError(f"{error}.") from None
        return min(max(day, FIRST_DAY), LAST_DAY)

    def selection(self) -> Selection:
        """Return the question as a selection of the store."""
        included = {INACTIVE} if _any_excluded(self.users) else set[str]()
        included |= {ARCHIVED} if _any_excluded(self.courses) else set()
        return Selection.of(
            self.account,
            self.now,
            {name: self._resolved(name, value) for name, value in self.query.given_filters.items()},
            mandatory_ids=self.mandatory.ids,
            thresholds=self.thresholds,
            included=frozenset(included),
            fetched_since=self.fetched_since,
        )

    def _resolved(self, name: str, value: Any) -> Any:
        """Resolve the value of a filter to the value that the store compares."""
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
    """The question of an answer, the totals of its match, and how old and complete the data is.

    The totals of a list have only its enrollments, and those without a due date. If the question asks for people who
    are not enrolled, the totals count the missing enrollments.

    Args:
        without_rows: of several people that the question names, those who have no row in the match
    """

    question: ResolvedQuery
    counts: Totals
    by_status: Mapping[str, int]
    excluded: ExcludedCounts
    coverage: Coverage
    notice: str
    data_version: int = 0
    by_course: Mapping[str | None, Counts] = field(default_factory=dict[str | None, Counts])
    unknown: UnknownOutcomes = field(default_factory=UnknownOutcomes)
    without_rows: tuple[Match, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether no further fetch can change a number."""
        return self.coverage.complete and not self.unknown.number


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """Rows of enrollments, or of missing enrollments.

    Args:
        rows: each by the dotted paths of its columns
        offset: how many rows of the match come before them
        unreported: the headers of columns that the query asks for and this LMS never fills
        duplicate_names: by column, the ids of learners and courses whose name another one has too
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
        rows: how many rows the file has
        place: the path of the file, or its address
        expires_at: when the address expires, in epoch seconds; None for a file
    """

    answer: ListAnswer
    rows: int
    place: str
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class GroupTable:
    """The first groups of a summary, in the order of `sort`.

    Args:
        by: one or two keys
        number: how many groups there are in all
        duplicate_names: for each key, the ids whose name another one has too
        in_several: the dimensions of which somebody has several values, and counts in each
    """

    by: tuple[str, ...]
    groups: tuple[Group, ...]
    number: int
    sort: str
    duplicate_names: tuple[frozenset[str], ...] = ()
    in_several: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AtRiskTable:
    """The learners most at risk.

    Args:
        number: how many learners are at risk in all
        duplicate_names: the ids of learners whose name another one has too
    """

    lines: tuple[AtRiskLearner, ...]
    number: int
    duplicate_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SummaryAnswer:
    """Counts of a match, by groups or as an overview.

    Args:
        tables: the groups asked for, or the default ones
        at_risk: the learners most at risk, in an overview
        period: the enrollments open or enrolled in the period of the completions asked for; the match is the finished
            ones among them
        period_unknown: how far unknown outcomes leave its numbers open
        details: the courses of the only learner asked for, or the overdue enrollments of the only course
        not_enrolled: how many active people have no enrollment in the only course asked for
        empty_courses: the titles of the courses in which nobody is enrolled
    """

    stats: MatchStats
    tables: tuple[GroupTable, ...]
    at_risk: AtRiskTable | None = None
    period: Totals | None = None
    period_unknown: UnknownOutcomes = field(default_factory=UnknownOutcomes)
    details: ListAnswer | None = None
    not_enrolled: int | None = None
    empty_courses: tuple[str, ...] = ()


def _ids(terms: tuple[ResolvedTerm, ...] | None) -> tuple[str, ...] | None:
    return None if terms is None else tuple(dict.fromkeys(match.id for term in terms for match in term.matches))


def _any_excluded(terms: tuple[ResolvedTerm, ...] | None) -> bool:
    return any(match.excluded for term in terms or () for match in term.matches)
