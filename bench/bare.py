"""The least that can store an account with its event: Flask, SQLAlchemy, two rows, one commit."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from flask import Flask, jsonify, request
from sqlalchemy import JSON, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Tables(DeclarativeBase):
    type_annotation_map = {list[str]: JSON}


class Account(Tables):
    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    name: Mapped[str]
    kind: Mapped[str]
    industry: Mapped[str]
    region: Mapped[str]
    level: Mapped[str]
    phones: Mapped[list[str]]
    emails: Mapped[list[str]]
    addresses: Mapped[list[str]]
    website: Mapped[str]
    employees: Mapped[int]
    annual_revenue: Mapped[Decimal]
    currency: Mapped[str]
    source: Mapped[str]


class Outbox(Tables):
    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]


NEW_ACCOUNT = {
    "name": "Hangzhou Bright Optics",
    "kind": "business",
    "industry": "manufacturing",
    "region": "East China",
    "level": "B",
    "phones": ["+8657155500142"],
    "emails": ["office@brightoptics.example"],
    "addresses": ["18 Wenyi Road, Hangzhou"],
    "website": "https://brightoptics.example",
    "employees": 420,
    "annual_revenue": "18500000.00",
    "currency": "USD",
    "source": "trade fair",
}
"""What is sent, here and to the customer service."""


def store(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    """Add an account and its event; gives the account as it is answered."""
    now = datetime.now(UTC)
    account = Account(id=str(uuid4()), version=1, created_at=now, updated_at=now, **values)
    answer = {"id": account.id, "version": 1, "created_at": now.isoformat(), **values}
    session.add(account)
    session.add(Outbox(id=str(uuid4()), body=json.dumps(answer)))
    return answer


def create_app() -> Flask:
    """An application with one view, on the database in ``DATABASE_URL``."""
    engine = create_engine(os.environ["DATABASE_URL"], pool_size=20)
    Tables.metadata.create_all(engine)
    app = Flask(__name__)

    @app.post("/v1/accounts")
    def create() -> Any:
        given = request.get_json()
        values = {name: given[name] for name in NEW_ACCOUNT}
        with Session(engine) as session, session.begin():
            answer = store(session, values)
        return jsonify(answer), 201

    return app
