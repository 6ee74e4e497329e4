"""Who is let in: a good access token, of a session that stands, not too often."""

from __future__ import annotations

import threading

from cachetools import TTLCache

from crm_chassis.auth import Principal
from crm_chassis.database import Database
from crm_chassis.tokens import unauthorized
from crm_gateway.limits import RequestLimits
from crm_gateway.sign_in.queries import principal_of
from crm_gateway.sign_in.tokens import AccessClaims, AccessTokens
from crm_gateway.wsgi import Headers

PRINCIPAL_SECONDS = 3.0
"""A revoked session, a changed role or a locked user is noticed within so long."""
_CACHED = 10_000


class Principals:
    """Who stands behind a session, as the database has it or had it seconds ago."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: TTLCache[str, Principal] = TTLCache(_CACHED, PRINCIPAL_SECONDS)
        self._lock = threading.Lock()

    def behind(self, claims: AccessClaims) -> Principal:
        """:raises Problem: 401 when the session has ended or its principal may not act any more."""
        with self._lock:
            principal = self._known.get(claims.session_id)
        if principal is not None:
            return principal
        with self._database.reading() as session:
            principal = principal_of(session, claims.session_id)
        if principal is None:
            raise unauthorized("session-ended", "The session of this token has ended.")
        with self._lock:
            self._known[claims.session_id] = principal
        return principal


class Admission:
    """The checks before a request goes anywhere."""

    def __init__(self, tokens: AccessTokens, principals: Principals, limits: RequestLimits) -> None:
        self._tokens = tokens
        self._principals = principals
        self._limits = limits

    def admit(self, authorization: str) -> tuple[Principal, Headers]:
        """Who asks, and the headers that tell them how often they still may.

        :param authorization: the request's ``Authorization`` header, empty when it has none.
        :raises Problem: 401 or 429.
        """
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("token-missing", "The request carries no bearer token.")
        principal = self._principals.behind(self._tokens.verify(token))
        return principal, self._limits.count(principal.id)
