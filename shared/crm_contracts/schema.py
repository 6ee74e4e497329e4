"""Reading JSON Schemas that refer to each other, and what can be told from one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
FieldPath = tuple[str, ...]
"""Where a field is, from the root of ``data``; ``*`` stands for each item of a list."""

EACH_ITEM = "*"


class SchemaFolder:
    """Reads the schemas of one folder, each file once."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._documents: dict[Path, Schema] = {}

    def bundle(self, name: str) -> Schema:
        """The schema in file ``name``, with what each ``$ref`` points to in its place.

        A schema beside a ``$ref`` adds to it: ``properties`` and ``required`` are united, any other
        keyword wins over the one referred to. ``unevaluatedProperties: false``, which in a file
        means "nothing but what the reference and I name", becomes ``additionalProperties: false``.

        :raises ValueError: for a reference that leads out of the folder; nothing is ever fetched.
        :raises OSError: for a file that is not there.
        :raises KeyError: for a reference to nothing.
        """
        path = self._root / name
        bundled: Schema = self._resolve(self._document(path), path)
        if "unevaluatedProperties" in bundled:
            bundled["additionalProperties"] = bundled.pop("unevaluatedProperties")
        return bundled

    def _document(self, path: Path) -> Schema:
        if path not in self._documents:
            self._documents[path] = json.loads(path.read_bytes())
        return self._documents[path]

    def _resolve(self, node: Any, path: Path) -> Any:
        if isinstance(node, list):
            return [self._resolve(item, path) for item in node]
        if not isinstance(node, dict):
            return node
        own = {
            keyword: self._resolve(value, path)
            for keyword, value in node.items()
            if keyword not in ("$ref", "$defs")
        }
        return _united(self._target(node["$ref"], path), own) if "$ref" in node else own

    def _target(self, reference: str, path: Path) -> Schema:
        file, _, pointer = reference.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.is_relative_to(self._root):
            raise ValueError(f"{path.name} refers to {reference}, outside of {self._root}")
        node: Any = self._document(target)
        for name in pointer.split("/")[1:]:
            node = node[name]
        resolved: Schema = self._resolve(node, target)
        return resolved


def _united(base: Schema, own: Schema) -> Schema:
    united = base | own
    if "properties" in base and "properties" in own:
        united["properties"] = base["properties"] | own["properties"]
    if "required" in base and "required" in own:
        united["required"] = [*base["required"], *own["required"]]
    return united


def without_closure(schema: Schema) -> Schema:
    """A copy of a bundled schema that takes fields it does not know, at every level."""
    opened = {key: value for key, value in schema.items() if key != "additionalProperties"}
    if "properties" in schema:
        opened["properties"] = {
            name: without_closure(child) for name, child in schema["properties"].items()
        }
    if "items" in schema:
        opened["items"] = without_closure(schema["items"])
    return opened


def without_personal_rules(schema: Schema) -> Schema:
    """A copy of a bundled schema that takes anything for what it marks ``x-personal``."""
    if "x-personal" in schema:
        return {}
    loose = dict(schema)
    if "properties" in schema:
        loose["properties"] = {
            name: without_personal_rules(child) for name, child in schema["properties"].items()
        }
    if "items" in schema:
        loose["items"] = without_personal_rules(schema["items"])
    return loose


def personal_fields(schema: Schema, at: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """The path and kind of every field that a bundled schema marks ``x-personal``."""
    if "x-personal" in schema:
        yield at, schema["x-personal"]
    for name, child in schema.get("properties", {}).items():
        yield from personal_fields(child, (*at, name))
    if "items" in schema:
        yield from personal_fields(schema["items"], (*at, EACH_ITEM))


Copier = Callable[[Any], Any]


def bare_copier(schema: Schema) -> Copier | None:
    """Makes what copies a value of a bundled schema without what tells of a person.

    :return: the function, or None where every value can be kept as it is. It keeps the fields that
        the schema names: of others, which a newer producer sends, nobody here knows what they tell.
    """
    if "x-personal" in schema:
        return _emptied
    if "properties" in schema:
        return _object_copier(
            {name: bare_copier(child) for name, child in schema["properties"].items()}
        )
    each = bare_copier(schema["items"]) if "items" in schema else None
    # A list of personal values is one personal value: it is emptied, not walked.
    return _emptied if each is _emptied else each and _list_copier(each)


def _emptied(value: Any) -> Any:
    return [] if isinstance(value, list) else None


def _object_copier(children: dict[str, Copier | None]) -> Copier:
    def copied(value: Any) -> Any:
        if not isinstance(value, dict):
            return None
        return {
            name: copier(value[name]) if copier else value[name]
            for name, copier in children.items()
            if name in value
        }

    return copied


def _list_copier(each: Copier) -> Copier:
    def copied(value: Any) -> Any:
        return [each(item) for item in value] if isinstance(value, list) else None

    return copied
