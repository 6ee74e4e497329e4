"""What can go wrong between this client and the platform, one class for each thing to be done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from urllib3 import BaseHTTPResponse


class CrmError(Exception):
    """Any failure of a request to the platform. Its text is written for a person."""


class UnreachableError(CrmError):
    """No complete answer came: no connection, a time-out, or the connection broke."""


class UnexpectedAnswerError(CrmError):
    """The answer is not the platform's: most often a wrong address, or a web proxy between."""


class NotSignedInError(CrmError):
    """There is no token, or it can no longer be renewed: sign in again."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """Why one field of a request was refused; nested fields read ``lines.2.amount``."""

    field: str
    detail: str


class ProblemError(CrmError):
    """The platform refused the request and said why (RFC 9457 problem details).

    :ivar status: HTTP status.
    :ivar code: short name of the kind of problem, the last part of its ``type``.
    :ivar errors: every invalid field with its reason; empty when no field is at fault.
    :ivar trace_id: what operations look the request up by, None when it was not traced.
    :ivar retry_after: seconds to wait before asking again, None when the platform gave none.
    """

    def __init__(self, status: int, body: dict[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.type = str(body.get("type", "about:blank"))
        self.code = self.type.rpartition(":")[2]
        self.title = str(body.get("title") or _phrase(status))
        self.detail = str(body.get("detail", ""))
        self.instance = body.get("instance")
        self.errors = tuple(
            FieldError(str(error.get("field", "")), str(error.get("detail", "")))
            for error in body.get("errors", ())
        )
        self.trace_id = body.get("trace_id")
        self.retry_after = retry_after
        super().__init__(self._text())

    def _text(self) -> str:
        headline = f"{self.status} {self.title}"
        lines = [f"{headline}: {self.detail}" if self.detail else headline]
        lines += [f"  {error.field}: {error.detail}" for error in self.errors]
        if self.retry_after is not None:
            lines.append(f"  Ask again in {self.retry_after:g} s.")
        if self.trace_id:
            lines.append(f"  trace {self.trace_id}")
        return "\n".join(lines)


class MalformedRequestError(ProblemError):
    """400: the request could not be read."""


class UnauthenticatedError(ProblemError):
    """401: the token or the credentials were not accepted."""


class ForbiddenError(ProblemError):
    """403: the principal may not do this."""


class NotFoundError(ProblemError):
    """404: not there, or not visible to the principal."""


class ConflictError(ProblemError):
    """409: the state of the thing does not allow it."""


class StaleError(ProblemError):
    """412: somebody else changed it since it was read; read it again."""


class TooLargeError(ProblemError):
    """413: the body is larger than the platform takes."""


class InvalidError(ProblemError):
    """422: fields are wrong; ``errors`` names every one."""


class VersionRequiredError(ProblemError):
    """428: the change must say, by If-Match, which version it is made to."""


class RateLimitedError(ProblemError):
    """429: too many requests; ``retry_after`` says how long to wait."""


class UnavailableError(ProblemError):
    """502, 503 or 504: the service behind the gateway is away or slow; ask again later."""


_BY_STATUS: dict[int, type[ProblemError]] = {
    400: MalformedRequestError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: StaleError,
    413: TooLargeError,
    422: InvalidError,
    428: VersionRequiredError,
    429: RateLimitedError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def problem_of(response: BaseHTTPResponse) -> ProblemError:
    """The exception for a refused request; an answer without problem details keeps its status."""
    kind = _BY_STATUS.get(response.status, ProblemError)
    return kind(response.status, _body(response), _retry_after(response))


def _body(response: BaseHTTPResponse) -> dict[str, Any]:
    try:
        body = json.loads(response.data)
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    if "error" in body and "title" not in body:  # RFC 6749, section 5.2: errors of a token endpoint
        return {"title": body["error"], "detail": body.get("error_description", "")}
    return body


def _retry_after(response: BaseHTTPResponse) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"
