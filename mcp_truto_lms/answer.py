"""Answers as values: what was asked, what it rests on, and what was found; not yet text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from mcp_truto_lms.model import Column
from mcp_truto_lms.names import Named
from mcp_truto_lms.query import EnrollmentFilter, GroupBy, resolve_day
from mcp_truto_lms.refresh import Coverage
from mcp_truto_lms.store.read import Counts, Group, LeftOut, Selection, Spread
from mcp_truto_lms.store.schema import ARCHIVED, INACTIVE

FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(9999, 12, 30)
"""Days beyond these mean always and never; any zone can still say when they begin and end."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query with everything in it resolved: names, days, and the moment at which it is judged.

    Args:
        now: epoch seconds
    """

    query: EnrollmentFilter
    account: str
    now: int
    zone: tzinfo
    users: tuple[Named, ...] | None
    courses: tuple[Named, ...] | None

    @property
    def user_ids(self) -> tuple[str, ...] | None:
        """The learners meant; None is everybody."""
        return _ids(self.users)

    @property
    def course_ids(self) -> tuple[str, ...] | None:
        """The courses meant; None is everything."""
        return _ids(self.courses)

    def day(self, text: str) -> date:
        """Resolve a day of the query, at the question's own moment."""
        today = datetime.fromtimestamp(self.now, self.zone).date()
        return min(max(resolve_day(text, today), FIRST_DAY), LAST_DAY)

    def selection(self) -> Selection:
        """Say the question in the store's terms."""
        query = self.query

        def midnight(text: str | None, days: int) -> int | None:
            if text is None:
                return None
            return int(datetime.combine(self.day(text) + timedelta(days=days), time(), self.zone).timestamp())

        included = {INACTIVE} if _all_left_out(self.users) else set[str]()
        included |= {ARCHIVED} if _all_left_out(self.courses) else set()
        return Selection(
            account=self.account,
            now=self.now,
            user_ids=self.user_ids,
            course_ids=self.course_ids,
            statuses=query.status,
            states=query.state,
            due_from=midnight(query.due_from, 0),
            due_before=midnight(query.due_to, 1),
            progress_below=query.progress_below,
            included=frozenset(included),
        )


@dataclass(frozen=True, slots=True)
class Ground:
    """What every answer rests on: the question, its totals, who was left out, and how old and whole the data is."""

    question: Question
    counts: Counts
    left_out: LeftOut
    coverage: Coverage
    sample: bool


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """Rows of enrollments.

    Args:
        rows: each by the dotted paths of the model
        offset: how many rows of the match come before them
        unreported: columns asked for that this LMS never fills
        data_version: the state of the data that the rows were read from
    """

    ground: Ground
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    offset: int
    spreads: Mapping[str, Spread]
    unreported: tuple[str, ...] = ()
    data_version: int = 0


@dataclass(frozen=True, slots=True)
class GroupTable:
    """Lines of a summary: the first ones of `number`, in the order of `sort`."""

    by: GroupBy
    groups: tuple[Group, ...]
    number: int
    sort: str


@dataclass(frozen=True, slots=True)
class SummaryAnswer:
    """Counts of a match, by groups or as the overall picture.

    Args:
        by_status: enrollments by their status at the answer's time
        details: one learner's courses, or who is late in the one course asked for
        not_enrolled: active people without an enrollment in the one course asked for
    """

    ground: Ground
    tables: tuple[GroupTable, ...]
    by_status: Mapping[str, int]
    details: ListAnswer | None = None
    not_enrolled: int | None = None


def _ids(named: tuple[Named, ...] | None) -> tuple[str, ...] | None:
    return None if named is None else tuple(dict.fromkeys(match.id for one in named for match in one.matches))


def _all_left_out(named: tuple[Named, ...] | None) -> bool:
    return any(match.left_out for one in named or () for match in one.matches)
