"""The two kinds of signed token: access tokens, for clients, and internal ones, for services."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache, TLRUCache
from joserfc import jwt
from joserfc.jwt import JWTClaimsRegistry

from crm_chassis.auth import ALGORITHM, ISSUER, Principal, unauthorized, verify_token
from crm_gateway.routes import Route
from crm_gateway.sign_in.keys import KeyRing

AUDIENCE = "crm-gateway"
INTERNAL_SECONDS = 60
_RENEWED_BEFORE_END_SECONDS = 20
_CACHED = 10_000
_CACHED_SECONDS = 60.0  # so that what a key has signed that got out is not trusted for long


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a good access token says.

    :ivar expires_at: seconds since the epoch.
    """

    principal_id: str
    session_id: str
    expires_at: float


class AccessTokens:
    """Made at sign-in, shown by clients at every request.

    They name a principal and a session, and no rights: those are looked up, so that a change of
    them holds at once.

    :param seconds: how long a token is good.
    """

    def __init__(self, keys: KeyRing, seconds: int) -> None:
        self.seconds = seconds
        self._keys = keys
        self._claims = JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            sub={"essential": True},
        )
        # A signature takes 100 us to verify; a digest of the token 1 us.
        self._verified: TLRUCache[bytes, AccessClaims] = TLRUCache(
            _CACHED,
            ttu=lambda _digest, claims, now: min(claims.expires_at, now + _CACHED_SECONDS),
            timer=time.time,
        )
        self._lock = threading.Lock()

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
        digest = hashlib.sha256(token.encode("latin-1")).digest()
        with self._lock:
            known = self._verified.get(digest)
        if known is not None:
            return known
        claims = verify_token(token, self._keys.published, self._claims)
        if "sid" not in claims:
            raise unauthorized("token-claims", "The token names no session.")
        verified = AccessClaims(claims["sub"], claims["sid"], float(claims["exp"]))
        with self._lock:
            self._verified[digest] = verified
        return verified


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
