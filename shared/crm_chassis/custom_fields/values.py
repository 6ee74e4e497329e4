"""The values of custom fields: out of requests, queries and cells, and into answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, ValidationError, fields, missing, validate
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.auth import current_principal
from crm_chassis.custom_fields.declarations import (
    CustomField,
    CustomResource,
    Declared,
    ReferenceTarget,
)
from crm_chassis.fields import ListCell, MoneyAmount, Reference, Text, decimal_text
from crm_chassis.problems import invalid
from crm_chassis.web import current_service

if TYPE_CHECKING:
    from crm_chassis.imports import Row

LONGEST_TEXT = 1000
_LARGEST = 2**53 - 1  # what every reader of JSON keeps exactly
_WHOLE = validate.Range(-_LARGEST, _LARGEST)

Field = fields.Field[Any]
Make = Callable[[CustomField], Field]


class _Day(fields.Date):
    """A day, kept as text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs).isoformat()


class _Decimal(MoneyAmount):
    """An exact number, kept as text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return decimal_text(super()._deserialize(value, attr, data, **kwargs))


class _TrueOrFalse(fields.Boolean):
    """JSON's own."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise ValidationError("Not true or false.")
        return value


def _text(_: CustomField) -> Field:
    return Text(LONGEST_TEXT)


def _choice(field: CustomField) -> Field:
    return fields.String(validate=validate.OneOf(field.options))


class _Choices(fields.List[Any]):
    """Some of the options, each once and in their order."""

    def __init__(self, field: CustomField) -> None:
        super().__init__(_choice(field), validate=validate.Length(1, len(field.options)))
        self._options = field.options

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        chosen = super()._deserialize(value, attr, data, **kwargs)
        return [option for option in self._options if option in chosen]


class _ChoicesCell(ListCell, _Choices):
    """The options between semicolons."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """How values of one type are read into what is kept of them.

    :ivar value: out of JSON; :ivar criterion: one value, out of a query's text.
    :ivar cell: out of a file's text.
    """

    value: Make
    criterion: Make
    cell: Make


VALUE_TYPES: Mapping[str, ValueType] = {
    "text": ValueType(_text, _text, _text),
    "number": ValueType(
        lambda _: fields.Integer(strict=True, validate=_WHOLE),
        lambda _: fields.Integer(validate=_WHOLE),
        lambda _: fields.Integer(validate=_WHOLE),
    ),
    "decimal": ValueType(lambda _: _Decimal(), lambda _: _Decimal(), lambda _: _Decimal()),
    "date": ValueType(lambda _: _Day(), lambda _: _Day(), lambda _: _Day()),
    "choice": ValueType(_choice, _choice, _choice),
    "multiple_choice": ValueType(_Choices, _choice, _ChoicesCell),
    "boolean": ValueType(
        lambda _: _TrueOrFalse(), lambda _: fields.Boolean(), lambda _: fields.Boolean()
    ),
    "reference": ValueType(
        lambda _: Reference(),
        lambda _: Reference(),
        lambda _: Text(200, metadata={"description": "An external id, or a name."}),
    ),
}


class CustomValues(fields.Field[dict[str, Any]]):
    """The custom fields of a resource, an object: key to value, null to take a value away.

    A value that breaks its declaration is named as ``custom.<key>``. Personal values are left out
    of answers to those without the right to them.
    """

    def __init__(self, resource: CustomResource, **kwargs: Any) -> None:
        metadata = {"type": "object", "x-custom-fields": resource.name}
        super().__init__(metadata=metadata, **kwargs)
        self.resource = resource

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        # A request that says nothing of custom fields says nothing of the required ones either.
        return super().deserialize({} if value is missing else value, *args, **kwargs)

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Any,
        *,
        partial: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValidationError("Not an object.")
        declared = current_service().custom_fields.knowing(self.resource.name, set(value))
        values, errors = _read_values(declared, value)
        if not partial:
            errors |= dict.fromkeys(missing_values(declared, value), "Required.")
        errors |= _wrong_references(self.resource, declared, values)
        if errors:
            raise ValidationError({key: [detail] for key, detail in errors.items()})
        return values

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return {key: value[key] for key in self.shown() if key in value}

    def shown(self) -> list[str]:
        """The keys of the fields that the current principal may see."""
        declared = current_service().custom_fields.of(self.resource.name)
        entitled = current_principal().may(self.resource.right)
        return [key for key, field in declared.items() if entitled or not field.personal]


def _read_values(
    declared: Declared, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values that hold, and what is wrong with the others."""
    values: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for key, value in given.items():
        field = declared.get(key)
        if field is None:
            errors[key] = "No such custom field."
        elif value is not None:
            try:
                values[key] = VALUE_TYPES[field.type].value(field).deserialize(value)
            except ValidationError as error:
                errors[key] = error.messages
        elif field.required:
            errors[key] = "Required."
        else:
            values[key] = None
    return values, errors


def missing_values(declared: Declared, values: Mapping[str, Any]) -> list[str]:
    """The keys of required fields that are not among the values."""
    return [key for key, field in declared.items() if field.required and key not in values]


def require_values(declared: Declared, values: Mapping[str, Any]) -> None:
    """:raises Problem: 422 when ``custom`` lacks a required field."""
    if missed := missing_values(declared, values.get("custom", {})):
        raise invalid(*((f"custom.{key}", "Required.") for key in missed))


def merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """``before`` with what is given; None takes a value away."""
    return {key: value for key, value in {**before, **given}.items() if value is not None}


def _wrong_references(
    resource: CustomResource, declared: Declared, values: Mapping[str, Any]
) -> dict[str, str]:
    """What points to nothing that the current principal could see."""
    references = {
        key: value
        for key, value in values.items()
        if value is not None and declared[key].type == "reference"
    }
    if not references:
        return {}
    with current_service().database.reading() as session:
        return {
            key: f"No such {declared[key].target}."
            for key, value in references.items()
            if not _is_reachable(session, resource.targets[str(declared[key].target)], value)
        }


def _is_reachable(session: Session, target: ReferenceTarget, key: str) -> bool:
    return session.scalar(target.reachable().where(target.table.c.id == key)) is not None


def cell_fields(declared: Declared) -> dict[str, Field]:
    """The fields of a file's row: ``custom.<key>``, each out of a text."""
    return {f"custom.{key}": VALUE_TYPES[field.type].cell(field) for key, field in declared.items()}


def file_schema(schema: type[Schema]) -> Schema:
    """Writes what a schema writes, each custom field in a column of its own: ``custom.<key>``."""
    columns = {
        f"{name}.{key}": fields.Raw(attribute=f"{name}.{key}")
        for name, field in schema().fields.items()
        if isinstance(field, CustomValues)
        for key in field.shown()
    }
    customs = [name for name, field in schema().fields.items() if isinstance(field, CustomValues)]
    return schema.from_dict(dict(columns))(exclude=customs)


def resolve_references(
    session: Session, resource: CustomResource, declared: Declared, rows: Sequence[Row]
) -> None:
    """Replace what rows call by external id or name; a row that names nothing is refused."""
    for key, field in declared.items():
        if field.type != "reference":
            continue
        naming = [row for row in rows if key in row.values.get("custom", ())]
        table = resource.targets[str(field.target)].table
        known = directory.find(session, table, (row.values["custom"][key] for row in naming))
        for row in naming:
            custom = row.values["custom"]
            if custom[key] in known:
                custom[key] = known[custom[key]]
            else:
                row.refuse(f"custom.{key}", f"No {field.target} has this external id or name.")
