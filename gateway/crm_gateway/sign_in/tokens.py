"""The two kinds of signed token: access tokens, for clients, and internal ones, for services."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache
from joserfc import jwt

from crm_chassis.auth import Principal
from crm_chassis.tokens import ALGORITHM, ISSUER, TokenVerifier, unauthorized
from crm_gateway.routes import Route
from crm_gateway.sign_in.keys import KeyRing

AUDIENCE = "crm-gateway"
INTERNAL_SECONDS = 60
_RENEWED_BEFORE_END_SECONDS = 20
_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a good access token says."""

    principal_id: str
    session_id: str


def _access_claims(claims: Mapping[str, Any]) -> AccessClaims:
    if "sid" not in claims:
        raise unauthorized("token-claims", "The token names no session.")
    return AccessClaims(claims["sub"], claims["sid"])


class AccessTokens:
    """Made at sign-in, shown by clients at every request.

    They name a principal and a session, and no rights: those are looked up, so that a change of
    them holds at once.

    :param seconds: how long a token is good.
    """

    def __init__(self, keys: KeyRing, seconds: int) -> None:
        self.seconds = seconds
        self._keys = keys
        self._verifier = TokenVerifier(keys.published, AUDIENCE, _access_claims)

    def issue(self, principal_id: str, session_id: str) -> str:
        """A token of ``session_id``, good from now on."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": principal_id,
            "sid": session_id,
            "iat": now,
            "exp": now + self.seconds,
        }
        return _signed(claims, self._keys)

    def verify(self, token: str) -> AccessClaims:
        """What ``token`` says, once its signature and claims held.

        :raises Problem: 401 naming what is wrong with it.
        """
        return self._verifier.verify(token)


class InternalTokens:
    """Made by the gateway for one service, to say who asks and what of that service they may do."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._made: LRUCache[tuple[str, str], tuple[Principal, float, str]] = LRUCache(_CACHED)
        self._lock = threading.Lock()

    def token(self, principal: Principal, route: Route) -> str:
        """A token for ``route``'s service that is good for 20 to 60 seconds."""
        key = (principal.id, route.service)
        now = time.time()
        with self._lock:
            made_for, renew_at, token = self._made.get(key, (None, 0.0, ""))
        if made_for == principal and now < renew_at:
            return token
        token = _signed(_internal_claims(principal, route, int(now)), self._keys)
        renew_at = now + INTERNAL_SECONDS - _RENEWED_BEFORE_END_SECONDS
        with self._lock:
            self._made[key] = (principal, renew_at, token)
        return token


def _internal_claims(principal: Principal, route: Route, now: int) -> dict[str, Any]:
    own = f"{route.permissions}."
    return {
        "iss": ISSUER,
        "aud": f"crm-{route.service}",
        "sub": principal.id,
        "name": principal.name,
        "kind": principal.kind,
        "team": principal.team_id,
        "roles": list(principal.roles),
        "grants": {
            permission: scope
            for permission, scope in principal.grants.items()
            if permission == "*" or permission.startswith(own)
        },
        "iat": now,
        "exp": now + INTERNAL_SECONDS,
    }


def _signed(claims: dict[str, Any], keys: KeyRing) -> str:
    key = keys.signing()
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])
