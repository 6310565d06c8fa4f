"""A mistake is rejected with the nearest right value, in a short message."""

from __future__ import annotations

import pytest

from mcp_truto_lms.query.parsing import nearest
from tests.query.parsed_queries import error_message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"status": "overdu"}, "status: 'overdu' is not a status; did you mean 'overdue'? known: assigned, enrolled"),
        ({"status": "finnished"}, "status: 'finnished' is not a status; did you mean 'finished'? known: assigned, "),
        ({"status": "zzz"}, "status: 'zzz' is not a status; known: assigned"),
        ({"status": True}, "status: 'true' is not a status; "),
        ({"state": "in_progres"}, "state: 'in_progres' is not a state; did you mean 'in_progress'? known: finished, "),
        ({"state": ["overdue", "finnished"]}, "state: 'finnished' is not a state; did you mean 'finished'? known: "),
        ({"format": "xlsx"}, "format: 'xlsx' is not a format; known: table, json, csv."),
        ({"format": "table,json"}, "format: takes one format: table, json, csv."),
        ({"limt": 3}, "There is no argument 'limt'; did you mean 'limit'? Known: user, course, "),
        ({"zzzzzz": 3}, "There is no argument 'zzzzzz'. Known: user, course, "),
        ({"group_by": "course"}, "There is no argument 'group_by'. "),
        ({"fields": ["nme"]}, "fields: 'nme' is not a column; did you mean 'user.name'? known: id, user.id"),
        ({"fields": "houres"}, "fields: 'houres' is not a column; did you mean 'hours'? known: id, user.id"),
        ({"sort": "due_date"}, "sort: 'due_date' is not a column; did you mean 'due_at'? known: "),
        ({"sort": "-"}, "sort: '' is not a column; known: "),
        ({"sort": "urls"}, "sort: urls cannot be sorted by; sort by a single value such as due_at or user.name."),
        ({"sort": "custom_fields.site"}, "sort: custom_fields.site cannot be sorted by; "),
        ({"fields": "custom_fields."}, "fields: 'custom_fields.' is not a column; did you mean 'custom_fields'? "),
        ({"fields": "custom_fields." + "x" * 200}, "fields: 'custom_fields.xxx"),
        ({"due_to": "next Friday"}, "due_to: 'next friday' is not a date: write 2026-11-30, 2026-11, today, "),
        ({"due_from": "2026-02-30"}, "due_from: '2026-02-30' is not a date: "),
        ({"due_from": ["2026-02-03", "2026-02-04"]}, "due_from: takes one value, not 2."),
        ({"due_from": "01/11/2026"}, "due_from: '01/11/2026' has two readings: write 2026-01-11 or 2026-11-01."),
        ({"due_to": "14 days"}, "due_to: '14 days' has two readings: write +14d or -14d."),
        ({"due_to": "last friday"}, "due_to: 'last friday' is not a date: write 2026-11-30, 2026-11, today, +14d, "),
        ({"sort": "due,progress"}, "sort: takes one column."),
        ({"sort": ["due", "progress"]}, "sort: takes one value, not 2."),
        ({"sort": "-due asc"}, "sort: '-due asc' contradicts itself: write -column for descending."),
        ({"user": "me"}, "user: 'me' names nobody, as the server does not know who asks: write an id, e-mail or "),
        ({"user": ["Jane Doe", "I"]}, "user: 'I' names nobody, as the server does not know who asks: "),
        ({"is_mandatory": "perhaps"}, "is_mandatory: takes yes or no."),
        ({"progress_below": 101}, "progress_below: '101' is not a percentage: it takes a number from 0 to 100."),
        ({"progress_below": "nan"}, "progress_below: 'nan' is not a percentage: "),
        ({"progress_below": True}, "progress_below: 'True' is not a percentage: "),
        ({"fresh": "maybe"}, "fresh: takes true or false."),
        ({"limit": -1}, "limit: takes a whole number from 1 to 200."),
        ({"limit": 2.5}, "limit: takes a whole number from 1 to 200."),
        ({"limit": True}, "limit: takes a whole number from 1 to 200."),
        ({"cursor": ["abc"]}, "cursor: takes the token at the end of the previous answer."),
    ],
)
def test_a_mistake_is_rejected_with_the_values_that_are_right(arguments: dict[str, object], message: str):
    assert error_message(**arguments).startswith(message)


def test_several_mistakes_are_reported_together():
    message = error_message(state="late", limit=-1)
    assert "state: 'late' is not a state; " in message
    assert message.endswith(" limit: takes a whole number from 1 to 200.")


def test_a_long_mistake_does_not_make_the_message_long():
    assert len(error_message(**{"x" * 100_000: 1})) < 400
    assert len(error_message(fields="y" * 100_000)) < 800


def test_the_nearest_word_does_not_depend_on_case():
    assert nearest("LIMT", ["limit", "user"]) == "limit"
    assert nearest("qqqq", ["limit", "user"]) is None
