"""Groups by dimension, by month and by two keys, and people who are not enrolled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from mcp_truto_lms.domain.model import UserRole
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store import catalogue, name_search, not_enrolled
from mcp_truto_lms.store.counts import count_by_course_and_status
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.groups import TIME, Group, count_groups, has_several_values
from mcp_truto_lms.store.schema import dimensions
from mcp_truto_lms.store.selection import NONE, Selection
from tests.stored import ACCOUNT, at, course, filled, page_of, person, record
from tests.truth import DAY, NOON

EVERYTHING = Selection(ACCOUNT, NOON)
TEAM, COURSE = GroupBy.TEAM, GroupBy.COURSE


def add_dimensions(database: Database, *values: tuple[str, str, str], account: str = ACCOUNT) -> None:
    """Store dimensions of learners: each an id, a name and a value."""
    rows = [
        {"account": account, "learner_id": key, "name": name, "normalized_value": normalize(value), "value": value}
        for key, name, value in values
    ]
    database._transact(lambda c: c.execute(insert(dimensions), rows))


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """Return a store in which Ann and Bob sell, Bob also drives, Cyd drives, and Dee is in no team."""
    people = [person("1", "Ann"), person("2", "Bob"), person("3", "Cyd"), person("4", "Dee")]
    titles = [course("c", "First Aid"), course("d", "Ethics"), course("e", "Nobody's")]
    records = [
        record("1", "c", "completed", progress_percent=100, time_spent_seconds=3600),
        record("1", "d", "completed", progress_percent=50),
        record("2", "c", "completed"),
        record("2", "d", "in_progress", due=NOON - DAY),
        record("3", "c", "withdrawn"),
        record("3", "d", "completed"),
        record("4", "c", "enrolled"),
    ]
    made = filled(people, titles, records)
    add_dimensions(
        made, ("1", "team", "Sales"), ("2", "team", "Sales"), ("2", "team", "Drivers"), ("3", "team", "Drivers")
    )
    add_dimensions(made, ("1", "manager", "Eve Öz"), ("3", "manager", "Eve Öz"), ("1", "custom_fields.site", "Oslo"))
    add_dimensions(made, ("4", "team", "Strangers"), account="other")
    yield made
    made.close()


def grouped(
    database: Database, *by: str, sort: str = "name", limit: int = 50, selection: Selection = EVERYTHING
) -> list[Group]:
    groups, number = database._transact(lambda c: count_groups(c, selection, by, sort=sort, limit=limit))
    assert number >= len(groups)
    return groups


def names(groups: Iterable[Group]) -> list[tuple[str, ...]]:
    return [tuple(key.name for key in group.keys) for group in groups]


def test_a_learner_counts_in_each_of_two_teams_and_without_a_team_in_a_group_of_its_own(database: Database):
    groups = grouped(database, TEAM)
    assert [(group.keys[0].name, group.counts.enrollments, group.counts.finished) for group in groups] == [
        ("Drivers", 4, 2),
        ("Sales", 4, 3),
        ("(none)", 1, 0),
    ]
    assert database._transact(lambda c: count_by_course_and_status(c, EVERYTHING)).totals.enrollments == 7
    assert database._transact(lambda c: has_several_values(c, ACCOUNT, "team"))
    assert not database._transact(lambda c: has_several_values(c, ACCOUNT, "manager"))


def test_the_learner_rate_counts_learners_who_finished_all_of_their_enrollments(database: Database):
    rates = {
        group.keys[0].name: (group.learners, group.learner_rate, group.counts.rate) for group in grouped(database, TEAM)
    }
    assert rates == {
        "Sales": (2, 50.0, 75.0),  # Ann finished both, Bob one of two
        "Drivers": (2, 50.0, pytest.approx(200 / 3)),  # Cyd is withdrawn from the other
        "(none)": (1, 0.0, 0.0),
    }


def test_two_keys_count_every_pair(database: Database):
    groups = grouped(database, TEAM, COURSE)
    assert [(*(key.name for key in group.keys), group.counts.enrollments) for group in groups] == [
        ("Drivers", "Ethics", 2),
        ("Drivers", "First Aid", 2),
        ("Sales", "Ethics", 2),
        ("Sales", "First Aid", 2),
        ("(none)", "First Aid", 1),
    ]
    assert names(grouped(database, TEAM, "manager")) == [
        ("Drivers", "Eve Öz"),
        ("Drivers", "(none)"),
        ("Sales", "Eve Öz"),
        ("Sales", "(none)"),
        ("(none)", "(none)"),
    ]
    assert names(grouped(database, COURSE, GroupBy.STATUS)) == [
        ("Ethics", "completed"),
        ("Ethics", "in_progress"),
        ("First Aid", "completed"),
        ("First Aid", "enrolled"),
        ("First Aid", "withdrawn"),
    ]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("-overdue", ["Drivers", "Sales", "(none)"]),
        ("-learner_rate", ["Drivers", "Sales", "(none)"]),
        ("-rate", ["Sales", "Drivers", "(none)"]),
        ("learners", ["(none)", "Drivers", "Sales"]),
        ("-hours", ["Sales", "Drivers", "(none)"]),
        ("-average", ["Sales", "Drivers", "(none)"]),
        ("-at_risk", ["Drivers", "Sales", "(none)"]),
        ("-name", ["Sales", "Drivers", "(none)"]),
    ],
)
def test_teams_sort_by_every_number_with_unknown_numbers_last(database: Database, sort: str, order: list[str]):
    assert [name for (name,) in names(grouped(database, TEAM, sort=sort))] == order


@pytest.mark.parametrize(
    ("where", "people"),
    [
        ((("team", ("sales",)),), "12"),
        ((("team", ("sales", "drivers")),), "123"),
        ((("team", ("sales",)), ("manager", ("eve oz",))), "1"),
        ((("team", (NONE,)),), "4"),
        ((("team", (NONE, "drivers")),), "234"),
        ((("custom_fields.site", (NONE,)),), "234"),
    ],
)
def test_learners_are_chosen_by_their_dimensions(
    database: Database, where: tuple[tuple[str, tuple[str, ...]], ...], people: str
):
    selection = Selection(ACCOUNT, NOON, where=where)
    rows = database._transact(lambda c: page_of(c, selection, sort=None, limit=50, offset=0))
    assert "".join(sorted({row["user.id"] for row in rows})) == people
    whole = database._transact(lambda c: count_by_course_and_status(c, selection)).totals
    assert (whole.enrollments, whole.learners) == (len(rows), len(people))


def test_a_filter_by_team_shows_only_these_teams(database: Database):
    chosen = Selection(ACCOUNT, NOON, where=(("team", ("sales",)),))
    assert names(grouped(database, TEAM, selection=chosen)) == [("Sales",)]


def test_a_limit_returns_the_first_groups_and_the_number_of_all(database: Database):
    groups, number = database._transact(lambda c: count_groups(c, EVERYTHING, (TEAM,), sort="-rate", limit=1))
    assert (names(groups), number) == ([("Sales",)], 3)
    nothing = Selection(ACCOUNT, NOON, user_ids=())
    assert database._transact(lambda c: count_groups(c, nothing, (TEAM,), sort="-rate", limit=1)) == ([], 0)


# months


def local(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Athens", "America/Havana", "Pacific/Chatham"])
def test_months_are_in_the_zone_and_completions_count_in_their_own_month(zone: str):
    records = [
        record(
            "1", "c", "completed", enrolled_at=local(zone, 2026, 1, 1), completed_at=local(zone, 2026, 3, 31, 23, 59)
        ),
        record("2", "c", "in_progress", enrolled_at=local(zone, 2026, 1, 31, 23, 59)),
        record("3", "c", "completed", enrolled_at=local(zone, 2026, 3, 1), completed_at=local(zone, 2026, 4, 1)),
        record("4", "c", "failed", enrolled_at=None, completed_at=local(zone, 2026, 4, 2)),
        record("5", "c", "enrolled", enrolled_at=datetime(3026, 1, 1, tzinfo=UTC)),
    ]
    database = filled(titles=[course("c", "C")], records=records)

    def months(sort: str, limit: int = 25) -> list[tuple[str, int, int, int]]:
        groups, _ = database._transact(
            lambda c: count_groups(c, EVERYTHING, (GroupBy.MONTH,), sort=sort, limit=limit, zone=ZoneInfo(zone))
        )
        return [
            (group.keys[0].name, group.counts.enrollments, group.counts.finished, group.finished_in_month)
            for group in groups
        ]

    rows = [("2026-01", 2, 1, 0), ("2026-03", 1, 1, 1), ("2026-04", 0, 0, 1), ("(no date)", 2, 0, 0)]
    assert months(TIME) == months("name") == rows
    assert months(TIME, 2) == rows[2:]
    assert months("-name") == [*rows[2::-1], rows[3]]
    assert months("-finished_in_month", 2) == rows[1:3]
    database.close()


def test_enrollments_without_any_date_are_one_group():
    database = filled(records=[record("1", "c", "enrolled")])
    assert names(grouped(database, GroupBy.MONTH, sort=TIME)) == [("(no date)",)]
    database.close()


def test_groups_by_month_and_team_add_up_to_the_groups_by_month():
    records = [
        record(
            str(index),
            "c",
            "completed" if index % 2 else "enrolled",
            enrolled_at=at(NOON - index * 20 * DAY),
            completed_at=at(NOON),
        )
        for index in range(12)
    ]
    database = filled([person(str(index), str(index)) for index in range(12)], [course("c", "C")], records)
    add_dimensions(database, *((str(index), "team", "Even" if index % 2 else "Odd") for index in range(10)))
    both, alone = grouped(database, GroupBy.MONTH, TEAM), grouped(database, GroupBy.MONTH)
    database.close()
    numbers: list[Callable[[Group], int]] = [
        lambda group: group.counts.enrollments,
        lambda group: group.finished_in_month,
    ]
    for number in numbers:
        for month in alone:
            assert sum(number(group) for group in both if group.keys[0] == month.keys[0]) == number(month)
    assert sum(group.learners for group in both) == 12


# who is not enrolled


def test_people_not_enrolled_are_active_learners_without_any_enrollment():
    people = [
        person("1", "Zoe"),
        person("2", "Ann", status="inactive"),
        person("3", "Ivy").model_copy(update={"role": UserRole.INSTRUCTOR}),
        person("4", "Abe").model_copy(update={"role": UserRole.LEARNER}),
        person("5", "Max"),
        person("6", "Adm").model_copy(update={"role": UserRole.ADMIN}),
    ]
    titles = [course("c", "C"), course("d", "D")]
    records = [record("5", "c", "withdrawn"), record("4", "d", "failed", key="old", learner=False)]
    database = filled(people, titles, records)
    add_dimensions(database, ("1", "team", "Sales"), ("5", "team", "Sales"))
    one_course, two_courses = (Selection(ACCOUNT, NOON, course_ids=ids) for ids in (("c",), ("c", "d")))

    def pairs(selection: Selection, sort: str | None = None, limit: int = 9, offset: int = 0) -> list[str]:
        rows = database._transact(
            lambda c: [*not_enrolled.read_rows(c, selection, sort=sort, limit=limit, offset=offset)]
        )
        return [f"{row['user.name']} {row['course.title']}" for row in rows]

    assert pairs(one_course) == ["Abe C", "Zoe C"]
    assert pairs(two_courses) == ["Abe C", "Max D", "Zoe C", "Zoe D"]
    assert pairs(two_courses, "-user.name") == ["Zoe C", "Zoe D", "Max D", "Abe C"]
    assert pairs(two_courses, "-course.title", 2, 1) == ["Zoe D", "Abe C"]
    assert pairs(Selection(ACCOUNT, NOON, course_ids=("c",), user_ids=("3",))) == ["Ivy C"]
    assert pairs(Selection(ACCOUNT, NOON, course_ids=("c",), user_ids=("2",), included=frozenset({"inactive"})))
    totals = database._transact(lambda c: not_enrolled.count_totals(c, two_courses))
    assert (totals.enrollments, totals.learners, totals.courses) == (4, 3, 2)
    by_team, number = database._transact(
        lambda c: not_enrolled.count_groups(c, two_courses, ("team",), sort="-enrollments", limit=1)
    )
    assert [(each.keys[0].name, each.counts.enrollments, each.possible) for each in by_team] == [("Sales", 3, 4)]
    assert number == 2
    by_course, _ = database._transact(
        lambda c: not_enrolled.count_groups(c, two_courses, ("course",), sort="name", limit=9)
    )
    assert [(each.keys[0].name, each.counts.enrollments, each.possible) for each in by_course] == [
        ("C", 2, 3),
        ("D", 2, 3),
    ]
    database.close()


def test_courses_without_any_enrollment_are_listed(database: Database):
    assert database._transact(lambda c: catalogue.empty_courses(c, EVERYTHING)) == ["Nobody's"]
    some = Selection(ACCOUNT, NOON, course_ids=("c",))
    assert database._transact(lambda c: catalogue.empty_courses(c, some)) == []


def test_duplicate_names_are_found_in_the_whole_account():
    people = [person("1", "Jo Li"), person("2", "jó  li"), person("3", "Bo"), person("4", "Bo", status="inactive")]
    database = filled(people, [course("c", "X"), course("d", "x", status="archived")])
    for by, ids, duplicates in (
        (GroupBy.LEARNER, ["1", "3"], {"1"}),
        (GroupBy.LEARNER, [], set()),
        (COURSE, ["c"], set()),
    ):
        assert database._transact(lambda c, b=by, i=ids: name_search.duplicate_names(c, ACCOUNT, b, i)) == duplicates
    database.close()


@pytest.mark.parametrize("number", [500, 501, 40_000])
def test_a_question_may_name_any_number_of_people(database: Database, number: int):
    asked = Selection(ACCOUNT, NOON, user_ids=("1", "4", *(f"it's {index}" for index in range(number - 2))))
    assert database._transact(lambda c: count_by_course_and_status(c, asked)).totals.enrollments == 3


@pytest.mark.parametrize(
    ("mandatory", "named", "courses"),
    [(True, (), "a"), (False, (), "b"), (True, ("b", "c"), "abc"), (False, ("a",), "bc"), (False, ("b",), "c")],
)
def test_mandatory_courses_are_reported_by_the_lms_or_named_in_the_settings(
    mandatory: bool, named: tuple[str, ...], courses: str
):
    records = [
        record("1", "a", "enrolled", is_mandatory=True),
        record("1", "b", "enrolled", is_mandatory=False),
        record("1", "c", "enrolled"),
    ]
    database = filled(records=records)
    selection = Selection(ACCOUNT, NOON, mandatory=mandatory, mandatory_ids=named)
    rows = database._transact(lambda c: page_of(c, selection, sort="course.id", limit=9, offset=0))
    database.close()
    assert "".join(row["course.id"] for row in rows) == courses
