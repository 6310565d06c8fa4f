"""What hosts and models write for an argument that is not given changes no answer."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.query import value_kinds
from mcp_truto_lms.query.arguments import arguments_of
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.input_schema import input_schema
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from tests.conftest import LIST, SUMMARIZE, OpenDesk

CURSOR = re.compile(r"cursor=\S+")
FILLED_IN: list[dict[str, Any]] = [
    {"progress_below": 0},
    {"progress_below": "0"},
    {"progress_below": 0.0},
    {"limit": 0},
    {"where": {}},
    {"where": "{}"},
    {"where": {"team": "null"}},
    {"user": "null"},
    {"user": ["null"]},
    {"user": '["null"]'},
    {"user": ["all"]},
    {"course": "all"},
    {"course": ["Any"]},
    {"course": "*"},
    {"user": "everyone"},
    {"course": ["everyone"]},
    {"where": "all"},
    {"limit": "0"},
    {"is_mandatory": False, "limit": 25},
    {"is_mandatory": False, "fresh": False},
    {"is_mandatory": "false", "user": ""},
    {"is_mandatory": 0, "where": {}},
    {"is_mandatory": [False], "course": []},
    {"is_mandatory": "any"},
    {"status": ["all"]},
    {"due_from": "null", "due_to": ""},
]


@pytest.mark.parametrize("query", [EnrollmentQuery, ProgressQuery])
@pytest.mark.parametrize("filled_in", FILLED_IN, ids=str)
def test_a_filled_in_default_is_as_if_absent(query: type[EnrollmentFilter], filled_in: dict[str, Any]):
    assert query.parse({"state": ["overdue"], **filled_in}) == query.parse({"state": ["overdue"]})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"user": ["all", "Jane"]}, {"user": ("all", "Jane")}),
        ({"progress_below": 0.5}, {"progress_below": 0.5}),
        ({"where": {"team": "all"}}, {"where": (("team", ("all",)),)}),
        ({"is_mandatory": False}, {"is_mandatory": False}),
        ({"is_mandatory": False, "limit": 24, "user": "Jane"}, {"is_mandatory": False}),
        ({"is_mandatory": "no", "user": "", "limit": 25}, {"is_mandatory": False}),
        ({"is_mandatory": True, "user": "", "limit": 25}, {"is_mandatory": True}),
        ({"fields": ["id"], "exclude_fields": "null"}, {"fields": ("id",), "exclude_fields": ()}),
    ],
    ids=str,
)
def test_a_value_that_selects_something_is_not_absent(arguments: dict[str, Any], expected: dict[str, Any]):
    query = EnrollmentQuery.parse(arguments)
    assert {name: getattr(query, name) for name in expected} == expected


ABSENT = [None, "", " ", [], {}, "null", "NULL", ["null"], [None], [""], "[]", "{}", '["null"]', {"a": None}]
"""What stands for "not given", whatever the argument."""


def defaults_of(query: type[EnrollmentFilter], name: str) -> list[Any]:
    """List what a host fills in for an argument by its type and its default."""
    kind, default = arguments_of(query)[name].kind, query.model_fields[name].default
    zeros = [0, "0", 0.0] if kind.absent_words >= value_kinds.ZERO else []
    return [*zeros, *([default, str(default)] if isinstance(default, int | str) else [])]


@pytest.mark.parametrize("query", [EnrollmentQuery, ProgressQuery])
@given(data=st.data())
def test_filled_in_defaults_beside_any_call_change_nothing(query: type[EnrollmentFilter], data: st.DataObject):
    names = st.sampled_from([name for name in arguments_of(query) if name != "cursor"])
    given = {name: arguments_of(query)[name].example for name in data.draw(st.sets(names, max_size=4))}
    rest = [name for name in arguments_of(query) if name not in given]
    filled_in = {
        name: data.draw(st.sampled_from([*ABSENT, *defaults_of(query, name)]), name)
        for name in data.draw(st.lists(st.sampled_from(rest), unique=True))
    }
    if filled_in and "is_mandatory" in set(rest) - filled_in.keys() and data.draw(st.booleans()):
        filled_in["is_mandatory"] = data.draw(st.sampled_from([False, "false", 0]))
    assert query.parse({**given, **filled_in}) == query.parse(given)


@pytest.mark.anyio
@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
async def test_a_call_with_every_argument_filled_in_has_the_same_answer(open_desk: OpenDesk, tool: str):
    query = EnrollmentQuery if tool == LIST else ProgressQuery
    by_type: dict[str, Any] = {"array": [], "object": {}, "string": "", "number": 0, "integer": 0, "boolean": False}
    properties = input_schema(query)["properties"]
    filled_in = {name: by_type[node["type"]] for name, node in properties.items()} | {"is_mandatory": False}
    async with open_desk() as desk:
        for question in ({"state": ["overdue"]}, {"user": "1"}, {"where": {"team": "North"}, "due_to": "today"}):
            asked = await desk.ask(tool, **question)
            answer = await desk.ask(tool, **(filled_in | question))
            assert CURSOR.sub("", answer) == CURSOR.sub("", asked)


@pytest.mark.anyio
@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
async def test_progress_below_0_hides_nobody_who_is_overdue(open_desk: OpenDesk, tool: str):
    async with open_desk() as desk:
        asked = await desk.ask(tool, state=["overdue"])
        filled_in = await desk.ask(tool, state=["overdue"], limit=25, progress_below=0)
    assert CURSOR.sub("", filled_in) == CURSOR.sub("", asked)
    assert " 0 of 0 " not in f" {filled_in}"
