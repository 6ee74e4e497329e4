"""What a new installation starts with: roles, the root of the teams, an administrator."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.database import Database
from crm_gateway import events
from crm_gateway.roles.models import Role
from crm_gateway.roles.shipped import ADMIN, SHIPPED_ROLES
from crm_gateway.settings import GatewaySettings
from crm_gateway.sign_in.passwords import hash_password, new_secret
from crm_gateway.teams.models import Team
from crm_gateway.users.models import User
from crm_gateway.users.queries import user_by_email

ROOT_TEAM = "Company"


@dataclass(frozen=True, slots=True)
class Administrator:
    """The administrator that was made.

    :ivar password: as set, or as made up; it is stored as a hash only, so tell it now.
    """

    email: str
    password: str


def first_start(database: Database, settings: GatewaySettings) -> Administrator | None:
    """Make what is missing; what is there stays as it is.

    :returns: None when there was an administrator of this address before.
    """
    with database.transaction() as session:
        _add_roles(session)
        root = _root_team(session)
        return _add_administrator(session, settings, root)


def _add_roles(session: Session) -> None:
    known = set(session.scalars(select(Role.name)))
    for shipped in SHIPPED_ROLES:
        if shipped.name not in known:
            session.add(
                Role(
                    name=shipped.name, description=shipped.description, grants=dict(shipped.grants)
                )
            )
    session.flush()


def _root_team(session: Session) -> Team:
    root = session.scalars(select(Team).where(Team.parent_id.is_(None))).one_or_none()
    if root is None:
        root = Team(name=ROOT_TEAM, parent_id=None)
        session.add(root)
        session.flush()
        events.team_created(session, root)
    return root


def _add_administrator(
    session: Session, settings: GatewaySettings, root: Team
) -> Administrator | None:
    email = settings.admin_email.strip().lower()
    if user_by_email(session, email) is not None:
        return None
    password = settings.admin_password or new_secret()
    administrator = User(
        name="Administrator",
        email=email,
        password_hash=hash_password(password),
        team_id=root.id,
        assigned=list(session.scalars(select(Role).where(Role.name == ADMIN))),
    )
    session.add(administrator)
    events.user_created(session, administrator)
    return Administrator(email, password)
