"""Everything that a client can get from the server as texts, and the secrets that may stand in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import anyio
from mcp_types import PromptReference

from mcp_truto_lms.domain.columns import row_columns
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import LIST, SUMMARIZE, Desk
from tests.contract.test_answers import CASES

WORD = re.compile(r"[^\W_]+")


PEOPLE_FILE = """email,name,vorname,team,boss,location,work mail
jane.doe@northgate.example,Jane Doe,Jane,Sales,Omar Khan,Berlin,jane.doe@northgate.example
omar.khan@northgate.example,Omar Khan,Omar,Sales,Zelda Quux,Berlin,
maria.garcia@northgate.example,Maria García,Maria,Support,Omar Khan,Bergen,
"""


def secrets(organisation: Organisation) -> list[str]:
    """List what the portal knows of people, without words that also occur in courses, the zone or a role."""
    others = [*(title.name for title in organisation.courses), "Europe/Athens", "instructor"]
    elsewhere = words_of(" ".join(others))
    words: set[str] = set()
    for learner in organisation.people:
        words |= {
            learner.first_name,
            learner.last_name,
            f"{learner.first_name} {learner.last_name}",
            learner.email,
            learner.login,
        }
        words |= {*learner.custom_fields}
    folded = {normalize(each) for each in words} | {"northgate.example", "zelda", "quux"}
    return sorted(each for each in folded if len(each) > 2 and words_of(each) not in elsewhere)


def secrets_in(secrets: Iterable[str], text: str) -> list[str]:
    """List the secrets that stand in a text, as words of their own."""
    words = words_of(text)
    return [each for each in secrets if words_of(each) in words]


@cache
def words_of(text: str) -> str:
    return f" {' '.join(word for each in text.split() for word in WORD.findall(normalize(each)))} "


async def everything(desk: Desk, users: Iterable[str]) -> dict[str, str]:
    """Ask for everything that a client can get, and return the texts by name."""
    texts: dict[str, str] = {}
    cases = [(name, tool, arguments) for name, tool, arguments in CASES]
    for user in users:
        cases += [(f"list of {user}", LIST, {"user": user}), (f"summary of {user}", SUMMARIZE, {"user": user})]
    cases += [
        ("by team", SUMMARIZE, {"group_by": "team"}),
        ("by manager", SUMMARIZE, {"group_by": ["boss", "team"]}),
        ("by location", SUMMARIZE, {"group_by": "location"}),
        ("keys", LIST, {"where": {"shoe size": "41"}}),
        ("values", LIST, {"where": {"team": "Nobody's"}}),
        ("values of people", LIST, {"where": {"boss": "Nobody"}}),
        ("all columns", LIST, {"fields": [*row_columns()], "limit": 200}),
        ("by learner", SUMMARIZE, {"group_by": "learner", "limit": 200}),
        ("people", LIST, {"state": "not_enrolled", "course": "Forklift", "limit": 200}),
        ("json", LIST, {"format": "json", "limit": 50}),
    ]
    for name, tool, arguments in cases:
        result = await desk.client.call_tool(tool, arguments)
        texts[name] = "".join(getattr(block, "text", "") for block in result.content)
        if result.structured_content is not None:
            data = {
                key: value for key, value in result.structured_content.items() if key != "tables"
            }  # somebody's name
            data["groups"] = result.structured_content.get("tables")
            texts[f"{name} as data"] = json.dumps(data, ensure_ascii=False)
    for fields in ({}, {"fields": [*row_columns()]}):
        reply = await desk.client.call_tool(LIST, {"format": "csv", **fields})
        text = "".join(getattr(block, "text", "") for block in reply.content)
        place = re.search(r"its owner alone: (.+\.csv)$", text, re.MULTILINE)
        texts[f"csv of {len(fields)}"] = await anyio.Path(place[1]).read_text("utf-8-sig") if place else text
    first = await desk.list(limit=50)
    texts["second page"] = await desk.list(cursor=first.rpartition("cursor=")[2])
    for resource in (await desk.client.list_resources()).resources:
        texts[str(resource.uri)] = (await desk.client.read_resource(str(resource.uri))).contents[0].text  # type: ignore[union-attr]
    prompts = [("overdue_report", {"course": "Forklift"}), ("compliance_snapshot", {})]
    prompts += [("learner_check_in", {"learner": user}) for user in users]
    for name, arguments in prompts:
        texts[f"{name} {arguments}"] = str((await desk.client.get_prompt(name, arguments)).messages)
    reference = PromptReference(type="ref/prompt", name="learner_check_in")
    for letter in "abcdefghijklmnopqrstuvwxyz0123456789@":
        completion = (await desk.client.complete(reference, {"name": "learner", "value": letter})).completion
        texts[f"completion of {letter}"] = str(completion.values)
    tool_texts = str([tool.model_dump() for tool in (await desk.client.list_tools()).tools])
    texts["tools"] = tool_texts.replace("'tables'", "'groups'")  # a word of the schema, and somebody's name
    return texts


def people_file(folder: Path) -> str:
    (file := folder / "people.csv").write_text(PEOPLE_FILE, "utf-8")
    return str(file)
