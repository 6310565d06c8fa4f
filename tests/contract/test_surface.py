"""The published surface: instructions, tools, descriptions, schemas and annotations; `surface.json` has all of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from mcp import Client
from pydantic import TypeAdapter

from bench.tokens import count
from mcp_truto_lms.domain.columns import row_columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.query.vocabulary import Format, GroupBy
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE
from tests.contract.snapshots import check

pytestmark = pytest.mark.anyio

QUERIES = {LIST: EnrollmentQuery, SUMMARIZE: ProgressQuery}


@pytest.fixture(scope="module")
async def client(anyio_backend: str) -> AsyncGenerator[Client]:
    async with Client(create_server(AppContext(Settings()))) as opened:
        yield opened


@pytest.fixture(scope="module")
async def tools(client: Client) -> dict[str, Any]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """List the nodes of a schema; the names of properties are none."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            yield from (
                (child for inner in value.values() for child in nodes(inner)) if key == "properties" else nodes(value)
            )
    elif isinstance(node, list):
        for item in node:
            yield from nodes(item)


async def test_the_published_surface_is_as_reviewed(client: Client, tools: dict[str, Any]):
    surface = {
        "server": client.server_info.model_dump(mode="json", exclude_none=True, exclude={"version"}),
        "instructions": client.instructions,
        "capabilities": client.server_capabilities.model_dump(mode="json", exclude_none=True),
        "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools.values()],
    }
    check("surface.json", json.dumps(surface, indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("name", [LIST, SUMMARIZE])
async def test_exactly_the_arguments_of_the_query_are_published(tools: dict[str, Any], name: str):
    schema = tools[name].input_schema
    assert [*schema["properties"]] == [*QUERIES[name].model_fields]
    assert schema["type"] == "object"
    assert "required" not in schema


@pytest.mark.parametrize("name", [LIST, SUMMARIZE])
async def test_enums_of_the_schema_are_those_of_the_model(tools: dict[str, Any], name: str):
    properties = tools[name].input_schema["properties"]
    assert properties["status"]["items"]["enum"] == [*map(str, EnrollmentStatus)]
    assert properties["state"]["items"]["enum"] == [*map(str, State)]


async def test_columns_groups_and_formats_of_the_schema_are_those_of_the_model(tools: dict[str, Any]):
    properties = tools[LIST].input_schema["properties"]
    known, custom = properties["fields"]["items"]["anyOf"]
    assert known == {"enum": [*row_columns()], "type": "string"}
    assert custom == {"type": "string"}
    assert properties["format"]["enum"] == [*map(str, Format)]
    assert properties["limit"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 25}
    groups = tools[SUMMARIZE].input_schema["properties"]["group_by"]
    assert groups["items"] == {"type": "string"}
    assert ", ".join(GroupBy) in groups["description"]


@pytest.mark.parametrize("name", [LIST, SUMMARIZE])
async def test_a_schema_has_no_references_titles_or_nulls(tools: dict[str, Any], name: str):
    schema = tools[name].input_schema
    for node in nodes(schema):
        assert not {"$ref", "$defs", "title"} & {*node}
        assert "default" not in node or node["default"] not in (None, [], False)
        assert node.get("type") in {None, "object", "array", "string", "number", "integer", "boolean"}
    assert "null" not in json.dumps(schema)


KEYWORDS = {
    "type": str,
    "properties": dict[str, dict[str, Any]],
    "additionalProperties": dict[str, str],
    "description": str,
    "items": dict[str, Any],
    "enum": list[str],
    "anyOf": list[dict[str, Any]],
    "minimum": int,
    "maximum": int,
    "default": str | int,
}
"""The used keywords of JSON Schema 2020-12, and the type of each."""


@pytest.mark.parametrize("name", [LIST, SUMMARIZE])
async def test_a_schema_uses_the_keywords_of_json_schema_correctly(tools: dict[str, Any], name: str):
    for node in nodes(tools[name].input_schema):
        for keyword, value in node.items():
            TypeAdapter(KEYWORDS[keyword]).validate_python(value, strict=True)
        if "enum" in node:
            assert len(set(node["enum"])) == len(node["enum"]) > 0


def is_typed(node: dict[str, Any]) -> bool:
    alternatives = node.get("anyOf")
    return "type" in node if alternatives is None else "type" not in node and all(map(is_typed, alternatives))


def problems_for_hosts(node: dict[str, Any], *, is_root: bool = False) -> Iterator[str]:
    """List what some host cannot convert, or converts into an argument that its model cannot fill in."""
    if not is_typed(node):
        yield "no type"
    if isinstance(node.get("type"), list) or isinstance(node.get("additionalProperties"), bool):
        yield "a list of types, or a boolean in place of a schema"
    if node.get("type") == "array" and "items" not in node:
        yield "a list of anything"
    if node.get("type") == "object" and not node.get("properties"):
        yield "an object without properties"
    if node.get("type") == "object" and is_root == bool(node.get("additionalProperties")):
        yield "an object that takes only the keys it names, or a root that takes others"
    for child in (*node.get("properties", {}).values(), *node.get("anyOf", []), *filter(None, [node.get("items")])):
        yield from (f"{problem}, in {child}" for problem in problems_for_hosts(child))


@pytest.mark.parametrize("name", [LIST, SUMMARIZE])
async def test_every_host_can_convert_a_schema(tools: dict[str, Any], name: str):
    assert [*problems_for_hosts(tools[name].input_schema, is_root=True)] == []


async def test_where_takes_any_key_with_a_value_or_a_list(tools: dict[str, Any]):
    for tool in tools.values():
        where = tool.input_schema["properties"]["where"]
        assert where["type"] == "object"
        assert {*where["additionalProperties"]} == {"description"}  # no keyword restricts a value
        text = {"type": "string"}
        assert where["properties"] == {"team": {"anyOf": [text, {"type": "array", "items": text}]}}


@pytest.mark.parametrize("name", [LIST, SUMMARIZE])
async def test_an_unknown_argument_is_refused_although_the_schema_does_not_forbid_it(client: Client, name: str):
    result = await client.call_tool(name, {"statee": ["overdue"]})
    assert result.is_error
    assert "There is no argument 'statee'; did you mean 'state'?" in str(result.content)


async def test_every_value_in_the_schema_is_accepted(tools: dict[str, Any]):
    for name, query in QUERIES.items():
        for argument, node in tools[name].input_schema["properties"].items():
            items = node.get("items", {})
            for value in [*node.get("enum", []), *items.get("enum", []), *items.get("anyOf", [{}])[0].get("enum", [])]:
                query.parse({argument: value, **({"course": "x"} if value == "not_enrolled" else {})})
            for bound in ("minimum", "maximum", "default"):
                if bound in node:
                    query.parse({argument: node[bound]})


@pytest.mark.node
async def test_both_definitions_fit_into_1150_tokens(tools: dict[str, Any]):
    definitions = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        for tool in tools.values()
    ]
    (tokens,) = count([json.dumps(definitions, ensure_ascii=False, separators=(",", ":"))])
    assert tokens <= 1_150


@pytest.mark.node
async def test_the_instructions_fit_into_150_tokens_and_name_tools_and_values(client: Client):
    text = client.instructions or ""
    (tokens,) = count([text])
    assert tokens <= 150
    words = {word.strip(",.:;") for word in text.split()}
    assert {LIST, SUMMARIZE, "group_by", "where", "overdue", "due_soon", "not_started", "at_risk"} <= words
    for day in ("last_week", "this_month", "-30d"):
        assert day in words
        ProgressQuery.parse({"enrolled_from": day})
