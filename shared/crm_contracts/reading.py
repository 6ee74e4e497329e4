"""Whether a reader built with one schema can take what a writer built with another one writes.

This is asked of versions that run beside each other. What may be *released* is asked more strictly
by :mod:`crm_contracts.compatibility`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crm_contracts.schema import EACH_ITEM, FieldPath, Schema

_MOST = {"maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"}
_LEAST = {"minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"}
_NO_RULE = {
    *("$schema", "$id", "$comment", "title", "description", "examples", "default", "deprecated"),
    *("properties", "required", "items", "type", "enum", "x-personal"),
    "additionalProperties",  # a consumer takes fields it does not know
}


def unreadable(reader: Schema, writer: Schema) -> list[str]:
    """What the writer may write and the reader refuses, a message for each place.

    Both are bundled schemas. A field that the reader can do without may be missing.
    """
    return list(_unreadable(reader, writer, ""))


def _unreadable(reader: Schema, writer: Schema, at: str) -> Iterator[str]:
    place = at or "/"
    if too_many := _beyond(_types(reader), _types(writer)):
        yield f"{place} may be {too_many}"
    if too_many := _beyond(_values(reader), _values(writer)):
        yield f"{place} may be {too_many}"
    for keyword in sorted(reader.keys() - _NO_RULE):
        if not _within(keyword, reader[keyword], writer.get(keyword)):
            written = writer.get(keyword, "no limit")
            yield f"{place} has {keyword} {written}, where {reader[keyword]} is wanted"
    yield from _unreadable_fields(reader, writer, at)
    if "items" in reader:
        yield from _unreadable(reader["items"], writer.get("items", {}), f"{at}/{EACH_ITEM}")


def _unreadable_fields(reader: Schema, writer: Schema, at: str) -> Iterator[str]:
    written = writer.get("properties", {})
    for name in reader.get("required", ()):
        if name not in written:
            yield f"{at}/{name} is gone"
        elif name not in writer.get("required", ()):
            yield f"{at}/{name} may be missing"
    for name, child in reader.get("properties", {}).items():
        if name in written:
            yield from _unreadable(child, written[name], f"{at}/{name}")


def _types(schema: Schema) -> set[str] | None:
    if "type" not in schema:
        return None
    stated = schema["type"]
    types = set(stated if isinstance(stated, list) else [stated])
    return types | {"integer"} if "number" in types else types


def _values(schema: Schema) -> set[str] | None:
    return {repr(value) for value in schema["enum"]} if "enum" in schema else None


def _beyond(wanted: set[str] | None, written: set[str] | None) -> str:
    """What is written beyond what is wanted, in words; empty when nothing is. None is anything."""
    if wanted is None:
        return ""
    if written is None:
        return "anything"
    return ", ".join(sorted(written - wanted))


def _within(keyword: str, wanted: Any, written: Any) -> bool:
    if written is None:
        return False
    if keyword in _MOST:
        return bool(written <= wanted)
    if keyword in _LEAST:
        return bool(written >= wanted)
    return bool(written == wanted)


def field_paths(
    schema: Schema, at: FieldPath = (), *, required: bool = True
) -> Iterator[FieldPath]:
    """Where every field of a bundled schema is.

    :param required: with those that must be there.
    """
    left_out = () if required else schema.get("required", ())
    for name, child in schema.get("properties", {}).items():
        if name not in left_out:
            yield (*at, name)
        yield from field_paths(child, (*at, name), required=required)
    if "items" in schema:
        yield from field_paths(schema["items"], (*at, EACH_ITEM), required=required)
