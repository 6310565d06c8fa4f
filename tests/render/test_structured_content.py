"""Structured content: the data of an answer follows the schema that the tool list publishes."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mcp_truto_lms.domain.columns import ALL_COLUMNS
from mcp_truto_lms.domain.model import CourseEnrollment, EnrollmentStatus
from mcp_truto_lms.render.structured_content import list_schema, summary_schema
from mcp_truto_lms.settings import Settings
from mcp_truto_lms.store.counts import Counts
from tests.conftest import LIST, SUMMARIZE, Desk, OpenDesk
from tests.render.answer_reading import to_number
from tests.stored import Shelf, course, open_shelf, person, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio


async def content(desk: Desk, tool: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """Call a tool by a client that validates the content; return the text and the content."""
    result = await desk.client.call_tool(tool, arguments)
    text = "".join(getattr(block, "text", "") for block in result.content)
    assert not result.is_error, text
    return text, result.structured_content or {}


def total(text: str) -> int:
    match = re.search(r"(?:^|\. |of )([\d,]+) (?:enrollments|people)", text)
    assert match, text
    return to_number(match[1])


def test_rows_have_the_fields_of_the_model_and_numbers_those_that_are_counted():
    row = list_schema(ALL_COLUMNS)["properties"]["result"]["items"]
    assert [*row["properties"]] == [
        *(name for name in CourseEnrollment.model_fields if name != "remote_data"),
        "access_ends_at",
        "certificate_issued_at",
        "certificate_expires_at",
        "signals",
    ]
    assert "required" not in row
    assert list_schema(ALL_COLUMNS)["$defs"]["EnrollmentStatus"]["enum"] == [*map(str, EnrollmentStatus)]
    numbers = summary_schema(ALL_COLUMNS)["properties"]["totals"]["properties"]
    counted = {field.name for field in fields(Counts)} - {"progress_sum", "progress_known", "seconds", "seconds_known"}
    assert counted | {"rate", "average", "hours", "learners", "courses", "learner_rate"} <= {*numbers}
    assert numbers["rate"] == {"type": "number"}
    assert numbers["finished"] == {"type": "integer"}


@pytest.mark.parametrize("schema", [list_schema(ALL_COLUMNS), summary_schema(ALL_COLUMNS)])
def test_a_schema_describes_an_object_without_nulls(schema: dict[str, Any]):
    assert schema["type"] == "object"
    assert {"total", "as_of", "complete"} <= {*schema["required"]}
    assert '"null"' not in json.dumps(schema)


async def test_content_is_sent_only_if_the_settings_ask_for_it(open_desk: OpenDesk):
    assert not Settings.from_env({}).structured
    assert Settings.from_env({"MCP_TRUTO_LMS_STRUCTURED": "1"}).structured
    async with open_desk() as desk:
        assert [tool.output_schema for tool in (await desk.client.list_tools()).tools] == [None, None]
        assert (await content(desk, LIST, limit=1))[1] == {}


async def test_rows_and_total_are_those_of_the_text(open_desk: OpenDesk):
    async with open_desk(structured=True, token_budget=600) as desk:
        text, data = await content(desk, LIST, state="overdue", limit=200)
        shown = int(text.split()[0])
        assert 0 < shown == len(data["result"]) < 200
        assert total(text) == data["total"]
        assert data["next_cursor"] == text.rpartition("cursor=")[2]
        first = text.splitlines()[2].split(",")
        assert (data["result"][0]["user"]["name"], data["result"][0]["course"]["title"]) == (first[0], first[1])
        assert data["result"][0]["due_at"].startswith(first[4])
        text, data = await content(desk, LIST, cursor=data["next_cursor"])
        assert text.startswith(f"Rows {shown + 1} to {shown + len(data['result'])} of ")


async def test_a_list_in_json_is_the_same_twice(open_desk: OpenDesk):
    async with open_desk(structured=True) as desk:
        for more in ({}, {"fields": "learner,due"}, {"exclude_fields": "custom_fields,email"}):
            text, data = await content(desk, LIST, format="json", state="at_risk", limit=3, **more)
            assert json.loads(text).items() >= {k: v for k, v in data.items() if k != "excluded"}.items()


async def test_rows_have_only_the_chosen_columns(open_desk: OpenDesk):
    async with open_desk(structured=True) as desk:
        _, data = await content(desk, LIST, fields="learner,status", limit=2)
        assert [{*row} for row in data["result"]] == [{"user", "status"}] * 2
        assert [{*row["user"]} for row in data["result"]] == [{"name"}] * 2
        _, data = await content(desk, LIST, exclude_fields="user,custom_fields", limit=2)
        assert all(not {"user", "custom_fields"} & {*row} for row in data["result"])
        assert "next_cursor" not in (await content(desk, LIST, limit=2, course="101", user="6"))[1]


async def test_the_path_of_a_csv_is_that_of_the_text(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(structured=True, export_dir=str(tmp_path)) as desk:
        text, data = await content(desk, LIST, format="csv", fields="learner,due")
    assert data["csv"] == {"path": data["csv"]["path"], "rows": data["total"], "columns": ["learner", "due"]}
    assert data["csv"]["path"] in text
    assert "result" not in data


async def test_a_summary_has_the_numbers_of_its_text(open_desk: OpenDesk):
    async with open_desk(structured=True) as desk:
        text, data = await content(desk, SUMMARIZE, limit=2)
        totals = data["totals"]
        assert text.startswith(f"{totals['enrollments']:,} enrollments, {totals['learners']} learners, ")
        assert f"finished {totals['finished']:,} ({totals['rate']:.0f} %), overdue {totals['overdue']}" in text
        assert sum(data["by_status"].values()) == totals["enrollments"] == data["total"]
        table = data["tables"][0]
        assert (table["by"], table["number"], len(table["groups"])) == (["course"], 15, 2)
        line = table["groups"][0]
        assert f"{line['keys'][0]},{line['enrollments']},{line['finished']},{line['rate']:.0f}" in text
        at_risk = data["at_risk"]
        assert f"of {at_risk['number']} learners at risk" in text
        assert [line["learner"] in text for line in at_risk["learners"]] == [True, True]


async def test_misleading_numbers_are_absent_as_in_the_text(open_desk: OpenDesk):
    async with open_desk(structured=True) as desk:
        _, data = await content(desk, SUMMARIZE, state="overdue", group_by="site")
        assert not {"rate", "learner_rate"} & {*data["totals"], *data["tables"][0]["groups"][0]}
        _, data = await content(desk, SUMMARIZE, group_by="status")
        assert "rate" not in data["tables"][0]["groups"][0]
        text, data = await content(desk, SUMMARIZE, completed_from="last_month", completed_to="last_month")
        assert "rate" not in data["totals"]
        assert f"{data['period']['finished']:,} finished in it ({data['period']['rate']:.0f} %)" in text
        _, data = await content(desk, SUMMARIZE, group_by="course")
        assert "learners" not in data["tables"][0]["groups"][0]


async def test_missing_enrollments_are_counted_as_not_enrolled(open_desk: OpenDesk):
    async with open_desk(structured=True) as desk:
        text, data = await content(desk, SUMMARIZE, state="not_enrolled", course="Forklift", group_by="site")
        assert data["totals"] == {"not_enrolled": total(text), "learners": total(text), "courses": 1}
        assert [*data["tables"][0]["groups"][0]] == ["keys", "not_enrolled", "possible"]
        _, data = await content(desk, LIST, state="not_enrolled", course="Forklift", limit=1)
        assert {*data["result"][0]} == {"user", "course"}


async def test_the_courses_of_one_learner_have_the_columns_of_the_text(open_desk: OpenDesk):
    async with open_desk(structured=True) as desk:
        _, data = await content(desk, SUMMARIZE, user="Jane Doe")
    assert data["details"]["total"] == len(data["details"]["result"]) == data["total"]
    assert all(
        {*row} <= {"user", "course", "status", "progress_percent", "due_at"} for row in data["details"]["result"]
    )


async def test_learners_with_the_same_name_carry_their_ids(open_desk: OpenDesk):
    people = [person("1", "Ann Lee"), person("2", "Ann Lee")]
    records = [record(key, "c", "enrolled", due=NOON - DAY) for key in ("1", "2")]
    async with open_shelf(Shelf(people, [course("c", "C")], records), structured=True) as desk:
        _, data = await content(desk, SUMMARIZE, group_by="learner")
        assert [line["keys"] for line in data["tables"][0]["groups"]] == [["Ann Lee (id 1)"], ["Ann Lee (id 2)"]]
        _, data = await content(desk, SUMMARIZE)
        assert {line["learner"] for line in data["at_risk"]["learners"]} == {"Ann Lee (id 1)", "Ann Lee (id 2)"}


async def test_incomplete_data_has_its_coverage():
    shelf = Shelf([person("1", "Ann")], [course("c", "C"), course("d", "D")], [record("1", "c", "enrolled")])
    shelf.halves = frozenset({"course:d", "learner:1"})
    async with open_shelf(shelf, structured=True) as desk:
        for tool in (LIST, SUMMARIZE):
            _, data = await content(desk, tool)
            assert data["complete"] is False
            assert data["coverage"] == {"read": 1, "wanted": 1, "unit": "people", "partial": 1}


async def test_an_error_has_no_content(open_desk: OpenDesk):
    async with open_desk(structured=True) as desk:
        result = await desk.client.call_tool(LIST, {"course": "Nothing of the kind"})
    assert result.is_error
    assert result.structured_content is None
