"""``Idempotency-Key``: a change that is sent twice is done once and answered twice alike.

The key is claimed, and the answer kept, in the transaction of the change itself: there is no
moment at which one is there without the other.
"""

from __future__ import annotations

import hashlib

from flask import Request, Response
from sqlalchemy import Column, Integer, LargeBinary, String, Table, select, update
from sqlalchemy.orm import Session

from crm_chassis.database import Json, UTCDateTime, chassis_metadata, utc_now
from crm_chassis.inbox import insert_new
from crm_chassis.problems import Problem, invalid

idempotency_keys = Table(
    "idempotency_keys",
    chassis_metadata,
    Column("key", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer),
    Column("headers", Json),
    Column("body", LargeBinary),
    Column("used_at", UTCDateTime, nullable=False, index=True),
)

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header."""
LONGEST_KEY = 200

_KEPT_HEADERS = ("Content-Type", "ETag", "Location")


def digest_of(request: Request, principal_id: str) -> str | None:
    """The request's key, made the principal's own; None when it has none.

    :raises Problem: 422 when the key is too long.
    """
    key = request.headers.get(IDEMPOTENCY_KEY)
    if not key:
        return None
    if len(key) > LONGEST_KEY:
        raise invalid((IDEMPOTENCY_KEY, f"Longer than {LONGEST_KEY} characters."))
    return hashlib.sha256(f"{principal_id}\0{key}".encode()).hexdigest()


def _fingerprint(request: Request, body: bytes) -> str:
    parts = (request.method.encode(), request.full_path.encode(), body)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def claim(
    session: Session, key: str, request: Request, body: bytes | None = None
) -> Response | None:
    """Take the key for this request, or give the answer that the first one with it got.

    A second request at the same time waits here for the first one's transaction.

    :param body: what tells the body from another one, when it was read as a stream.
    :raises Problem: 422 when the key was used for another request.
    """
    content = request.get_data() if body is None else body
    mine = {"key": key, "fingerprint": _fingerprint(request, content), "used_at": utc_now()}
    if insert_new(session, idempotency_keys, [mine], "key"):
        return None
    first = session.execute(select(idempotency_keys).where(idempotency_keys.c.key == key)).one()
    if first.fingerprint != mine["fingerprint"]:
        raise Problem(422, "key-reused", "The Idempotency-Key was used for another request.")
    return Response(
        first.body, first.status, headers={**first.headers, "Idempotency-Replayed": "true"}
    )


def keep(session: Session, key: str, response: Response) -> None:
    """Remember the answer for the next request with the key."""
    session.execute(
        update(idempotency_keys)
        .where(idempotency_keys.c.key == key)
        .values(
            status=response.status_code,
            headers={k: response.headers[k] for k in _KEPT_HEADERS if k in response.headers},
            body=response.get_data(),
        )
    )
