"""Forwards a request to the service that owns its path, body and answer streamed both ways.

Plain WSGI and no framework: a hop through Flask would cost more than the forwarding itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import structlog
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from crm_chassis.problems import Problem
from crm_gateway.routes import METHODS, REQUEST_HEADERS, UPLOAD_PATH, Route
from crm_gateway.wsgi import Environ, Headers

log = structlog.get_logger(__name__)

BLOCK = 64 * 1024
"""Bytes moved at a time. A body or an answer that says it is no longer is moved whole."""
RETRY_AFTER = {"Retry-After": "2"}
PLACE_SECONDS = 1.0
"""How long a request waits for its turn at a service that has as many as it may have."""
DOCUMENT_SECONDS = 5.0
"""Longer than this for a public document of a service, and it counts as slow."""

_RequestBody = bytes | Iterable[bytes] | None

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_ALLOW = {"Allow": ", ".join(sorted(METHODS))}
_PATH_CHARACTERS = "/:@!$&'()*+,;=~-._"
_PASSED_ON = tuple(
    (name, key if key == "CONTENT_TYPE" else f"HTTP_{key}")
    for name in REQUEST_HEADERS
    for key in (name.upper().replace("-", "_"),)
)
# RFC 9110 section 7.6.1, and what the gateway's own server says for itself.
_NOT_PASSED_BACK = frozenset(
    {
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)


class Body(Protocol):
    """An answer's bytes; closed after the last of them, or earlier when the client is gone."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered.

    :ivar whole: the body, when it is small; else None.
    :ivar stream: the body, when it is large or of unknown length; else None.
    """

    status: int
    reason: str
    headers: Headers
    whole: bytes | None = None
    stream: Body | None = None


class Upstream:
    """One service as the gateway sees it: its terms, and a pool of connections to it.

    :param address: base address of the service, ``http://sales:8000``.
    :param upload_bytes: the largest file that an import takes.
    :param requests: how many may be under way at once, to the last byte of their answers: fewer
        than the gateway has threads, so that a slow service, or slow readers of it, do not take
        them all, and the other services with them.
    """

    def __init__(self, route: Route, address: str, upload_bytes: int, requests: int) -> None:
        self.route = route
        self.address = address.rstrip("/")
        parts = urlsplit(self.address)
        self._host = parts.netloc
        self._base_path = parts.path
        self._upload_bytes = upload_bytes
        self._timeout = urllib3.Timeout(connect=route.connect_seconds, read=route.read_seconds)
        # urllib3 sends a body under the time-out for connecting, too short for a streamed one.
        self._streaming_timeout = urllib3.Timeout(route.read_seconds)
        self._pool = urllib3.connectionpool.connection_from_url(self.address, maxsize=requests)
        self._places = threading.BoundedSemaphore(requests)

    def forward(self, environ: Environ, path: str, headers: Mapping[str, str]) -> Answer:
        """Send the request in ``environ`` on to ``path``, and give the service's answer.

        :param headers: what the gateway adds; of the client's only ``REQUEST_HEADERS`` go along.
        :raises Problem: 400, 405, 413 for the request; 502, 503, 504 for the service.
        """
        method = environ["REQUEST_METHOD"]
        if method not in METHODS:
            raise Problem(405, "method-not-allowed", f"{method} is not supported.", headers=_ALLOW)
        sent = {**_request_headers(environ), **headers}
        body = self._request_body(environ, path, sent)
        target = self._base_path + quote(path.encode("latin-1"), safe=_PATH_CHARACTERS)
        if query := environ.get("QUERY_STRING"):
            target = f"{target}?{query}"
        if not self._places.acquire(timeout=PLACE_SECONDS):
            raise self._busy()
        with ExitStack() as place:
            place.callback(self._places.release)
            timeout = self._timeout if _is_whole(body) else self._streaming_timeout
            return self._answer(self._send(method, target, body, sent, timeout), place)

    def fetch(self, path: str) -> bytes:
        """A public document of the service.

        :raises Problem: 502, 503, 504 when the service does not give it, or not soon.
        """
        target, headers = self._base_path + path, {"Accept": "application/json"}
        response = self._send("GET", target, None, headers, urllib3.Timeout(DOCUMENT_SECONDS))
        if response.status != HTTPStatus.OK:
            response.close()
            raise self._unusable(f"answered {response.status}")
        return self._read(response)

    def _request_body(self, environ: Environ, path: str, headers: dict[str, str]) -> _RequestBody:
        """The body to send, in a framing of its own: the client's is not trusted."""
        limit = self._upload_bytes if UPLOAD_PATH.fullmatch(path) else self.route.body_bytes
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            return _chunks(environ["wsgi.input"], limit)
        length = _content_length(environ)
        if length is None:
            return None
        if length > limit:
            raise _too_large(limit)
        headers["Content-Length"] = str(length)
        blocks = _exactly(environ["wsgi.input"], length)
        return b"".join(blocks) if length <= BLOCK else blocks

    def _send(
        self,
        method: str,
        target: str,
        body: _RequestBody,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout,
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._exchange(method, target, body, headers, timeout)
        except NewConnectionError as error:
            if not _is_whole(body):
                raise self._away(error) from None
            # Nothing was sent: this one is ending, and the address leads to another one next.
        except ProtocolError as error:
            if not _repeatable(method, body, headers) or not _connection_lost(error):
                raise self._broken(error) from None
            # The service closed a kept connection just when it was used again, or is ending.
        try:
            return self._exchange(method, target, body, headers, timeout)
        except NewConnectionError as error:
            raise self._away(error) from None
        except ProtocolError as error:
            raise self._broken(error) from None

    def _exchange(
        self,
        method: str,
        target: str,
        body: _RequestBody,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout,
    ) -> urllib3.BaseHTTPResponse:
        """Send it once.

        :raises NewConnectionError: when no connection could be made.
        :raises ProtocolError: when the connection broke, or what came was no HTTP.
        """
        try:
            return self._pool.urlopen(
                method,
                target,
                body=body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except NewConnectionError:
            raise
        except ConnectTimeoutError as error:
            raise self._away(error) from None
        except ReadTimeoutError as error:
            raise self._slow(error) from None

    def _answer(self, response: urllib3.BaseHTTPResponse, place: ExitStack) -> Answer:
        """:param place: goes along with an answer that is still to be read."""
        headers = self._response_headers(response)
        reason = response.reason or HTTPStatus(response.status).phrase
        length = response.length_remaining
        if length is not None and length <= BLOCK:
            return Answer(response.status, reason, headers, whole=self._read(response))
        return Answer(response.status, reason, headers, stream=_Stream(response, place.pop_all()))

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        try:
            return response.read(decode_content=False)
        except ReadTimeoutError as error:
            raise self._slow(error) from None
        except HTTPError as error:
            raise self._broken(error) from None
        finally:
            response.release_conn()

    def _response_headers(self, response: urllib3.BaseHTTPResponse) -> Headers:
        headers = [(name, value) for name, value in response.headers.iteritems()]
        named = {
            token.strip().lower()
            for name, value in headers
            if name.lower() == "connection"
            for token in value.split(",")
        }
        dropped = _NOT_PASSED_BACK | named if named else _NOT_PASSED_BACK
        return [
            (name, self._public_location(value) if name.lower() == "location" else value)
            for name, value in headers
            if name.lower() not in dropped
        ]

    def _public_location(self, location: str) -> str:
        """A service's own address in a ``Location`` as the address of the same at the gateway."""
        parts = urlsplit(location)
        if parts.netloc and parts.netloc != self._host:
            return location
        path = parts.path.removeprefix(self._base_path)
        public = self.route.prefix + path if path.startswith("/") else path
        return f"{public}?{parts.query}" if parts.query else public

    def _busy(self) -> Problem:
        log.warning("upstream.busy", service=self.route.service)
        return Problem(
            503, "service-busy", f"{self.route.service} has too much to do.", headers=RETRY_AFTER
        )

    def _away(self, error: Exception) -> Problem:
        log.warning("upstream.away", service=self.route.service, error=str(error))
        return Problem(
            503, "service-away", f"{self.route.service} cannot be reached.", headers=RETRY_AFTER
        )

    def _slow(self, error: Exception) -> Problem:
        log.warning("upstream.slow", service=self.route.service, error=str(error))
        return Problem(504, "service-slow", f"{self.route.service} did not answer in time.")

    def _broken(self, error: Exception) -> Problem:
        cause = _cause(error)
        if isinstance(cause, TimeoutError):
            return self._slow(error)
        if not _connection_lost(error):
            return self._unusable(repr(error))
        log.warning("upstream.lost", service=self.route.service, error=str(error))
        return Problem(
            503,
            "service-lost",
            f"The connection to {self.route.service} was lost before it answered; a change may or "
            "may not have been made. Repeat it with the same Idempotency-Key or If-Match.",
            headers=RETRY_AFTER,
        )

    def _unusable(self, why: str) -> Problem:
        log.error("upstream.unusable", service=self.route.service, error=why)
        return Problem(502, "bad-answer", f"{self.route.service} gave an answer that is none.")


class _Stream:
    """The body of a response, block by block as it arrives.

    :param place: what the response occupies until it is closed: it is read as fast as its client
        reads, and by one of the gateway's threads.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, place: ExitStack) -> None:
        self._response = response
        self._place = place

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.stream(BLOCK, decode_content=False)

    def close(self) -> None:
        # After the last byte the connection is back in the pool already; before it, it is spoilt.
        with self._place:
            self._response.close()
            self._response.release_conn()


def is_clean(path: str) -> bool:
    """False for a path that a service might read as another one than the gateway does.

    :param path: with its percent-escapes resolved.
    """
    return not (
        "//" in path
        or "\\" in path
        or any(segment in (".", "..") for segment in path.split("/"))
        or any(character < " " or character == "\x7f" for character in path)
    )


def _request_headers(environ: Environ) -> dict[str, str]:
    headers = {name: environ[key] for name, key in _PASSED_ON if environ.get(key)}
    if connection := environ.get("HTTP_CONNECTION"):
        named = {token.strip().lower() for token in connection.split(",")}
        headers = {name: value for name, value in headers.items() if name.lower() not in named}
    return headers


def _content_length(environ: Environ) -> int | None:
    stated = environ.get("CONTENT_LENGTH")
    if not stated:
        return None
    if not stated.isdecimal():
        raise Problem(400, "malformed", "Content-Length is no number.")
    return int(stated)


def _is_whole(body: _RequestBody) -> bool:
    """False for a body that is read while it is sent, and so cannot be sent again."""
    return body is None or isinstance(body, bytes)


def _repeatable(method: str, body: _RequestBody, headers: Mapping[str, str]) -> bool:
    """True for what changes nothing, or by its key is done once however often it is sent."""
    return _is_whole(body) and (method in _SAFE or "Idempotency-Key" in headers)


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"The body is larger than {limit} bytes.")


def _read_block(source: Any, size: int) -> bytes:
    try:
        block: bytes = source.read(size)
    except OSError as error:
        # Not to be taken for a failure of the connection to the service.
        raise Problem(400, "malformed", f"The body could not be read: {error}") from None
    return block


def _exactly(source: Any, length: int) -> Iterator[bytes]:
    while length > 0:
        block = _read_block(source, min(BLOCK, length))
        if not block:
            raise Problem(400, "malformed", "The body is shorter than its Content-Length.")
        length -= len(block)
        yield block


def _chunks(source: Any, limit: int) -> Iterator[bytes]:
    total = 0
    while block := _read_block(source, BLOCK):
        total += len(block)
        if total > limit:
            raise _too_large(limit)
        yield block


def _cause(error: Exception) -> Any:
    """urllib3 hands the error of the socket over as the second argument of its own."""
    return error.args[1] if len(error.args) > 1 else None


def _connection_lost(error: Exception) -> bool:
    return isinstance(_cause(error), OSError)
