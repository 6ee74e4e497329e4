"""How a customer behaves, in figures that are made anew whenever one of its orders changes."""

from __future__ import annotations

from sqlalchemy import Column, Date, Integer, String, Table, Uuid

from crm_chassis.database import Json
from crm_customer.tables import Tables

customer_figures = Table(
    "customer_figures",
    Tables.metadata,
    Column("customer_id", Uuid(as_uuid=False), primary_key=True),
    Column("orders", Integer, nullable=False),
    Column("order_days", Integer, nullable=False),
    Column("first_order_on", Date),
    Column("last_order_on", Date),
    Column("currency", String(3)),
    Column("spend", Json, nullable=False),
    Column("products", Json, nullable=False),
)
"""One row for each account and contact that something was told of.

``spend`` has an amount for each currency, as decimal strings; ``currency`` is that of most orders.
``products`` has the preferred ones, each with its quantity. Cancelled orders count nowhere, and
what came back counts neither in ``spend`` nor in ``products``.
"""
