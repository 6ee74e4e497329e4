"""The replica of users and teams that every service keeps from the gateway's events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    FromClause,
    Index,
    Integer,
    Select,
    String,
    Table,
    Uuid,
    select,
)
from sqlalchemy.orm import Session

from crm_chassis.database import chassis_metadata
from crm_chassis.events import Event
from crm_chassis.merged_keys import current_keys
from crm_chassis.replicas import upsert_newer

teams = Table(
    "directory_teams",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("external_id", String(200)),
    Column("name", String(200), nullable=False),
    Column("parent_id", Uuid(as_uuid=False)),
    Column("sequence", Integer, nullable=False),
    Index("directory_teams_parent", "parent_id"),
    Index("directory_teams_name", "name"),
)

users = Table(
    "directory_users",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("external_id", String(200)),
    Column("name", String(200), nullable=False),
    Column("team_id", Uuid(as_uuid=False)),
    Column("active", Boolean, nullable=False),
    Column("sequence", Integer, nullable=False),
    Index("directory_users_team", "team_id"),
    Index("directory_users_name", "name"),
)


def on_team(session: Session, events: Sequence[Event]) -> None:
    """Keep teams: their names and their place in the tree."""
    upsert_newer(session, teams, (_row(event, "name", "parent_id") for event in events))


def on_user(session: Session, events: Sequence[Event]) -> None:
    """Keep users: their names and teams."""
    upsert_newer(session, users, (_row(event, "name", "team_id", "active") for event in events))


def _row(event: Event, *fields: str) -> dict[str, Any]:
    data = event.data
    return {
        "id": event.subject,
        "external_id": data.get("external_id"),
        "sequence": event.sequence,
        **{field: data[field] for field in fields},
    }


SUBSCRIPTIONS = {
    "crm.gateway.team.created.v1": on_team,
    "crm.gateway.team.changed.v1": on_team,
    "crm.gateway.user.created.v1": on_user,
    "crm.gateway.user.changed.v1": on_user,
}


@lru_cache(maxsize=1000)
def subtree(team_id: str, table: FromClause = teams) -> Select[tuple[str]]:
    """The ids of a team and of every team below it, as a subquery.

    It is the same one for the same team: a statement that has it several times has it once.

    :param table: where the teams are, if not in the replica.
    """
    columns = table.c
    tree = select(columns.id).where(columns.id == team_id).cte("subtree", recursive=True)
    tree = tree.union(select(columns.id).join(tree, columns.parent_id == tree.c.id))
    return select(tree.c.id)


def teams_above(team_id: str | None) -> Select[tuple[str]]:
    """The ids of a team and of every team above it, as a subquery."""
    line = select(teams.c.id, teams.c.parent_id).where(teams.c.id == team_id)
    above = line.cte("teams_above", recursive=True)
    upper = select(teams.c.id, teams.c.parent_id).join(above, teams.c.id == above.c.parent_id)
    return select(above.union(upper).c.id)


def teams_of(session: Session, user_ids: Iterable[str | None]) -> dict[str, str | None]:
    """The team of each user that this service knows."""
    wanted = {user_id for user_id in user_ids if user_id}
    rows = session.execute(select(users.c.id, users.c.team_id).where(users.c.id.in_(wanted)))
    return dict(rows.tuples().all())


def active_users(session: Session, user_ids: Iterable[str]) -> dict[str, str | None]:
    """The team of each of these users who may be given something to do."""
    wanted = set(user_ids)
    if not wanted:
        return {}
    columns = users.c
    active = select(columns.id, columns.team_id).where(columns.id.in_(wanted), columns.active)
    return dict(session.execute(active).tuples().all())


def find(session: Session, table: FromClause, names: Iterable[str]) -> dict[str, str]:
    """Ids of a table's rows by external id or, where that is not one, by exact name.

    A name that several share is left out: it names nobody for certain. Of what was merged into
    another the id is that of the other.
    """
    wanted = set(names)
    columns = table.c
    rows = session.execute(
        select(columns.id, columns.name, columns.external_id).where(
            columns.name.in_(wanted) | columns.external_id.in_(wanted)
        )
    ).all()
    current = current_keys(session, (row.id for row in rows))
    sharing = Counter(name for name, _ in {(row.name, current[row.id]) for row in rows})
    by_name = {row.name: current[row.id] for row in rows if sharing[row.name] == 1}
    by_key = {row.external_id: current[row.id] for row in rows if row.external_id}
    return by_name | by_key
