"""Columns, sort orders and groupings are accepted by path, header or usual name."""

from __future__ import annotations

import pytest

from mcp_truto_lms.domain.columns import row_columns
from mcp_truto_lms.query.queries import ProgressQuery
from mcp_truto_lms.query.vocabulary import GroupBy
from tests.query.parsed_queries import error_message, list_query, progress_query


@pytest.mark.parametrize(
    ("value", "paths"),
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
        ("Custom_Fields.Certificate issued at", ("certificate_issued_at",)),
        (["Certificate-Expires", "access ends at"], ("certificate_expires_at", "access_ends_at")),
    ],
)
def test_columns_are_named_by_path_or_header_or_group(value: object, paths: tuple[str, ...]):
    assert list_query(fields=value).fields == paths
    assert list_query(exclude_fields=value).exclude_fields == paths


def test_every_header_and_every_path_names_its_own_column():
    columns = row_columns()
    for path, column in columns.items():
        assert list_query(fields=path).fields == (path,)
        assert list_query(fields=column.header).fields == (path,)


def test_more_than_fifty_columns_are_rejected():
    joined = ",".join(f"custom_fields.{number}" for number in range(51))
    assert error_message(fields=joined) == "fields: 51 columns are too many: 50 at most."


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("due_at", "due_at"),
        ("-due", "-due_at"),
        ("+due", "due_at"),
        (" -progress ", "-progress_percent"),
        ("user", "user.name"),
        ("-course", "-course.title"),
        ("due_at desc", "-due_at"),
        ("due_at DESC", "-due_at"),
        ("due_at:desc", "-due_at"),
        ("due_at asc", "due_at"),
        ("due descending", "-due_at"),
        (["-due_at"], "-due_at"),
        ('["-due_at"]', "-due_at"),
        (["due_at", "desc"], "-due_at"),
        ("-due_at desc", "-due_at"),
        ("last activity desc", "-last_activity_at"),
    ],
)
def test_a_list_is_sorted_by_a_column_ascending_or_descending(value: object, path: str):
    assert list_query(sort=value).sort == path


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("-overdue", "-overdue"),
        ("%", "rate"),
        ("-%", "-rate"),
        ("due_soon", "due_soon"),
        ("-due 14d", None),
        ("Name", "name"),
        ("not started", "not_started"),
        ("-avg", "-average"),
        ("completion_rate", "rate"),
        ("-completion rate", "-rate"),
        ("overdue desc", "-overdue"),
        (["-overdue"], "-overdue"),
    ],
)
def test_a_summary_is_sorted_by_its_own_columns(value: object, column: str | None):
    if column is None:
        message = error_message(ProgressQuery, sort=value)
        assert message.startswith("sort: 'due_14d' is not a column to sort a summary by; ")
    else:
        assert progress_query(sort=value).sort == column


@pytest.mark.parametrize(
    ("arguments", "message"),
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
def test_a_sort_by_a_number_that_the_summary_does_not_have_is_rejected(arguments: dict[str, object], message: str):
    assert error_message(ProgressQuery, **arguments) == message


@pytest.mark.parametrize(
    ("value", "groups"),
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
def test_a_grouping_is_parsed_in_any_usual_spelling(value: object, groups: tuple[str, ...]):
    assert progress_query(group_by=value).group_by == groups


def test_three_groupings_and_a_grouping_that_is_not_text_are_rejected():
    assert error_message(ProgressQuery, group_by="course,status,team") == "group_by: takes one or two, not 3."
    assert error_message(ProgressQuery, group_by=[{"by": "team"}]).startswith("group_by: takes one or two of course, ")
