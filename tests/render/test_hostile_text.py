"""What authors and learners hide in their texts reaches no client, wherever these texts stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp_types import PromptReference

from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.source import Reading, Scope
from tests.conftest import LIST, SUMMARIZE, Desk
from tests.stored import Shelf, course, open_shelf, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio

HIDDEN = "\u202e\u200b\u2066\U000e0041"
"""A turn of the writing, what has no width, a tag."""


def hostile(text: str) -> str:
    """Hide such things in a text; a blank letter and what a terminal obeys come last, with a line end."""
    return f"{HIDDEN.join(text)}\u3164\x1b\r\n"


def person(key: str, name: str, team: str) -> User:
    fields = {hostile("Site"): hostile("Oslo"), "branches": [hostile(team)]}
    emails = [{"email": f"{key}@acme.example"}]
    return User.model_validate({"id": f"{key}\u202e", "name": hostile(name), "emails": emails, "custom_fields": fields})


PEOPLE = [person("1", "Ann Lee", "North"), person("2", "Ann Ray", "South"), person("3", "Bob Ray", "South")]
TITLES = [course("c\u202e", hostile("First Aid")), course("d", hostile("First Aid")), course("e", hostile("Ethics"))]
RECORDS = [
    record(one.id, key.id, "enrolled", due=NOON - DAY, custom_fields={hostile("Site"): hostile("Oslo")})
    for one in PEOPLE
    for key in TITLES[:2]
]
FILE = f"email,{HIDDEN}shift,hr\n1@acme.example,{HIDDEN}Night,Ann\n"

CALLS: list[tuple[str, dict[str, Any]]] = [
    (LIST, {}),
    (LIST, {"user": "Ann"}),
    (LIST, {"course": "Aid", "fields": ["learner", "course_id", "custom_fields.Site", f"custom_fields.{HIDDEN}x"]}),
    (LIST, {"where": {"site": "Oslo", "team": "South"}}),
    (LIST, {"format": "json"}),
    (LIST, {"state": "not_enrolled", "course": "Ethics"}),
    (SUMMARIZE, {}),
    (SUMMARIZE, {"user": "Bob Ray"}),
    (SUMMARIZE, {"course": "Aid"}),
    *((SUMMARIZE, {"group_by": one}) for one in ("learner", "team", "site", "shift", "course")),
    (LIST, {"course": "Frist Aid"}),
    (LIST, {"user": "Anne Lee"}),
    (LIST, {"where": {"sites": "Oslo"}}),
    (LIST, {"where": {"site": "Olso"}}),
    (SUMMARIZE, {"group_by": "shifts"}),
    (LIST, {"fields": f"{HIDDEN}due"}),
    (LIST, {f"{HIDDEN}user": "x"}),
]


def hidden_in(text: str) -> str:
    return "".join(one for one in text if one != "\n" and (not one.isprintable() or one in f"{HIDDEN}\u3164"))


async def said(desk: Desk, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
    result = await desk.client.call_tool(tool, arguments)
    return bool(result.is_error), "".join(getattr(one, "text", "") for one in result.content)


async def test_no_answer_error_or_completion_carries_what_is_hidden(tmp_path: Path):
    (file := tmp_path / "people.csv").write_text(FILE, "utf-8")
    errors = 0
    async with open_shelf(Shelf(PEOPLE, TITLES, RECORDS), people_file=str(file)) as desk:
        for tool, arguments in CALLS:
            failed, text = await said(desk, tool, arguments)
            errors += failed
            assert hidden_in(text) == "", (arguments, text)
            assert not failed or "\n" not in text
        assert errors == 7
        reference = PromptReference(type="ref/prompt", name="overdue_report")
        for name, value in (("course", "f"), ("learner", "a")):
            found = (await desk.client.complete(reference, {"name": name, "value": value})).completion.values
            assert found
            assert [one for one in found if hidden_in(one) or "\n" in one] == []


async def test_nor_does_a_failure_of_the_lms():
    class Failing(Shelf):
        async def enrollments(self, scope: Scope, **_: Any) -> Reading:
            if scope.course_id == "d":
                raise UnexpectedAnswer(hostile("no"))
            return Reading(tuple(RECORDS[:1]))

        async def courses(self) -> Any:
            if self.people:
                return await super().courses()
            raise UnexpectedAnswer(hostile("no"))

    async with open_shelf(Failing(PEOPLE, TITLES)) as desk:
        _, text = await said(desk, SUMMARIZE, {})
        assert "Not fully refreshed: " in text
        assert hidden_in(text) == ""
    async with open_shelf(Failing()) as desk:
        failed, text = await said(desk, SUMMARIZE, {})
        assert failed
        assert hidden_in(text) == ""
