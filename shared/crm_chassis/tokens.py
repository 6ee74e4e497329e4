"""The gateway's signed tokens, and the keys that they are verified with."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
import structlog
import urllib3
from cachetools import TLRUCache
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from crm_chassis.problems import Problem

log = structlog.get_logger(__name__)

ISSUER = "crm-gateway"
ALGORITHM = "Ed25519"
_REMEMBERED = 10_000
_REMEMBERED_SECONDS = 60.0  # so that what a key that got out has signed is not trusted for long
_KEYS_AGE_SECONDS = 10.0  # at least, before they are read again for one that is unknown
_KEYS_LIFE_SECONDS = 120.0  # so that a key that is not published any more is not trusted for long

T = TypeVar("T")


def unauthorized(code: str, detail: str) -> Problem:
    """The request does not prove who asks."""
    challenge = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{detail}"'}
    return Problem(401, code, detail, headers=challenge)


class KeySource:
    """The gateway's public keys, read from an address or a file.

    They are read again when one is unknown, and every few minutes; while they cannot be, those
    that are known stay good.
    """

    def __init__(self, location: str) -> None:
        self._location = location
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._read_at = 0.0

    def keys(self, key_id: str | None) -> KeySet:
        """A set that holds ``key_id`` if the gateway publishes it.

        :raises OSError: the keys cannot be read.
        """
        # One thread reads; only those wait for it that cannot do without.
        if self._is_due(key_id) and self._lock.acquire(blocking=not self._holds(key_id)):
            try:
                if self._is_due(key_id):
                    self._refresh()
            finally:
                self._lock.release()
        if self._keys is None:
            raise OSError(f"{self._location} gives no keys")
        return self._keys

    def _holds(self, key_id: str | None) -> bool:
        return self._keys is not None and any(key.kid == key_id for key in self._keys.keys)

    def _is_due(self, key_id: str | None) -> bool:
        if self._keys is None:
            return True
        lasts = _KEYS_LIFE_SECONDS if self._holds(key_id) else _KEYS_AGE_SECONDS
        return time.monotonic() - self._read_at > lasts

    def _refresh(self) -> None:
        try:
            self._keys = self._read()
        except OSError as error:
            if self._keys is None:
                raise
            log.warning("keys.kept", error=str(error))
        finally:
            self._read_at = time.monotonic()

    def _read(self) -> KeySet:
        try:
            return KeySet.import_key_set(orjson.loads(self._fetch()))
        except (urllib3.exceptions.HTTPError, ValueError, JoseError) as error:
            raise OSError(f"{self._location} gives no keys: {error}") from error

    def _fetch(self) -> bytes:
        if not self._location.startswith(("http://", "https://")):
            return Path(self._location).read_bytes()
        response = urllib3.request("GET", self._location, timeout=3.0, retries=1)
        if response.status != 200:
            raise OSError(f"{self._location} answers {response.status}")
        return response.data


class TokenVerifier(Generic[T]):
    """Verifies the gateway's signed tokens for one audience, and remembers what they say.

    :param keys: gives the key set for a key id.
    :param read: makes of a good token's claims what the caller wants of them.
    """

    def __init__(
        self,
        keys: Callable[[str | None], KeySet],
        audience: str,
        read: Callable[[Mapping[str, Any]], T],
    ) -> None:
        self._keys = keys
        self._read = read
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        # A signature takes 100 us to verify; a digest of the token 1 us.
        self._verified: TLRUCache[bytes, tuple[float, T]] = TLRUCache(
            _REMEMBERED,
            ttu=lambda _digest, known, now: min(known[0], now + _REMEMBERED_SECONDS),
            timer=time.time,
        )
        self._lock = threading.Lock()

    def verify(self, token: str) -> T:
        """What ``token`` says, once its signature and claims held.

        :raises Problem: 401, saying whether it is malformed, expired, for somebody else, or
            signed by an unknown key or in another algorithm; 503 when the keys cannot be read.
        """
        digest = hashlib.sha256(token.encode()).digest()
        with self._lock:
            known = self._verified.get(digest)
        if known is not None:
            return known[1]
        claims = _verified_claims(token, self._keys, self._claims)
        said = self._read(claims)
        with self._lock:
            self._verified[digest] = float(claims["exp"]), said
        return said


def _verified_claims(
    token: str, keys: Callable[[str | None], KeySet], registry: jwt.JWTClaimsRegistry
) -> dict[str, Any]:
    """The claims of an Ed25519 token, after its signature and each claim in ``registry`` held.

    :param keys: gives the key set for a key id.
    :raises Problem: 401 naming what is wrong with the token; 503 when the keys cannot be read.
    """
    try:
        header = orjson.loads(_segment(token))
        key_id = header.get("kid")
        if header.get("alg") != ALGORITHM:
            raise unauthorized("token-algorithm", "The token is not signed with Ed25519.")
        claims = jwt.decode(token, keys(key_id), algorithms=[ALGORITHM]).claims
        registry.validate(claims)
    except OSError as error:
        raise Problem(503, "keys-away", f"The key set cannot be read: {error}.") from None
    except JoseError as error:
        raise _token_problem(error) from None
    except (ValueError, AttributeError):
        raise unauthorized("token-malformed", "The token is malformed.") from None
    return claims


def _segment(token: str) -> bytes:
    head = token.split(".", 1)[0]
    return base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))


def _token_problem(error: JoseError) -> Problem:
    claim = getattr(error, "claim", "")
    if error.error == "expired_token":
        return unauthorized("token-expired", "The token has expired.")
    if claim == "aud":
        return unauthorized("token-audience", "The token is meant for another audience.")
    if claim:
        return unauthorized("token-claims", f"The token's claim {claim} is wrong or missing.")
    return unauthorized("token-signature", "The token's signature is not the gateway's.")
