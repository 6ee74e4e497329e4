"""What customer keeps of other services' data, to show it beside the customer that it is about.

Each table has the state of its aggregates; of each the largest version wins, in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    delete,
    select,
)
from sqlalchemy.orm import Session

from crm_chassis.database import Money, UTCDateTime, insert_into
from crm_chassis.events import Event, Voided
from crm_chassis.replicas import forget_gone, upsert_newer
from crm_customer.tables import Tables

_metadata = Tables.metadata

Customers = dict[str, str]
"""Ids of customers, and of each what it is: account or contact."""
_Pair = tuple[str | None, str | None]


def _kept(name: str, *own: Column[Any] | Index) -> Table:
    """A table of aggregates that somebody owns and that are about a customer."""
    return Table(
        f"replica_{name}",
        _metadata,
        Column("id", Uuid(as_uuid=False), primary_key=True),
        Column("account_id", Uuid(as_uuid=False)),
        Column("contact_id", Uuid(as_uuid=False)),
        Column("owner_id", Uuid(as_uuid=False)),
        Column("team_id", Uuid(as_uuid=False)),
        *own,
        Column("sequence", Integer, nullable=False),
    )


def _newest_of_each(name: str, *order: str) -> tuple[Index, Index]:
    """An index for the customer's rows in some order, for accounts and for contacts."""
    return (
        Index(f"replica_{name}_by_account", "account_id", *order, "id"),
        Index(f"replica_{name}_by_contact", "contact_id", *order, "id"),
    )


