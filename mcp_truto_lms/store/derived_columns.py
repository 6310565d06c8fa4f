"""The derived columns of enrollments: what follows from an enrollment's other columns, its learner and its course.

They say whether the enrollment is excluded, by which names it is sorted, and how it is classified. They are written
with the enrollment, and again if its learner or its course changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BindParameter, Connection, Table, and_, bindparam, func, not_, select, true, update

from mcp_truto_lms.domain.definitions import EnrollmentDates, classify
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.store.changed_rows import read_rows_by_id
from mcp_truto_lms.store.rows import DERIVED_COLUMNS, Row, column_index
from mcp_truto_lms.store.schema import (
    ARCHIVED,
    EARLIER,
    INACTIVE,
    INACTIVE_AND_ARCHIVED,
    INCLUDED,
    INSTRUCTOR,
    courses,
    enrollments,
    has_any_reason,
    learners,
)
from mcp_truto_lms.store.selection import in_list

_INDEX = column_index(enrollments)
_ID, _USER, _COURSE, _STATUS, _ROUTE = (_INDEX[name] for name in ("id", "user_id", "course_id", "status", "route"))
_ATTEMPT, _ENROLLED, _UPDATED = _INDEX["attempt_number"], _INDEX["enrolled_at"], _INDEX["updated_at"]
_DATES = tuple(_INDEX[name] for name in ("due_at", "access_ends_at", "opens_at", "completed_at"))
_PROGRESS, _TIME_SPENT = _INDEX["progress_percent"], _INDEX["time_spent_seconds"]
_STARTED, _LAST_ACTIVITY = _INDEX["started_at"], _INDEX["last_activity_at"]
FIRST_DERIVED = _INDEX[DERIVED_COLUMNS[0]]
"""Where the derived columns begin in a row; the first one is `excluded_reason`."""
_FEW_IDS = 1_000
_PEOPLE_BATCH, _COURSES_BATCH = 500, 5
"""How many people or courses have their enrollments in memory at once."""


@dataclass(frozen=True, slots=True)
class Owners:
    """The people or the courses of some enrollments.

    Args:
        names: their normalized names, by id
        inactive: the ids of inactive people or archived courses
        incomplete: whether the store does not have all of them
    """

    names: dict[str | None, str]
    inactive: set[str | None]
    incomplete: bool = False


def read_owners(connection: Connection, account: str, rows: Iterable[Row]) -> tuple[Owners, Owners]:
    """Read the people and the courses of some enrollments."""
    user_ids, course_ids = {row[_USER] for row in rows}, {row[_COURSE] for row in rows}
    return _read(connection, learners, account, user_ids), _read(connection, courses, account, course_ids)


def derive(rows: Mapping[str, Row], teachers: AbstractSet[str], people: Owners, titles: Owners) -> dict[str, Row]:
    """Append the derived columns to rows of enrollments.

    Args:
        rows: without their derived columns, by id
        teachers: the ids of enrollments of instructors
        people: those of the enrollments
        titles: the courses of the enrollments
    """
    earlier = _earlier_attempts(rows, teachers)
    derived: dict[str, Row] = {}
    for key, row in rows.items():
        user_id, course_id = row[_USER], row[_COURSE]
        is_inactive, is_archived = user_id in people.inactive, course_id in titles.inactive
        if key in teachers:
            excluded_reason = INSTRUCTOR
        elif key in earlier:  # it comes first: a person or course that is asked for by name cancels the reasons below
            excluded_reason = EARLIER
        elif is_inactive:
            excluded_reason = INACTIVE_AND_ARCHIVED if is_archived else INACTIVE
        else:
            excluded_reason = ARCHIVED if is_archived else INCLUDED
        names = people.names.get(user_id, ""), titles.names.get(course_id, "")
        derived[key] = (*row, excluded_reason, *names, *_classify(row))
    return derived


def refresh_enrollments(connection: Connection, account: str, table: Table, changed: Sequence[str]) -> None:
    """Derive again the enrollments of people or of courses that changed."""
    is_people = table is learners
    owner = enrollments.c.user_id if is_people else enrollments.c.course_id
    this_row = (enrollments.c.account == account) & (enrollments.c.id == bindparam("row_id"))
    values: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in DERIVED_COLUMNS}
    write = update(enrollments).where(this_row).values(values)
    size = _PEOPLE_BATCH if is_people else _COURSES_BATCH
    for start in range(0, len(changed), size):
        of_batch = and_(
            enrollments.c.account == account, has_any_reason(), in_list(owner, changed[start : start + size])
        )
        before = read_rows_by_id(connection, enrollments, of_batch)
        teachers = {key for key, row in before.items() if row[FIRST_DERIVED] == INSTRUCTOR}
        rows = {key: row[:FIRST_DERIVED] for key, row in before.items()}
        after = derive(rows, teachers, *read_owners(connection, account, rows.values()))
        updates = [
            {
                "row_id": key,
                **{f"new_{name}": value for name, value in zip(DERIVED_COLUMNS, row[FIRST_DERIVED:], strict=True)},
            }
            for key, row in after.items()
            if row != before[key]
        ]
        if updates:
            connection.execute(write, updates)


def _classify(row: Row) -> Row:
    return classify(
        row[_STATUS],
        EnrollmentDates(*(row[index] for index in _DATES)),
        worked=bool(row[_PROGRESS] or row[_TIME_SPENT]),
        seen=row[_STARTED] is not None or row[_LAST_ACTIVITY] is not None,
        progress=row[_PROGRESS],
        by_roster=row[_ROUTE] == FetchRoute.COURSE,
    )


def _earlier_attempts(rows: Mapping[str, Row], teachers: AbstractSet[str]) -> set[str]:
    """Return the ids of attempts that are not the latest; an enrollment without a learner or course is the only one.

    Attempts are compared by their numbers where all attempts of a pair have one, else by their dates.
    """
    if len({row[_USER] for row in rows.values()}) == len(rows):
        return set()
    attempts_by_pair: dict[tuple[str, str], list[Row]] = {}
    for key, row in rows.items():
        if row[_USER] and row[_COURSE] and key not in teachers:
            attempts_by_pair.setdefault((row[_USER], row[_COURSE]), []).append(row)
    earlier: set[str] = set()
    for attempts in attempts_by_pair.values():
        if len(attempts) > 1:
            are_numbered = all(row[_ATTEMPT] is not None for row in attempts)
            earlier |= {row[_ID] for row in attempts}
            earlier.remove(max(attempts, key=_number_and_dates if are_numbered else _dates_and_number)[_ID])
    return earlier


def _number_and_dates(row: Row) -> Row:
    return (row[_ATTEMPT], row[_ENROLLED] or 0, row[_UPDATED] or 0, row[_ID])


def _dates_and_number(row: Row) -> Row:
    return (row[_ENROLLED] or 0, row[_UPDATED] or 0, row[_ATTEMPT] or 0, row[_ID])


def _read(connection: Connection, table: Table, account: str, ids: AbstractSet[str | None]) -> Owners:
    of_account, wanted = table.c.account == account, [key for key in ids if key is not None]
    is_active = table.c.active if table is learners else not_(table.c.archived)
    number = select(func.count()).select_from(table).where(of_account)
    # reading everybody costs half as much for each row as looking somebody up
    look_up = len(wanted) < _FEW_IDS or connection.execute(number).scalar_one() > 2 * len(wanted)
    query = select(table.c.id, table.c.normalized_name, is_active).where(of_account)
    owners = Owners({}, set())
    for key, name, active in connection.execute(query.where(in_list(table.c.id, wanted) if look_up else true())):
        owners.names[key] = name
        if not active:
            owners.inactive.add(key)
    return replace(owners, incomplete=not owners.names.keys() >= {*wanted})
