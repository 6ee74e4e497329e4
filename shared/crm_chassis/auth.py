"""Who asks, what they may do, which rows they see, and which fields are masked for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from flask import g, request
from sqlalchemy import Boolean, ColumnElement, FromClause, Select, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from crm_chassis import directory
from crm_chassis.problems import Problem
from crm_chassis.tokens import TokenVerifier, unauthorized

Scope = Literal["own", "team", "subtree", "all"]
SCOPES: tuple[Scope, ...] = ("own", "team", "subtree", "all")
"""How far a permission reaches, narrowest first."""


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


def forbidden(permission: str) -> Problem:
    """The principal is known and may not do this."""
    return Problem(403, "forbidden", f"This needs the permission {permission}.")


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """The principal that a token of the gateway's names."""
    return Principal(
        id=claims["sub"],
        name=claims.get("name", ""),
        kind=claims.get("kind", "user"),
        team_id=claims.get("team"),
        roles=tuple(claims.get("roles", ())),
        grants=claims.get("grants", {}),
    )


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
    verifier: TokenVerifier[Principal] = g.service.tokens
    return verifier.verify(token.strip())


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
    teams: FromClause = directory.teams,
) -> ColumnElement[bool]:
    """The condition on owned rows that a principal may reach with a permission.

    :param teams: where the teams are, if not in the replica.
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
    below = directory.subtree(principal.team_id, teams).scalar_subquery()
    return or_(own, _AmongTeams(team.expression, below))


def visible(statement: Select[T], model: Any, permission: str) -> Select[T]:
    """``statement`` less the rows of ``model`` that the current principal may not reach."""
    condition = rows_in_scope(current_principal(), permission, model.owner_id, model.team_id)
    return statement.where(condition)


def masked(value: str) -> str:
    """A phone number for those without the right to it: its last four digits."""
    digits = [character for character in value if character.isdigit()]
    return "*" * 4 + "".join(digits[-4:]) if len(digits) > 4 else "*" * 4
