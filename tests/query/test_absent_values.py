"""What hosts and models write for an argument that is not given changes no answer."""

from typing import Any

import pytest

from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from tests.conftest import LIST, SUMMARIZE, OpenDesk

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
    {"status": ["all"]},
    {"due_from": "null", "due_to": ""},
]


@pytest.mark.parametrize("query", [EnrollmentQuery, ProgressQuery])
@pytest.mark.parametrize("filled_in", FILLED_IN, ids=str)
def test_a_filled_in_default_is_as_if_absent(query: type[EnrollmentFilter], filled_in: dict[str, Any]):
    assert query.parse({"state": ["overdue"], **filled_in}) == query.parse({"state": ["overdue"]})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"user": ["all", "Jane"]}, {"user": ("all", "Jane")}),
        ({"progress_below": 0.5}, {"progress_below": 0.5}),
        ({"where": {"team": "all"}}, {"where": (("team", ("all",)),)}),
        ({"is_mandatory": False}, {"is_mandatory": False}),
    ],
    ids=str,
)
def test_a_value_that_selects_something_is_not_absent(given: dict[str, Any], expected: dict[str, Any]):
    query = EnrollmentQuery.parse(given)
    assert {name: getattr(query, name) for name in expected} == expected


@pytest.mark.anyio
@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
async def test_progress_below_0_hides_nobody_who_is_overdue(open_desk: OpenDesk, tool: str):
    async with open_desk() as desk:
        asked = await desk.ask(tool, state=["overdue"])
        filled_in = await desk.ask(tool, state=["overdue"], limit=25, progress_below=0)
    assert filled_in.splitlines()[:-1] == asked.splitlines()[:-1]  # the last line of a list has a cursor of its own
    assert " 0 of 0 " not in f" {filled_in}"
