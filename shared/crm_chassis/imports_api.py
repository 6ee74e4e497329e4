"""``/v1/imports`` and ``/v1/exports``: the same in every service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from flask import Response, request, stream_with_context
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal, forbidden, require
from crm_chassis.custom_fields import file_schema
from crm_chassis.fields import MoneyAmount, Text
from crm_chassis.imports import FieldMapping, Importer
from crm_chassis.imports.files import CSV, XLSX, format_of, write_rows
from crm_chassis.imports.jobs import import_errors, import_jobs, open_job, take_file
from crm_chassis.paging import Listing, Page, page_of, page_schema
from crm_chassis.problems import invalid, not_found
from crm_chassis.web import Blueprint, current_service, writes
from crm_chassis.xlsx_writer import Cell

_MAX_FILE_BYTES = 2_000_000_000
_FETCHED_ROWS = 500
_EXACT_DIGITS = 15
_ENDINGS = {CSV: ".csv", XLSX: ".xlsx"}
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Export:
    """How one resource is written to a file: its list, whole, with the same filters and masks.

    :ivar statement: selects the rows that the current principal may see.
    """

    resource: str
    schema: type[Schema]
    listing: Listing[Any]
    statement: Callable[[], Select[Any]]
    permission: str


class _FieldOrFields(fields.Field[Any]):
    """A field's name, or a list of names."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        inner = fields.List(fields.String()) if isinstance(value, list) else fields.String()
        return inner.deserialize(value)


class NewImport(Schema):
    resource = Text(60, required=True)
    filename = Text(255, load_default="upload.csv")
    key = Text(60, load_default="external_id")
    columns = fields.Dict(fields.String(), _FieldOrFields(), required=True)
    constants = fields.Dict(fields.String(), fields.String(), load_default=dict)
    values = fields.Dict(
        fields.String(), fields.Dict(fields.String(), fields.String()), load_default=dict
    )
    dry_run = fields.Boolean(load_default=False)


class ImportState(Schema):
    id = fields.String()
    resource = fields.String()
    filename = fields.String()
    state = fields.String(
        validate=validate.OneOf(["uploading", "queued", "running", "done", "failed"])
    )
    dry_run = fields.Boolean()
    rows_total = fields.Integer()
    rows_done = fields.Integer()
    created = fields.Integer()
    changed = fields.Integer()
    unchanged = fields.Integer()
    failed = fields.Integer()
    detail = fields.String(allow_none=True)


class ImportProblem(Schema):
    """What is wrong with one cell."""

    row = fields.Integer()
    column = fields.String(allow_none=True)
    field = fields.String()
    value = fields.String(allow_none=True)
    detail = fields.String()


class ProblemQuery(Schema):
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 200))
    cursor = fields.String(validate=validate.Regexp(rf"[0-9]{{1,9}}:{_UUID}\Z"))


