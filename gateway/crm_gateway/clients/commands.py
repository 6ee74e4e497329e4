"""What can be done with API clients."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.database import utc_now
from crm_chassis.operations.administration import record_act
from crm_chassis.problems import invalid, not_found
from crm_gateway.authority import require_no_more
from crm_gateway.clients.models import Client
from crm_gateway.roles.models import combined
from crm_gateway.roles.queries import roles_named
from crm_gateway.sign_in.commands import end_sessions
from crm_gateway.sign_in.passwords import digest, new_secret
from crm_gateway.teams.models import Team


def create(session: Session, principal: Principal, values: dict[str, Any]) -> Client:
    """Add an API client, which can sign in once a secret is made.

    :raises Problem: 403 for rights beyond ``principal``'s own; 422 for a team or role that does
        not exist.
    """
    client = Client(name=values["name"], own_grants={}, assigned=[])
    _set(session, principal, client, values)
    session.add(client)
    return client


def change(session: Session, principal: Principal, client: Client, changes: dict[str, Any]) -> None:
    """Change the given fields.

    :raises Problem: as :func:`create`; and 403 for a client with more rights than ``principal``.
    """
    require_no_more(principal, client.grants)
    _set(session, principal, client, changes)
    if not client.active:
        end_sessions(session, client.id)


def _set(session: Session, principal: Principal, client: Client, values: dict[str, Any]) -> None:
    team_id = values.get("team_id")
    if team_id is not None and session.get(Team, team_id) is None:
        raise invalid(("team_id", "No such team."))
    roles = roles_named(session, values["roles"]) if "roles" in values else client.assigned
    own_grants = values.get("own_grants", client.own_grants)
    require_no_more(principal, combined([own_grants, *(role.grants for role in roles)]))
    plain = {name: value for name, value in values.items() if name != "roles"}
    change_fields(client, plain)
    if roles != client.assigned:
        client.assigned = roles
        client.updated_at = utc_now()


def make_secret(session: Session, principal: Principal, client: Client, overlap: timedelta) -> str:
    """A new secret, which is told this once.

    :param overlap: for so long the secret before stays good too; without it, that secret and its
        sessions are over.
    :raises Problem: 403 for a client with more rights than ``principal``.
    """
    require_no_more(principal, client.grants)
    secret = new_secret()
    client.former_digest = client.secret_digest if overlap else None
    client.former_until = utc_now() + overlap if client.former_digest else None
    client.secret_digest = digest(secret)
    if not overlap:
        end_sessions(session, client.id)
    record_act(
        session,
        "client.make_secret",
        f"/v1/clients/{client.id}",
        {"overlap_seconds": int(overlap.total_seconds())},
        actor=principal.id,
    )
    return secret


def end_former_secret(session: Session, principal: Principal, client: Client) -> None:
    """Let the secret before the newest be good no longer, and end the sessions.

    :raises Problem: 403 for a client with more rights than ``principal``; 404 when there is none.
    """
    require_no_more(principal, client.grants)
    if client.former_until is None or client.former_until <= utc_now():
        raise not_found("secret")
    client.former_digest = client.former_until = None
    end_sessions(session, client.id)  # which secret opened one, nobody knows
