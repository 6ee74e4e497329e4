"""The composition root: all that sales is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from crm_chassis.service import Definition, create_service
from crm_chassis.settings import Settings
from crm_sales import __version__
from crm_sales.leads import api as leads
from crm_sales.opportunities import api as opportunities
from crm_sales.products import api as products
from crm_sales.subscriptions import SUBSCRIPTIONS
from crm_sales.tables import Tables
from crm_sales.targets import api as targets

_RESOURCES = (leads, opportunities, products, targets)

DEFINITION = Definition(
    name="sales",
    version=__version__,
    metadata=Tables.metadata,
    migrations=Path(__file__).parents[1] / "migrations",
    blueprints=[resource.blueprint for resource in _RESOURCES],
    subscriptions=SUBSCRIPTIONS,
    importers=[resource.IMPORTER for resource in _RESOURCES],
    exports=[resource.EXPORT for resource in _RESOURCES],
)


def create_app(settings: Settings | None = None, **parts: Any) -> Flask:
    """The sales service; ``parts`` are those of :func:`crm_chassis.service.create_service`."""
    return create_service(DEFINITION, __name__, settings, **parts)
