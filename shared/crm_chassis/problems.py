"""RFC 9457 problem details: what every refused request gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from flask import Flask, Response, request
from opentelemetry import trace
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

log = structlog.get_logger(__name__)
CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that cannot be answered as asked.

    :param code: short name of the kind of problem, the last part of its ``type`` URI.
    :param errors: (field, detail) for each field that is wrong.
    :param members: what else a client is told, beside the members that every problem has.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def not_found(what: str) -> Problem:
    """The thing is not there, or not visible to the principal: the answer is the same."""
    return Problem(404, "not-found", f"No such {what}.")


def conflict(detail: str) -> Problem:
    """The state of the thing does not allow the request."""
    return Problem(409, "conflict", detail)


def invalid(*errors: tuple[str, str]) -> Problem:
    """Fields of the request are wrong, each named."""
    return Problem(422, "invalid", "The request has invalid fields.", errors=errors)


def body_of(problem: Problem, instance: str) -> dict[str, Any]:
    """The problem as the JSON object that is sent."""
    body: dict[str, Any] = {
        "type": f"urn:crm:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        **problem.members,
    }
    if problem.errors:
        body["errors"] = [{"field": field, "detail": why} for field, why in problem.errors]
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        body["trace_id"] = trace.format_trace_id(context.trace_id)
    return body


def respond(problem: Problem) -> Response:
    """The problem as an answer to the current request."""
    return Response(
        orjson.dumps(body_of(problem, request.root_path + request.path)),
        problem.status,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )


def flatten(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """marshmallow's nested messages as (field, detail) pairs, nested as ``lines.2.amount``."""
    if isinstance(messages, Mapping):
        for key, value in messages.items():
            step = "" if key == "_schema" else str(key)
            yield from flatten(value, f"{path}.{step}".strip("."))
    elif isinstance(messages, list):
        for value in messages:
            yield from flatten(value, path)
    else:
        yield path or "body", str(messages)


_VALIDATED_PARTS = ("json", "query", "form", "headers", "files", "path", "json_or_form")


def _from_http(error: HTTPException) -> Problem:
    status = error.code or 500
    messages = getattr(error, "data", {}).get("messages") if hasattr(error, "data") else None
    if isinstance(messages, Mapping):
        parts = [value for part, value in messages.items() if part in _VALIDATED_PARTS]
        return invalid(*(pair for part in parts for pair in flatten(part)))
    code = HTTPStatus(status).phrase.lower().replace(" ", "-")
    methods = getattr(error, "valid_methods", None)
    headers = {"Allow": ", ".join(methods)} if methods else {}
    return Problem(status, code, error.description or HTTPStatus(status).phrase, headers=headers)


DATABASE_FAULTS = (DBAPIError, PoolTimeout)
"""What the database's driver raises, and the pool of connections to it."""


def from_database(error: DBAPIError | PoolTimeout) -> Problem:
    """What a client is told of an error of the database."""
    if isinstance(error, IntegrityError):
        log.info("request.conflict", error=str(error.orig))
        return conflict("The change contradicts what is already stored.")
    if isinstance(error, DataError):
        return _unstorable(error.orig)
    if isinstance(error, OperationalError | PoolTimeout):
        log.warning("database.away", error=str(error))
        return Problem(
            503, "database-away", "The database cannot be reached.", headers={"Retry-After": "2"}
        )
    log.error("request.failed", exc_info=error)
    return Problem(500, "internal", "The request failed; the fault is logged.")


def _unstorable(error: BaseException | None) -> Problem:
    log.info("request.unstorable", error=str(error))
    return Problem(422, "unstorable", "The request has a value that cannot be stored.")


def register(app: Flask) -> None:
    """Turn every way a request can fail into a problem."""

    @app.errorhandler(Problem)
    def _problem(error: Problem) -> Response:
        return respond(error)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        return respond(_from_http(error))

    @app.errorhandler(StaleDataError)
    def _stale(_error: StaleDataError) -> Response:
        return respond(Problem(412, "changed-meanwhile", "Somebody else changed it meanwhile."))

    for fault in DATABASE_FAULTS:

        @app.errorhandler(fault)
        def _database(error: DBAPIError | PoolTimeout) -> Response:
            return respond(from_database(error))

    @app.errorhandler(OverflowError)
    def _too_large(error: OverflowError) -> Response:
        return respond(_unstorable(error))  # SQLite's driver says so of integers beyond 64 bits

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.error("request.failed", exc_info=error)
        return respond(Problem(500, "internal", "The request failed; the fault is logged."))
