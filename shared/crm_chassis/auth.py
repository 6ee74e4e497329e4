"""Who asks, what they may do, which rows they see, and which fields are masked for them."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import orjson
import structlog
import urllib3
from flask import g, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import Boolean, ColumnElement, Select, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from crm_chassis import directory
from crm_chassis.problems import Problem

log = structlog.get_logger(__name__)

Scope = Literal["own", "team", "subtree", "all"]
SCOPES: tuple[Scope, ...] = ("own", "team", "subtree", "all")
"""How far a permission reaches, narrowest first."""

ISSUER = "crm-gateway"
ALGORITHM = "Ed25519"
_CACHED_TOKENS = 10_000
_CACHED_SECONDS = 60.0
_KEYS_AGE_SECONDS = 10.0  # at least, before they are read again for one that is unknown
_KEYS_LIFE_SECONDS = 120.0  # so that a key that is not published any more is not trusted for long


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or an API client that asks.

    :ivar grants: permission, or a pattern ending in ``*``, to the scope it is granted for.
    """

    id: str
    name: str
    kind: Literal["user", "client"]
    team_id: str | None
    roles: tuple[str, ...] = ()
    grants: Mapping[str, Scope] = field(default_factory=dict)

    def scope_of(self, permission: str) -> Scope | None:
        """The widest scope in which ``permission`` is granted, or None."""
        words = permission.split(".")
        patterns = [permission, "*", *(".".join(words[:n]) + ".*" for n in range(1, len(words)))]
        granted = [self.grants[pattern] for pattern in patterns if pattern in self.grants]
        return max(granted, key=SCOPES.index, default=None)

    def may(self, permission: str) -> bool:
        """True when ``permission`` is granted in any scope; for rights on fields."""
        return self.scope_of(permission) is not None


def unauthorized(code: str, detail: str) -> Problem:
    """The request does not prove who asks."""
    challenge = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{detail}"'}
    return Problem(401, code, detail, headers=challenge)


def forbidden(permission: str) -> Problem:
    """The principal is known and may not do this."""
    return Problem(403, "forbidden", f"This needs the permission {permission}.")


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


class TokenVerifier:
    """Verifies the gateway's signed tokens for one audience; remembers those it has verified."""

    def __init__(self, source: KeySource, audience: str) -> None:
        self._source = source
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._verified: dict[bytes, tuple[float, Principal]] = {}

    def principal(self, token: str) -> Principal:
        """The principal a token names.

        :raises Problem: 401, saying whether it is malformed, expired, for somebody else, or
            signed by an unknown key or in another algorithm; 503 when the keys cannot be read.
        """
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._verified.get(digest)
        if cached is not None and cached[0] > time.time():
            return cached[1]
        claims = self._verify(token)
        principal = Principal(
            id=claims["sub"],
            name=claims.get("name", ""),
            kind=claims.get("kind", "user"),
            team_id=claims.get("team"),
            roles=tuple(claims.get("roles", ())),
            grants=claims.get("grants", {}),
        )
        if len(self._verified) >= _CACHED_TOKENS:
            self._verified.clear()
        # Not for longer, whatever it says: its key may be one that got out.
        good_until = min(float(claims["exp"]), time.time() + _CACHED_SECONDS)
        self._verified[digest] = (good_until, principal)
        return principal

    def _verify(self, token: str) -> dict[str, Any]:
        return verify_token(token, self._source.keys, self._claims)


def verify_token(
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


def current_principal() -> Principal:
    """Who sent the current request.

    :raises Problem: 401 when that is not proven.
    """
    principal = g.get("principal")
    if principal is None:
        principal = g.principal = _authenticate()
    return cast(Principal, principal)


def _authenticate() -> Principal:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("token-missing", "The request carries no bearer token.")
    verifier: TokenVerifier = g.service.tokens
    return verifier.principal(token.strip())


def require(permission: str) -> Scope:
    """The scope in which the current principal may do this.

    :raises Problem: 401 or 403.
    """
    scope = current_principal().scope_of(permission)
    if scope is None:
        raise forbidden(permission)
    return scope


T = TypeVar("T", bound=tuple[Any, ...])


class _AmongTeams(ColumnElement[bool]):
    """That a team is one of those that a query gives.

    PostgreSQL reads ``IN (query)`` beside an ``OR`` as a filter on every row; an array of what the
    query gives, made once, it looks up in an index.
    """

    inherit_cache = True
    _traverse_internals = [
        ("team", InternalTraversal.dp_clauseelement),
        ("teams", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, team: ColumnElement[Any], teams: ColumnElement[Any]) -> None:
        self.team = team
        self.teams = teams
        self.type = Boolean()


@compiles(_AmongTeams)
def _in_query(element: _AmongTeams, compiler: SQLCompiler, **kwargs: Any) -> str:
    team, teams = (compiler.process(part, **kwargs) for part in (element.team, element.teams))
    return f"{team} IN {teams}"


@compiles(_AmongTeams, "postgresql")
def _in_array(element: _AmongTeams, compiler: SQLCompiler, **kwargs: Any) -> str:
    team, teams = (compiler.process(part, **kwargs) for part in (element.team, element.teams))
    return f"{team} = ANY (ARRAY{teams})"


def rows_in_scope(
    principal: Principal,
    permission: str,
    owner: InstrumentedAttribute[Any],
    team: InstrumentedAttribute[Any],
) -> ColumnElement[bool]:
    """The condition on owned rows that a principal may reach with a permission.

    :raises Problem: 403 when the permission is not granted at all.
    """
    scope = principal.scope_of(permission)
    if scope is None:
        raise forbidden(permission)
    if scope == "all":
        return true()
    own = owner == principal.id
    if scope == "own" or principal.team_id is None:
        return own
    if scope == "team":
        return or_(own, team == principal.team_id)
    teams = directory.subtree(principal.team_id).scalar_subquery()
    return or_(own, _AmongTeams(team.expression, teams))


def visible(statement: Select[T], model: Any, permission: str) -> Select[T]:
    """``statement`` less the rows of ``model`` that the current principal may not reach."""
    condition = rows_in_scope(current_principal(), permission, model.owner_id, model.team_id)
    return statement.where(condition)


def masked(value: str) -> str:
    """A phone number for those without the right to it: its last four digits."""
    digits = [character for character in value if character.isdigit()]
    return "*" * 4 + "".join(digits[-4:]) if len(digits) > 4 else "*" * 4
