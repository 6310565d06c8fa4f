"""The forms that arguments accept: lists, JSON text, numbers, joined words, flags and cursors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.query.vocabulary import DEFAULT_LIMIT, MAX_LIMIT, Format
from tests.query.parsed_queries import error_message, list_query, progress_query


@pytest.mark.parametrize(
    ("value", "expected"),
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
def test_users_and_courses_are_text_or_lists_or_json_text_or_numbers(value: object, expected: tuple[str, ...]):
    assert list_query(user=value).user == expected
    assert progress_query(course=value).course == expected


@pytest.mark.parametrize("value", [True, [False], {"name": "Jane"}, [["Jane"]], ["Jane", {}]])
def test_a_value_that_is_not_a_name_is_rejected(value: object):
    assert error_message(user=value) == "user: takes ids, names or parts of names as text."


def test_more_than_fifty_names_are_rejected():
    assert list_query(user=[str(number) for number in range(50)]).user[-1] == "49"
    assert error_message(user=[str(number) for number in range(51)]) == "user: 51 values are too many: 50 at most."


def test_a_name_of_more_than_200_characters_is_rejected():
    assert list_query(user="x" * 200).user == ("x" * 200,)
    assert error_message(user="x" * 201) == "user: a name takes at most 200 characters."


@pytest.mark.parametrize(
    "value",
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
def test_states_may_be_joined_by_commas_and_are_parsed_in_any_spelling(value: object):
    assert list_query(state=value).state == (State.OVERDUE, State.DUE_SOON)


def test_every_status_of_the_model_is_a_value_of_status():
    for status in EnrollmentStatus:
        assert list_query(status=status.value.upper()).status == (status,)


@pytest.mark.parametrize("value", [True, "true", "Yes", 1, "1"])
def test_a_flag_is_true_in_any_usual_spelling(value: object):
    assert list_query(fresh=value).fresh is True


@pytest.mark.parametrize("value", [False, "false", "no", 0, "0"])
def test_a_flag_is_false_in_any_usual_spelling(value: object):
    assert list_query(fresh=value).fresh is False


def test_a_number_may_be_a_number_or_text():
    assert list_query(limit="40").limit == list_query(limit=40.0).limit == 40
    assert list_query(limit=MAX_LIMIT).limit == MAX_LIMIT
    assert list_query().limit == DEFAULT_LIMIT
    assert list_query(progress_below="50%").progress_below == list_query(progress_below=50).progress_below == 50.0
    assert list_query(progress_below=0.5).progress_below == 0.5


@pytest.mark.parametrize("limit", [201, 1_000, "500", 10**30])
def test_a_limit_above_the_most_is_the_most_and_the_answer_says_so(limit: object):
    for query in (list_query(limit=limit), progress_query(limit=limit)):
        assert query.limit == MAX_LIMIT
        assert query.notes == ("limit: 200 at most.",)
    assert list_query(limit=MAX_LIMIT).notes == ()


@pytest.mark.parametrize("value", [True, "true", "yes", "Yes", 1, ["yes"]])
def test_is_mandatory_is_yes_or_no_or_a_boolean(value: object):
    assert list_query(is_mandatory=value).is_mandatory is True


@pytest.mark.parametrize("value", [False, "false", "no", "No", 0])
def test_a_negative_is_mandatory_alone_selects_what_is_not_mandatory(value: object):
    assert list_query(is_mandatory=value, state="overdue").is_mandatory is False


def test_the_format_is_a_table_by_default_and_json_on_request():
    assert list_query(format="JSON").format is Format.JSON
    assert list_query().format is Format.TABLE


@pytest.mark.parametrize("value", ["k3f9a2", " k3f9a2 ", "cursor=k3f9a2"])
def test_a_cursor_is_accepted_as_it_was_printed(value: str):
    assert list_query(cursor=value).cursor == "k3f9a2"


def test_a_cursor_of_digits_may_be_a_number():
    assert list_query(cursor=12345678).cursor == "12345678"


def test_empty_arguments_are_allowed_with_a_cursor():
    assert list_query(cursor="k3f9a2", user="", fields=[], sort=None).cursor == "k3f9a2"


def test_a_query_is_the_same_after_a_round_trip_through_a_cursor():
    query = list_query(
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
    stored: dict[str, Any] = json.loads(json.dumps(query.model_dump(mode="json", exclude_defaults=True)))
    assert EnrollmentQuery.model_validate(stored) == query
