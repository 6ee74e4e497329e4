"""The columns that aggregates share, and the ways to load one and to give it to somebody."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from crm_chassis import directory
from crm_chassis.auth import Principal, current_principal, forbidden, visible
from crm_chassis.database import Id, Instant, Key, Version, new_id, utc_now
from crm_chassis.problems import invalid, not_found
from crm_chassis.web import check_version


class Versioned:
    """Key, version and times of an aggregate. Two writers of one version: the second one fails."""

    id: Mapped[Key] = mapped_column(default=new_id)
    version: Mapped[Version]
    created_at: Mapped[Instant] = mapped_column(default=utc_now)
    updated_at: Mapped[Instant] = mapped_column(default=utc_now, onupdate=utc_now)

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        # What the database would fill in is for the rows of an older release: here every column has
        # a default of its own, and asking for the database's would cost many inserts their batch.
        return {"version_id_col": cls.version, "eager_defaults": False}


class Owned:
    """Whose an aggregate is; a permission's scope is held against these."""

    owner_id: Mapped[Id | None]
    team_id: Mapped[Id | None]


A = TypeVar("A", bound=Versioned)


def visible_one(
    session: Session, model: type[A], key: object, permission: str, *, lock: bool = False
) -> A:
    """The aggregate with this key, if the current principal may reach it with the permission.

    :param lock: keep others from changing it until the transaction ends.
    :raises Problem: 404, whether it is not there or not visible.
    """
    statement: Select[tuple[A]] = visible(
        select(model).where(model.id == str(key)), model, permission
    )
    found = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if found is None:
        raise not_found(model.__name__.lower())
    return found


def visible_to_change(session: Session, model: type[A], key: object, permission: str) -> A:
    """Like :func:`visible_one`, for a client that has seen the version it changes.

    :raises Problem: 404 or 412.
    """
    found = visible_one(session, model, key, permission)
    check_version(found)
    return found


def assign(
    session: Session,
    entity: Owned,
    owner_id: str | None,
    permission: str,
    field: str = "owner_id",
) -> None:
    """Give an aggregate to a user, whose team becomes its team.

    :param field: what the request calls the owner.
    :raises Problem: 422 for a user nobody has told of, or who is not active; 403 for one out of
        the permission's scope.
    """
    principal = current_principal()
    if owner_id is None or owner_id == principal.id:
        entity.owner_id = principal.id if owner_id else None
        entity.team_id = principal.team_id if owner_id else None
        return
    active = directory.active_users(session, [owner_id])
    if owner_id not in active:
        raise invalid((field, "No such user."))
    team_id = active[owner_id]
    if not _reaches(session, principal, permission, team_id):
        raise forbidden(f"{permission} for that user's team")
    entity.owner_id, entity.team_id = owner_id, team_id


def _reaches(session: Session, principal: Principal, permission: str, team_id: str | None) -> bool:
    scope = principal.scope_of(permission)
    if scope == "all":
        return True
    if scope in (None, "own") or principal.team_id is None or team_id is None:
        return False
    if scope == "team":
        return team_id == principal.team_id
    return team_id in session.scalars(directory.subtree(principal.team_id)).all()


def default_owner(principal: Principal) -> str | None:
    """Who owns what a principal creates: a user owns it, an API client leaves it to nobody."""
    return principal.id if principal.kind == "user" else None


def owned_by(principal: Principal) -> dict[str, str | None]:
    """Owner and team of what a principal brings in by a file that names nobody."""
    return {"owner_id": default_owner(principal), "team_id": principal.team_id}


def change_fields(entity: object, changes: dict[str, Any]) -> bool:
    """Set the given attributes.

    :returns: True when at least one of them was different.
    """
    different = {name: value for name, value in changes.items() if getattr(entity, name) != value}
    for name, value in different.items():
        setattr(entity, name, value)
    return bool(different)