def imports_blueprint(importers: Sequence[Importer]) -> Blueprint:
    """Create a job, give it its file, watch it, read its errors."""
    blueprint = Blueprint("imports", __name__, url_prefix="/v1/imports", description="Imports")
    by_resource = {importer.resource: importer for importer in importers}

    def importer_of(resource: str) -> Importer:
        if resource not in by_resource:
            raise invalid(("resource", f"Can be: {', '.join(sorted(by_resource))}."))
        return by_resource[resource]

    def require_all(importer: Importer) -> None:
        """A file may name any record, so a narrower scope could not be kept."""
        if require(importer.permission) != "all":
            raise forbidden(f"{importer.permission} for all records")

    def own_job(session: Session, job_id: str) -> Any:
        principal = current_principal()
        job = session.execute(select(import_jobs).where(import_jobs.c.id == job_id)).one_or_none()
        if job is None or (job.owner_id != principal.id and principal.scope_of("*") != "all"):
            raise not_found("import")
        return job

    @blueprint.route("")
    class Imports(MethodView):
        @writes()
        @blueprint.arguments(NewImport)
        @blueprint.response(201, ImportState)
        def post(self, new: dict[str, Any], session: Session) -> Any:
            """Open an import job."""
            importer = importer_of(new["resource"])
            require_all(importer)
            mapping = FieldMapping(new["key"], new["columns"], new["constants"], new["values"])
            principal = current_principal()
            job_id = open_job(
                session, principal, importer, new["filename"], mapping, new["dry_run"]
            )
            return own_job(session, job_id)

    @blueprint.route("/<uuid:job_id>")
    class ImportById(MethodView):
        @blueprint.response(200, ImportState)
        def get(self, job_id: Any) -> Any:
            """How far an import is."""
            with current_service().database.reading() as session:
                return own_job(session, str(job_id))

    @blueprint.route("/<uuid:job_id>/content")
    class ImportContent(MethodView):
        @blueprint.response(202, ImportState)
        def put(self, job_id: Any) -> Any:
            """Give an import its file: CSV in UTF-8 or an Excel workbook, with a header.

            A cell holds up to 100,000 characters, a row up to 1,000,000.
            """
            database = current_service().database
            request.max_content_length = _MAX_FILE_BYTES
            with database.reading() as session:
                job = own_job(session, str(job_id))
            require_all(importer_of(job.resource))  # rights may have been taken away since
            take_file(
                database,
                current_principal(),
                job,
                request.stream,
                format_of(request.mimetype, job.filename),
            )
            with database.reading() as session:
                return own_job(session, job.id)

    @blueprint.route("/<uuid:job_id>/errors")
    class ImportErrors(MethodView):
        @blueprint.arguments(ProblemQuery, location="query")
        @blueprint.response(200, page_schema(ImportProblem))
        def get(self, query: dict[str, Any], job_id: Any) -> Any:
            """What was wrong, by row and column."""
            with current_service().database.reading() as session:
                job = own_job(session, str(job_id))
                return _errors(session, job.id, query)

    return blueprint


def _errors(session: Session, job_id: str, query: Mapping[str, Any]) -> Page[Any]:
    columns = import_errors.c
    statement = select(import_errors).where(columns.job_id == job_id)
    if "cursor" in query:
        row, _, key = query["cursor"].partition(":")
        statement = statement.where(tuple_(columns.row, columns.id) > (int(row), key))
    limit = query["limit"]
    found = session.execute(statement.order_by(columns.row, columns.id).limit(limit + 1)).all()
    return page_of(found, limit, lambda last: f"{last.row}:{last.id}")


def exports_blueprint(exports: Sequence[Export]) -> Blueprint:
    """One download a resource."""
    blueprint = Blueprint("exports", __name__, url_prefix="/v1/exports", description="Exports")
    for export in exports:
        _add_export(blueprint, export)
    return blueprint


def _add_export(blueprint: Blueprint, export: Export) -> None:
    @blueprint.route(f"/{export.resource}", endpoint=f"export_{export.resource}")
    class View(MethodView):
        @blueprint.doc(
            summary=f"All {export.resource} that the filters leave, as CSV or as Excel workbook",
            responses={"200": {"content": {CSV: {}, XLSX: {}}}},
        )
        @blueprint.arguments(export.listing.schema, location="query")
        @blueprint.response(200, content_type=CSV)
        def get(self, query: dict[str, Any]) -> Response:
            require(export.permission)
            statement = export.listing.narrow(export.statement(), query)
            file_format = request.accept_mimetypes.best_match([CSV, XLSX], default=CSV)
            schema = file_schema(export.schema)
            blocks = write_rows(list(schema.fields), _rows(schema, statement), file_format)
            name = f"{export.resource}{_ENDINGS[file_format]}"
            return Response(
                stream_with_context(blocks),
                mimetype=file_format,
                headers={"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"},
            )


def _rows(schema: Schema, statement: Select[Any]) -> Iterator[list[Cell]]:
    """Rows are fetched as they are sent, and what was sent is forgotten."""
    amounts = {name for name, entry in schema.fields.items() if isinstance(entry, MoneyAmount)}
    with current_service().database.reading() as session:
        for entity in session.scalars(statement.execution_options(yield_per=_FETCHED_ROWS)):
            row = schema.dump(entity)
            yield [
                _amount(row[name]) if name in amounts else _cell(row.get(name))
                for name in schema.fields
            ]


def _amount(text: str | None) -> Cell:
    """A number, that a spreadsheet can sum; a text where it would lose digits."""
    return Decimal(text) if text and len(text) <= _EXACT_DIGITS else text


def _cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int | Decimal):
        return value
    if isinstance(value, list) and not any(isinstance(part, dict) for part in value):
        return "; ".join(map(str, value))
    return orjson.dumps(value).decode()
