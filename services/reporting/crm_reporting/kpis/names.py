"""What the members of a dimension are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_reporting.projections.tables import STANDING

NONE = "(none)"
_TABLES: Mapping[str, Table] = {
    "person": directory.users,
    "team": directory.teams,
    "product": STANDING["products"],
    "account": STANDING["accounts"],
    "campaign": STANDING["campaigns"],
}


def names(session: Session, dimension: str | None, members: Iterable[str]) -> dict[str, str]:
    """Member to its name; one that is not known by name is called by its id."""
    ids = sorted(set(members))
    found = {id_: id_ or NONE for id_ in ids}
    if dimension == "stage":
        return found | {id_: id_.rpartition("/")[2] for id_ in ids if id_}
    table = _TABLES.get(dimension or "")
    if table is None:
        return found
    known = session.execute(
        select(table.c.id, table.c.name).where(table.c.id.in_([id_ for id_ in ids if id_]))
    )
    return found | {id_: name for id_, name in known if name is not None}
