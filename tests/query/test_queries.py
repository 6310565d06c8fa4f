"""Arguments: forgiving in form, strict in names."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcp_truto_lms.domain.days import resolve_day
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import EnrollmentStatus, enrollment_columns
from mcp_truto_lms.query.parsing import nearest
from mcp_truto_lms.query.queries import EnrollmentFilter, EnrollmentQuery, ProgressQuery
from mcp_truto_lms.query.vocabulary import DEFAULT_LIMIT, MAX_LIMIT, Format, GroupBy
from mcp_truto_lms.reports.results import ResolvedQuery

EMPLOYEE = "custom_fields.employee number"
ARGUMENTS = [(EnrollmentQuery, name) for name in EnrollmentQuery.model_fields] + [
    (ProgressQuery, name) for name in ProgressQuery.model_fields
]


def listed(**arguments: object) -> EnrollmentQuery:
    return EnrollmentQuery.parse(arguments)


def summed(**arguments: object) -> ProgressQuery:
    return ProgressQuery.parse(arguments)


def refused(query: type[EnrollmentFilter] = EnrollmentQuery, **arguments: object) -> str:
    with pytest.raises(QueryError) as caught:
        query.parse(arguments)
    return str(caught.value)


@pytest.mark.parametrize("nothing", ["", "  ", [], [""], None, [None, ""], ["", []]])
@pytest.mark.parametrize(("query", "name"), ARGUMENTS)
def test_an_empty_argument_is_absent(query: type[EnrollmentFilter], name: str, nothing: object):
    assert query.parse({name: nothing}) == query.parse({})


@pytest.mark.parametrize("wrong", [True, {"a": 1}, [["a"]], 10**30, "\n", "x" * 10_000, "[" * 5_000, "\u202enoitcni"])
@pytest.mark.parametrize(("query", "name"), ARGUMENTS)
def test_a_wrong_value_is_read_or_refused_in_one_sentence(query: type[EnrollmentFilter], name: str, wrong: object):
    try:
        query.parse({name: wrong})
    except QueryError as error:
        said = str(error)
        assert said.lower().startswith((f"{name}: ", "there is no argument"))
        assert said.endswith(".")
        assert len(said) < 1_000
        assert "\n" not in said
        assert "Input should" not in said


@given(
    st.dictionaries(
        st.sampled_from([name for _, name in ARGUMENTS]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=3,
    )
)
def test_whatever_json_comes_nothing_but_a_query_error_is_raised(arguments: dict[str, object]):
    for query in (EnrollmentQuery, ProgressQuery):
        with suppress(QueryError):
            query.parse(arguments)


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        ("Jane Doe", ("Jane Doe",)),
        ("  Jane Doe ", ("Jane Doe",)),
        (["Jane", "Omar"], ("Jane", "Omar")),
        ('["Jane", "Omar"]', ("Jane", "Omar")),
        (' ["Jane"]', ("Jane",)),
        ('["Jane", null, ""]', ("Jane",)),
        ("[]", ()),
        ("[Jane]", ("[Jane]",)),
        ('["Jane"', ('["Jane"',)),
        (12, ("12",)),
        (12.0, ("12",)),
        (12345678.0, ("12345678",)),
        (12345678901, ("12345678901",)),
        ([7, "7", 8], ("7", "8")),
        ("[7, 8]", ("7", "8")),
        ("Doe, Jane", ("Doe, Jane",)),
        ("", ()),
    ],
)
def test_people_and_courses_come_as_text_lists_json_text_or_numbers(given_: object, read: tuple[str, ...]):
    assert listed(user=given_).user == read
    assert summed(course=given_).course == read


@pytest.mark.parametrize("given_", [True, [False], {"name": "Jane"}, [["Jane"]], ["Jane", {}]])
def test_what_is_no_name_is_refused(given_: object):
    assert refused(user=given_) == "user: takes ids, names or parts of names as text."


def test_more_than_fifty_names_are_refused():
    assert listed(user=[str(one) for one in range(50)]).user[-1] == "49"
    assert refused(user=[str(one) for one in range(51)]) == "user: 51 values are too many: 50 at most."


def test_a_name_of_more_than_200_characters_is_refused():
    assert listed(user="x" * 200).user == ("x" * 200,)
    assert refused(user="x" * 201) == "user: a name takes at most 200 characters."


@pytest.mark.parametrize(
    "given_",
    [
        ["overdue", "due_soon"],
        "overdue,due_soon",
        "overdue, due_soon",
        "Overdue, Due soon",
        ["overdue,due-soon"],
        '["overdue","due_soon"]',
        ["OVERDUE", "due soon", "overdue"],
    ],
)
def test_enum_values_may_be_joined_and_written_in_many_ways(given_: object):
    assert listed(state=given_).state == (State.OVERDUE, State.DUE_SOON)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"status": "overdu"}, "status: 'overdu' is not a status; did you mean 'overdue'? known: assigned, enrolled"),
        ({"status": "finished"}, "status: 'finished' is a state: pass it as state."),
        ({"status": "zzz"}, "status: 'zzz' is not a status; known: assigned"),
        ({"status": True}, "status: 'true' is not a status; "),
        ({"state": "in_progress"}, "state: 'in_progress' is a status: pass it as status."),
        ({"state": ["overdue", "finnished"]}, "state: 'finnished' is not a state; did you mean 'finished'? known: "),
        ({"format": "xlsx"}, "format: 'xlsx' is not a format; known: table, json, csv."),
        ({"format": "table,json"}, "format: takes one format: table, json, csv."),
        ({"limt": 3}, "There is no argument 'limt'; did you mean 'limit'? Known: user, course, "),
        ({"zzzzzz": 3}, "There is no argument 'zzzzzz'; Known: user, course, "),
        ({"group_by": "course"}, "There is no argument 'group_by'; "),
        ({"fields": ["nme"]}, "fields: 'nme' is not a column; did you mean 'user.name'? known: id, user.id"),
        ({"fields": "houres"}, "fields: 'houres' is not a column; did you mean 'hours'? known: id, user.id"),
        ({"sort": "due_date"}, "sort: 'due_date' is not a column; did you mean 'due_at'? known: "),
        ({"sort": "-"}, "sort: '' is not a column; known: "),
        ({"sort": "urls"}, "sort: urls cannot be sorted by; sort by a single value such as due_at or user.name."),
        ({"sort": "custom_fields.site"}, "sort: custom_fields.site cannot be sorted by; "),
        ({"fields": "custom_fields."}, "fields: 'custom_fields.' is not a column; did you mean 'custom_fields'? "),
        ({"fields": "custom_fields." + "x" * 200}, "fields: 'custom_fields.xxx"),
        ({"due_to": "next Friday"}, "due_to: 'next friday' is not a date: write 2026-11-30, today, +14d or -3m."),
        ({"due_from": "2026-02-30"}, "due_from: '2026-02-30' is not a date: "),
        ({"due_from": ["2026-02-03", "2026-02-04"]}, "due_from: \"['2026-02-03', "),
        ({"progress_below": 101}, "progress_below: '101' is not a percentage: it takes a number from 0 to 100."),
        ({"progress_below": "nan"}, "progress_below: 'nan' is not a percentage: "),
        ({"progress_below": True}, "progress_below: 'True' is not a percentage: "),
        ({"fresh": "maybe"}, "fresh: takes true or false."),
        ({"limit": 0}, "limit: takes a whole number from 1 to 200."),
        ({"limit": 201}, "limit: takes a whole number from 1 to 200."),
        ({"limit": 2.5}, "limit: takes a whole number from 1 to 200."),
        ({"limit": True}, "limit: takes a whole number from 1 to 200."),
        ({"cursor": ["abc"]}, "cursor: takes the token at the end of the previous answer."),
        ({"cursor": "abc", "limit": 3}, "Cursor is used alone, it remembers the question: omit limit."),
        ({"cursor": "abc", "user": "x", "format": "json"}, "Cursor is used alone, it remembers the question: omit "),
    ],
)
def test_a_mistake_is_answered_with_what_would_be_right(arguments: dict[str, object], said: str):
    assert refused(**arguments).startswith(said)


def test_several_mistakes_are_told_at_once():
    said = refused(state="late", limit=0)
    assert "state: 'late' is not a state; " in said
    assert said.endswith(" limit: takes a whole number from 1 to 200.")


def test_an_answer_is_not_made_longer_by_a_long_mistake():
    assert len(refused(**{"x" * 100_000: 1})) < 400
    assert len(refused(fields="y" * 100_000)) < 800


@pytest.mark.parametrize(
    ("given_", "paths"),
    [
        ("learner", ("user.name",)),
        (["Learner", "Course", "due", "progress"], ("user.name", "course.title", "due_at", "progress_percent")),
        ("user.name,due_at", ("user.name", "due_at")),
        ('["user.name","due_at"]', ("user.name", "due_at")),
        ("USER.NAME", ("user.name",)),
        ("user", ("user.id", "user.name", "user.emails")),
        (["user", "learner"], ("user.id", "user.name", "user.emails")),
        ("assigned_by", ("assigned_by.name",)),
        ("last activity", ("last_activity_at",)),
        ("custom_fields", ("custom_fields",)),
        ("custom_fields.Job title", ("custom_fields.Job title",)),
        ("Custom_Fields.Site", ("custom_fields.Site",)),
    ],
)
def test_columns_go_by_path_header_or_group(given_: object, paths: tuple[str, ...]):
    assert listed(fields=given_).fields == paths
    assert listed(exclude_fields=given_).exclude_fields == paths


def test_every_header_and_every_path_names_its_own_column():
    columns = enrollment_columns()
    for path, column in columns.items():
        assert listed(fields=path).fields == (path,)
        assert listed(fields=column.header).fields == (path,)


def test_more_than_fifty_columns_are_refused():
    joined = ",".join(f"custom_fields.{one}" for one in range(51))
    assert refused(fields=joined) == "fields: 51 columns are too many: 50 at most."


@pytest.mark.parametrize(
    ("given_", "path"),
    [
        ("due_at", "due_at"),
        ("-due", "-due_at"),
        ("+due", "due_at"),
        (" -progress ", "-progress_percent"),
        ("user", "user.name"),
        ("-course", "-course.title"),
    ],
)
def test_a_list_is_sorted_by_one_column_forwards_or_backwards(given_: str, path: str):
    assert listed(sort=given_).sort == path


@pytest.mark.parametrize(
    ("given_", "column"),
    [
        ("-overdue", "-overdue"),
        ("%", "rate"),
        ("-%", "-rate"),
        ("due_soon", "due_soon"),
        ("-due 14d", None),
        ("Name", "name"),
        ("not started", "not_started"),
        ("-avg", "-average"),
    ],
)
def test_a_summary_is_sorted_by_its_own_columns(given_: str, column: str | None):
    if column is None:
        assert refused(ProgressQuery, sort=given_).startswith("sort: 'due_14d' is not a column to sort a summary by; ")
    else:
        assert summed(sort=given_).sort == column


@pytest.mark.parametrize(
    ("given_", "group"),
    [
        ("course", (GroupBy.COURSE,)),
        ("courses", (GroupBy.COURSE,)),
        (["Learner"], (GroupBy.LEARNER,)),
        ("user", (GroupBy.LEARNER,)),
        ("people", (GroupBy.LEARNER,)),
        ("status", (GroupBy.STATUS,)),
        ("statuses", (GroupBy.STATUS,)),
        ("months", (GroupBy.MONTH,)),
        ('["course"]', (GroupBy.COURSE,)),
        (["Teams", "course"], (GroupBy.TEAM, GroupBy.COURSE)),
        ("manager, month", (GroupBy.MANAGER, GroupBy.MONTH)),
        (["course", "Course"], (GroupBy.COURSE,)),
        ("custom_fields.Job title", ("custom_fields.Job title",)),
        (["Department", "status"], ("Department", GroupBy.STATUS)),
    ],
)
def test_a_summary_is_grouped_by_what_people_call_it(given_: object, group: tuple[str, ...]):
    assert summed(group_by=given_).group_by == group


def test_three_groups_and_what_is_no_name_are_refused():
    assert refused(ProgressQuery, group_by="course,status,team") == "group_by: takes one or two, not 3."
    assert refused(ProgressQuery, group_by=[{"by": "team"}]).startswith("group_by: takes one or two of course, ")


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        ({"team": "Sales"}, (("team", ("Sales",)),)),
        ('{"team": "Sales"}', (("team", ("Sales",)),)),
        ("team=Sales", (("team", ("Sales",)),)),
        (["team=Sales", "manager = Ann Lee"], (("team", ("Sales",)), ("manager", ("Ann Lee",)))),
        (["team=Sales", "team=Ops", "team=Sales"], (("team", ("Sales", "Ops")),)),
        (['{"team": ["Sales", "Ops"]}'], (("team", ("Sales", "Ops")),)),
        ({"team": ["Sales", None, ""]}, (("team", ("Sales",)),)),
        ({"team": "", "manager": None}, ()),
        ({"custom_fields": {"site": "Oslo"}}, (("custom_fields.site", ("Oslo",)),)),
        ({"custom_fields.employee number": 12, "remote": True}, ((EMPLOYEE, ("12",)), ("remote", ("true",)))),
        ({}, ()),
    ],
)
def test_hrs_own_dimensions_come_as_an_object_however_written(given_: object, read: object):
    assert listed(where=given_).where == read
    assert summed(where=given_).where == read


@pytest.mark.parametrize("given_", [True, 12, "Sales", ["Sales"], [["team"]]])
def test_what_is_no_dimension_is_refused_with_an_example(given_: object):
    assert refused(where=given_).startswith('where: takes an object such as {"team": "Sales", ')


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"team": {"is": "Sales"}}, None),
        ({"team": [["Sales"]]}, "where: team: takes one value or a list of values as text."),
        ({"": "Sales"}, "where: a key takes 1 to 200 characters."),
        ({str(one): "x" for one in range(51)}, "where: 51 keys are too many: 50 at most."),
    ],
)
def test_a_wrong_dimension_is_refused_in_one_sentence(given_: object, said: str | None):
    if said is None:
        assert listed(where=given_).where == (("team.is", ("Sales",)),)
    else:
        assert refused(where=given_) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "State not_enrolled needs course, to say in which."),
        (
            {"course": "x", "state": ["not_enrolled", "overdue"], "due_to": "today"},
            "State not_enrolled is about people without an enrollment: omit overdue, due_to.",
        ),
        (
            {"course": "x", "is_mandatory": False},
            "State not_enrolled is about people without an enrollment: omit is",
        ),
        (
            {"course": "x", "sort": "due"},
            "State not_enrolled has no due_at, as there is no enrollment; it has user.name, ",
        ),
        ({"course": "x", "fields": "learner,status"}, "State not_enrolled has no status, as there is no enrollment; "),
    ],
)
def test_people_without_an_enrollment_are_asked_for_by_course_and_without_filters_on_enrollments(
    arguments: dict[str, object], said: str
):
    assert refused(**{"state": "not_enrolled", **arguments}).startswith(said)


def test_people_without_an_enrollment_are_counted_by_what_they_have():
    asked = {"state": "not_enrolled", "course": "x"}
    assert summed(**asked, group_by="team", sort="-not_enrolled", where={"site": "Oslo"}).sort == "-enrollments"
    assert refused(ProgressQuery, **asked, group_by="status") == (
        "State not_enrolled has no status: group by course, learner, or a key of where."
    )
    assert refused(ProgressQuery, **asked, sort="-overdue") == "State not_enrolled is sorted by name or not_enrolled."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sort": "-learners %"}, "Sort by learners takes group_by team, manager or a key of where."),
        (
            {"sort": "learners", "group_by": "course"},
            "Sort by learners takes group_by team, manager or a key of where.",
        ),
        ({"sort": "finished in month", "group_by": "team"}, "Sort by finished_in_month takes group_by month."),
        (
            {"sort": "progress"},
            (
                "sort: 'progress' is not a column to sort a summary by; known: name, enrollments, learners, finished, "
                "%, learners_%, overdue, at_risk, due_soon, not_started, avg, hours, finished_in_month."
            ),
        ),
    ],
)
def test_a_summary_is_not_sorted_by_what_it_does_not_tell(arguments: dict[str, object], said: str):
    assert refused(ProgressQuery, **arguments) == said


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        ({}, False),
        ({"group_by": ["course", "month"]}, False),
        ({"group_by": "team"}, True),
        ({"where": {"site": "Oslo"}}, True),
        ({"state": "not_enrolled", "course": "x"}, True),
    ],
)
def test_what_depends_on_everybody_is_known_as_such(arguments: dict[str, object], needs: bool):
    assert summed(**arguments).needs_directory is needs


@pytest.mark.parametrize("given_", [True, "true", "Yes", 1, "1"])
def test_a_flag_is_true_in_many_ways(given_: object):
    assert listed(fresh=given_).fresh is True


@pytest.mark.parametrize("given_", [False, "false", "no", 0, "0"])
def test_a_flag_is_false_in_many_ways(given_: object):
    assert listed(fresh=given_).fresh is False


def test_numbers_come_as_numbers_or_text():
    assert listed(limit="40").limit == listed(limit=40.0).limit == 40
    assert listed(limit=MAX_LIMIT).limit == MAX_LIMIT
    assert listed().limit == DEFAULT_LIMIT
    assert listed(progress_below="50%").progress_below == listed(progress_below=50).progress_below == 50.0
    assert listed(progress_below=0).progress_below == 0.0


@pytest.mark.parametrize("given_", ["k3f9a2", " k3f9a2 ", "cursor=k3f9a2"])
def test_a_cursor_is_taken_as_it_was_printed(given_: str):
    assert listed(cursor=given_).cursor == "k3f9a2"


def test_a_cursor_of_digits_may_come_as_a_number():
    assert listed(cursor=12345678).cursor == "12345678"


def test_empty_arguments_beside_a_cursor_do_not_count():
    assert listed(cursor="k3f9a2", user="", fields=[], sort=None).cursor == "k3f9a2"


def test_json_is_asked_for_by_format():
    assert listed(format="JSON").format is Format.JSON
    assert listed().format is Format.TABLE


@pytest.mark.parametrize(
    ("arguments", "judges"),
    [
        ({}, False),
        ({"user": "x", "course": "y", "due_to": "today", "fresh": True}, False),
        ({"state": "overdue"}, True),
        ({"status": "completed"}, True),
        ({"progress_below": 0}, True),
        ({"inactive_since": "-30d"}, True),
        ({"state": "no_due_date"}, False),
        ({"completed_from": "-30d", "enrolled_to": "today", "where": "team=Sales", "is_mandatory": True}, False),
    ],
)
def test_filters_on_the_outcome_are_known_as_such(arguments: dict[str, object], judges: bool):
    assert listed(**arguments).judges_outcome is judges


def test_asking_for_failed_is_known_by_status_and_by_state():
    assert listed(status="failed").asks_for_failed
    assert listed(state=["overdue", "failed"]).asks_for_failed
    assert not listed(state="overdue").asks_for_failed


def test_the_statuses_are_those_of_the_model():
    for status in EnrollmentStatus:
        assert listed(status=status.value.upper()).status == (status,)


DAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-01", date(2026, 11, 1)),
        ("2026-11-01t23:59:59z", date(2026, 11, 1)),
        ("2026-11-01 10:00", date(2026, 11, 1)),
        ("20261101", date(2026, 11, 1)),
        ("today", DAY),
        ("now", DAY),
        ("tomorrow", date(2026, 11, 24)),
        ("yesterday", date(2026, 11, 22)),
        ("+14d", date(2026, 12, 7)),
        ("14d", date(2026, 12, 7)),
        ("+ 14 d", None),
        ("+14 d", date(2026, 12, 7)),
        ("-2w", date(2026, 11, 9)),
        ("-3m", date(2026, 8, 23)),
        ("+2m", date(2027, 1, 23)),
        ("-11m", date(2025, 12, 23)),
        ("+1y", date(2027, 11, 23)),
        ("+0d", DAY),
        ("soon", None),
        ("2026-13-01", None),
        ("+99999d", None),
        ("-3000y", None),
        ("", None),
    ],
)
def test_a_day_is_iso_a_word_or_a_distance(text: str, day: date | None):
    if day is None:
        with pytest.raises(ValueError, match="is not a date"):
            resolve_day(text, DAY)
    else:
        assert resolve_day(text, DAY) == day


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("this week", date(2026, 11, 23), date(2026, 11, 29)),
        ("last_week", date(2026, 11, 16), date(2026, 11, 22)),
        ("this month", date(2026, 11, 1), date(2026, 11, 30)),
        ("last month", date(2026, 10, 1), date(2026, 10, 31)),
        ("next-month", date(2026, 12, 1), date(2026, 12, 31)),
        ("this_quarter", date(2026, 10, 1), date(2026, 12, 31)),
        ("next_quarter", date(2027, 1, 1), date(2027, 3, 31)),
        ("previous year", date(2025, 1, 1), date(2025, 12, 31)),
    ],
)
def test_a_period_is_its_first_day_or_its_last_one(text: str, first: date, last: date):
    assert resolve_day(text, DAY) == first
    assert resolve_day(text, DAY, last=True) == last
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    chosen = question(moment, ZoneInfo("UTC"), completed_from=text, completed_to=text).selection()
    assert chosen.completed_from == datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
    assert chosen.completed_before == datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp() + 86_400


@pytest.mark.parametrize("name", ["due", "completed", "enrolled"])
def test_a_last_day_before_the_first_is_refused(name: str):
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    days = {f"{name}_from": "today", f"{name}_to": "-1d"}
    with pytest.raises(QueryError, match=f"{name}_to is before {name}_from: no day lies between them"):
        question(moment, ZoneInfo("UTC"), **days).selection().check()


@pytest.mark.parametrize(
    ("today", "text", "day"),
    [
        (date(2026, 5, 31), "-3m", date(2026, 2, 28)),
        (date(2024, 5, 31), "-3m", date(2024, 2, 29)),
        (date(2026, 8, 31), "+1m", date(2026, 9, 30)),
        (date(2026, 1, 31), "+1m", date(2026, 2, 28)),
        (date(2026, 12, 31), "-1m", date(2026, 11, 30)),
        (date(2026, 1, 15), "-1m", date(2025, 12, 15)),
        (date(2026, 11, 30), "+1m", date(2026, 12, 30)),
        (date(2024, 2, 29), "+1y", date(2025, 2, 28)),
        (date(2024, 2, 29), "-4y", date(2020, 2, 29)),
    ],
)
def test_a_months_end_stays_within_the_month(today: date, text: str, day: date):
    assert resolve_day(text, today) == day


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)), st.integers(-600, 600))
def test_months_move_the_month_and_never_lengthen_the_day(today: date, months: int):
    day = resolve_day(f"{months:+d}m", today)
    assert (day.year * 12 + day.month) - (today.year * 12 + today.month) == months
    assert day.day <= today.day
    assert day.day == today.day or (day + timedelta(days=1)).day == 1


def question(now: datetime, zone: ZoneInfo, **arguments: object) -> ResolvedQuery:
    return ResolvedQuery(listed(**arguments), "default", int(now.timestamp()), zone, None, None)


ZONES = [
    "UTC",
    "Europe/Athens",
    "Africa/Cairo",
    "America/Havana",
    "America/Santiago",
    "Pacific/Chatham",
    "Asia/Kolkata",
]


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001  instants, aware below
    st.dates(date(2024, 1, 2), date(2027, 12, 30)),
)
def test_days_of_a_filter_are_whole_days_of_the_zone_also_where_clocks_change(zone: str, moment: datetime, day: date):
    due, local = moment.replace(tzinfo=UTC), ZoneInfo(zone)
    chosen = question(due, local, due_from=day.isoformat(), due_to=day.isoformat()).selection()
    assert chosen.due_from is not None
    assert chosen.due_before is not None
    inside = chosen.due_from <= due.timestamp() < chosen.due_before
    assert inside == (due.astimezone(local).date() == day)


def test_today_is_the_day_of_the_zone():
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    for zone, day in (("UTC", 23), ("Europe/Athens", 24), ("America/Havana", 23)):
        local = ZoneInfo(zone)
        chosen = question(late, local, due_from="today").selection()
        assert chosen.due_from == datetime(2026, 11, day, tzinfo=local).timestamp()
        assert question(late, local).day("today") == date(2026, 11, day)


@pytest.mark.parametrize("far", ["9999-12-31", "0001-01-01", "+7973y", "-1026y"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Chatham", "America/Havana"])
def test_days_at_the_ends_of_the_calendar_are_always_and_never(far: str, zone: str):
    chosen = question(datetime(2026, 11, 23, tzinfo=UTC), ZoneInfo(zone), due_from=far, due_to=far).selection()
    assert chosen.due_from is not None
    assert chosen.due_before is not None
    assert chosen.due_from < chosen.due_before


def test_the_nearest_word_is_found_whatever_its_case():
    assert nearest("LIMT", ["limit", "user"]) == "limit"
    assert nearest("qqqq", ["limit", "user"]) is None


def test_what_is_no_object_is_no_query():
    with pytest.raises(ValidationError):
        EnrollmentQuery.model_validate("user=Jane")


def test_a_query_survives_its_way_through_a_cursor():
    query = listed(
        user='["Jane", "[x]"]',
        state="overdue",
        due_to="+14d",
        fields="user,custom_fields.Site",
        sort="-due",
        limit=3,
        where={"team": ["Sales", "Ops"], "custom_fields": {"site": "Oslo"}},
        is_mandatory="no",
        completed_to="last week",
    )
    kept: dict[str, Any] = json.loads(json.dumps(query.model_dump(mode="json", exclude_defaults=True)))
    assert EnrollmentQuery.model_validate(kept) == query
