"""Lists by custom fields: ``?custom.size=12``, ``?custom.size_from=10``, ``sort=custom.size``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import request
from marshmallow import fields
from sqlalchemy import Boolean, ColumnElement, Numeric, String, case, func, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from crm_chassis.custom_fields.declarations import CustomField, CustomResource, Declared
from crm_chassis.custom_fields.values import VALUE_TYPES
from crm_chassis.database import Json
from crm_chassis.paging import Filter, Sort, one_or_several
from crm_chassis.web import current_service

RANGED = ("number", "decimal", "date")
"""The types whose values are larger or smaller than one another."""
_SORTED = (*RANGED, "text", "choice", "boolean")
_BELOW_ALL = Decimal(-(10**16))

Column = InstrumentedAttribute[Any]


class _Holds(FunctionElement[bool]):
    """True where a JSON object has a value, or a list with it, under a key."""

    name = "custom_holds"
    type = Boolean()
    inherit_cache = True


class _Number(FunctionElement[Decimal]):
    """The value under a key as a number; null where it is none."""

    name = "custom_number"
    type = Numeric(20, 4)
    inherit_cache = True


@compiles(_Holds, "postgresql")
def _holds_postgresql(element: _Holds, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, document, *_ = (compiler.process(part, **kwargs) for part in element.clauses)
    return f"{column} @> {document}"


@compiles(_Holds, "sqlite")
def _holds_sqlite(element: _Holds, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, _, path, value = (compiler.process(part, **kwargs) for part in element.clauses)
    values = f"json_each({column}, {path})"
    return f"EXISTS (SELECT 1 FROM {values} WHERE value = {value})"  # noqa: S608  # of compiled SQL


@compiles(_Number, "postgresql")
def _number_postgresql(element: _Number, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, key, _ = (compiler.process(part, **kwargs) for part in element.clauses)
    text = f"({column} ->> {key})"
    return f"CASE WHEN {text} ~ '^-?[0-9]+([.][0-9]+)?$' THEN CAST({text} AS numeric) END"


@compiles(_Number, "sqlite")
def _number_sqlite(element: _Number, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, _, path = (compiler.process(part, **kwargs) for part in element.clauses)
    return f"CAST(json_extract({column}, {path}) AS NUMERIC)"


def holds(column: Column, field: CustomField, value: Any) -> ColumnElement[bool]:
    """The condition that a field has a value; on PostgreSQL an index answers it."""
    kept = [value] if field.type == "multiple_choice" else value
    document = literal({field.key: kept}, Json)
    return _Holds(column, document, literal(_path(field), String), literal(value))


def has_value(column: Column, key: str) -> ColumnElement[bool]:
    """The condition that a field has any value."""
    return _text_of(column, key).is_not(None)


def _text_of(column: Column, key: str) -> ColumnElement[Any]:
    text: ColumnElement[Any] = column[key].as_string()
    return text


def _path(field: CustomField) -> str:
    return f'$."{field.key}"'


def comparable(column: Column, field: CustomField) -> ColumnElement[Any]:
    """What ranges and sorts compare: null where there is no value."""
    if field.type in ("number", "decimal"):
        return _Number(column, literal(field.key, String), literal(_path(field), String))
    return _text_of(column, field.key)


def parameters_of(field: CustomField) -> dict[str, fields.Field[Any]]:
    """The parameters that a list can be filtered by: the value's, then those of its range."""
    one, name = VALUE_TYPES[field.type].criterion, f"custom.{field.key}"
    found = {name: one_or_several(one(field))}
    if field.type in RANGED:
        found |= {f"{name}_from": one(field), f"{name}_to": one(field)}
    return found


def sort_of(field: CustomField) -> list[str]:
    """The name of the order by a field, where there is one."""
    return [f"custom.{field.key}"] if field.type in _SORTED else []


@dataclass(frozen=True, slots=True)
class _Present:
    declared: Declared
    filters: Mapping[str, Filter]
    sorts: Mapping[str, Sort]


class CustomListing:
    """The filters and sorts that the custom fields of a resource add to its list.

    A filter is answered by an index, on PostgreSQL. A sort is not: it is for lists that filters
    have made short. Records without a value come before those with one.
    """

    def __init__(self, resource: CustomResource) -> None:
        self.resource = resource.name
        self._right = resource.right
        self._column: Column = resource.model.custom
        self._known: _Present | None = None

    def filters(self) -> Mapping[str, Filter]:
        return self._present().filters

    def sorts(self) -> Mapping[str, Sort]:
        return self._present().sorts

    def _present(self) -> _Present:
        declared = current_service().custom_fields.knowing(self.resource, _asked())
        known = self._known
        if known is None or known.declared is not declared:
            filters = {
                name: entry
                for field in declared.values()
                for name, entry in self._filters_of(field).items()
            }
            sorts = {
                sort: self._sort_of(field) for field in declared.values() for sort in sort_of(field)
            }
            known = self._known = _Present(declared, filters, sorts)
        return known

    def _filters_of(self, field: CustomField) -> dict[str, Filter]:
        column, right = self._column, self._right if field.personal else None

        def equal(values: list[Any]) -> ColumnElement[bool]:
            return or_(*(holds(column, field, value) for value in values))

        compared = comparable(column, field)
        bound = str if field.type == "date" else Decimal
        conditions = (
            equal,
            lambda least: compared >= bound(least),
            lambda most: compared <= bound(most),
        )
        parameters = parameters_of(field).items()
        return {
            name: Filter(parameter, condition, right)
            for (name, parameter), condition in zip(parameters, conditions, strict=False)
        }

    def _sort_of(self, field: CustomField) -> Sort:
        right = self._right if field.personal else None
        key, column = field.key, self._column
        if field.type in ("number", "decimal"):
            below_all: Any = _BELOW_ALL
            expression: ColumnElement[Any] = func.coalesce(comparable(column, field), _BELOW_ALL)
            read: Callable[[Any], Any] = Decimal
        elif field.type == "boolean":
            below_all, read = -1, int
            expression = case((holds(column, field, True), 1), (holds(column, field, False), 0))
            expression = func.coalesce(expression, -1)
        else:
            below_all, read = "", str
            expression = func.coalesce(comparable(column, field), "")

        def value_of(entity: Any) -> Any:
            return read(entity.custom[key]) if key in entity.custom else below_all

        return Sort(expression, value_of, right)


def _asked() -> set[str]:
    """The keys of the custom fields that the current query names."""
    named = [*request.args, request.args.get("sort", "").lstrip("-")]
    keys = (name.removeprefix("custom.") for name in named if name.startswith("custom."))
    return {key.removesuffix("_from").removesuffix("_to") for key in keys}
