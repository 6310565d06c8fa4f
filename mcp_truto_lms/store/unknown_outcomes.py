"""Unknown outcomes in the store: whose transcripts report them, and how far they leave the numbers of a match open.

An outcome that was reported is read again: within a day where a fetch showed a change in the last week, else within a
week, and only while the enrollment is not finished. People who were active last come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, or_, select, true

from mcp_truto_lms.domain import outcomes
from mcp_truto_lms.domain.definitions import OUTCOME_UNKNOWN, OutcomeKind, Stage, State
from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.store.counts import number_of
from mcp_truto_lms.store.schema import ARCHIVED, INCLUDED, enrollments, scopes
from mcp_truto_lms.store.selection import Selection, cached_statement, in_list

DAY_SECONDS = 24 * 3600
REREAD_ACTIVE_SECONDS, REREAD_SECONDS = DAY_SECONDS, 7 * DAY_SECONDS
"""From which age on a reported outcome is read again: where the enrollment changed within the last week, and else."""
TOTAL = "enrollments"
_OPEN = (Stage.STARTED, Stage.NOT_STARTED, Stage.FAILED)
_recency = func.max(
    func.coalesce(func.nullif(enrollments.c.changed_at, 0), enrollments.c.completed_at, enrollments.c.enrolled_at, 0)
)


@dataclass(frozen=True, slots=True)
class UnknownOutcomes:
    """How far the unknown outcomes leave the numbers of a match open.

    Args:
        number: of enrollments of the match, or that may belong to it, whose outcome is unknown
        bounds: the least and the most that each number of the match can be, by its name in `Counts`
    """

    number: int = 0
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])


def measure(connection: Connection, selection: Selection, *, total_only: bool = False) -> UnknownOutcomes:
    """Count the unknown outcomes that a match rests on, and bound its numbers.

    Args:
        connection: to the store
        selection: the match
        total_only: whether the number of enrollments is the only one of interest, as for a list
    """
    if not _has_any(connection, selection):
        return UnknownOutcomes()
    names = (TOTAL,) if total_only else tuple(_CONDITIONS)
    number, *edges = connection.execute(_bounds_statement(selection, names), selection.bind_values()).one()
    bounds = dict(zip(names, zip(edges[::2], edges[1::2], strict=True), strict=True))
    return UnknownOutcomes(number, bounds if number else {})


def _has_any(connection: Connection, selection: Selection) -> bool:
    return connection.execute(_any_statement(selection), selection.bind_values()).scalar_one()


@cached_statement
def _any_statement(selection: Selection) -> Select[bool]:
    """Compose whether the population has any unknown outcome: by an index, without a look at those that are known."""
    row, since = enrollments, selection.known_since

    def before(stages: Iterable[Stage], moment: Any) -> ColumnElement[bool]:
        of_account = and_(row.c.account == selection.account, selection.is_included())
        return exists().where(of_account, _in_stages(stages), row.c.outcome_at < moment)

    return select(or_(before(Stage, since.finished), before(_OPEN, since.open)))


@cached_statement
def _bounds_statement(selection: Selection, names: tuple[str, ...]) -> Select[Any]:
    row, since = enrollments, selection.known_since
    unknown = outcomes.is_unknown(row, since) & outcomes.possible(row, since, selection.matching_outcome)
    columns: list[ColumnElement[Any]] = [number_of(unknown)]
    for composed in (_CONDITIONS[name] for name in names):

        def meets(row: Any, composed: _Composed = composed) -> ColumnElement[bool]:
            return and_(selection.matching_outcome(row), composed(replace(selection, row=row)))

        columns += [number_of(outcomes.certain(row, since, meets)), number_of(outcomes.possible(row, since, meets))]
    return select(*columns).where(selection.whatever_outcome().counted())


_Composed = Callable[[Selection], ColumnElement[bool]]
_CONDITIONS: Mapping[str, _Composed] = {
    TOTAL: lambda _: true(),
    "finished": Selection.finished,
    "overdue": lambda selection: selection.is_in(State.OVERDUE),
    "due_soon": lambda selection: selection.is_in(State.DUE_SOON),
    "not_started": lambda selection: selection.is_in(State.NOT_STARTED),
    "at_risk": lambda selection: selection.is_in(State.AT_RISK),
}
"""The numbers that are bounded, by their names in `Counts`."""


def pairs(
    connection: Connection, selection: Selection, *, has_transcripts: bool = True, most: int | None = None
) -> list[tuple[str, str]]:
    """List the learners and courses whose outcome a selection rests on and a fetch may report, latest activity first.

    Args:
        connection: to the store
        selection: the match
        has_transcripts: whether the outcomes of a learner are fetched together, or else each pair by itself
        most: nothing is listed where there are more learners than this
    """
    if not _has_any(connection, selection):
        return []
    row, any_outcome, since = enrollments, selection.whatever_outcome(), selection.known_since
    due = and_(
        any_outcome.counted(),
        outcomes.is_unknown(row, since),
        row.c.user_id.is_not(None),
        _may_report(since.open, has_transcripts=has_transcripts),
    )
    if most is not None:
        learners = select(row.c.user_id).distinct().where(due).limit(most + 1)
        if len(connection.execute(learners).all()) > most:
            return []
    recency = func.max(_recency).over(partition_by=row.c.user_id)
    query = (
        select(row.c.user_id, row.c.course_id)
        .where(due)
        .group_by(row.c.user_id, row.c.course_id)
        .order_by(recency.desc(), row.c.user_id, row.c.course_id)
    )
    return [(pair.user_id, pair.course_id) for pair in connection.execute(query)]


def pairs_to_read(
    connection: Connection,
    account: str,
    *,
    now: int,
    limit: int,
    without: AbstractSet[str] = frozenset(),
    has_transcripts: bool = True,
) -> list[tuple[str, str]]:
    """List the learners and courses whose outcomes are unknown, or old enough to be read again.

    Learners without any known outcome come first, and of them those who were active last.

    Args:
        connection: to the store
        account: the key of the rows
        now: epoch seconds
        limit: how many learners are listed
        without: learners who are not listed
        has_transcripts: whether the outcomes of a learner are fetched together, or else each pair by itself
    """
    row = enrollments
    never = _in_stages(Stage) & (row.c.outcome_at == OUTCOME_UNKNOWN)
    is_active = row.c.changed_at > now - REREAD_SECONDS
    is_old = or_(
        row.c.outcome_at < now - REREAD_SECONDS,
        (row.c.outcome_at < now - REREAD_ACTIVE_SECONDS) & is_active,
    )
    old = and_(_in_stages(_OPEN), row.c.outcome_at != OUTCOME_UNKNOWN, is_old)
    unread = and_(never, _may_report(now - REREAD_SECONDS, has_transcripts=has_transcripts))
    due = and_(
        row.c.account == account,
        row.c.excluded_reason.in_((INCLUDED, ARCHIVED)),  # archived courses are read where they were asked for by name
        or_(unread, old),
        row.c.user_id.is_not(None),
    )
    order = (func.min(row.c.outcome_at) != OUTCOME_UNKNOWN, _recency.desc(), row.c.user_id)
    people = select(row.c.user_id).where(due).group_by(row.c.user_id).order_by(*order)
    with closing(connection.execute(people).scalars()) as each:
        user_ids = list(islice((user_id for user_id in each if user_id not in without), limit))
    if not user_ids:
        return []
    query = select(row.c.user_id, row.c.course_id).where(due, in_list(row.c.user_id, user_ids))
    pairs = [(pair.user_id, pair.course_id) for pair in connection.execute(query.order_by(row.c.course_id))]
    place = {user_id: index for index, user_id in enumerate(user_ids)}
    return sorted(pairs, key=lambda pair: place[pair[0]])


def _in_stages(stages: Iterable[Stage]) -> ColumnElement[bool]:
    """Compose that an enrollment got so far, in the order of the index of outcomes."""
    kinds = enrollments.c.outcome_kind.in_([int(kind) for kind in OutcomeKind])
    return kinds & enrollments.c.stage.in_([int(stage) for stage in stages])


def _may_report(since: Any, *, has_transcripts: bool) -> ColumnElement[bool]:
    """Compose that the transcript or pair was not fetched after the roster that left the outcome unknown.

    One that was, and did not report the outcome, will not report it now.
    """
    row, fetched = enrollments, scopes.alias("fetched")
    rosters = scopes.alias("rosters")
    keys = Scope(user_id="").key + row.c.user_id
    if not has_transcripts:
        keys = literal("pair:") + row.c.user_id + ":" + row.c.course_id
    roster_at = (
        select(func.max(rosters.c.fetched_at))
        .where(
            rosters.c.account == row.c.account,
            rosters.c.scope.in_([Scope().key, Scope(course_id="").key + row.c.course_id]),
        )
        .correlate(row)
        .scalar_subquery()
    )
    in_one_second = and_(fetched.c.fetched_at == roster_at, row.c.changed_at < fetched.c.fetched_at)
    is_newer = or_(fetched.c.fetched_at > roster_at, in_one_second)
    of_row = and_(fetched.c.account == row.c.account, fetched.c.scope == keys)
    return ~exists().where(of_row, fetched.c.fetched_at >= since, is_newer).correlate(row)


def scopes_of(pairs: Sequence[tuple[str, str]], *, has_transcripts: bool) -> list[Scope]:
    """List the scopes that report the outcomes of learners in courses: transcripts, or else the pairs themselves."""
    if has_transcripts:
        return [Scope(user_id=user_id) for user_id in dict.fromkeys(user_id for user_id, _ in pairs)]
    return [Scope(*pair) for pair in pairs]
