"""The declared fields in the OpenAPI document of a running service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import fields

from crm_chassis.custom_fields.declarations import CustomField, Declarations, Declared
from crm_chassis.custom_fields.lists import parameters_of, sort_of
from crm_chassis.custom_fields.values import VALUE_TYPES

MARK = "x-custom-fields"
"""Names the resource whose fields belong in a schema of ``custom``, or in a list's parameters."""


def describe(
    document: dict[str, Any], declarations: Declarations, converter: OpenAPIConverter
) -> None:
    """Write the fields that are declared now wherever the document is marked."""
    for schema in _marked(document.get("components", {}).get("schemas", {})):
        schema["properties"] = {
            key: _property(field, converter) for key, field in declarations.of(schema[MARK]).items()
        }
        schema["additionalProperties"] = False
    for operation in _marked(document.get("paths", {})):
        _describe_list(operation["parameters"], declarations.of(operation[MARK]), converter)


def _marked(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if MARK in node:
            yield node
        for child in list(node.values()):
            yield from _marked(child)
    elif isinstance(node, list):
        for child in node:
            yield from _marked(child)


def _property(field: CustomField, converter: OpenAPIConverter) -> dict[str, Any]:
    of_type = converter.field2property(VALUE_TYPES[field.type].value(field))
    personal = {"x-personal": True} if field.personal else {}
    return {**of_type, "title": field.label, **personal}


def _describe_list(
    parameters: list[dict[str, Any]], declared: Declared, converter: OpenAPIConverter
) -> None:
    for parameter in parameters:
        if parameter.get("name") == "sort":
            names = [name for field in declared.values() for name in sort_of(field)]
            parameter["schema"]["enum"] += [sign + name for name in names for sign in ("", "-")]
    for field in declared.values():
        for name, value in parameters_of(field).items():
            repeated = {"explode": True, "style": "form"} if isinstance(value, fields.List) else {}
            schema = converter.field2property(value)
            parameters.append(
                {"in": "query", "name": name, "required": False, "schema": schema, **repeated}
            )
