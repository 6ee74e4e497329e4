"""The OpenAPI document of a service: what flask-smorest makes of its views, and what all share."""

from __future__ import annotations

import copy
from http import HTTPStatus
from typing import Any, cast

import flask_smorest
from apispec import BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_instance
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask, Response, jsonify
from marshmallow import Schema, fields

from crm_chassis.custom_fields.document import describe
from crm_chassis.idempotency import IDEMPOTENCY_KEY, LONGEST_KEY
from crm_chassis.problems import CONTENT_TYPE
from crm_chassis.web import IF_MATCH, TAKES, current_service

_HEADERS = {
    IDEMPOTENCY_KEY: {
        "in": "header",
        "name": IDEMPOTENCY_KEY,
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
        "description": "Of your choice: a repeat with the same key gets the first answer again.",
    },
    IF_MATCH: {
        "in": "header",
        "name": IF_MATCH,
        "required": True,
        "schema": {"type": "string"},
        "description": "The ETag of what is changed, as you have seen it.",
    },
}


class FieldProblem(Schema):
    """A field that is wrong, and why."""

    field = fields.String(required=True)
    detail = fields.String(required=True)


class ProblemDetails(Schema):
    """A refused request, as RFC 9457 has it."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    errors = fields.List(fields.Nested(FieldProblem))
    trace_id = fields.String()


class _Headers(BasePlugin):
    """Names the headers that an operation takes, as its view says by ``web.takes``."""

    def operation_helper(
        self, path: str | None = None, operations: dict[str, Any] | None = None, **_: Any
    ) -> None:
        for operation in (operations or {}).values():
            parameters = [_HEADERS[name] for name in operation.pop(TAKES, ())]
            operation.setdefault("parameters", []).extend(parameters)


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest is untyped
    """flask-smorest's, with every error a problem."""

    ERROR_SCHEMA = ProblemDetails

    def __init__(self, app: Flask) -> None:
        plugin = MarshmallowPlugin(schema_name_resolver=_schema_name)
        self._plugin = plugin
        kwargs = {"marshmallow_plugin": plugin, "extra_plugins": [_Headers()]}
        super().__init__(app, spec_kwargs=kwargs)

    def _openapi_json(self) -> Response:
        document = copy.deepcopy(self.spec.to_dict())
        converter = cast(OpenAPIConverter, self._plugin.converter)  # there is one by now
        describe(document, current_service().custom_fields, converter)
        return jsonify(document)

    def _register_responses(self) -> None:
        problem = {"content": {CONTENT_TYPE: {"schema": self.ERROR_SCHEMA}}}
        for status in HTTPStatus:
            refused = problem if status >= 400 else {}
            response = {"description": status.phrase, **refused}
            self.spec.components.response(status.name, response, lazy=True)
        any_other = {"description": "The request was refused.", **problem}
        self.spec.components.response("DEFAULT_ERROR", any_other, lazy=True)


def _schema_name(schema: Any) -> str:
    """A schema's name in the document; the body of a PATCH has one of its own."""
    instance = resolve_schema_instance(schema)
    return type(instance).__name__ + ("Changes" if instance.partial else "")
