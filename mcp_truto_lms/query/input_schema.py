"""The input schema of a tool, from the arguments that its query declares.

Every host can convert it: a type beside each enum, no references, titles or nulls, and no boolean in place of a schema.
The root does not forbid other arguments, because converters fail on that: `EnrollmentFilter.parse` refuses them.
"""

from __future__ import annotations

from typing import Any

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.value_kinds import ValueKind


def input_schema(query: type[EnrollmentFilter], columns: Columns = ALL_COLUMNS) -> dict[str, Any]:
    """Generate a tool's input schema, without the arguments and values of excluded columns."""
    properties: dict[str, dict[str, Any]] = {}
    described = set[ValueKind]()
    for name, argument in query.arguments(columns).items():
        description = argument.describe(columns)
        if not description and argument.kind not in described:
            description = argument.kind.description
        described.add(argument.kind)
        node: dict[str, Any] = {"description": description} if description else {}
        node |= argument.kind.schema(columns)
        default = query.model_fields[name].default
        if default not in (None, (), False):
            node["default"] = default
        properties[name] = node
    return {"type": "object", "properties": properties}