orders = _kept(
    "orders",
    Column("number", String(32), nullable=False),
    Column("status", String(20), nullable=False),
    Column("return_status", String(10), nullable=False),
    Column("payment_overdue", Boolean, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total", Money, nullable=False),
    Column("paid_amount", Money, nullable=False),
    Column("returned_amount", Money, nullable=False),
    Column("placed_on", Date, nullable=False),
    Column("placed_at", UTCDateTime, nullable=False),
    Column("campaign_id", Uuid(as_uuid=False)),
    *_newest_of_each("orders", "placed_on"),
)

order_lines = Table(
    "replica_order_lines",
    _metadata,
    Column("order_id", Uuid(as_uuid=False), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("line_id", Uuid(as_uuid=False)),
    Column("product_id", Uuid(as_uuid=False)),
    Column("product_name", Text),
    Column("quantity", Money, nullable=False),
    Column("total", Money, nullable=False),
)
"""The lines of an order as it was at the version that ``sequence`` says."""

order_returns = Table(
    "replica_order_returns",
    _metadata,
    Column("return_id", Uuid(as_uuid=False), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("order_id", Uuid(as_uuid=False), nullable=False),
    Column("line_id", Uuid(as_uuid=False)),
    Column("quantity", Money, nullable=False),
    Column("amount", Money, nullable=False),
    Column("event_id", Uuid(as_uuid=False)),
    Index("replica_order_returns_by_order", "order_id"),
)
"""What came back of an order's lines; a return is a fact, which never changes."""

deals = _kept(
    "deals",
    Column("name", String(200), nullable=False),
    Column("pipeline", String(64), nullable=False),
    Column("stage", String(64), nullable=False),
    Column("stage_type", String(10), nullable=False),
    Column("probability", Integer, nullable=False),
    Column("amount", Money),
    Column("currency", String(3)),
    Column("opened_on", Date),
    Column("expected_close_on", Date),
    Column("closed_on", Date),
    Column("lost_reason", String(100)),
    Column("next_step", Text),
    Column("next_step_on", Date),
    Column("campaign_id", Uuid(as_uuid=False)),
    *_newest_of_each("deals", "closed_on"),
)

tickets = _kept(
    "tickets",
    Column("number", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("type", String(20), nullable=False),
    Column("priority", String(10), nullable=False),
    Column("status", String(20), nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("opened_at", UTCDateTime, nullable=False),
    Column("resolved_at", UTCDateTime),
    Column("closed_on", Date),
    *_newest_of_each("tickets", "opened_on"),
)

tasks = _kept(
    "tasks",
    Column("title", Text, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("status", String(10), nullable=False),
    Column("priority", String(10), nullable=False),
    Column("due_at", UTCDateTime),
    Column("due_on", Date),
    Column("related_type", String(64)),
    Column("related_id", Uuid(as_uuid=False)),
    Column("completed_at", UTCDateTime),
    *_newest_of_each("tasks", "status", "due_on"),
)

leads = _kept(
    "leads",
    Column("status", String(20), nullable=False),
    Column("source", String(100)),
    Column("created_on", Date, nullable=False),
    Column("converted_on", Date),
    Column("campaign_id", Uuid(as_uuid=False)),
    *_newest_of_each("leads", "created_on"),
)

campaigns = Table(
    "replica_campaigns",
    _metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("channel", String(64)),
    Column("status", String(20), nullable=False),
    Column("starts_on", Date),
    Column("ends_on", Date),
    Column("owner_id", Uuid(as_uuid=False)),
    Column("team_id", Uuid(as_uuid=False)),
    Column("sequence", Integer, nullable=False),
)

TOUCHING = (orders, deals, leads)
"""What a campaign reaches a customer through."""

for _table in TOUCHING:
    Index(f"{_table.name}_touched_accounts", _table.c.account_id, _table.c.campaign_id)
    Index(f"{_table.name}_touched_contacts", _table.c.contact_id, _table.c.campaign_id)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the state of a noun is kept.

    :ivar renamed: columns that the event calls otherwise.
    """

    table: Table
    renamed: Mapping[str, str] = field(default_factory=dict)

    def row(self, event: Event) -> dict[str, Any]:
        values = {
            column.name: _value(column, event.data.get(self.renamed.get(column.name, column.name)))
            for column in self.table.c
        }
        return values | {"id": event.subject, "sequence": event.sequence}


SOURCES = {
    "order": Source(orders),
    "opportunity": Source(deals),
    "ticket": Source(tickets, {"owner_id": "assignee_id"}),
    "task": Source(tasks),
    "lead": Source(leads),
    "campaign": Source(campaigns),
}
"""In the order in which every worker takes its locks, so that they never wait in a ring."""


def noun_of(event: Event) -> str:
    """What an event is about: ``order`` for ``crm.sales.order.paid.v1``."""
    return event.type.split(".")[2]


def _value(column: Column[Any], raw: Any) -> Any:
    if raw is None:
        return None
    match column.type:
        case Money():
            return Decimal(raw)
        case Date():
            return date.fromisoformat(raw)
        case UTCDateTime():
            return datetime.fromisoformat(raw)
    return raw


def keep(session: Session, events: Sequence[Event]) -> Customers:
    """Take the states that events tell of.

    :returns: the customers that they are about, and those that they were about before.
    """
    by_noun: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_noun[noun_of(event)].append(event)
    customers: Customers = {}
    for noun, source in SOURCES.items():
        told = by_noun.get(noun)
        if not told:
            continue
        rows = [source.row(event) for event in told]
        if source.table is not campaigns:
            customers |= _customers_of(session, source.table, rows)
        upsert_newer(session, source.table, rows)
        if source.table is orders:
            _keep_lines(session, told)
            _keep_returns(session, told)
    return customers


def forget(session: Session, voided: Sequence[Voided]) -> Customers:
    """Forget what is gone, and returns that only void events told of.

    :returns: the customers that these events were about.
    """
    subjects, events = {each.subject for each in voided}, {each.id for each in voided}
    customers: Customers = {}
    tables = [source.table for source in SOURCES.values()]
    for table in tables:
        if table is not campaigns:
            customers |= _named(_standing(session, table, subjects))
    forget_gone(session, voided, *tables)
    session.execute(delete(order_returns).where(order_returns.c.event_id.in_(events)))
    gone = {each.subject for each in voided if each.gone}
    for table in (order_lines, order_returns):
        session.execute(delete(table).where(table.c.order_id.in_(gone)))
    return customers


def _customers_of(session: Session, table: Table, rows: Iterable[Mapping[str, Any]]) -> Customers:
    pairs = {(row["account_id"], row["contact_id"]) for row in rows}
    return _named(pairs | _standing(session, table, {row["id"] for row in rows}))


def _standing(session: Session, table: Table, ids: Collection[str]) -> set[_Pair]:
    found = select(table.c.account_id, table.c.contact_id).where(table.c.id.in_(ids))
    return set(session.execute(found).tuples())


def _named(pairs: Iterable[_Pair]) -> Customers:
    found: Customers = {}
    for account_id, contact_id in pairs:
        if account_id:
            found[account_id] = "account"
        if contact_id:
            found[contact_id] = "contact"
    return found


def _keep_lines(session: Session, told: Sequence[Event]) -> None:
    lines = [
        {
            "order_id": event.subject,
            "sequence": event.sequence,
            "position": position,
            "line_id": line["id"],
            "product_id": line["product_id"],
            "product_name": line["product_name"],
            "quantity": Decimal(line["quantity"]),
            "total": Decimal(line["total"]),
        }
        for event in told
        for position, line in enumerate(event.data["lines"])
    ]
    insert_new(session, order_lines, lines)
    present = select(orders.c.sequence).where(orders.c.id == order_lines.c.order_id)
    session.execute(
        delete(order_lines).where(
            order_lines.c.order_id.in_({event.subject for event in told}),
            order_lines.c.sequence < present.scalar_subquery(),
        )
    )


def _keep_returns(session: Session, told: Sequence[Event]) -> None:
    changes = [(event, event.data.get("change") or {}) for event in told]
    returned = [
        {
            "return_id": change["return_id"],
            "position": position,
            "order_id": event.subject,
            "line_id": line["line_id"],
            "quantity": Decimal(line["quantity"]),
            "amount": Decimal(line["amount"]),
            "event_id": event.id,
        }
        for event, change in changes
        if "return_id" in change
        for position, line in enumerate(change["lines"])
    ]
    insert_new(session, order_returns, returned)


def insert_new(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows whose key is not there yet."""
    if not rows:
        return
    key = tuple(column.name for column in table.primary_key.columns)
    rows.sort(key=lambda row: tuple(row[name] for name in key))
    session.execute(insert_into(session, table).on_conflict_do_nothing(), rows)
