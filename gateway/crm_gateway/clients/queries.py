"""Questions about API clients."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crm_chassis.problems import not_found
from crm_gateway.clients.models import Client


def client(session: Session, client_id: object) -> Client:
    """:raises Problem: 404."""
    found = session.get(Client, str(client_id))
    if found is None:
        raise not_found("client")
    return found
