"""JSON Schemas of the package's models: descriptions are declared values, so that `python -OO` publishes the same.

Pydantic publishes docstrings as descriptions, and docstrings are absent under `-OO`. A model's description is its
`json_schema_extra`; a field's is its `Field(description=...)`.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue


class ModelJsonSchema(GenerateJsonSchema):
    """Generates a schema without docstrings."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Describe a model."""
        return self._without_docstring(super().model_schema(schema), schema["cls"])

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        """Describe a dataclass."""
        return self._without_docstring(super().dataclass_schema(schema), schema["cls"])

    def enum_schema(self, schema: Any) -> JsonSchemaValue:
        """Describe an enum."""
        return self._without_docstring(super().enum_schema(schema), schema["cls"])

    def _without_docstring(self, described: JsonSchemaValue, cls: type[Any]) -> JsonSchemaValue:
        extra = getattr(cls, "model_config", {}).get("json_schema_extra")
        if not (isinstance(extra, dict) and "description" in extra):
            described.pop("description", None)
        return described


class CompactJsonSchema(ModelJsonSchema):
    """Generates a schema without titles, defaults and null either: an absent field is omitted."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        """Describe a nullable type as the type."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """Describe a type with a default as the type."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Publish no title for a field."""
        return False
