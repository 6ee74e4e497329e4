"""The platform's API: read, list, change with the version one saw, upload and download."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import urllib3

from crm_client import resources
from crm_client.errors import StaleError, UnauthenticatedError
from crm_client.tokens import Grant, Session, TokenStore
from crm_client.transport import Body, Params, Transport, json_of, unreachable

LARGEST_PAGE = 200
BLOCK_BYTES = 1 << 16

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read.

    :ivar path: its address at the gateway.
    :ivar etag: its version then, as If-Match wants it.
    """

    path: str
    data: Document
    etag: str


class Client:
    """A signed-in connection to one platform. Safe to share by threads.

    Every method raises :class:`~crm_client.errors.UnreachableError` when no complete answer came,
    :class:`~crm_client.errors.NotSignedInError` without a valid sign-in, and a
    :class:`~crm_client.errors.ProblemError` when the platform refuses.

    :param base_url: address of the gateway, ``https://crm.example.com``.
    :param grant: how to sign in; without it `store` must hold a sign-in, or call `sign_in`.
    :param store: where sign-ins outlive the process; None keeps them in memory.
    :param read_seconds: longest silence of the platform within an answer.
    :param repeats: how often a request that may be repeated safely is sent again.
    """

    def __init__(
        self,
        base_url: str,
        *,
        grant: Grant | None = None,
        store: TokenStore | None = None,
        read_seconds: float = 60.0,
        repeats: int = 4,
    ) -> None:
        self._transport = Transport(base_url, read_seconds=read_seconds, repeats=repeats)
        self._session = Session(self._transport, grant, store)

    @property
    def base_url(self) -> str:
        """Address of the gateway."""
        return self._transport.base_url

    def sign_in(self, grant: Grant) -> None:
        """Sign in and, with a store, stay so; see :meth:`crm_client.tokens.Session.sign_in`."""
        self._session.sign_in(grant)

    def sign_out(self) -> None:
        """Make the sign-in useless to anybody, and forget it."""
        self._session.sign_out()

    def get(self, path: str, params: Params | None = None) -> Any:
        """The JSON at a path, such as ``/api/reporting/v1/kpis``."""
        return json_of(self._send("GET", path, params=params))

    def post(
        self,
        path: str,
        document: Document | None = None,
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Create a record or make a move; acted on once, however often it has to be sent.

        :param idempotency_key: give your own to make the call repeatable across processes too:
            the same key gets the first call's answer.
        :returns: the JSON of the answer.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return json_of(self._send_json("POST", path, document or {}, headers, if_match))

    def put(self, path: str, document: Document, *, if_match: str | None = None) -> Any:
        """Set what stands at a path, such as the stage of an opportunity.

        :returns: the JSON of the answer.
        """
        return json_of(self._send_json("PUT", path, document, {}, if_match))

    def list(
        self,
        resource: str,
        filters: Params | None = None,
        *,
        sort: str | None = None,
        search: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Document]:
        """Records of a resource, page after page, in bounded memory.

        :param resource: ``leads``; or ``sales/leads``, for those not in `crm_client.resources`.
        :param sort: field to sort by, ``-created_at`` for the latest first.
        :param search: words to look for.
        :param limit: stop after this many.
        """
        page_size = min(limit or LARGEST_PAGE, LARGEST_PAGE)
        params = {**(filters or {}), "sort": sort, "q": search, "limit": page_size}
        return islice(self.pages(resources.collection(resource), params), limit)

    def pages(self, path: str, params: Params | None = None) -> Iterator[Document]:
        """The items of any paged answer, following its ``next_cursor`` to the end."""
        cursor: str | None = None
        while True:
            page = self.get(path, {**(params or {}), "cursor": cursor})
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def create(
        self, resource: str, document: Document, *, idempotency_key: str | None = None
    ) -> Document:
        """Create a record, once however often it has to be sent; see `post`."""
        path = resources.collection(resource)
        created: Document = self.post(path, document, idempotency_key=idempotency_key)
        return created

    def read(self, resource: str, record_id: str) -> Record:
        """One record with its version."""
        path = f"{resources.collection(resource)}/{record_id}"
        return _record(path, self._send("GET", path))

    def change(self, record: Record, fields: Document) -> Record:
        """Set fields of a record, provided that nobody changed it since it was read.

        :raises StaleError: somebody did.
        """
        return _record(record.path, self._send_json("PATCH", record.path, fields, {}, record.etag))

    def move(self, record: Record, move: str, facts: Document | None = None) -> Document:
        """Make a move of a record's state machine, ``win``, provided that nobody changed it since.

        :param facts: what the move asks for, such as a reason.
        :returns: the JSON of the answer.
        :raises StaleError: somebody did.
        """
        answer: Document = self.post(f"{record.path}/{move}", facts, if_match=record.etag)
        return answer

    def update(
        self,
        resource: str,
        record_id: str,
        decide: Callable[[Document], Document],
        *,
        attempts: int = 5,
    ) -> Record:
        """Read, decide, change; again with the new state when somebody else was quicker.

        :param decide: gets the record's fields, gives those to set; it may be called repeatedly.
        :raises StaleError: others were quicker `attempts` times.
        """
        while True:
            attempts -= 1
            record = self.read(resource, record_id)
            try:
                return self.change(record, decide(record.data))
            except StaleError:
                if attempts <= 0:
                    raise

    def upload(self, path: str, file: IO[bytes], content_type: str) -> Any:
        """PUT a file, read in blocks, from its start again if it has to be repeated.

        :param file: a file opened as bytes, on disk.
        :returns: the JSON of the answer.
        """
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(os.fstat(file.fileno()).st_size),
        }
        return json_of(self._send("PUT", path, body=file, headers=headers))

    def download(
        self, path: str, params: Params | None = None, *, accept: str | None = None
    ) -> Iterator[bytes]:
        """The body of an answer block by block; a body that ends too early is an error.

        :param accept: the content type wanted, where there are several.
        """
        headers = {"Accept": accept} if accept else {}
        response = self._send("GET", path, params=params, headers=headers, stream=True)
        with closing(response):
            try:
                yield from response.stream(BLOCK_BYTES)
            except urllib3.exceptions.HTTPError as error:
                raise unreachable(self.base_url + path, error) from error

    def _send_json(
        self,
        method: str,
        path: str,
        document: Document,
        headers: Mapping[str, str],
        if_match: str | None,
    ) -> urllib3.BaseHTTPResponse:
        conditions = {"If-Match": if_match} if if_match else {}
        return self._send(
            method,
            path,
            body=json.dumps(document).encode(),
            headers={"Content-Type": "application/json", **headers, **conditions},
        )

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        def attempt(token: str) -> urllib3.BaseHTTPResponse:
            signed = {**(headers or {}), "Authorization": f"Bearer {token}"}
            return self._transport.send(
                method, path, params=params, body=body, headers=signed, stream=stream
            )

        token = self._session.bearer()
        try:
            return attempt(token)
        except UnauthenticatedError:
            self._session.reject(token)
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        return attempt(self._session.bearer())


def _record(path: str, response: urllib3.BaseHTTPResponse) -> Record:
    return Record(path, json_of(response), response.headers["ETag"])
