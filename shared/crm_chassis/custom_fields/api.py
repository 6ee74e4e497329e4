"""``/v1/custom-fields``: declaring fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates
from sqlalchemy import Row as ResultRow
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from crm_chassis.custom_fields.declarations import (
    TYPES,
    CustomField,
    CustomResource,
    custom_fields,
    mark_changed,
)
from crm_chassis.custom_fields.lists import has_value, holds
from crm_chassis.database import new_id, utc_now
from crm_chassis.fields import Instant, Reference, Text, changes_of
from crm_chassis.problems import conflict, invalid, not_found
from crm_chassis.web import Blueprint, check_version, reads, writes

MOST_FIELDS = 100
"""Declared for one resource, the inactive ones among them."""

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_CHOICES = ("choice", "multiple_choice")
_columns = custom_fields.c


class CustomFieldChanges(Schema):
    """What of a declaration can be changed. Its type only while no record has a value."""

    label = Text(200, required=True)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    options = fields.List(Text(100), load_default=list, validate=validate.Length(max=200))
    target = fields.String(
        load_default=None, allow_none=True, metadata={"description": "What a reference points to."}
    )
    required = fields.Boolean(load_default=False)
    personal = fields.Boolean(load_default=False)
    active = fields.Boolean(load_default=True)


class NewCustomField(CustomFieldChanges):
    """A declaration."""

    resource = fields.String(required=True)
    key = fields.String(
        required=True, metadata={"description": "Letters a to z, digits and _; a letter first."}
    )

    @validates("key")
    def _key_is_a_name(self, key: str, **_: Any) -> None:
        if not _KEY.fullmatch(key):
            raise ValidationError("Not a name of letters a to z, digits and _, a letter first.")
        if key.endswith(("_from", "_to")):
            raise ValidationError("Names that end in _from or _to are those of ranges.")


class CustomFieldView(NewCustomField):
    """A declared field."""

    id = Reference()
    version = fields.Integer()
    created_at = Instant()
    updated_at = Instant()


class CustomFieldQuery(Schema):
    resource = fields.String()
    active = fields.Boolean()


def custom_fields_blueprint(service: str, resources: Sequence[CustomResource]) -> Blueprint:
    """Declare fields, change, deactivate and delete them.

    :param service: its permissions are ``<service>.custom_fields.read`` and ``.write``.
    """
    read, write = f"{service}.custom_fields.read", f"{service}.custom_fields.write"
    by_name = {resource.name: resource for resource in resources}
    blueprint = Blueprint(
        "custom_fields", __name__, url_prefix="/v1/custom-fields", description="Custom fields"
    )

    @blueprint.route("")
    class CustomFields(MethodView):
        @reads(read)
        @blueprint.arguments(CustomFieldQuery, location="query")
        @blueprint.response(200, CustomFieldView(many=True))
        def get(self, query: dict[str, Any], session: Session) -> Any:
            """List declared fields, in the order of their declaration."""
            statement = select(custom_fields).order_by(_columns.created_at, _columns.id)
            return session.execute(statement.filter_by(**query)).all()

        @writes(write, act="custom_field.create", keeps=NewCustomField().fields)
        @blueprint.arguments(NewCustomField)
        @blueprint.response(201, CustomFieldView)
        def post(self, values: dict[str, Any], session: Session) -> Any:
            """Declare a field."""
            if values["resource"] not in by_name:
                raise invalid(("resource", f"Can be: {', '.join(sorted(by_name))}."))
            return _tagged(_declare(session, by_name[values["resource"]], values))

    @blueprint.route("/<uuid:field_id>")
    class CustomFieldById(MethodView):
        @reads(read)
        @blueprint.response(200, CustomFieldView)
        def get(self, field_id: object, session: Session) -> Any:
            """Read a declaration."""
            return _tagged(_one(session, field_id))

        @writes(write, act="custom_field.change", keeps=CustomFieldChanges().fields, if_match=True)
        @blueprint.arguments(changes_of(CustomFieldChanges))
        @blueprint.response(200, CustomFieldView)
        def patch(self, changes: dict[str, Any], field_id: object, session: Session) -> Any:
            """Change a declaration. To deactivate a field keeps the values it has."""
            row = _to_change(session, field_id)
            return _tagged(_change(session, by_name[row.resource], row, changes))

        @writes(write, act="custom_field.delete", if_match=True)
        @blueprint.response(204)
        def delete(self, field_id: object, session: Session) -> None:
            """Delete a field that no record has a value of."""
            row = _to_change(session, field_id)
            _require_unused(session, by_name[row.resource], row.key, "deleted; deactivate it")
            session.execute(delete(custom_fields).where(_columns.id == row.id))
            mark_changed(session)

    return blueprint


def _tagged(row: ResultRow[Any]) -> tuple[ResultRow[Any], dict[str, str]]:
    return row, {"ETag": f'"{row.version}"'}


def _one(session: Session, field_id: object, *, lock: bool = False) -> ResultRow[Any]:
    statement = select(custom_fields).where(_columns.id == str(field_id))
    row = session.execute(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        raise not_found("custom field")
    return row


def _to_change(session: Session, field_id: object) -> ResultRow[Any]:
    row = _one(session, field_id, lock=True)
    check_version(row)
    return row


def _declare(
    session: Session, resource: CustomResource, values: Mapping[str, Any]
) -> ResultRow[Any]:
    _require_consistent(resource, values)
    declared = session.execute(
        select(func.count(), func.count().filter(_columns.key == values["key"]))
        .select_from(custom_fields)
        .where(_columns.resource == resource.name)
    ).one()
    if declared[1]:
        raise conflict(f"{resource.name} have a custom field {values['key']} already.")
    if declared[0] >= MOST_FIELDS:
        raise conflict(f"{resource.name} have {MOST_FIELDS} custom fields, the most there can be.")
    now, field_id = utc_now(), new_id()
    row = {"id": field_id, "version": 1, "created_at": now, "updated_at": now, **values}
    session.execute(insert(custom_fields), row)
    mark_changed(session)
    return _one(session, field_id)


def _change(
    session: Session, resource: CustomResource, row: ResultRow[Any], changes: Mapping[str, Any]
) -> ResultRow[Any]:
    before = row._asdict()
    values = {name: value for name, value in changes.items() if before[name] != value}
    if not values:
        return row
    after = before | values
    _require_consistent(resource, after)
    if "type" in values or "target" in values:
        _require_unused(session, resource, row.key, "given another type; declare a new field")
    else:
        _require_unchosen(session, resource, row, after["options"])
    session.execute(
        update(custom_fields)
        .where(_columns.id == row.id)
        .values(version=row.version + 1, updated_at=utc_now(), **values)
    )
    mark_changed(session)
    return _one(session, row.id)


def _require_consistent(resource: CustomResource, values: Mapping[str, Any]) -> None:
    """:raises Problem: 422 where options or target do not go with the type."""
    options = values["options"]
    if values["type"] in _CHOICES and not options:
        raise invalid(("options", "A choice needs options."))
    if values["type"] not in _CHOICES and options:
        raise invalid(("options", "Only choices have options."))
    if len(set(options)) < len(options):
        raise invalid(("options", "Two are the same."))
    if any(";" in option for option in options):
        raise invalid(("options", "None has a semicolon: it separates them in files."))
    if values["type"] == "reference" and values["target"] not in resource.targets:
        raise invalid(("target", f"Can be: {', '.join(sorted(resource.targets))}."))
    if values["type"] != "reference" and values["target"] is not None:
        raise invalid(("target", "Only references have a target."))


def _require_unused(session: Session, resource: CustomResource, key: str, what: str) -> None:
    used = select(resource.model.id).where(has_value(resource.model.custom, key)).limit(1)
    if session.scalar(used) is not None:
        raise conflict(f"{resource.name} have values of {key}: it cannot be {what} instead.")


def _require_unchosen(
    session: Session, resource: CustomResource, row: ResultRow[Any], options: Sequence[str]
) -> None:
    """Let no option go that a record has."""
    field = CustomField(row.key, row.label, row.type, (), row.target, row.required, row.personal)
    for option in row.options:
        if option not in options:
            column = resource.model.custom
            chosen = select(resource.model.id).where(holds(column, field, option)).limit(1)
            if session.scalar(chosen) is not None:
                raise conflict(f"{resource.name} have the option {option} of {row.key}.")
