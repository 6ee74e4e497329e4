"""The composition root: all that customer is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from crm_chassis.service import Definition, create_service
from crm_chassis.settings import Settings
from crm_customer import __version__
from crm_customer.accounts import api as accounts
from crm_customer.contacts import api as contacts
from crm_customer.subscriptions import SUBSCRIPTIONS
from crm_customer.tables import Tables

_RESOURCES = (accounts, contacts)

DEFINITION = Definition(
    name="customer",
    version=__version__,
    metadata=Tables.metadata,
    migrations=Path(__file__).parents[1] / "migrations",
    blueprints=[resource.blueprint for resource in _RESOURCES],
    subscriptions=SUBSCRIPTIONS,
    importers=[resource.IMPORTER for resource in _RESOURCES],
    exports=[resource.EXPORT for resource in _RESOURCES],
)


def create_app(settings: Settings | None = None, **parts: Any) -> Flask:
    """The customer service; ``parts`` are those of :func:`crm_chassis.service.create_service`."""
    return create_service(DEFINITION, __name__, settings, **parts)
