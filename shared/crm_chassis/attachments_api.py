"""``/v1/<resource>/<id>/attachments``: the same for every resource that has attachments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from flask import Response, make_response, request, send_file
from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from crm_chassis.attachments import (
    Attachable,
    Attachment,
    Content,
    attach,
    attachments_of,
    detach,
    receive,
    storage_away,
    too_large,
)
from crm_chassis.auth import current_principal, forbidden, require
from crm_chassis.fields import Instant, Reference, Text
from crm_chassis.idempotency import IDEMPOTENCY_KEY
from crm_chassis.paging import Listing, Page, page_schema
from crm_chassis.problems import Problem, invalid, not_found
from crm_chassis.storage import Readable
from crm_chassis.web import (
    Blueprint,
    current_service,
    in_one_transaction,
    reads,
    takes,
    writes,
)

log = structlog.get_logger(__name__)
_FORM_BYTES = 100_000  # of a multipart body, around the file itself
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "description": "The file: as the part `file` of a form, or by itself with `?filename=`.",
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            }
        },
        "application/octet-stream": _BINARY,
    },
}

LISTING = Listing(
    Attachment, sorts={"created_at": Attachment.created_at}, default="created_at", filters={}
)


class AttachmentView(Schema):
    """A file that belongs to an aggregate."""

    id = Reference()
    filename = fields.String()
    content_type = fields.String()
    size = fields.Integer(metadata={"description": "In bytes."})
    sha256 = fields.String(metadata={"description": "Of the content, in hexadecimal digits."})
    uploaded_by = fields.String()
    created_at = Instant()


class NewAttachment(Schema):
    """What a file that is sent by itself is called."""

    filename = Text(1000, metadata={"description": "Of a body that is the file itself."})


def attachments_blueprint(to: Attachable) -> Blueprint:
    """Attach, list, download and delete, under a resource."""
    name = f"{to.resource}_attachments"
    prefix = f"/v1/{to.resource}/<uuid:subject_id>/attachments"
    blueprint = Blueprint(name, __name__, url_prefix=prefix, description="Attachments")

    def subject_of(session: Session, subject_id: object, permission: str, *, lock: bool) -> Any:
        if to.right and not current_principal().may(to.right):
            raise forbidden(to.right)
        return to.find(session, subject_id, permission, lock=lock)

    def attachment_of(session: Session, subject: Any, attachment_id: object) -> Attachment:
        of_subject = attachments_of(to, subject.id)
        found = session.scalar(of_subject.where(Attachment.id == str(attachment_id)))
        if found is None:
            raise not_found("attachment")
        return found

    @blueprint.route("")
    class Attachments(MethodView):
        @reads(to.read)
        @blueprint.arguments(LISTING.schema, location="query")
        @blueprint.response(200, page_schema(AttachmentView))
        def get(
            self, query: dict[str, Any], subject_id: object, session: Session
        ) -> Page[Attachment]:
            """List attachments."""
            subject = subject_of(session, subject_id, to.read, lock=False)
            return LISTING.page(session, attachments_of(to, subject.id), query)

        @takes(IDEMPOTENCY_KEY)
        @blueprint.doc(requestBody=_BODY)
        @blueprint.arguments(NewAttachment, location="query")
        @blueprint.response(201, AttachmentView)
        def post(self, query: dict[str, Any], subject_id: object) -> Response:
            """Attach a file."""
            require(to.write)
            with current_service().database.reading() as session:
                subject_of(session, subject_id, to.write, lock=False)
            content = _receive(query)

            def answer(session: Session) -> Response:
                subject = subject_of(session, subject_id, to.write, lock=True)
                attachment = attach(session, to, subject, content, current_principal().id)
                return make_response(AttachmentView().dump(attachment), 201)

            return in_one_transaction(answer, content.sha256.encode())

    @blueprint.route("/<uuid:attachment_id>")
    class AttachmentById(MethodView):
        @reads(to.read)
        @blueprint.response(200, {"type": "string", "format": "binary"}, content_type="*/*")
        def get(self, subject_id: object, attachment_id: object, session: Session) -> Response:
            """Download an attachment."""
            subject = subject_of(session, subject_id, to.read, lock=False)
            return _download(attachment_of(session, subject, attachment_id))

        @writes(to.write)
        @blueprint.response(204)
        def delete(self, subject_id: object, attachment_id: object, session: Session) -> None:
            """Delete an attachment."""
            subject = subject_of(session, subject_id, to.write, lock=True)
            attachment = attachment_of(session, subject, attachment_id)
            detach(session, to, subject, attachment, current_service().scheduler.now())

    return blueprint


def _receive(query: dict[str, Any]) -> Content:
    service = current_service()
    with _incoming(query, service.attachment_limits.size) as (filename, stream):
        return receive(
            service.database,
            service.storage,
            service.attachment_limits,
            filename,
            stream,
            service.scheduler.now(),
        )


@contextmanager
def _incoming(query: dict[str, Any], limit: int) -> Iterator[tuple[str, Readable]]:
    """The name and the bytes of the file that the request brings.

    :raises Problem: 413, or 422 for a request without a file.
    """
    if request.mimetype == "multipart/form-data":
        request.max_content_length = limit + _FORM_BYTES
        files = request.files.getlist("file")
        if len(files) != 1 or not files[0].filename:
            raise invalid(("file", "Send one file, with its name, as the part of this name."))
        with files[0].stream as stream:
            yield files[0].filename, stream
        return
    request.max_content_length = limit
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    if "filename" not in query:
        raise invalid(("filename", "Needed where the body is the file itself."))
    yield query["filename"], request.stream


def _download(attachment: Attachment) -> Response:
    try:
        stream = current_service().storage.open(attachment.id)
    except FileNotFoundError:
        log.error("attachment.lost", attachment=attachment.id)
        raise Problem(500, "content-lost", "The storage does not have this content.") from None
    except OSError as error:
        raise storage_away(error) from error
    response = send_file(
        stream,
        mimetype=attachment.content_type,
        as_attachment=True,
        download_name=attachment.filename,
        etag=attachment.sha256,
        conditional=False,
    )
    response.headers.update(_HEADERS)
    response.content_length = attachment.size
    response.make_conditional(request, accept_ranges=True, complete_length=attachment.size)
    return response
