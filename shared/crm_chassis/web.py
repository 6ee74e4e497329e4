"""How a request becomes one transaction, and what it may say about versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from datetime import date, datetime
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import flask_smorest
import orjson
from flask import Request, Response, current_app, g, make_response, request
from marshmallow import Schema, missing
from sqlalchemy.orm import Session
from webargs.flaskparser import FlaskParser

from crm_chassis import idempotency
from crm_chassis.auth import current_principal, require
from crm_chassis.context import Origin, acting
from crm_chassis.operations.administration import record_act
from crm_chassis.outbox import Aggregate
from crm_chassis.paging import DeclaredQuery
from crm_chassis.problems import Problem

if TYPE_CHECKING:
    from crm_chassis.service import Service

P = ParamSpec("P")
View = Callable[P, Any]
A = TypeVar("A", bound=Aggregate)

IF_MATCH = "If-Match"
TAKES = "x-takes"
"""Says of an operation, while the OpenAPI document is made, which headers it heeds."""


class _Parser(FlaskParser):
    """Refuses unknown fields everywhere, not only in bodies, and what is not strict JSON."""

    DEFAULT_UNKNOWN_BY_LOCATION = {}

    def parse(self, argmap: Any, *args: Any, **kwargs: Any) -> Any:
        """``argmap`` is a schema; one to which fields are declared is taken as it is now."""
        if isinstance(argmap, DeclaredQuery):
            argmap = argmap.listing.with_declared()
        return super().parse(argmap, *args, **kwargs)

    def load_json(self, req: Request, schema: Schema) -> Any:
        body = req.get_data()
        if not body:
            return missing
        if not req.is_json:
            raise Problem(415, "unsupported-media-type", "The body must be application/json.")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Problem(
                400, "malformed", "The body is not valid JSON.", errors=[("body", str(error))]
            ) from None


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest is untyped
    """flask-smorest's blueprint with the strict parser."""

    ARGUMENTS_PARSER = _Parser()

    def arguments(self, schema: Any, **kwargs: Any) -> Any:
        # webargs would make a schema of a class anew for each request.
        instance = schema() if isinstance(schema, type) else schema
        taken = super().arguments(instance, **kwargs)
        if not isinstance(instance, DeclaredQuery):
            return taken
        mark = self.doc(**{"x-custom-fields": instance.listing.declared_for})
        return lambda view: mark(taken(view))


def current_service() -> Service:
    return cast("Service", current_app.extensions["crm"])


def reads(permission: str) -> Callable[[View[P]], View[P]]:
    """A view that reads: authorised, with ``session`` for reading."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
            require(permission)
            with current_service().database.reading() as session:
                kwargs["session"] = session
                return view(*args, **kwargs)

        return wrapper

    return decorate


def writes(
    permission: str | None = None,
    *,
    act: str | None = None,
    keeps: Container[str] = (),
    if_match: bool = False,
) -> Callable[[View[P]], View[P]]:
    """A view that changes: authorised, all of it one transaction, with ``session`` for it.

    :param permission: None where it depends on what is asked, and the view requires it itself.
    :param act: what it is as an administrative act, such as ``role.change``; None if it is none.
    :param keeps: the fields of the request whose values are kept with the act, not only the names;
        never a secret or personal data.
    :param if_match: it is for clients that have seen what it changes: without ``If-Match`` it is
        not called, and it compares by :func:`check_version`.
    """

    def decorate(view: View[P]) -> View[P]:
        @takes(idempotency.IDEMPOTENCY_KEY, *([IF_MATCH] if if_match else []))
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
            if permission is not None:
                require(permission)
            if if_match:
                g.seen_version = _seen_version()

            def answer(session: Session) -> Response:
                kwargs["session"] = session
                response = make_response(view(*args, **kwargs))
                if act is not None:
                    _keep_act(session, act, response, keeps)
                return response

            return in_one_transaction(answer)

        return wrapper

    return decorate


def takes(*headers: str) -> Callable[[View[P]], View[P]]:
    """Have the OpenAPI document name the headers that a view heeds."""
    mark: Callable[[View[P]], View[P]] = Blueprint.doc(**{TAKES: list(headers)})
    return mark


def in_one_transaction(
    answer: Callable[[Session], Response], content: bytes | None = None
) -> Response:
    """The answer to the request, made inside a transaction and sent after its commit.

    ``Idempotency-Key`` is honoured.

    :param content: what tells the body from another one, when it was read as a stream.
    """
    principal = current_principal()
    key = idempotency.digest_of(request, principal.id)
    origin = Origin(actor=principal.id, correlation_id=g.correlation_id)
    with current_service().database.transaction() as session, acting(origin):
        if key and (earlier := idempotency.claim(session, key, request, content)):
            return earlier
        response = answer(session)
        if key:
            idempotency.keep(session, key, response)
        return response


def _keep_act(session: Session, act: str, response: Response, keeps: Container[str]) -> None:
    given = request.get_json(silent=True) or {}
    made = response.get_json(silent=True) if response.status_code == HTTPStatus.CREATED else None
    subject = f"{request.path}/{made['id']}" if made and "id" in made else request.path
    detail = {
        "fields": sorted(given),
        "values": {name: value for name, value in given.items() if name in keeps},
    }
    record_act(session, act, subject, detail)


def versioned(session: Session, entity: A) -> tuple[A, dict[str, str]]:
    """The entity as it will be stored, with its version as the answer's ETag."""
    session.flush()
    return entity, {"ETag": f'"{entity.version}"'}


_VERSION = re.compile(r"[0-9]{1,18}")


def _seen_version() -> int:
    """The version the client has seen, from ``If-Match``.

    :raises Problem: 428 without the header; 412 when it is no version of ours.
    """
    header = request.headers.get(IF_MATCH)
    if header is None:
        raise Problem(428, "version-missing", "Send If-Match with the ETag you have seen.")
    tag = header.strip().removeprefix("W/").strip('"')
    if not _VERSION.fullmatch(tag):
        raise stale()
    return int(tag)


def check_version(entity: Aggregate) -> None:
    """Refuse the request unless the client has seen the entity as it is.

    Only in views that ``writes`` declares with ``if_match``.

    :raises Problem: 412.
    """
    if entity.version != g.seen_version:
        raise stale()


def stale() -> Problem:
    """The client has seen an older version."""
    return Problem(412, "changed-meanwhile", "It was changed meanwhile: read it again.")


def business_day() -> date:
    """Today, in the zone of the business."""
    return datetime.now(current_service().settings.zone).date()
