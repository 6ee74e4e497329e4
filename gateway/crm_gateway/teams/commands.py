"""What can be done with teams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.imports import Row, upsert
from crm_chassis.operations.administration import record_act
from crm_chassis.problems import conflict, invalid
from crm_gateway import events
from crm_gateway.teams.models import Team
from crm_gateway.teams.queries import root_id


def create(session: Session, values: dict[str, Any]) -> Team:
    """Add a team, below the root where nothing else is said.

    :raises Problem: 422 when there is no such parent.
    """
    parent_id = values.get("parent_id") or root_id(session)
    _require_team(session, parent_id)
    team = Team(**{**values, "parent_id": parent_id})
    session.add(team)
    events.team_created(session, team)
    return team


def change(session: Session, team: Team, changes: dict[str, Any]) -> bool:
    """Rename a team, or move it with all that is below it.

    :returns: False when everything was so already; then nothing is told.
    :raises Problem: 422 when there is no such parent; 409 when it would stand below itself.
    """
    if changes.get("parent_id", team.parent_id) != team.parent_id:
        _require_place(session, team, changes["parent_id"])
    if not change_fields(team, changes):
        return False
    events.team_changed(session, team)
    return True


def _require_team(session: Session, team_id: str) -> None:
    if session.get(Team, team_id) is None:
        raise invalid(("parent_id", "No such team."))


def _require_place(session: Session, team: Team, parent_id: str) -> None:
    root_id(session, lock=True)  # two moves at once could each be right, and a circle together
    _require_team(session, parent_id)
    if _stands_below(session, parent_id, team.id):
        raise conflict("A team cannot stand below itself.")


def _stands_below(session: Session, team_id: str, other_id: str) -> bool:
    """True for the other team itself, too."""
    below = select(Team.id).where(
        Team.id == team_id, Team.id.in_(directory.subtree(other_id, Team.__table__))
    )
    return session.scalar(below) is not None


def import_rows(session: Session, _principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert teams by ``external_id`` or ``name``; a parent may come after its children."""
    waiting = list(rows)
    record_act(session, "team.import", detail={"rows": len(rows)})
    while waiting:
        parents = {row.values["parent"] for row in waiting if "parent" in row.values}
        known = directory.find(session, Team.__table__, parents)
        ready = [row for row in waiting if row.values.get("parent") in {None, *known}]
        if not ready:
            for row in waiting:
                row.refuse("parent", "No such team, or several of this name.")
            return
        for row in ready:
            if parent := row.values.pop("parent", None):
                row.values["parent_id"] = known[parent]
        upsert(session, Team, key, ready, create=create, change=change)
        session.flush()
        waiting = [row for row in waiting if row not in ready]
